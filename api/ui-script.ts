/**
 * The script of the page at `/ui`, as browsers run it. Each press is an event with a UUIDv7 by the server's clock, so whatever
 * is sent again is the same event. Events wait in the tab's storage until the server has taken them: one request at a time, the waiting
 * ones together, again after 1 s to 30 s. Refused for good are those of a 4xx and those that waited for a day.
 */
export const SCRIPT = `
"use strict";
const MOST_WAITING = 500, AT_ONCE = 50, DAY_MS = 23 * 3600e3, LATEST = 20;
const aheadMs = Number(document.documentElement.dataset.now) - Date.now();
const stored = (key, value) => {
  try {
    if (value !== undefined) sessionStorage.setItem(key, JSON.stringify(value));
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
};
const session = stored("session") ?? stored("session", randomId()) ?? randomId();
const waiting = stored("waiting") ?? [];
const counts = stored("counts") ?? {};
const lines = new Map();
let sending = false;

function randomId() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = (Date.now() + aheadMs).toString(16).padStart(12, "0");
  const variant = "89ab"[parseInt(hex[3], 16) & 3];
  return [time.slice(0, 8), time.slice(8), "7" + hex.slice(0, 3), variant + hex.slice(4, 7), hex.slice(7, 19)].join("-");
}

const madeMs = ({ event_id }) => parseInt(event_id.replace("-", "").slice(0, 12), 16);

function show({ event_id, name }, state) {
  let line = lines.get(event_id);
  if (!line) {
    line = document.createElement("li");
    lines.set(event_id, line);
    const list = document.getElementById("presses");
    list.prepend(line);
    if (list.children.length > LATEST) list.lastChild.remove();
  }
  line.textContent = name + ": " + state;
  const output = document.querySelector('[data-counts="' + name + '"]');
  const { sent = 0, failed = 0 } = counts[name] ?? {};
  const left = waiting.filter((event) => event.name === name).length;
  if (output) output.textContent = sent + " sent, " + left + " waiting, " + failed + " failed";
}

function done(event, outcome, why) {
  const at = waiting.indexOf(event);
  if (at >= 0) waiting.splice(at, 1);
  counts[event.name] ??= { sent: 0, failed: 0 };
  counts[event.name][outcome]++;
  stored("waiting", waiting);
  stored("counts", counts);
  show(event, why);
  lines.delete(event.event_id);
}

function press(name) {
  const event = { event_id: randomId(), name, page: location.pathname, session_id: session };
  if (waiting.length >= MOST_WAITING) return done(event, "failed", "failed, too many are waiting");
  waiting.push(event);
  stored("waiting", waiting);
  show(event, "sending");
  if (!sending) void sendAll();
}

async function sendAll() {
  sending = true;
  for (let pauseS = 1; waiting.length > 0; ) {
    const now = Date.now() + aheadMs;
    for (const event of waiting.filter((event) => now - madeMs(event) > DAY_MS)) done(event, "failed", "failed, too old");
    const batch = waiting.slice(0, AT_ONCE);
    if (batch.length === 0) break;
    const asked = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(batch) };
    const answer = await fetch("/events", { ...asked, signal: AbortSignal.timeout(10000) }).catch(() => undefined);
    const said = await answer?.json().catch(() => undefined);
    const status = answer?.status ?? 0;
    if (status === 202 || status === 207) {
      for (const [at, { status: one }] of (said?.events ?? []).entries()) if (one === 202) done(batch[at], "sent", "sent");
      if (status === 202 && said) {
        pauseS = 1;
        continue;
      }
    } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      for (const event of batch) done(event, "failed", "failed, " + (said?.error?.message ?? status));
      continue;
    }
    for (const event of batch) if (waiting.includes(event)) show(event, "waiting, is sent again in " + pauseS + " s");
    await new Promise((resolve) => setTimeout(resolve, pauseS * 1000));
    pauseS = Math.min(pauseS * 2, 30);
  }
  sending = false;
}

for (const button of document.querySelectorAll("button[data-name]")) button.addEventListener("click", () => press(button.dataset.name));
for (const event of waiting) show(event, "waiting");
if (waiting.length > 0) void sendAll();
`;
