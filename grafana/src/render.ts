import { format } from "prettier";
import { apiOverview } from "./api-overview.ts";
import { appErrors } from "./app-errors.ts";

export const DASHBOARDS = { "api-overview.json": apiOverview, "app-errors.json": appErrors };

/** Every dashboard as it stands in grafana/dashboards/: the file's name and its text. */
export async function renderDashboards(): Promise<ReadonlyMap<string, string>> {
  const texts = Object.entries(DASHBOARDS).map(async ([name, dashboard]) => {
    const text = await format(JSON.stringify(dashboard), { parser: "json", printWidth: 110 });
    return [name, text] as const;
  });
  return new Map(await Promise.all(texts));
}
