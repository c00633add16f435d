# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check

MAILS, MOST, ENDS_S = 8, 2, 16.0
LAB = Lab(
    title="The poison pill",
    question="One file kills each process that parses it. When does Celery stop trying?",
    minutes=10,
    assumes=("01", "03"),
    goals=(
        "say what becomes of a task whose process dies, under three settings",
        "recognise a task that goes round without end, and what it takes from the others",
        "bound it, and say what the bound does not count",
    ),
    hints=(
        "Celery 5.7 has a setting for a lost process that counts: it is a *retry*.",
        "retry_on_worker_lost=True counts up to max_retries, and waits default_retry_delay_s "
        "before each retry: 180 s, if you do not say otherwise.",
        'pills("mended", retry_on_worker_lost=True, max_retries=1, default_retry_delay_s=0.2)',
    ),
    links={
        "task_reject_on_worker_lost": "https://docs.celeryq.dev/en/stable/userguide/"
        "configuration.html#task-reject-on-worker-lost",
        "Task.max_retries": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#Task.max_retries",
    },
    surprise="Most people expect late acknowledgement to run the task again when its process dies. "
    "It is run once and is FAILURE. With reject_on_worker_lost it is run again, without end.",
    closing="What you have set counts how often a *process* was lost. Another file takes the whole "
    "worker down each time, main process and all. What counts that, and how would you bound it?",
)


def n_begun(run):
    """How often the file was begun; an error where it, or the mails, were changed."""
    accounts = audit(run).tasks
    if sorted(accounts) != sorted(["parse/0", *(f"mail/{n}" for n in range(MAILS))]):
        raise LabError(f"1 file and {MAILS} mails are to be sent: leave the loads as they are")
    if run.scenario.task("parse").crash != "child":
        raise LabError("the file is to kill its process each time: leave crash='child' as it is")
    return accounts["parse/0"].n_started


@check("how often the file is begun under late acknowledgement alone")
def once(number, run):
    n = n_begun(run)
    return Finding(
        str(n),
        str(number),
        number == n,
        where=f"lab.journey(run, 'parse/0'): {audit(run).account('parse/0').verdict}",
        misconception="the main process lives: it sees its child die, notes FAILURE, and "
        "acknowledges the message; nothing is left to run again"
        if number > n
        else "the message is there, and a process begins it",
    )


@check("how many of the nine tasks have a result under reject_on_worker_lost")
def endless(number, run):
    n_begun(run)
    found = audit(run)
    ended = [name for name, one in found.tasks.items() if one.verdict in {"done once", "failed"}]
    return Finding(
        str(len(ended)),
        str(number),
        number == len(ended),
        where=f"parse/0: {found.account('parse/0').verdict}; {found.account('parse/0').where}",
        misconception="rejected is not failed: the message goes back to its queue, and nobody "
        "counts how often"
        if number > len(ended)
        else "the message goes to the back of its queue: the mails have their turns between",
    )


def unbounded(run, n):
    """Why a run of the learner's is not what was asked for: what is probably believed."""
    kind = run.scenario.task("parse")
    most, delay_s = kind.lost_max_retries, kind.default_retry_delay_s
    if not kind.retry_on_worker_lost and kind.reject_on_worker_lost:
        meant = "reject_on_worker_lost counts nothing: max_retries is for retries, and this is none"
    elif not kind.retry_on_worker_lost:
        meant = "that is no second chance: nothing brings the file back once its process has died"
    elif most + 1 > MOST or n > MOST:
        meant = f"max_retries counts retries, and the first attempt is none: {most} + 1 attempts"
    elif most + 1 < MOST:
        meant = f"max_retries={most} allows no retry: there is one attempt, and no other"
    elif run.scenario.ends_by_s > ENDS_S:
        meant = "it is to fail within 16 seconds: leave deadline_s as it is"
    elif delay_s > 1:
        meant = f"each retry waits default_retry_delay_s, {delay_s:g} s: the run was over before"
    else:
        meant = "the mails and the file are to be as they were: change the file's settings only"
    return meant


@check("with your settings the file is begun twice, then fails, and the mails are done")
def bounded(run):
    n, found = n_begun(run), audit(run)
    verdict, done = found.account("parse/0").verdict, found.counts()["done once"]
    return Finding(
        f"times begun: {MOST}; the file failed, {MAILS} mails done once, within {ENDS_S:g} s",
        f"times begun: {n}; the file {verdict}, {done} mails done once, within "
        f"{run.scenario.ends_by_s:g} s",
        (n, verdict, done) == (MOST, "failed", MAILS) and run.scenario.ends_by_s <= ENDS_S,
        where="lab.journey(run_mended, 'parse/0')",
        misconception=unbounded(run, n),
    )


# %% [markdown]
# A worker with two processes sends mails and parses files. One file is **poison**: parsing it takes
# so much memory that the kernel kills the process, each time, after 0.3 s. (`crash="child"` does
# what the kernel would: `SIGKILL`.) Eight harmless mails are sent with it. All tasks are
# acknowledged late.

# %%
from sandbox import lab

lab.lesson("06")


# %%
def pills(name, deadline_s=16.0, **settings):
    """Return eight mails and one poisoned file; the settings are those of the file."""
    parse = lab.TaskType(
        name="parse",
        service=lab.Deterministic(value_s=0.3),
        crash="child",
        acks_late=True,
        **settings,
    )
    mail = lab.TaskType(name="mail", service=lab.Deterministic(value_s=0.1), acks_late=True)
    return lab.Scenario(
        name=name,
        tasks=[parse, mail],
        workers=[lab.WorkerPool(concurrency=2)],
        loads=[lab.Burst(task="parse", n=1), lab.Burst(task="mail", n=8)],
        horizon_s=3.0,
        deadline_s=deadline_s,
    )


def n_begun(run):
    """Return how often the file was begun."""
    return sum(e.task == "parse/0" for e in run.of_kind("started"))


# %% [markdown]
# ## 1. Predict
# The message is acknowledged after the work, and the process dies before. **How often is the file
# begun?** Write your number down.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
begun = 1
### END SOLUTION
guess = lab.predict("How often is the file begun?", begun)

# %% [markdown]
# ## 2. Ask the model, then real workers
# Three to six seconds: the main process looks after its processes every five seconds, and may see
# sooner that one is gone.

# %%
late = pills("late")
model = lab.model(late)
guess.against(model=n_begun(model))

# %%
run = lab.run(late)
guess.against(model=n_begun(model), measured=n_begun(run))

# %% tags=["check"]
lab.check("once", begun, run)

# %% [markdown]
# ## 3. Where your number was wrong
# Lab 03 killed the whole worker, and its messages came back. Here only a child dies. The main
# process lives, sees it, notes FAILURE, and **acknowledges** the message.

# %%
lab.journey(model, "parse/0")

# %% [markdown]
# A process may also die by chance, and then another attempt would do. For that there is
# `reject_on_worker_lost=True`: the message goes back to its queue.

# %% [markdown]
# ## 4. Predict again
# The same nine tasks with `reject_on_worker_lost=True` for the file. We look for six and a half
# seconds. **How many of the nine tasks have a result then, good or bad?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
with_result = 8
### END SOLUTION
second = lab.predict("How many of the nine tasks have a result?", with_result)


# %%
def n_ended(run):
    """Return how many tasks have a result."""
    return lab.number("done", run) + lab.number("failed", run)


loop = pills("loop", deadline_s=6.5, reject_on_worker_lost=True)
model_loop = lab.model(loop)
run_loop = lab.run(loop)
second.against(model=n_ended(model_loop), measured=n_ended(run_loop))

# %% tags=["check"]
lab.check("endless", with_result, run_loop)

# %%
print("the file was begun again:", n_begun(run_loop) > 1)
lab.counts(run_loop)

# %% [markdown]
# *Stuck*: no result, and still somewhere. The file kills a process, goes to the back of the queue,
# is taken again, kills the next one. Nothing fails, no result is stored, nobody is told. By the
# model, if nobody looks for an hour:

# %%
for n_files in (1, 2):
    files = [lab.Burst(task="parse", n=n_files)]
    hour = pills("hour", deadline_s=3600.0, reject_on_worker_lost=True).but(loads=files)
    model_hour = lab.model(hour)
    print(
        f"{n_files} of them: begun {lab.number('executions', model_hour):.0f} times, "
        f"{lab.number('utilisation', model_hour):.0%} of the worker taken"
    )

# %% [markdown]
# One message has one of the two processes nearly all the time: dying, or dead and not yet replaced.
# Two of them leave hardly anything for the mails.

# %% [markdown]
# ## 5. Change the settings
# A process may have died by chance, so the file deserves a second attempt; it does not deserve a
# thousand. Have the file begun **twice**, then fail for good, within 16 seconds. The mails are to
# be done.
# Fill in settings of the file: `mended = pills("mended", …)`.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
mended = pills("mended", retry_on_worker_lost=True, max_retries=1, default_retry_delay_s=0.2)
### END SOLUTION

# %%
run_mended = lab.run(mended)
lab.counts(run_mended)

# %% tags=["check"]
lab.check("bounded", run_mended)

# %% [markdown] tags=["solution"]
# Nothing in Celery counts it. A main process that is dead writes no retry: the message stays in
# `unacked`, and comes back after the visibility timeout, as in lab 03, with the same number of
# retries as before. So count for yourself, where it survives: increment a number in Redis before
# the body begins, under the task's id, and fail for good above two.
# `sandbox.patterns.lost_worker.BoundedStarts` is a task class that does so, for both kinds of
# death. And keep what has failed for good where somebody looks.

# %% tags=["wrong"] of="guess" check="once" says="sees its child die"
begun = 2
guess = lab.predict("How often is the file begun?", begun)

# %% tags=["wrong"] of="again" check="endless" says="rejected is not failed"
with_result = 9
second = lab.predict("How many of the nine tasks have a result?", with_result)

# %% tags=["wrong"] of="mended" check="bounded" says="each retry waits"
mended = pills("mended", retry_on_worker_lost=True, max_retries=1)
