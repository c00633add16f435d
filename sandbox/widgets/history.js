// What is told of one message, and of the whole board, in words. No DOM.

import { numberOf, outcomeOf, owns, workerOf } from "./journeys.js";
import { clock, duration, slotName, triesOf } from "./places.js";

const WORDS = {
  sent: (e) => `published${e.queue ? ` to ${e.queue}` : ""}${e.retry ? `, retry ${e.retry}` : ""}`,
  publish_unknown: () => "publish failed: nobody knows whether the broker has it",
  delivered: (e) => `prefetched by ${e.worker}, now in unacked`,
  received: (e) => `read by ${e.worker}`,
  revoked: () => "expired, dropped by its worker",
  eta_held: (e) => `held by ${e.worker}${e.detail.eta_s ? ` until ${e.detail.eta_s.toFixed(1)} s` : ""}`,
  eta_released: (e) => `its time has come on ${e.worker}`,
  rate_held: (e) => `held by the rate limit of ${e.worker}`,
  rate_released: (e) => `let through by the rate limit of ${e.worker}`,
  started: (e) => `started on ${e.worker}, ${slotName(e.slot)}`,
  succeeded: () => "succeeded",
  failed: () => "failed for good",
  retried: () => "failed; a retry was published",
  child_lost: (e) => `${e.worker} noticed that its process died`,
  acked: () => "acknowledged: gone from unacked",
  requeued: () => "rejected: back of its queue",
  restored: () => "taken from unacked to the front of its queue: redelivered",
  rejected: () => "rejected without requeue: gone",
  worker_exited: (e) => `${e.worker} died while it ran this`,
  broker_stopped: () => "the broker stopped and forgot it",
  broker_flushed: () => "the broker was flushed and forgot it",
};
const MOST_LINES = 14;
const ENDED = { done: "done", failed: "failed", dead: "dead letter: rejected, gone",
  lost: "lost: no message and no execution is left", expired: "expired" };

// Where it is at this moment, in a few words.
export function whereabouts(state, journey, t) {
  const places = [];
  if (journey.nQueued > 0) places.push(`queued in ${journey.queue}`);
  for (const where of journey.running) {
    places.push(`running on ${workerOf(where)}, ${slotName(numberOf(where))}`);
  }
  for (const [tag, worker] of journey.unacked) {
    const held = journey.held.get(tag);
    if (!owns(state, journey, worker, tag)) {
      places.push(`in unacked, its owner ${worker} knows it no more; ${clock(state, journey, tag, t).note}`);
    } else if (held) places.push(`held by ${worker} (${held.why === "rate" ? "rate limit" : "ETA"})`);
    else if (![...journey.running].some((where) => workerOf(where) === worker)) {
      places.push(`prefetched by ${worker}`);
    }
  }
  const outcome = outcomeOf(journey);
  if (outcome !== null) places.push(ENDED[outcome]);
  if (journey.nSucceeded > 1) places.push(`ran ${journey.nSucceeded} times`);
  return places.join("; ") || "not published yet";
}

// All that has happened to a task by now: { title, where, lines: [[time, words]], earlier }.
export function historyOf(history, state, task, t) {
  const journey = state.journeys.get(task);
  if (journey === undefined) return null;
  const lines = [];
  for (const n of journey.log) {
    const event = history.events[n];
    const words = WORDS[event?.kind];
    if (words !== undefined && event.kind !== "received") {
      lines.push([`${event.t.toFixed(2)} s`, words(event)]);
    }
  }
  const earlier = Math.max(0, lines.length - MOST_LINES);
  return { title: task, where: whereabouts(state, journey, t), earlier,
    tries: triesOf(journey), lines: lines.slice(earlier) };
}

// What a screen reader is told.
export function summary(state, t) {
  const c = totals(state);
  const down = [...state.workers].filter(([, w]) => w.state !== "up").map(([n, w]) => `${n} ${w.state}`);
  if (state.broker.state !== "up") down.push(`the broker is ${state.broker.state}`);
  return [`${t.toFixed(1)} seconds`, `${c.queued} queued`, `${c.reserved} prefetched`,
    `${c.running} running`, `${c.orphaned} unacked of dead workers`, `${c.done} done`,
    `${c.failed + c.dead} failed`, `${c.lost} lost`, `${c.twice} ran twice`, ...down].join(", ");
}

// The counters, with those that are counted instead of followed one by one.
export function totals(state) {
  const { counts, crowd } = state;
  if (crowd === null) return counts;
  const sum = { ...counts };
  for (const name of Object.keys(counts)) sum[name] += ofCrowd(crowd, name);
  return sum;
}

// A number of the crowd; `reserved` is one a worker.
function ofCrowd(crowd, name) {
  const n = crowd[name === "published" ? "tasks" : name] ?? 0;
  return Array.isArray(n) ? n.reduce((a, b) => a + b, 0) : n;
}

const MARKS = {
  kill_worker: ["✖", "SIGKILL", "harm"], kill_child: ["✖", "child of", "harm"],
  terminate_worker: ["▼", "SIGTERM", "harm"], quit_worker: ["▼", "SIGQUIT", "harm"],
  pause_worker: ["‖", "paused", "harm"], resume_worker: ["▶", "resumed", "good"],
  start_worker: ["▲", "started", "good"], skip: ["⇥", "skipped", "note"],
  stop_broker: ["■", "broker stopped", "harm"], start_broker: ["▲", "broker started", "good"],
  pause_broker: ["‖", "broker paused", "harm"], resume_broker: ["▶", "broker resumed", "good"],
};

// The moments worth a mark under the curve: { t, n, glyph, tone, words }.
export function marksOf(history) {
  return history.marks.flatMap(({ t, n, event }) => {
    if (event.kind !== "control" || event.detail.error !== undefined) return [];
    const { verb, seconds, slot } = event.detail;
    if (verb === "submit") return [];
    const [glyph, words, tone] = MARKS[verb] ?? ["◆", verb?.replaceAll("_", " "), "note"];
    const of = slot === undefined || slot === null ? "" : `, ${slotName(slot)}`;
    const extra = verb === "skip" ? ` ${duration(Number(seconds) || 0)}` : of;
    return [{ t, n, glyph, tone, words: `${words} ${event.worker ?? ""}${extra}`.trim() }];
  });
}

// How many of an area are counted and not followed.
export function crowdAt({ crowd, topology }, name) {
  const [what, of] = name.split(":");
  if (crowd === null) return 0;
  if (what === "queue") return crowd.queues[topology.queues.findIndex((queue) => queue.name === of)] ?? 0;
  const i = (topology.workers ?? []).findIndex((worker) => worker.name === of);
  const [reserved, running] = [crowd.reserved[i] ?? 0, crowd.running_on[i] ?? 0];
  return { reserved, slots: running, cell: reserved + running }[what] ?? 0;
}

// What the picture cannot show as it is, in a sentence each.
export function warnings(history, state, homeless) {
  const lines = [];
  if (history.length === 0) lines.push("This run has no events yet.");
  if (state.crowd !== null) {
    lines.push(`More than 200 events/s: ${state.crowd.tasks.toLocaleString("en")} tasks are counted `
      + "(+n), not drawn one by one.");
  }
  if (homeless > 0) lines.push(`${homeless} messages are where the description has no place.`);
  if (state.nBroken > 0) lines.push(`${state.nBroken} broken events were left out; the first: ${state.broken[0]}.`);
  if (state.nProblems > 0) {
    lines.push(`${state.nProblems} events contradict others; the first: ${state.problems[0]}.`);
  }
  return lines;
}
