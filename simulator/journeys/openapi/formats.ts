import type { Rng } from "../../../contract/random.ts";

const START_OF_2020 = Date.UTC(2020, 0, 1);
const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** Texts of the formats that JSON Schema and OpenAPI name. Hosts are under example.com, so that nobody's are meant. */
export const FORMATS: Readonly<Record<string, (rng: Rng) => string>> = {
  "date-time": (rng) => momentOf(rng),
  date: (rng) => momentOf(rng).slice(0, 10),
  time: (rng) => momentOf(rng).slice(11),
  duration: (rng) => `PT${1 + rng.integer(3_600)}S`,
  email: (rng) => `user${rng.integer(1e6)}@example.com`,
  "idn-email": (rng) => `user${rng.integer(1e6)}@example.com`,
  hostname: (rng) => `host${rng.integer(1e6)}.example.com`,
  "idn-hostname": (rng) => `host${rng.integer(1e6)}.example.com`,
  ipv4: (rng) => `192.0.2.${rng.integer(256)}`,
  ipv6: (rng) => `2001:db8::${hex(rng, 4)}`,
  uri: (rng) => `https://example.com/${rng.integer(1e6)}`,
  url: (rng) => `https://example.com/${rng.integer(1e6)}`,
  iri: (rng) => `https://example.com/${rng.integer(1e6)}`,
  "uri-reference": (rng) => `/${rng.integer(1e6)}`,
  "iri-reference": (rng) => `/${rng.integer(1e6)}`,
  uuid: (rng) =>
    `${hex(rng, 8)}-${hex(rng, 4)}-4${hex(rng, 3)}-${rng.pick(["8", "9", "a", "b"])}${hex(rng, 3)}-${hex(rng, 12)}`,
  "json-pointer": (rng) => `/items/${rng.integer(100)}`,
  "relative-json-pointer": (rng) => `${rng.integer(4)}/items`,
  regex: (rng) => `^[a-z]{${1 + rng.integer(9)}}$`,
  byte: (rng) => Buffer.from(hex(rng, 12)).toString("base64"),
};

function momentOf(rng: Rng): string {
  return new Date(START_OF_2020 + Math.floor(rng.float() * TEN_YEARS_MS)).toISOString();
}

function hex(rng: Rng, digits: number): string {
  return Array.from({ length: digits }, () => rng.integer(16).toString(16)).join("");
}
