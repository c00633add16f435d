# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.stand_in import who
from sandbox.labs.waits import began

PATIENCE_S = 2.5
LAB = Lab(
    title="Memory, eviction and back-pressure",
    question="More is sent than can be done, and Redis is full. Who is told?",
    minutes=15,
    assumes=("01", "03"),
    goals=(
        "turn a backlog into a waiting time: L / μ",
        "say what `expires` does for those who still wait",
        "say what a full Redis does under `allkeys-lru` and under `noeviction`",
    ),
    hints=(
        "Nothing holds a sender up. What must happen to a thumbnail that nobody waits for any "
        "more, so that the next one need not wait for it?",
        "A message can have a time after which a worker drops it, unread: `expires`. And what is "
        "one key in Redis? A whole queue.",
        "lab.TaskType(name='thumb', service=…, ignore_result=True, expires_s=2.5), and "
        'evening("refusing", "noeviction").',
    ),
    links={
        "Expiration": "https://docs.celeryq.dev/en/stable/userguide/calling.html#expiration",
        "Redis as broker": "https://docs.celeryq.dev/en/stable/getting-started/"
        "backends-and-brokers/redis.html",
    },
    surprise="Most people expect a full Redis to lose its oldest few messages. It loses a queue as "
    "a whole, without an error, since a list is one key. And dropping work serves more customers.",
    closing="Your Redis has 256 MB and `allkeys-lru`, “so that it is never out of memory”. It is "
    "the broker, the cache and the store for results. What would you change, who must be able to "
    "stand that, and what would you have an alarm on?",
)


def sent(run, n):
    tasks = audit(run).tasks
    if len(tasks) != n:
        raise LabError(f"{n} are to be sent, and it was {len(tasks)}: leave the loads as they are")
    return tasks


def n_in_time(run):
    sent(run, 14)
    return began(run, PATIENCE_S)[0]


def told_of(number, n, where, meant):
    return Finding(f"{n:g}", str(number), number == n, where=where, misconception=meant)


@check("how many of the fourteen thumbnails begin in time")
def in_time(number, run):
    n = n_in_time(run)
    if number < n:
        meant = "two processes begin two each second: after 0, 1 and 2 s, all in time"
    elif number < 14:
        meant = "the four that came later wait for those before them, too, although nobody waits "
        meant += "for the result of those any more"
    else:
        meant = "all are done, in the end: a queue refuses nothing, it makes everybody wait"
    return told_of(number, n, "sent_s and started_s in run.attempts", meant)


@check("with your setting nothing is begun for nobody, and who still waits is served")
def none_for_nobody(run):
    n = n_in_time(run)
    late = began(run, PATIENCE_S)[1]
    n_processes = sum(pool.n_workers * pool.concurrency for pool in run.scenario.workers)
    ended = [a for a in run.fold.attempts if a.started_s is not None and a.ended_s is not None]
    quickest_s = min((a.ended_s - a.started_s for a in ended), default=1.0)
    is_same_shop = n_processes == 2 and quickest_s > 0.9
    if not is_same_shop:
        meant = "more processes, or less work, would be a solution: this shop has neither"
    elif late:
        meant = "what is begun after 2.5 s is still begun for nobody: the time is too long, or the "
        meant += "message has none"
    else:
        meant = "some are dropped whose customers were still there: the time is too short"
    return Finding(
        "10 begun in time, 0 later, 2 processes, 1 s each",
        f"{n} begun in time, {late} later, {n_processes} processes",
        (n, late) == (10, 0) and is_same_shop,
        where="lab.counts(run_fresh), and started_s in run_fresh.attempts",
        misconception=meant,
    )


@check("how many of the fourteen begin in time with your setting")
def in_time_now(number, run):
    meant = "what is dropped is not begun at all: two a second, while the customer is there"
    if number < n_in_time(run):
        meant = "those dropped were late anyway: the others are served in their stead"
    return told_of(number, n_in_time(run), "the revoked ones in lab.counts(run_fresh)", meant)


@check("how many of the twenty thumbnails are lost when Redis evicts, in that run")
def evicted(number, run):
    lost = [task.task for task in sent(run, 22).values() if task.verdict == "lost"]
    if number > len(lost):
        meant = "the worker has fetched some, and those it has in its own memory: they are done"
    else:
        meant = "a key is evicted as a whole, and to Redis a queue is one key: a list. Nothing in "
        meant += "it is older or newer"
    return told_of(number, len(lost), f"{', '.join(lost[:2])} … in {who(run)}", meant)


@check("how many calls raise when Redis refuses, in that run")
def raised(number, run):
    n = len(run.of_kind("publish_unknown"))
    meant = "what is in the queue already is there, and stays: only what is sent now is refused"
    if number < n:
        meant = "each of the two is a write, and there is no room for one"
    return told_of(number, n, f"the events 'publish_unknown' of {who(run)}", meant)


@check("under your policy the full Redis loses nothing, in that run")
def nothing_lost(run):
    lost = [task.task for task in sent(run, 22).values() if task.verdict == "lost"]
    done = {(e.detail or {}).get("verb") for e in run.of_kind("control")}
    was_full = bool(done & {"fill_memory", "evict"})
    return Finding(
        "0 lost, memory full once",
        f"{len(lost)} lost, memory full {'once' if was_full else 'never'}",
        not lost and was_full,
        where=f"{', '.join(lost[:2]) or 'the events of kind control'} in {who(run)}",
        misconception="a policy that evicts makes room, and does not know what a queue is"
        if lost
        else "a Redis that has room loses nothing either: leave the fault in",
    )


# %% [markdown]
# A photo shop makes thumbnails: one second each, two processes. A customer who has waited for 2.5
# seconds is gone. Ten thumbnails are ordered at once, and four more after two seconds.

# %%
from sandbox import lab
from sandbox.faults.maxmemory import MaxMemory

lab.lesson("16")

# %%
thumb = lab.TaskType(name="thumb", service=lab.Deterministic(value_s=1.0), ignore_result=True)


def shop(name, task):
    """Return the shop; `task` says what a thumbnail is."""
    return lab.Scenario(
        name=name,
        tasks=[task],
        workers=[lab.WorkerPool(concurrency=2)],
        loads=[lab.Burst(task="thumb", n=10), lab.Burst(task="thumb", n=4, at_s=2.0)],
        horizon_s=4.0,
    )


# %% [markdown]
# ## 1. Predict
# **How many of the fourteen are begun while their customer is still there,** within 2.5 s of the
# order?

# %% tags=["exercise"] name="served"
### BEGIN SOLUTION
served = 6
### END SOLUTION
guess = lab.predict("How many of the fourteen thumbnails begin within 2.5 s?", served)

# %% [markdown]
# ## 2. Ask the model

# %%
busy = shop("busy", thumb)
model = lab.model(busy)
guess.against(model=lab.in_time(model, 2.5))

# %% [markdown]
# ## 3. Run real workers
# About ten seconds.

# %%
run = lab.run(busy)
guess.against(model=lab.in_time(model, 2.5), measured=lab.in_time(run, 2.5))

# %% tags=["check"]
lab.check("in_time", served, run)

# %%
lab.counts(run)

# %% [markdown]
# ## 4. Where your number was wrong
# No call has raised, all fourteen are done, and eight of them for nobody. A Redis list takes all
# that is sent: there is **no back-pressure**, there is waiting. Who comes behind L messages waits
# **L / μ**, where μ is what the workers do in a second, here 2. By the model:

# %%
for backlog in (10, 100, 1000):
    burst = lab.Burst(task="thumb", n=backlog + 1)
    behind = busy.but(name=f"behind_{backlog}", loads=[burst], deadline_s=1000.0)
    last = lab.model(behind).attempts.query(f"task == 'thumb/{backlog}'")
    waited_s = (last.started_s - last.sent_s).item()
    print(f"behind {backlog} thumbnails: {waited_s:.0f} s; L / μ = {backlog / 2:.0f} s")

# %% [markdown]
# ## 5. Change one setting
# Have no thumbnail begun when its customer is gone: one setting of the task type, same work, same
# workers: `fresh = shop("fresh", thumb.but(…))`.

# %% tags=["exercise"] name="fresh"
### BEGIN SOLUTION
fresh = shop("fresh", thumb.but(expires_s=2.5))
### END SOLUTION

# %% [markdown]
# **How many of the fourteen begin in time now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
served_now = 10
### END SOLUTION
second = lab.predict("How many of the fourteen begin in time now?", served_now)

# %%
model_fresh = lab.model(fresh)
run_fresh = lab.run(fresh)
second.against(model=lab.in_time(model_fresh, 2.5), measured=lab.in_time(run_fresh, 2.5))

# %% tags=["check"]
lab.check("none_for_nobody", run_fresh)

# %% tags=["check"]
lab.check("in_time_now", served_now, run_fresh)

# %% [markdown]
# Less is done, and more customers are served. But an expired message stays in Redis until a worker
# reads it. Another way is to look at the queue's length first, and to refuse the customer at once.

# %% [markdown]
# ## 6. The backlog is memory, too
# Now the shop has one process, which fetches one message ahead, and twenty thumbnails come at once.
# As the first one runs, Redis' memory is full. Its `maxmemory-policy` is `allkeys-lru`: what was
# used least recently is **evicted**, until there is room; here so much that nothing is left. Two
# more thumbnails are sent then.


# %%
def evening(name, policy):
    """Return the shop when its Redis is full; under noeviction there is room after 1.1 s."""
    begun = lab.OnEvent(event="started", after_s=0.4)
    full = MaxMemory(policy=policy, when=begun, for_s=1.1 if policy == "noeviction" else None)
    loads = [lab.Burst(task="thumb", n=20), lab.Burst(task="thumb", n=2, at_s=1.0)]
    workers = [lab.WorkerPool(prefetch_multiplier=1)]
    return busy.but(name=name, workers=workers, loads=loads, faults=[full], deadline_s=5.5)


# %% [markdown]
# **How many of the twenty are lost?**

# %% tags=["exercise"] name="lost"
### BEGIN SOLUTION
lost = 18
### END SOLUTION
third = lab.predict("How many of the twenty thumbnails are lost?", lost)

# %%
full = evening("full", "allkeys-lru")
model_full = lab.model(full)
third.against(model=lab.number("lost", model_full))

# %% [markdown]
# Where the broker is no real Redis, the next cell says so, and the model's run is judged.

# %% tags=["nbval-ignore-output"]
run_full = lab.run_or_model(full)
third.against(
    model=lab.number("lost", model_full),
    measured=lab.measured(lab.number("lost", run_full), run_full),
)

# %% tags=["check"]
lab.check("evicted", lost, run_full)

# %%
lab.counts(run_full)

# %% [markdown]
# A queue is a list, and a list is **one key**: it is evicted whole. Nobody is told, neither who
# sent the twenty, nor the worker; the two that came later are done as if nothing had been. What the
# worker had fetched it has in its own memory: that is done, too.

# %% [markdown]
# ## 7. Change one setting, predict again
# Have the full Redis lose nothing: write `refusing = evening("refusing", "…")`, with the policy
# that does that.

# %% tags=["exercise"] name="refusing"
### BEGIN SOLUTION
refusing = evening("refusing", "noeviction")
### END SOLUTION

# %% [markdown]
# **How many of the 22 calls raise an error now?** Two are sent while Redis is full.

# %% tags=["exercise"] name="raised"
### BEGIN SOLUTION
errors = 2
### END SOLUTION
fourth = lab.predict("How many of the 22 calls raise an error?", errors)

# %% tags=["nbval-ignore-output"]
run_refusing = lab.run_or_model(refusing)
fourth.against(
    model=lab.n_raised(lab.model(refusing)),
    measured=lab.measured(lab.n_raised(run_refusing), run_refusing),
)

# %% tags=["check"]
lab.check("nothing_lost", run_refusing)

# %% tags=["check"]
lab.check("raised", errors, run_refusing)

# %% [markdown]
# Now those who send are told, and can try again. But an acknowledgement is a write, too, and it was
# refused: so the worker ended. Nothing is lost, and nothing is done until somebody starts it again.

# %%
[event.detail for event in run_refusing.of_kind("worker_exited")]

# %% [markdown] tags=["solution"]
# `noeviction`, on a server of its own: a cache may evict, a broker must not. Then senders must
# stand an error, and workers must be started again when they end. Fill it less: send ids in place
# of data, `ignore_result` and `result_expires` for results, `expires` for what gets stale. And have
# an alarm on the backlog, queue and `unacked` together, divided by μ: that is how long the next
# customer waits, and it rises long before memory is full.

# %% tags=["wrong"] of="lost" check="evicted" says="a queue is one key"
lost = 5
third = lab.predict("How many of the twenty thumbnails are lost?", lost)

# %% tags=["wrong"] of="fresh" check="none_for_nobody" says="the time is too long"
fresh = shop("fresh", thumb.but(expires_s=60.0))

# %% tags=["wrong"] of="refusing" check="nothing_lost" says="does not know what a queue is"
refusing = evening("refusing", "allkeys-lru")
