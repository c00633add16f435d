// The fold's steps for one message: where its copies are, what its attempts came to.

const UNACKED = ["killed", "forgotten"]; // sandbox.journeys: such an ack belongs to another copy
const MOST_NAMED = 20;
const MOST_RECENT = 400;

export function newWorker(slots) {
  return { state: "up", since: 0, slots: slots ?? 1, life: 0, link: null };
}

export function note(state, which, sentence) {
  state[which === "broken" ? "nBroken" : "nProblems"] += 1;
  if (state[which].length < MOST_NAMED) state[which].push(sentence);
}

export function own(state, task) {
  const old = state.journeys.get(task);
  if (old !== undefined && old.epoch === state.epoch) return old;
  const journey = old === undefined ? newJourney(task) : copied(old);
  journey.epoch = state.epoch;
  state.journeys.set(task, journey);
  return journey;
}

function newJourney(task) {
  return {
    task, type: null, epoch: 0, queue: null, rank: 0, queuedS: 0, firstSentS: null,
    lastSentS: null, nSent: 0, nQueued: 0, nDeliveries: 0, nExecutions: 0, nSucceeded: 0,
    nFailed: 0, nRetried: 0, nRevoked: 0, nRejected: 0, nKilled: 0, publishUnknown: false,
    isLost: false, unacked: new Map(), held: new Map(), running: new Set(), kept: new Set(),
    attempts: [], log: [],
  };
}

function copied(old) {
  return {
    ...old, unacked: new Map(old.unacked), held: new Map(old.held),
    running: new Set(old.running), kept: new Set(old.kept), log: old.log.slice(),
    attempts: old.attempts.map((attempt) => ({ ...attempt })),
  };
}

export const isUp = (state, worker) => !["down", "killed"].includes(state.workers.get(worker)?.state);
export const lifeOf = (state, worker) => state.workers.get(worker)?.life ?? 0;
export const seat = (worker, n) => `${n}@${worker}`;
export const workerOf = (where) => where.slice(where.indexOf("@") + 1);
export const numberOf = (where) => Number(where.slice(0, where.indexOf("@")));

// Whether a worker still knows of a delivery: neither died nor forgot it since. One that was
// started again under the name of a dead one knows nothing.
export function owns(state, journey, worker, tag) {
  if (!isUp(state, worker)) return false;
  const life = lifeOf(state, worker);
  const last = journey.attempts.findLast(
    (a) => a.worker === worker && a.tag === tag && a.life === life);
  return last !== undefined && last.outcome !== "forgotten";
}

export function inMotion(journey) {
  return journey.nQueued > 0 || journey.unacked.size > 0 || journey.running.size > 0
    || journey.kept.size > 0;
}

// What became of a message; null while that is open. A done one can be in motion again.
export function outcomeOf(journey) {
  if (journey.nSucceeded > 0) return "done";
  if (journey.nRejected > 0 && !inMotion(journey)) return "dead";
  if (journey.nFailed > 0) return "failed";
  if (journey.nRevoked > 0) return "expired";
  return inMotion(journey) || journey.nSent + journey.nDeliveries === 0 ? null : "lost";
}

export function measure(state, journey) {
  let [reserved, orphaned] = [0, 0];
  for (const [tag, worker] of journey.unacked) {
    if (!owns(state, journey, worker, tag)) orphaned += 1;
    else if (![...journey.running].some((where) => workerOf(where) === worker)) reserved += 1;
  }
  return {
    queued: Math.max(0, journey.nQueued), reserved, orphaned, unacked: journey.unacked.size,
    running: journey.running.size, motion: Number(inMotion(journey)),
    twice: Number(journey.nSucceeded > 1), outcome: outcomeOf(journey),
  };
}

const SUMMED = ["queued", "reserved", "orphaned", "unacked", "running", "motion", "twice"];

export function settle(state, journey, was) {
  const now = measure(state, journey);
  for (const name of SUMMED) state.counts[name] += now[name] - was[name];
  if (now.motion) state.active.add(journey.task);
  else state.active.delete(journey.task);
  if (now.outcome === was.outcome) return;
  if (was.outcome !== null) {
    state.counts[was.outcome] -= 1;
    state.recent[was.outcome] = state.recent[was.outcome].filter((key) => key !== journey.task);
  }
  if (now.outcome !== null) {
    state.counts[now.outcome] += 1;
    state.recent[now.outcome].push(journey.task);
    if (state.recent[now.outcome].length > MOST_RECENT) state.recent[now.outcome].shift();
  }
}

// --- a message's way -------------------------------------------------------------------------

function enqueue(state, journey, event, atFront) {
  journey.nQueued += 1;
  journey.queuedS = event.t;
  journey.rank = atFront ? (state.front -= 1) : (state.back += 1);
}

function sent(state, journey, event) {
  if (journey.nSent === 0) state.counts.published += 1;
  journey.nSent += 1;
  journey.type = event.type;
  journey.lastSentS = event.t;
  journey.firstSentS ??= event.t;
  journey.queue = event.queue ?? journey.queue;
  enqueue(state, journey, event, false);
}

function publishUnknown(state, journey) {
  journey.nQueued = Math.max(0, journey.nQueued - 1);
  journey.publishUnknown = true;
}

function delivered(state, journey, event) {
  const [worker, tag] = [event.worker ?? "", event.tag ?? ""];
  if (journey.nQueued > 0 || !(journey.publishUnknown || journey.isLost)) journey.nQueued -= 1;
  journey.nDeliveries += 1;
  journey.type ??= event.type;
  journey.queue = event.queue ?? journey.queue;
  journey.unacked.set(tag, worker);
  if (journey.attempts.some((attempt) => attempt.tag === tag)) state.counts.redelivered += 1;
  journey.attempts.push({
    delivery: journey.nDeliveries, worker, tag, life: lifeOf(state, worker), execution: null,
    retry: event.retry, slot: null, sentS: journey.lastSentS, deliveredS: event.t,
    receivedS: null, startedS: null, endedS: null, ackedS: null, outcome: null,
  });
}

function received(state, journey, event) {
  const attempt = first(state, journey, event, (a) => a.receivedS === null && a.endedS === null);
  if (attempt) attempt.receivedS = event.t;
}

function held(state, journey, event) {
  const why = event.kind.slice(0, event.kind.indexOf("_"));
  journey.held.set(event.tag ?? "", { why, since: event.t, until: event.detail.eta_s ?? null });
  keep(state, journey, event.worker ?? "", event.tag ?? "");
}

function released(state, journey, event) {
  journey.held.delete(event.tag ?? "");
}

function acked(state, journey, event) {
  const tag = event.tag ?? "";
  const owner = journey.unacked.get(tag);
  journey.unacked.delete(tag);
  journey.held.delete(tag);
  if (event.kind === "rejected") journey.nRejected += 1;
  const attempt = first(state, journey, event,
    (a) => a.ackedS === null && !UNACKED.includes(a.outcome));
  if (attempt && attempt.ackedS === null) {
    attempt.ackedS = event.t;
    if (!wasLost(state, journey, event)) journey.kept.delete(seat(attempt.worker, attempt.delivery));
  }
  if (owner !== undefined && journey.nDeliveries > 1) keep(state, journey, owner, tag);
}

// From `unacked` to its queue; a worker that was taken for dead may still be running it.
function back(state, journey, event) {
  const tag = event.tag ?? "";
  const owner = journey.unacked.get(tag);
  journey.unacked.delete(tag);
  if (owner === undefined) {
    note(state, "problems", `${journey.task} was ${event.kind} while it was not in unacked`);
    return;
  }
  enqueue(state, journey, event, event.kind === "restored");
  if (event.kind === "restored") keep(state, journey, owner, tag);
}

// A living worker will begin what it was given last, its own or not.
export function keep(state, journey, owner, tag) {
  const last = tagged(state, journey, owner, tag).at(-1);
  if (!last || !isUp(state, owner)) return;
  if (last.startedS === null && last.endedS === null && last.ackedS === null) {
    journey.kept.add(seat(owner, last.delivery));
  }
}

// --- an execution's way ----------------------------------------------------------------------

function started(state, journey, event) {
  journey.nExecutions += 1;
  const slot = seat(event.worker ?? "", event.slot ?? 0);
  let attempt = first(state, journey, event, (a) => a.startedS === null && a.endedS === null);
  if (attempt && !(attempt.receivedS !== null && attempt.startedS === null && attempt.endedS === null)) {
    attempt = onItsWay(tagged(state, journey, attempt.worker, attempt.tag)) ?? attempt;
  }
  if (!attempt || attempt.startedS !== null) {
    note(state, "problems", `${journey.task} started without having been delivered`);
    return;
  }
  const other = state.slots.get(slot);
  if (other) note(state, "problems", `${journey.task} started in the slot that runs ${other.task}`);
  journey.held.delete(attempt.tag);
  journey.kept.delete(seat(attempt.worker, attempt.delivery));
  journey.running.add(slot);
  Object.assign(attempt, { slot: event.slot, retry: event.retry ?? attempt.retry,
    startedS: event.t, execution: journey.nExecutions });
  state.slots.set(slot, { task: journey.task, delivery: attempt.delivery });
}

// A child had it already when main forgot it: it goes on.
function onItsWay(attempts) {
  const found = attempts.find((a) => a.outcome === "forgotten" && a.receivedS !== null);
  if (found) found.endedS = found.outcome = null;
  return found;
}

function ended(state, journey, event) {
  const inSlot = state.slots.get(seat(event.worker ?? "", event.slot ?? -1));
  let attempt = inSlot?.task === journey.task ? journey.attempts[inSlot.delivery - 1] : null;
  const known = wasLost(state, journey, event);
  if (!attempt && !known) attempt = runningOf(state, journey, event);
  if (event.kind === "succeeded") journey.nSucceeded += 1;
  else if (event.kind === "failed") journey.nFailed += 1;
  else {
    journey.nRetried += 1;
    state.counts.retried += 1;
  }
  if (attempt) close(state, journey, attempt, event.t, event.kind);
  else if (event.kind !== "failed" && isUp(state, event.worker ?? "") && !known) {
    note(state, "problems", `${journey.task} ${event.kind} without having been started`);
  }
}

function childLost(state, journey, event) {
  const attempt = runningOf(state, journey, event);
  if (!attempt) return;
  journey.nKilled += 1;
  close(state, journey, attempt, event.t, "killed");
}

function revoked(state, journey, event) {
  journey.nRevoked += 1;
  const attempt = first(state, journey, event, (a) => a.startedS === null && a.endedS === null);
  if (!attempt) return;
  Object.assign(attempt, { endedS: event.t, outcome: "revoked" });
  journey.kept.delete(seat(attempt.worker, attempt.delivery));
}

export function close(state, journey, attempt, t, outcome) {
  const slot = seat(attempt.worker, attempt.slot ?? 0);
  Object.assign(attempt, { endedS: t, outcome });
  state.slots.delete(slot);
  journey.running.delete(slot);
}

// The deliveries of (worker, tag) to the life that the worker is in now.
function tagged(state, journey, worker, tag) {
  const life = lifeOf(state, worker);
  return journey.attempts.filter((a) => a.worker === worker && a.tag === tag && a.life === life);
}

const ofEvent = (state, journey, event) =>
  tagged(state, journey, event.worker ?? "", event.tag ?? "");

// After a sweep a worker can hold one message twice and takes them in turn: the oldest that fits.
function first(state, journey, event, fits) {
  const attempts = ofEvent(state, journey, event);
  return attempts.length < 2 ? attempts[0] : attempts.find(fits) ?? attempts.at(-1);
}

function runningOf(state, journey, event) {
  return ofEvent(state, journey, event).find((a) => a.startedS !== null && a.endedS === null);
}

function wasLost(state, journey, event) {
  return event.slot === null
    && ofEvent(state, journey, event).some((a) => a.outcome === "killed");
}

export const ON_TASK = {
  sent, publish_unknown: publishUnknown, delivered, received, eta_held: held,
  eta_released: released, rate_held: held, rate_released: released, started, succeeded: ended,
  failed: ended, retried: ended, child_lost: childLost, revoked, acked, rejected: acked,
  requeued: back, restored: back,
};
