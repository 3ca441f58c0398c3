import { v5 as uuidv5 } from "uuid";
import type { Fields } from "../../contract/record.ts";
import { textOf, type Attributes } from "./values.ts";

/** What became of one log record or span: fields of a record, still to be checked as any caller's are; why there are none; or it is none of ours. */
export type Mapped = { readonly fields: Fields } | { readonly reason: string } | "ignored";

const NAMESPACE = "0d6e7c36-3a52-5b1f-8f0c-6a4de5b0f1c2";

/** An id worked out from what a record says, the same each time it is said. */
export const idOf = (text: string): string => uuidv5(text.toWellFormed(), NAMESPACE);

/** @see https://opentelemetry.io/docs/specs/semconv/registry/attributes/exception/ */
export function exceptionOf(attributes: Attributes) {
  return {
    type: textOf(attributes, "exception.type"),
    message: textOf(attributes, "exception.message"),
    stack: textOf(attributes, "exception.stacktrace"),
  };
}
