import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import * as config from "./config.ts";
import { RushhourError } from "./errors.ts";

const schemas = Object.entries<unknown>({ ...config }).filter(
  (entry): entry is [string, z.ZodObject] => entry[1] instanceof z.ZodObject,
);
const settings = schemas.flatMap(([role, schema]) =>
  Object.keys(schema.shape).map((key) => ({ role, key, schema })),
);

const NONSENSE = [
  "nonsense",
  "-1",
  "1e999",
  "NaN",
  "0x10",
  " ",
  "\0",
  "\x1b[2J",
  "💥",
  "[object Object]",
  "1/0",
  "9".repeat(400),
];

const nonsense = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 80 }),
  fc.string({ minLength: 1, maxLength: 80 }),
  fc.double().map(String),
  fc.json(),
);

/** Taken, or refused with one line that names the setting. */
function meet(schema: z.ZodObject, key: string, value: string, flag?: string): void {
  try {
    if (flag === undefined) config.readSettings(schema, { [key]: value });
    else config.readSettings(schema, {}, { [key]: { flag, value } });
  } catch (error) {
    expect(error).toBeInstanceOf(RushhourError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", exitCode: 104 });
    const { message } = error as Error;
    const isNamed = message.includes(`${flag ?? key}=`) || message.includes(` for ${key}`); // what it wants beside it
    expect(isNamed, message).toBe(true);
    expect(message).toMatch(/ must /);
  }
}

test("every role's settings are walked", () => {
  expect(schemas.map(([role]) => role)).toEqual(
    expect.arrayContaining([
      "apiSettings",
      "consumerSettings",
      "producerSettings",
      "kafkaSettings",
      "sqlSettings",
    ]),
  );
});

test.each(settings)("$role: nonsense in $key is taken as text or refused by name", ({ key, schema }) => {
  for (const value of NONSENSE) {
    meet(schema, key, value);
    meet(schema, key, value, "--some-flag");
  }
  fc.assert(
    fc.property(nonsense, (value) => meet(schema, key, value)),
    { numRuns: 25 },
  );
});

test("what is refused reaches the terminal as text, not as commands to it", () => {
  const refused = (value: string) => {
    try {
      config.readSettings(config.apiSettings, { API_PORT: value });
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("it was accepted");
  };
  expect(refused("\x1b[2J\x07\r8000\u009b31m")).not.toMatch(/(?!\n)\p{Cc}/u);
});
