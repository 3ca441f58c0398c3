import { expect, test } from "vitest";
import { harmless, harmlessValues, inOneLine } from "./harmless.ts";

test("what others wrote commands no terminal, in one line or several, however deep", () => {
  expect(inOneLine("a\x1b[2Jb\nc\u202ed\u009be")).toBe("a\\u001b[2Jb\\nc\\u202ed\\u009be");
  expect(harmless("a\x1b\n\tb")).toBe("a\\u001b\n\tb");
  const at = new Date(0);
  expect(harmlessValues({ name: "\x07", list: ["\r", 1, null, Infinity], at })).toEqual({
    ...{ name: "\\u0007", list: ["\\r", 1, null, Infinity], at },
  });
});
