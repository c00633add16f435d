// The fold: what the events say, so far, of every message and every worker. No DOM in here.
// It has the meaning of sandbox/fold.py, function by function; a test feeds both the same runs.
//
// A state belongs to whoever applies events to it. `snapshot` shares its messages: one is copied
// when it is next written to (its epoch is an older one), so that a checkpoint costs little.

import { measure, newWorker, note, ON_TASK, own, settle } from "./journeys.js";
import { ON_SYSTEM } from "./systems.js";

let lastEpoch = 0;

export function empty(topology) {
  const workers = new Map();
  for (const worker of topology.workers ?? []) {
    workers.set(worker.name, newWorker(worker.slots));
  }
  return {
    topology, epoch: (lastEpoch += 1), n: 0, t: 0,
    journeys: new Map(), active: new Set(), slots: new Map(), workers,
    broker: { state: "up", since: 0 }, dependencies: new Map(), skipped: [],
    front: 0, back: 0, crowd: null, ended: null,
    counts: {
      published: 0, queued: 0, reserved: 0, running: 0, unacked: 0, orphaned: 0, motion: 0,
      done: 0, failed: 0, dead: 0, expired: 0, lost: 0, twice: 0, retried: 0, redelivered: 0,
    },
    recent: { done: [], failed: [], dead: [], expired: [], lost: [] },
    problems: [], nProblems: 0, broken: [], nBroken: 0,
  };
}

// What can be gone on with while `state` stays as it is, and the other way round.
export function snapshot(state) {
  const recent = {};
  for (const [name, keys] of Object.entries(state.recent)) recent[name] = keys.slice();
  state.epoch = lastEpoch += 1;
  return {
    ...state, epoch: (lastEpoch += 1), journeys: new Map(state.journeys),
    active: new Set(state.active), slots: new Map(state.slots),
    workers: new Map([...state.workers].map(([name, worker]) => [name, { ...worker }])),
    broker: { ...state.broker }, dependencies: new Map(state.dependencies),
    skipped: state.skipped.slice(), counts: { ...state.counts }, recent,
    problems: state.problems.slice(), broken: state.broken.slice(),
  };
}

// --- events ----------------------------------------------------------------------------------

// Most are positions; what the topology does not know is a word.
const named = (list, i) => (typeof i === "string" ? i : list?.[i]?.name ?? list?.[i]);
const whole = (x) => x === null || x === undefined || Number.isInteger(x);

const LATEST = 2 ** 53; // s; sandbox.run allows as much
const MOST_SLOTS_OF_ONE = 10_000; // A row each: a greater number is a mistake, not a worker.
const DETAIL = { eta_s: "number", seconds: "number", processes: "number", signal: "number",
  slot: "number", verb: "string", dependency: "string", why: "string" };

// What is wrong with the part of a detail that pictures read, or null.
function unfitDetail(kind, detail) {
  if (typeof detail !== "object" || Array.isArray(detail)) return "a detail that is no object";
  for (const [field, type] of Object.entries(DETAIL)) {
    const value = detail[field] ?? null;
    if (value !== null && typeof value !== type) return `a ${field} that is no ${type}`;
  }
  if (kind !== "crowd") return null;
  const counts = [detail.queues, detail.reserved, detail.running_on];
  const areCounts = counts.every((list) => Array.isArray(list) && list.every(Number.isFinite));
  return areCounts && Number.isFinite(detail.tasks) ? null : "no counts";
}

// Read one row of sandbox/widgets/feed.py; a string says what is wrong with it.
export function decode(topology, row) {
  if (!Array.isArray(row)) return `an event is ${JSON.stringify(row) ?? "nothing"}, not a list`;
  const [t, kind, type, number, worker, slot, tag, retry, queue, detail] = row;
  if (!Number.isFinite(t) || Math.abs(t) > LATEST) return `an event's time is ${JSON.stringify(t ?? null)}`;
  const name = named(topology.kinds, kind);
  if (typeof name !== "string" || !topology.kinds?.includes(name)) {
    return `an event's kind is ${JSON.stringify(kind ?? null)}`;
  }
  const event = { t, kind: name, task: null, worker: null, slot: slot ?? null, tag: tag ?? null,
    retry: retry ?? null, queue: null, detail: detail ?? {}, type: type ?? null };
  if (!whole(slot) || !whole(retry)) return `${name} at ${t} s has no whole slot or retry`;
  if (slot < 0 || slot >= MOST_SLOTS_OF_ONE) {
    return `${name} at ${t} s is in slot ${slot}; allowed: 0 to ${MOST_SLOTS_OF_ONE - 1}`;
  }
  const unfit = detail === null || detail === undefined ? null : unfitDetail(name, detail);
  if (unfit !== null) return `${name} at ${t} s has ${unfit}`;
  for (const [field, list, i] of [["worker", topology.workers, worker],
    ["queue", topology.queues, queue]]) {
    if (i === null || i === undefined) continue;
    event[field] = named(list, i);
    if (typeof event[field] !== "string") return `${name} at ${t} s has the unknown ${field} ${i}`;
  }
  if (type === null || type === undefined) return event;
  const kindOfTask = named(topology.types, type);
  if (typeof kindOfTask !== "string") return `${name} at ${t} s has the unknown task type ${type}`;
  event.task = number === null || number === undefined ? kindOfTask : `${kindOfTask}/${number}`;
  return event;
}

// How late (s) an event may become known.
const LATE_S = 2;

// Take one event, a row or what `decode` made of it, and return the state. It never throws.
export function apply(state, row) {
  const event = Array.isArray(row) || row === null || !["object", "string"].includes(typeof row)
    ? decode(state.topology, row) : row;
  state.n += 1;
  if (typeof event === "string") {
    note(state, "broken", event);
    return state;
  }
  // Workers are ready before the run's beginning, and a session tells what each process wrote as it
  // becomes known: neither is wrong.
  const isEarly = event.t < 0 && event.task !== null;
  if (isEarly || (event.t >= 0 && event.t < state.t - LATE_S)) {
    const why = isEarly ? "is before the run's beginning" : "is out of order";
    note(state, "problems", `${event.kind} at ${event.t} s ${why}`);
  }
  state.t = Math.max(state.t, event.t);
  if (event.task !== null) ofTask(state, event);
  else ON_SYSTEM[event.kind]?.(state, event);
  return state;
}

function ofTask(state, event) {
  const step = ON_TASK[event.kind];
  if (step === undefined) return;
  const journey = own(state, event.task);
  const was = measure(state, journey);
  journey.log.push(state.n - 1);
  step(state, journey, event);
  settle(state, journey, was);
}

// The age (s) of a message in `unacked`: what was skipped since has aged it.
export function ageOf(state, since, t) {
  const skips = state.skipped.filter(([at]) => at >= since && at <= t);
  return t - since + skips.reduce((sum, [, seconds]) => sum + seconds, 0);
}

// --- a list of events, and the state at any place in it -----------------------------------------

const STRIDE = 1000;
const MOST_CHECKPOINTS = 64;

// All events so far, with checkpoints: the state after any number of them is soon there.
export class History {
  constructor(topology, rows = []) {
    this.topology = topology;
    this.events = [];
    this.times = []; // Never falling, so that it can be searched even in a broken list.
    this.tip = empty(topology);
    this.checkpoints = [snapshot(this.tip)];
    this.stride = STRIDE;
    this.cursor = null;
    this.marks = [];
    this.curve = []; // [t, queued, running, unacked of dead workers], one row a change
    this.append(rows);
  }

  get length() { return this.events.length; }

  get end() { return this.times.at(-1) ?? 0; }

  append(rows) {
    for (const row of Array.isArray(rows) ? rows : [rows]) {
      const event = decode(this.topology, row);
      this.events.push(event);
      apply(this.tip, event);
      this.times.push(this.tip.t);
      if (typeof event !== "string") this.#remember(event);
      if (this.tip.n % this.stride === 0) this.#checkpoint();
    }
  }

  #remember(event) {
    if (MARKED.has(event.kind)) this.marks.push({ t: this.tip.t, n: this.tip.n, event });
    const { queued, running, orphaned } = this.tip.counts;
    const crowd = this.tip.crowd ?? {};
    const row = [this.tip.t, queued + (crowd.queued ?? 0), running + (crowd.running ?? 0),
      orphaned + (crowd.orphaned ?? 0)];
    const last = this.curve.at(-1);
    if (last === undefined || row.some((n, i) => i > 0 && n !== last[i])) this.curve.push(row);
  }

  #checkpoint() {
    this.checkpoints.push(snapshot(this.tip));
    if (this.checkpoints.length <= MOST_CHECKPOINTS) return;
    this.checkpoints = this.checkpoints.filter((_, i) => i % 2 === 0);
    this.stride *= 2;
  }

  // How many events have happened by time t.
  countAt(t) {
    let [low, high] = [0, this.times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The state after n events; it is this object's own and changes with the next call.
  upTo(n) {
    const end = Math.max(0, Math.min(n, this.events.length));
    const nearest = this.checkpoints.findLast((state) => state.n <= end);
    if (this.cursor === null || this.cursor.n > end || this.cursor.n < nearest.n) {
      this.cursor = snapshot(nearest);
    }
    while (this.cursor.n < end) apply(this.cursor, this.events[this.cursor.n]);
    return this.cursor;
  }

  at(t) { return this.upTo(this.countAt(t)); }
}

const MARKED = new Set(["worker_ready", "worker_exited", "control", "skipped", "broker_stopped",
  "broker_flushed", "dependency_down", "dependency_up"]);

// The state at time t of a history, or of a list of events with its topology.
export function at(history, t, topology = null) {
  return (history instanceof History ? history : new History(topology ?? {}, history)).at(t);
}
