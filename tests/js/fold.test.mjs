import assert from "node:assert/strict";
import { test } from "node:test";
import { at, History, apply, empty, ageOf } from "../../sandbox/widgets/fold.js";
import { Player } from "../../sandbox/widgets/player.js";

const KINDS = ["sent", "delivered", "received", "started", "succeeded", "acked", "worker_exited",
  "skipped", "ended", "crowd", "control"];
const topology = {
  kinds: KINDS, queues: [{ name: "q", steps: [0] }], types: [{ name: "hi", queue: "q", step: 0 }],
  workers: [{ name: "w1", slots: 2 }, { name: "w2", slots: 2 }], vt_s: 60,
};
const k = (name) => KINDS.indexOf(name);
// The life of task i, which begins at t.
const life = (i, t) => [
  [t, k("sent"), 0, i, null, null, null, 0, 0],
  [t + 0.1, k("delivered"), 0, i, i % 2, null, i, 0, 0],
  [t + 0.1, k("received"), 0, i, i % 2, null, i],
  [t + 0.2, k("started"), 0, i, i % 2, 0, i, 0],
  [t + 0.3, k("succeeded"), 0, i, i % 2, 0, i],
  [t + 0.4, k("acked"), 0, i, i % 2, null, i],
];
const lives = (n) => Array.from({ length: n }, (_, i) => life(i, i)).flat();

test("the state at a moment does not depend on the way there", () => {
  const history = new History(topology, lives(3000));
  for (const n of [18000, 9001, 9002, 12, 0, 17999]) {
    const straight = empty(topology);
    for (const row of lives(3000).slice(0, n)) apply(straight, row);
    const { counts, recent, t } = history.upTo(n);
    assert.deepEqual({ counts, recent, t },
      { counts: straight.counts, recent: straight.recent, t: straight.t });
    assert.deepEqual([...history.upTo(n).active], [...straight.active]);
  }
});

test("a checkpoint is not changed by what comes after it", () => {
  const history = new History(topology, lives(400));
  const before = JSON.stringify(history.checkpoints[1].counts);
  history.append(lives(400).map((row) => [row[0] + 1000, row[1], 0, row[3] + 400, ...row.slice(4)]));
  history.upTo(3000);
  assert.equal(JSON.stringify(history.checkpoints[1].counts), before);
  assert.equal(history.upTo(1000).counts.done, history.checkpoints[1].counts.done);
});

test("nothing that is no event throws: it is counted and said", () => {
  const wrong = [null, 7, "x", [], [NaN, 0], [1, 99], [1, "nonsense", 0, 0], [1, k("sent"), 9, 0],
    [1, k("started"), 0, 0, 77, 0], [1, k("started"), 0, 0, 0, "a"], [1, k("acked"), 0, 5, 0],
    [1, k("control"), null, null, null, null, null, null, null, 5], {}, [9, k("sent"), 0, 1],
    [1.5, k("delivered"), 0, 1, 1, null, 3]];
  const history = new History(topology, wrong);
  const state = history.upTo(history.length);
  assert.equal(state.n, wrong.length);
  assert.equal(state.nBroken, 12);
  assert.ok(state.broken.every((sentence) => typeof sentence === "string"));
  assert.equal(state.counts.published, 1);
  assert.equal(state.nProblems, 1, "time that runs backwards is a problem, not a reason to stop");
  assert.equal(new History({}, lives(3)).tip.nBroken, 18, "without a topology nothing is known");
  assert.equal(new History(topology, null).tip.nBroken, 1);
});

test("an empty run has a state", () => {
  const history = new History(topology);
  assert.equal(history.at(5).counts.queued, 0);
  assert.equal(at([], 3, topology).n, 0);
  const player = new Player(history);
  player.play();
  player.tick(1000);
  player.step(1);
  player.step(-1);
  assert.equal(player.t, 0);
});

test("a redelivery clock counts from the delivery, and a skip ages it", () => {
  const state = at([...life(0, 0).slice(0, 4), [5, k("worker_exited"), null, null, 0, null, null,
    null, null, { signal: 9 }], [6, k("skipped"), null, null, null, null, null, null, null,
    { seconds: 50 }]], 10, topology);
  assert.equal(state.counts.orphaned, 1);
  assert.equal(state.workers.get("w1").state, "killed");
  assert.equal(ageOf(state, 0.1, 5), 4.9);
  assert.equal(ageOf(state, 0.1, 10), 59.9);
});

test("a player steps event by event, both ways, and ends where it began", () => {
  const player = new Player(new History(topology, lives(5)));
  const seen = [];
  for (let i = 0; i < 30; i += 1) {
    player.step(1);
    seen.push(player.state.n);
  }
  assert.deepEqual(seen, Array.from({ length: 30 }, (_, i) => i + 1));
  player.step(1);
  assert.equal(player.n, 30, "there is nothing after the last event");
  for (let i = 0; i < 40; i += 1) player.step(-1);
  assert.deepEqual([player.n, player.t, player.playing], [0, 0, false]);
});

test("a player runs at its speed, stops at the end, and begins again", () => {
  const player = new Player(new History(topology, lives(5)));
  player.setSpeed("4");
  player.play();
  player.tick(500);
  assert.equal(player.t, 2);
  assert.equal(player.n, player.history.countAt(2));
  player.tick(60_000);
  assert.deepEqual([player.playing, player.t, player.n], [false, player.history.end, 30]);
  player.play();
  assert.deepEqual([player.playing, player.t], [true, 0]);
  player.setSpeed("17");
  assert.equal(player.speed, 4, "what is no speed changes nothing");
});

test("a live player follows the newest event; who scrubs leaves it and can come back", () => {
  const history = new History(topology);
  const player = new Player(history, { live: true });
  history.append(lives(2));
  player.told(3);
  assert.deepEqual([player.n, player.t], [12, 3]);
  player.tick(500);
  assert.equal(player.t, 3.5, "clocks go on between two batches");
  player.seek(0.15);
  assert.deepEqual([player.live, player.n], [false, 3]);
  history.append(life(2, 4));
  player.told(5);
  assert.equal(player.n, 3);
  player.setSpeed("live");
  assert.deepEqual([player.n, player.t], [18, 5]);
});

test("100,000 events: any moment is at most one stride away from a checkpoint", () => {
  const history = new History(topology, lives(16_667));
  assert.ok(history.length >= 100_000);
  assert.ok(history.checkpoints.length <= 65 && history.checkpoints.length >= 32);
  for (let i = 1; i < history.checkpoints.length; i += 1) {
    assert.equal(history.checkpoints[i].n - history.checkpoints[i - 1].n, history.stride);
  }
  assert.equal(history.at(12_345).counts.published, 12_346);
});
