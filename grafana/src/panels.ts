/** Uid of the data source in grafana/provisioning/datasources/mysql.yaml. */
export const DATA_SOURCE = { type: "mysql", uid: "rushhour-mysql" } as const;

/** Columns of Grafana's grid. */
export const GRID_COLUMNS = 24;

/**
 * What a curve has at most, however wide the screen, and the shortest time between two points. With 120, points of more than an
 * hour lie half a minute apart or more, so that each adds up whole buckets of ten seconds.
 */
export const MAX_DATA_POINTS = 120;
export const MIN_INTERVAL_SECONDS = 5;

/** Where a panel stands and what it says; `unit` is Grafana's id of the unit. */
export interface Frame {
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  readonly width: number; // of 24 columns
  readonly height: number; // in rows of 30 px
  readonly sql: string;
  readonly noValue?: string; // said when there is nothing; default: no requests in this range
}

export interface Target {
  readonly refId: string;
  readonly datasource: typeof DATA_SOURCE;
  readonly format: "table" | "time_series";
  readonly rawSql: string;
}

export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly datasource: typeof DATA_SOURCE;
  readonly interval?: string;
  readonly maxDataPoints?: number;
  readonly targets: readonly Target[];
  readonly fieldConfig: {
    readonly defaults: Readonly<Record<string, unknown>>;
    readonly overrides: unknown[];
  };
  readonly options: Readonly<Record<string, unknown>>;
}

/** Value from which on a number is drawn in that colour; the first has none. */
export type Steps = readonly { readonly color: string; readonly value: number | null }[];

/** One number. The SQL answers one row with one column, NULL when there is nothing to say. */
export function stat(frame: Frame, steps: Steps = [{ color: "blue", value: null }]): Panel {
  return panel("stat", frame, "table", {
    defaults: { thresholds: { mode: "absolute", steps } },
    options: {
      colorMode: "value",
      graphMode: "none",
      reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
    },
  });
}

/** Curves. The SQL answers `time` in rising order and value columns, or `time`, `metric` (the curve's name) and one value. */
export function timeSeries(frame: Frame, style: "lines" | "stacked bars", legend: "mean" | "sum"): Panel {
  const custom =
    style === "lines"
      ? { drawStyle: "line", lineWidth: 2, fillOpacity: 10, showPoints: "auto", spanNulls: false }
      : { drawStyle: "bars", lineWidth: 0, fillOpacity: 80, stacking: { mode: "normal", group: "A" } };
  return panel("timeseries", frame, "time_series", {
    defaults: { custom, min: 0 },
    options: {
      legend: {
        displayMode: "table",
        placement: "bottom",
        showLegend: true,
        calcs: [legend, "max"],
        sortBy: legendTitle[legend],
        sortDesc: true,
      },
      tooltip: { mode: "multi", sort: "desc" },
    },
  });
}

const legendTitle = { mean: "Mean", sum: "Total" } as const; // as Grafana heads the columns

/** Rows as the SQL gives them. `columns`: unit and width in pixels by column name. */
export function table(
  frame: Frame,
  columns: Readonly<Record<string, { unit?: string; width?: number }>>,
): Panel {
  return panel("table", frame, "table", {
    defaults: { custom: { align: "auto", filterable: true } },
    overrides: [
      // The no-data text is for a table without rows, not for an empty cell.
      { matcher: { id: "byRegexp", options: ".*" }, properties: [{ id: "noValue", value: "" }] },
      ...Object.entries(columns).map(([name, { unit, width }]) => ({
        matcher: { id: "byName", options: name },
        properties: [
          ...(unit === undefined ? [] : [{ id: "unit", value: unit }]),
          ...(width === undefined ? [] : [{ id: "custom.width", value: width }]),
        ],
      })),
    ],
    options: { cellHeight: "sm", showHeader: true },
  });
}

interface Look {
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly overrides?: unknown[];
  readonly options: Readonly<Record<string, unknown>>;
}

function panel(type: string, frame: Frame, format: Target["format"], look: Look): Panel {
  const { title, description, unit, width, height, sql, noValue = "no requests in this range" } = frame;
  return {
    type,
    title,
    description,
    width,
    height,
    datasource: DATA_SOURCE,
    ...(format === "time_series"
      ? { interval: `${MIN_INTERVAL_SECONDS}s`, maxDataPoints: MAX_DATA_POINTS }
      : {}),
    targets: [{ refId: "A", datasource: DATA_SOURCE, format, rawSql: sql }],
    fieldConfig: {
      defaults: { unit, noValue, ...look.defaults },
      overrides: look.overrides ?? [],
    },
    options: look.options,
  };
}
