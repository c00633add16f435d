// Transport: play, pause, step, scrub, speed; the curve over time and its marks above the slider.

import { marksOf } from "./history.js";
import { SPEEDS } from "./player.js";
import { h, setText, svg, tellPlayer } from "./structure.js";

const WIDTH = 1000;
const HEIGHT = 44;
const LINES = [["queued", 1], ["running", 2], ["orphaned", 3]];
const KEY = [["queued", "queued"], ["running", "running"], ["orphaned", "unacked of dead workers"]];
const MOST_POINTS = 1000;
const MARK = 24; // px: no target is smaller, or nearer to the next one
const ASIDE = 16; // px: so far a mark makes way for the one before it

const button = (id, glyph, words, act) => {
  const node = h("button", { type: "button", class: "sb-button", "data-id": id, "aria-label": words,
    title: words }, h("span", { "aria-hidden": "true" }, glyph));
  node.addEventListener("click", act);
  return node;
};

export class Transport {
  // `changed(ms)` is called after the player was moved; ms is how long dots may take.
  constructor(player, changed) {
    this.player = player;
    this.changed = changed;
    this.isLive = player.live;
    this.width = 600;
    const act = (change, ms) => () => {
      change();
      changed(ms);
    };
    this.play = button("play", "▶", "Play", act(() => player.toggle(), 0));
    this.time = h("output", { class: "sb-clock", "aria-live": "off", "data-id": "time" }, "0.0 s");
    this.speed = this.#speeds();
    this.range = h("input", { type: "range", class: "sb-range", min: 0, max: 1, step: "any", value: 0,
      "aria-label": "Time" });
    this.range.addEventListener("input", act(() => player.seek(Number(this.range.value)), 0));
    this.chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none",
      class: "sb-curve", "aria-hidden": "true" });
    this.marks = h("div", { class: "sb-marks" });
    this.peak = h("span", {}, "");
    this.node = h("div", { class: "sb-transport", role: "group", "aria-label": "Replay" },
      h("div", { class: "sb-buttons" },
        button("home", "|◀", "To the beginning", act(() => player.home(), 0)),
        button("back", "◀ 1", "One event back", act(() => player.step(-1), 250)), this.play,
        button("step", "1 ▶", "One event on", act(() => player.step(1), 250)),
        button("end", "▶|", "To the end", act(() => player.toEnd(), 0)), this.time, this.speed),
      h("div", { class: "sb-line" }, h("div", { class: "sb-track" }, this.chart, this.range, this.marks),
        h("div", { class: "sb-key" }, ...KEY.map(([css, words]) => h("span", {},
          h("i", { class: `sb-swatch sb-swatch-${css}`, "aria-hidden": "true" }), words)), this.peak)));
  }

  #speeds() {
    const options = SPEEDS.map((n) => h("option", { value: n }, `${n}×`));
    if (this.isLive) options.push(h("option", { value: "live" }, "live"));
    const node = h("select", { class: "sb-speed", "aria-label": "Speed" }, ...options);
    node.addEventListener("change", () => {
      this.player.setSpeed(node.value);
      this.changed(0);
    });
    return node;
  }

  // The history has grown: draw its curve and marks anew.
  grown() {
    const { history } = this.player;
    const end = Math.max(this.player.end, 1e-6);
    this.range.max = end;
    const every = Math.ceil(history.curve.length / MOST_POINTS);
    const rows = thinned(history.curve, every);
    const peak = rows.reduce((most, row) => Math.max(most, row[1], row[2], row[3]), 1);
    this.chart.replaceChildren(...LINES.map(([css, i]) => svg("path", { class: `sb-path sb-path-${css}`,
      d: path(rows, i, end, peak) })));
    setText(this.peak, `highest ${peak}`);
    this.fit();
  }

  // Put the marks under the curve, whose width is known from the last time it was measured.
  fit(width = this.width) {
    this.width = width;
    const end = Math.max(this.player.end, 1e-6);
    const old = new Map([...this.marks.children].map((node) => [node.dataset.t, node]));
    const nodes = spread(marksOf(this.player.history), width / end).map((mark) => {
      const node = old.get(String(mark.t)) ?? this.#mark(mark.t);
      dress(node, mark, end);
      return node;
    });
    // Those that stay are not touched: one of them may have the focus.
    for (const node of old.values()) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, i) => {
      if (this.marks.children[i] !== node) this.marks.insertBefore(node, this.marks.children[i] ?? null);
    });
  }

  #mark(t) {
    const node = h("button", { type: "button", "data-t": t }, h("span", { "aria-hidden": "true" }),
      h("span", { class: "sb-voice" }));
    node.addEventListener("click", () => {
      this.player.seek(t);
      this.changed(250);
    });
    return node;
  }

  // The player is somewhere else.
  moved(words) {
    const { player } = this;
    if (this.range.max < player.t) this.range.max = player.t;
    this.range.value = player.t;
    this.range.setAttribute("aria-valuetext", words);
    this.range.style.setProperty("--sb-at", `${(100 * player.t) / Math.max(this.range.max, 1e-6)}%`);
    tellPlayer(this, player);
  }
}

// Of every few rows the highest of each line, so that no peak is lost.
function thinned(rows, every) {
  if (every <= 1) return rows;
  const kept = [];
  for (let i = 0; i < rows.length; i += every) {
    const few = rows.slice(i, i + every);
    kept.push([few[0][0], ...[1, 2, 3].map((k) => Math.max(...few.map((row) => row[k])))]);
  }
  return kept;
}

function path(rows, index, end, peak) {
  const x = (t) => ((t / end) * WIDTH).toFixed(1);
  const y = (n) => (HEIGHT - 2 - (n / peak) * (HEIGHT - 6)).toFixed(1);
  let d = `M0,${y(0)}`;
  for (const row of rows) d += `H${x(row[0])}V${y(row[index])}`;
  return `${d}H${WIDTH}`;
}

function dress(node, { t, words, tone, glyph, aside }, end) {
  node.className = `sb-mark sb-${tone}`;
  node.title = words;
  node.style.left = `calc(${((t / end) * 100).toFixed(2)}% + ${aside.toFixed(0)}px)`;
  setText(node.firstChild, glyph);
  setText(node.lastChild, `Go to ${words} at ${t.toFixed(1)} s`);
}

// Marks that would lie on one another make way, or become one that names them all.
function spread(marks, perSecond) {
  const kept = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    const free = last ? last.t * perSecond + last.aside + MARK : -Infinity;
    const aside = Math.max(0, free - mark.t * perSecond);
    if (aside > ASIDE) {
      last.words += `; ${mark.words} at ${mark.t.toFixed(1)} s`;
      if (mark.tone === "harm") Object.assign(last, { glyph: mark.glyph, tone: mark.tone });
    } else kept.push({ ...mark, aside });
  }
  return kept;
}
