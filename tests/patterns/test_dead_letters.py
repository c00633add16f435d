"""Laws of the dead letters: what failed for good is there once, and is replayed once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from redis import ConnectionError as Gone
from redis import Redis

from sandbox.patterns import lists
from sandbox.patterns.dead_letters import Counts, DeadLetter, DeadLetters, NoSuchLetter
from sandbox.patterns.manager import TaskManager
from tests.patterns.app import build
from tests.patterns.test_manager import state
from tests.waiting import until

N_RACERS = 4


@pytest.fixture
def letters(app: Celery, client: Redis) -> Iterator[DeadLetters]:
    """Return the app's dead letters: none yet."""
    client.delete(*(f"dead-letters{part}" for part in ("", ":order", ":counts")))
    yield DeadLetters(app)
    client.delete("nobody", *client.keys("nobody*"))


def letter(n: int, **changed: Any) -> DeadLetter:
    found: dict[str, Any] = {"id": f"add/{n}", "task": "add", "args": (1, n), "kwargs": {}}
    found |= {"error": "E: no", "traceback": "", "retries": 3, "at": float(n), "queue": "nobody"}
    return DeadLetter(**found | changed)


def test_what_fails_for_good_is_kept_with_all_that_is_known(
    worker: str, manager: TaskManager, letters: DeadLetters
) -> None:
    """An error, a permanent one, a rejection: each with its arguments, and why."""
    sent = [manager.submit("boom", ["why"], priority=3), manager.submit("bad")]
    sent.append(manager.submit("reject"))
    until("three letters", lambda: letters.counts().length == 3)
    kept = {one.id: one for one in letters.list()}
    assert set(kept) == set(sent)
    boom, bad, reject = (kept[one] for one in sent)
    assert (boom.task, boom.args, boom.error) == ("boom", ("why",), "ValueError: why")
    assert (boom.queue, boom.priority) == ("default", 3)
    assert "Traceback" in boom.traceback
    assert bad.error == "Permanent: no such address"
    assert "not mine" in reject.error


def test_what_succeeds_is_not_kept(worker: str, manager: TaskManager, letters: DeadLetters) -> None:
    """Neither a success nor what is thrown away on purpose."""
    state(manager, manager.submit("add", [1, 2]), "SUCCESS")
    assert letters.counts() == Counts(0, 0, 0)


def test_a_replayed_task_runs_under_its_own_id(
    worker: str, manager: TaskManager, letters: DeadLetters, client: Redis
) -> None:
    """Once its cause is mended, the real worker takes it as any other message."""
    task_id = manager.submit("fickle", ["mend"])
    until("the letter", lambda: letters.list(task="fickle"))
    client.set("mend", "1")
    letters.replay(task_id)
    assert state(manager, task_id, "SUCCESS").result == "mended"
    assert letters.counts().length == 0
    client.delete("mend")


def test_a_letter_is_replayed_once_however_many_try(
    app: Celery, letters: DeadLetters, client: Redis
) -> None:
    """One gets it, the others are told that it is gone, and one message is in the queue."""
    letters.put(letter(0, priority=9))

    def race(_: int) -> bool:
        with suppress(NoSuchLetter):
            DeadLetters(app).replay("add/0")
            return True
        return False

    with ThreadPoolExecutor(N_RACERS) as pool:
        assert sum(pool.map(race, range(N_RACERS))) == 1
    (nobody,) = lists.read(client, ["nobody"]).queues
    assert nobody.by_priority == ((0, 0), (3, 0), (6, 0), (9, 1))
    assert lists.holds(client, "add/0", ["nobody"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_in_a_replay_neither_loses_nor_doubles(
    letters: DeadLetters, client: Redis, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The letter is among the letters or in the queue, and who asks again changes nothing."""
    letters.put(letter(0))
    run = letters._client.eval

    def crash(*words: Any) -> None:
        if when == "after":
            run(*words)
        raise Gone("the process dies here")

    with monkeypatch.context() as patch:
        patch.setattr(letters._client, "eval", crash)
        with pytest.raises(Gone):
            letters.replay("add/0")
    assert letters.counts().length + client.llen("nobody") == 1
    assert letters.replay_all() == (when == "before")
    assert (letters.counts().length, client.llen("nobody")) == (0, 1)


def test_only_the_newest_are_kept_and_what_is_dropped_is_counted(
    app: Celery, letters: DeadLetters
) -> None:
    """A queue that nobody looks at does not fill the broker, nor forget in silence."""
    few = DeadLetters(app, bound=3)
    for n in range(5):
        few.put(letter(n))
    assert [one.id for one in few.list()] == ["add/4", "add/3", "add/2"]
    assert few.counts() == Counts(3, 5, 2)
    assert few.list(1) == (letter(4),)
    assert few.purge("add/3") == 1
    assert few.purge("add/3") == 0
    assert few.purge() == 2
    assert few.list() == ()
    with pytest.raises(NoSuchLetter, match="no dead letter has the id 'add/3'"):
        few.replay("add/3")


def test_all_are_replayed_the_oldest_first(letters: DeadLetters, client: Redis) -> None:
    """In the order in which they failed, and only those of the task that was named."""
    for n in (2, 0, 1):
        letters.put(letter(n))
    letters.put(letter(3, id="boom/3", task="boom"))
    assert letters.replay_all("add") == 3
    waiting: Any = client.lrange("nobody", 0, -1)
    assert [part.decode().count('"id": "add/') for part in waiting] == [1, 1, 1]
    ids = [next(n for n in "012" if f'"id": "add/{n}"' in part.decode()) for part in waiting]
    assert ids == ["2", "1", "0"], "the right end is taken first"
    assert [one.task for one in letters.list()] == ["boom"]


def test_another_app_of_the_same_process_keeps_its_own(app: Celery, letters: DeadLetters) -> None:
    """A signal of Celery's comes from every app."""
    other = build(str(app.conf.broker_url))
    other.tasks["boom"].apply(args=["elsewhere"])
    assert letters.counts().failures == 1, "once, by its own handler"
