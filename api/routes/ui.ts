import { hash } from "node:crypto";
import { Hono } from "hono";
import { html, raw } from "hono/html";
import type { apiSettings } from "../../contract/config.ts";
import type { z } from "zod";
import { SCRIPT } from "../ui-script.ts";

type Buttons = z.output<typeof apiSettings>["API_BUTTONS"];

const STYLE = `
:root { color-scheme: light dark; --line: #767676; --accent: #0b57d0; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --accent: #a8c7fa; --on-accent: #062e6f; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 0 auto; padding: 1rem; }
ul, ol { list-style: none; padding: 0; }
#buttons { display: flex; flex-wrap: wrap; gap: 1rem; }
#buttons li { flex: 1 1 12rem; }
button { font: inherit; font-weight: 600; width: 100%; min-height: 3.5rem; border: 0; border-radius: .5rem;
  background: var(--accent); color: var(--on-accent); cursor: pointer; overflow-wrap: anywhere; }
button:focus-visible { outline: 3px solid currentColor; outline-offset: 3px; }
output { display: block; font-size: .875rem; }
#presses { border-top: 1px solid var(--line); font-variant-numeric: tabular-nums; }
`;

const sourceOf = (text: string) => `'sha256-${hash("sha256", text, "base64")}'`;

/** Nothing runs and nothing styles but the two texts above, by their hashes; what is pressed goes to where the page came from. */
const CONTENT_SECURITY_POLICY =
  `default-src 'none'; script-src ${sourceOf(SCRIPT)}; style-src ${sourceOf(STYLE)}; connect-src 'self'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page at `/ui`: a button for each label; a new one is a label more. */
export function uiRoutes(buttons: Buttons): Hono {
  const routes = new Hono();
  routes.get("/ui", (c) => {
    c.header("content-security-policy", CONTENT_SECURITY_POLICY);
    return c.html(page(buttons, Date.now()));
  });
  return routes;
}

/** @param nowMs the server's clock, by which the page dates its events */
const page = (buttons: Buttons, nowMs: number) =>
  html`<!doctype html>
    <html lang="en" data-now="${nowMs}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>rushhour: events</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <main>
          <h1>Press a button</h1>
          <p>Each press is one event, stored once. What cannot be sent is kept and sent again.</p>
          <noscript
            ><p><strong>This page sends events by a script, and scripts are off.</strong></p></noscript
          >
          <ul id="buttons">
            ${buttons.map(
              ({ label, name }) =>
                html`<li>
                  <button type="button" data-name="${name}">${label}</button>
                  <output data-counts="${name}" aria-label="${label}: events of this tab"
                    >not pressed yet</output
                  >
                </li>`,
            )}
          </ul>
          <h2 id="latest">Latest presses</h2>
          <ol id="presses" aria-labelledby="latest" aria-live="polite"></ol>
        </main>
        ${raw(`<script>${SCRIPT}</script>`)}
      </body>
    </html> `;
