# %% tags=["lab"]
from sandbox.labs import Finding, Lab, check
from sandbox.labs.begins import begun, in_each_second, n_before
from sandbox.metrics import measure

LAB = Lab(
    title="Five a minute, they said",
    question="The provider allows five calls a minute, and the task has rate_limit='5/m'. Is that "
    "kept, and who waits for it?",
    minutes=20,
    is_deep=True,
    assumes=("01",),
    goals=(
        "say what a rate limit of Celery's counts, and for whom",
        "predict how long a task without a limit waits behind tasks that have one",
        "say why fewer prefetched messages make that worse",
        "keep a limit for all workers, and keep others out of its way",
    ),
    hints=(
        "What fills the worker's window? Could the chat be where no analysis comes?",
        "A queue of its own is not enough while the same worker takes from both.",
        'mixed.but(queues=("celery", "chat"), tasks=[analyse, chat.but(queue="chat")], '
        'workers=[lab.WorkerPool(), lab.WorkerPool(name="chatter", queues=("chat",))])',
    ),
    links={
        "Task.rate_limit": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#Task.rate_limit",
        "Prefetch limits": "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"
        "#prefetch-limits",
        "Routing tasks": "https://docs.celeryq.dev/en/stable/userguide/routing.html",
    },
    surprise="Most people expect the limit to hold for the whole system: it is twice the rate with "
    "two workers. And they expect a task without a limit not to wait for one: it waits behind all "
    "that have one, the longer the less the worker takes ahead.",
    closing="At noon a second worker is added, and at each deploy the old and the new workers run "
    "side by side for a minute. What becomes of “five a minute”, and where do you put the limit?",
)


@check("how many analyses two workers with two processes each have begun after 2.8 s")
def begun_in_time(number, run):
    found = sum(event.t_s < 2.8 for event in begun(run, "analyse"))
    if number == found / 2:
        meant = "that is one worker's: the other has a limit of its own, and knows nothing of this"
    elif number == found * 2:
        meant = "the processes of a worker share its limit: two workers count, not four processes"
    elif number > found:
        meant = "60/m is one each second, for each worker; not sixty at once and then a break"
    else:
        meant = "each worker begins one at once, and one more each second"
    where = "each_second(run, 'analyse')"
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many analyses begin before the first chat")
def behind(number, run):
    found = n_before(run, "analyse", "chat")
    if number > found:
        meant = "the worker takes four ahead: the chat is taken as soon as all before it are"
    elif number == 0:
        meant = "one analysis begins at once, before the chat is sent"
    else:
        meant = "the chat has no limit, but the four places ahead of the process are taken by "
        meant += "analyses that wait for theirs, and the worker takes nothing else"
    where = "the events 'rate_held' and 'rate_released' in run_mixed.events"
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many begin before it when the worker takes one ahead instead of four")
def with_one_ahead(number, run):
    found = n_before(run, "analyse", "chat")
    if number > found:
        meant = "there are only six analyses"
    else:
        meant = (
            "a place that is taken ahead is free again when its analysis begins: with one place "
        )
        meant += "all analyses before the chat must pass through it, one each second"
    where = "lab.places(model_one, 1.5): the queue is longer now, and the chats are at its end"
    return Finding(str(found), str(number), number == found, where, meant)


def while_waiting(run):
    """Return how many analyses began between the first chat's being sent and its begin."""
    sent_s = min((e.t_s for e in run.of_kind("sent") if e.task == "chat/0"), default=0.0)
    first_s = min((e.t_s for e in begun(run, "chat")), default=sent_s)
    return sum(sent_s < e.t_s < first_s for e in begun(run, "analyse"))


@check("the chat waits for no analysis, and the provider gets at most one analysis a second")
def apart_and_kept(run):
    waited, done = while_waiting(run), measure(run).value("done")
    most = max(in_each_second(run, "analyse").values(), default=0)
    workers = {e.worker for e in begun(run, "analyse")}
    both = workers & {e.worker for e in begun(run, "chat")}
    queues = {task.queue for task in run.scenario.tasks}
    sent = [str(e.task).partition("/")[0] for e in run.of_kind("sent")]
    whole = sent == ["analyse"] * 6 + ["chat"] * 3
    if not whole:
        meant = "six analyses and then three chats are to be sent: leave the loads as they are"
    elif not workers or not begun(run, "chat"):
        meant = "no worker takes from one of the queues: each needs one that has it in `queues`"
    elif most > 1 and len(workers) > 1:
        meant = f"{len(workers)} workers begin analyses, and each has a limit of its own"
    elif most > 1:
        meant = "the provider allows one a second: leave the limit as it is"
    elif both and waited and len(queues) > 1:
        meant = "what a worker takes ahead is counted for the worker, whatever the queue: its "
        meant += "places are full of analyses all the same"
    elif both and waited:
        meant = "the chat is still behind the analyses, in the queue of the same worker"
    else:
        meant = "the worker takes ahead all that there is, and leaves nothing for another: give "
        meant += "the chat a queue and a worker instead"
    return Finding(
        "9 done, no analysis begun while a chat waits, 1 a second, a worker for the chats alone",
        f"{done:g} done, {waited} begun meanwhile, at most {most} a second, "
        f"{len(both)} workers with both",
        whole and (done, waited, most, len(both)) == (9, 0, 1, 0),
        where="run_apart.attempts: the columns worker and started_s",
        misconception=meant,
    )


@check("how many tokens one bucket in Redis gives to three workers")
def one_bucket(number, given):
    if number > given:
        meant = "a bucket in each worker gives one to each; this one is the same for all"
    else:
        meant = "the first who asks gets the one that is there"
    where = "sandbox/patterns/global_rate.py"
    return Finding(str(given), str(number), number == given, where, meant)


# %% [markdown]
# A document promises: *“Even if 100 users submit, Celery will only execute 5 analyses a minute.”*
# The task has `rate_limit="5/m"`, since the provider of the AI allows no more. We take `"60/m"`, so
# that one of our seconds stands for twelve. Twenty analyses are sent to **two workers with two
# processes each**.

# %%
from sandbox import lab
from sandbox.labs.begins import before, each_second

lab.lesson("10")

# %%
analyse = lab.TaskType(name="analyse", service=lab.Deterministic(value_s=0.05), rate_limit="60/m")
users = lab.Scenario(
    name="users",
    tasks=[analyse],
    workers=[lab.WorkerPool(n_workers=2, concurrency=2)],
    loads=[lab.Burst(task="analyse", n=20)],
    horizon_s=2.9,
    deadline_s=2.9,
)

# %% [markdown]
# ## 1. Predict
# **How many of the twenty analyses have begun after 2.8 seconds?** Write your number down before
# you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
n_begun = 6
### END SOLUTION
guess = lab.predict("How many analyses have begun after 2.8 s?", n_begun)

# %% [markdown]
# ## 2. Ask the model, then real workers
# About five seconds.

# %%
model = lab.model(users)
run = lab.run(users)
guess.against(
    model=lab.places(model, 2.8).loc["ended", "tasks"],
    measured=lab.places(run, 2.8).loc["ended", "tasks"],
)

# %% tags=["check"]
lab.check("begun_in_time", n_begun, run)

# %% [markdown]
# ## 3. Where your number was wrong

# %%
each_second(model, "analyse")

# %% [markdown]
# - A worker keeps the limit in **its own memory**, in a *token bucket*. It does not ask the others.
#   Two workers: twice the rate. Ten workers with `5/m` are fifty a minute.
# - The **processes** of a worker do not count: they share its bucket.
# - The bucket holds **one** token. `60/m` is one each second, not sixty and then a break.
# - It counts **tasks**. A task that calls the provider ten times is one.

# %% [markdown]
# ## 4. Predict again: who waits?
# One worker, so the limit is kept. Six analyses are sent, and 0.4 seconds later three chats, which
# have **no limit**. All go to the queue `celery`; the worker has one process and, by default, takes
# four messages ahead. **How many analyses begin before the first chat?**

# %%
chat = lab.TaskType(name="chat", service=lab.Deterministic(value_s=0.25))
mixed = lab.Scenario(
    name="mixed",
    tasks=[analyse, chat],
    workers=[lab.WorkerPool()],
    loads=[lab.Burst(task="analyse", n=6), lab.Burst(task="chat", n=3, at_s=0.4)],
    horizon_s=6.0,
)

# %% tags=["exercise"] name="ahead"
### BEGIN SOLUTION
ahead = 3
### END SOLUTION
second = lab.predict("How many analyses begin before the first chat?", ahead)

# %%
model_mixed = lab.model(mixed)
run_mixed = lab.run(mixed)
second.against(
    model=before(model_mixed, "analyse", "chat"), measured=before(run_mixed, "analyse", "chat")
)

# %% tags=["check"]
lab.check("behind", ahead, run_mixed)

# %% [markdown]
# The process is idle nearly all the time, and the chats wait (the narrow bars are analyses):

# %%
display(lab.timeline_picture(model_mixed), lab.timeline_table(model_mixed))

# %% [markdown]
# This is where everything is after 1.5 seconds, when nothing runs:

# %%
lab.places(run_mixed, 1.5)

# %% [markdown]
# An analysis that waits for its token waits **in the worker**, in one of the four places that it
# has for messages taken ahead. Four analyses wait there, so the worker takes nothing more from the
# queue, whatever it is. Each second one begins, one place is free, and the next message is taken:
# first the last analysis, then the chats. This is **head-of-line blocking**.

# %% [markdown]
# ## 5. Change one setting, predict again
# Somebody has read that prefetch is to blame, and sets `prefetch_multiplier=1`: the worker takes
# one message ahead, not four. **How many analyses begin before the first chat now?**

# %% tags=["exercise"] name="one"
### BEGIN SOLUTION
ahead_of_one = 6
### END SOLUTION
third = lab.predict("How many begin before it when one is taken ahead?", ahead_of_one)

# %%
one_ahead = mixed.but(name="one-ahead", workers=[lab.WorkerPool(prefetch_multiplier=1)])
model_one = lab.model(one_ahead)
run_one = lab.run(one_ahead)
third.against(
    model=before(model_one, "analyse", "chat"), measured=before(run_one, "analyse", "chat")
)

# %% tags=["check"]
lab.check("with_one_ahead", ahead_of_one, run_one)

# %% [markdown]
# It is worse. The queue is a line, and all six analyses are before the chats. Now they must pass
# through **one** place, at one a second. Prefetch is not what blocks: a place that waits is.

# %% [markdown]
# ## 6. Mend it
# Have the chats wait for no analysis, and the provider get no more than one analysis a second.
# Change `mixed`: `mixed.but(…)` takes `queues`, `tasks` and `workers`, and `chat.but(queue=…)`
# gives the chat another queue.

# %% tags=["exercise"] name="apart"
### BEGIN SOLUTION
apart = mixed.but(
    queues=("celery", "chat"),
    tasks=[analyse, chat.but(queue="chat")],
    workers=[lab.WorkerPool(), lab.WorkerPool(name="chatter", queues=("chat",))],
)
### END SOLUTION

# %%
run_apart = lab.run(apart)
lab.counts(run_apart)

# %% tags=["check"]
lab.check("apart_and_kept", run_apart)

# %% [markdown]
# ## 7. When one worker is not enough
# A limit for all workers must be where all can see it: a bucket in Redis. `GlobalRate` of this
# project is one, in twenty lines of Lua. Three workers ask it four times each, at the same moment,
# at a rate of one a second. **How many tokens do they get together?**

# %% tags=["exercise"] name="tokens"
### BEGIN SOLUTION
tokens = 1
### END SOLUTION
fourth = lab.predict("How many tokens does one bucket in Redis give to three workers?", tokens)

# %%
from fakeredis import FakeRedis
from kombu.utils.limits import TokenBucket

from sandbox.patterns.global_rate import GlobalRate

server = FakeRedis()
in_workers = [TokenBucket(1.0) for _ in range(3)]  # Celery's own: one in each worker
in_redis = [GlobalRate(server) for _ in range(3)]  # each worker asks the same server
n_own = sum(bucket.can_consume() for _ in range(4) for bucket in in_workers)
n_shared = sum(limit.acquire("ai", rate=1.0) == 0 for _ in range(4) for limit in in_redis)
print(f"with a bucket in each worker: {n_own} tokens")
fourth.against(measured=n_shared)

# %% tags=["check"]
lab.check("one_bucket", tokens, n_shared)

# %% [markdown]
# The task asks first: `wait_s = limit.acquire("ai", rate=5 / 60)`. Without a token it sends itself
# again for later, `raise postponed(self, wait_s)`, and its process is free. And it can take as many
# tokens as it will make calls.

# %% [markdown] tags=["solution"]
# It is ten a minute from noon on, and twice what it was during each deploy: `rate_limit` is a limit
# of each worker, and nobody adds them up. Dividing it by the number of workers holds only as long
# as that number does. Put the limit where all workers see it, in Redis; or let exactly one worker
# take the queue. In both cases give what is limited a queue of its own, so that nobody stands
# behind it.

# %% tags=["wrong"] of="guess" check="begun_in_time" says="the other has a limit of its own"
n_begun = 3
guess = lab.predict("How many analyses have begun after 2.8 s?", n_begun)

# %% tags=["wrong"] of="one" check="with_one_ahead" says="must pass through it"
ahead_of_one = 1
third = lab.predict("How many begin before it when one is taken ahead?", ahead_of_one)

# %% tags=["wrong"] of="apart" check="apart_and_kept" says="whatever the queue"
apart = mixed.but(
    queues=("celery", "chat"),
    tasks=[analyse, chat.but(queue="chat")],
    workers=[lab.WorkerPool(queues=("celery", "chat"))],
)
