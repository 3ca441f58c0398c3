import { isIPv6 } from "node:net";

/** What is counted as one client: an IPv4 address, or the 64 bits of IPv6 that one household or host has to itself. */
export function clientOf(address: string | undefined): string {
  if (address === undefined) return "(unknown)";
  const v4 = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!isIPv6(v4)) return v4;
  const [head = "", tail] = v4.replace(/%.*$/, "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  return `${[...groups, ...Array.from({ length: zeros }, () => "0"), ...rest].slice(0, 4).join(":")}::/64`;
}

/** Something known of each client, of the {@link most} that were seen last: whoever comes with a million addresses fills no memory. */
export class PerClient<T> {
  readonly #known = new Map<string, T>();
  readonly #most: number;

  constructor(most = 10_000) {
    this.#most = most;
  }

  get size(): number {
    return this.#known.size;
  }

  get(client: string): T | undefined {
    return this.#known.get(client);
  }

  /** Keeps it as the last seen. */
  set(client: string, value: T): void {
    this.#known.delete(client);
    this.#known.set(client, value);
    if (this.#known.size > this.#most) this.#known.delete(this.#known.keys().next().value!);
  }
}
