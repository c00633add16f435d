// Reading: what every picture over time has: a history, a player, the theme, and the buttons that
// move the player where no other widget leads it.

import { Lead } from "./lead.js";
import { isDark } from "./looks.js";
import { historyFor, taken } from "./past.js";
import { Player, SPEEDS } from "./player.js";
import { h, tellPlayer } from "./structure.js";

const IDLE_MS = 500; // A session's clock goes on between two events.
const SHARE = 10;

export function svgNode(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export class Reading {
  // `picture` has draw() for a history that has grown or another width, move() for another
  // moment, choose(task) for another task; this calls them, never two draws in one frame.
  constructor(model, el, picture) {
    Object.assign(this, { model, el, picture, stops: [], isDue: false, drawnAt: -Infinity,
      notBefore: 0 });
    this.head = model.get("head") ?? {};
    this.topology = this.head.topology ?? {};
    this.read();
    this.focus = model.get("focus") || null;
  }

  read() {
    this.history = historyFor(this.model, this.topology);
    this.player = new Player(this.history, { live: Boolean(this.head.live) });
    this.player.told(this.head.until_s ?? 0); // Others beside it may be longer.
    const cursor = this.model.get("cursor_s");
    if (!this.player.live && cursor > 0) this.player.seek(cursor);
    this.lead = new Lead(this.model, this.player, () => this.wake());
    this.waiting = [];
    this.asleep = false;
  }

  start() {
    const on = (target, name, act) => {
      target.addEventListener(name, act);
      this.stops.push(() => target.removeEventListener(name, act));
    };
    const theme = () => { this.el.dataset.theme = isDark() ? "dark" : "light"; };
    on(window.matchMedia("(prefers-color-scheme: dark)"), "change", theme);
    const themes = new MutationObserver(theme);
    for (const node of [document.body, document.documentElement]) {
      themes.observe(node, { attributes: true, attributeFilter: ["class", "data-jp-theme-light",
        "data-vscode-theme-kind"] });
    }
    const sizes = new ResizeObserver(() => this.due());
    sizes.observe(this.el);
    this.stops.push(() => themes.disconnect(), () => sizes.disconnect());
    for (const [name, act] of [["msg:custom", (said) => this.take(said)],
      ["change:cursor_s", () => this.asleep || this.lead.cursorChanged()],
      ["change:motion", () => this.asleep || this.lead.motionChanged()], ["change:past", () => this.again()],
      ["change:focus", () => this.chosen(this.model.get("focus") || null, false)]]) {
      this.model.on(name, act);
      this.stops.push(() => this.model.off(name, act));
    }
    theme();
    this.due();
  }

  stop() {
    this.stopped = true;
    cancelAnimationFrame(this.frame);
    for (const stop of this.stops) stop();
  }

  due() {
    this.isDue = true;
    this.wake();
  }

  again() {
    this.read();
    this.controls?.follow(this.player);
    this.due();
  }

  // While nobody can see the picture, what comes piles up and nothing moves.
  sleep(asleep) {
    this.asleep = asleep;
    if (asleep) return;
    for (const said of this.waiting.splice(0)) this.take(said);
    this.lead.motionChanged();
    if (!this.player.live) this.lead.cursorChanged();
    this.chosen(this.model.get("focus") || null, false);
    this.due();
  }

  take(said) {
    if (this.asleep) {
      this.waiting.push(said);
      return;
    }
    if (!taken(this.history, this.model, said)) return;
    this.player.told(said.now_s);
    this.due();
  }

  // The reader has moved the cursor here.
  seek(t) {
    this.player.pause();
    this.player.seek(t);
    this.tell();
  }

  tell() {
    this.lead.say();
    this.wake();
  }

  chosen(task, tell = true) {
    if (task === this.focus && !tell) return;
    this.focus = task;
    if (tell) {
      this.model.set("focus", task ?? "");
      this.model.save_changes?.();
    }
    this.picture.choose(task);
  }

  wake() {
    if (this.frame || this.stopped || this.asleep) return;
    this.last ??= performance.now();
    this.frame = requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.frame = null;
    const { player } = this;
    if (player.tick(now - this.last)) this.lead.say();
    this.last = player.playing ? now : undefined;
    this.drawIfDue(now);
    this.picture.move();
    this.controls?.show();
    if (player.playing && !player.isOver) this.wake();
  }

  // A large picture of a session is drawn less often: drawing has a tenth of the time.
  drawIfDue(now) {
    const goesOn = this.player.live && !this.player.isOver;
    if (goesOn && now - this.drawnAt > IDLE_MS) this.isDue = true;
    if (!this.isDue || (goesOn && now < this.notBefore) || this.el.clientWidth === 0) return;
    this.isDue = false;
    const begun = performance.now();
    this.picture.draw();
    this.drawnAt = now;
    this.notBefore = now + SHARE * (performance.now() - begun);
  }
}

// Play, pause, step, speed and a slider.
export class Controls {
  constructor(reading) {
    this.reading = reading;
    const act = (id, glyph, words, change) => {
      const node = h("button", { type: "button", class: "sb-button", "data-id": id,
        "aria-label": words, title: words }, h("span", { "aria-hidden": "true" }, glyph));
      node.addEventListener("click", () => {
        change(reading.player);
        reading.tell();
      });
      return node;
    };
    this.play = act("play", "▶", "Play", (player) => player.toggle());
    this.range = h("input", { type: "range", class: "sb-range", min: 0, step: "any",
      "aria-label": "Time" });
    this.range.addEventListener("input", () => reading.seek(Number(this.range.value)));
    this.speed = h("select", { class: "sb-speed", "aria-label": "Speed" },
      ...SPEEDS.map((n) => h("option", { value: n }, `${n}×`)),
      reading.head.live ? h("option", { value: "live" }, "live") : null);
    this.speed.addEventListener("change", () => {
      reading.player.setSpeed(this.speed.value);
      reading.tell();
    });
    this.time = h("output", { class: "sb-clock", "aria-live": "off" }, "0.00 s");
    this.node = h("div", { class: "sb-controls", role: "group", "aria-label": "Replay" },
      act("back", "◀|", "One event back", (player) => player.step(-1)), this.play,
      act("step", "|▶", "One event on", (player) => player.step(1)), this.range, this.time,
      this.speed);
  }

  follow(player) { this.range.max = Math.max(player.end, 1e-3); }

  show() {
    const { player } = this.reading;
    this.follow(player);
    this.range.value = player.t;
    this.range.setAttribute("aria-valuetext", `${player.t.toFixed(2)} seconds`);
    tellPlayer(this, player);
  }
}

// What cannot be shown as it is, in a sentence each; "" if nothing is wrong.
export function troubleOf(history) {
  const lines = [];
  const { nBroken, broken, nProblems, problems, crowd } = history.tip;
  if (history.length === 0) lines.push("This run has no events yet.");
  if (crowd !== null) {
    lines.push(`More than 200 events/s: ${crowd.tasks.toLocaleString("en")} tasks are counted, `
      + "not drawn one by one.");
  }
  if (nBroken > 0) lines.push(`${nBroken} broken events were left out; the first: ${broken[0]}.`);
  if (nProblems > 0) lines.push(`${nProblems} events contradict others; the first: ${problems[0]}.`);
  return lines.join(" ");
}
