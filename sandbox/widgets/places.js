// Places: where each copy of each message is to be drawn, from a state of the fold. No DOM.

import { ageOf } from "./fold.js";
import { numberOf, owns, workerOf } from "./journeys.js";

export const ENDS = ["done", "failed", "dead", "lost", "expired"];
const BY_HAND = 1_000_000_000; // sandbox.schedule: numbers from here on were submitted by hand
const SUBTASK = 10_000_000_000; // sandbox.tasks: from here on, published by a task that waits

// A message's number as people say it.
export function numberText(task) {
  const text = task.slice(task.lastIndexOf("/") + 1);
  const n = Number(text);
  if (!Number.isFinite(n)) return text;
  if (n >= SUBTASK) return `s${n - SUBTASK}`;
  return n >= BY_HAND ? `h${n - BY_HAND}` : text;
}

// What a slot is called in every picture: counted from 0, as in the record and in the controls.
export const slotName = (slot) => `slot ${slot ?? 0}`;

// A task type without its package: what differs stands at the end.
export const typeText = (task) => {
  const cut = task.lastIndexOf("/");
  return (cut < 0 ? task : task.slice(0, cut)).split(".").pop();
};

// Which delivery it is, or will be: 1 for a message that was never given to a worker.
export const triesOf = (journey) =>
  Math.max(1, journey.nDeliveries + (journey.nQueued > 0 ? 1 : 0));

// All copies, as { task, area, look, label, tries, rank?, note?, ring? }.
export function copiesOf(state, t) {
  const copies = [];
  for (const task of state.active) {
    const journey = state.journeys.get(task);
    const base = { task, label: numberText(task), tries: triesOf(journey) };
    inQueues(copies, state, journey, base);
    inUnacked(copies, state, journey, base, t);
    for (const where of journey.running) {
      copies.push({ ...base, area: `slot:${workerOf(where)}:${numberOf(where)}`, look: "running" });
    }
    for (const where of journey.kept) stale(copies, journey, where, base);
  }
  for (const end of ENDS) {
    for (const task of state.recent[end]) copies.push(finished(state, task, end));
  }
  return copies;
}

function finished(state, task, end) {
  const journey = state.journeys.get(task);
  const look = journey.nSucceeded > 1 ? "twice" : end;
  return { task, label: numberText(task), tries: triesOf(journey), area: end, look };
}

function inQueues(copies, state, journey, base) {
  for (let i = 0; i < journey.nQueued; i += 1) {
    const step = state.topology.types?.[journey.type]?.step ?? "";
    copies.push({ ...base, area: `queue:${journey.queue}:${step}`, look: "queued",
      rank: journey.rank });
  }
}

function inUnacked(copies, state, journey, base, t) {
  for (const [tag, worker] of journey.unacked) {
    if (!owns(state, journey, worker, tag)) {
      copies.push({ ...base, area: "limbo", look: "limbo", ...clock(state, journey, tag, t) });
    } else if (journey.held.has(tag)) {
      copies.push({ ...base, area: `held:${worker}`, ...holding(journey, tag, t) });
    } else if (![...journey.running].some((where) => workerOf(where) === worker)) {
      copies.push({ ...base, area: `reserved:${worker}`, look: "reserved" });
    }
  }
}

// How old a message in `unacked` is, and how far its visibility timeout is gone.
export function clock(state, journey, tag, t) {
  const attempt = journey.attempts.findLast((one) => one.tag === tag);
  const timeout = state.topology.vt_s ?? 3600;
  const age = Math.max(0, ageOf(state, attempt?.deliveredS ?? t, t));
  const left = timeout - age;
  return { ring: Math.min(1, age / timeout), order: -age,
    note: left > 0 ? `due in ${duration(left)}` : "due at next sweep" };
}

function holding(journey, tag, t) {
  const { why, until } = journey.held.get(tag);
  const look = why === "rate" ? "rate" : journey.nRetried > 0 ? "retry" : "eta";
  const left = until === null ? null : Math.max(0, until - t);
  return { look, order: left ?? 0, note: left === null ? "rate limit" : `in ${duration(left)}` };
}

// A copy that a worker will begin although the broker has it no more, or has given it to another.
function stale(copies, journey, where, base) {
  const worker = workerOf(where);
  const attempt = journey.attempts[numberOf(where) - 1];
  if (attempt === undefined || journey.unacked.get(attempt.tag) === worker) return;
  const area = journey.held.has(attempt.tag) ? "held" : "reserved";
  copies.push({ ...base, area: `${area}:${worker}`, look: "stale" });
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)} h` : `${m}:${two(s)} min`;
}

// --- seats -----------------------------------------------------------------------------------

// From large to small: with a note beside it, with its number inside, as a dot, as a point.
const TIERS = [
  { r: 10, w: 146, h: 26, noted: true, named: true },
  { r: 10, w: 25, h: 25, named: true },
  { r: 5.5, w: 14, h: 14 },
  { r: 3, w: 8, h: 8 },
];

// Seats in a box for n copies, the first one at the right where `fromRight`; as many as fit.
export function seatsIn(box, n, { noted = false, fromRight = false, centred = false, longest = 2 } = {}) {
  const fitting = TIERS.filter((tier) => noted || !tier.noted).map((tier) => {
    const w = tier.named ? tier.w + Math.max(0, longest - 2) * 7 : tier.w;
    const columns = Math.floor(box.w / w);
    return { ...tier, w, columns, seats: columns * Math.floor((box.h + 1) / tier.h) };
  });
  const tier = fitting.find((one) => one.seats >= n) ?? fitting.at(-1);
  const seats = [];
  for (let i = 0; i < Math.min(n, tier.seats); i += 1) {
    const [column, row] = [i % tier.columns, Math.floor(i / tier.columns)];
    const x = centred && n === 1 ? box.w / 2
      : column * tier.w + (tier.noted ? tier.r + 4 : tier.w / 2);
    const y = centred && n === 1 ? box.h / 2 : row * tier.h + tier.h / 2;
    seats.push({ x: box.x + (fromRight ? box.w - x : x), y: box.y + y });
  }
  return { seats, tier };
}

// Give each copy its seat; `areas` maps a name to a box. Returns the targets and how many of each
// area found no seat: those are counted beside it. What has no area at all is under "".
export function seated(copies, areas, areaOf) {
  const groups = new Map();
  for (const copy of copies) {
    const name = areaOf(copy);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(copy);
  }
  const [targets, over] = [[], new Map()];
  for (const [name, group] of groups) {
    const box = areas.get(name);
    const found = box === undefined ? 0 : seatGroup(targets, name, box, group);
    if (group.length > found) over.set(box === undefined ? "" : name, group.length - found);
  }
  return { targets, over };
}

function seatGroup(targets, name, box, group) {
  if (group[0].rank !== undefined) group.sort((a, b) => a.rank - b.rank);
  else if (group[0].order !== undefined) group.sort((a, b) => a.order - b.order);
  else if (box.newestFirst) group.reverse();
  const longest = Math.max(...group.slice(0, 200).map((copy) => labelOf(copy).length));
  const noted = group[0].note !== undefined;
  const { seats, tier } = seatsIn(box, group.length, { ...box, noted, longest });
  const named = Boolean(tier.named) && !box.unnamed;
  // Written into the copy itself: a new object for each of 2,000 would cost a third of a frame.
  seats.forEach(({ x, y }, i) => {
    const copy = group[i];
    [copy.x, copy.y, copy.r, copy.name, copy.named] = [x, y, tier.r, name, named];
    copy.noted = Boolean(tier.noted);
    targets.push(copy);
  });
  return seats.length;
}

// What stands on a message: its number, and which delivery it is from the second on.
export const labelOf = (copy) => (copy.tries > 1 ? `${copy.label}·${copy.tries}` : copy.label);
