import { setTimeout as wait } from "node:timers/promises";
import type { Row } from "../../../init_db/database.ts";
import type { Kind } from "../schedule.ts";

/** The database refuses writers; it ends their connections in the midst of what they do. */
export const databaseBlows: Readonly<Record<string, Kind>> = {
  "database-read-only": (rng) => {
    const forMs = 1_000 + rng.integer(5_000);
    return {
      name: `database read-only for ${forMs} ms`,
      hits: [],
      async strike({ database }) {
        await database.ask("SET GLOBAL read_only = ON"); // waits for commits at hand
        await wait(forMs);
        await database.ask("SET GLOBAL read_only = OFF");
      },
    };
  },
  "database-kill": (rng) => {
    const pauses = Array.from({ length: 5 + rng.integer(20) }, () => 20 + rng.integer(200));
    return {
      name: `the writer's connections killed ${pauses.length} times`,
      hits: [],
      async strike({ database }) {
        const session = await database.session();
        for (const pauseMs of pauses) {
          await wait(pauseMs);
          const [writers] = await session.query<Row[]>(
            "SELECT id FROM information_schema.processlist WHERE user LIKE '%writer%'",
          );
          for (const { id } of writers) await session.query("KILL ?", [id]).catch(() => undefined); // it has ended
        }
        session.destroy();
      },
    };
  },
};
