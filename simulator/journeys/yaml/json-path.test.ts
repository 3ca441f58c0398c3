import { expect, test } from "vitest";
import { jsonPath } from "./json-path.ts";

const JSON_BODY = {
  items: [{ id: 1, tags: ["a", "b"] }, { id: 2, tags: [] }, { name: "no id" }],
  "odd key": { "a.b": true },
  none: null,
  empty: [],
};

test.each<[string, unknown]>([
  ["$", JSON_BODY],
  ["$.items[0].id", 1],
  ["$.items[-1].name", "no id"],
  ["$.items[*].id", [1, 2]],
  ["$.items[*].tags[*]", ["a", "b"]],
  ["$.items.*.id", [1, 2]],
  ["$[\"odd key\"]['a.b']", true],
  ["$.none", null],
  ["$.empty[*]", undefined],
  ["$.empty[0]", undefined],
  ["$.missing.deeper", undefined],
  ["$.items[9]", undefined],
  ["$.constructor", undefined],
])("%s", (path, value) => {
  expect(jsonPath(path)!(JSON_BODY)).toEqual(value);
});

test.each(["items", "$items", "$..id", "$.items[", "$.items[?(@.id)]", "$.items[1:2]", "$.", ""])(
  "%s is no path",
  (path) => {
    expect(jsonPath(path)).toBeUndefined();
    expect(jsonPath("$.items[0].id")!(JSON_BODY)).toBe(1);
  },
);

test("an answer that is no JSON leads nowhere", () => {
  for (const json of [undefined, null, 3, "text"]) expect(jsonPath("$.items[*].id")!(json)).toBeUndefined();
});
