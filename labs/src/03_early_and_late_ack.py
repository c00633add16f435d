# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.labs import Finding, Lab, check
from sandbox.metrics import measure

LAB = Lab(
    title="Early and late acknowledgement under a kill",
    question="A worker dies with tasks in its hands. Are they done, lost, or done twice?",
    minutes=15,
    is_deep=True,
    assumes=("01",),
    goals=(
        "say at which moment a message leaves the broker for good",
        "predict what a killed worker loses under each acknowledgement",
        "say what late acknowledgement costs, and what it does not promise",
    ),
    hints=(
        "The broker keeps a message until it is acknowledged. When does that happen by default?",
        "TaskType(acks_late=…) decides: before the work (False), or after it (True).",
        "TaskType(name='resize', service=…, acks_late=True), and all else as in `early`.",
    ),
    links={
        "Task.acks_late": "https://docs.celeryq.dev/en/stable/userguide/tasks.html#Task.acks_late",
        "Visibility timeout": "https://docs.celeryq.dev/en/stable/getting-started/"
        "backends-and-brokers/redis.html#visibility-timeout",
    },
    surprise="Most people expect all that the worker had to be lost, or none of it. What was "
    "running is lost; what it had only fetched is not.",
    closing="With late acknowledgement nothing was lost. What may happen to a task instead, and "
    "what must it therefore be able to stand?",
)


@check("what the dead worker was running is lost under early acknowledgement")
def early_loses(number, run):
    lost = [one.task for one in audit(run).of("lost")]
    return Finding(
        str(len(lost)),
        str(number),
        number == len(lost),
        where="the tasks " + ", ".join(lost) + " in lab.audit(early)",
        misconception="what was only fetched is not acknowledged yet, so it is not lost: only what "
        "was running is"
        if number > len(lost)
        else "early means before the work: a task that runs has no message any more",
    )


@check("under your settings the kill loses nothing")
def nothing_lost(run):
    found = audit(run)
    lost = [one.task for one in found.of("lost")]
    return Finding(
        "0 lost",
        f"{len(lost)} lost",
        not lost,
        where="the tasks " + ", ".join(lost),
        misconception="the message is still acknowledged before the work: nothing can bring it "
        "back after that",
    )


@check("what was running is begun twice under late acknowledgement")
def begun_twice(number, run):
    twice = measure(run).value("ran_twice")
    return Finding(
        f"{twice:g}",
        str(number),
        number == twice,
        where="the attempts of resize/4 … resize/7 in run_late.attempts",
        misconception="what had been fetched and not begun comes back too, but it is begun once"
        if number > twice
        else "no message says how far the work was: it begins again from the start",
    )


@check("the worker was killed all the same")
def still_killed(run):
    killed = [e for e in run.of_kind("worker_exited") if (e.detail or {}).get("signal") == 9]
    return Finding(
        "1 worker killed by signal 9",
        f"{len(killed)}",
        len(killed) == 1,
        where="run.of_kind('worker_exited')",
        misconception="a system that nothing happens to loses nothing either: leave the fault in",
    )


# %% [markdown]
# A worker has four processes. Twelve pictures wait to be resized, one second each. After one and
# a half seconds somebody kills the worker with `SIGKILL`; a second later it is started again. At
# the end an hour passes (it is skipped, not waited for).

# %%
from sandbox import lab

lab.lesson("03")

# %%
resize = lab.TaskType(name="resize", service=lab.Deterministic(value_s=1.0))
faults = (
    lab.KillWorker(worker="worker1", when=lab.At(at_s=1.5), back_after_s=1.0),
    lab.Skip(seconds=3600, when=lab.At(at_s=7.0)),
)
early = lab.Scenario(
    name="early",
    tasks=[resize],
    workers=[lab.WorkerPool(concurrency=4)],
    loads=[lab.Burst(task="resize", n=12)],
    faults=faults,
    horizon_s=12.0,
)

# %% [markdown]
# ## 1. Predict
# When the worker dies, four pictures are done, four are being resized, and four more are with the
# worker: it has fetched them, they wait for a free process. **How many of the twelve are lost?**
# Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
lost = 4
### END SOLUTION
guess = lab.predict("How many of the twelve pictures are lost?", lost)

# %% [markdown]
# ## 2. Ask the model

# %%
model = lab.model(early)
guess.against(model=lab.number("lost", model))

# %% [markdown]
# ## 3. Run real workers
# Real Celery workers, a real kill. It takes about ten seconds.

# %%
run = lab.run(early)
guess.against(model=lab.number("lost", model), measured=lab.number("lost", run))

# %% tags=["check"]
lab.check("early_loses", lost, run)

# %% [markdown]
# ## 4. Where your number was wrong
# By default Celery acknowledges a message *before* it runs the task. Four messages were
# acknowledged and their work was under way: nobody has them any more. The four that the worker had
# only fetched lay in Redis' hash `unacked`, and came back when they were older than the visibility
# timeout, one hour.

# %%
lab.counts(run)

# %% [markdown]
# ## 5. Change one setting
# Make the same kill lose nothing: **one** setting of the task type `resize`. Leave the kill in.

# %% tags=["exercise"] name="late"
### BEGIN SOLUTION
late = lab.Scenario(
    name="late",
    tasks=[lab.TaskType(name="resize", service=lab.Deterministic(value_s=1.0), acks_late=True)],
    workers=[lab.WorkerPool(concurrency=4)],
    loads=[lab.Burst(task="resize", n=12)],
    faults=faults,
    horizon_s=12.0,
)
### END SOLUTION

# %% [markdown]
# ## 6. Predict again
# Nothing is lost now. **How many pictures are begun twice?**

# %% tags=["exercise"] name="twice"
### BEGIN SOLUTION
twice = 4
### END SOLUTION
second = lab.predict("How many of the twelve pictures are begun twice?", twice)

# %%
model_late = lab.model(late)
run_late = lab.run(late)
second.against(
    model=lab.number("ran_twice", model_late), measured=lab.number("ran_twice", run_late)
)

# %% tags=["check"]
lab.check("nothing_lost", run_late)

# %% tags=["check"]
lab.check("still_killed", run_late)

# %% tags=["check"]
lab.check("begun_twice", twice, run_late)

# %% [markdown] tags=["solution"]
# It may be begun again although it had begun, and even ended: a worker can die between the end of
# the work and the acknowledgement. Late acknowledgement is *at least once*. So the task must be
# idempotent: what it does twice must be as if done once.

# %% tags=["wrong"] of="guess" check="early_loses" says="only fetched is not acknowledged"
lost = 8
guess = lab.predict("How many of the twelve pictures are lost?", lost)

# %% tags=["wrong"] of="guess" check="early_loses" says="has no message any more"
lost = 0
guess = lab.predict("How many of the twelve pictures are lost?", lost)

# %% tags=["wrong"] of="late" check="still_killed" says="leave the fault in"
late = lab.Scenario(
    name="late",
    tasks=[resize],
    workers=[lab.WorkerPool(concurrency=4)],
    loads=[lab.Burst(task="resize", n=12)],
    horizon_s=12.0,
)
