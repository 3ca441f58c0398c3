import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import { columnOf, csvWriter, jsonWriter, ndjsonWriter, textOf } from "./sql-result.ts";
import type { Column, Row, Writer } from "./sql-result.ts";

const column = (name: string, kind: Column["kind"] = "text"): Column => ({ name, kind });
const row = (...texts: (string | null)[]): Row =>
  texts.map((text) => (text === null ? null : Buffer.from(text)));
const written = (writer: Writer, rows: readonly Row[]) =>
  writer.head + rows.map((one, i) => writer.line(one, i)).join("") + writer.tail(rows.length);

test("CSV reads back as what was written, and NULL is not empty text", () => {
  const rows = [
    row("1", 'a "b", c'),
    row("-2", "line\r\nbreak"),
    row(null, null),
    row("3", ""),
    row("4", "日本"),
  ];
  const text = written(csvWriter([column("n", "number"), column("a,b")]), rows);
  expect(parse(text, { record_delimiter: "\r\n" })).toEqual([
    ...[
      ["n", "a,b"],
      ["1", 'a "b", c'],
      ["-2", "line\r\nbreak"],
      ["", ""],
      ["3", ""],
      ["4", "日本"],
    ],
  ]);
  expect(text).toContain('\r\n,\r\n3,""\r\n');
});

test("CSV turns stored text into no formula, and leaves numbers and times as they are", () => {
  const columns = [column("user_agent"), column("change", "number"), column("offset", "time")];
  const rows = [row("=HYPERLINK(1)", "-1.50", "-01:00:00"), row("@x", "+1", null)];
  expect(written(csvWriter(columns), rows)).toBe(
    "user_agent,change,offset\r\n'=HYPERLINK(1),-1.50,-01:00:00\r\n'@x,+1,\r\n",
  );
});

test("JSON keeps every digit: as a number where its readers can, as text where not", () => {
  const columns = [column("n", "number")];
  const shown = (text: string) => written(ndjsonWriter(columns), [row(text)]).trim();
  expect(shown("9007199254740991")).toBe('{"n":9007199254740991}');
  expect(shown("9007199254740993")).toBe('{"n":"9007199254740993"}');
  expect(shown("-18446744073709551615")).toBe('{"n":"-18446744073709551615"}');
  expect(shown("0.000123456789012345")).toBe('{"n":0.000123456789012345}');
  expect(shown("1234567890.123456")).toBe('{"n":"1234567890.123456"}');
  expect(shown("00042")).toBe('{"n":"00042"}'); // ZEROFILL
  expect(written(ndjsonWriter([column("n", "double")]), [row("3.3333333333333335")])).toBe(
    '{"n":3.3333333333333335}\n',
  );
});

test("JSON is one array, NDJSON an object a line, whatever is stored", () => {
  const columns = [column("id"), column("id"), column("details", "json")];
  const rows = [row("a\u2028\u001b", null, '{\n "b": [1]}'), row("", "x", null)];
  const objects = [
    { id: "a\u2028\u001b", id_2: null, details: { b: [1] } },
    { id: "", id_2: "x", details: null },
  ];
  expect(JSON.parse(written(jsonWriter(columns), rows))).toEqual(objects);
  const lines = written(ndjsonWriter(columns), rows).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(objects);
  expect(written(jsonWriter(columns), [])).toBe("[]\n");
  expect(written(ndjsonWriter(columns), [])).toBe("");
});

test("binary is hexadecimal unless it is readable text, bits are a number", () => {
  expect(textOf(Buffer.from([0, 255]), column("b", "bytes"))).toBe("0x00FF");
  expect(textOf(Buffer.from('{"a":"é"}\n'), column("b", "bytes"))).toBe('{"a":"é"}\n');
  expect(textOf(Buffer.from("\u001b[31m"), column("b", "bytes"))).toBe("0x1B5B33316D");
  expect(textOf(Buffer.from([1, 0]), column("b", "bits"))).toBe("256");
});

test("what MariaDB says is JSON is JSON, not text", () => {
  const field = { name: "j", columnType: 252, characterSet: 45, extendedFormat: "json" };
  expect(columnOf(field as never).kind).toBe("json");
  expect(columnOf({ ...field, extendedFormat: undefined } as never).kind).toBe("text");
  expect(columnOf({ ...field, extendedFormat: undefined, characterSet: 63 } as never).kind).toBe("bytes");
});
