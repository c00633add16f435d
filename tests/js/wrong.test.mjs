// Wrong lists: whatever a page is sent, each picture has something to show and a sentence to say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../sandbox/widgets/fold.js";
import { historyOf, marksOf, summary, totals, warnings } from "../../sandbox/widgets/history.js";
import { copiesOf, seated } from "../../sandbox/widgets/places.js";
import { Player } from "../../sandbox/widgets/player.js";
import { troubleOf } from "../../sandbox/widgets/reading.js";
import { ceilingOf, seriesOf } from "../../sandbox/widgets/series.js";
import { label, pinned, placed, sharesOf, spansOf, ticksOf } from "../../sandbox/widgets/spans.js";

const KINDS = ["sent", "publish_unknown", "delivered", "received", "eta_held", "eta_released",
  "rate_held", "started", "succeeded", "failed", "retried", "child_lost", "revoked", "acked",
  "rejected", "requeued", "restored", "worker_ready", "worker_exited", "disconnected", "scaled",
  "broker_stopped", "control", "skipped", "dependency_down", "ended", "crowd"];
const topology = {
  kinds: KINDS, queues: [{ name: "q", steps: [0] }], types: [{ name: "hi", queue: "q", step: 0 }],
  workers: [{ name: "w1", slots: 2 }, { name: "w2", slots: 2 }], vt_s: 60,
};
const k = (name) => KINDS.indexOf(name);

// Draw all that the pictures' pure parts draw; every number that becomes a pixel is one.
function drawn(history) {
  const areas = new Map(["queue:q:0", "limbo", "done", "failed", "dead", "lost", "expired",
    "reserved:w1", "reserved:w2", "held:w1", "held:w2", "slot:w1:0", "slot:w2:0"].map((name) =>
    [name, { x: 0, y: 0, w: 200, h: 60, newestFirst: name === "done" }]));
  const player = new Player(history);
  for (const share of [1, 0.3, 0, 0.7]) {
    player.seek(share * player.end);
    const { state, t } = player;
    const { targets } = seated(copiesOf(state, t), areas, (copy) => (areas.has(copy.area) ? copy.area : ""));
    assert.ok(targets.every(({ x, y, r }) => [x, y, r].every(Number.isFinite)));
    assert.ok(Object.values(totals(state)).every(Number.isFinite));
    assert.ok(warnings(history, state, 0).every((line) => !line.includes("undefined")));
    assert.equal(typeof summary(state, t), "string");
    for (const task of [...state.journeys.keys()].slice(0, 5)) historyOf(history, state, task, t);
  }
  const spans = spansOf(history);
  const end = Math.max(history.end, 1e-3);
  const x = (t) => (t / end) * 1000;
  const bars = placed(spans, 0, end, x).flatMap((row) => label(row, 1000));
  assert.ok(bars.every(({ x0, x1 }) => Number.isFinite(x0) && x1 > x0));
  assert.ok(sharesOf(spans, 0, end, 30).every(({ busy }) => Object.values(busy).flat().every(Number.isFinite)));
  pinned(spans.pins, x, 1000, 3);
  assert.ok(ticksOf(0, end, 8).every(Number.isFinite));
  const lines = seriesOf(history, end / 10, 10);
  for (const line of Object.values(lines)) {
    assert.ok(line.every((value) => value === null || Number.isFinite(value)));
    assert.ok(Number.isFinite(ceilingOf(line)));
  }
  marksOf(history);
  return troubleOf(history);
}

const sent = (t, i = 1) => [t, k("sent"), 0, i, null, null, null, 0, 0];
const on = (kind, t, i = 1, ...more) => [t, k(kind), 0, i, 0, 0, i, ...more];
const system = (kind, t, worker, detail) => [t, k(kind), null, null, worker, null, null, null, null, detail];
const WRONG = {
  "no event": [[], "no events yet"],
  "no list": [null, "1 broken events"],
  "a text that is no JSON": [["Traceback (most recent"], "1 broken events"],
  "time that runs backwards": [[sent(5), sent(1, 2)], "sent at 1 s is out of order"],
  "a negative time": [[sent(-3)], "sent at -3 s is before the run's beginning"],
  "no time": [[[null, 0, 0, 1]], "an event's time is null"],
  "a time after all times": [[sent(1e300)], "an event's time is 1e+300"],
  "an unknown kind": [[[1, "exploded", 0, 1]], 'an event\'s kind is "exploded"'],
  "started before it was sent": [[on("started", 1), sent(2)], "hi/1 started without having been delivered"],
  "two ends": [[sent(0), on("delivered", 1), on("started", 2), on("succeeded", 3), on("succeeded", 4)],
    "hi/1 succeeded without having been started"],
  "an end before its start": [[sent(0), on("delivered", 1), on("started", 5), on("succeeded", 2)],
    "succeeded at 2 s is out of order"],
  "a slot that no worker has": [[on("started", 1, 1).with(5, 2 ** 40)], "allowed: 0 to 9999"],
  "an ETA that is a word": [[sent(0), on("delivered", 1), on("eta_held", 2).concat([0, 0, { eta_s: "soon" }])],
    "eta_held at 2 s has a eta_s that is no number"],
  "a verb that is a number": [[system("control", 1, 0, { verb: 7 })], "verb that is no string"],
  "a crowd without counts": [[system("crowd", 1, null, { tasks: 3 })], "no counts"],
};

for (const [name, [rows, words]] of Object.entries(WRONG)) {
  test(`${name} is drawn and told`, () => {
    const said = drawn(new History(topology, rows));
    assert.ok(said.includes(words), `${JSON.stringify(said)} does not tell ${words}`);
  });
}

test("events without a worker's are drawn: messages wait", () => {
  const history = new History(topology, Array.from({ length: 50 }, (_, i) => sent(i / 10, i)));
  assert.equal(drawn(history), "");
  assert.equal(history.tip.counts.queued, 50);
});

test("any list at all can be drawn", () => {
  let x = 11;
  const draw = (n) => {
    x = (x * 1103515245 + 12345) % 2147483648;
    return Math.floor((x / 2147483648) * n);
  };
  const odd = [null, undefined, -1, 1.5, "x", "", {}, [], true, 1e308, 2 ** 53, NaN];
  const some = (good) => (draw(12) === 0 ? odd[draw(odd.length)] : good);
  const details = [undefined, {}, { eta_s: 4 }, { signal: 9 }, { verb: "kill_worker", slot: 1 },
    { verb: "pause_worker" }, { seconds: 30 }, { keeps: true }, { dependency: "db" }, { processes: 3 },
    { queues: [1], reserved: [1, 0], running_on: [0, 1], tasks: 2 }];
  for (let round = 0; round < 150; round += 1) {
    const rows = Array.from({ length: 120 }, (_, i) => [some(i / 10 - draw(2) * draw(30) / 10),
      some(draw(KINDS.length)), some(draw(4) ? 0 : null), some(draw(6)), some(draw(3) ? draw(2) : null),
      some(draw(2)), some(draw(9)), some(0), some(0), some(details[draw(details.length)])]);
    const history = new History(topology, rows);
    assert.ok(drawn(history).length > 0, "so many mistakes are told");
    assert.equal(history.length, rows.length);
  }
});

test("a live list is not wrong: workers are ready before it begins, and a file is read late", () => {
  const history = new History(topology, [system("worker_ready", -3, 0), sent(1.5), system("worker_ready", -0.7, 0), sent(1.4, 2)]);
  assert.equal(history.tip.nProblems, 0);
});
