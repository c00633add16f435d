import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../sandbox/widgets/fold.js";
import { crossing, freeOf, route } from "../../sandbox/widgets/gutter.js";
import { seriesOf, stretches, rank } from "../../sandbox/widgets/series.js";
import { label, pinned, placed, sharesOf, spansOf, ticksOf } from "../../sandbox/widgets/spans.js";

const KINDS = ["sent", "delivered", "received", "started", "succeeded", "acked", "worker_exited",
  "worker_ready", "control", "broker_stopped", "child_lost"];
const topology = {
  kinds: KINDS, queues: [{ name: "q", steps: [0] }], types: [{ name: "app.hi" }],
  workers: [{ name: "w1", slots: 2 }, { name: "w2", slots: 2 }], vt_s: 60,
};
const k = (name) => KINDS.indexOf(name);
const life = (i, t, worker, slot, ends = 1) => [
  [t, k("sent"), 0, i, null, null, null, 0, 0],
  [t, k("delivered"), 0, i, worker, null, i, 0, 0],
  [t, k("received"), 0, i, worker, null, i],
  [t, k("started"), 0, i, worker, slot, i, 0],
  [t + ends, k("succeeded"), 0, i, worker, slot, i],
  [t + ends, k("acked"), 0, i, worker, null, i],
];
const control = (t, verb, worker, more = {}) =>
  [t, k("control"), null, null, worker, null, null, null, null, { verb, ...more }];

// A generator of the same numbers each time.
function* random(seed) {
  for (let x = seed; ;) {
    x = (x * 1103515245 + 12345) % 2147483648;
    yield x / 2147483648;
  }
}

test("a link of a chain crosses no bar but the two that it joins", () => {
  const next = random(7);
  const draw = () => next.next().value;
  for (let round = 0; round < 300; round += 1) {
    const rows = Array.from({ length: 8 }, (_, row) => {
      const bars = [];
      for (let x = 100 + draw() * 30; x < 880;) {
        const x1 = Math.min(890, x + 3 + draw() * 120);
        bars.push({ row, x0: x, x1 });
        x = x1 + (draw() < 0.6 ? 0 : draw() * 40); // Most lie side by side.
      }
      return bars;
    });
    const mid = (row) => row * 36 + 24;
    const gap = (row) => row * 36 + 6;
    const all = rows.flat();
    const [from, to] = [all[Math.floor(draw() * all.length)], all[Math.floor(draw() * all.length)]];
    const points = route(from, to, { rows, mid, gap, left: 90, right: 900 }, round);
    for (let i = 1; i < points.length; i += 1) {
      const [[ax, ay], [bx, by]] = [points[i - 1], points[i]];
      assert.ok(ax === bx || ay === by, "a link has right angles");
      for (const bar of all) {
        if (bar === from || bar === to) continue;
        const [top, bottom] = [mid(bar.row) - 12, mid(bar.row) + 12];
        const apart = Math.max(ax, bx) <= bar.x0 || Math.min(ax, bx) >= bar.x1
          || Math.max(ay, by) <= top || Math.min(ay, by) >= bottom;
        assert.ok(apart, `round ${round}: (${ax},${ay}) to (${bx},${by}) crosses ${JSON.stringify(bar)}`);
      }
    }
  }
});

test("the nearest free stretch is crossed", () => {
  const free = freeOf([{ x0: 10, x1: 50 }, { x0: 60, x1: 90 }], 0, 200);
  assert.deepEqual(free, [[0, 7], [53, 57], [93, 200]]);
  assert.equal(crossing(free, 40, 80), 53);
  assert.equal(crossing(free, 150, 180), 150);
});

test("absences, pauses and outages begin and end with their events; a refused verb is none", () => {
  const { away, outages, pins } = spansOf(new History(topology, [
    [1, k("worker_exited"), null, null, 0, null, null, null, null, { signal: 9 }],
    control(1, "kill_worker", 0), control(2, "pause_worker", 1), control(3, "pause_worker", 1, { error: "no" }),
    control(4, "resume_worker", 1), [5, k("worker_ready"), null, null, 0],
    [6, k("broker_stopped")], control(6, "stop_broker", null), control(8, "start_broker", null),
    control(9, "deploy", null),
  ]));
  assert.deepEqual(away.map(({ worker, why, from, to, killed }) => [worker, why, from, to, killed]),
    [["w1", "down", 1, 5, true], ["w2", "paused", 2, 4, false]]);
  assert.deepEqual(outages, [{ what: "broker", why: "down", from: 6, to: 8 }]);
  assert.deepEqual(pins.map((pin) => pin.words),
    ["SIGKILL w1", "pause w2", "resume w2", "stop broker", "start broker", "deploy"]);
});

test("a short bar's label stands beside it where there is room, and never over another bar", () => {
  const history = new History(topology, [...life(1, 0, 0, 0, 8), ...life(2, 8, 0, 0, 0.1), ...life(3, 8.1, 0, 0, 0.1)]);
  const rows = placed(spansOf(history), 0, 10, (t) => t * 40);
  const [wide, narrow, last] = label(rows[0], 400);
  assert.deepEqual([wide.label, narrow.label, last.label, last.outside], ["1 hi", "", "3", true]);
});

test("shares of time sum to what was busy", () => {
  const spans = spansOf(new History(topology, [...life(1, 0, 0, 0, 4), ...life(2, 4, 0, 1, 4)]));
  const [w1, w2] = sharesOf(spans, 0, 8, 4);
  assert.deepEqual(w1.busy.succeeded, [0.5, 0.5, 0.5, 0.5]);
  assert.deepEqual(w2.busy, {});
});

test("pins' words do not lie on one another", () => {
  const many = Array.from({ length: 40 }, (_, i) => ({ t: i, words: `kill worker${i}`, tone: "harm", glyph: "x" }));
  const found = pinned(many, (t) => 100 + t * 20, 1000, 3);
  for (const line of [0, 1, 2]) {
    const ends = found.filter((pin) => pin.line === line).map((pin) => (pin.left ? [pin.x - 100, pin.x] : [pin.x, pin.x + 100]));
    ends.sort((a, b) => a[0] - b[0]).forEach((end, i) => assert.ok(i === 0 || end[0] >= ends[i - 1][1]));
  }
});

test("empty and broken lists have a timeline and curves", () => {
  for (const rows of [[], ["nonsense"], [[1, 99], null, 7, { a: 1 }]]) {
    const history = new History(topology, rows);
    assert.equal(spansOf(history).bars.length, 0);
    assert.equal(seriesOf(history, 1, 2).queued.length, 2);
  }
  assert.equal(spansOf(new History({}, [])).rows.length, 0);
});

test("round ticks, ranks and stretches", () => {
  assert.deepEqual(ticksOf(0, 31, 6), [0, 10, 20, 30]);
  assert.equal(rank([1, 2, 3, 4], 0.5), 2);
  assert.equal(rank([], 0.5), null);
  assert.deepEqual(stretches([1, null, 2, 3]), [[[0, 1]], [[2, 2], [3, 3]]]);
});
