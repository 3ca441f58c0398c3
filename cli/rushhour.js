#!/usr/bin/env node
// The program's entry. In a checkout Node runs the TypeScript as it is; an installed package carries dist/,
// because Node strips no types under node_modules.
const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 24) {
  console.error(
    `rushhour: this needs Node 24 or later, and this is ${process.versions.node}.\n` +
      "Run it with the Node that is installed with it: npx rushhour …  (or npm start)",
  );
  process.exit(104);
}
// Who reads no further, such as head, has enough.
process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
const installed = import.meta.url.includes("/node_modules/");
await import(installed ? "../dist/cli/main.js" : "./main.ts");
