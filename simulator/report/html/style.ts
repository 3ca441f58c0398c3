/** Colours, for light and dark. Text has a contrast of 4.5:1 and more to what it stands on; the test computes it. */
export const COLOURS = {
  light: {
    page: "#f6f7f8",
    panel: "#ffffff",
    text: "#1b2127",
    muted: "#57606a",
    hairline: "#d9dee3",
    main: "#0b5cad",
    second: "#a84300",
    third: "#7a3aa8",
    faint: "#57606a",
    planned: "#57606a",
    good: "#14693a",
    bad: "#b3261e",
    unsure: "#7d5200",
    "good-ground": "#e5f4ea",
    "bad-ground": "#fdebe9",
    "unsure-ground": "#fdf3dc",
    band: "#f7e3b8",
  },
  dark: {
    page: "#101418",
    panel: "#181d22",
    text: "#e6eaee",
    muted: "#9aa6b2",
    hairline: "#303840",
    main: "#6db3ff",
    second: "#f2a45c",
    third: "#cd9cff",
    faint: "#9aa6b2",
    planned: "#9aa6b2",
    good: "#6fd69c",
    bad: "#ff938a",
    unsure: "#f0c35e",
    "good-ground": "#14291d",
    "bad-ground": "#341a18",
    "unsure-ground": "#2e2611",
    band: "#40371d",
  },
} as const;

function properties(colours: Readonly<Record<string, string>>): string {
  return Object.entries(colours)
    .map(([name, value]) => `--${name}:${value};`)
    .join("");
}

export const style = `
:root { ${properties(COLOURS.light)} }
@media screen and (prefers-color-scheme: dark) { :root { ${properties(COLOURS.dark)} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
section { background: var(--panel); border: 1px solid var(--hairline); border-radius: 10px; padding: 18px 22px; margin-top: 16px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; }
h2 { font-size: 17px; margin: 0 0 12px; }
h3 { font-size: 15px; margin: 0; }
h3 small { color: var(--muted); font-weight: 400; margin-left: 6px; }
p { margin: 6px 0 0; max-width: 75ch; }
a { color: var(--main); }
small, .muted { color: var(--muted); }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
.good { color: var(--good); } .bad { color: var(--bad); } .unsure { color: var(--unsure); }

.top { color: var(--muted); display: flex; flex-wrap: wrap; gap: 2px 18px; margin-bottom: 10px; }
.top strong { color: var(--text); }
.top * { min-width: 0; overflow-wrap: anywhere; }
.verdict { display: flex; gap: 16px; align-items: center; border-radius: 10px; padding: 18px 22px; color: var(--text); }
.verdict.good { background: var(--good-ground); } .verdict.bad { background: var(--bad-ground); } .verdict.unsure { background: var(--unsure-ground); }
.verdict .sign { flex: none; width: 44px; height: 44px; border-radius: 50%; font-size: 24px; line-height: 44px; text-align: center; font-weight: 700; color: var(--panel); }
.verdict.good .sign { background: var(--good); } .verdict.bad .sign { background: var(--bad); } .verdict.unsure .sign { background: var(--unsure); }

dl { margin: 0; } dd { margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(135px, 1fr)); gap: 14px 20px; }
.tiles dt { color: var(--muted); font-size: 13px; }
.tiles dd { font-size: 21px; font-weight: 600; line-height: 1.3; }
.tiles dd small { display: block; font-size: 13px; font-weight: 400; }
.facts > div { display: grid; grid-template-columns: 150px 1fr; gap: 2px 12px; padding: 3px 0; }
.facts dt { color: var(--muted); } .facts dd { min-width: 0; overflow-wrap: anywhere; }

.equation { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: baseline; }
.equation b { display: block; font-size: 21px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.equation span { color: var(--muted); font-size: 13px; }
.equation i { font-style: normal; font-size: 20px; color: var(--muted); }
.equation .bad b { color: var(--bad); }

.thresholds { list-style: none; margin: 0; padding: 0; }
.thresholds li { display: grid; grid-template-columns: 1.4em minmax(0, 1fr) fit-content(50%); gap: 4px; padding: 6px 0; border-top: 1px solid var(--hairline); }
.thresholds li:first-child { border: 0; }
.thresholds code { overflow-wrap: anywhere; }
.thresholds b { font-variant-numeric: tabular-nums; text-align: right; overflow-wrap: anywhere; }
.thresholds b.muted { font-weight: 400; }

.chart { margin: 0; break-inside: avoid; }
.chart + .chart { margin-top: 26px; }
.chart figcaption { display: flex; flex-wrap: wrap; gap: 2px 24px; justify-content: space-between; margin-bottom: 4px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 16px; margin: 0; padding: 0; font-size: 13px; color: var(--muted); }
.legend svg { margin-right: 6px; }
.plot { position: relative; padding: 0 20px 28px 56px; }
.plot > svg { display: block; overflow: visible; }
.tick { font-size: 12px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--hairline); }
.line { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.line.main { stroke: var(--main); stroke-width: 2.25; }
.line.second { stroke: var(--second); stroke-dasharray: 7 4; }
.line.third { stroke: var(--third); stroke-dasharray: 2 4; }
.line.faint { stroke: var(--faint); stroke-width: 1; }
.line.planned { stroke: var(--planned); stroke-width: 1.5; stroke-dasharray: 5 5; }
.line.bad { stroke: var(--bad); stroke-width: 1.5; }
.area { opacity: 0.16; } .area.main { fill: var(--main); } .area.bad { fill: var(--bad); }
.band rect { fill: var(--band); opacity: 0.55; }
.band line { stroke: var(--unsure); stroke-width: 2; }
.band text { font-size: 12px; fill: var(--unsure); } .band .key { font-weight: 700; }
.mark line { stroke: var(--muted); stroke-dasharray: 1 4; } .mark text { font-size: 9px; fill: var(--muted); }
.cursor { position: absolute; top: 0; bottom: 28px; border-left: 1px solid var(--muted); pointer-events: none; }
.note { position: absolute; top: 4px; margin-left: 10px; padding: 6px 10px; white-space: pre; font-size: 12px; line-height: 1.5; pointer-events: none;
  font-variant-numeric: tabular-nums; background: var(--panel); border: 1px solid var(--hairline); border-radius: 6px; }
.note.before { transform: translateX(calc(-100% - 20px)); }

.scroll { overflow-x: auto; margin: 0 -22px; padding: 0 22px; }
.scroll + .scroll, .chart + .scroll, p + .scroll { margin-top: 22px; }
.facts { margin-top: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); font-size: 13px; padding-bottom: 4px; white-space: nowrap; }
th, td { text-align: right; padding: 6px 0 6px 18px; border-bottom: 1px solid var(--hairline); white-space: nowrap; vertical-align: top; }
th { color: var(--muted); font-weight: 500; font-size: 13px; }
th.text, td.text { text-align: left; } th:first-child, td:first-child { padding-left: 0; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 8em; }
tr:last-child td { border-bottom: 0; }
tr { break-inside: avoid; }
.forest { width: 150px; height: 16px; overflow: visible; vertical-align: middle; }
.forest rect { fill: var(--hairline); } .forest line { stroke: var(--muted); stroke-width: 3; } .forest circle { fill: var(--text); }
.forest.regression line { stroke: var(--bad); } .forest.improvement line { stroke: var(--good); }
pre { margin: 8px 0 0; padding: 10px 12px; background: var(--page); border: 1px solid var(--hairline); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
details summary { cursor: pointer; color: var(--muted); margin-top: 14px; }
details .scroll { max-height: 420px; overflow: auto; margin-top: 8px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 20px 36px; }
.columns .scroll { margin: 0; padding: 0; }
footer { color: var(--muted); font-size: 13px; margin-top: 18px; }

@media (max-width: 700px) {
  main { padding: 14px 10px 32px; }
  section, .verdict { padding: 14px; }
  .scroll { margin: 0 -14px; padding: 0 14px; }
  h1 { font-size: 21px; }
  .plot { padding-right: 16px; padding-left: 50px; }
  th, td { padding-left: 12px; }
  td.text:first-child { min-width: 13em; }
  .wide { display: none; }
  .facts > div { grid-template-columns: 1fr; }
  .thresholds li { grid-template-columns: 1.4em minmax(0, 1fr); } .thresholds b { grid-column: 2; text-align: left; }
}
@media print {
  body { background: none; font-size: 12px; }
  main { max-width: none; padding: 0; }
  section { border: 0; border-top: 1px solid var(--hairline); border-radius: 0; padding: 12px 0; margin: 0; }
  .scroll { overflow: visible; margin: 0; padding: 0; }
  .tiles { grid-template-columns: repeat(6, 1fr); }
  table { font-size: 11px; } th, td { padding-left: 10px; }
  h2, h3, caption { break-after: avoid; }
  .verdict, .band rect, .area, .forest rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details, .cursor, .note { display: none; }
}
`;
