import { z } from "@hono/zod-openapi";

/** Digits only: not "", " 5", "1e2" or "0x10", which Number would take. */
function whole(least: number, most: number, fallback: number, description: string) {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z
    .string(rule)
    .regex(/^\d{1,9}$/, rule)
    .transform(Number)
    .refine((n) => n >= least && n <= most, rule)
    .default(fallback)
    .openapi({ type: "integer", minimum: least, maximum: most, default: fallback, description });
}

/** Which part of a list: `limit` entries after leaving out the first `offset`. */
export const Page = z.object({
  limit: whole(1, 100, 20, "How many entries at most"),
  offset: whole(0, 1_000_000, 0, "How many entries to leave out"),
});

/** Beside the entries of every list. */
export const PageOf = {
  total: z.int().openapi({ description: "Entries in the whole list" }),
  limit: z.int(),
  offset: z.int(),
};

/** An id in a path: what is not the id of anything answers 404, whatever it looks like. */
export const IdParam = z.object({
  id: z.string().openapi({ param: { name: "id", in: "path" }, type: "integer", minimum: 1, example: 1 }),
});
