import { createHash } from "node:crypto";
import { html } from "./markup.ts";
import type { Content, Markup } from "./markup.ts";
import { script } from "./script.ts";
import { style } from "./style.ts";

/** A file of its own: it loads nothing, and the browser is told to refuse whatever else would run in it. */
export function page(title: string, body: Markup): string {
  const policy = [
    "default-src 'none'",
    `style-src '${digestOf(style)}'`,
    `script-src '${digestOf(script)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${html`${title}`.text}</title>
<style>${style}</style>
</head>
<body>
${body.text}
<script>${script}</script>
</body>
</html>
`;
}

/** What a page tells first. */
export function verdictOf(tone: "good" | "bad" | "unsure", title: string, text: Content): Markup {
  return html`<div class="verdict ${tone}">
    <span class="sign" aria-hidden="true">${{ good: "✓", bad: "✗", unsure: "!" }[tone]}</span>
    <div>
      <h1>${title}</h1>
      ${text}
    </div>
  </div>`;
}

export interface Column {
  readonly name: string;
  readonly isText?: boolean; // to the left; figures stand to the right
}

/** A table that scrolls sideways where it does not fit; empty text without rows. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
): Markup {
  if (rows.length === 0) return html``;
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ name, isText }) => html`<th scope="col" class="${isText ? "text" : ""}">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) => html`<td class="${columns[i]?.isText ? "text" : ""}">${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Names and what they stand for. */
export function list(
  className: string,
  entries: readonly (readonly [name: string, value: Content])[],
): Markup {
  return html`<dl class="${className}">
    ${entries.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function digestOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
