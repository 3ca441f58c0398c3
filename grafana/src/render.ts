import { format } from "prettier";
import { apiOverview } from "./api-overview.ts";

/** Every dashboard as it stands in grafana/dashboards/: the file's name and its text. */
export async function renderDashboards(): Promise<ReadonlyMap<string, string>> {
  const json = JSON.stringify(apiOverview);
  return new Map([["api-overview.json", await format(json, { parser: "json", printWidth: 110 })]]);
}
