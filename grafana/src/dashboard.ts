import { DATA_SOURCE, GRID_COLUMNS } from "./panels.ts";
import type { Panel } from "./panels.ts";

/** A list the viewer picks from; `all` is what stands in the SQL, as it is, when everything is picked. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  readonly all: string;
  readonly sql: string;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly panels: readonly Panel[];
}

/** The dashboard as Grafana 12 reads it from a file: the last 15 minutes, refreshed every 5 s. */
export function dashboardJson({ uid, title, description, variables, panels }: Dashboard) {
  return {
    uid,
    title,
    description,
    tags: ["rushhour"],
    schemaVersion: 41,
    timezone: "browser",
    time: { from: "now-15m", to: "now" },
    refresh: "5s",
    graphTooltip: 1, // one crosshair over all panels
    templating: { list: variables.map(variableJson) },
    panels: placed(panels),
  };
}

function variableJson({ name, label, all, sql }: Variable) {
  return {
    name,
    label,
    type: "query",
    datasource: DATA_SOURCE,
    query: sql,
    refresh: 2, // when the time range changes
    multi: true,
    includeAll: true,
    allValue: all,
    current: { text: ["All"], value: ["$__all"] },
  };
}

/** Left to right; a panel that no longer fits begins a new row below the tallest of the row before. */
function placed(panels: readonly Panel[]) {
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map(({ width, height, ...panel }, index) => {
    if (x + width > GRID_COLUMNS) [x, y, rowHeight] = [0, y + rowHeight, 0];
    const gridPos = { x, y, w: width, h: height };
    x += width;
    rowHeight = Math.max(rowHeight, height);
    return { id: index + 1, gridPos, ...panel };
  });
}
