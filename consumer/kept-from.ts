import type { IngestConnection } from "./connection.ts";

/** Unix seconds by name in table `retention`: what is older is not stored. A name that is not there keeps everything. */
export type KeptFrom = ReadonlyMap<string, number>;

export async function loadKeptFrom(connection: IngestConnection): Promise<KeptFrom> {
  const rows = (await connection.run("SELECT name, kept_from_s FROM retention")) as {
    name: string;
    kept_from_s: number;
  }[];
  return new Map(rows.map(({ name, kept_from_s }) => [name, kept_from_s]));
}
