import { hash } from "node:crypto";
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { apiSettings, readSettings } from "../../contract/config.ts";
import type { AppOptions } from "../app.ts";
import { openTestShop, serveTestShop } from "../testing.ts";
import { SCRIPT } from "../ui-script.ts";

const buttonsOf = (list: string) => readSettings(apiSettings, { API_BUTTONS: list }).API_BUTTONS;

describe("U-1: the page", () => {
  test("has a button for each label, as text and never as markup", async () => {
    const API_BUTTONS = buttonsOf(`Enroll Now, Buy Now ,<img src=x onerror=alert(1)>,Café "Ask" & Us'`);
    const { status, headers, text } = await openTestShop({ API_BUTTONS }).ask("GET", "/ui");
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    const buttons = [...text.matchAll(/<button type="button" data-name="([^"]*)">([^<]*)<\/button>/g)];
    expect(buttons.map(([, name, label]) => [name, label])).toEqual([
      ["enroll-now", "Enroll Now"],
      ["buy-now", "Buy Now"],
      ["img-src-x-onerror-alert-1", "&lt;img src=x onerror=alert(1)&gt;"],
      ["cafe-ask-us", "Café &quot;Ask&quot; &amp; Us&#39;"],
    ]);
    const withoutValues = text.replace(/"[^"\n]*"/g, "");
    expect(withoutValues).not.toMatch(/<img|<[^>]+\son\w+=|javascript:|https?:/);
    expect(text).toMatch(/<html lang="en"[^]*name="viewport"[^]*color-scheme: light dark/);
  });

  test("lets nothing run but its own script and style, by their hashes", async () => {
    const { headers, text } = await openTestShop().ask("GET", "/ui");
    const policy = headers.get("content-security-policy")!;
    const sourceOf = (tag: string) => {
      const [, content] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(text)!;
      return `'sha256-${hash("sha256", content!, "base64")}'`;
    };
    expect(policy.split("; ")).toEqual([
      "default-src 'none'",
      `script-src ${sourceOf("script")}`,
      `style-src ${sourceOf("style")}`,
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
  });

  test.each([
    ["", ["Enroll Now", "Buy Now"]],
    ["One", ["One"]],
  ])("API_BUTTONS=%j has the labels %j", (list, labels) => {
    expect(buttonsOf(list).map(({ label }) => label)).toEqual(labels);
  });

  test.each([
    "a,,b",
    "!!!",
    "Buy Now,buy  NOW",
    "x".repeat(41),
    "a\u0007b",
    Array(13)
      .fill(0)
      .map((_, n) => `b${n}`)
      .join(),
  ])("API_BUTTONS=%j is refused with its rule", (list) =>
    expect(() => buttonsOf(list)).toThrow(/API_BUTTONS=.* must be /),
  );
});

/** What the script asks of a browser, for a page without a browser: elements that keep their text and listeners. */
function openPage(url: string) {
  const element = () => ({
    textContent: "",
    children: [] as unknown[],
    remove() {},
    prepend(line: unknown) {
      this.children.unshift(line);
    },
  });
  const [output, presses] = [element(), element()];
  let click = () => {};
  const button = {
    dataset: { name: "enroll-now" },
    addEventListener: (_: string, on: () => void) => (click = on),
  };
  const document = {
    documentElement: { dataset: { now: String(Date.now()) } },
    createElement: element,
    getElementById: () => presses,
    querySelector: () => output,
    querySelectorAll: () => [button],
  };
  const storage = new Map<string, string>();
  const sessionStorage = {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => void storage.set(key, value),
  };
  const ask = (path: string, init: RequestInit) => fetch(new URL(path, url), init);
  const browser = {
    document,
    sessionStorage,
    fetch: ask,
    crypto,
    setTimeout,
    AbortSignal,
    location: { pathname: "/ui" },
  };
  runInContext(SCRIPT, createContext({ ...browser }));
  return { press: () => click(), counts: () => output.textContent };
}

test("U-1: each press is sent once, and again with the same id for as long as it is not taken", async () => {
  const ids: string[] = [];
  let hasRoom = false;
  const sink: Partial<AppOptions["sink"]> = {
    hasRoom: () => hasRoom,
    publishOf: () => (record) => ids.push((record as unknown as { event_id: string }).event_id) > 0,
  };
  const shop = await serveTestShop({}, undefined, undefined, { sink });
  const page = openPage(shop.server.url);
  for (let n = 0; n < 3; n++) page.press();
  await expect.poll(() => shop.records.length).toBeGreaterThan(0);
  expect(page.counts()).toBe("0 sent, 3 waiting, 0 failed");
  hasRoom = true;
  await expect.poll(page.counts, { timeout: 10_000 }).toBe("3 sent, 0 waiting, 0 failed");
  expect(new Set(ids).size).toBe(3);
  page.press();
  await expect.poll(page.counts).toBe("4 sent, 0 waiting, 0 failed");
  expect(ids).toHaveLength(4);
});
