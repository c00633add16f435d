# %% tags=["lab"]
from sandbox.labs import Finding, Lab, check

LAB = Lab(
    title="Time limits that are ignored or swallowed",
    question="Each task has a time limit of a second. Why do some run on, and why does a customer "
    "get four messages?",
    minutes=10,
    assumes=("01", "03"),
    goals=(
        "say which pools know time limits, and which ignore them",
        "say what becomes of a message whose task met its hard limit",
        "predict what a soft limit does inside a task that catches every exception",
    ),
    hints=(
        "A limit that is to hold must be kept by somebody outside the task: who can end a process, "
        "and who can end a thread?",
        "The hard limit ends the process from outside; no `except` and no retry in it hears of it.",
        "safe = sms.but(soft_time_limit_s=None, time_limit_s=1.0)",
    ),
    links={
        "Time limits": "https://docs.celeryq.dev/en/stable/userguide/workers.html#time-limits",
        "Automatic retry": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#automatic-retry-for-known-exceptions",
    },
    surprise="Most people expect a limit to hold in every pool. With threads it stops nobody, and "
    "a soft limit is an exception like any other: what catches all of them catches it.",
    closing="A colleague fears to lose the reports that met their hard limit, and sets "
    "task_acks_on_failure_or_timeout = False beside acks_late. What becomes of one that always "
    "hangs?",
)
LIMITS = {"TimeLimitExceeded", "SoftTimeLimitExceeded"}


def begun(run):
    """How often each task was begun."""
    found = {event.task: 0 for event in run.of_kind("sent")}
    for event in run.of_kind("started"):
        found[event.task] += 1
    return found


def stopped_by_limit(run):
    """The tasks that a time limit has ended for good."""
    errors = [(e.task, (e.detail or {}).get("error", "")) for e in run.of_kind("failed")]
    return sorted({task for task, error in errors if error.partition(":")[0] in LIMITS})


def counted(found, number, where, *, low, high):
    meant = low if number < found else high
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many of the four reports the limit stops in threads")
def ignored(number, run):
    return counted(
        len(stopped_by_limit(run)),
        number,
        "lab.counts(run): done once, after three seconds",
        low="a number of reports is 0 at least",
        high="nothing can end a thread from outside, so the threads pool keeps no limit: it takes "
        "the setting and says nothing",
    )


@check("with your pool the limit stops all four reports")
def stopped(run):
    found, pool = stopped_by_limit(run), run.scenario.workers[0]
    return Finding(
        "4 of 4 stopped",
        f"{len(found)} of {len(begun(run))} stopped, in a {pool.pool} pool",
        len(found) == len(begun(run)) == 4,
        "lab.counts(run_stopped)",
        "a solo worker runs the task in its own main process: nobody is left to watch it"
        if pool.pool == "solo"
        else "there must be a process beside the worker's own that can be ended: prefork",
    )


@check("how many of the four reports are begun again after their hard limit")
def begun_again(number, run):
    return counted(
        sum(n > 1 for n in begun(run).values()),
        number,
        "run_stopped.of_kind('acked')",
        low="a number of reports is 0 at least",
        high="late acknowledgement comes after the end of the task, and a limit is an end: the "
        "report has failed, and its message is acknowledged",
    )


@check("how many messages one customer gets")
def messages(number, run):
    meant = "the soft limit is raised inside the task as an exception, and "
    meant += "autoretry_for=(Exception,) retries it as any other"
    return counted(
        max(begun(run).values()),
        number,
        "lab.journey(model_sms, 'sms/0')",
        low=meant,
        high="max_retries=3 is one attempt and three retries",
    )


@check("with your task type each customer gets one message, and the limit of 1 s holds")
def once(run):
    task, found, most = run.scenario.tasks[0], stopped_by_limit(run), max(begun(run).values())
    limits = [s for s in (task.soft_time_limit_s, task.time_limit_s) if s is not None]
    if not limits or min(limits) > 1.0:
        meant = "then a message that hangs keeps its process: leave it a limit of 1 s"
    elif most > 1 and task.time_limit_s is not None:
        meant = "each attempt has both limits for itself, and the soft one comes first each time: "
        meant += "the hard one is never met"
    elif most > 1:
        meant = "what catches every exception catches the soft limit, too, and tries again"
    else:
        meant = "the work is to hang as before, and to be ended by its limit"
    return Finding(
        "2 stopped by a limit of 1 s, begun once",
        f"{len(found)} stopped, begun up to {most} times, limits {limits or 'none'}",
        len(found) == len(begun(run)) == 2 and most == 1 and min(limits, default=9.0) <= 1.0,
        "retries and both limits of the task type; run_safe.attempts",
        meant,
    )


# %% [markdown]
# A report is written in no time, unless the database hangs: then it takes three seconds, which
# here stand for a night. So each has a hard **time limit** of a second. Four reports are
# sent, and all of them hang. The worker was started with `--pool threads`, since reports mostly
# wait. They are acknowledged late.

# %%
from sandbox import lab

lab.lesson("13")

# %%
report = lab.TaskType(
    name="report", service=lab.Deterministic(value_s=3.0), time_limit_s=1.0, acks_late=True
)


def night(n, kind, task, pool):
    """Return n tasks of one type, ``kind``, on one worker."""
    if ... in (task, pool):
        return ...  # not filled in yet
    return lab.Scenario(
        name=kind,
        tasks=[task],
        workers=[pool],
        loads=[lab.Burst(task=kind, n=n)],
        horizon_s=1.0,
    )


threads = night(4, "report", report, lab.WorkerPool(pool="threads", concurrency=4))

# %% [markdown]
# ## 1. Predict
# **How many of the four reports does the limit stop?** Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
n_stopped = 0
### END SOLUTION
guess = lab.predict("How many of the four reports does the limit stop?", n_stopped)

# %% [markdown]
# ## 2. Ask the model, then real workers

# %%
model, run = lab.model(threads), lab.run(threads)
guess.against(model=lab.number("failed", model), measured=lab.number("failed", run))

# %% tags=["check"]
lab.check("ignored", n_stopped, run)

# %% [markdown]
# ## 3. Where your number was wrong
# A hard limit is kept by the worker's main process: it kills the process that runs the task, and
# starts a new one. It cannot kill a thread. Celery takes the setting, and does not say that it
# will not keep it.

# %%
lab.counts(run)

# %% [markdown]
# ## 4. Change one setting
# Choose a pool, `lab.WorkerPool(pool=…)`, in which the limit stops all four.

# %% tags=["exercise"] name="pool"
### BEGIN SOLUTION
pool = lab.WorkerPool(pool="prefork", concurrency=4)
### END SOLUTION

# %% [markdown]
# The reports are acknowledged late, so that none is lost when its process dies. Now the limit kills
# four processes. **How many of the four reports are begun again?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
n_again = 0
### END SOLUTION
second = lab.predict("How many of the four reports are begun again?", n_again)

# %%
stopped = night(4, "report", report, pool)
model_stopped, run_stopped = lab.model(stopped), lab.run(stopped)
second.against(
    model=lab.number("ran_twice", model_stopped), measured=lab.number("ran_twice", run_stopped)
)

# %% tags=["check"]
lab.check("stopped", run_stopped)

# %% tags=["check"]
lab.check("begun_again", n_again, run_stopped)

# %% [markdown]
# The main process has killed them itself. It knows how they ended: each has failed, with
# `TimeLimitExceeded`, and its message is acknowledged. Nothing brings it back.

# %%
lab.counts(run_stopped)

# %% [markdown]
# ## 5. The other limit
# A hard limit leaves a task no time to clean up. A **soft** one does: it is raised inside the task.
# This task sends a text message and then waits two seconds for the receipt; its soft limit is
# a second, and it has `autoretry_for=(Exception,)` with three retries at most. Two customers are
# sent one message each. **How many messages does each of them get?**

# %%
sms = lab.TaskType(
    name="sms",
    service=lab.Deterministic(value_s=2.0),
    soft_time_limit_s=1.0,
    retries=[lab.AutoRetry(max_retries=3, countdown_s=0.0)],
)

# %% tags=["exercise"] name="sms"
### BEGIN SOLUTION
n_messages = 4
### END SOLUTION
third = lab.predict("How many messages does each customer get?", n_messages)

# %%
eager = night(2, "sms", sms, lab.WorkerPool(concurrency=2))
model_sms, run_sms = lab.model(eager), lab.run(eager)
third.against(
    model=lab.number("attempts_per_task", model_sms),
    measured=lab.number("attempts_per_task", run_sms),
)

# %% tags=["check"]
lab.check("messages", n_messages, run_sms)

# %% [markdown]
# `SoftTimeLimitExceeded` is an `Exception`. What catches all of them catches it: `autoretry_for`,
# or an `except Exception` in the task. So the limit that was to free the process after one second
# freed it after four, and four messages were sent.

# %%
display(lab.timeline_picture(model_sms), lab.timeline_table(model_sms))

# %% [markdown]
# ## 6. Change the task type
# The work hangs as before. Let each customer get **one** message, and let the process be free after
# a second.

# %% tags=["exercise"] name="safe"
### BEGIN SOLUTION
safe = sms.but(soft_time_limit_s=None, time_limit_s=1.0)
### END SOLUTION

# %%
run_safe = lab.run(night(2, "sms", safe, lab.WorkerPool(concurrency=2)))
lab.counts(run_safe)

# %% tags=["check"]
lab.check("once", run_safe)

# %% [markdown]
# Without `retries` it would do, too. In code of your own you keep both: catch
# `SoftTimeLimitExceeded` before every other exception, or name it in `dont_autoretry_for`, and set
# a hard limit some seconds above, for what does not listen.

# %% [markdown] tags=["solution"]
# Its message goes back into the queue each time, without a count: the report is begun again, hangs,
# is killed, and so on for ever, and its process does nothing else. A report that met its limit has
# failed; to try it again is a decision, with a number of attempts.

# %% tags=["wrong"] of="guess" check="ignored" says="keeps no limit"
n_stopped = 4
guess = lab.predict("How many of the four reports does the limit stop?", n_stopped)

# %% tags=["wrong"] of="sms" check="messages" says="raised inside the task"
n_messages = 1
third = lab.predict("How many messages does each customer get?", n_messages)

# %% tags=["wrong"] of="safe" check="once" says="the hard one is never met"
safe = sms.but(time_limit_s=1.5)
