"""The laws that every run obeys, whatever was done to it; judged from the audit and the record.

What Celery and Redis do lose, or run twice, is a list with a name, a reason and a source each
(``paths``). A task that broke a promise must be on one of them, by what is known of that very
task: that some fault was there is no excuse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from sandbox.audit import Audit, audit
from sandbox.run import Run, broken_laws
from tests.property.paths import LOSSES, REPEATS, Case, Path

Law = Callable[[Run, Audit], Iterator[str]]


def early_and_late_acks_lose_only_by_a_listed_hole(run: Run, found: Audit) -> Iterator[str]:
    """At least once is broken only by a listed hole; under acks_late + reject by few of them."""
    yield from _unlisted("lost", LOSSES, found.at_least_once.broken, run, found)


def nothing_runs_twice_but_by_a_listed_path(run: Run, found: Audit) -> Iterator[str]:
    """At most once is broken only by a listed path; under early ack by few of them."""
    yield from _unlisted("run twice", REPEATS, found.at_most_once.broken, run, found)


def _unlisted(
    what: str,
    paths: tuple[Path, ...],
    broken: Mapping[str, tuple[str, ...]],
    run: Run,
    found: Audit,
) -> Iterator[str]:
    for cause, tasks in broken.items():
        for task in tasks:
            case = Case.of(run, found.tasks[task])
            if case.path(paths) is None:
                told = found.tasks[task].told().replace("\n", "; ")
                yield f"{task} ({case.mode}) was {what} by no listed path ({cause}): {told}"


def every_published_task_has_a_verdict(run: Run, found: Audit) -> Iterator[str]:
    """Nothing that was sent is without an account; what is unknown has a cause with a name."""
    for task in {str(event.task) for event in run.of_kind("sent")} - found.tasks.keys():
        yield f"{task} was sent and has no verdict"
    unsure = {event.task for event in run.of_kind("publish_unknown")}
    for account in found.of("unknown"):
        if account.task not in unsure:
            yield f"{account.task} is unknown, and its publish call did not fail"
    for guarantee in found.guarantees:
        for cause, tasks in {**guarantee.open, **guarantee.broken}.items():
            if not cause:
                yield f"{guarantee.name} is open for {tasks[0]} without a cause"


def the_totals_add_up(run: Run, found: Audit) -> Iterator[str]:
    """Verdicts sum to the tasks, effects to the ledger's rows; of each task one counts."""
    totals = found.totals
    if sum(found.counts().values()) != len(found.tasks) or totals.tasks != len(found.tasks):
        yield f"{len(found.tasks)} tasks have {sum(found.counts().values())} verdicts"
    if totals.published != len(run.of_kind("published")):
        yield f"{totals.published} publishings are accounted for of {len(run.of_kind('published'))}"
    if totals.started != len(run.of_kind("started")):
        yield f"{totals.started} starts are accounted for of {len(run.of_kind('started'))}"
    rows = () if run.ledger is None else run.ledger.effects
    if totals.effects != len(rows):
        yield f"{totals.effects} effects are accounted for of {len(rows)}"
    for task, n in Counter(row.task for row in rows if row.effective).items():
        if n > 1:
            yield f"{n} effects of {task} count"


def the_record_is_sound(run: Run, _found: Audit) -> Iterator[str]:
    """Time, deliveries and slots make sense: what the audit rests on."""
    yield from (problem for problem in broken_laws(run) if not (_blurred(run) or _silent(run)))


def _blurred(run: Run) -> bool:
    """Whether a worker had one message twice and lost a child: which of the two is not told.

    `child_lost` knows worker and delivery tag (celery/worker/request.py Request.on_failure), and
    both copies have the same.
    """
    lost = {(event.worker, event.tag) for event in run.of_kind("child_lost")}
    copies = Counter((attempt.worker, attempt.tag) for attempt in run.fold.attempts)
    return any(copies[one] > 1 for one in lost)


def _silent(run: Run) -> bool:
    """Whether a thread may have ended without a word: the result of its task has no place.

    Storing it raises after the body (celery/app/trace.py), and no signal is sent: seen on real
    workers, too. The next task then begins in a thread that the record still takes for busy.
    """
    kept = [e for e in run.of_kind("disconnected") if (e.detail or {}).get("keeps")]
    return bool(kept) and any(pool.pool == "threads" for pool in run.scenario.workers)


LAWS: tuple[Law, ...] = (
    every_published_task_has_a_verdict,
    the_totals_add_up,
    the_record_is_sound,
    early_and_late_acks_lose_only_by_a_listed_hole,
    nothing_runs_twice_but_by_a_listed_path,
)


def violations(run: Run, laws: tuple[Law, ...] = LAWS) -> list[str]:
    """Return a sentence for each way in which a run breaks a law."""
    found = audit(run)
    return [sentence for law in laws for sentence in law(run, found)]


def paths_taken(run: Run) -> Counter[str]:
    """Return how many tasks were lost, or run twice, by each of the listed paths."""
    found, taken = audit(run), Counter[str]()
    for paths, guarantee in ((LOSSES, found.at_least_once), (REPEATS, found.at_most_once)):
        for tasks in guarantee.broken.values():
            for task in tasks:
                path = Case.of(run, found.tasks[task]).path(paths)
                taken[path.name if path is not None else "(none)"] += 1
    return taken
