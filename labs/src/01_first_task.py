# %% tags=["lab"]
from sandbox.labs import Finding, Lab, check
from sandbox.labs.moments import BOTH, FETCHED, QUEUED, RUNNING, found_at, n_in
from sandbox.metrics import measure

AT_S = 0.6
LAB = Lab(
    title="First task and its journey",
    question="You have sent a task. Where is it now, and how would you know that it is done?",
    minutes=15,
    is_deep=True,
    goals=(
        "say where a message is at each moment: queue, `unacked`, nowhere",
        "predict how many messages a worker takes ahead of its work",
        "say what Celery answers for a task that waits, and for one that runs",
    ),
    hints=(
        "A worker takes messages before it can run them. Two settings say how many.",
        "What is taken ahead is `prefetch_multiplier` × `concurrency`; the multiplier is 4.",
        "WorkerPool(concurrency=2, prefetch_multiplier=1), and all else as in `mails`.",
    ),
    links={
        "Calling tasks": "https://docs.celeryq.dev/en/stable/userguide/calling.html",
        "Prefetch limits": "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"
        "#prefetch-limits",
        "Task states": "https://docs.celeryq.dev/en/stable/userguide/tasks.html#task-states",
    },
    surprise="Most people expect twelve of fourteen in the queue, since two run. It is four: eight "
    "more are with the worker. And Celery says PENDING of all fourteen, of those that run, too.",
    closing="A dashboard shows the length of the queue `celery`, and it is 0. What may there still "
    "be to do, and where is it?",
)


@check("how many messages are in the queue after 0.6 s")
def in_queue(number, run):
    found = found_at(run, AT_S)
    return Finding(
        str(found[QUEUED]),
        str(number),
        number == found[QUEUED],
        where=f"lab.places(run, {AT_S}): {found[FETCHED]} are {FETCHED}",
        misconception="more than what runs has left the queue: a worker takes messages ahead"
        if number > found[QUEUED]
        else "a worker does not take all that there is: so many for each of its processes",
    )


@check("of how many of the fourteen ids Celery says PENDING after 0.6 s")
def pending(number, run):
    asks = [f"mail/{n}" for n in range(14)]
    found = n_in("PENDING", run, asks, AT_S)
    return Finding(
        str(found),
        str(number),
        number == found,
        where=f"lab.states(run, asks, at_s={AT_S})",
        misconception="a task that begins stores nothing, unless task_track_started is set: the "
        "first thing stored is its result"
        if number < found
        else "there are fourteen ids, and each has one state",
    )


_NOT_YET = {
    "sent": "then the message is about to come",
    "published": "then the message has just come",
    "delivered": "the worker has it then, but the broker has it, too: it is noted in `unacked`",
    "received": "the worker has it then, but the broker has it, too: it is noted in `unacked`",
    "started": "the task begins then, and that is when its worker acknowledges the message; which "
    "event says that the broker has it no more?",
    "succeeded": "the message is long gone then: by default it is not kept until the task ends",
}


@check("which event takes a message out of the broker for good")
def gone_when(word, run):
    said = word.strip().lower()
    kinds = list(dict.fromkeys(e.kind for e in run.events if e.task == "mail/13"))
    if said not in kinds:
        meant = "write one of the words in the table's first column, in quotes"
    else:
        meant = _NOT_YET.get(said, "")
    return Finding(
        "the event after which neither a queue nor `unacked` has it",
        repr(word),
        said == "acked" and bool(run.of_kind("acked")),
        where="the meanings in lab.journey(model, 'mail/13')",
        misconception=meant,
    )


@check("two mails run, two wait with the worker, and all fourteen are done at the end")
def few_held(run):
    found, done = found_at(run, AT_S), measure(run).value("done")
    busy = found[RUNNING] + found[BOTH]
    if done != 14:
        meant = "the same fourteen mails must be sent, and done: leave the load as it is"
    elif busy != 2:
        meant = "the number of processes says how many run at once: that stays two"
    elif found[FETCHED] > 2:
        meant = "what is taken ahead is still several messages for each process"
    else:
        meant = "with less than one message for each process none waits with the worker"
    return Finding(
        "2 run, 2 wait with the worker, 14 done",
        f"{busy} run, {found[FETCHED]} wait with the worker, {done:g} done",
        (busy, found[FETCHED], done) == (2, 2, 14),
        where=f"lab.places(run_few, {AT_S})",
        misconception=meant,
    )


@check("how many messages are in the queue then, with your setting")
def queue_again(number, run):
    found = found_at(run, AT_S)
    return Finding(
        str(found[QUEUED]),
        str(number),
        number == found[QUEUED],
        where=f"lab.places(run_few, {AT_S})",
        misconception="the two that run and the two that wait with the worker are not in the queue"
        if number > found[QUEUED]
        else "what the worker does not take stays in the queue",
    )


# %% [markdown]
# A **client** sends a task: it writes a **message** into a **queue**, a list in Redis. A **worker**
# takes messages from the queue, and its **processes** run them. Here fourteen mails are sent at
# once, 1.2 seconds of work each, to one worker with two processes.

# %%
from sandbox import lab

lab.lesson("01")

# %%
mails = lab.Scenario(
    name="mails",
    tasks=[lab.TaskType(name="mail", service=lab.Deterministic(value_s=1.2))],
    workers=[lab.WorkerPool(concurrency=2)],
    loads=[lab.Burst(task="mail", n=14)],
    horizon_s=12.0,
)
asks = [f"mail/{n}" for n in range(14)]

# %% [markdown]
# ## 1. Predict
# After 0.6 seconds all fourteen are sent, two are running, and none is done. **How many messages
# are in the queue?** Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
queued = 4
### END SOLUTION
guess = lab.predict("How many messages are in the queue after 0.6 s?", queued)

# %% [markdown]
# The second question for the same moment. A program asks Celery for each of the fourteen ids:
# `app.AsyncResult(id).state`. **For how many of them is the answer PENDING?**

# %% tags=["exercise"] name="states"
### BEGIN SOLUTION
waiting = 14
### END SOLUTION
second = lab.predict("Of how many of the fourteen does Celery say PENDING?", waiting)

# %% [markdown]
# ## 2. Ask the model

# %%
model = lab.model(mails)
lab.places(model, 0.6)

# %% [markdown]
# ## 3. Run real workers
# Real Celery workers; after 0.6 seconds Celery is asked for the states. It takes about ten
# seconds.

# %%
run = lab.run(mails, asks=asks, at_s=0.6)
lab.places(run, 0.6)

# %%
guess.against(
    model=lab.places(model, 0.6).loc["in a queue", "tasks"],
    measured=lab.places(run, 0.6).loc["in a queue", "tasks"],
)

# %% tags=["check"]
lab.check("in_queue", queued, run)

# %%
second.against(
    model=lab.n_in("PENDING", model, asks, 0.6), measured=lab.n_in("PENDING", run, asks, 0.6)
)

# %% tags=["check"]
lab.check("pending", waiting, run)

# %% [markdown]
# ## 4. Where your numbers were wrong
# - A worker takes messages before it can run them: **prefetch**, here 4 × 2 = 8. Redis moves them
#   from the queue to the hash `unacked`: they are with the worker, and the broker still has them.
# - The two that run are in neither. By default a message is acknowledged when its task begins, and
#   with that it is gone from the broker.
# - A **result** is a key in Redis that is written when the task has ended. Celery has no list of
#   tasks. For an id without that key it says PENDING: it does not know.
#
# This is the journey of the last mail:

# %%
lab.journey(model, "mail/13")

# %% [markdown]
# It waited twice: 2.4 seconds in the queue, 4.8 more with the worker. **Which of these events takes
# the message out of the broker for good?** Write the word, in quotes.

# %% tags=["exercise"] name="gone"
### BEGIN SOLUTION
gone = "acked"
### END SOLUTION

# %% tags=["check"]
lab.check("gone_when", gone, run)

# %% [markdown]
# ## 5. Change one setting
# Eight mails wait with a worker that runs two. Another worker that comes now could not help with
# them. Make only **two** wait there: one setting of the worker. Two processes, fourteen mails, as
# before.

# %% tags=["exercise"] name="few"
### BEGIN SOLUTION
few = lab.Scenario(
    name="few",
    tasks=[lab.TaskType(name="mail", service=lab.Deterministic(value_s=1.2))],
    workers=[lab.WorkerPool(concurrency=2, prefetch_multiplier=1)],
    loads=[lab.Burst(task="mail", n=14)],
    horizon_s=12.0,
)
### END SOLUTION

# %% [markdown]
# ## 6. Predict again
# **How many messages are in the queue after 0.6 seconds now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
queued_few = 10
### END SOLUTION
third = lab.predict("How many messages are in the queue now?", queued_few)

# %%
model_few = lab.model(few)
run_few = lab.run(few, asks=asks)
third.against(
    model=lab.places(model_few, 0.6).loc["in a queue", "tasks"],
    measured=lab.places(run_few, 0.6).loc["in a queue", "tasks"],
)

# %% tags=["check"]
lab.check("few_held", run_few)

# %% tags=["check"]
lab.check("queue_again", queued_few, run_few)

# %% [markdown]
# This time Celery was asked at the end. The first and the last mail:

# %%
lab.states(run_few, ["mail/0", "mail/13"])

# %% [markdown] tags=["solution"]
# Each worker may have `prefetch_multiplier` × `concurrency` messages in `unacked` that it has not
# begun, and what runs is, by default, in no list at all. So the queue is empty long before the
# work is done: count the queue, `HLEN unacked`, and what runs.

# %% tags=["wrong"] of="guess" check="in_queue" says="a worker takes messages ahead"
queued = 12
guess = lab.predict("How many messages are in the queue after 0.6 s?", queued)

# %% tags=["wrong"] of="states" check="pending" says="unless task_track_started is set"
waiting = 12
second = lab.predict("Of how many of the fourteen does Celery say PENDING?", waiting)

# %% tags=["wrong"] of="few" check="few_held" says="that stays two"
few = lab.Scenario(
    name="few",
    tasks=[lab.TaskType(name="mail", service=lab.Deterministic(value_s=1.2))],
    workers=[lab.WorkerPool(concurrency=1, prefetch_multiplier=2)],
    loads=[lab.Burst(task="mail", n=14)],
    horizon_s=12.0,
)
