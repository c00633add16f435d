// The board: a history shown at the player's moment. Python joins this file with those it imports.

import { areaOf, areasIn, observeCards } from "./areas.js";
import { Dots, paintLegend } from "./dots.js";
import { crowdAt, historyOf, summary, totals, warnings } from "./history.js";
import { Lead } from "./lead.js";
import { isCalm, isDark, paletteOf } from "./looks.js";
import { historyFor, taken } from "./past.js";
import { copiesOf, ENDS, seated } from "./places.js";
import { Picks } from "./picks.js";
import { Player } from "./player.js";
import { links, middle } from "./links.js";
import { assumptions, forgetNodes, h, legend, renumber, setText, stage, svg, totalsRow } from "./structure.js";
import { fillTip, placeTip } from "./tip.js";
import { Transport } from "./transport.js";

const TRAVEL_MS = 350;
const TOLD_MS = 2000;
const CLOCK_MS = 100;
const MOVE_MS = 50; // Dots get their places 20 times a second at most, and move in every frame.

class View {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    const head = model.get("head") ?? {};
    this.topology = head.topology ?? {};
    this.isLive = Boolean(head.live);
    this.history = historyFor(model, this.topology);
    this.player = new Player(this.history, { live: this.isLive });
    this.player.told(head.until_s ?? 0);
    const cursor = model.get("cursor_s");
    if (!this.isLive && cursor > 0) this.player.seek(cursor);
    this.lead = new Lead(model, this.player, () => this.step(performance.now()));
    this.state = this.player.state;
    this.marked = model.get("focus") || null;
    this.last = performance.now();
    this.toldAt = -Infinity;
    this.clockAt = -Infinity;
    this.placedAt = -Infinity;
    this.build();
  }

  // --- structure ---------------------------------------------------------------------------------

  build() {
    const { topology } = this;
    this.el.classList.add("sb-board");
    this.el.dataset.lmSuppressShortcuts = "true"; // JupyterLab has meanings of its own for keys.
    this.el.dataset.state = "live";
    this.canvas = h("canvas", { class: "sb-dots", "aria-hidden": "true" });
    this.links = svg("svg", { class: "sb-links", "aria-hidden": "true" });
    this.inner = h("div", { class: "sb-inner" }, this.links, ...stage(topology, this.holds()), this.canvas);
    this.stage = h("div", { class: "sb-stage", tabindex: 0, role: "group",
      "aria-label": "Board. Space plays and pauses, left and right step by one event, up and down "
        + "choose a message, Escape leaves it." }, this.inner);
    this.dots = new Dots(this.canvas);
    this.transport = new Transport(this.player, (ms) => this.show(ms));
    this.tip = h("div", { class: "sb-tip", role: "tooltip", hidden: "" });
    this.voice = h("div", { class: "sb-voice", role: "status", "aria-live": "polite" });
    this.trouble = h("div", { class: "sb-trouble", role: "status", hidden: "" });
    this.log = h("div", { class: "sb-log", role: "log", "aria-live": "polite", hidden: "" });
    this.legend = legend();
    this.el.replaceChildren(
      h("div", { class: "sb-top" }, h("strong", { class: "sb-scenario" }, topology.name ?? ""),
        h("span", { class: "sb-source-of" }, topology.source ?? ""), totalsRow()),
      this.stage, this.trouble, this.transport.node, this.legend, assumptions(topology), this.log,
      this.voice, this.tip);
    this.areas = new Map();
    this.transport.grown();
    this.picks = new Picks(this.model, this.inner, (event) => this.dotAt(event) !== null);
    this.picks.offer();
    this.listen();
    this.theme();
    this.tell();
  }

  holds() {
    return (this.topology.types ?? []).some((type) => type.holds)
      || this.history.events.some((event) => event.kind?.endsWith("_held"));
  }

  listen() {
    const { el, stage: where } = this;
    this.stops = this.picks.listen();
    const on = (target, name, act) => {
      target.addEventListener(name, act);
      this.stops.push(() => target.removeEventListener(name, act));
    };
    on(el, "keydown", (event) => this.key(event));
    on(where, "pointermove", (event) => this.hover(event));
    on(where, "pointerleave", () => this.pointed(null));
    on(where, "click", (event) => this.hover(event, true));
    on(window.matchMedia("(prefers-color-scheme: dark)"), "change", () => this.theme());
    this.sizes = new ResizeObserver(() => this.measure(TRAVEL_MS));
    this.watch(this.sizes, () => observeCards(this.sizes, this.inner));
    const themes = { attributes: true, attributeFilter: ["class", "data-jp-theme-light",
      "data-jp-theme-name", "data-theme", "data-vscode-theme-kind"] };
    this.watch(new MutationObserver(() => this.theme()), (one) => {
      one.observe(document.body, themes);
      one.observe(document.documentElement, themes);
    });
    const said = (name, act) => {
      this.model.on(name, act);
      this.stops.push(() => this.model.off(name, act));
    };
    said("msg:custom", (message) => this.take(message));
    said("change:log", () => this.tell());
    said("change:cursor_s", () => this.lead.cursorChanged());
    said("change:motion", () => this.lead.motionChanged());
    said("change:focus", () => this.mark(this.model.get("focus") || null, false));
    said("change:past", () => this.restart());
  }

  watch(observer, begin) {
    begin(observer);
    this.stops.push(() => observer.disconnect());
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.stopped = true;
    for (const stop of this.stops) stop();
  }

  // --- from the kernel ----------------------------------------------------------------------------

  take(message) {
    const held = this.holds();
    if (!taken(this.history, this.model, message)) return;
    this.player.told(message.now_s);
    this.transport.grown();
    if (this.holds() !== held) this.rebuild();
    this.show(TRAVEL_MS);
  }

  restart() {
    this.history = historyFor(this.model, this.topology);
    this.player.history = this.history;
    this.player.n = Math.min(this.player.n, this.history.length);
    this.player.told();
    this.transport.grown();
    this.show(0);
  }

  rebuild() {
    this.inner.replaceChildren(this.links, ...stage(this.topology, this.holds()), this.canvas);
    this.picks.offer();
    forgetNodes(this.el);
    observeCards(this.sizes, this.inner);
    this.measure();
  }

  tell() {
    const lines = this.model.get("log") ?? [];
    this.log.hidden = lines.length === 0;
    this.log.replaceChildren(...lines.map((line) => h("div", {}, line)));
  }

  // --- from the reader ----------------------------------------------------------------------------

  key(event) {
    if (["SELECT", "TEXTAREA"].includes(event.target.tagName) || event.altKey || event.ctrlKey
      || event.metaKey) return;
    const onButton = event.target.tagName === "BUTTON" || event.target.tagName === "SUMMARY";
    const act = KEYS[event.key];
    // Up and down are the slider's own where that has the focus.
    if (event.target.tagName === "INPUT" && ["ArrowUp", "ArrowDown"].includes(event.key)) return;
    if (act === undefined || (onButton && event.key === " ")) return;
    event.preventDefault();
    event.stopPropagation();
    act(this);
  }

  choose(by) {
    const tasks = [...new Set(this.dots.all.map((dot) => dot.copy.task))];
    if (tasks.length === 0) return;
    const at = tasks.indexOf(this.marked);
    this.mark(tasks[(at + by + tasks.length) % tasks.length] ?? tasks[0]);
  }

  mark(task, tell = true) {
    this.marked = task;
    if (tell) {
      this.model.set("focus", task ?? "");
      this.model.save_changes?.();
    }
    this.tipOf(this.marked);
    if (task !== null) setText(this.voice, this.tip.textContent);
    this.wake();
  }

  dotAt(event) {
    const rect = this.canvas.getBoundingClientRect();
    return this.dots.hit(event.clientX - rect.left, event.clientY - rect.top) ?? null;
  }

  hover(event, isClick = false) {
    const task = this.dotAt(event)?.copy.task ?? null;
    if (isClick) this.mark(task === this.marked ? null : task);
    else this.pointed(task);
  }

  pointed(task) {
    if (this.hovered === task) return;
    this.hovered = task;
    this.tipOf(task ?? this.marked);
  }

  // Show all that has happened to a message, beside its dot.
  tipOf(task) {
    const told = task === null || task === undefined ? null
      : historyOf(this.history, this.state, task, this.player.t);
    this.tip.hidden = told === null;
    if (told === null) return;
    fillTip(this.tip, told);
    this.tip.dataset.task = task;
    this.placeTip(task);
  }

  placeTip(task) {
    const dot = this.dots.byTask.get(task)?.[0];
    placeTip(this.tip, dot, this.el.getBoundingClientRect(), this.canvas.getBoundingClientRect());
  }

  // --- looks --------------------------------------------------------------------------------------

  theme() {
    this.el.dataset.theme = isDark() ? "dark" : "light";
    // JupyterLab hides the page while it changes its theme: there is nothing to measure then.
    this.paint();
    this.wake();
    this.measure();
  }

  // The colours of the stylesheet, which a notebook may give to the page after the board.
  paint() {
    const palette = paletteOf(this.el);
    if (JSON.stringify(palette) === JSON.stringify(this.dots.palette)) return;
    this.dots.paint(palette);
    paintLegend(this.legend, palette);
  }

  // Read where everything is; the only place that asks the browser for its layout.
  measure(ms = 0) {
    const width = this.el.clientWidth;
    if (width === 0) return;
    if (this.width !== width) [this.width, ms] = [width, 0];
    this.paint();
    this.el.dataset.width = width >= 900 ? "wide" : width >= 520 ? "mid" : "narrow";
    const base = this.inner.getBoundingClientRect();
    this.dots.resize(base.width, this.inner.scrollHeight, window.devicePixelRatio || 1);
    Object.assign(this, areasIn(this.inner, base));
    this.transport.fit(this.transport.marks.clientWidth);
    this.source = middle(this.inner.querySelector(".sb-source"), base, 0.8);
    this.links.replaceChildren(...this.el.dataset.width === "wide" ? links(this.inner, this.topology, base) : []);
    this.show(ms);
  }

  // --- every moment -------------------------------------------------------------------------------

  // Show the player's moment; dots that have to move may take `ms`.
  show(ms = 0) {
    if (this.areas.size === 0) return;
    this.lead.say();
    this.place(ms);
    if (performance.now() - this.clockAt > CLOCK_MS || !this.player.moving) this.write();
    this.wake();
  }

  place(ms) {
    this.placedAt = performance.now();
    this.state = this.player.state;
    const { targets, over } = seated(copiesOf(this.state, this.player.t), this.areas,
      (copy) => areaOf(this.areas, copy.area));
    const quick = isCalm() ? 0 : ms / Math.max(1, this.player.speed / 2);
    this.dots.go(targets, this.placedAt, quick, this.source);
    this.over = over;
    this.shownN = this.player.n;
  }

  write() {
    const { state, player, over } = this;
    this.clockAt = performance.now();
    const [sums, seats] = [totals(state), new Map()];
    for (const { copy } of this.dots.all) seats.set(copy.name, (seats.get(copy.name) ?? 0) + 1);
    renumber(this.el, state, player.t, sums);
    for (const [name, node] of this.overs) {
      if (node === null) continue;
      // Of what is over, only the newest are among the copies: count against the whole number.
      const n = ENDS.includes(name) ? sums[name] - (seats.get(name) ?? 0)
        : (over.get(name) ?? 0) + crowdAt(state, name);
      setText(node, n > 0 ? `+${n}` : "");
    }
    this.el.dataset.state = state.ended === null ? "live" : "ended";
    this.transport.moved(summary(state, player.t));
    const lines = warnings(this.history, state, over.get("") ?? 0);
    this.trouble.hidden = lines.length === 0;
    setText(this.trouble, lines.join(" "));
    if (!this.tip.hidden) this.tipOf(this.hovered ?? this.marked);
    if (!player.moving || performance.now() - this.toldAt > TOLD_MS) {
      this.toldAt = performance.now();
      if (this.marked === null) setText(this.voice, summary(state, player.t));
    }
  }

  wake() {
    if (this.frame || this.stopped) return;
    this.last = performance.now();
    this.frame = requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.frame = null;
    if (this.player.tick(now - this.last)) this.step(now);
    this.last = now;
    const moving = this.dots.draw(now, this.hovered ?? this.marked);
    if ((moving || (this.player.playing && !this.player.isOver)) && !this.stopped) {
      this.frame ??= requestAnimationFrame((next) => this.tick(next));
    }
  }

  step(now) {
    const { player } = this;
    this.lead.say();
    if (!player.moving) {
      this.show(TRAVEL_MS);
      return;
    }
    // A frame gives places or writes numbers, never both: neither may make the next one late.
    const isMoved = now - this.placedAt >= (player.n === this.shownN ? CLOCK_MS : MOVE_MS);
    const isTold = now - this.clockAt >= CLOCK_MS;
    if (isMoved && !(isTold && this.placedAt > this.clockAt)) this.place(TRAVEL_MS);
    else if (isTold) this.write();
    this.wake();
  }
}

const KEYS = {
  " ": (view) => view.transport.play.click(),
  ArrowRight: (view) => { view.player.step(1); view.show(250); },
  ArrowLeft: (view) => { view.player.step(-1); view.show(250); },
  ArrowDown: (view) => view.choose(1),
  ArrowUp: (view) => view.choose(-1),
  Home: (view) => { view.player.home(); view.show(0); },
  End: (view) => { view.player.toEnd(); view.show(0); },
  Escape: (view) => view.mark(null),
};

function render({ model, el }) {
  const view = new View(model, el);
  return Object.assign(() => view.stop(), { view });
}

export default { render };
