# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.moments import BOTH, RUNNING, found_at
from sandbox.metrics import measure

SIDE_S = 5.25
LAB = Lab(
    title="Beat, twice",
    question="A health check each second. How many are there when two beats run, when no worker "
    "does, and when one takes longer than a second?",
    minutes=10,
    assumes=("01",),
    goals=(
        "say what keeps two beats apart, and what keeps two runs of one entry apart",
        "predict what a worker does that comes back after an hour",
        "give a beat entry an expiry, and say what that does not help against",
    ),
    hints=(
        "Beat publishes a message when an entry is due. What does it know of other beats, of "
        "workers, or of the last run? And what do messages do that nobody takes?",
        "A check is worth nothing once the next one is due. A message can have a time after which "
        "a worker drops it.",
        "health.but(expires_s=1.0): as long as the entry's period.",
    ),
    links={
        "Periodic tasks": "https://docs.celeryq.dev/en/stable/userguide/periodic-tasks.html",
        "Expiration": "https://docs.celeryq.dev/en/stable/userguide/calling.html#expiration",
    },
    surprise="Most people expect a second beat to wait for the first, and what was due without a "
    "worker to be skipped. Each beat publishes all of it, and all that waited runs at once.",
    closing="Of the three, the double checks, the stampede and the runs side by side: which does "
    "`expires` help against, and what would you do against the others?",
)


def checks_of(run, n):
    """The accounts of the health checks; an error where not so many were published."""
    found = {name: one for name, one in audit(run).tasks.items() if "health_check" in name}
    if len(found) != n:
        raise LabError(
            f"{n} health checks are to be published, and it was {len(found)}: leave "
            "the entry, the period and the horizon as they are"
        )
    return found


@check("how many health checks are run with two beats")
def twice(number, run):
    found = [name for name, one in checks_of(run, 6).items() if one.n_started]
    if number == len(found) / 2:
        meant = "nothing keeps two beats apart: each has its own clock, and publishes every entry"
    elif number < len(found):
        meant = "an entry is due first after one period, and then each period: three times in 3.6 s"
    else:
        meant = "there are three due times, and each beat publishes once at each"
    return Finding(
        str(len(found)),
        str(number),
        number == len(found),
        where="the tasks in lab.audit(run).to_frame(): two for each second",
        misconception=meant,
    )


@check("how many of the five health checks are run")
def stampede(number, run):
    n = measure(run).value("executions")
    return Finding(
        f"{n:g}",
        str(number),
        number == n,
        where="lab.timeline_table(run_gone), and started_s in run_gone.attempts",
        misconception="beat does not know whether there is a worker: it publishes, and a message "
        "waits in the queue for as long as it takes"
        if number < n
        else "five were due, and one beat publishes each once",
    )


@check("with your setting no stale check is run, and the one in time is")
def only_fresh(run):
    checks_of(run, 5)
    began = {a.task: a.started_s for a in run.fold.attempts if a.started_s is not None}
    back = [e.t_s for e in run.of_kind("worker_ready") if e.t_s > 1]
    stale = [task for task, at_s in began.items() if back and at_s >= back[0]]
    fresh = [task for task in began if task not in stale]
    was_away = bool(back) and any(
        (e.detail or {}).get("signal") == 9 for e in run.of_kind("worker_exited")
    )
    if not was_away:
        meant = "with a worker all the time nothing gets stale: leave both faults in"
    elif stale:
        meant = "what has waited for seconds is still good by its expiry: how long is a health "
        meant += "check worth anything, when there is one each second?"
    else:
        meant = "the time is so short that the check expires on its way to a free worker"
    return Finding(
        "1 run in time, 0 after the worker's return, the worker away once",
        f"{len(fresh)} run in time, {len(stale)} after the worker's return, the worker away "
        f"{'once' if was_away else 'never'}",
        (len(fresh), len(stale), was_away) == (1, 0, True),
        where=", ".join(stale) or "lab.counts(run_fresh)",
        misconception=meant,
    )


@check("how many runs of the one entry there are side by side")
def side_by_side(number, run):
    found = found_at(run, SIDE_S)
    n = found[RUNNING] + found[BOTH]
    if number == 1:
        meant = "beat does not wait for the last run to end: it does not know how long one takes"
    elif number < n:
        meant = "one begins each second, and each lasts 2.5 s: how many have begun and not ended?"
    else:
        meant = "after 2.5 s the first one ends: as many end each second as begin"
    return Finding(
        str(n),
        str(number),
        number == n,
        where=f"lab.places(model_slow, {SIDE_S}), in the model's run",
        misconception=meant,
    )


# %% [markdown]
# LeadLawk's `celery beat` publishes a health check every 30 seconds. Here it is one a second, by
# LeadLawk's own app, with real beats: processes that publish messages when they are due, and do
# nothing else.

# %%
from sandbox import BeatEntry, lab
from sandbox.faults.start_beat import StartBeat
from sandbox.faults.start_worker import StartWorker

lab.lesson("17")

# %%
health = lab.TaskType(name="celery_app.health_check_task", service=lab.Deterministic(value_s=0.1))


def watch(name, task=health, faults=(), n_processes=1, horizon_s=3.6):
    """Return a scenario with one beat, whose entry is due first after 1 s, and then each second."""
    return lab.Scenario(
        name=name,
        app="sandbox.systems.leadlawk.app:written",
        tasks=[task],
        workers=[lab.WorkerPool(concurrency=n_processes)],
        beat=[BeatEntry(name="health-check", task=health.name, every_s=1.0)],
        faults=faults,
        horizon_s=horizon_s,
        deadline_s=12.0,
    )


# %% [markdown]
# ## 1. Predict
# LeadLawk is deployed anew, and for a while there are two: a second beat starts 0.1 s after the
# first, with the same entry. Both run for 3.6 s. **How many health checks are run?**

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
checks = 6
### END SOLUTION
guess = lab.predict("How many health checks are run with two beats?", checks)

# %% [markdown]
# ## 2. Ask the model

# %%
two_beats = watch("two-beats", faults=[StartBeat(when=lab.At(at_s=0.1))])
model = lab.model(two_beats)
guess.against(model=lab.number("done", model))

# %% [markdown]
# ## 3. Run real workers
# And two real beats.

# %%
run = lab.run(two_beats)
guess.against(model=lab.number("done", model), measured=lab.number("done", run))

# %% tags=["check"]
lab.check("twice", checks, run)

# %% [markdown]
# ## 4. Where your number was wrong
# Each beat has a schedule and a clock of its own. There is no lock, and the two messages of one due
# time are two tasks, with an id each. So it is with two replicas of the beat container, and with
# `worker -B` on two workers.

# %%
lab.counts(run)

# %% [markdown]
# ## 5. No worker, predict again
# One beat again, 5.5 s long. The first check is run; after 1.5 s the worker is killed, and it is
# started again after 6.5 s. Four checks more were due meanwhile. **How many of the five are run?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
ran = 5
### END SOLUTION
second = lab.predict("How many of the five health checks are run?", ran)

# %%
away = [
    lab.KillWorker(worker="worker1", when=lab.At(at_s=1.5)),
    StartWorker(worker="worker1", when=lab.At(at_s=6.5)),
]
gone = watch("gone", faults=away, horizon_s=5.5)
model_gone = lab.model(gone)
run_gone = lab.run(gone)
second.against(
    model=lab.number("executions", model_gone), measured=lab.number("executions", run_gone)
)

# %% tags=["check"]
lab.check("stampede", ran, run_gone)

# %% [markdown]
# Beat publishes whether anybody is there or not, and the worker begins its new life with all of the
# past: a **stampede**. After eight hours without workers it would be 28,800 checks, one behind the
# other, and whatever else is in that queue waits behind them.

# %%
display(lab.timeline_picture(model_gone), lab.timeline_table(model_gone))

# %% [markdown]
# ## 6. Change one setting
# A health check is worth nothing once the next one is due. Have none of the four run that came too
# late, and the first one as before: one setting of the messages. An entry of beat has it under
# `options`; here it is a field of the task type. Leave the faults and the horizon:
# `fresh = watch("fresh", task=health.but(…), faults=away, horizon_s=5.5)`.

# %% tags=["exercise"] name="fresh"
### BEGIN SOLUTION
fresh = watch("fresh", task=health.but(expires_s=1.0), faults=away, horizon_s=5.5)
### END SOLUTION

# %%
run_fresh = lab.run(fresh)
lab.counts(run_fresh)

# %% tags=["check"]
lab.check("only_fresh", run_fresh)

# %% [markdown]
# ## 7. A slow check
# The database has become slow: each check takes 2.5 s. There are eight processes, one beat, and the
# expiry of a second. **How many checks run side by side** after 5.25 s? This time the model is
# enough.

# %% tags=["exercise"] name="slow"
### BEGIN SOLUTION
at_once = 3
### END SOLUTION
third = lab.predict("How many checks run side by side?", at_once)

# %%
slow = health.but(service=lab.Deterministic(value_s=2.5), expires_s=1.0)
model_slow = lab.model(watch("slow", task=slow, n_processes=8, horizon_s=5.5))
third.against(model=lab.places(model_slow, 5.25).loc["running, no message left", "tasks"])

# %% tags=["check"]
lab.check("side_by_side", at_once, model_slow)

# %% [markdown]
# Nothing keeps a run from beginning while the last one still runs, and each asks the slow database.

# %% [markdown] tags=["solution"]
# Against the stampede only: each message of the past is dropped as it is read. Double checks are in
# time, both of them, and so are those that begin while the last one still runs. Against two beats:
# one replica, stopped before the next one starts, or a scheduler with a lock. Against runs side by
# side: a lock that the task takes, with a time limit so that a dead one does not hold it. And let
# the task stand it to run twice, for a lock may fail.

# %% tags=["wrong"] of="guess" check="twice" says="nothing keeps two beats apart"
checks = 3
guess = lab.predict("How many health checks are run with two beats?", checks)

# %% tags=["wrong"] of="again" check="stampede" says="does not know whether there is a worker"
ran = 1
second = lab.predict("How many of the five health checks are run?", ran)

# %% tags=["wrong"] of="fresh" check="only_fresh" says="still good by its expiry"
fresh = watch("fresh", task=health.but(expires_s=60.0), faults=away, horizon_s=5.5)
