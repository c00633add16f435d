// Spans: what a timeline shows of a history: bars, absences, outages, pins. No DOM.

import { duration, numberText, slotName, typeText } from "./places.js";

const WENT_AWAY = { worker_exited: "down", pause_worker: "paused", cut_off: "cut off",
  half_open: "half-open link" };
const CAME_BACK = { worker_ready: ["down", "paused"], resume_worker: ["paused"],
  mend_link: ["cut off", "half-open link"] };
const HARM = new Set(["kill_worker", "kill_child", "terminate_worker", "quit_worker", "deploy",
  "stop_broker", "pause_broker", "pause_worker", "flush", "cut_off", "half_open", "child_oom",
  "fail_dependency", "drop_connections", "evict", "fill_memory"]);
const PIN_GLYPHS = { kill_worker: "✖", kill_child: "✖", child_oom: "✖", terminate_worker: "▼",
  quit_worker: "▼", deploy: "⟳", pause_worker: "‖", pause_broker: "‖", stop_broker: "■",
  start_worker: "▲", start_broker: "▲", resume_worker: "▶", resume_broker: "▶", skip: "⇥" };
const PIN_WORDS = { kill_worker: "SIGKILL", kill_child: "kill child of", terminate_worker: "SIGTERM",
  quit_worker: "SIGQUIT",
  pause_worker: "pause", resume_worker: "resume", start_worker: "start" };

const verbOf = (event) => (event.kind === "control" ? event.detail.verb : event.kind);

// Everything of a history at its end, or at `now` (s) if a session's clock is further on.
export function spansOf(history, now = 0) {
  const rows = rowsOf(history);
  const rowAt = new Map(rows.map(({ worker, slot }, i) => [`${slot}@${worker}`, i]));
  const bars = [];
  for (const journey of history.tip.journeys.values()) {
    for (const attempt of journey.attempts) {
      if (attempt.startedS === null) continue;
      const row = rowAt.get(`${attempt.slot ?? 0}@${attempt.worker}`);
      bars.push({ task: journey.task, row, from: attempt.startedS, to: attempt.endedS,
        outcome: attempt.outcome ?? "running", nth: attempt.execution ?? 1, attempt });
    }
  }
  bars.sort((a, b) => a.from - b.from || a.row - b.row);
  return { rows, bars, away: awayOf(history), outages: outagesOf(history), pins: pinsOf(history),
    end: Math.max(history.end, now, 1e-3) };
}

// A row for each process of each worker, those that only events know last.
function rowsOf(history) {
  const most = new Map();
  for (const { name, slots } of history.topology.workers ?? []) most.set(name, slots ?? 1);
  for (const { attempts } of history.tip.journeys.values()) {
    for (const { worker, slot, startedS } of attempts) {
      if (startedS !== null) most.set(worker, Math.max(most.get(worker) ?? 1, (slot ?? 0) + 1));
    }
  }
  return [...most].flatMap(([worker, n]) => Array.from({ length: n }, (_, slot) => ({ worker, slot })));
}

// When each worker was away, and why.
function awayOf(history) {
  const [found, open] = [[], new Map()];
  for (const { t, event } of history.marks) {
    const verb = verbOf(event);
    if (event.detail.error !== undefined || event.worker === null) continue;
    for (const why of CAME_BACK[verb] ?? []) shut(open, `${why}@${event.worker}`, t);
    if (WENT_AWAY[verb] === undefined) continue;
    if (verb === "worker_exited") shut(open, `paused@${event.worker}`, t);
    const span = { worker: event.worker, why: WENT_AWAY[verb], from: t, to: null,
      killed: event.detail.signal === 9 };
    if (!open.has(`${span.why}@${span.worker}`)) {
      open.set(`${span.why}@${span.worker}`, span);
      found.push(span);
    }
  }
  return found;
}

function shut(open, name, t) {
  if (open.has(name)) open.get(name).to = t;
  open.delete(name);
}

// When the broker, or a dependency, was not there.
function outagesOf(history) {
  const [found, open] = [[], new Map()];
  const begin = (what, why, t) => {
    if (open.has(what)) return;
    open.set(what, { what, why, from: t, to: null });
    found.push(open.get(what));
  };
  for (const { t, event } of history.marks) {
    if (event.detail.error !== undefined) continue;
    const [verb, of] = [verbOf(event), event.detail.dependency];
    if (verb === "broker_stopped" || verb === "stop_broker") begin("broker", "down", t);
    else if (verb === "pause_broker") begin("broker", "paused", t);
    else if (verb === "start_broker" || verb === "resume_broker") shut(open, "broker", t);
    else if (verb === "dependency_down") begin(of ?? "dependency", "down", t);
    else if (verb === "dependency_up") shut(open, of ?? "dependency", t);
  }
  return found;
}

// What was done to the system: { t, glyph, tone, words }.
function pinsOf(history) {
  return history.marks.flatMap(({ t, event }) => {
    const { verb, seconds, error, slot } = event.detail;
    if (event.kind !== "control" || error !== undefined || ["submit", "dump"].includes(verb)) return [];
    const of = [event.worker ?? "", slot === undefined || slot === null ? "" : slotName(slot)];
    const more = verb === "skip" ? duration(Number(seconds) || 0) : of.join(" ");
    const name = PIN_WORDS[verb] ?? String(verb).replaceAll("_", " ");
    return [{ t, verb, glyph: PIN_GLYPHS[verb] ?? "◆", tone: HARM.has(verb) ? "harm" : "note",
      words: `${name} ${more}`.trim() }];
  });
}

// --- what is in sight ----------------------------------------------------------------------------

// The bars of [from, to], with their pixels, by row; `x` maps seconds to pixels.
export function placed(spans, from, to, x) {
  const rows = spans.rows.map(() => []);
  for (const bar of spans.bars) {
    const until = bar.to ?? spans.end;
    if (bar.from > to || until < from || bar.row === undefined) continue;
    const x0 = x(Math.max(bar.from, from));
    rows[bar.row].push({ bar, row: bar.row, x0, x1: Math.max(x(Math.min(until, to)), x0 + 2.5) });
  }
  return rows;
}

const CHAR = 7.3; // px of a character of a label, a little more than it is

// Give each bar of a row the longest label that has room in it or right of it; "" if none has.
export function label(row, right) {
  row.forEach((one, i) => {
    const { x0, x1, bar } = one;
    const [number, again] = [numberText(bar.task), bar.nth > 1 ? ` ×${bar.nth}` : ""];
    const choices = [`${number} ${typeText(bar.task)}${again}`, `${number}${again}`];
    const fits = (text, room) => text.length * CHAR + 8 <= room;
    // A thick frame says that it ran again: its number alone is better than nothing.
    const inside = [...choices, ...(again ? [number] : [])].find((text) => fits(text, x1 - x0));
    const free = (row[i + 1]?.x0 ?? right) - x1;
    one.outside = inside === undefined && fits(choices[1], free - (bar.outcome === "killed" ? 8 : 0));
    one.label = inside ?? (one.outside ? choices[1] : "");
  });
  return row;
}

// For each worker and bin the share of its processes that each outcome kept busy.
export function sharesOf(spans, from, to, nBins) {
  const workers = [...new Set(spans.rows.map((row) => row.worker))];
  const width = (to - from) / nBins;
  const of = new Map(workers.map((name) => [name, {
    name, slots: spans.rows.filter((row) => row.worker === name).length, busy: {} }]));
  for (const bar of spans.bars) {
    const until = Math.min(bar.to ?? spans.end, to);
    if (bar.from >= to || until <= from || bar.row === undefined) continue;
    const mine = of.get(spans.rows[bar.row].worker);
    const sums = (mine.busy[bar.outcome] ??= new Array(nBins).fill(0));
    const first = Math.max(0, Math.floor((bar.from - from) / width));
    const last = Math.min(nBins - 1, Math.floor((until - from) / width));
    for (let i = first; i <= last; i += 1) {
      const begin = from + i * width;
      const inBin = Math.min(until, begin + width) - Math.max(bar.from, begin);
      sums[i] += Math.max(0, inBin) / (width * mine.slots);
    }
  }
  return [...of.values()];
}

// Pins that would lie on one another become one; each gets a line of text that is free, or none.
export function pinned(pins, x, width, nLines) {
  const kept = [];
  for (const pin of pins) {
    const last = kept.at(-1);
    if (last && x(pin.t) - last.x < 9) {
      last.words += `; ${pin.words}`;
      if (pin.tone === "harm") Object.assign(last, { glyph: pin.glyph, tone: pin.tone });
    } else kept.push({ ...pin, x: x(pin.t) });
  }
  const free = new Array(nLines).fill(-Infinity);
  for (const pin of kept) {
    const room = pin.words.length * CHAR + 20;
    pin.left = pin.x + room > width;
    const [from, to] = pin.left ? [pin.x - room, pin.x + 8] : [pin.x - 8, pin.x + room];
    pin.line = free.findIndex((taken) => taken <= from);
    if (pin.line >= 0 && from >= 0) free[pin.line] = to;
    else pin.line = -1;
  }
  return kept;
}

// Round seconds for an axis: about `n` of them in [from, to].
export function ticksOf(from, to, n) {
  const rough = (to - from) / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough) ?? power * 10;
  const ticks = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i += 1) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}
