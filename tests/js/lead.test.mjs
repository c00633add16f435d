// Pictures that are linked move as one: one leads, and nobody says what they have only heard.
import assert from "node:assert/strict";
import test from "node:test";
import { History } from "../../sandbox/widgets/fold.js";
import { Lead } from "../../sandbox/widgets/lead.js";
import { Player } from "../../sandbox/widgets/player.js";
import { binOf, seriesOf } from "../../sandbox/widgets/series.js";

const topology = { kinds: ["sent", "crowd", "ended"], types: [{ name: "hi" }], queues: [{ name: "q" }], workers: [] };
const rows = [0, 1, 2, 3, 4].map((t) => [t, 0, 0, t, null, null, null, 0, 0]);

// Models that share their traits, as a link makes them; `said` is all that was set.
function linked(n, live = false, given = rows) {
  const said = [];
  const found = Array.from({ length: n }, () => {
    const traits = { motion: "", cursor_s: 0, head: { live } };
    const model = { traits, get: (name) => traits[name], set: (name, value) => {
      traits[name] = value;
      said.push([name, value]);
      for (const other of found) {
        // A model tells its own picture too.
        if (other.traits !== traits && other.traits[name] === value) continue;
        other.traits[name] = value;
        if (name === "motion") other.lead.motionChanged();
        else other.lead.cursorChanged();
      }
    } };
    const player = new Player(new History(topology, given), { live });
    return { traits, player, lead: new Lead(model, player, () => {}) };
  });
  return { pictures: found, said };
}

test("who plays leads: the others go where it is and can pause it", () => {
  const { pictures: [a, b], said } = linked(2);
  a.player.play();
  a.lead.say();
  assert.deepEqual([b.player.playing, b.player.moving, b.player.speed], [false, true, 1]);
  a.player.tick(1500);
  a.lead.say();
  assert.deepEqual([a.player.t, b.player.t, b.player.n], [1.5, 1.5, 2]);
  const n = said.length;
  b.lead.say(); // It has only heard of this.
  assert.equal(said.length, n);
  b.player.toggle();
  b.lead.say();
  assert.deepEqual([a.player.playing, a.player.t], [false, 1.5]);
});

test("who changes the speed leads from there on", () => {
  const { pictures: [a, b] } = linked(2);
  a.player.play();
  a.lead.say();
  b.player.setSpeed("4");
  b.lead.say();
  assert.deepEqual([a.player.playing, a.player.moving, a.player.speed, b.player.playing], [false, true, 4, true]);
});

test("at its end all stand still", () => {
  const { pictures: [a, b] } = linked(2);
  a.player.play();
  a.lead.say();
  a.player.tick(9000);
  a.lead.say();
  assert.deepEqual([b.player.moving, b.player.t], [false, 4]);
});

test("the newest event is followed by each without a leader, and left together", () => {
  const { pictures: [a, b], said } = linked(2, true);
  a.player.tick(100);
  a.lead.say();
  assert.deepEqual([said, a.player.live, b.player.live], [[], true, true]);
  b.player.pause();
  b.player.seek(2);
  b.lead.say();
  assert.deepEqual([a.player.live, a.player.moving, a.player.t], [false, false, 2]);
  a.player.setSpeed("live");
  a.lead.say();
  assert.equal(b.player.live, true);
});

test("a picture that has fewer events waits at its end and drags nobody back", () => {
  const { pictures: [a, b] } = linked(2);
  b.player.history = new History(topology, rows.slice(0, 3));
  b.player.nowS = 2;
  a.player.seek(4);
  a.lead.say();
  b.lead.say();
  assert.deepEqual([a.player.t, b.player.t], [4, 2]);
});

test("tasks that are counted, not followed, are in the throughput", () => {
  const crowd = (t, done) => [t, 1, null, null, null, null, null, null, null, { done, failed: 0, queued: 0, running: 0,
    tasks: done, queues: [0], reserved: [], running_on: [] }];
  const history = new History(topology, [crowd(0.5, 10), crowd(1.5, 30), [2, 2]]);
  assert.deepEqual(seriesOf(history, 1, 2).throughput, [10, 20]);
});

test("bins are a round hundredth, as Python has them; the one a session is in is not judged", () => {
  assert.deepEqual([0, 5, 100, 3600].map(binOf), [0.01, 0.05, 1, 50]);
  const history = new History(topology, rows);
  assert.deepEqual(seriesOf(history, 1, 6, 5.5).throughput, [0, 0, 0, 0, 0, null]);
});
