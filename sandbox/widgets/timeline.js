// The timeline: attempts per worker slot, one run or two as a counterfactual.

import { BAR_OUTCOMES, Plot } from "./attempts.js";
import { shownIn } from "./folding.js";
import { History } from "./fold.js";
import { historyOf } from "./history.js";
import { eventsOf } from "./past.js";
import { slotName } from "./places.js";
import { Controls, Reading, troubleOf } from "./reading.js";
import { h, setText } from "./structure.js";

const KEY_WORDS = { succeeded: "succeeded", retried: "failed, retries", failed: "failed for good",
  killed: "killed, torn off", running: "still running" };
const SHOWN_CHANGES = 12;
const CLOSEST = 0.02; // s: the shortest stretch that fills the width
const NEWEST = 60; // s of a session that are in sight at first

class Timeline {
  constructor(model, el) {
    this.el = el;
    this.reading = new Reading(model, el, this);
    const { head, history, topology } = this.reading;
    this.changes = new Map(head.changes ?? []);
    const acts = { act: (one, plot, event) => this.clicked(one, plot, event),
      point: (one, event) => this.pointed(one, event) };
    this.plots = [new Plot(history, topology.name ?? "run", acts)];
    if (head.other) {
      const other = new History(head.other.topology ?? {}, eventsOf(head.other.past ?? "[]"));
      this.plots.push(new Plot(other, head.other.topology?.name ?? "other run", acts));
    }
    this.window = null; // [from, to] that is in sight, null for all
    this.span = head.live ? NEWEST : Infinity; // s in sight while the newest event is followed
    this.build(head);
    this.reading.start();
  }

  build(head) {
    const { el, reading } = this;
    el.classList.add("sb-board", "sb-plot");
    el.dataset.lmSuppressShortcuts = "true"; // JupyterLab has meanings of its own for keys.
    const zoom = (glyph, words, factor) => {
      const node = h("button", { type: "button", class: "sb-button", "aria-label": words, title: words },
        h("span", { "aria-hidden": "true" }, glyph));
      node.addEventListener("click", () => this.zoom(factor));
      return node;
    };
    this.zooms = h("div", { class: "sb-zooms", role: "group", "aria-label": "Stretch of time" },
      zoom("+", "Show a shorter time", 0.5), zoom("−", "Show a longer time", 2),
      zoom("all", "Show all of the run", Infinity));
    this.stages = this.plots.map((plot, i) => {
      const stage = h("div", { class: "sb-attempts-of", tabindex: 0, role: "group", "aria-label":
        `Attempts of ${plot.name}. Arrow keys choose an attempt, Enter moves the time there, plus and `
        + "minus show a shorter or longer time, Escape lets go." }, plot.svg);
      stage.addEventListener("keydown", (event) => this.key(event, plot));
      const words = head.names?.[i];
      return h("section", {}, words ? h("h3", { class: "sb-title sb-run-name" }, words) : null, stage);
    });
    this.tip = h("div", { class: "sb-tip", role: "tooltip", hidden: "" });
    this.detail = h("div", { class: "sb-detail", role: "status", "aria-live": "polite" });
    this.trouble = h("div", { class: "sb-trouble", role: "status", hidden: "" });
    this.key_ = h("div", { class: "sb-key sb-key-bars" });
    const parts = [h("div", { class: "sb-top" }, h("strong", {}, "Attempts on each worker's processes"),
      h("span", { class: "sb-source-of" }, head.summary ?? reading.topology.source ?? ""), this.zooms)];
    if (!head.led) {
      reading.controls = new Controls(reading);
      parts.push(reading.controls.node);
    }
    el.replaceChildren(...parts, ...this.stages, this.trouble, this.key_, this.changed(), this.detail, this.tip);
  }

  // The tasks that fare otherwise in the second run, as buttons.
  changed() {
    const few = [...this.changes].slice(0, SHOWN_CHANGES);
    const buttons = few.map(([task, words]) => {
      const node = h("button", { type: "button", class: "sb-button sb-change", "data-task": task }, `${task}: ${words}`);
      node.addEventListener("click", () => this.reading.chosen(task));
      return node;
    });
    const more = this.changes.size - few.length;
    return h("div", { class: "sb-changes", role: "group", "aria-label": "Tasks that differ" }, ...buttons,
      more > 0 ? h("span", { class: "sb-note" }, `and ${more} more, lit above`) : null);
  }

  // --- drawing -----------------------------------------------------------------------------------

  draw() {
    const width = Math.max(280, this.stages[0].clientWidth);
    this.plots[0].history = this.reading.history;
    this.longest = Math.max(...this.plots.map((plot) => plot.history.end), this.reading.player.end, 1e-3);
    this.followNewest();
    const [from, to] = this.window ?? [0, this.longest];
    const { end } = this.reading.player; // A session's clock is further on than its last event.
    for (const [i, plot] of this.plots.entries()) {
      plot.draw(width, from, to, this.changes.size ? this.changes : null, i === 0 ? end : 0);
    }
    const trouble = this.plots.map((plot) => troubleOf(plot.history)).filter(Boolean);
    if (this.plots.some((plot) => plot.byShare)) {
      trouble.push("Too many attempts for a bar each: the share of busy processes is drawn. + shows a shorter time, with its bars.");
    } else if (this.plots[0].spans.bars.length === 0 && this.reading.history.length > 0) trouble.push("Nothing has run.");
    this.trouble.hidden = trouble.length === 0;
    setText(this.trouble, trouble.join(" "));
    this.legend();
    this.choose(this.reading.focus);
  }

  legend() {
    const present = new Set(this.plots.flatMap((plot) => plot.spans.bars.map((bar) => bar.outcome)));
    const again = this.plots.some((plot) => plot.spans.bars.some((bar) => bar.nth > 1));
    this.key_.replaceChildren(...BAR_OUTCOMES.filter((name) => present.has(name)).map((name) =>
      h("span", {}, h("i", { class: `sb-chip sb-chip-${name}`, "aria-hidden": "true" }),
      KEY_WORDS[name])),
    again ? h("span", {}, h("i", { class: "sb-chip sb-chip-again", "aria-hidden": "true" }), "×2: ran again") : "");
  }

  move() {
    const { player } = this.reading;
    this.keepInSight(player.t);
    for (const plot of this.plots) if (plot.cursor) plot.move(player.t);
  }

  // A part of the run is in sight: go where the cursor goes.
  keepInSight(t) {
    const same = t === this.shownT;
    this.shownT = t;
    if (this.window === null || this.reading.player.live || same) return;
    const [from, to] = this.window;
    if (t >= from && t <= to) return;
    const begin = Math.max(0, Math.min(t, this.longest - (to - from)));
    this.window = [begin, begin + to - from];
    this.reading.due();
  }

  // A session's newest seconds: as many as the reader has chosen, fewer while it is young.
  followNewest() {
    if (!this.reading.player.live) return;
    this.window = this.longest > this.span ? [this.longest - this.span, this.longest] : null;
  }

  zoom(factor) {
    const [from, to] = this.window ?? [0, this.longest];
    const span = Math.max(CLOSEST, (to - from) * factor);
    if (this.reading.player.live) {
      this.span = span;
      this.reading.due();
      return;
    }
    const { t } = this.reading.player;
    const middle = factor < 1 && t >= from && t <= to ? t : (from + to) / 2;
    const begin = Math.min(Math.max(0, middle - span / 2), this.longest - span);
    this.window = span >= this.longest ? null : [begin, begin + span];
    this.reading.due();
  }

  // --- from the reader ----------------------------------------------------------------------------

  clicked(one, plot, event) {
    if (one === null) {
      const x = event.clientX - plot.svg.getBoundingClientRect().left;
      const share = (x - plot.left) / (plot.right - plot.left);
      if (share >= 0 && share <= 1) this.reading.seek(plot.from + share * (plot.to - plot.from));
      return;
    }
    this.reading.chosen(one.bar.task === this.reading.focus ? null : one.bar.task);
  }

  pointed(one, event) {
    this.tip.hidden = one === null;
    if (one === null) return;
    this.tip.replaceChildren(h("strong", {}, one.bar.task), h("div", {}, wordsOf(one.bar)),
      this.changes.has(one.bar.task) ? h("div", {}, this.changes.get(one.bar.task)) : "");
    const box = this.el.getBoundingClientRect();
    const x = event.clientX - box.left + 14;
    this.tip.style.left = `${Math.max(2, Math.min(x, box.width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${event.clientY - box.top + 18}px`;
  }

  key(event, plot) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const acts = { ArrowRight: () => this.go(plot, 0, 1), ArrowLeft: () => this.go(plot, 0, -1),
      ArrowDown: () => this.go(plot, 1, 0), ArrowUp: () => this.go(plot, -1, 0),
      Enter: () => this.at && this.reading.seek(this.at.bar.from), Escape: () => this.reading.chosen(null),
      "+": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.zoom(Infinity) };
    if (acts[event.key] === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  // To the next attempt of a row, or to the nearest one of another row.
  go(plot, rows, bars) {
    const { all } = plot;
    if (all.length === 0) return;
    const at = all.find((one) => one.bar === this.at?.bar) ?? all.find((one) => one.bar.task === this.reading.focus);
    let next = all[0];
    if (at && rows === 0) {
      const row = all.filter((one) => one.row === at.row);
      next = row[Math.min(Math.max(0, row.indexOf(at) + bars), row.length - 1)];
    } else if (at) {
      const others = all.filter((one) => (one.row - at.row) * rows > 0);
      const near = (one) => Math.abs(one.row - at.row) * 1e6 + Math.abs(one.x0 - at.x0);
      next = others.reduce((best, one) => (near(one) < near(best) ? one : best), others[0] ?? at);
    }
    this.at = next;
    this.reading.chosen(next.bar.task);
  }

  // Show a task's chain and its history.
  choose(task) {
    for (const plot of this.plots) if (plot.links) plot.chain(task);
    for (const node of this.el.querySelectorAll(".sb-change")) {
      node.setAttribute("aria-pressed", String(node.dataset.task === task));
    }
    if (task === null) {
      setText(this.detail, "Choose an attempt to see its task's chain and history.");
      return;
    }
    const names = this.reading.head.names ?? [];
    const told = this.plots.map((plot, i) => this.historyIn(plot, task, names[i]));
    const parts = [h("strong", {}, task), h("span", {}, ` ${this.changes.get(task) ?? ""}`),
      h("div", { class: "sb-histories" }, ...told)];
    // The same words once more would be read aloud once more.
    if (parts.map((part) => part.textContent).join("") !== this.detail.textContent) this.detail.replaceChildren(...parts);
  }

  historyIn(plot, task, name) {
    const told = historyOf(plot.history, plot.history.tip, task, plot.history.end);
    const head = name ? h("div", { class: "sb-note" }, name) : null;
    if (told === null) return h("div", {}, head, h("div", {}, "is not in this run"));
    const earlier = told.earlier ? [h("li", {}, h("time", {}, "…"), `${told.earlier} earlier`)] : [];
    return h("div", {}, head, h("div", {}, told.where),
      h("ol", {}, ...earlier, ...told.lines.map(([t, words]) => h("li", {}, h("time", {}, t), words))));
  }
}

function wordsOf({ from, to, outcome, nth, attempt }) {
  const until = to === null ? "still running" : `${outcome} at ${to.toFixed(2)} s`;
  const which = nth > 1 ? `, execution ${nth}` : "";
  return `${attempt.worker}, ${slotName(attempt.slot)}${which}: started at ${from.toFixed(2)} s, ${until}`;
}

function render(at) {
  return shownIn(at, (model, el) => new Timeline(model, el));
}

export default { render };
