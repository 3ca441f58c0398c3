import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { openScreen } from "./screen.ts";

function openTestScreen(terminal: { isTTY?: boolean; columns?: number }) {
  const out = Object.assign(new PassThrough({ encoding: "utf8" }), terminal);
  /** What was written since the last look. */
  const written = () => (out.read() as string | null) ?? "";
  return { screen: openScreen(out), written };
}

test("on a terminal each block replaces the one before", () => {
  const { screen, written } = openTestScreen({ isTTY: true });
  screen.show(["one", "two"]);
  expect(written()).toBe("one\ntwo\n");
  screen.show(["three"]);
  expect(written()).toBe("\r\x1b[2A\x1b[0Jthree\n");
  screen.show([]);
  expect(written()).toBe("\r\x1b[1A\x1b[0J");
});

test("a line that stays takes the block away and stands above the next one", () => {
  const { screen, written } = openTestScreen({ isTTY: true });
  screen.show(["status"]);
  screen.say("it happened");
  screen.show(["status"]);
  screen.clear();
  screen.clear(); // nothing left to clear
  expect(written()).toBe("status\n\r\x1b[1A\x1b[0Jit happened\nstatus\n\r\x1b[1A\x1b[0J");
});

test("lines are cut to the terminal's width, so that none wraps; colours take no room and end", () => {
  const { screen, written } = openTestScreen({ isTTY: true, columns: 11 });
  screen.show(["0123456789abcdef", "\x1b[31m0123456789abc\x1b[39m", "short"]);
  expect(written()).toBe("0123456789\n\x1b[31m0123456789\x1b[39m\nshort\n");
});

test("hints are for terminals only", () => {
  const terminal = openTestScreen({ isTTY: true });
  terminal.screen.show(["status"], ["Ctrl-C ends"]);
  expect(terminal.written()).toBe("status\nCtrl-C ends\n");
  const plain = openTestScreen({});
  plain.screen.show(["status"], ["Ctrl-C ends"]);
  expect(plain.written()).toBe("status\n");
});

test("elsewhere a block is one plain line, and the next one only after a while", () => {
  const { screen, written } = openTestScreen({});
  screen.show(["offered 5  ", "  stored 3"]);
  screen.show(["offered 6", "stored 4"]);
  screen.say("it happened");
  screen.clear();
  expect(written()).toBe("offered 5  stored 3\nit happened\n");
});
