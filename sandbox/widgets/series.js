// Series: queue depth, throughput, latency and utilisation of a history, bin by bin. No DOM.
// sandbox/widgets/series.py has the same for the model's runs; a test holds them equal.

export const STRIPS = [
  { name: "queued", title: "Queue depth", unit: "messages", lines: ["queued"] },
  { name: "throughput", title: "Throughput", unit: "tasks/s", lines: ["throughput"] },
  { name: "latency", title: "Latency", unit: "s", lines: ["p50", "p95"] },
  { name: "utilisation", title: "Utilisation", unit: "of all processes", lines: ["utilisation"] },
];

// A list a line, `nBins` long; null where a bin has no finished task or the run has ended. `now`
// (s) is the clock of a session that goes on: the bin it is in is not judged before it is over.
export function seriesOf(history, binS, nBins, now = 0) {
  const end = Math.max(history.end, now);
  const slots = (history.topology.workers ?? []).reduce((sum, worker) => sum + (worker.slots ?? 1), 0);
  const bins = Math.min(nBins, Math.max(1, Math.ceil(end / binS - 1e-9)));
  const [queued, running] = [1, 2].map((i) => meanOf(history.curve, i, end, binS, bins));
  const finished = finishedOf(history, binS, bins);
  const crowd = crowdOf(history, binS, bins);
  const seconds = (i) => Math.max(1e-9, Math.min(end, (i + 1) * binS) - i * binS);
  const found = {
    queued, utilisation: running.map((n) => (slots ? n / slots : 0)),
    throughput: finished.map((one, i) => (one.length + crowd[i]) / seconds(i)),
    p50: finished.map((one) => rank(one, 0.5)), p95: finished.map((one) => rank(one, 0.95)),
  };
  if (now > 0 && bins > 1) for (const name of ["throughput", "utilisation"]) found[name][bins - 1] = null;
  for (const line of Object.values(found)) while (line.length < nBins) line.push(null);
  return found;
}

// The mean over time of a stepped curve in each bin.
export function meanOf(curve, index, end, binS, bins) {
  const sums = new Array(bins).fill(0);
  curve.forEach((row, i) => {
    const until = Math.min(curve[i + 1]?.[0] ?? end, bins * binS);
    for (let t = row[0], at = Math.floor(t / binS); t < until && at < bins; at += 1) {
      const edge = Math.min(until, (at + 1) * binS);
      if (edge > t) sums[at] += row[index] * (edge - t);
      t = Math.max(t, edge);
    }
  });
  return sums.map((sum, i) => sum / Math.max(1e-9, Math.min(end, (i + 1) * binS) - i * binS));
}

// The latencies (s, first sent to first end) of the tasks that ended in each bin, sorted.
function finishedOf(history, binS, bins) {
  const [sent, ended] = [new Map(), new Set()];
  const found = Array.from({ length: bins }, () => []);
  for (const event of history.events) {
    if (event.kind === "sent" && !sent.has(event.task)) sent.set(event.task, event.t);
    if ((event.kind !== "succeeded" && event.kind !== "failed") || ended.has(event.task)) continue;
    ended.add(event.task);
    const at = Math.min(bins - 1, Math.max(0, Math.floor(event.t / binS)));
    if (sent.has(event.task)) found[at].push(event.t - sent.get(event.task));
  }
  return found.map((one) => one.sort((a, b) => a - b));
}

// How many of the tasks that are counted, not followed, ended in each bin.
function crowdOf(history, binS, bins) {
  const found = new Array(bins).fill(0);
  let before = 0;
  for (const event of history.events) {
    if (event.kind !== "crowd") continue;
    const n = (event.detail.done ?? 0) + (event.detail.failed ?? 0);
    found[Math.min(bins - 1, Math.floor(event.t / binS))] += Math.max(0, n - before);
    before = n;
  }
  return found;
}

// A round length (s) of about a hundredth of a run.
export function binOf(endS) {
  const least = Math.max(endS, 1) / 100;
  const power = 10 ** Math.floor(Math.log10(least));
  return Number(([1, 2, 5, 10].find((k) => k * power >= least * (1 - 1e-9)) * power).toPrecision(9));
}

// The nearest-rank percentile of sorted numbers; null if there are none.
export function rank(sorted, q) {
  return sorted.length ? sorted[Math.max(0, Math.ceil(q * sorted.length - 1e-9) - 1)] : null;
}

// The stretches without a gap of a line, or of [low, high] pairs: lists of [bin, value].
export function stretches(line) {
  const found = [];
  let open = null;
  line.forEach((value, i) => {
    if (value === null || value === undefined) open = null;
    else if (open === null) found.push((open = [[i, value]]));
    else open.push([i, value]);
  });
  return found;
}

// A round number that is no less than the greatest value.
export function ceilingOf(values) {
  const most = Math.max(0, ...values.filter((value) => Number.isFinite(value)));
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return Number(([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((k) => k * power >= most * (1 - 1e-9)) * power).toPrecision(6));
}
