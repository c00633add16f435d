# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check

LAB = Lab(
    title="Deploys: warm, cold and soft",
    question="Each deploy stops the worker politely and starts a new one. Why are there tasks "
    "missing after it, and others an hour late?",
    minutes=15,
    assumes=("01", "03"),
    goals=(
        "say what a warm, a soft and a cold shutdown do to running and to fetched tasks",
        "predict what a grace period that is too short loses, and what it delays",
        "choose signal, grace and acknowledgement for tasks that outlast the grace",
    ),
    hints=(
        "Only a worker that comes to its own end gives back what it holds. Which way to stop lets "
        "it come there in time?",
        "A cold shutdown cancels what runs and gives its message back, if there still is one. When "
        "is there one?",
        "quick = deploy('quick', cold, acks_late=True)",
    ),
    links={
        "Worker shutdown": "https://docs.celeryq.dev/en/stable/userguide/workers.html"
        "#worker-shutdown",
        "worker_soft_shutdown_timeout": "https://docs.celeryq.dev/en/stable/userguide/"
        "configuration.html#worker-soft-shutdown-timeout",
    },
    surprise="Most people expect that a worker which was asked to end first gives back what it has "
    "not done. It does so at its exit: a kill after the grace comes before that.",
    closing="A worker runs nothing, and holds two hundred reminders, due in twenty minutes. "
    "When do they come, after a deploy with a kill, after a warm one, after a cold one?",
)
N, GRACE_S, COLD_S = 4, 1.75, 1.0


def ended(run):
    """The tasks by verdict; an error where they are not those that the lab sends."""
    found = audit(run)
    if len(found.tasks) != N:
        raise LabError(f"{N} pictures are to be sent, and it was {len(found.tasks)}")
    return found


def deployed(run):
    """How often a worker came back."""
    exits = [e.t_s for e in run.of_kind("worker_exited")]
    return sum(e.t_s > min(exits) for e in run.of_kind("worker_ready")) if exits else 0


def n_killed(run):
    return sum((e.detail or {}).get("signal") == 9 for e in run.of_kind("worker_exited"))


def n_done(run):
    return sum(one.n_succeeded > 0 for one in ended(run).tasks.values())


def n_twice(run):
    return sum(one.n_started > 1 for one in ended(run).tasks.values())


def counted(found, number, where, *, low, high):
    meant = low if number < found else high
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many pictures are done after the deploy with the short grace")
def short(number, run):
    return counted(
        n_done(run),
        number,
        "lab.counts(run)",
        low="count those that the new worker does, too",
        high="it was killed before its exit: what ran was acknowledged and is lost, what it had "
        "fetched waits in `unacked` for the visibility timeout, and the new worker gets neither",
    )


@check("with your grace nothing is killed, and all pictures are done at once")
def warm_enough(run):
    done, n_warm = n_done(run), sum(fault.kind == "deploy" for fault in run.scenario.faults)
    return Finding(
        f"{N} done, 1 warm shutdown, 0 kills",
        f"{done} done, {n_warm} warm shutdown, {n_killed(run)} kills",
        done == N and n_warm == 1 and deployed(run) == 1 and not n_killed(run),
        "run_patient.of_kind('worker_exited')",
        "the grace is shorter than what runs: it must outlast the longest task, and the exit"
        if n_killed(run)
        else "deploy('patient', warm(…)): a grace is to be chosen, and nothing else",
    )


@check("how many messages the worker gives back at its exit")
def given_back(number, run):
    return counted(
        len({event.task for event in run.of_kind("restored")}),
        number,
        "run_patient.of_kind('restored')",
        low="it had fetched two beside the two that ran; a warm shutdown begins none of them",
        high="it was killed before its exit, and so gives nothing back: choose the grace first"
        if n_killed(run)
        else "what runs is finished, and what is still in the queue was never with the worker",
    )


@check("within the platform's grace nothing is lost, and nothing waits for an hour")
def in_time(run):
    lost, done = len(ended(run).of("lost")), n_done(run)
    soft_s = run.scenario.workers[0].soft_shutdown_timeout_s
    graces = [fault.grace_s for fault in run.scenario.faults if fault.kind == "deploy"]
    fits = soft_s + COLD_S <= GRACE_S and max(graces, default=0.0) <= GRACE_S
    if not deployed(run):
        meant = "without a deploy nothing is lost either: stop the worker"
    elif not fits:
        meant = f"the platform kills {GRACE_S} s after the signal, and does not wait for what runs"
    elif graces:
        meant = "a warm shutdown waits for what runs, and this does not end within the grace"
    elif lost:
        meant = "what was cancelled had been acknowledged before it began: there is no message to "
        meant += "give back"
    else:
        meant = "the run was over too early: leave ends_s as it is"
    return Finding(
        f"{N} done, 0 lost, the worker's exit within {GRACE_S} s",
        f"{done} done, {lost} lost, {deployed(run)} deploy; "
        f"{'within' if fits else 'beyond'} {GRACE_S} s",
        done == N and fits and deployed(run) == 1,
        "lab.counts(run_quick); acks_late of deploy(…)",
        meant,
    )


@check("how many pictures are begun twice")
def begun_twice(number, run):
    return counted(
        n_twice(run),
        number,
        "run_quick.of_kind('started')",
        low="what was cancelled begins again from the start: its message says nothing of how far "
        "it was",
        high="what had not begun before the signal begins once, on the new worker",
    )


# %% [markdown]
# A platform (Docker, Kubernetes, systemd) stops a worker with `SIGTERM`. If it is still there after
# a **grace period**, it is killed with `SIGKILL`; then the new one is started. Docker's grace is
# 10 s. Here it is 1.75 s, and to resize a picture takes 3 s, which stand for the report of a
# minute. Four pictures are sent, acknowledged early: two run, and two more are with the worker,
# fetched and not begun. Half a second later the deploy begins.

# %%
from sandbox import lab
from sandbox.faults.deploy import Deploy
from sandbox.faults.quit_worker import QuitWorker
from sandbox.faults.start_worker import StartWorker

lab.lesson("14")

# %%
both_run = lab.OnEvent(event="started", nth=2, after_s=0.5)
exited = lab.OnEvent(event="worker_exited", after_s=0.2)
cold = (QuitWorker(worker="worker1", when=both_run), StartWorker(worker="worker1", when=exited))


def warm(grace_s):
    """Return a deploy: SIGTERM, after ``grace_s`` seconds SIGKILL, then a new worker."""
    return (Deploy(grace_s=grace_s, when=both_run),)


def deploy(name, stop, acks_late=False, soft_s=0.0, ends_s=20.0):
    """Return four pictures, of which two run and two are fetched when their worker is stopped."""
    picture = lab.TaskType(
        name="resize", service=lab.Deterministic(value_s=3.0), acks_late=acks_late
    )
    worker = lab.WorkerPool(concurrency=2, prefetch_multiplier=1, soft_shutdown_timeout_s=soft_s)
    return lab.Scenario(
        name=name,
        tasks=[picture],
        workers=[worker],
        loads=[lab.Burst(task="resize", n=4)],
        faults=stop,
        horizon_s=1.0,
        deadline_s=ends_s,
    )


hasty = deploy("hasty", warm(grace_s=1.75), ends_s=6.0)

# %% [markdown]
# ## 1. Predict
# The new worker is there within a second and has nothing else to do. **How many of the four
# pictures are done after six seconds?** Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
done = 0
### END SOLUTION
guess = lab.predict("How many of the four pictures are done after the deploy?", done)

# %% [markdown]
# ## 2. Ask the model, then real workers

# %%
model, run = lab.model(hasty), lab.run(hasty)
guess.against(model=lab.number("done", model), measured=lab.number("done", run))

# %% tags=["check"]
lab.check("short", done, run)

# %% [markdown]
# ## 3. Where your number was wrong
# `SIGTERM` is a **warm shutdown**: the worker begins nothing more, finishes what runs, and gives
# back the rest *at its exit*. It did not come to its exit. For the messages it was a kill, as in
# lab 03: what ran is lost, what was fetched waits in `unacked` for the visibility timeout, an hour.

# %%
lab.counts(run)

# %% [markdown]
# ## 4. Change one setting
# Choose a grace with which all four are done: `patient = deploy("patient", warm(grace_s=…))`.

# %% tags=["exercise"] name="patient"
### BEGIN SOLUTION
patient = deploy("patient", warm(grace_s=10.0))
### END SOLUTION

# %% [markdown]
# **How many messages does the old worker give back?**

# %% tags=["exercise"] name="back"
### BEGIN SOLUTION
n_back = 2
### END SOLUTION
second = lab.predict("How many messages does the old worker give back?", n_back)

# %%
model_patient, run_patient = lab.model(patient), lab.run(patient)
second.against(
    model=lab.number("redelivered", model_patient),
    measured=lab.number("redelivered", run_patient),
)

# %% tags=["check"]
lab.check("warm_enough", run_patient)

# %% tags=["check"]
lab.check("given_back", n_back, run_patient)

# %% [markdown]
# No hour, no visibility timeout: what a worker gives back is first in the queue at once. With two
# workers the deploy rolls: the second is stopped when the first one's successor is ready.

# %%
two = lab.WorkerPool(n_workers=2, concurrency=2, prefetch_multiplier=1)
rolling = deploy("rolling", warm(grace_s=10.0)).but(
    workers=[two], loads=[lab.Burst(task="resize", n=12)]
)
model_rolling = lab.model(rolling)
display(lab.timeline_picture(model_rolling), lab.timeline_table(model_rolling))

# %% [markdown]
# ## 5. When the platform does not wait
# `SIGQUIT` is a **cold shutdown**: the worker cancels what runs, gives back what it holds, and
# exits about a second later, whatever the tasks do. (`REMAP_SIGTERM=SIGQUIT` has it do so at
# `SIGTERM`.) A **soft shutdown** lets what runs go on for `worker_soft_shutdown_timeout` before
# that. By the model, with the time from the signal to the exit:

# %%
for stop, soft_s, grace in [
    (warm(1.75), 0.0, "warm, grace 1.75"),
    (warm(10.0), 0.0, "warm, grace 10"),
    (cold, 0.0, "cold"),
    (cold, 4.0, "soft 4, then cold"),
]:
    early = lab.model(deploy("early", stop, soft_s=soft_s))
    begun_s = early.of_kind("started")[1].t_s + 0.5
    took_s = early.of_kind("worker_exited")[0].t_s - begun_s
    told = ", ".join(f"{lab.number(name, early):g} {name}" for name in ("done", "lost", "stuck"))
    print(f"{grace:<18} {told}; out after {took_s:.1f} s")

# %% [markdown]
# That is early acknowledgement. Your platform kills after 1.75 s, and will not wait. Have all four
# pictures done, none lost and none an hour late: `quick = deploy("quick", …)` with a stop (`cold`
# or `warm(…)`) and, if you want, `acks_late=True` or `soft_s=…`.

# %% tags=["exercise"] name="quick"
### BEGIN SOLUTION
quick = deploy("quick", cold, acks_late=True)
### END SOLUTION

# %% [markdown]
# **How many of the four are begun twice?**

# %% tags=["exercise"] name="twice"
### BEGIN SOLUTION
n_twice = 2
### END SOLUTION
third = lab.predict("How many of the four pictures are begun twice?", n_twice)

# %%
model_quick, run_quick = lab.model(quick), lab.run(quick)
third.against(
    model=lab.number("ran_twice", model_quick), measured=lab.number("ran_twice", run_quick)
)

# %% tags=["check"]
lab.check("in_time", run_quick)

# %% tags=["check"]
lab.check("begun_twice", n_twice, run_quick)

# %% [markdown]
# The best deploy is still the one that waits: a grace above the longest task. Where tasks are
# longer than any grace, stop cold, acknowledge late, and have tasks that may begin again.

# %% [markdown] tags=["solution"]
# They are in the worker's memory, and their messages in `unacked`, whatever the acknowledgement.
# After a kill they wait there for the visibility timeout: they come after an hour, forty minutes
# late. After a warm or a cold shutdown they are back in the queue at once, the new worker holds
# them for the time that is left, and they come on time.

# %% tags=["wrong"] of="guess" check="short" says="killed before its exit"
done = 4
guess = lab.predict("How many of the four pictures are done after the deploy?", done)

# %% tags=["wrong"] of="patient" check="warm_enough" says="shorter than what runs"
patient = deploy("patient", warm(grace_s=1.5), ends_s=6.0)

# %% tags=["wrong"] of="quick" check="in_time" says="acknowledged before it began"
quick = deploy("quick", cold)
