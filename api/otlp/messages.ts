import protobuf from "protobufjs";

/**
 * The part of OTLP that is read here, as protobuf.js reflects it: names and numbers are those of opentelemetry-proto 1.x. What is not
 * named is skipped. What is text there is bytes here: protobuf.js refuses broken UTF-8, and one bad line would cost the whole export.
 * @see https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto (common, resource, logs, trace, collector)
 */
const TEXT = "bytes";
const field = (id: number, type: string) => ({ id, type });
const list = (id: number, type: string) => ({ id, type, rule: "repeated" });

const ANY_VALUE = {
  stringValue: field(1, TEXT),
  boolValue: field(2, "bool"),
  intValue: field(3, "int64"),
  doubleValue: field(4, "double"),
  arrayValue: field(5, "ArrayValue"),
  kvlistValue: field(6, "KeyValueList"),
  bytesValue: field(7, "bytes"),
};

const root = protobuf.Root.fromJSON({
  nested: {
    AnyValue: { fields: ANY_VALUE },
    ArrayValue: { fields: { values: list(1, "AnyValue") } },
    KeyValueList: { fields: { values: list(1, "KeyValue") } },
    KeyValue: { fields: { key: field(1, TEXT), value: field(2, "AnyValue") } },
    Scope: { fields: { name: field(1, TEXT) } },
    Resource: { fields: { attributes: list(1, "KeyValue") } },

    LogsRequest: { fields: { resourceLogs: list(1, "ResourceLogs") } },
    ResourceLogs: { fields: { resource: field(1, "Resource"), scopeLogs: list(2, "ScopeLogs") } },
    ScopeLogs: { fields: { scope: field(1, "Scope"), logRecords: list(2, "LogRecord") } },
    LogRecord: {
      fields: {
        timeUnixNano: field(1, "fixed64"),
        severityNumber: field(2, "int32"),
        severityText: field(3, TEXT),
        body: field(5, "AnyValue"),
        attributes: list(6, "KeyValue"),
        traceId: field(9, "bytes"),
        spanId: field(10, "bytes"),
        observedTimeUnixNano: field(11, "fixed64"),
        eventName: field(12, TEXT),
      },
    },

    TraceRequest: { fields: { resourceSpans: list(1, "ResourceSpans") } },
    ResourceSpans: { fields: { resource: field(1, "Resource"), scopeSpans: list(2, "ScopeSpans") } },
    ScopeSpans: { fields: { scope: field(1, "Scope"), spans: list(2, "Span") } },
    Span: {
      fields: {
        traceId: field(1, "bytes"),
        spanId: field(2, "bytes"),
        kind: field(6, "int32"),
        startTimeUnixNano: field(7, "fixed64"),
        endTimeUnixNano: field(8, "fixed64"),
        attributes: list(9, "KeyValue"),
        events: list(11, "SpanEvent"),
        status: field(15, "SpanStatus"),
      },
    },
    SpanEvent: { fields: { name: field(2, TEXT), attributes: list(3, "KeyValue") } },
    SpanStatus: { fields: { message: field(2, TEXT), code: field(3, "int32") } },

    LogsResponse: { fields: { partialSuccess: field(1, "LogsPartialSuccess") } },
    LogsPartialSuccess: {
      fields: { rejectedLogRecords: field(1, "int64"), errorMessage: field(2, "string") },
    },
    TraceResponse: { fields: { partialSuccess: field(1, "TracePartialSuccess") } },
    TracePartialSuccess: { fields: { rejectedSpans: field(1, "int64"), errorMessage: field(2, "string") } },

    /** google.rpc.Status, without details. @see https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto */
    Status: { fields: { code: field(1, "int32"), message: field(2, "string") } },
  },
});

export type OtlpMessage = "LogsRequest" | "TraceRequest" | "LogsResponse" | "TraceResponse" | "Status";

/**
 * Fields that were there are own properties: 64-bit numbers as Long, bytes as Uint8Array. Messages nested more than 100 deep are refused.
 * @throws Error for bytes that are no such message
 */
export function decodeMessage(type: OtlpMessage, bytes: Uint8Array): unknown {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = true;
  return root.lookupType(type).decode(reader);
}

/** @param value in the JSON mapping */
export function encodeMessage(type: OtlpMessage, value: object): Uint8Array<ArrayBuffer> {
  const messages = root.lookupType(type);
  return new Uint8Array(messages.encode(messages.fromObject(value)).finish());
}
