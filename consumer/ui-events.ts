import { UI_EVENT } from "../contract/ui-event.ts";
import { uiEventRow, type UiEventRow } from "../contract/ui-event-row.ts";
import type { Kind } from "./kind.ts";
import { recordTable } from "./record-table.ts";
import { countNames } from "./ui-event-counts.ts";

/** ui-events -> `ui_events` and `ui_event_counts` */
export const uiEvents: Kind<UiEventRow> = {
  name: UI_EVENT.name,
  topics: UI_EVENT.topics,
  decode: uiEventRow,
  origin: () => ({ source: "ui", status: "pressed" }),
  table: recordTable({
    table: "ui_events",
    id: { column: "event_id", of: (row) => row.event_id },
    columns: [
      ["name", (row) => row.name],
      ["page", (row) => row.page],
      ["session_id", (row) => row.session_id],
      ["user_id", (row) => row.user_id],
      ["request_id", (row) => row.request_id],
      ["properties", (row) => row.properties],
      ["extra", (row) => row.extra],
    ],
    levelOf: () => "INFO",
    derived: (rows, shard) => ({
      statements: countNames(
        rows.map(({ name }) => name),
        shard,
      ),
    }),
  }),
};
