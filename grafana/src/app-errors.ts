import { dashboardJson } from "./dashboard.ts";
import { stat, table, timeSeries } from "./panels.ts";
import { ALL_SERVICES, OF_SERVICE } from "./requests.ts";

/** Read by the key (level, timestamp): what is no error costs nothing. */
const ERRORS = `FROM app_logs
WHERE level IN ('ERROR', 'CRITICAL') AND $__timeFilter(timestamp) AND ${OF_SERVICE}`;

const noValue = "no errors in this range";

const small = { unit: "short", width: 6, height: 4, noValue } as const;

const total = stat({
  ...{
    ...small,
    title: "Errors",
    description: "Application logs of level ERROR and CRITICAL in this range.",
  },
  sql: `
SELECT COUNT(*) AS errors
${ERRORS}`,
});

const critical = stat(
  {
    ...{ ...small, title: "Critical", description: "Of these CRITICAL." },
    sql: `
SELECT COUNT(IF(level = 'CRITICAL', 1, NULL)) AS critical
${ERRORS}`,
  },
  [
    { color: "green", value: null },
    { color: "red", value: 1 },
  ],
);

const lastHour = stat({
  ...{ ...small, title: "Errors of the last hour", description: "Up to now, whatever the range." },
  sql: `
SELECT COUNT(*) AS errors
FROM app_logs
WHERE level IN ('ERROR', 'CRITICAL') AND timestamp >= UTC_TIMESTAMP() - INTERVAL 1 HOUR AND ${OF_SERVICE}`,
});

const services = stat({
  ...{ ...small, title: "Affected services", description: "Services that logged an error in this range." },
  sql: `
SELECT COUNT(DISTINCT service) AS services
${ERRORS}`,
});

const overTime = (title: string, description: string, metric: string) =>
  timeSeries(
    {
      ...{ title, description, unit: "short", width: 12, height: 10, noValue },
      sql: `
SELECT $__timeGroupAlias(timestamp, $__interval), ${metric} AS metric, COUNT(*) AS errors
${ERRORS}
GROUP BY time, metric
ORDER BY time, metric`,
    },
    "stacked bars",
    "sum",
  );

const groups = table(
  {
    ...{ title: "Groups", unit: "none", width: 24, height: 10, noValue },
    description:
      "Errors that are the same but for numbers and ids, the 20 commonest of this range; first_seen is of all time.",
    sql: `
SELECT g.errors, g.critical, g.services, n.error_type, n.message, n.frames,
  (SELECT MIN(first_at) FROM app_errors_1h WHERE app_errors_1h.fingerprint = g.fingerprint) AS first_seen, g.last_seen
FROM (
  SELECT fingerprint, COUNT(*) AS errors, COUNT(IF(level = 'CRITICAL', 1, NULL)) AS critical,
    GROUP_CONCAT(DISTINCT service ORDER BY service SEPARATOR ', ') AS services, MAX(timestamp) AS last_seen
  ${ERRORS}
  GROUP BY fingerprint
  ORDER BY errors DESC
  LIMIT 20
) AS g
JOIN app_error_groups AS n ON n.fingerprint = g.fingerprint
ORDER BY g.errors DESC, g.last_seen DESC`,
  },
  {
    errors: { width: 80 },
    critical: { width: 80 },
    services: { width: 160 },
    error_type: { width: 160 },
    first_seen: { unit: "dateTimeAsLocal", width: 170 },
    last_seen: { unit: "dateTimeAsLocal", width: 170 },
  },
);

const feed = table(
  {
    ...{ title: "Latest errors", unit: "none", width: 24, height: 14, noValue },
    description: "The 50 newest errors in this range with stack and context; look into a cell for all of it.",
    sql: `
SELECT timestamp, level, service, logger, message, error_type, stack, CAST(context AS CHAR) AS context,
  module, \`function\`, line, request_id, trace_id
${ERRORS}
ORDER BY timestamp DESC
LIMIT 50`,
  },
  {
    timestamp: { unit: "time:YYYY-MM-DD HH:mm:ss.SSS", width: 190 },
    level: { width: 90 },
    service: { width: 110 },
    logger: { width: 140 },
    error_type: { width: 140 },
    line: { width: 60 },
  },
);

/** E-11: what services log when something is wrong. */
export const appErrors = dashboardJson({
  uid: "rushhour-app-errors",
  title: "Application errors",
  description: "Errors that services logged, with their stacks, from app_logs.",
  variables: [
    {
      name: "service",
      label: "Service",
      all: ALL_SERVICES,
      sql: "SELECT DISTINCT service FROM app_errors_1h ORDER BY service",
    },
  ],
  panels: [
    ...[total, critical, lastHour, services],
    overTime("Errors by service", "Errors over time; the legend holds the total of the range.", "service"),
    overTime("Errors by type", "The same by what was thrown.", "COALESCE(error_type, '(none)')"),
    ...[groups, feed],
  ],
});
