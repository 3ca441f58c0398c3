/**
 * npm's prepack: builds dist/, which is what an installed package runs, because Node strips no types under
 * node_modules. It holds the TypeScript as JavaScript and declarations, and the files that the program reads.
 */
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";

/** Found at run time beside the module that reads them. */
const DATA = ["engines/pom.xml", "init_db/migrations", "examples/scenarios/shop.yaml"];

rmSync("dist", { recursive: true, force: true }); // npm runs this in the package's root
const compile = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"];
const { status } = spawnSync(process.execPath, compile, { stdio: "inherit" });
if (status !== 0) process.exit(1);
for (const path of DATA) cpSync(path, `dist/${path}`, { recursive: true });
