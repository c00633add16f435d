// Attempts: one run's bars, absences, outages and pins as SVG; and the chain of one task.

import { HATCHES } from "./looks.js";
import { rounded, route } from "./gutter.js";
import { svgNode } from "./reading.js";
import { label, pinned, placed, sharesOf, spansOf, ticksOf } from "./spans.js";

const ROW = 24; // px of a bar's row
const STRIP = 12; // px between rows, where links run
const BETWEEN = 10; // px more between workers
const LINE = 17; // px of a line of pins
const LANE = 22; // px of the broker's, or a dependency's, lane
const MOST_BARS = 1500;
const BINS = 300;
const SHARE_ROWS = 3; // a worker's height, in rows, when shares are drawn

export const BAR_OUTCOMES = Object.keys(HATCHES);
let plots = 0;

export class Plot {
  // `act(bar)` is called with the bar that was clicked, `point(bar, event)` with the one pointed at.
  constructor(history, name, { act, point }) {
    this.history = history;
    this.name = name;
    this.id = `sb${(plots += 1)}`;
    this.svg = svgNode("svg", { class: "sb-attempts", role: "img" });
    this.drawn = new Map();
    this.svg.addEventListener("click", (event) => act(this.barAt(event), this, event));
    this.svg.addEventListener("pointermove", (event) => point(this.barAt(event), event));
    this.svg.addEventListener("pointerleave", (event) => point(null, event));
  }

  barAt(event) {
    const n = event.target.closest?.("[data-bar]")?.dataset.bar;
    return n === undefined ? null : this.all[Number(n)];
  }

  read(now) {
    this.spans = spansOf(this.history, now);
  }

  // --- layout ------------------------------------------------------------------------------------

  place(width, from, to) {
    const narrow = width < 620;
    this.left = narrow ? 90 : 104;
    this.right = width - 14;
    Object.assign(this, { width, from, to });
    this.x = (t) => this.left + ((t - from) / (to - from)) * (this.right - this.left);
    this.rows = placed(this.spans, from, to, this.x);
    this.byShare = this.rows.flat().length > MOST_BARS;
    this.pins = pinned(this.spans.pins.filter((pin) => pin.t >= from && pin.t <= to), this.x, width,
      narrow ? 4 : 3);
    this.pinLines = Math.max(0, ...this.pins.map((pin) => pin.line + 1));
    this.lanes = [...new Set(this.spans.outages.map((outage) => outage.what))];
    this.top = 8 + this.pinLines * LINE + this.lanes.length * LANE;
    this.ys = [];
    let y = this.top + STRIP;
    this.spans.rows.forEach((row, i) => {
      if (i > 0 && row.worker !== this.spans.rows[i - 1].worker) y += BETWEEN;
      this.ys.push(y);
      y += ROW + STRIP;
    });
    if (this.byShare) y = this.placeShares();
    this.bottom = y;
    this.height = y + 24;
  }

  // Shares need a row a worker.
  placeShares() {
    this.workers = sharesOf(this.spans, this.from, this.to, BINS);
    const height = this.workers.length > 12 ? ROW : SHARE_ROWS * ROW;
    let y = this.top + STRIP;
    for (const worker of this.workers) {
      Object.assign(worker, { y, height });
      y += height + STRIP;
    }
    return y;
  }

  layout() {
    const { ys } = this;
    const last = ys.length - 1;
    return { rows: this.rows, left: this.left, right: this.right, mid: (row) => ys[row] + ROW / 2,
      gap: (i) => (i > last ? ys[last] + ROW + STRIP / 2 : ys[i] - STRIP / 2) };
  }

  bandOf(worker) {
    if (this.byShare) {
      const found = this.workers.find((one) => one.name === worker);
      return found && [found.y, found.y + found.height];
    }
    const mine = this.ys.filter((_, i) => this.spans.rows[i].worker === worker);
    return mine.length ? [mine[0] - 3, mine.at(-1) + ROW + 3] : undefined;
  }

  // --- drawing -----------------------------------------------------------------------------------

  // `now` (s): a session's clock, up to which what still runs is drawn.
  draw(width, from, to, lit, now = 0) {
    this.read(now);
    this.place(width, from, to);
    this.all = [];
    this.drawn.clear();
    this.links = svgNode("g", { class: "sb-chain" });
    this.cursor = svgNode("line", { class: "sb-now", y1: this.top, y2: this.bottom });
    this.svg.replaceChildren(this.defs(), this.axis(), ...this.outages(),
      ...(this.byShare ? this.shares() : this.tracks()), ...this.away(),
      ...(this.byShare ? [] : this.bars(lit)), ...this.flags(), this.links, this.cursor);
    for (const [name, value] of [["width", width], ["height", this.height],
      ["viewBox", `0 0 ${width} ${this.height}`], ["aria-label", this.told()]]) {
      this.svg.setAttribute(name, value);
    }
  }

  told() {
    const counts = BAR_OUTCOMES.map((name) => [name, this.spans.bars.filter((b) => b.outcome === name).length]);
    const words = counts.filter(([, n]) => n > 0).map(([name, n]) => `${n} ${name}`);
    return `Attempts of ${this.name}: ${words.join(", ") || "none"}`;
  }

  defs() {
    const hatch = (name, ...paths) => svgNode("pattern", { id: `${this.id}-${name}`, width: 8, height: 8,
      patternUnits: "userSpaceOnUse" }, svgNode("rect", { width: 8, height: 8,
      class: `sb-fill-${name}` }), ...paths.map((d) => svgNode("path", { d, class: `sb-hatch sb-hatch-${name}` })));
    const { succeeded, ...others } = HATCHES; // without a hatch
    return svgNode("defs", {}, ...Object.entries(others).map(([name, d]) => hatch(name, d)), hatch("away", "M-2,2L2,-2M0,8L8,0M6,10L10,6"));
  }

  axis() {
    const [group, y] = [svgNode("g", { class: "sb-scale", "aria-hidden": "true" }), this.bottom];
    for (const t of ticksOf(this.from, this.to, (this.right - this.left) / 90)) {
      const x = this.x(t);
      group.append(svgNode("line", { x1: x, x2: x, y1: this.top, y2: y }),
        svgNode("text", { x, y: y + 16, "text-anchor": x > this.right - 20 ? "end" : "middle" }, `${t} s`));
    }
    return group;
  }

  outages() {
    return this.spans.outages.flatMap((outage) => {
      const y = 8 + this.pinLines * LINE + this.lanes.indexOf(outage.what) * LANE;
      const [x0, x1] = this.within(outage);
      if (x1 <= x0) return [];
      const words = `${outage.what} ${outage.why}`;
      const room = words.length * 6.6 < x1 - x0;
      const right = !room && x1 + words.length * 6.6 > this.right;
      return [
        svgNode("rect", { x: x0, y: y + LANE, width: x1 - x0, height: this.bottom - y - LANE, class: "sb-outage" }),
        svgNode("rect", { x: x0, y: y + 3, width: x1 - x0, height: LANE - 6, rx: 3, class: "sb-outage-bar" }),
        svgNode("text", { x: room ? x0 + 6 : right ? x0 - 5 : x1 + 5, y: y + 16,
          "text-anchor": right ? "end" : "start", class: room ? "sb-on-bar" : "sb-soft" }, words),
      ];
    });
  }

  within({ from, to }) {
    const clip = (t) => Math.min(Math.max(t, this.from), this.to);
    return [this.x(clip(from)), this.x(clip(to ?? this.spans.end))];
  }

  tracks() {
    const nodes = [];
    this.spans.rows.forEach(({ worker, slot }, i) => {
      const y = this.ys[i];
      const first = i === 0 || this.spans.rows[i - 1].worker !== worker;
      nodes.push(svgNode("rect", { x: this.left, y, width: this.right - this.left, height: ROW, rx: 4, class: "sb-row" }));
      if (first) nodes.push(this.workerName(worker, y + 16, this.left - 30));
      nodes.push(svgNode("text", { x: this.left - 8, y: y + 16, "text-anchor": "end", class: "sb-soft" }, String(slot)));
    });
    return nodes;
  }

  workerName(worker, y, room) {
    const most = Math.max(4, Math.floor(room / 7.4));
    const short = worker.length > most ? `…${worker.slice(1 - most)}` : worker;
    return svgNode("text", { x: 2, y, class: "sb-worker-name" }, short, svgNode("title", {}, worker));
  }

  away() {
    return this.spans.away.flatMap((gone) => {
      const [x0, x1] = this.within(gone);
      const band = this.bandOf(gone.worker);
      if (band === undefined || x1 <= x0) return [];
      const [top, bottom] = band;
      const words = gone.killed ? "killed" : gone.why;
      const nodes = [svgNode("rect", { x: x0, y: top, width: x1 - x0, height: bottom - top,
        fill: `url(#${this.id}-away)`, class: "sb-away" },
      svgNode("title", {}, `${gone.worker} ${words} from ${gone.from.toFixed(2)} s to ${gone.to?.toFixed(2) ?? "the end"}`))];
      const wide = words.length * 7 + 10;
      if (x1 - x0 >= wide) nodes.push(...this.tag((x0 + x1) / 2, (top + bottom) / 2, words, wide));
      else if (bottom - top >= wide && x1 - x0 >= 44) {
        const x = x1 - 10; // At its end: the labels of what was killed stand at its beginning.
        nodes.push(svgNode("g", { transform: `rotate(-90 ${x} ${(top + bottom) / 2})` },
          ...this.tag(x, (top + bottom) / 2, words, wide)));
      }
      return nodes;
    });
  }

  tag(x, y, words, wide) {
    return [svgNode("rect", { x: x - wide / 2, y: y - 9, width: wide, height: 18, rx: 3, class: "sb-tag" }),
      svgNode("text", { x, y: y + 4, "text-anchor": "middle" }, words)];
  }

  bars(lit) {
    const nodes = [];
    this.rows.forEach((row, i) => {
      for (const one of label(row, this.right)) {
        const { bar } = one;
        const isLit = lit === null || lit.has(bar.task);
        const shape = bar.outcome === "killed" ? jagged(one.x0, one.x1, this.ys[i])
          : `M${one.x0.toFixed(1)},${this.ys[i]}H${one.x1.toFixed(1)}V${this.ys[i] + ROW}H${one.x0.toFixed(1)}Z`;
        const node = svgNode("g", { class: `sb-bar sb-${bar.outcome}${bar.nth > 1 ? " sb-again" : ""}`
          + `${isLit ? "" : " sb-dim"}`, "data-bar": this.all.length, "data-task": bar.task,
        "data-state": bar.outcome },
        svgNode("path", { d: shape, fill: bar.outcome === "succeeded" ? undefined : `url(#${this.id}-${bar.outcome})` }));
        if (one.label) {
          node.append(svgNode("text", { x: one.outside ? one.x1 + (bar.outcome === "killed" ? 10 : 4) : one.x0 + 5, y: this.ys[i] + 16,
            class: one.outside ? "sb-beside" : "sb-on-bar" }, one.label));
        }
        if (bar.outcome === "killed") {
          node.append(svgNode("text", { x: one.x1, y: this.ys[i] + 17, class: "sb-cross",
            "text-anchor": "middle" }, "✖"));
        }
        this.all.push({ ...one, node });
        const same = this.drawn.get(bar.task);
        if (same) same.push(this.all.at(-1));
        else this.drawn.set(bar.task, [this.all.at(-1)]);
        nodes.push(node);
      }
    });
    return nodes;
  }

  shares() {
    const nodes = [];
    const width = (this.right - this.left) / BINS;
    for (const worker of this.workers) {
      const { y, height } = worker;
      nodes.push(svgNode("rect", { x: this.left, y, width: this.right - this.left, height, class: "sb-row" }),
        this.workerName(worker.name, y + height / 2 + 4, this.left));
      const base = new Array(BINS).fill(0);
      for (const name of BAR_OUTCOMES) {
        if (worker.busy[name] === undefined) continue;
        let d = "";
        worker.busy[name].forEach((share, i) => {
          if (share <= 0) return;
          const [x, bottom] = [this.left + i * width, y + height * (1 - base[i])];
          base[i] = Math.min(1, base[i] + share);
          d += `M${x.toFixed(1)},${bottom.toFixed(1)}H${(x + width + 0.3).toFixed(1)}V${(y + height * (1 - base[i])).toFixed(1)}H${x.toFixed(1)}Z`;
        });
        nodes.push(svgNode("path", { d, class: `sb-share sb-fill-${name}` }));
      }
    }
    return nodes;
  }

  flags() {
    return this.pins.map((pin) => {
      const y = pin.line < 0 ? this.top : 8 + pin.line * LINE + 10;
      const text = pin.line < 0 ? "" : pin.words;
      return svgNode("g", { class: `sb-pin sb-${pin.tone}`, "data-verb": pin.verb },
        svgNode("title", {}, `${pin.words} at ${pin.t.toFixed(2)} s`),
        svgNode("line", { x1: pin.x, x2: pin.x, y1: y + 4, y2: this.bottom }),
        svgNode("text", { x: pin.x, y: y + 3, "text-anchor": "middle", class: "sb-glyph" }, pin.glyph),
        svgNode("text", { x: pin.x + (pin.left ? -10 : 10), y: y + 3,
          "text-anchor": pin.left ? "end" : "start" }, text));
    });
  }

  // --- at every moment ----------------------------------------------------------------------------

  move(t) {
    const seen = t >= this.from && t <= this.to;
    this.cursor.setAttribute("visibility", seen ? "visible" : "hidden");
    if (!seen) return;
    const x = this.x(t).toFixed(1);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }

  // Show the chain of a task's attempts; null takes it away.
  chain(task) {
    for (const one of this.all ?? []) one.node.classList.toggle("sb-chosen", one.bar.task === task);
    this.links.replaceChildren();
    const mine = [...(this.drawn.get(task) ?? [])].sort((a, b) => a.bar.from - b.bar.from);
    for (let i = 1; i < mine.length; i += 1) {
      const d = rounded(route(mine[i - 1], mine[i], this.layout(), i));
      this.links.append(svgNode("path", { d, class: "sb-link-under" }), svgNode("path", { d, class: "sb-link" }));
    }
    for (const [i, one] of mine.entries()) {
      if (i > 0) this.links.append(svgNode("circle", { cx: Math.min(one.x1, one.x0 + 3), cy: this.ys[one.row] + ROW / 2, r: 3.5, class: "sb-link-end" }));
    }
  }
}

// A bar whose right end is torn off.
function jagged(x0, x1, y) {
  const tooth = Math.min(5, (x1 - x0) / 2);
  let d = `M${x0.toFixed(1)},${y}H${x1.toFixed(1)}`;
  for (let i = 1; i <= 4; i += 1) {
    d += `L${(i % 2 ? x1 - tooth : x1).toFixed(1)},${y + (i * ROW) / 4}`;
  }
  return `${d}H${x0.toFixed(1)}Z`;
}
