// Curves: queue depth, throughput, latency and utilisation, before the range that the model predicts.

import { shownIn } from "./folding.js";
import { Controls, Reading, svgNode, troubleOf } from "./reading.js";
import { binOf, ceilingOf, seriesOf, stretches, STRIPS } from "./series.js";
import { pinned, spansOf, ticksOf } from "./spans.js";
import { h, setText } from "./structure.js";

const TALL = 74; // px of a strip
const MARGIN = 8;
const LINE = 17; // px of a line of what was done
const SHORTEST = 0.5; // s of a session in one bin: with less, each task that ends is a peak
const MOST_BINS = 5000; // What is told of a run may end long before it does.
const LABELS = { queued: "queued", throughput: "done", p50: "p50", p95: "p95", utilisation: "busy" };

const shown = (name, value) => (value === null || value === undefined ? "–"
  : name === "utilisation" ? `${Math.round(value * 100)} %` : value >= 100 ? value.toFixed(0)
    : value >= 10 ? value.toFixed(1) : value.toFixed(2));

class Curves {
  constructor(model, el) {
    this.el = el;
    this.reading = new Reading(model, el, this);
    this.binS = this.reading.head.bin_s ?? binOf(0);
    this.band = this.reading.head.band ?? null;
    this.build();
    this.reading.start();
  }

  build() {
    const { el, reading } = this;
    const { head, topology } = reading;
    el.classList.add("sb-board", "sb-plot");
    el.dataset.lmSuppressShortcuts = "true"; // JupyterLab has meanings of its own for keys.
    const asked = STRIPS.filter(({ name }) => head.strips?.includes(name) ?? true);
    this.strips = asked.map((strip) => {
      const says = h("output", { class: "sb-reads", "aria-live": "off", "data-id": `reads:${strip.name}` });
      const svg = svgNode("svg", { class: "sb-strip-of", role: "img", "data-id": `strip:${strip.name}` });
      svg.addEventListener("click", (event) => this.clicked(event, svg));
      const node = h("section", { class: "sb-strip-row" }, h("div", { class: "sb-strip-head" },
        h("h3", { class: "sb-title" }, strip.title, h("small", {}, strip.unit)), says), svg);
      return { ...strip, svg, says, node };
    });
    this.deeds = svgNode("svg", { class: "sb-deeds", role: "img" });
    this.gone = h("span", { hidden: "" }, h("i", { class: "sb-gone-chip", "aria-hidden": "true" }), "a worker is away");
    this.trouble = h("div", { class: "sb-trouble", role: "status", hidden: "" });
    const measured = h("span", {}, h("i", { class: "sb-line-chip", "aria-hidden": "true" }),
      topology.source || "measured");
    const predicted = this.band === null ? [] : [h("span", {}, h("i", { class: "sb-band-chip", "aria-hidden": "true" }),
      this.band.n === 1 ? "one predicted run" : `range of ${this.band.n} predicted runs, dashed: their median`)];
    const p95 = h("span", {}, h("i", { class: "sb-line-chip sb-line-p95", "aria-hidden": "true" }), "p95 (thin: p50)");
    const parts = [h("div", { class: "sb-top" }, h("strong", {}, "Over time"),
      (this.each = h("span", { class: "sb-source-of" })))];
    if (!head.led) {
      reading.controls = new Controls(reading);
      parts.push(reading.controls.node);
    }
    this.all = h("div", { class: "sb-strips", tabindex: 0, role: "group",
      "aria-label": "Curves. Left and right move the time by one step." }, this.deeds, ...this.strips.map((one) => one.node));
    this.all.addEventListener("keydown", (event) => this.key(event));
    el.replaceChildren(...parts, this.all, this.trouble,
      h("div", { class: "sb-key sb-key-bars" }, measured, p95, ...predicted, this.gone));
  }

  // --- drawing -----------------------------------------------------------------------------------

  draw() {
    const { history, player, head } = this.reading;
    this.width = Math.max(260, this.all.clientWidth);
    this.left = 52;
    this.right = this.width - 12;
    this.end = Math.max(player.end, 1e-3);
    const longest = Math.max(this.end, (this.band?.ends ?? 0));
    if (!head.bin_s) this.binS = Math.max(SHORTEST, binOf(longest));
    while (longest / this.binS > MOST_BINS) this.binS *= 10;
    setText(this.each, `each ${this.binS} s`);
    this.nBins = Math.max(1, Math.ceil(longest / this.binS - 1e-9));
    this.until = longest;
    this.x = (t) => this.left + (t / this.until) * (this.right - this.left);
    this.goesOn = player.live && !player.isOver;
    this.found = seriesOf(history, this.binS, this.nBins, this.goesOn ? this.end : 0);
    this.spans = spansOf(history, this.end);
    this.gone.hidden = this.spans.away.length === 0;
    this.name();
    this.strips.forEach((strip, i) => this.strip(strip, i === this.strips.length - 1));
    const words = [troubleOf(history), history.tip.crowd ? "Latency is that of the tasks that are followed." : ""]
      .filter(Boolean).join(" ");
    this.trouble.hidden = words === "";
    setText(this.trouble, words);
    this.said = null;
  }

  // What was done, named above the lines that mark it.
  name() {
    const named = pinned(this.spans.pins, this.x, this.width, 3).filter((pin) => pin.line >= 0);
    const height = LINE * (1 + Math.max(-1, ...named.map((pin) => pin.line)));
    this.deeds.replaceChildren(...named.map((pin) => {
      const y = (pin.line + 1) * LINE - 4;
      return svgNode("g", { class: `sb-pin sb-${pin.tone}` },
        svgNode("text", { x: pin.x, y, "text-anchor": "middle", class: "sb-glyph" }, pin.glyph),
        svgNode("text", { x: pin.x + (pin.left ? -10 : 10), y, "text-anchor": pin.left ? "end" : "start" }, pin.words));
    }));
    for (const [name, value] of [["width", this.width], ["height", height], ["viewBox", `0 0 ${this.width} ${height}`],
      ["aria-label", named.map((pin) => `${pin.words} at ${pin.t.toFixed(1)} s`).join("; ") || "nothing was done"]]) {
      this.deeds.setAttribute(name, value);
    }
  }

  strip(strip, isLast) {
    const { svg } = strip;
    const height = TALL + MARGIN + (isLast ? 22 : 8);
    const values = strip.lines.flatMap((name) => [...this.found[name], ...(this.band?.lines[name] ?? [])
      .map((band) => band?.[2] ?? 0)]);
    const common = this.reading.head.tops?.[strip.name] ?? 0; // of all runs side by side
    const top = strip.name === "utilisation" ? 1 : ceilingOf([...values, common]);
    const y = (value) => MARGIN + TALL * (1 - Math.min(1, value / top));
    const middle = (i) => Math.min((i + 0.5) * this.binS, this.until);
    strip.cursor = svgNode("line", { class: "sb-now", y1: MARGIN, y2: MARGIN + TALL });
    const bands = strip.lines.flatMap((name) => this.bandOf(name, middle, y));
    const lines = strip.lines.flatMap((name) => stretches(this.found[name]).map((points) =>
      svgNode("path", { class: `sb-series sb-series-${name}${alone(points)}`, d: lineOf(points, middle, this.x, y) })));
    svg.replaceChildren(this.frame(top, strip.name, isLast), ...this.shadows(), ...bands, ...lines, strip.cursor);
    const most = values.reduce((a, b) => Math.max(a, b ?? 0), 0);
    for (const [name, value] of [["width", this.width], ["height", height],
      ["viewBox", `0 0 ${this.width} ${height}`],
      ["aria-label", `${strip.title} over time, at most ${shown(strip.name, most)} ${strip.unit}`]]) {
      svg.setAttribute(name, value);
    }
  }

  frame(top, name, isLast) {
    const group = svgNode("g", { class: "sb-scale", "aria-hidden": "true" });
    for (const share of [0, 0.5, 1]) {
      const y = MARGIN + TALL * (1 - share);
      group.append(svgNode("line", { x1: this.left, x2: this.right, y1: y, y2: y }),
        svgNode("text", { x: this.left - 6, y: y + 4, "text-anchor": "end" },
          name === "utilisation" ? `${share * 100} %` : String(Number((top * share).toPrecision(3)))));
    }
    for (const t of isLast ? ticksOf(0, this.until, (this.right - this.left) / 90) : []) {
      const x = this.x(t);
      group.append(svgNode("text", { x, y: MARGIN + TALL + 17, "text-anchor": x > this.right - 16 ? "end" : "middle" }, `${t} s`));
    }
    return group;
  }

  // Absences, outages and what was done, faintly behind the lines.
  shadows() {
    const box = (from, to, css, words) => svgNode("rect", { x: this.x(from), y: MARGIN, height: TALL,
      width: Math.max(1, this.x(to ?? this.end) - this.x(from)), class: css }, svgNode("title", {}, words));
    const { away, outages, pins } = this.spans;
    return [...away.map((gone) => box(gone.from, gone.to, "sb-shadow", `${gone.worker} ${gone.why}`)),
      ...outages.map((gone) => box(gone.from, gone.to, "sb-outage", `${gone.what} ${gone.why}`)),
      ...pinned(pins, this.x, this.width, 1).map((pin) => svgNode("g", { class: `sb-pin sb-${pin.tone}` },
        svgNode("title", {}, `${pin.words} at ${pin.t.toFixed(2)} s`),
        svgNode("line", { x1: pin.x, x2: pin.x, y1: MARGIN, y2: MARGIN + TALL })))];
  }

  bandOf(name, middle, y) {
    const band = this.band?.lines[name];
    if (band === undefined) return [];
    return stretches(band).flatMap((points) => {
      const up = points.map(([i, [, , high]]) => `${this.x(middle(i)).toFixed(1)},${y(high).toFixed(1)}`);
      const down = points.map(([i, [low]]) => `${this.x(middle(i)).toFixed(1)},${y(low).toFixed(1)}`).reverse();
      return [svgNode("path", { class: "sb-band", d: `M${[...up, ...down].join("L")}Z` }),
        svgNode("path", { class: `sb-median${alone(points)}`, d: lineOf(points.map(([i, of]) => [i, of[1]]), middle, this.x, y) })];
    });
  }

  // --- at every moment ----------------------------------------------------------------------------

  move() {
    if (this.found === undefined) return;
    const { t } = this.reading.player;
    const x = this.x(Math.min(t, this.until)).toFixed(1);
    // The bin that a session is in is not over: the one before is what is known.
    const isNow = this.goesOn && t >= this.end - this.binS;
    const bin = Math.max(0, Math.min(this.nBins - 1, Math.floor(t / this.binS)) - (isNow ? 1 : 0));
    for (const { cursor } of this.strips) {
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
    if (bin === this.said) return;
    this.said = bin;
    for (const strip of this.strips) setText(strip.says, strip.lines.map((name) => this.reads(name, bin)).join(" · "));
  }

  reads(name, bin) {
    const band = this.band?.lines[name]?.[bin];
    const range = band ? ` (predicted ${shown(name, band[0])} to ${shown(name, band[2])})` : "";
    return `${LABELS[name]} ${shown(name, this.found[name][bin])}${range}`;
  }

  choose() {}

  clicked(event, svg) {
    const share = (event.clientX - svg.getBoundingClientRect().left - this.left) / (this.right - this.left);
    if (share >= 0 && share <= 1) this.reading.seek(share * this.until);
  }

  key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.reading.seek(this.reading.player.t + by * this.binS);
  }
}

// A bin without neighbours is a dot.
const alone = (points) => (points.length === 1 ? " sb-alone" : "");

function lineOf(points, middle, x, y) {
  return points.map(([i, value], n) => `${n ? "L" : "M"}${x(middle(i)).toFixed(1)},${y(value).toFixed(1)}`).join("")
    + (points.length === 1 ? "h0.1" : "");
}

function render(at) {
  return shownIn(at, (model, el) => new Curves(model, el));
}

export default { render };
