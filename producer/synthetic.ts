import { stream, type Rng } from "../contract/random.ts";
import { REQUEST_LOGS_OF, UNMATCHED, type Level, type RequestLog } from "../contract/request-log.ts";
import type { Publisher } from "./publisher.ts";
import { besidesOf, type Beside } from "./synthetic/besides.ts";
import { DAY_MS, MINUTE_MS, type Incident, type Incidents } from "./synthetic/incidents.ts";
import { ROUTES, SHOP_ROUTES, UNMATCHED_ROUTE, type Failure, type Route } from "./synthetic/routes.ts";
import { createVisitors, type Visitor } from "./synthetic/visitors.ts";

/** A request log as it goes to Kafka but for `source` and `seq`: the JSON text of a {@link RequestLog}. */
export interface SyntheticLog {
  readonly level: Level;
  readonly json: string;
  /** Records of other kinds that it brought about. */
  readonly besides: readonly Beside[];
}

/** Writes a request log, and what else its request brought about. */
export function publishSynthetic(
  { publishJson }: Pick<Publisher, "publishJson">,
  { level, json, besides }: SyntheticLog,
): void {
  publishJson(REQUEST_LOGS_OF[level], json);
  for (const beside of besides) publishJson(beside.to, beside.json);
}

export interface SyntheticLogs {
  /** The next request log, of a request that began at `timeMs` (whole Unix ms, in any order). */
  next(timeMs: number): SyntheticLog;
}

export interface SyntheticOptions {
  readonly seed: number;
  /** When the first record may begin, Unix ms: ids depend on it, so that two producers with one seed share none. */
  readonly startMs: number;
  /** Requests a second on average: how many visitors there are at a time. */
  readonly meanPerSecond: number;
  /** What goes wrong when; nothing beyond the usual unless given. */
  readonly incidents?: Incidents;
}

const THINK_S = 8; // mean seconds between two requests of a visitor
const MAX_VISITORS = 5_000;
const INSTANCES = 3; // of each service

/**
 * Request logs of a shop that nobody runs: visitors on their way from the front page to the payment, with the latencies and errors of
 * production. The seed decides everything but the times. The JSON is written as text at once, for speed.
 */
export function createSyntheticLogs(options: SyntheticOptions): SyntheticLogs {
  const { seed, startMs, meanPerSecond, incidents } = options;
  const rng = stream(seed, "synthetic");
  const bits = stream(seed, `ids/${startMs}`);
  const besideBits = stream(seed, `ids beside/${startMs}`);
  const count = Math.min(MAX_VISITORS, Math.max(1, Math.round(meanPerSecond * THINK_S)));
  const visitors = createVisitors(seed, rng, count);
  const clock = createClock();

  function next(timeMs: number): SyntheticLog {
    const incident = incidents?.at(timeMs);
    const visitor = strangerOf(incident) ?? visitors.next(Math.floor(timeMs / DAY_MS));
    const request = visitors.request(visitor);
    const { route } = request;
    const hit = incident !== undefined && strikes(incident, route, rng) ? incident : undefined;
    const failure = hit?.kind === "error-burst" ? BURST : failureOf(route, rng.float());
    const us = latencyUs(route, failure, rng) + addedUs(hit, rng);
    visitors.answered(visitor, request, failure !== undefined);
    if (hit) hit.requests_affected++;
    const { level, head, middle } = formOf(route, failure);
    clock.set(timeMs);
    const json =
      `{"v":1,"request_id":"${clock.idTime}${idRest(bits)}","timestamp":"${clock.iso}",${head}` +
      `${String(1 + rng.integer(INSTANCES))}","path":"${request.path}",${middle}${Math.floor(us / 1_000)}.${DIGITS[us % 1_000]!}` +
      `,"user_agent":"${visitor.home.user_agent}","client_ip":"${visitor.home.client_ip}"` +
      `,"bytes_in":${bytesIn(route, rng)},"bytes_out":${bytesOut(route, failure, rng)},"trace_id":"${hex128(bits)}"` +
      (knowsUser(visitor, route, failure) ? `,"user_id":"${visitor.user}"` : "") +
      (failure ? errorText(failure, request.id, bits) : "") +
      (hit ? `,"incident":"${hit.id}"}` : "}");
    const besides = besidesOf(route, failure, () => ({
      request: JSON.parse(json) as RequestLog,
      order: visitor.order,
      id: () => clock.idTime + idRest(besideBits),
    }));
    return { level, json, besides };
  }

  /** Whoever a traffic spike brings beyond the usual. */
  function strangerOf(incident: Incident | undefined): Visitor | undefined {
    if (incident?.kind !== "traffic-spike") return undefined;
    if (rng.float() < 1 / incident.intensity["factor"]!) return undefined;
    return visitors.passerBy(incident.route ?? (rng.float() < 0.5 ? ROUTES.listProducts : ROUTES.getProduct));
  }

  return { next };
}

/** Whether an incident touches a request to `route`. A spike touches what it brought as well as what was there. */
function strikes({ kind, route: struck, intensity }: Incident, route: Route, rng: Rng): boolean {
  if (struck === null ? !SHOP_ROUTES.includes(route) : struck !== route) return false;
  return kind === "traffic-spike" || rng.float() < intensity["rate"]!;
}

const BURST: Failure = {
  ...{ share: 0, status_code: 503, error_type: "UpstreamUnavailable", speed: "quick" },
  error_message: "upstream connect error: connection refused by 10.0.3.:n",
};

function failureOf({ failures }: Route, point: number): Failure | undefined {
  for (const failure of failures) if ((point -= failure.share) < 0) return failure;
  return undefined;
}

const SLOW_FACTOR = 10;
const TIMEOUT_MS = 2_000;
const QUICK = 0.4;

function latencyUs({ medianMs, sigma, slow }: Route, failure: Failure | undefined, rng: Rng): number {
  const usual = rng.lognormal(medianMs, sigma) * (rng.float() < slow ? SLOW_FACTOR : 1);
  const ms =
    failure?.speed === "timeout" ? TIMEOUT_MS + usual : failure?.speed === "quick" ? QUICK * usual : usual;
  return Math.round(ms * 1_000);
}

function addedUs(hit: Incident | undefined, rng: Rng): number {
  if (hit?.kind !== "slow") return 0;
  const { latency_median_ms = 0, latency_sigma = 0 } = hit.intensity;
  return Math.round(rng.lognormal(latency_median_ms, latency_sigma) * 1_000);
}

function bytesIn({ bytes_in }: Route, rng: Rng): number {
  return bytes_in === 0 ? 0 : bytes_in + rng.integer(24);
}

function bytesOut({ bytes_out }: Route, failure: Failure | undefined, rng: Rng): number {
  const bytes = failure ? 290 : bytes_out;
  return bytes + rng.integer(1 + (bytes >> 2));
}

/** Who signs in, and who signs out, is named by that request already and still; others are while somebody is signed in. */
function knowsUser({ user, isSignedIn }: Visitor, route: Route, failure: Failure | undefined): boolean {
  return user > 0 && (isSignedIn || (isDoor(route) && failure === undefined));
}

const isDoor = (route: Route) => route === ROUTES.login || route === ROUTES.signOut;

/** The parts of the text that all records of a route with the same outcome share. */
interface Form {
  readonly level: Level;
  readonly head: string;
  readonly middle: string;
}

const forms = new Map<Route, Map<Failure | undefined, Form>>();

function formOf(route: Route, failure: Failure | undefined): Form {
  let ofRoute = forms.get(route);
  if (!ofRoute) forms.set(route, (ofRoute = new Map<Failure | undefined, Form>()));
  let form = ofRoute.get(failure);
  if (!form) ofRoute.set(failure, (form = makeForm(route, failure)));
  return form;
}

function makeForm(route: Route, failure: Failure | undefined): Form {
  const level: Level = failure === undefined ? route.level : failure.stack ? "CRITICAL" : "ERROR";
  const endpoint = route === UNMATCHED_ROUTE ? UNMATCHED : route.endpoint;
  const status = failure?.status_code ?? route.status_code;
  return {
    level,
    head: `"level":"${level}","service":"${route.service}","endpoint":"${endpoint}","instance":"${route.service}-`,
    middle: `"method":"${route.method}","status_code":${status},"response_time_ms":`,
  };
}

function errorText({ error_type, error_message, stack }: Failure, id: number, bits: Rng): string {
  const message = error_message.replace(":id", String(id)).replace(":n", String(1 + bits.integer(250)));
  const lines = stack && [`${error_type}: ${message}`, ...stack].join("\\n    at ");
  return `,"error_type":"${error_type}","error_message":"${message}"` + (lines ? `,"stack":"${lines}"` : "");
}

/** `000` … `999` */
const DIGITS = Array.from({ length: 1_000 }, (_, n) => String(n).padStart(3, "0"));
/** `0000` … `ffff` */
const HEX = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, "0"));

/** The two forms of a time in a record; what a minute's have in common is made once. */
function createClock() {
  let minute = NaN;
  let isoHead = "";
  const clock = {
    iso: "", // 2026-11-21T12:00:00.000Z
    idTime: "", // the first 14 characters of a UUIDv7: its time and version
    set(timeMs: number): void {
      const newMinute = Math.floor(timeMs / MINUTE_MS);
      if (newMinute !== minute) {
        minute = newMinute;
        isoHead = new Date(minute * MINUTE_MS).toISOString().slice(0, 17);
      }
      const ofMinuteMs = timeMs - minute * MINUTE_MS;
      const seconds = Math.floor(ofMinuteMs / 1_000);
      clock.iso = `${isoHead}${seconds < 10 ? "0" : ""}${seconds}.${DIGITS[ofMinuteMs % 1_000]!}Z`;
      const high = Math.floor(timeMs / 65_536);
      clock.idTime = `${HEX[Math.floor(high / 65_536)]!}${HEX[high % 65_536]!}-${HEX[timeMs % 65_536]!}-7`;
    },
  };
  return clock;
}

/** What follows in a UUIDv7: 12 random bits, the variant, 62 random bits. */
function idRest(bits: Rng): string {
  const a = bits.uint32();
  const b = bits.uint32();
  const c = bits.uint32();
  return (
    `${HEX[a >>> 16]!.slice(1)}-${HEX[0x8000 | (a & 0x3fff)]!}-` +
    `${HEX[b >>> 16]!}${HEX[b & 0xffff]!}${HEX[c >>> 16]!}`
  );
}

function hex128(bits: Rng): string {
  let hex = "";
  for (let n = 0; n < 4; n++) {
    const word = bits.uint32();
    hex += HEX[word >>> 16]! + HEX[word & 0xffff]!;
  }
  return hex;
}
