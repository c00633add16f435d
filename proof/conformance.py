"""``make conformance``: every row of the grid on Redis, a third on the fake, and its page."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from proof import stored
from proof.grid import ALLOWED, NOISE, REPEATS, Outcome, judge
from proof.known import KNOWN
from proof.readme import README, write_into
from proof.row import CROWD, Row
from proof.rows import ALL, SUBJECTS
from proof.semantics import SEMANTICS
from sandbox import calibration, workbench
from sandbox.overheads import Overheads

PAGE = Path(__file__).parents[1] / "docs" / "conformance.md"
REPEAT_FOR_S = 1200.0
"""No row is repeated later than this, so that all ends within half an hour."""

FAKE_EVERY = 3
TOGETHER = 2
"""How many rows run at once of those whose times nobody compares, and that compute nothing."""

HEAD = (
    "| row | shows | on | equal | throughput | mean latency | p95 | verdict |\n"
    "|---|---|---|---|---|---|---|---|"
)
BY_SUBJECT = (
    "| subject | scenarios | live runs | with equal facts | times compared "
    "| within the shares | within the noise | beyond |\n|---|---|---|---|---|---|---|---|"
)
_INTRO = """# Conformance: the model and real workers, row by row

Written by `make conformance`. Every row is one scenario, run by the model and by real Celery
workers on the same draws, with faults on events. *Equal* compares what Celery fixes, task by task:
verdict (done once, done more than once, failed, revoked, lost, stuck), how often it was begun,
succeeded, retried and failed; and, where the row fixes them, order, credit, what went back to
the front or the back of its queue, countdowns and tokens. Times are shares of the model's value:
throughput within {throughput_per_s:.0%}, mean latency within {mean_latency_s:.0%}, p95 within
{p95_latency_s:.0%}, or within {noise:g} standard deviations of the same row repeated {repeats}
times more, which the verdict then says. A dash: a race decides the times (the row says which), or
the row ran on the fake, where only facts are compared. A row shows its
newest run; naming some (`python -m proof.conformance "killed"`) runs those again.
"""


def main(arguments: list[str]) -> int:
    """Run all rows, or those whose names contain an argument; return 1 if any differs."""
    chosen = [one for one in ALL if one.on_redis and _chosen(one.name, arguments)]
    overheads = workbench.calibrated("redis", tell=print)
    print(f"{len(chosen)} rows; {overheads.source}\n{HEAD}")
    outcomes = []
    for outcome in _outcomes(chosen, overheads):
        outcomes.append(outcome)
        print(line(outcome), flush=True)
        stored.add(_source(overheads), [outcome])
    print(summary(outcomes))
    everything = stored.outcomes_stored(ALL)
    PAGE.write_text(page(everything, overheads), encoding="utf-8")
    write_into(README, "conformance", "conformance", by_subject(everything))
    return int(any(one.verdict.startswith("differs") for one in outcomes))


def _chosen(name: str, arguments: list[str]) -> bool:
    return not arguments or any(part in name for part in arguments)


def _outcomes(chosen: list[Row], overheads: Overheads) -> Iterator[Outcome]:
    """Run what is timed, or computes, one at a time, then all else ``TOGETHER`` at a time."""
    began, fakes = time.monotonic(), {row.name for row in on_fake()}
    runs = [(row, "redis") for row in chosen]
    runs += [(row, "fake") for row in chosen if row.name in fakes]
    together = []
    for row, broker in runs:
        is_timed = row.race is None and broker == "redis"
        if is_timed or row.race == CROWD:
            in_time = time.monotonic() - began < REPEAT_FOR_S
            repeats = REPEATS if in_time else 0
            yield judge(row, broker, overheads, times=is_timed, repeats=repeats)
        else:
            together.append((row, broker))
    with ThreadPoolExecutor(TOGETHER) as pool:
        jobs = [pool.submit(judge, *one, overheads, times=False) for one in together]
        yield from (job.result() for job in as_completed(jobs))


def on_fake() -> list[Row]:
    """Return the rows that run on the fake as well: of each three the first that it can do."""
    threes = [ALL[i : i + FAKE_EVERY] for i in range(0, len(ALL), FAKE_EVERY)]
    able = [[row for row in three if row.on_fake] for three in threes]
    return [three[0] for three in able if three]


def _source(overheads: Overheads) -> dict[str, Any]:
    return {"machine": calibration.machine(), "overheads": overheads.model_dump(mode="json")}


def line(outcome: Outcome) -> str:
    """Return an outcome as a line of the table."""
    row = outcome.row
    shares = [f"{s:+.1%}" if (s := outcome.off.get(name)) is not None else "–" for name in ALLOWED]
    verdict = outcome.verdict
    if not outcome.off and row.race is not None and outcome.broker == "redis":
        verdict += f" (times: {row.race})"
    equal = "no" if outcome.unlike else "yes"
    cells = [row.name, ", ".join(row.shows), outcome.broker, equal, *shares, verdict]
    return "| " + " | ".join(cells) + " |"


def summary(outcomes: list[Outcome]) -> str:
    """Return one sentence: how many rows are equal, in what."""
    timed = [one for one in outcomes if one.off]
    within = [one for one in timed if all(abs(s) <= ALLOWED[n] for n, s in one.off.items())]
    noisy = [one for one in timed if one not in within and not one.over]
    equal = sum(not one.unlike for one in outcomes)
    slowest = max(outcomes, key=lambda one: one.took_s)
    return (
        f"{equal} of {len(outcomes)} runs have equal facts; of {len(timed)} whose times are "
        f"compared, {len(within)} are within the shares, {len(noisy)} within the noise and "
        f"{len(timed) - len(within) - len(noisy)} beyond. {sum(o.took_s for o in outcomes):.0f} s "
        f"of live runs, the longest {slowest.took_s:.1f} s ({slowest.row.name})."
    )


def by_subject(outcomes: list[Outcome]) -> str:
    """Return the table of the README: one line a subject, and one for all together."""
    lines = [BY_SUBJECT]
    for subject, rows in (*SUBJECTS.items(), ("all together", ALL)):
        names = {row.name for row in rows}
        own = [one for one in outcomes if one.row.name in names]
        timed = [one for one in own if one.off]
        beyond = sum(bool(one.over) for one in timed)
        noisy = sum("within three times" in one.verdict for one in timed)
        counts = (
            len(rows), len(own), sum(not one.unlike for one in own), len(timed),
            len(timed) - noisy - beyond, noisy, beyond,
        )  # fmt: skip
        lines.append(f"| {subject} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def page(outcomes: list[Outcome], overheads: Overheads) -> str:
    """Return the whole page."""
    intro = _INTRO.format(noise=NOISE, repeats=REPEATS, **ALLOWED)
    source = _source(overheads)
    versions = ", ".join(f"{n} {v}" for n, v in source["machine"]["versions"].items())
    table = "\n".join([HEAD, *map(line, outcomes)])
    semantics = "\n".join(
        f"| {name} | {meaning} | {sum(name in one.shows for one in ALL)} |"
        for name, meaning in SEMANTICS.items()
    )
    known = "\n".join(f"| {one.what} | {one.size} | {one.source} |" for one in KNOWN)
    return (
        f"{intro}\n{summary(outcomes)} {source['machine']['cores']} cores, {versions}; "
        f"{overheads.source}.\n\n"
        f"{table}\n\n## Semantics\n\n| what | where | rows |\n|---|---|---|\n{semantics}\n\n"
        f"## Known differences\n\nHeld by strict tests: one that vanishes fails.\n\n"
        f"| what | size | source |\n|---|---|---|\n{known}\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
