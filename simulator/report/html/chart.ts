import { extent, max, min } from "d3-array";
import { scaleLinear, scaleLog, scaleUtc } from "d3-scale";
import { area, line } from "d3-shape";
import { elapsed, hours } from "../format.ts";
import { html } from "./markup.ts";
import type { Markup } from "./markup.ts";

/** A curve; `look` picks colour and dashes (see style.ts), so that they tell apart without colour too. */
export interface Line {
  readonly name: string;
  readonly look: "planned" | "main" | "second" | "third" | "faint" | "bad";
  readonly points: readonly (readonly [x: number, y: number | null])[]; // null: a gap
  readonly filled?: boolean;
}

/** A time in which something was going on, in seconds. */
export interface Band {
  readonly key: string; // a letter, shown on a phone too
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Something that happened, in seconds. */
export interface Mark {
  readonly at: number;
  readonly text: string;
}

export interface Axis {
  readonly position: (value: number) => number; // 0-1000
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

export interface Chart {
  readonly id: string; // unique in the page
  readonly title: string;
  readonly unit: string; // what the axes show, in words
  readonly description: string; // for those who do not see the picture
  readonly height: number; // px of the plot
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  readonly bands?: readonly Band[];
  readonly marks?: readonly Mark[];
  /** Seconds the x axis spans and the columns of the course table to read out under the pointer. */
  readonly pointer?: { readonly seconds: number; readonly columns: readonly number[] };
}

/** What a plot is wide on a screen that shows bands' names, at the least, and a letter of them; px. */
const WIDE_PX = 600;
const LETTER_PX = 6.6;
const LANE_PX = 16;

/**
 * A figure with an SVG that stretches with the page. The curves lie in an inner SVG of 1000 by 1000 that is stretched
 * to the plot, with strokes that are not; labels are placed by percentages around it, so their text stays readable on
 * a phone.
 */
export function chartOf(chart: Chart): Markup {
  const { id, title, unit, description, height, lines, bands = [], marks = [], pointer } = chart;
  const lanes = laneOf(bands, chart.x);
  const head = 10 + (bands.length === 0 ? 0 : LANE_PX * (1 + Math.max(...lanes)));
  return html`<figure
    class="chart"
    data-seconds="${pointer?.seconds ?? ""}"
    data-columns="${pointer?.columns.join(" ") ?? ""}"
  >
    <figcaption>
      <h3>${title} <small>${unit}</small></h3>
      <ul class="legend">
        ${lines.map(({ name, look }) => html`<li>${swatch(look)}${name}</li>`)}
      </ul>
    </figcaption>
    <div class="plot">
      <svg width="100%" height="${height + head}" role="img" aria-labelledby="${id}-title ${id}-text">
        <title id="${id}-title">${title}</title>
        <desc id="${id}-text">${description}</desc>
        <svg y="${head}" width="100%" height="${height}" overflow="visible">
          ${bands.map((band, i) => bandOf(band, lanes[i]!, chart.x))}
          ${chart.y.ticks.map((tick) => yTick(tick, chart.y))}
          ${chart.x.ticks.map((tick, i) => xTick(tick, chart.x, i % 2 === 1 && chart.x.ticks.length > 6))}
          <svg
            viewBox="0 0 1000 1000"
            preserveAspectRatio="none"
            width="100%"
            height="100%"
            overflow="visible"
          >
            ${lines.map((one) => curve(one, chart))}
          </svg>
          ${marks.map((mark) => markOf(mark, chart.x))}
        </svg>
      </svg>
    </div>
  </figure>`;
}

/** Time since the start; ticks at round times. */
export function timeAxis(seconds: number): Axis {
  const scale = scaleUtc([0, Math.max(1, seconds) * 1_000], [0, 1_000]);
  const label = seconds < 3_600 ? elapsed : hours;
  const ticks = scale.ticks(6).map((time) => time.getTime() / 1_000);
  return {
    position: (at) => scale(at * 1_000),
    ticks: ticks.filter(Number.isInteger).map((at) => ({ at, label: label(at) })),
  };
}

/** From 0 to what the lines need. */
export function linearAxis(lines: readonly Line[], label: (value: number) => string): Axis {
  const scale = scaleLinear([0, max(valuesOf(lines)) || 1], [1_000, 0]).nice(4);
  return { position: scale, ticks: scale.ticks(4).map((at) => ({ at, label: label(at) })) };
}

/** Logarithmic when the values spread further than 20 to 1: on a linear axis the small ones would vanish. */
export function latencyAxis(lines: readonly Line[], label: (ms: number) => string): Axis {
  const [low = 1, high = 1] = extent(valuesOf(lines).filter((value) => value > 0));
  if (high / low <= 20) return linearAxis(lines, label);
  const bottom = low / 1.3;
  const scale = scaleLog([bottom, high * 1.1], [1_000, 0]);
  const steps = scale.ticks().filter((at) => [1, 2, 5].includes(mantissa(at)));
  const ticks = steps.length <= 7 ? steps : steps.filter((at) => mantissa(at) === 1);
  return {
    position: (ms) => scale(Math.max(ms, bottom)),
    ticks: ticks.map((at) => ({ at, label: label(at) })),
  };
}

/** 1 / (1 - percentile) on a logarithmic axis: each nine of a percentile takes the same room. */
export function percentileAxis(lines: readonly Line[]): Axis {
  const scale = scaleLog([1, max(lines.flatMap(({ points }) => points.map(([x]) => x))) || 10], [0, 1_000]);
  const ticks = [50, 90, 99, 99.9, 99.99, 99.999].map((percent) => ({
    at: 100 / (100 - percent),
    label: `${percent} %`,
  }));
  return { position: scale, ticks: ticks.filter(({ at }) => scale(at) <= 1_000) };
}

function valuesOf(lines: readonly Line[]): number[] {
  return lines.flatMap(({ points }) => points.flatMap(([, y]) => (y === null ? [] : [y])));
}

function mantissa(value: number): number {
  return Number(value.toExponential(0).charAt(0));
}

function curve({ points, look, filled }: Line, { x, y }: Chart): Markup {
  const at = ([value]: Line["points"][number]) => x.position(value);
  const isThere = ([, value]: Line["points"][number]) => value !== null;
  const height = ([, value]: Line["points"][number]) => y.position(value!);
  const stroke = line<Line["points"][number]>(at, height).defined(isThere).digits(1)(points) ?? "";
  const fill = area<Line["points"][number]>(at, y.position(0), height).defined(isThere).digits(1);
  return html`${filled && html`<path class="area ${look}" d="${fill(points)}" />`}
    <path class="line ${look}" d="${stroke}" />`;
}

function swatch(look: Line["look"]): Markup {
  return html`<svg width="28" height="10" aria-hidden="true"><path class="line ${look}" d="M1,5H27" /></svg>`;
}

function yTick({ at, label }: Axis["ticks"][number], y: Axis): Markup {
  const height = share(y.position(at));
  return html`<line class="grid" x2="100%" y1="${height}" y2="${height}" />
    <text class="tick" x="-8" y="${height}" dy="4" text-anchor="end">${label}</text>`;
}

/** @param isSpare left out where there is no room for all of them */
function xTick({ at, label }: Axis["ticks"][number], x: Axis, isSpare: boolean): Markup {
  const left = share(x.position(at));
  return html`<text class="tick ${isSpare && "wide"}" x="${left}" y="100%" dy="18" text-anchor="middle"
    >${label}</text
  >`;
}

function bandOf({ key, name, from, to }: Band, lane: number, x: Axis): Markup {
  const [left, right] = [x.position(from), x.position(to)];
  const isAtEnd = right > 700;
  return html`<g class="band">
    <title>${key}: ${name}, ${elapsed(from)} to ${elapsed(to)}</title>
    <rect x="${share(left)}" width="${share(Math.max(2, right - left))}" height="100%" />
    <line x1="${share(left)}" x2="${share(right)}" y1="${-lane * LANE_PX}" y2="${-lane * LANE_PX}" />
    <text
      x="${share(isAtEnd ? right : left)}"
      y="${-lane * LANE_PX - 4}"
      text-anchor="${isAtEnd ? "end" : "start"}"
    >
      <tspan class="key">${key}</tspan><tspan class="wide"> ${name}</tspan>
    </text>
  </g>`;
}

function markOf({ at, text }: Mark, x: Axis): Markup {
  const left = share(x.position(at));
  return html`<g class="mark">
    <title>${elapsed(at)} ${text}</title>
    <line x1="${left}" x2="${left}" y2="100%" />
    <text x="${left}" y="100%" dy="-2" text-anchor="middle">▲</text>
  </g>`;
}

/** Bands that overlap, or whose names do, are labelled one above the other. */
function laneOf(bands: readonly Band[], x: Axis): number[] {
  const reach: number[] = []; // how far right each lane is taken
  const lanes: number[] = [];
  for (const { from, to, key, name } of bands) {
    const [left, right] = [x.position(from), x.position(to)];
    const text = (1_000 * LETTER_PX * (key.length + name.length + 2)) / WIDE_PX;
    const [start, end] =
      right > 700 ? [min([left, right - text])!, right] : [left, max([right, left + text])!];
    const free = reach.findIndex((taken) => taken <= start);
    const lane = free < 0 ? reach.length : free;
    reach[lane] = end;
    lanes.push(lane);
  }
  return lanes;
}

function share(position: number): string {
  return `${Number((position / 10).toFixed(2))}%`;
}
