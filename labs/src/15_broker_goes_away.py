# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.metrics import measure

LAB = Lab(
    title="The broker goes away",
    question="Redis is gone for two seconds, then it is back, and the worker, too. Is all well?",
    minutes=15,
    assumes=("01", "03"),
    goals=(
        "say what a restart of Redis without persistence takes along, and what it does not",
        "say what becomes of prefetched messages when a worker has to connect again",
        "choose settings under which a lost connection holds up no message",
    ),
    hints=(
        "A worker that connects again forgets what it has fetched and not begun. Where are those "
        "messages?",
        "They are in `unacked` and wait for the visibility timeout. What is never fetched before "
        "there is a free process for it cannot be stranded there.",
        "WorkerPool(concurrency=2, disable_prefetch=True), and all else as in `cut_off`.",
    ),
    links={
        "worker_disable_prefetch": "https://docs.celeryq.dev/en/stable/userguide/"
        "configuration.html#worker-disable-prefetch",
        "worker_cancel_long_running_tasks_on_connection_loss": "https://docs.celeryq.dev/en/stable/"
        "userguide/configuration.html#worker-cancel-long-running-tasks-on-connection-loss",
    },
    surprise="Most people expect a lost connection to cost nothing as long as Redis keeps its "
    "data. Four of eight orders wait an hour, while the worker that had them is well and idle.",
    closing="Your Redis keeps its data, and fails over to a replica once a month: every connection "
    "is lost for two seconds. Your tasks have late acknowledgement. What may happen to a task "
    "that runs at that moment, what to one that was only fetched, and what to one that is being "
    "sent?",
)
N = 8


def first_orders(run):
    tasks, names = audit(run).tasks, [f"order/{n}" for n in range(N)]
    if not tasks.keys() >= set(names):
        raise LabError(f"{N} orders are to be sent at the start: leave the load as it is")
    return {name: tasks[name] for name in names}


def of_verdict(run, verdict):
    return [name for name, one in first_orders(run).items() if one.verdict == verdict]


def told_of(number, n, where, meant):
    return Finding(f"{n:g}", str(number), number == n, where=where, misconception=meant)


@check("how many of the first eight orders are lost with the Redis that kept nothing")
def lost_with_it(number, run):
    lost = of_verdict(run, "lost")
    if number < len(lost):
        meant = "what the worker had fetched and not begun is lost, too: it forgets that when it "
        meant += "connects again, since the broker is to have the message; and that one kept none"
    else:
        meant = "what runs is lost with no message: by default it was acknowledged as it began, "
        meant += "and its process does not need Redis to do the work"
    return told_of(number, len(lost), "lab.audit(run).account('order/2').told()", meant)


@check("how many of the ten calls raise an error")
def told(number, run):
    failed = [e.task for e in run.of_kind("publish_unknown")]
    if number < len(failed):
        meant = "a call is tried again for some 0.6 s, and then it raises: Celery keeps nothing on "
        meant += "the sender's side"
    else:
        meant = "who was told that the broker has the message is told nothing more: only the call "
        meant += "that finds no broker raises"
    where = f"{', '.join(failed)} in run.of_kind('publish_unknown')"
    return told_of(number, len(failed), where, meant)


@check("how many of the eight orders are not done four seconds after the start")
def stranded(number, run):
    found = of_verdict(run, "stuck")
    if number < len(found):
        meant = "Redis has their messages, but in `unacked`, as fetched by a worker that has "
        meant += "forgotten them: no worker takes anything from there"
    else:
        meant = "what ran was acknowledged and is done, and what was in the queue is still there "
        meant += "when the worker is back"
    return told_of(number, len(found), "lab.places(run_cut, 4.0)", meant)


@check("after the same cut all eight orders are done, each once, without the hour")
def none_stranded(run):
    orders = first_orders(run)
    left = [name for name, one in orders.items() if not one.n_succeeded]
    held = [name for name in left if any(at.where == "unacked" for at in orders[name].places)]
    twice = measure(run).value("ran_twice")
    was_cut = any((e.detail or {}).get("verb") == "cut_off" for e in run.of_kind("control"))
    ends_s = run.scenario.ends_by_s
    n_processes = sum(pool.n_workers * pool.concurrency for pool in run.scenario.workers)
    if n_processes > 2:
        meant = "a process for each order leaves none to be fetched ahead, until there is an order "
        meant += "more: leave the one worker and its two processes"
    elif not was_cut:
        meant = "a connection that nobody cuts strands nothing: leave the fault in"
    elif ends_s != 7:
        meant = "the run ends after 7 s, no sooner and not an hour later: deadline_s=7.0"
    elif left and not held:
        meant = "none is stranded, but there is too much left to do: leave the two processes"
    elif left:
        meant = "what is fetched ahead is stranded, be it much or little: what must not be "
        meant += "stranded must not be fetched before a process is free"
    else:
        meant = "what is restored while its worker is well runs twice: the visibility timeout is "
        meant += "shorter than a task with its wait"
    return Finding(
        "0 not done, 0 begun twice, 1 cut, at most 2 processes",
        f"{len(left)} not done, {twice:g} begun twice, {int(was_cut)} cut, {n_processes} processes",
        not left and not twice and was_cut and ends_s == 7 and n_processes <= 2,
        where=", ".join(left) or "run_safe.attempts",
        misconception=meant,
    )


@check("how many orders are begun twice when connections drop under late acknowledgement")
def twice_begun(number, run):
    twice = measure(run).value("ran_twice")
    if number < twice:
        meant = "a worker that could give its messages back gives back those of what runs, too: "
        meant += "they are not acknowledged yet; and what runs goes on"
    else:
        meant = "what was fetched and not begun is given back and forgotten: it is begun once"
    return told_of(number, twice, "the events 'restored' in run_drop, and its attempts", meant)


# %% [markdown]
# A shop has one worker with two processes. Eight orders come at once, 0.8 s of work each: two run,
# four are fetched ahead (`prefetch_multiplier` 2), and two are in the queue. Then the broker goes
# away, in three ways. The orders keep no result.

# %%
from sandbox import Broker, lab
from sandbox.faults.cut_off import CutOff
from sandbox.faults.drop_connections import DropConnections
from sandbox.faults.stop_broker import StopBroker

lab.lesson("15")

# %%
order = lab.TaskType(name="order", service=lab.Deterministic(value_s=0.8), ignore_result=True)
two_run = lab.OnEvent(event="started", nth=2, after_s=0.3)
eight = lab.Burst(task="order", n=8)


def shop(name, faults, **more):
    """Return the shop with what happens to it; `more` replaces what it has."""
    fields = {
        "tasks": [order],
        "workers": [lab.WorkerPool(concurrency=2, prefetch_multiplier=2)],
        "loads": [eight],
        "horizon_s": 4.0,
        "deadline_s": 4.5,
    }
    return lab.Scenario(name=name, faults=faults, **fields | more)


# %% [markdown]
# ## 1. Predict
# Redis is killed while the first two orders run, and is started again 1.7 s later. It keeps
# nothing on disk, as a cache does. **How many of the eight orders are lost?**

# %% tags=["exercise"] name="lost"
### BEGIN SOLUTION
lost = 6
### END SOLUTION
guess = lab.predict("How many of the eight orders are lost?", lost)

# %% [markdown]
# A ninth order is sent while Redis is away, a tenth after it is back. **How many of the
# ten calls of `apply_async` raise an error?**

# %% tags=["exercise"] name="raised"
### BEGIN SOLUTION
raised = 1
### END SOLUTION
second = lab.predict("How many of the ten calls raise an error?", raised)

# %% [markdown]
# ## 2. Ask the model

# %%
later = [lab.Burst(task="order", n=1, at_s=0.9), lab.Burst(task="order", n=1, at_s=3.0)]
restart = shop(
    "restart", [StopBroker(when=two_run, down_s=1.7)], loads=[eight, *later], deadline_s=12.0
)
model = lab.model(restart)
guess.against(model=lab.number("lost", model))

# %% [markdown]
# ## 3. Run real workers
# A real kill of a real broker, about ten seconds.

# %%
run = lab.run_or_model(restart)
guess.against(model=lab.number("lost", model), measured=lab.measured(lab.number("lost", run), run))

# %% tags=["check"]
lab.check("lost_with_it", lost, run)

# %%
second.against(model=lab.n_raised(model), measured=lab.measured(lab.n_raised(run), run))

# %% tags=["check"]
lab.check("told", raised, run)

# %% [markdown]
# ## 4. Where your numbers were wrong
# The two that ran are done: their messages were acknowledged when they began, and their processes
# went on. All others are lost, the four with the worker, too. A worker that loses its connection
# **forgets what it has fetched and not begun**: it relies on the broker to have those messages.
# Of that nobody is told. Only the ninth order's sender is: its call is tried again for some
# 0.6 s and then raises, and whether the broker has the message is *unknown*. The tenth is done:
# the worker has connected again by itself.

# %%
lab.counts(run)

# %% [markdown]
# It matters that orders keep no result. With results, the model says, those that ran would be
# *failed*, though all their work was done: there was no Redis to store a result in.

# %%
with_result = order.but(ignore_result=False)
lab.counts(lab.model(restart.but(name="with_results", tasks=[with_result])))

# %% [markdown]
# ## 5. Keep the data, predict again
# So let Redis keep everything. This time it is the way to it that fails, for 1.2 s: Redis runs on,
# and the worker's connections are cut. The same eight orders. **How many of them are not done four
# seconds after the start,** long after the worker is back?

# %% tags=["exercise"] name="stuck"
### BEGIN SOLUTION
waiting = 4
### END SOLUTION
third = lab.predict("How many of the eight are not done four seconds after the start?", waiting)

# %%
cut = CutOff(worker="worker1", when=two_run, for_s=1.2)
cut_off = shop("cut-off", [cut])
model_cut = lab.model(cut_off)
run_cut = lab.run(cut_off)
third.against(model=lab.number("stuck", model_cut), measured=lab.number("stuck", run_cut))

# %% tags=["check"]
lab.check("stranded", waiting, run_cut)

# %%
lab.places(run_cut, 4.0)

# %% [markdown]
# The worker could not give the four messages back, for it had no connection, and has forgotten them
# since. They are **stranded** in `unacked`, while the worker is well and has nothing to do. They
# come back when they are older than the visibility timeout, one hour. The model need not wait:

# %%
lab.journey(lab.model(cut_off.but(deadline_s=8000.0)), "order/2").tail(6)

# %% [markdown]
# A restart of a Redis that keeps its messages on disk (`appendonly yes`) is the same to the worker:

# %% tags=["nbval-ignore-output"]
kept = shop("kept", [StopBroker(when=two_run, down_s=1.2)], broker=Broker(persistence="aof"))
run_kept = lab.run_or_model(kept)
third.against(
    model=lab.number("stuck", lab.model(kept)),
    measured=lab.measured(lab.number("stuck", run_kept), run_kept),
)

# %% [markdown]
# ## 6. Change one setting
# Make the same cut hold up **no** order: one setting of the worker. Each order must be begun once:
# `safe = shop("safe", [cut], workers=[lab.WorkerPool(concurrency=2, …)], deadline_s=7.0)`.

# %% tags=["exercise"] name="safe"
### BEGIN SOLUTION
pool = [lab.WorkerPool(concurrency=2, disable_prefetch=True)]
safe = shop("safe", [cut], workers=pool, deadline_s=7.0)
### END SOLUTION

# %%
run_safe = lab.run(safe)
lab.counts(run_safe)

# %% tags=["check"]
lab.check("none_stranded", run_safe)

# %% [markdown]
# ## 7. Every connection dropped, and late acknowledgement
# Now a proxy before Redis is restarted: all connections drop, and can be made again at once. Six
# orders with `acks_late=True`, and prefetch as at first. **How many orders are begun twice?**

# %% tags=["exercise"] name="twice"
### BEGIN SOLUTION
twice = 2
### END SOLUTION
fourth = lab.predict("How many of the six orders are begun twice?", twice)

# %%
dropped = shop(
    "dropped",
    [DropConnections(when=two_run)],
    tasks=[order.but(acks_late=True)],
    loads=[lab.Burst(task="order", n=6)],
)
model_drop = lab.model(dropped)
run_drop = lab.run(dropped)
fourth.against(
    model=lab.number("ran_twice", model_drop), measured=lab.number("ran_twice", run_drop)
)

# %% tags=["check"]
lab.check("twice_begun", twice, run_drop)

# %%
display(lab.timeline_picture(model_drop), lab.timeline_table(model_drop))

# %% [markdown]
# This time the worker could give its messages back, so nothing is stranded. But it gave back those
# of the two orders that ran, too, as they were not acknowledged yet, and both went on running. With
# `worker_cancel_long_running_tasks_on_connection_loss` Celery would end them instead.

# %% [markdown] tags=["solution"]
# One that runs may be begun again at once, beside itself, or after the visibility timeout: it must
# be idempotent. One that was only fetched comes back at once, if the worker could give it back, or
# else waits for the visibility timeout: fetch nothing ahead, and have an alarm for messages that
# stay in `unacked`. One that is being sent raises an error after some 0.6 s, and may have arrived
# all the same: its sender must keep it, and send it again under the same id.

# %% tags=["wrong"] of="lost" check="lost_with_it" says="forgets that when it connects again"
lost = 2
guess = lab.predict("How many of the eight orders are lost?", lost)

# %% tags=["wrong"] of="stuck" check="stranded" says="no worker takes anything from there"
waiting = 0
third = lab.predict("How many of the eight are not done four seconds after the start?", waiting)

# %% tags=["wrong"] of="safe" check="none_stranded" says="before a process is free"
pool = [lab.WorkerPool(concurrency=2, prefetch_multiplier=1)]
safe = shop("safe", [cut], workers=pool, deadline_s=7.0)
