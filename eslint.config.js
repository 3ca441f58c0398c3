import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** What each room may import of ours (docs/design.md, "Layout"); tests beside the code may also use test/. */
const ROOMS = {
  contract: [],
  kafka: ["contract"],
  producer: ["contract", "kafka"],
  api: ["contract", "producer"],
  init_db: [],
  consumer: ["contract", "kafka", "producer", "init_db"],
  simulator: ["contract"],
  dashboard: ["contract", "kafka", "init_db"],
  grafana: [],
  engines: [],
};
const ALL_ROOMS = [...Object.keys(ROOMS), "cli", "bench"];

const arrows = Object.entries(ROOMS).map(([room, allowed]) => ({
  files: [`${room}/**/*.ts`],
  ignores: ["**/*.test.ts"],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: `^(\\.\\./)+(${[...ALL_ROOMS, "test"].filter((other) => other !== room && !allowed.includes(other)).join("|")})/`,
            message: `${room}/ may import only ${allowed.length > 0 ? allowed.map((name) => `${name}/`).join(", ") : "nothing"} of ours.`,
          },
        ],
        paths:
          room === "kafka" ? [] : [{ name: "kafkajs", message: "Only kafka/ knows the client library." }],
      },
    ],
  },
}));

export default defineConfig(
  globalIgnores(["dist/", ".rushhour/", "node_modules/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: "error",
    },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly" } },
  },
  ...arrows,
);
