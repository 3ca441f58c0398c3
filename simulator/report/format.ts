/** `950 µs`, `12.3 ms`, `1.25 s`: at most nine characters up to 27 hours. */
export function milliseconds(ms: number): string {
  if (ms < 0.9995) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 999.5) return `${ms.toPrecision(3)} ms`;
  return `${(ms / 1_000).toFixed(2)} s`;
}

export function integer(value: number): string {
  return value.toLocaleString("en");
}

export function perSecond(rate: number): string {
  return `${rate.toFixed(1)}/s`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
