#!/usr/bin/env node
// The program's entry. In a checkout Node runs the TypeScript as it is; an installed package carries dist/,
// because Node strips no types under node_modules.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const installed = import.meta.url.includes("/node_modules/");
if (!installed && (major < 22 || (major === 22 && minor < 18))) {
  console.error(
    `rushhour: Node ${process.versions.node} cannot run TypeScript; this needs 22.18 or later.\n` +
      "Run it with the Node 24 that the project installs: npx rushhour …  (or npm start)",
  );
  process.exit(104);
}
await import(installed ? "../dist/cli/main.js" : "./main.ts");
