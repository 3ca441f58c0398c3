import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderDashboards } from "./render.ts";

// Run after a change: node grafana/src/build.ts
const folder = join(import.meta.dirname, "../dashboards");
for (const [name, text] of await renderDashboards()) writeFileSync(join(folder, name), text);
