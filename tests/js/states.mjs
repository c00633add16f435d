// Read cases from a file; print what the fold says after each number of events. For tests/test_fold_js.py.
import { readFileSync } from "node:fs";
import { History } from "../../sandbox/widgets/fold.js";
import { totals } from "../../sandbox/widgets/history.js";
import { outcomeOf, inMotion, workerOf } from "../../sandbox/widgets/journeys.js";

function told(state) {
  const journeys = {};
  for (const [task, j] of state.journeys) {
    journeys[task] = [j.nSent, j.nQueued, j.nDeliveries, j.nExecutions, j.nSucceeded, j.nFailed,
      j.nRetried, j.nRevoked, j.nKilled, j.unacked.size, j.held.size, j.running.size, j.kept.size,
      inMotion(j), [...j.unacked.values()].sort(), [...j.running].map(workerOf).sort(),
      j.attempts.map((a) => [a.worker, a.slot, a.execution, a.deliveredS, a.receivedS,
        a.startedS, a.endedS, a.ackedS, a.outcome])];
  }
  const up = {};
  for (const [name, worker] of state.workers) up[name] = worker.state;
  return { journeys, counts: state.counts, totals: totals(state), up, problems: state.nProblems, broken: state.nBroken };
}

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(cases.map(({ topology, rows, prefixes }) => {
  const history = new History(topology, rows);
  return prefixes.map((n) => told(history.upTo(n)));
})));
