// A run of 100,000 events: any moment is near a checkpoint, and is what a straight fold says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, empty, History } from "../../sandbox/widgets/fold.js";

const KINDS = ["sent", "delivered", "received", "started", "succeeded", "acked"];
const topology = {
  kinds: KINDS, queues: [{ name: "q", steps: [0] }], types: [{ name: "hi", queue: "q", step: 0 }],
  workers: [{ name: "w1", slots: 8 }, { name: "w2", slots: 8 }], vt_s: 60,
};
// Ever more messages wait: those that are in motion at once are what makes a moment dear.
const rows = [];
for (let i = 0; rows.length < 100_000; i += 1) {
  const t = i / 50;
  rows.push([t, 0, 0, i, null, null, null, 0, 0]);
  if (i % 3) for (let kind = 1; kind < 6; kind += 1) rows.push([t, kind, 0, i, i % 2, i % 8, i, 0, 0]);
}
const history = new History(topology, rows);

test("no moment is further from a checkpoint than one in twenty-five of the run", () => {
  const marks = [...history.checkpoints.map((state) => state.n), history.length];
  const furthest = Math.max(...marks.slice(1).map((n, i) => n - marks[i]));
  assert.ok(furthest <= history.length / 25, `${furthest} events are folded again`);
  assert.ok(history.checkpoints.length <= 65);
});

test("seeking to and fro says what folding straight says", () => {
  for (const n of [99_999, 40_321, 40_320]) {
    const straight = empty(topology);
    for (const row of rows.slice(0, n)) apply(straight, row);
    const found = history.upTo(n);
    assert.deepEqual(found.counts, straight.counts);
    assert.ok([...found.active].join() === [...straight.active].join());
  }
});
