# %% tags=["lab"]
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.metrics import measure

LAB = Lab(
    title="The storm that does not end",
    question="A bank hangs for four seconds and is well again. Minutes later still no payment goes "
    "through. What keeps it down?",
    minutes=20,
    is_deep=True,
    assumes=("01",),
    goals=(
        "say how many calls a retry policy makes of one task, at each chance to fail",
        "tell throughput from goodput, and find the work that is done for nobody",
        "say which settings end an overload that feeds itself, and which do not",
    ),
    hints=(
        "How many calls a second reach the bank when every attempt fails, and how many can it "
        "serve?",
        "0.8 payments a second, four attempts each: 3.2 calls for a bank that can do 2. What makes "
        "fewer attempts of a payment?",
        "better = pay.but(retries=[SelfRetry(max_retries=1, countdown_s=0.8)])",
    ),
    links={
        "Retrying": "https://docs.celeryq.dev/en/stable/userguide/tasks.html#retrying",
        "Expiration": "https://docs.celeryq.dev/en/stable/userguide/calling.html#expiration",
    },
    surprise="Most people expect the payments to go through as soon as the bank is well. None "
    "does, for as long as payments come: the calls that fail make the calls that fail.",
    closing="It is night, the storm rages, and you can change no code. What would you do to end "
    "it, and why does it then stay away?",
)
AFTER_S, LAST_S = 4.7, 100.0


def done_of(run, from_s, to_s=1e9):
    """How many tasks sent from then on are done, and of how many."""
    sent = {event.task: event.t_s for event in reversed(run.of_kind("sent"))}
    chosen = {task for task, at_s in sent.items() if from_s <= at_s < to_s}
    if not chosen:
        raise LabError("no payment was sent: leave shop(…) as it is")
    return len(chosen & {event.task for event in run.of_kind("succeeded")}), len(chosen)


def counted(found, number, where, *, low, high):
    meant = low if number < found else high
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many calls the bank gets while it is down")
def amplified(number, run):
    found = int(measure(run).value("calls.bank"))
    few = "max_retries=3 is one attempt and three retries: four calls for each payment"
    many = "after its last retry a payment has failed for good, and nobody calls for it again"
    return counted(found, number, "run_down.of_kind('called')", low=few, high=many)


def after_the_hang(number, run):
    few = "where each payment has few attempts, the bank has caught up soon after the hang"
    many = "the bank is well, but it is not free: it serves calls whose callers have given up, "
    many += "while new ones wait until they give up, too"
    where = "goodput_table(…, every_s=1.25): 'served to nobody', and 'done'"
    return counted(done_of(run, AFTER_S)[0], number, where, low=few, high=many)


@check("how many of the payments sent after the hang are done")
def storm(number, run):
    return after_the_hang(number, run)


@check("how many of them are done with your setting")
def now(number, run):
    return after_the_hang(number, run)


@check("how many of the five proposals end the storm")
def cures(number, towns):
    share = {name: done_of(run, 120, 170) for name, run in towns.items()}
    ended = [name for name, (done, sent) in share.items() if 2 * done > sent]
    few = "whatever keeps the calls below what the bank can serve in time ends it: fewer attempts, "
    few += "or fewer that wait at the same time"
    many = "longer waits and more processes do not make fewer calls for each payment, and more "
    many += "processes wait before the bank at once"
    return counted(len(ended), number, f"the table: {'; '.join(ended)}", low=few, high=many)


@check("with your setting the payments go through again, and one that fails is tried again")
def mended(run):
    task, end_s = run.scenario.task("pay"), run.scenario.horizon_s - 4.0
    found, n = done_of(run, end_s - LAST_S, end_s)
    tries, call = 1 + max((policy.max_retries for policy in task.retries), default=0), task.calls
    same = call is not None and (call.timeout_s, call.service.mean_s) == (0.75, 0.5)
    if not same:
        meant = "nobody waits longer for a payment, and the bank gets no quicker: leave the call in"
    elif found < n and (task.rate_limit or task.time_limit_s):
        meant = "this limit keeps back, or ends, payments that the bank could serve"
    elif found < n:
        meant = f"a payment that fails can make {tries} calls: {0.8 * tries:g} a second, and the "
        meant += "bank can do 2"
    else:
        meant = "no retry, no storm; but then one refused call is a payment that failed for good: "
        meant += "keep one retry"
    return Finding(
        f"all of the last {n} payments done; at least 2 attempts for one that fails",
        f"{found} done; up to {tries} attempts",
        found == n and tries >= 2 and same,
        "retries and expires_s of the task type; goodput_table(model_long, every_s=60)",
        meant,
    )


# %% [markdown]
# A payment comes each 1.25 s. Its task calls the bank, which serves one call at a time and needs
# 0.5 s for it: the bank is busy 40 % of the time. A caller that has no answer after 0.75 s gives
# up; 0.8 s later the payment is tried again, three times at most. The bank does not notice that a
# caller has given up: what it has begun it serves to the end.

# %%
from sandbox import Deterministic, SelfRetry, Trace, lab
from sandbox.dependencies import Call, Dependency
from sandbox.pictures.goodput import goodput_table

lab.lesson("12")

# %%
pay = lab.TaskType(
    name="pay",
    calls=Call(dependency="bank", service=Deterministic(value_s=0.5), timeout_s=0.75),
    retries=[SelfRetry(max_retries=3, countdown_s=0.8)],
)
down = lab.Scenario(
    name="down",
    tasks=[pay],
    workers=[lab.WorkerPool(concurrency=2)],
    loads=[lab.Burst(task="pay", n=6, at_s=0.3)],
    dependencies=[Dependency(name="bank", outages=[{"from_s": 0.0, "to_s": 60.0}])],
    horizon_s=1.0,
)

# %% [markdown]
# ## 1. Predict
# First the bank is down, and refuses each call at once. Six payments are sent.
# **How many calls does the bank get?** Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
calls = 24
### END SOLUTION
guess = lab.predict("How many calls does the bank get for six payments?", calls)

# %%
model_down, run_down = lab.model(down), lab.run(down)
in_model, on_workers = (lab.number("calls.bank", one) for one in (model_down, run_down))
guess.against(model=in_model, measured=on_workers)

# %% tags=["check"]
lab.check("amplified", calls, run_down)

# %% [markdown]
# If an attempt fails with the chance p, a payment has 1 + p + p² + p³ attempts on average:

# %%
many = [lab.Burst(task="pay", n=2000)]
for p in (0.0, 0.25, 0.5, 0.75, 1.0):
    chance = down.but(tasks=[pay.but(calls=None, p_failure=p)], loads=many, dependencies=[])
    attempts = lab.number("attempts_per_task", lab.model(chance))
    print(f"p = {p:4}: {attempts:.2f} attempts; 1 + p + p² + p³ = {1 + p + p**2 + p**3:.2f}")

# %% [markdown]
# Retries ask the more of a bank the worse it is.
#
# ## 2. Predict again
# Now the bank is up. From 0.6 s to 4.6 s it hangs, as behind a lock: it begins no call and refuses
# none. Eight payments are sent in all, four of them after the hang, at 5, 6.25, 7.5 and 8.75 s.
# **How many of these four are done** at 9.9 s?


# %%
def shop(name, task, n=8, hang_s=4.0):
    """Return n payments, one each 1.25 s; the bank hangs for some seconds at the beginning."""
    if task is ...:
        return task  # not filled in yet
    hang, ends_s = {"from_s": 0.6, "to_s": 0.6 + hang_s, "how": "hang"}, 1.25 * n - 0.1
    return lab.Scenario(
        name=name,
        tasks=[task],
        workers=[lab.WorkerPool(concurrency=8)],
        loads=[Trace(task="pay", at_s=[1.25 * i for i in range(n)])],
        dependencies=[Dependency(name="bank", outages=[hang])],
        horizon_s=ends_s,
        deadline_s=ends_s,
    )


def n_after(run):
    """Return how many of the last four of eight payments are done."""
    return len({event.task for event in run.of_kind("succeeded") if event.task > "pay/3"})


# %% tags=["exercise"] name="after"
### BEGIN SOLUTION
done_after = 0
### END SOLUTION
second = lab.predict("How many of the four payments after the hang are done?", done_after)

# %%
hanging = shop("hanging", pay)
model, run = lab.model(hanging), lab.run(hanging)
second.against(model=n_after(model), measured=n_after(run))

# %% tags=["check"]
lab.check("storm", done_after, run)

# %% [markdown]
# ## 3. Where your number was wrong
# The bank is well, and never idle. Here is what it did, by the model:

# %%
goodput_table(model, every_s=1.25)

# %% [markdown]
# At 4.6 s two calls wait in line, and more retries are due. Who has waited longest is served next,
# and gives up before the answer. The bank works on, for nobody. Meanwhile the next caller waits as
# long. So each attempt fails, each failure is tried again, and 0.8 payments a second are 3.2 calls
# a second, for a bank that can serve 2. That keeps the line long, and so each attempt fails.
# **Throughput** is what the bank serves, **goodput** what somebody still waits for.
#
# The system has two states in which it stays, calm and storm, with the same settings and the same
# load. Only the past decides which: that is a *metastable* overload. How long must the bank hang?

# %%
for hang_s in (1.0, 2.0, 3.0, 4.0):
    later = lab.model(shop("later", pay, n=480, hang_s=hang_s))
    print(f"a hang of {hang_s:g} s: {lab.number('done', later):g} of 480 done in ten minutes")

# %% [markdown]
# ## 4. A larger shop
# Twelve payments a second, at random; a bank that serves twenty; thirty processes; callers give up
# after 1 s, and try again 1 s later. After a minute the bank hangs for ten seconds. By the model:


# %%
def town(retries=(SelfRetry(max_retries=3, countdown_s=1.0),), processes=30, expires_s=None):
    """Return three minutes of twelve payments a second; after one the bank hangs for 10 s."""
    hang = {"from_s": 60.0, "to_s": 70.0, "how": "hang"}
    call = Call(dependency="bank", service=Deterministic(value_s=0.1), timeout_s=1.0)
    return lab.Scenario(
        name="town",
        tasks=[lab.TaskType(name="pay", calls=call, retries=retries, expires_s=expires_s)],
        workers=[lab.WorkerPool(concurrency=processes)],
        loads=[lab.Poisson(task="pay", rate_per_s=12.0)],
        dependencies=[Dependency(name="bank", capacity=2, outages=[hang])],
        horizon_s=180.0,
        deadline_s=180.0,
    )


raging = lab.model(town())
goodput_table(raging)

# %% [markdown]
# Five colleagues have a proposal each:
#
# 1. wait longer, with exponential backoff and jitter: 4, 8 and 16 s;
# 2. more processes: forty;
# 3. fewer processes: fifteen;
# 4. a retry budget: one retry instead of three;
# 5. payments that expire three seconds after they were sent, `expires=3`.
#
# **How many of the five end the storm?**

# %% tags=["exercise"] name="proposals"
### BEGIN SOLUTION
n_cures = 3
### END SOLUTION
third = lab.predict("How many of the five proposals end the storm?", n_cures)

# %%
towns = {
    "as it is": raging,
    "backoff and jitter": lab.model(town(retries=[lab.AutoRetry(max_retries=3, backoff_s=4)])),
    "forty processes": lab.model(town(processes=40)),
    "fifteen processes": lab.model(town(processes=15)),
    "one retry": lab.model(town(retries=[SelfRetry(max_retries=1, countdown_s=1.0)])),
    "expires after 3 s": lab.model(town(expires_s=3.0)),
}
for name, one in towns.items() if third.number is not None else ():
    last = goodput_table(one).loc["120"]
    print(f"{name:<20}{last['done']:4} done of {last['sent']} sent from 120 s to 150 s")

# %% tags=["check"]
lab.check("cures", n_cures, towns)

# %% [markdown]
# Backoff moves calls to a later time; a payment that fails still makes four of them. More processes
# let more callers wait before the same bank. Fifteen processes are fifteen callers at most: the
# last one waits 0.7 s, in time; the other payments wait in the queue, where nobody gives up. One
# retry makes twice the calls at worst, not four times. And what has expired is dropped by the
# worker (`revoked`), and is tried no more.

# %% [markdown]
# ## 5. Change one setting
# End the small shop's storm with **one** setting of `pay`. Leave the call, and at least one retry.

# %% tags=["exercise"] name="better"
### BEGIN SOLUTION
better = pay.but(retries=[SelfRetry(max_retries=1, countdown_s=0.8)])
### END SOLUTION

# %%
model_long = lab.model(shop("long", better, n=480))

# %% tags=["check"]
lab.check("mended", model_long)

# %% [markdown]
# Ten seconds of it on real workers. **How many of the four payments after the hang are done now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
done_now = 4
### END SOLUTION
fourth = lab.predict("How many of the four are done with your setting?", done_now)

# %%
model_mended, run_mended = lab.model(shop("mended", better)), lab.run(shop("mended", better))
in_model, on_workers = (lab.unless_open(n_after, one) for one in (model_mended, run_mended))
fourth.against(model=in_model, measured=on_workers)

# %% tags=["check"]
lab.check("now", done_now, run_mended)

# %% [markdown] tags=["solution"]
# Take the load away until the line is empty. In the small shop, by the model, one payment left out
# is enough; the larger one takes a minute without payments, or less if what waits in the queue is
# dropped. Then the calm stays, as the storm did. By day change what made it last: few retries, an
# expiry as short as somebody waits, and no more processes than the bank can answer in time.

# %% tags=["wrong"] of="guess" check="amplified" says="one attempt and three retries"
calls = 18
guess = lab.predict("How many calls does the bank get for six payments?", calls)

# %% tags=["wrong"] of="after" check="storm" says="it is not free"
done_after = 4
second = lab.predict("How many of the four payments after the hang are done?", done_after)

# %% tags=["wrong"] of="better" check="mended" says="can make 4 calls"
better = pay.but(retries=[SelfRetry(max_retries=3, countdown_s=0.4)])
