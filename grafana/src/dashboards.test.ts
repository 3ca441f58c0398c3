import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { apiOverview } from "./api-overview.ts";
import { dashboardJson } from "./dashboard.ts";
import { DATA_SOURCE, GRID_COLUMNS, stat } from "./panels.ts";
import { DASHBOARDS, renderDashboards } from "./render.ts";

const grafana = join(import.meta.dirname, "..");

test("grafana/dashboards holds what grafana/src builds and nothing else", async () => {
  const committed = new Map(
    readdirSync(join(grafana, "dashboards")).map((name) => [
      name,
      readFileSync(join(grafana, "dashboards", name), "utf8"),
    ]),
  );
  expect(committed, "run: node grafana/src/build.ts").toEqual(await renderDashboards());
});

test("panels that do not fit into a row begin the next, below the tallest", () => {
  const of = (width: number, height: number) =>
    stat({ title: "t", description: "d", unit: "short", width, height, sql: "SELECT 1" });
  const { panels } = dashboardJson({
    uid: "u",
    title: "t",
    description: "d",
    variables: [],
    panels: [of(8, 4), of(12, 6), of(8, 4), of(24, 3)],
  });
  expect(panels.map(({ gridPos: { x, y } }) => [x, y])).toEqual([
    [0, 0],
    [8, 0],
    [0, 6],
    [0, 10],
  ]);
});

test("A-16: the overview has the five classic panels, total requests and p95, refreshed every 5 s", () => {
  expect(apiOverview.uid).toBe("rushhour-api-overview");
  expect(apiOverview.refresh).toBe("5s");
  expect(apiOverview.time).toEqual({ from: "now-15m", to: "now" });
  expect(apiOverview.panels.map(({ title }) => title)).toEqual(
    expect.arrayContaining([
      "Total requests",
      "Response time, p95",
      "Requests per endpoint",
      "Response time",
      "Most frequent errors",
      "Error rate",
      "Error rate over time",
      "Live log",
    ]),
  );
});

const dashboards = Object.values(DASHBOARDS);

test.each(dashboards)(
  "every panel of $title has a title, a description, a unit and a text for no data",
  ({ panels }) => {
    for (const panel of panels) {
      expect(panel).toMatchObject({
        title: expect.stringMatching(/\S/) as string,
        description: expect.stringMatching(/\.$/) as string,
        datasource: DATA_SOURCE,
        fieldConfig: {
          defaults: {
            unit: expect.stringMatching(/\S/) as string,
            noValue: expect.stringMatching(/\S/) as string,
          },
        },
      });
    }
  },
);

test.each(dashboards)("panels of $title lie inside the grid and none covers another", ({ panels }) => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(GRID_COLUMNS);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken.get(`${x},${y}`), `${title} at ${x},${y}`).toBeUndefined();
        taken.set(`${x},${y}`, title);
      }
    }
  }
});

const provisioned = z.object({
  datasources: z
    .array(
      z.object({
        uid: z.string(),
        type: z.string(),
        user: z.string(),
        jsonData: z.object({ timezone: z.string(), maxOpenConns: z.number() }),
        secureJsonData: z.object({ password: z.string() }),
      }),
    )
    .length(1),
});

test("A-17: the data source of the panels is provisioned in UTC, for the reader, with its password from a file", () => {
  const text = readFileSync(join(grafana, "provisioning/datasources/mysql.yaml"), "utf8");
  const [source] = provisioned.parse(parse(text)).datasources;
  expect(source).toMatchObject({
    ...DATA_SOURCE,
    user: "rushhour_reader",
    jsonData: { timezone: "+00:00", maxOpenConns: 10 },
    secureJsonData: { password: expect.stringMatching(/^\$__file\{\/[\w/]+\}$/) as string },
  });
});
