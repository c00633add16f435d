# %% tags=["lab"]
from sandbox import Burst, Deterministic, TaskType
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check

N = 12
LAB = Lab(
    title="Prefetch and the unfair queue",
    question="Two workers, one queue. Why do photos wait behind a film while a worker is idle?",
    minutes=10,
    assumes=("01", "03"),
    goals=(
        "predict how many messages a busy worker keeps from an idle one",
        "say why `prefetch_multiplier=1` still keeps one",
        "name two ways to keep none, and what that costs",
    ),
    hints=(
        "Which photos began only after the film had ended, and with which worker were they?",
        "A worker holds `prefetch_multiplier` × `concurrency` messages that are not acknowledged. "
        "When is the film's acknowledged?",
        "WorkerPool(n_workers=2, disable_prefetch=True), and all else as in `album`.",
    ),
    links={
        "Prefetch limits": "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"
        "#prefetch-limits",
        "worker_prefetch_multiplier": "https://docs.celeryq.dev/en/stable/userguide/"
        "configuration.html#worker-prefetch-multiplier",
    },
    surprise="Most people expect none of a multiplier of 1. It is one: the film is acknowledged "
    "when it begins, so it does not count, and one more may come.",
    closing="A queue has ten thousand tasks of two milliseconds each and no long ones. Which of "
    "the settings would you choose there, and why not the same as here?",
)


def waited(run):
    """The photos that began only after the film had ended; an error where something was left."""
    tasks = audit(run).tasks
    if sum(name.startswith("photo/") for name in tasks) != N or "film/0" not in tasks:
        raise LabError(f"one film and {N} photos are to be sent: leave the loads as they are")
    left = [name for name, one in tasks.items() if one.n_succeeded == 0]
    if left:
        raise LabError(f"{len(left)} tasks were not done, such as {left[0]}: all are to be done")
    over_s = next(e.t_s for e in run.of_kind("succeeded") if e.task == "film/0")
    return [
        e.task for e in run.of_kind("started") if e.task.startswith("photo/") and e.t_s >= over_s
    ]


def finding(number, run, low, high):
    found = waited(run)
    named = ", ".join(found)
    return Finding(
        str(len(found)),
        str(number),
        number == len(found),
        where=f"the rows of {named} in the run's .attempts: worker, delivered_s, started_s"
        if found
        else "no photo in the run's .attempts has a started_s above the film's ended_s",
        misconception=low if number < len(found) else high,
    )


@check("how many photos wait for the film to end, with a multiplier of 4")
def four(number, run):
    return finding(
        number,
        run,
        low="a worker takes messages ahead while it works, and what it has taken no other worker "
        "can take",
        high="the photos are not dealt out to the workers: each takes what it may hold ahead, "
        "and the rest is left to whoever is free",
    )


@check("how many wait with a multiplier of 1")
def one(number, run):
    return finding(
        number,
        run,
        low="the limit counts messages that are not acknowledged, and the film was acknowledged "
        "when it began: it does not count, and one more may come",
        high="one message ahead for each process, and this worker has one",
    )


@check("how many wait with a multiplier of 4 and late acknowledgement")
def late(number, run):
    return finding(
        number,
        run,
        low="the film counts now, as it is not acknowledged before it ends; what is left of the "
        "limit is still filled",
        high="the limit is as it was, and the film itself is one of those that it counts now",
    )


FILM = TaskType(name="film", service=Deterministic(value_s=2.5))
PHOTO = TaskType(name="photo", service=Deterministic(value_s=0.1))
SENT = (Burst(task="film", n=1), Burst(task="photo", n=N, at_s=0.2))


def changed(scenario):
    """A sentence on what was not to be changed, or an empty one."""
    plain = [kind.but(acks_late=False, queue="celery") for kind in scenario.tasks]
    queues = {queue for pool in scenario.workers for queue in pool.queues}
    queues |= {kind.queue for kind in scenario.tasks}
    slots = sum(pool.concurrency * pool.n_workers for pool in scenario.workers)
    if scenario.loads != SENT or scenario.faults:
        return "the film is to be sent first and twelve photos just after it: leave the loads"
    if sorted(plain, key=lambda kind: kind.name) != [FILM, PHOTO]:
        return "the film and the photos are to be as before; of them only acks_late may change"
    if len(queues) > 1:
        return (
            "a queue of its own for films is a good answer to another question: here both "
            "workers take from one queue"
        )
    if slots > len(scenario.worker_names) or slots > 2:
        return "more processes hide it, and cost more: two workers of one process were asked for"
    return "" if slots == 2 else "one worker has nobody to share with: leave n_workers=2"


@check("with your settings no photo waits for the film, on the same two workers")
def none_waits(run):
    meant, n, scenario = changed(run.scenario), len(waited(run)), run.scenario
    multipliers = {pool.prefetch_multiplier for pool in scenario.workers}
    if meant:
        pass
    elif 0 in multipliers:
        meant = "0 is not “none”: it means without a limit"
    elif multipliers == {1}:
        meant = "one message ahead is one too many; can the film count as that one?"
    elif any(kind.acks_late for kind in scenario.tasks):
        meant = "the film counts now, and four may be held: three are still left for photos"
    else:
        meant = "the worker with the film may still take messages ahead"
    return Finding(
        "photos that wait for the film: 0, with 2 workers of 1 process on 1 queue",
        f"photos that wait for the film: {n}"
        + ("; something else was changed, too" if changed(scenario) else ""),
        n == 0 and not changed(scenario),
        where="prefetch_multiplier and disable_prefetch of WorkerPool, acks_late of TaskType",
        misconception=meant,
    )


# %% [markdown]
# A film is sent, and just after it twelve photos. The film takes 2.5 s, a photo 0.1 s. Two workers
# with one process each take from the same queue. One of them gets the film; the other one can do
# all twelve photos in a little more than a second.

# %%
from sandbox import lab

lab.lesson("08")

# %%
film = lab.TaskType(name="film", service=lab.Deterministic(value_s=2.5))
photo = lab.TaskType(name="photo", service=lab.Deterministic(value_s=0.1))
loads = [lab.Burst(task="film", n=1), lab.Burst(task="photo", n=12, at_s=0.2)]
album = lab.Scenario(
    name="album",
    tasks=[film, photo],
    workers=[lab.WorkerPool(n_workers=2)],
    loads=loads,
    horizon_s=3.0,
)


def n_waiting(run):
    """Return how many photos began only after the film had ended."""
    over_s = next(e.t_s for e in run.of_kind("succeeded") if e.task == "film/0")
    begun = [e for e in run.of_kind("started") if e.task.startswith("photo/")]
    return sum(e.t_s >= over_s for e in begun)


# %% [markdown]
# ## 1. Predict
# **How many of the twelve photos wait until the film has ended?** Write your number down.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
waiting = 4
### END SOLUTION
guess = lab.predict("How many photos wait until the film has ended?", waiting)

# %% [markdown]
# ## 2. Ask the model, then real workers
# About five seconds.

# %%
model = lab.model(album)
guess.against(model=n_waiting(model))

# %%
run = lab.run(album)
guess.against(model=n_waiting(model), measured=n_waiting(run))

# %% tags=["check"]
lab.check("four", waiting, run)

# %% [markdown]
# ## 3. Where your number was wrong
# A worker takes messages **ahead** of its work: `prefetch_multiplier` × `concurrency`, here 4 × 1.
# The worker with the film took four photos, and they wait with it. The other worker is soon done
# and idle, and cannot have them: they are not in the queue any more.

# %%
display(lab.timeline_picture(model), lab.timeline_table(model))

# %% [markdown]
# ## 4. Predict again
# Somebody sets `prefetch_multiplier=1`. **How many photos wait for the film now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
waiting_one = 1
### END SOLUTION
second = lab.predict("How many photos wait with a multiplier of 1?", waiting_one)

# %%
single = album.but(name="single", workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=1)])
model_single = lab.model(single)
run_single = lab.run(single)
second.against(model=n_waiting(model_single), measured=n_waiting(run_single))

# %% tags=["check"]
lab.check("one", waiting_one, run_single)

# %% [markdown]
# What is limited is the number of messages that a worker has and has **not acknowledged**. By
# default the film is acknowledged when it begins: it does not count any more.

# %% [markdown]
# ## 5. And once more
# Late acknowledgement, and the multiplier is 4 again. **How many photos wait for the film?**

# %% tags=["exercise"] name="third"
### BEGIN SOLUTION
waiting_late = 3
### END SOLUTION
third = lab.predict("How many photos wait with late acknowledgement?", waiting_late)

# %%
kept = album.but(name="kept", tasks=[film.but(acks_late=True), photo.but(acks_late=True)])
model_kept = lab.model(kept)
run_kept = lab.run(kept)
third.against(model=n_waiting(model_kept), measured=n_waiting(run_kept))

# %% tags=["check"]
lab.check("late", waiting_late, run_kept)

# %% [markdown]
# ## 6. Change the settings
# Now have **no** photo wait for the film, on the same two workers and the same queue.

# %% tags=["exercise"] name="fair"
### BEGIN SOLUTION
fair = lab.Scenario(
    name="fair",
    tasks=[film, photo],
    workers=[lab.WorkerPool(n_workers=2, disable_prefetch=True)],
    loads=loads,
    horizon_s=3.0,
)
### END SOLUTION

# %%
run_fair = lab.run(fair)
lab.counts(run_fair)

# %% tags=["check"]
lab.check("none_waits", run_fair)

# %% [markdown]
# ## 7. The option `-O fair`
# It is often named as the mend. It is about the processes of *one* worker; and Celery as it is
# installed here uses it when no `-O` is given:

# %%
from celery.concurrency.asynpool import SCHED_STRATEGIES

SCHED_STRATEGIES[None] == SCHED_STRATEGIES["fair"]

# %% [markdown] tags=["solution"]
# The default, or a higher multiplier. Without prefetch a worker asks the broker for each message
# when it is free, and waits for the answer: with two milliseconds of work that wait may be most of
# its time. Taking messages ahead hides it, and nobody waits long behind two milliseconds. Prefetch
# is unfair where one queue has short and long tasks. There use `worker_disable_prefetch`, or a
# multiplier of 1 with late acknowledgement, or a queue and a worker for each.

# %% tags=["wrong"] of="guess" check="four" says="no other worker can take"
waiting = 0
guess = lab.predict("How many photos wait until the film has ended?", waiting)

# %% tags=["wrong"] of="again" check="one" says="was acknowledged when it began"
waiting_one = 0
second = lab.predict("How many photos wait with a multiplier of 1?", waiting_one)

# %% tags=["wrong"] of="fair" check="none_waits" says="it means without a limit"
fair = lab.Scenario(
    name="fair",
    tasks=[film, photo],
    workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=0)],
    loads=loads,
    horizon_s=3.0,
)
