# %% tags=["lab"]
import math

from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.begins import begun, in_each_second
from sandbox.metrics import measure
from sandbox.scenario import AutoRetry

OUT_S, ALL, MANY, LONG_S = 3.95, 12, 200, 600.0
LATEST_S, MOST, CELERYS_S = 720.0, 20, 180.0
LAB = Lab(
    title="Backoff that is shorter than the outage",
    question="The payments are retried with exponential backoff. Why were they all lost, and what "
    "does the bank get when it is back?",
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
        "With jitter each delay is half as long on average: take more retries, at most 60 s apart.",
        "mended: one retry more. scale: "
        "ten_minutes(lab.AutoRetry(max_retries=40, backoff_s=1, backoff_max_s=60))",
    ),
    links={
        "Automatic retry": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#automatic-retry-for-known-exceptions",
        "Task.retry_jitter": "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
        "#Task.retry_jitter",
    },
    surprise="Most people expect exponential backoff to outlive a short outage: none of twelve "
    "payments does. And they expect jitter to do no harm: with the retries that paid all twelve, "
    "it pays five.",
    closing="A customer has mistyped the card number: the bank will refuse it for ever. What does "
    "your policy do with that payment, and what would you write into `autoretry_for`?",
)


def delays_of(run):
    """Return the policy, whether it jitters, and the sum of its longest delays (s)."""
    policy = next(iter(run.scenario.task("pay").retries), None)
    if not isinstance(policy, AutoRetry):
        raise LabError("the payments are to have one policy, a lab.AutoRetry(…)")
    if policy.backoff_s is None:
        return policy, False, policy.countdown_s * policy.max_retries
    return policy, policy.jitter, sum(map(policy.ceiling, range(policy.max_retries)))


def is_whole(run, n, for_s):
    """Whether ``n`` payments were sent at the begin of an outage as long as ``for_s``."""
    first_s = min((e.t_s for e in run.of_kind("sent")), default=0.0)
    down_s = [e.t_s for e in run.of_kind("dependency_down")]
    up_s = [e.t_s for e in run.of_kind("dependency_up")]
    if not down_s or not 0 <= first_s - down_s[0] < for_s / 10:
        return False
    is_long = not up_s or up_s[0] - down_s[0] > for_s - 0.5  # else it outlasted the run
    return is_long and len({e.task for e in run.of_kind("sent")}) == n


def busiest(run):
    """Return the most attempts of one second after the outage, 0 where none came."""
    up_s = min((e.t_s for e in run.of_kind("dependency_up")), default=math.inf)
    first_s = begun(run, "pay")[0].t_s
    seconds = in_each_second(run, "pay")
    return max((n for at, n in seconds.items() if first_s + at > up_s - 0.5), default=0)


@check("how many of the twelve are paid with two retries and exponential backoff")
def none_paid(number, run):
    meant = "the last of three attempts is after 1 + 2 seconds, and the bank is away for nearly 4"
    found, where = int(measure(run).value("done")), "the attempts of pay/0 in section 3"
    return Finding(str(found), str(number), number == found, where, meant)


@check("under your policy all twelve are paid, by the sum of its delays and not by luck")
def outlived(run):
    (policy, jitters, total), done = delays_of(run), measure(run).value("done")
    whole = is_whole(run, ALL, OUT_S)
    if not whole:
        meant = "without the outage nothing is to be outlived: leave the fault and the load"
    elif jitters:
        meant = "jitter makes the delays a matter of luck: leave it off until section 5"
    elif policy.backoff_s is not None and policy.countdown_s != CELERYS_S:
        meant = "countdown does nothing where there is a backoff: the backoff overwrites it"
    elif policy.backoff_s is not None and policy.backoff_max_s > 3 and total <= OUT_S:
        meant = "backoff_max_s is the most that a delay may be; it makes none longer"
    elif total > OUT_S:
        meant = "they still wait for a retry when the run ends: less will do"
    else:
        meant = "add up the delays: the last attempt must be after the end of the outage"
    return Finding(
        f"12 paid, the delays more than {OUT_S:g} s together, no jitter",
        f"{done:g} paid, the delays {total:g} s together, {'' if jitters else 'no '}jitter",
        whole and done == ALL and total > OUT_S and not jitters,
        where="max_retries, backoff_s and backoff_max_s",
        misconception=meant,
    )


@check("how many payments come to the bank in its busiest second after the outage")
def herd(number, run):
    found, where = busiest(run), "each_second(model_mended, 'pay')"
    meant = "they failed together and their delays are the same: they come back together"
    if number > found:
        meant = "there are twelve payments, and each comes once at a time"
    if not (mended := outlived.look(run)).is_right:
        return Finding(mended.expected, mended.observed, False, where, "first mend the policy")
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many of the twelve are paid with the same retries and jitter")
def with_jitter(number, run):
    found, near = measure(run).value("done"), 2
    meant = "on average the delays are half as long: 3 seconds together, and the outage is nearly 4"
    if number < found:
        meant = "the delays may be as long as without jitter, too: some are drawn long enough"
    told = f"{found:g}; {near} more or fewer are as good, since it is drawn"
    where = "lab.retry_gaps: add up the gaps of a payment that was lost"
    return Finding(told, str(number), abs(number - found) <= near, where, meant)


@check("ten minutes: 200 paid, two minutes after the outage at the latest, at most 20 a second")
def at_full_scale(run):
    (_, jitters, total), done, most = delays_of(run), measure(run).value("done"), busiest(run)
    last_s = max((e.t_s for e in run.of_kind("succeeded")), default=0.0)
    whole = is_whole(run, MANY, LONG_S)
    if not whole:
        meant = "200 payments in an outage of ten minutes: leave the load and the fault"
    elif not jitters:
        meant = "without jitter all come back in the same second"
    elif measure(run).value("stuck"):
        meant = "some still wait for a retry when the run ends: a smaller backoff_max_s will do"
    elif done < MANY and total > LONG_S:
        meant = "the sum is long enough only without jitter: with it expect half, and some get less"
    elif done < MANY:
        meant = "the delays are shorter than the outage even if each were drawn as long as may be"
    elif last_s > LATEST_S:
        meant = "the longest delay is how late a payment may be: backoff_max_s is 600 by default"
    else:
        meant = "a longer backoff_max_s spreads them more"
    return Finding(
        f"{MANY} paid, the last by {LATEST_S:g} s, at most {MOST} a second, with jitter",
        f"{done:g} paid, the last by {last_s:.0f} s, at most {most} a second, "
        f"{'with' if jitters else 'without'} jitter",
        whole and jitters and done == MANY and last_s <= LATEST_S and most <= MOST,
        where="max_retries and backoff_max_s",
        misconception=meant,
    )


# %% [markdown]
# Twelve payments are sent to a bank that has just gone away: for nearly four seconds it refuses
# every call. Somebody has thought of that, and the task has automatic retries *“with exponential
# backoff”*: `autoretry_for=(ConnectionError,)`, and
#
# | Celery | here | says |
# | --- | --- | --- |
# | `max_retries=2` | `max_retries=2` | two attempts after the first |
# | `retry_backoff=1` | `backoff_s=1` | the delays are 1, 2, 4, 8 … seconds, |
# | `retry_backoff_max=3` | `backoff_max_s=3` | and none is longer than 3 |
# | `retry_jitter=False` | `jitter=False` | comes in section 5 |

# %%
from sandbox import lab
from sandbox.dependencies import Call, Dependency
from sandbox.faults.fail_dependency import FailDependency
from sandbox.labs.begins import each_second

lab.lesson("11")


# %%
def outage(policy, n=12, sent_s=0.2, for_s=3.95):
    """Return ``n`` payments that are sent while the bank is away, with what may follow."""
    return lab.Scenario(
        name="outage",
        tasks=[lab.TaskType(name="pay", calls=Call(dependency="bank"), retries=[policy])],
        workers=[lab.WorkerPool(concurrency=4)],
        loads=[lab.Burst(task="pay", n=n, at_s=sent_s)],
        dependencies=[Dependency(name="bank", capacity=4)],
        faults=[FailDependency(dependency="bank", for_s=for_s, when=lab.At(at_s=0.0))],
        horizon_s=sent_s + 1.0,
        deadline_s=3 * for_s,
        seed=1861,  # with these draws no payment is tried for the last time near the return
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
# ## 2. Ask the model, then real workers
# About five seconds.

# %%
model = lab.model(outage(two_retries))
run = lab.run(outage(two_retries))
guess.against(model=lab.number("done", model), measured=lab.number("done", run))

# %% tags=["check"]
lab.check("none_paid", paid, run)

# %% [markdown]
# ## 3. Where your number was wrong
# The seconds between the attempts of the first payment, and the attempts of all in each second:

# %%
display(lab.retry_gaps({"seconds between attempts": model}).head(1), each_second(model, "pay"))

# %% [markdown]
# Three attempts, the last 1 + 2 = 3 seconds after the first. All were refused; then the retries are
# used up, and the payment is FAILURE for good. A second later the bank was back. How long a policy
# can wait is **the sum of its delays**: with Celery's defaults and `retry_backoff=True`, three
# retries after 1, 2 and 4 seconds, it is seven seconds at most.

# %% [markdown]
# ## 4. Change the policy
# Have all twelve paid: a policy whose delays are longer, together, than the outage. Write
# `mended = outage(lab.AutoRetry(…))`, still with `jitter=False`. The run ends after twelve seconds.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
mended = outage(lab.AutoRetry(max_retries=3, backoff_s=1, backoff_max_s=3, jitter=False))
### END SOLUTION

# %% [markdown]
# And predict: with the bank back, **how many payments come to it in its busiest second?**

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

# %%
by_second = each_second(model_mended, "pay")
measured = each_second(run_mended, "pay")["begun"].max()
display(second.against(model=by_second["begun"].max(), measured=measured), by_second)

# %% tags=["check"]
lab.check("herd", busiest, run_mended)

# %% [markdown]
# A **herd**: they failed together, so they come back together, each time. The bank gets all of them
# in one second, and nobody in the seconds around it. So it would with all payments of a day.

# %% [markdown]
# ## 5. Predict again: jitter
# **Jitter** spreads them. It is Celery's default, `retry_jitter=True`: each delay is *drawn*, any
# whole number of seconds from 0 to what it would have been. Three retries with backoff 1, 2, 3 paid
# all twelve. **How many of the twelve are paid with the same retries and jitter?**

# %% tags=["exercise"] name="jitter"
### BEGIN SOLUTION
paid_drawn = 5
### END SOLUTION
third = lab.predict("How many of the twelve are paid with jitter?", paid_drawn)

# %%
three_drawn = lab.AutoRetry(max_retries=3, backoff_s=1, backoff_max_s=3, jitter=True)
model_drawn = lab.model(outage(three_drawn))
run_drawn = lab.run(outage(three_drawn))
third.against(model=lab.number("done", model_drawn), measured=lab.number("done", run_drawn))

# %% tags=["check"]
lab.check("with_jitter", paid_drawn, run_drawn)

# %% [markdown]
# These are the seconds between the attempts of each payment:

# %%
lab.retry_gaps({"seconds between attempts": model_drawn})

# %% [markdown]
# Add them up: whoever has less than four is lost. Half of the first retries come **at once**, after
# 0 seconds. On average jitter halves each delay, and so the sum: three seconds, not
# six. Was it bad luck? A hundred outages, by the model:

# %%
hundred = [lab.model(outage(three_drawn).but(seed=seed)) for seed in range(100)]
paid_of_all = sum(lab.number("done", one) for one in hundred)
print(f"{paid_of_all:.0f} of {12 * len(hundred)} payments are paid")

# %% [markdown]
# ## 6. At full scale
# The bank is away for **ten minutes**, and 200 payments wait for it; the run ends after half an
# hour. This is for the model, which needs a second for it. Choose the policy: all 200 are to be
# paid, two minutes after the bank's return at the latest, and never more than 20 in one second.
# Write `scale = ten_minutes(lab.AutoRetry(…))`.


# %%
def ten_minutes(policy):
    """Return 200 payments that are sent into an outage of ten minutes."""
    return outage(policy, n=200, sent_s=30.0, for_s=600.0)


# %% tags=["exercise"] name="scale"
### BEGIN SOLUTION
scale = ten_minutes(lab.AutoRetry(max_retries=40, backoff_s=1, backoff_max_s=60, jitter=True))
### END SOLUTION

# %%
model_scale = lab.model(scale)
lab.counts(model_scale)

# %% tags=["check"]
lab.check("at_full_scale", model_scale)

# %% [markdown] tags=["solution"]
# It tries it forty times more, for twenty minutes, and then fails as it would have at once; and the
# customer waits for the answer. A policy that outlives outages is only for what passes: write the
# errors of an outage into `autoretry_for`, such as `ConnectionError` and `TimeoutError`, and never
# `Exception`. What the bank says on purpose is an answer, and no outage.

# %% tags=["wrong"] of="guess" check="none_paid" says="the last of three attempts"
paid = 12
guess = lab.predict("How many of the twelve are paid?", paid)

# %% tags=["wrong"] of="mended" check="outlived" says="the backoff overwrites it"
mended = outage(
    lab.AutoRetry(max_retries=2, backoff_s=1, backoff_max_s=3, jitter=False, countdown_s=60.0)
)

# %% tags=["wrong"] of="scale" check="at_full_scale" says="long enough only without jitter"
scale = ten_minutes(lab.AutoRetry(max_retries=15, backoff_s=1, backoff_max_s=60, jitter=True))
