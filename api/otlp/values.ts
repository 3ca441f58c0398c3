import protobuf from "protobufjs";

const { Long } = protobuf.util;

/** What an export says in place of what OTLP lets it say; the message names the field. */
export class MalformedExport extends Error {}

/** A message of either encoding, before anything is believed about it. */
export type Message = Readonly<Record<string, unknown>>;

/** As protobuf.js bounds it for the other encoding. */
const MAX_DEPTH = 100;

/** A field that holds one message; missing, or null in JSON, it is an empty one. @throws MalformedExport */
export function messageIn(parent: Message, name: string): Message {
  return messageOf(own(parent, name) ?? {}, name);
}

/** A field that holds a list of messages. @throws MalformedExport */
export function messagesIn(parent: Message, name: string): Message[] {
  const values = own(parent, name) ?? [];
  if (!Array.isArray(values)) throw new MalformedExport(`${name} must be an array`);
  return values.map((value) => messageOf(value, name));
}

function messageOf(value: unknown, name: string): Message {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new MalformedExport(`${name} must be an object`);
  return value as Message;
}

/** Of protobuf.js only what was sent is the object's own; the rest are defaults of its class. */
function own(message: Message, name: string): unknown {
  return Object.hasOwn(message, name) ? message[name] : undefined;
}

/** UTF-8 that is broken has U+FFFD in its place. */
export function textIn(message: Message, name: string): string {
  const value = own(message, name);
  if (value instanceof Uint8Array) return bufferOf(value).toString("utf8");
  return typeof value === "string" ? value : "";
}

const bufferOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function numberIn(message: Message, name: string): number {
  const value = own(message, name);
  return typeof value === "number" ? value : 0;
}

/** A time in Unix nanoseconds: fixed64, in JSON a decimal string or a number; 0 is none. @throws MalformedExport */
export function nanosIn(message: Message, name: string): bigint {
  const value = own(message, name) ?? 0;
  const nanos = integerOf(value);
  if (nanos === undefined || nanos < 0n || nanos >= 2n ** 64n)
    throw new MalformedExport(`${name} must be Unix nanoseconds, in JSON as a decimal string`);
  return nanos;
}

function integerOf(value: unknown): bigint | undefined {
  if (value instanceof Long) return BigInt((value as { toString(): string }).toString());
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : undefined;
}

/** An id as hex in small letters, which is how JSON has it; "" for none, or one of another length. */
export function hexIn(message: Message, name: string, bytes: number): string {
  const value = own(message, name);
  const hex = value instanceof Uint8Array ? bufferOf(value).toString("hex") : value;
  const isId = typeof hex === "string" && hex.length === 2 * bytes && /^[\da-f]+$/i.test(hex);
  return isId && !/^0+$/.test(hex) ? hex.toLowerCase() : "";
}

export type Attributes = ReadonlyMap<string, unknown>;

/** Attributes by name, as plain values; of a name that comes twice the last counts. @throws MalformedExport */
export function attributesIn(message: Message, depth = 0): Attributes {
  return new Map(
    messagesIn(message, "attributes").map((entry) => [textIn(entry, "key"), plainValue(entry, depth)]),
  );
}

/** The AnyValue in the field `value` of a key-value, or in the body of a log record. @throws MalformedExport */
export function plainValue(holder: Message, depth = 0, name = "value"): unknown {
  return plain(messageIn(holder, name), depth);
}

/**
 * Text, boolean or number as it is; an integer beyond 2^53 and a number JSON has not as text, bytes as base64, lists and
 * maps of these; null for none.
 */
function plain(any: Message, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new MalformedExport(`a value is nested more than ${MAX_DEPTH} deep`);
  const has = (name: string) => own(any, name) !== undefined && own(any, name) !== null;
  if (has("stringValue")) return textIn(any, "stringValue");
  if (has("boolValue")) return any["boolValue"] === true;
  if (has("intValue")) return plainInteger(any["intValue"]);
  if (has("doubleValue")) return plainNumber(any["doubleValue"]);
  if (has("arrayValue"))
    return messagesIn(messageIn(any, "arrayValue"), "values").map((value) => plain(value, depth + 1));
  if (has("kvlistValue")) {
    const entries = messagesIn(messageIn(any, "kvlistValue"), "values");
    return Object.fromEntries(entries.map((entry) => [textIn(entry, "key"), plainValue(entry, depth + 1)]));
  }
  if (!has("bytesValue")) return null;
  const { bytesValue } = any;
  return bytesValue instanceof Uint8Array
    ? bufferOf(bytesValue).toString("base64")
    : textIn(any, "bytesValue");
}

function plainInteger(value: unknown): number | string {
  const integer = integerOf(value);
  if (integer === undefined) throw new MalformedExport("intValue must be a whole number");
  return Number.isSafeInteger(Number(integer)) ? Number(integer) : String(integer);
}

/** JSON has "NaN", "Infinity" and "-Infinity" as text. */
function plainNumber(value: unknown): number | string {
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number !== "number") throw new MalformedExport("doubleValue must be a number");
  return Number.isFinite(number) ? number : String(number);
}

/** The first of these attributes that is there, as text. */
export function textOf(attributes: Attributes, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = attributes.get(name);
    if (value === undefined || value === null || value === "") continue;
    // Headers are lists: `http.request.header.x`.
    const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
    return typeof one === "string" ? one : JSON.stringify(one);
  }
  return undefined;
}

export const NANOS_PER_MS = 1_000_000n;

/** ISO 8601, or undefined for none and for what no Date can hold. */
export function instantOf(nanos: bigint): string | undefined {
  const ms = Number(nanos / NANOS_PER_MS);
  return nanos === 0n || ms > 8.64e15 ? undefined : new Date(ms).toISOString();
}
