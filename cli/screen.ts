import type { Writable } from "node:stream";

export interface Screen {
  /** A line that stays. */
  say(line: string): void;
  /** Lines that the next call replaces; on anything but a terminal they appear at most every 10 s, without the hints. */
  show(lines: readonly string[], hints?: readonly string[]): void;
  /** Takes what `show` drew away. */
  clear(): void;
}

type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

const ESCAPE = "\x1b";
const PLAIN_INTERVAL_MS = 10_000;

/** Progress for people, on standard error: a block rewritten in place on a terminal, plain lines elsewhere. */
export function openScreen(out: Terminal): Screen {
  const isTerminal = out.isTTY === true;
  let drawn = 0;
  let lastPlainMs = -Infinity;

  const clear = () => {
    if (drawn > 0) out.write(`\r${ESCAPE}[${drawn}A${ESCAPE}[0J`); // from column 1: a ^C is echoed there
    drawn = 0;
  };
  return {
    say(line) {
      clear();
      out.write(`${line}\n`);
    },
    show(lines, hints = []) {
      if (isTerminal) {
        const width = (out.columns ?? 80) - 1;
        clear();
        const block = [...lines, ...hints].map((line) => `${cutVisible(line, width)}\n`);
        out.write(block.join(""));
        drawn = block.length;
      } else if (performance.now() - lastPlainMs >= PLAIN_INTERVAL_MS) {
        lastPlainMs = performance.now();
        out.write(`${lines.map((line) => line.trim()).join("  ")}\n`);
      }
    },
    clear,
  };
}

const COLOUR_CODE = new RegExp(`(${ESCAPE}\\[[\\d;]*m)`);

/** Cuts to `width` visible characters; colour codes take no room and are closed. */
function cutVisible(line: string, width: number): string {
  let visible = 0;
  let cut = "";
  for (const part of line.split(COLOUR_CODE)) {
    if (part.startsWith(ESCAPE)) cut += part;
    else {
      cut += part.slice(0, Math.max(0, width - visible));
      visible += part.length;
    }
  }
  return cut;
}
