# %% tags=["lab"]
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.begins import begun, in_each_second
from sandbox.metrics import measure
from sandbox.scenario import AutoRetry

OUT_S, ALL, MANY, LONG_S = 3.95, 12, 200, 600.0
LATEST_S, MOST = 720.0, 20
LAB = Lab(
    title="Backoff that is shorter than the outage",
    question="The payments are retried with exponential backoff. Why were they all lost, and why "
    "did the bank go down again when it was back?",
    minutes=20,
    is_deep=True,
    assumes=("01",),
    goals=(
        "add up a policy's delays, and hold them against an outage",
        "say what `countdown`, `retry_backoff_max` and `retry_jitter` do to that sum",
        "choose retries that outlive an outage and do not come back all at once",
    ),
    hints=(
        "When is the last attempt? Add up the delays before it, and compare with the outage.",
        "With jitter each delay is half as long on average, and may be 0: take more retries, and a "
        "small backoff_max_s.",
        "mended: max_retries=3. patient: max_retries=12, jitter on. At full scale: "
        "AutoRetry(max_retries=40, backoff_s=1, backoff_max_s=60).",
    ),
    links={
        "Automatic retry": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#automatic-retry-for-known-exceptions",
        "Task.retry_backoff_max": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#Task.retry_backoff_max",
        "Task.retry_jitter": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#Task.retry_jitter",
    },
    surprise="Most people expect exponential backoff to outlive a short outage: none of twelve "
    "payments does. And they expect jitter to do no harm: with the retries that paid all twelve, "
    "it pays five.",
    closing="A customer has mistyped the card number: the bank will refuse it for ever. What does "
    "your policy do with that payment, and what would you write into `autoretry_for`?",
)


def policy_of(run):
    """Return the one AutoRetry of the payments; LabError for anything else."""
    policies = run.scenario.task("pay").retries
    if len(policies) != 1 or not isinstance(policies[0], AutoRetry):
        raise LabError("the payments are to have one policy, a lab.AutoRetry(…)")
    return policies[0]


def delays_s(policy):
    """Return the longest delays (s) before each retry."""
    if policy.backoff_s is None:
        return [policy.countdown_s] * policy.max_retries
    return [policy.ceiling(n) for n in range(policy.max_retries)]


def is_whole(run, n, for_s):
    """Whether ``n`` payments were sent into an outage as long as ``for_s``."""
    first_s = min((e.t_s for e in run.of_kind("sent")), default=0.0)
    down = [e.t_s for e in run.of_kind("dependency_down")]
    up = [e.t_s for e in run.of_kind("dependency_up")] or [run.events[-1].t_s]
    sent = {e.task for e in run.of_kind("sent")}
    long_s = up[0] - down[0] if down else 0.0
    is_cut = not run.of_kind("dependency_up")
    return len(sent) == n and bool(down) and down[0] < first_s and (is_cut or long_s > for_s - 0.5)


@check("how many of the twelve are paid with two retries and exponential backoff")
def none_paid(number, run):
    found = measure(run).value("done")
    return Finding(
        f"{found:g}",
        str(number),
        number == found,
        where="run.attempts: the column started_s of pay/0",
        misconception="three attempts, after 0, 1 and 1 + 2 seconds: the last is at 3 s, and the "
        "bank is away for nearly 4",
    )


@check("under your policy all twelve are paid, by the sum of its delays and not by luck")
def outlived(run):
    policy, done = policy_of(run), measure(run).value("done")
    total = sum(delays_s(policy))
    jitters = policy.jitter and policy.backoff_s is not None
    if not is_whole(run, ALL, OUT_S):
        meant = "without the outage nothing is to be outlived: leave the fault and the load"
    elif jitters:
        meant = "jitter makes the delays a matter of luck: leave it off until section 6"
    elif policy.backoff_s is not None and policy.countdown_s != 180.0:
        meant = "countdown does nothing where there is a backoff: the backoff overwrites it"
    elif policy.backoff_max_s > 3 and total <= OUT_S:
        meant = "backoff_max_s is the most that a delay may be; it makes none longer"
    elif done < ALL and total > OUT_S:
        meant = "they still wait for a retry when the lab ends the run: less will do"
    else:
        meant = "add up the delays: the last attempt must be after the end of the outage"
    return Finding(
        f"12 paid, the delays more than {OUT_S:g} s together, without jitter",
        f"{done:g} paid, the delays {total:g} s together, {'with' if jitters else 'without'} "
        "jitter",
        done == ALL and total > OUT_S and not jitters and is_whole(run, ALL, OUT_S),
        where="the policy's max_retries, backoff_s and backoff_max_s",
        misconception=meant,
    )


@check("how many payments come to the bank in its busiest second after the outage")
def herd(number, run):
    up_s = [e.t_s for e in run.of_kind("dependency_up")]
    if not up_s:
        raise LabError("the outage did not end in this run: leave the fault and the deadline")
    seconds = in_each_second(run, "pay")
    first_s = begun(run, "pay")[0].t_s
    found = max((n for at, n in seconds.items() if first_s + at > up_s[0] - 0.5), default=0)
    return Finding(
        str(found),
        str(number),
        number == found,
        where="each_second(run_mended, 'pay')",
        misconception="they failed together and their delays are the same: they come back together"
        if number < found
        else "each payment comes back once at a time",
    )


@check("the shortest time that three retries with jitter may take together")
def shortest(number, run):
    policy_of(run)
    return Finding(
        "0",
        str(number),
        number == 0,
        where="lab.retry_gaps: the zeros",
        misconception="the delay is drawn from 0 to the backoff, both included: not from half of "
        "it, and not around it",
    )


@check("how many of the twelve are paid with the same retries and jitter")
def with_jitter(number, run):
    found, near = measure(run).value("done"), 2
    return Finding(
        f"{found:g}, and {near} more or fewer is as good: it is drawn",
        str(number),
        abs(number - found) <= near,
        where="lab.retry_gaps: add up the gaps of a payment that was lost",
        misconception="on average the delays are half as long: three seconds together, and the "
        "outage is nearly four"
        if number > found
        else "the delays may be as long as without jitter, too: some are drawn long enough",
    )


@check("under your policy all twelve are paid although their delays are drawn")
def patient_and_drawn(run):
    policy, done = policy_of(run), measure(run).value("done")
    jitters, total = policy.jitter and policy.backoff_s is not None, sum(delays_s(policy))
    stuck = measure(run).value("stuck")
    if not is_whole(run, ALL, OUT_S):
        meant = "without the outage nothing is to be outlived: leave the fault and the load"
    elif not jitters:
        meant = "without jitter they all come back at the same moment: set jitter=True"
    elif stuck:
        meant = "some wait for a retry when the lab ends the run: a smaller backoff_max_s will do"
    else:
        meant = "half of the sum of the delays is what to expect: take more retries"
    is_enough = total / 2 > OUT_S
    return Finding(
        f"12 paid, with jitter, half of the delays' sum more than {OUT_S:g} s",
        f"{done:g} paid, {'with' if jitters else 'without'} jitter, half of the sum {total / 2:g} "
        f"s, {stuck:g} still waiting",
        done == ALL and jitters and is_enough and is_whole(run, ALL, OUT_S),
        where="max_retries, and how long each may take",
        misconception=meant,
    )


@check("ten minutes: 200 paid, two minutes after the outage at the latest, at most 20 a second")
def at_full_scale(run):
    policy, done = policy_of(run), measure(run).value("done")
    up_s = [e.t_s for e in run.of_kind("dependency_up")]
    first_s = begun(run, "pay")[0].t_s
    after = [n for at, n in in_each_second(run, "pay").items() if up_s and first_s + at >= up_s[0]]
    most = max(after, default=0)
    last_s = max((e.t_s for e in run.of_kind("succeeded")), default=0.0)
    total = sum(delays_s(policy))
    if not is_whole(run, MANY, LONG_S):
        meant = "200 payments in an outage of ten minutes: leave the load and the fault"
    elif not policy.jitter or policy.backoff_s is None:
        meant = "without jitter all 200 come back in one second"
    elif done < MANY and total > LONG_S:
        meant = "the sum is long enough only without jitter: with it, expect half"
    elif done < MANY:
        meant = "the delays are shorter than the outage even if each were drawn as long as may be"
    elif last_s > LATEST_S:
        meant = "the longest delay is how late a payment may be: backoff_max_s is 600 by default"
    else:
        meant = "a longer backoff_max_s spreads them more"
    return Finding(
        f"{MANY} paid, the last {LATEST_S:g} s after the outage began or before, at most {MOST} "
        "a second",
        f"{done:g} paid, the last after {last_s:.0f} s, at most {most} a second",
        done == MANY
        and last_s <= LATEST_S
        and most <= MOST
        and policy.jitter
        and is_whole(run, MANY, LONG_S),
        where="max_retries and backoff_max_s",
        misconception=meant,
    )


# %% [markdown]
# Twelve payments are sent to a bank that has just gone away: for nearly four seconds it refuses
# every call. Somebody has thought of that, and the task has Celery's automatic retries *“with
# exponential backoff”*:
#
# ```python
# @app.task(autoretry_for=(ConnectionError,), max_retries=2,
#           retry_backoff=True, retry_backoff_max=3, retry_jitter=False)
# def pay(order): ...
# ```
#
# The delays are 1, 2, 4, 8 … seconds, none longer than `retry_backoff_max`. (Celery's own defaults
# are 3 retries and 600 s.)

# %%
from sandbox import lab
from sandbox.dependencies import Call, Dependency
from sandbox.faults.fail_dependency import FailDependency
from sandbox.labs.begins import each_second

lab.lesson("11")


# %%
def outage(policy, n=12, sent_s=0.2, for_s=3.95, deadline_s=11.0, seed=1861):
    """Return ``n`` payments that are sent while the bank is away; the run ends at the deadline."""
    return lab.Scenario(
        name="outage",
        tasks=[lab.TaskType(name="pay", calls=Call(dependency="bank"), retries=[policy])],
        workers=[lab.WorkerPool(concurrency=4)],
        loads=[lab.Burst(task="pay", n=n, at_s=sent_s)],
        dependencies=[Dependency(name="bank", capacity=4)],
        faults=[FailDependency(dependency="bank", for_s=for_s, when=lab.At(at_s=0.0))],
        horizon_s=sent_s + 1.0,
        deadline_s=deadline_s,
        seed=seed,
    )


two_retries = lab.AutoRetry(max_retries=2, backoff_s=1, backoff_max_s=3, jitter=False)

# %% [markdown]
# ## 1. Predict
# **How many of the twelve are paid?** Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
paid = 0
### END SOLUTION
guess = lab.predict("How many of the twelve are paid?", paid)

# %% [markdown]
# ## 2. Ask the model

# %%
model = lab.model(outage(two_retries))
guess.against(model=lab.number("done", model))

# %% [markdown]
# ## 3. Run real workers
# About five seconds.

# %%
run = lab.run(outage(two_retries))
guess.against(model=lab.number("done", model), measured=lab.number("done", run))

# %% tags=["check"]
lab.check("none_paid", paid, run)

# %% [markdown]
# ## 4. Where your number was wrong
# The seconds between the attempts of the first payment, and the attempts of all in each second:

# %%
display(lab.retry_gaps({"seconds between attempts": model}).head(1), each_second(model, "pay"))

# %% [markdown]
# Three attempts, the last 1 + 2 = 3 seconds after the first. All were refused; then the retries are
# used up, and the payment is FAILURE for good. A second later the bank was back. How long a policy
# can wait is **the sum of its delays**. Celery's default, three retries after 1, 2 and 4 s, waits
# for seven seconds. A bank needs longer than that to start again.

# %% [markdown]
# ## 5. Change the policy
# Have all twelve paid, still without jitter (below): a policy whose delays are longer, together,
# than the outage. The lab ends a run after eleven seconds.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
policy = lab.AutoRetry(max_retries=3, backoff_s=1, backoff_max_s=3, jitter=False)
mended = outage(policy)
### END SOLUTION

# %% [markdown]
# And predict: when the bank is back, **how many payments come to it in its busiest second?**

# %% tags=["exercise"] name="busiest"
### BEGIN SOLUTION
busiest = 12
### END SOLUTION
second = lab.predict("How many payments come in the busiest second after the outage?", busiest)

# %%
model_mended = lab.model(mended)
run_mended = lab.run(mended)
lab.counts(run_mended)

# %% tags=["check"]
lab.check("outlived", run_mended)

# %% tags=["check"]
lab.check("herd", busiest, run_mended)

# %%
each_second(model_mended, "pay")

# %% [markdown]
# A **herd**. They failed together, so they come back together, each time, and the bank gets all of
# them in the moment in which it is up again. With twelve that is no harm. With twelve thousand it
# is down again.

# %% [markdown]
# ## 6. Predict again: jitter
# **Jitter** spreads them. It is Celery's default, `retry_jitter=True`: each delay is *drawn*, any
# whole number of seconds from 0 to what it would have been. Three retries with backoff 1, 2, 3 paid
# all twelve. **What is the shortest time, in seconds, that these three may now take together? And
# how many of the twelve are paid now?**

# %% tags=["exercise"] name="shortest"
### BEGIN SOLUTION
shortest_s = 0
### END SOLUTION
third = lab.predict("The shortest time that three retries with jitter may take?", shortest_s)

# %% tags=["exercise"] name="jitter"
### BEGIN SOLUTION
paid_drawn = 5
### END SOLUTION
fourth = lab.predict("How many of the twelve are paid with jitter?", paid_drawn)

# %%
three_drawn = lab.AutoRetry(max_retries=3, backoff_s=1, backoff_max_s=3, jitter=True)
model_drawn = lab.model(outage(three_drawn))
run_drawn = lab.run(outage(three_drawn))
fourth.against(model=lab.number("done", model_drawn), measured=lab.number("done", run_drawn))

# %% tags=["check"]
lab.check("shortest", shortest_s, run_drawn)

# %% tags=["check"]
lab.check("with_jitter", paid_drawn, run_drawn)

# %% [markdown]
# These are the seconds between the attempts of each payment:

# %%
lab.retry_gaps({"seconds between attempts": model_drawn})

# %% [markdown]
# Add them up: whoever has less than four seconds is lost. Half of the first retries come **at
# once**, after 0 seconds. On average jitter halves each delay, and so the sum: three seconds instead
# of six. Was it bad luck? A hundred outages, by the model:

# %%
hundred = [lab.model(outage(three_drawn, seed=seed)) for seed in range(100)]
paid_of_all = sum(lab.number("done", one) for one in hundred)
print(f"{paid_of_all:.0f} of {12 * len(hundred)} payments are paid")

# %% [markdown]
# ## 7. Have both
# Have all twelve paid **with** jitter: a policy of which half of the sum is longer than the outage.

# %% tags=["exercise"] name="patient"
### BEGIN SOLUTION
patient = lab.AutoRetry(max_retries=12, backoff_s=1, backoff_max_s=3, jitter=True)
both = outage(patient)
### END SOLUTION

# %%
run_both = lab.run(both)
lab.counts(run_both)

# %% tags=["check"]
lab.check("patient_and_drawn", run_both)

# %% [markdown]
# ## 8. At full scale
# The bank is away for **ten minutes**, and 200 payments wait for it. All are to be paid, two minutes
# after its return at the latest, and never more than 20 in one second. This is for the model: ten
# minutes take it a second. Write the policy: `max_retries`, `backoff_s`, `backoff_max_s`, `jitter`.

# %% tags=["exercise"] name="scale"
### BEGIN SOLUTION
policy_at_scale = lab.AutoRetry(max_retries=40, backoff_s=1, backoff_max_s=60, jitter=True)
ten_minutes = outage(policy_at_scale, n=200, sent_s=30.0, for_s=600.0, deadline_s=3000.0)
### END SOLUTION

# %%
model_scale = lab.model(ten_minutes)
lab.counts(model_scale)

# %% tags=["check"]
lab.check("at_full_scale", model_scale)

# %% [markdown] tags=["solution"]
# It tries it forty times more, for twenty minutes, and then fails as it would have at once; and the
# customer waits for the answer. A policy that outlives outages is only for what passes: write the
# errors of an outage into `autoretry_for`, such as `ConnectionError` and `TimeoutError`, and never
# `Exception`. What the bank says on purpose is an answer, and no outage.

# %% tags=["wrong"] of="guess" check="none_paid" says="the last is at 3 s"
paid = 12
guess = lab.predict("How many of the twelve are paid?", paid)

# %% tags=["wrong"] of="mended" check="outlived" says="the backoff overwrites it"
policy = lab.AutoRetry(
    max_retries=2, backoff_s=1, backoff_max_s=3, jitter=False, countdown_s=60.0
)
mended = outage(policy)

# %% tags=["wrong"] of="scale" check="at_full_scale" says="long enough only without jitter"
policy_at_scale = lab.AutoRetry(max_retries=15, backoff_s=1, backoff_max_s=60, jitter=True)
ten_minutes = outage(policy_at_scale, n=200, sent_s=30.0, for_s=600.0, deadline_s=3000.0)
