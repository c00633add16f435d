# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.moments import n_in, states_of

ASKS = ("mail/0", "offer/0", "note/0", "report/0", "night/0", "mail/99")
LAB = Lab(
    title="Why is my task PENDING",
    question="A task has been PENDING for an hour. Is it waiting?",
    minutes=10,
    assumes=("01",),
    goals=(
        "name four reasons for which Celery says PENDING for ever",
        "find the task that waits in a queue which no worker takes from, and mend that",
        "say what PENDING means",
    ),
    hints=(
        "Celery keeps no list of tasks. What does it look up when you ask for an id?",
        "PENDING is the answer when there is no result: not begun, or none kept, or no such task.",
        'WorkerPool(queues=("celery", "reports")) as the first worker, and all else as in `six`.',
    ),
    links={
        "PENDING": "https://docs.celeryq.dev/en/stable/userguide/tasks.html#pending",
        "Routing tasks": "https://docs.celeryq.dev/en/stable/userguide/routing.html",
        "Task.ignore_result": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#Task.ignore_result",
    },
    surprise="Most people expect PENDING of the two or three tasks that wait. Celery says it of a "
    "task that is done, and of one that nobody has ever sent, too.",
    closing="Your API shows “waiting” for a task while Celery says PENDING. For which of the "
    "six ids is that wrong, and what would you keep so that it could be right?",
)


def told(run, ids=ASKS):
    return ", ".join(f"{one} {state}" for one, state in states_of(run, ids).items())


@check("of how many of the six ids Celery says PENDING at the end")
def n_pending(number, run):
    found = n_in("PENDING", run, ASKS)
    return Finding(
        str(found),
        str(number),
        number == found,
        where=told(run),
        misconception="not only what waits is PENDING: so is whatever has no result, be it done "
        "without one or never sent"
        if number < found
        else "what was done and keeps its result is SUCCESS, and what a worker has dropped since "
        "it had expired is REVOKED",
    )


_WHY = {
    "mail": "that one is done, and says so",
    "offer": "a worker has read that one, too late, and dropped it: REVOKED",
    "note": "that one was run; it keeps no result, so it stays PENDING whoever works",
    "night": "that queue has had a worker, the owl, which was killed",
}


@check("which task is in a queue that no worker has ever taken from")
def unconsumed(task, run):
    accounts = audit(run).tasks
    kind = str(task).rpartition("/")[0]
    if task == "mail/99":
        why = "nobody has sent that one: it is in no queue"
    elif task in accounts:
        why = _WHY.get(kind, "")
    else:
        why = "write one of the six ids, in quotes, such as 'mail/0'"
    where = accounts[task].where if task in accounts else "lab.audit(run).to_frame()"
    return Finding(
        "the id of the task whose queue is in no worker's queues",
        repr(task),
        task == "report/0",
        where=where,
        misconception=why,
    )


@check("with your setting the report is done once, and the rest is as it was")
def report_done(run):
    if "report/0" not in audit(run).tasks:
        raise LabError("the report is not among what is sent: leave the loads as they are")
    before = {"mail/0": "SUCCESS", "offer/0": "REVOKED", "note/0": "PENDING", "night/0": "PENDING"}
    found = states_of(run, ("report/0", *before))
    changed = [one for one, state in before.items() if found[one] != state]
    verdict = audit(run).account("report/0").verdict
    queue = run.scenario.task("report").queue
    if changed:
        meant = f"{', '.join(changed)} changed as well: one setting, and only the report's fate"
    elif queue != "reports":
        meant = "the report waits for mails in their queue now: leave its route, add its queue"
    else:
        meant = "a worker takes from its own queues only: who has the queue 'reports'?"
    return Finding(
        "report/0 done once, routed to 'reports'; the others as before",
        f"report/0 {verdict}, routed to {queue!r}; {len(changed)} others changed",
        verdict == "done once" and queue == "reports" and not changed,
        where=f"report/0: {audit(run).account('report/0').where}",
        misconception=meant,
    )


@check("of how many ids Celery says PENDING with your setting")
def n_pending_again(number, run):
    found = n_in("PENDING", run, ASKS)
    return Finding(
        str(found),
        str(number),
        number == found,
        where=told(run),
        misconception="one more worker's queue is one more result, and no other id has changed"
        if number > found
        else "what keeps no result, what waits for a dead worker, what was never sent: these stay",
    )


# %% [markdown]
# Somebody asks why tasks are PENDING. Five tasks of five types are sent:
#
# - `mail`: 1.5 seconds of work
# - `offer`: sent with `expires` = 0.5 s while the mail runs
# - `note`: with `ignore_result`
# - `report`: routed to the queue `reports`
# - `night`: routed to the queue `nightly`, whose worker, the owl, was killed before
#
# After four seconds a program asks Celery for six ids: `app.AsyncResult(id).state`. The sixth,
# `mail/99`, was never sent.

# %%
from sandbox import lab

lab.lesson("02")

# %%
tasks = [
    lab.TaskType(name="mail", service=lab.Deterministic(value_s=1.5)),
    lab.TaskType(name="offer", expires_s=0.5),
    lab.TaskType(name="note", ignore_result=True),
    lab.TaskType(name="report", queue="reports"),
    lab.TaskType(name="night", queue="nightly"),
]
loads = [
    lab.Burst(task="mail", n=1),
    lab.Burst(task="offer", n=1, at_s=0.3),
    lab.Burst(task="note", n=1, at_s=0.3),
    lab.Burst(task="report", n=1, at_s=0.3),
    lab.Burst(task="night", n=1, at_s=1.5),
]
owl = lab.WorkerPool(name="owl", queues=("nightly",))
faults = [lab.KillWorker(worker="owl1", when=lab.At(at_s=0.5))]
six = lab.Scenario(
    name="six",
    tasks=tasks,
    queues=("celery", "reports", "nightly"),
    workers=[lab.WorkerPool(), owl],
    loads=loads,
    faults=faults,
    horizon_s=2.0,
    deadline_s=4.0,
)
asks = ["mail/0", "offer/0", "note/0", "report/0", "night/0", "mail/99"]

# %% [markdown]
# ## 1. Predict
# **For how many of the six ids does Celery say PENDING?**

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
pending = 4
### END SOLUTION
guess = lab.predict("Of how many of the six does Celery say PENDING?", pending)

# %% [markdown]
# ## 2. Ask the model, then real workers
# About eight seconds.

# %%
model = lab.model(six)
guess.against(model=lab.n_in("PENDING", model, asks))

# %%
run = lab.run(six, asks=asks)
guess.against(model=lab.n_in("PENDING", model, asks), measured=lab.n_in("PENDING", run, asks))

# %% tags=["check"]
lab.check("n_pending", pending, run)

# %% [markdown]
# ## 3. Where your number was wrong
# Celery looks for a result under the id. PENDING is what it says when there is none.

# %%
lab.states(run, asks)

# %% [markdown]
# The note is done, and kept no result. `mail/99` does not exist. Two tasks do wait, and will wait
# for ever: no error, no line in a log. **Which of them is in a queue that no worker has ever taken
# from?** Write its id, in quotes. (`lab.audit(run).to_frame()` tells where each task is.)

# %% tags=["exercise"] name="which"
### BEGIN SOLUTION
forgotten = "report/0"
### END SOLUTION

# %% tags=["check"]
lab.check("unconsumed", forgotten, run)

# %% [markdown]
# ## 4. Change one setting
# A route makes a queue, and nothing makes a worker take from it. Have that task done: **one**
# setting of the first worker. Leave the routes, the loads and the fault.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
mended = lab.Scenario(
    name="mended",
    tasks=tasks,
    queues=("celery", "reports", "nightly"),
    workers=[lab.WorkerPool(queues=("celery", "reports")), owl],
    loads=loads,
    faults=faults,
    horizon_s=2.0,
    deadline_s=4.0,
)
### END SOLUTION

# %% [markdown]
# ## 5. Predict again
# **For how many of the six does Celery say PENDING now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
pending_now = 3
### END SOLUTION
second = lab.predict("Of how many of the six does Celery say PENDING now?", pending_now)

# %%
model_mended = lab.model(mended)
run_mended = lab.run(mended, asks=asks)
second.against(
    model=lab.n_in("PENDING", model_mended, asks),
    measured=lab.n_in("PENDING", run_mended, asks),
)

# %% tags=["check"]
lab.check("report_done", run_mended)

# %% tags=["check"]
lab.check("n_pending_again", pending_now, run_mended)

# %% [markdown] tags=["solution"]
# It is right for two: `report/0` and `night/0` wait, if in vain. It is wrong for the note, which is
# done, and for `mail/99`, which does not exist. PENDING means *unknown*. Keep a table of your own
# with the ids that you have sent, and let the task write there that it has begun and ended: then
# an unknown id is an error, and a task that waits too long can be seen.

# %% tags=["wrong"] of="guess" check="n_pending" says="not only what waits is PENDING"
pending = 2
guess = lab.predict("Of how many of the six does Celery say PENDING?", pending)

# %% tags=["wrong"] of="which" check="unconsumed" says="which was killed"
forgotten = "night/0"

# %% tags=["wrong"] of="mended" check="report_done" says="leave its route, add its queue"
mended = lab.Scenario(
    name="mended",
    tasks=[one.but(queue="celery") if one.name == "report" else one for one in tasks],
    queues=("celery", "reports", "nightly"),
    workers=[lab.WorkerPool(), owl],
    loads=loads,
    faults=faults,
    horizon_s=2.0,
    deadline_s=4.0,
)
