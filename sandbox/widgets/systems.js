// The fold's steps for what happens to workers, to the broker and to dependencies.

import { close, keep, lifeOf, measure, newWorker, own, seat, settle } from "./journeys.js";

function eachActive(state, change) {
  for (const task of [...state.active]) {
    const journey = own(state, task);
    const was = measure(state, journey);
    change(journey);
    settle(state, journey, was);
  }
}

// A worker's state decides where its unacknowledged messages are: count them anew.
function turn(state, name, changes) {
  const worker = state.workers.get(name) ?? newWorker(1);
  const before = [...state.active].map((task) => measure(state, state.journeys.get(task)));
  state.workers.set(name, Object.assign(worker, changes));
  [...state.active].forEach((task, i) => settle(state, state.journeys.get(task), before[i]));
}

function workerReady(state, event) {
  turn(state, event.worker ?? "", { state: "up", since: event.t, link: null });
}

// What the worker still ran is ended: whether it took effect, nobody knows.
function workerExited(state, event) {
  const name = event.worker ?? "";
  const how = event.detail.signal === 9 ? "killed" : "down";
  const life = lifeOf(state, name);
  turn(state, name, { state: how, since: event.t, link: null });
  eachActive(state, (journey) => {
    for (const attempt of journey.attempts) {
      if (attempt.worker !== name || attempt.life !== life) continue;
      journey.held.delete(attempt.tag);
      journey.kept.delete(seat(name, attempt.delivery));
      if (attempt.startedS === null || attempt.endedS !== null) continue;
      journey.nKilled += 1;
      close(state, journey, attempt, event.t, "killed");
      journey.log.push(state.n - 1);
    }
  });
  state.workers.get(name).life += 1;
}

// What it held and had not begun is forgotten; a pool of threads keeps what is in its queue.
function disconnected(state, event) {
  const name = event.worker ?? "";
  const life = lifeOf(state, name);
  const keeps = event.detail.keeps ?? false;
  eachActive(state, (journey) => {
    for (const attempt of journey.attempts) {
      if (attempt.worker !== name || attempt.life !== life) continue;
      if (keeps && !journey.held.has(attempt.tag)) continue;
      if (attempt.startedS !== null || attempt.endedS !== null) continue;
      Object.assign(attempt, { endedS: event.t, outcome: "forgotten" });
      journey.held.delete(attempt.tag);
      journey.kept.delete(seat(name, attempt.delivery));
    }
  });
}

// Without persistence every message is gone; what a worker has in memory it may run.
function brokerStopped(state, event) {
  if (event.kind === "broker_stopped") state.broker = { state: "down", since: event.t };
  if (event.detail.keeps) return;
  eachActive(state, (journey) => {
    if (journey.nQueued > 0 || journey.unacked.size > 0) journey.isLost = true;
    journey.nQueued = 0;
    for (const [tag, owner] of journey.unacked) keep(state, journey, owner, tag);
    journey.unacked.clear();
    journey.log.push(state.n - 1);
  });
}

function skipped(state, event) {
  state.skipped.push([event.t, Number(event.detail.seconds) || 0]);
}

// The orders that the picture shows; what did not happen has an `error`.
function controlled(state, event) {
  const { verb, error } = event.detail;
  if (error !== undefined) return;
  const worker = state.workers.get(event.worker ?? "");
  if (verb === "pause_worker" && worker?.state === "up") {
    turn(state, event.worker, { state: "paused", since: event.t });
  } else if (verb === "resume_worker" && worker?.state === "paused") {
    turn(state, event.worker, { state: "up", since: event.t });
  } else if (worker && LINKS[verb] !== undefined) worker.link = LINKS[verb];
  else if (BROKER[verb] !== undefined) state.broker = { state: BROKER[verb], since: event.t };
}

const LINKS = { cut_off: "cut off", half_open: "half-open link", mend_link: null };
const BROKER = { start_broker: "up", resume_broker: "up", pause_broker: "paused", stop_broker: "down" };

function scaled(state, event) {
  const worker = state.workers.get(event.worker ?? "");
  if (worker && Number.isInteger(event.detail.processes)) worker.slots = event.detail.processes;
}

function dependency(state, event) {
  if (typeof event.detail.dependency !== "string") return;
  state.dependencies.set(event.detail.dependency, event.kind === "dependency_up");
}

export const ON_SYSTEM = {
  worker_ready: workerReady, worker_exited: workerExited, disconnected,
  broker_stopped: brokerStopped, broker_flushed: brokerStopped, skipped, control: controlled,
  scaled, dependency_down: dependency, dependency_up: dependency,
  // Feed counts what is too much to follow one by one: absolute numbers, the newest count.
  crowd(state, event) { state.crowd = event.detail; },
  ended(state, event) { state.ended = event.detail.why ?? "ended"; },
};
