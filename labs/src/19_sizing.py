# %% tags=["lab"]
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.pace import pace
from sandbox.metrics import measure
from sandbox.theory import mmc

LAB = Lab(
    title="Sizing: Little, Erlang and the knee",
    question="So many tasks a second, so long each. How many processes does that take?",
    minutes=20,
    is_deep=True,
    assumes=("01",),
    goals=(
        "say from two numbers how many processes are busy, and how many are too few",
        "predict how long tasks wait at a stated load, and see where the curve bends",
        "choose a number of processes for a promised wait, and say what spoils it",
    ),
    hints=(
        "Tasks a second × seconds each = busy processes. What if there are just so many?",
        "mmc(rate_per_s, 1.0, processes).mean_wait_s is what Erlang says. And what a worker has "
        "fetched ahead no other one can take.",
        "rush(processes=6); the smallest n with mmc(7.2, 1.0, n).mean_wait_s below 0.2; "
        "uploads(7.2, n_workers=8, disable_prefetch=True).",
    ),
    links={
        "Concurrency": "https://docs.celeryq.dev/en/stable/userguide/workers.html#concurrency",
        "Prefetch limits": "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"
        "#prefetch-limits",
    },
    surprise="Most people expect a process that is busy 90 % of the time to let a task wait for a "
    "tenth of a second, or for one task. It waits as long as nine tasks take.",
    closing="The load doubles to 14.4 photos a second. Does the promise take twice as many "
    "processes? And what would you measure in production, so as to see the knee coming?",
)


def system(run):
    pool, task = run.scenario.workers[0], run.scenario.tasks[0]
    rate = getattr(run.scenario.loads[0], "rate_per_s", None)
    if rate is None or task.service.mean_s != 1.0 or len(run.scenario.workers) > 1:
        raise LabError("leave task and load as uploads(…) makes them: 1 s each, on one pool")
    return rate, pool.n_workers * pool.concurrency


def about(number, run, low, high):
    rate, n = system(run)
    right = mmc(rate, 1.0, n).mean_wait_s
    is_right, meant = abs(number - right) <= right / 3, low if number < right else high
    return Finding(f"about {right:.1f} s", f"{number:g} s", is_right, "the model's wait", meant)


@check("how many processes are busy on average")
def busy(number, run):
    pool = run.scenario.workers[0]
    right = round(measure(run).value("utilisation") * pool.concurrency)
    return Finding(
        str(right),
        str(number),
        number == right,
        where="utilisation × processes in the model's run",
        misconception="each of the eight that come in a second keeps a process for half of it only"
        if number > right
        else "while one works, others come in: in a second, eight halves of a second's work",
    )


@check("your workers keep up with eight photos a second")
def enough(run):
    n, found = sum(one.n_workers * one.concurrency for one in run.scenario.workers), pace(run)
    sent = getattr(run.scenario.loads[0], "at_s", ())
    if run.scenario.tasks[0].service.mean_s != 0.5 or sent != tuple(i / 8 for i in range(32)):
        raise LabError("leave photos and load as rush(…) makes them: 32, eight a second, 0.5 s")
    meant = "four are needed for the work alone: each second leaves some over"
    if n == 4:
        meant = "all four would have to be busy all the time: whatever is late once stays late"
    if n > 8:
        meant = "that is more than twice what the work needs: it keeps up, and somebody pays"
    is_right, where = 5 <= n <= 8 and found == "keeps up", "8 photos/s × 0.5 s = 4 busy processes"
    told = "5 to 8 processes, which keep up", f"{n} processes, {found}"
    return Finding(*told, is_right, where, meant)


@check("how long a task waits for a process that is busy 90 % of the time")
def ninety(number, run):
    return about(
        number,
        run,
        "90 % is how often the process is found busy, not how long one waits for it: whoever "
        "comes has all of those who wait already before him",
        "long, but not so long: there are nine tasks on average",
    )


@check("how long a task waits for eight processes that are busy 90 % of the time")
def eight(number, run):
    return about(
        number,
        run,
        "there are eight, and still seven in ten find all of them busy",
        "as busy as before, but one of eight is free eight times as soon: one line for all",
    )


@check("the fewest processes with which a task waits 0.2 s at most, on average")
def plan(number, run):
    rate, n = system(run)
    least = next(c for c in range(8, 30) if mmc(7.2, 1.0, c).mean_wait_s <= 0.2)
    if n != number or rate != 7.2:
        raise LabError("the run is another one: run the cell above again")
    meant = "7.2 are busy on average: with fewer the line grows for as long as you look"
    if number >= 8:
        meant = "they keep up, and the wait is beyond the knee all the same: leave some idle"
    if number > least:
        meant = "it holds with fewer, too: below the knee more processes buy next to nothing"
    return Finding(
        str(least),
        f"{number}, and a mean wait of {measure(run).value('mean_wait_s'):.2f} s",
        number == least,
        where="lab.number('mean_wait_s', lab.model(uploads(7.2, concurrency=…)))",
        misconception=meant,
    )


@check("eight small workers let a task wait no longer than a big one does")
def shared(run):
    rate, n = system(run)
    pool, wait = run.scenario.workers[0], measure(run).value("mean_wait_s")
    if (rate, n, pool.n_workers) != (7.2, 8, 8):
        raise LabError("eight workers of one process, 7.2 photos a second: that is the question")
    return Finding(
        "a mean wait of about 0.9 s, at most 1.1 s",
        f"{wait:.1f} s",
        wait <= 1.1,
        where="WorkerPool: prefetch_multiplier, disable_prefetch; TaskType: acks_late",
        misconception="acknowledged early, what runs does not count: one more is fetched with it"
        if pool.prefetch_multiplier == 1
        else "a worker still takes what another, idle one could have",
    )


# %% [markdown]
# Photos come in, and each becomes a thumbnail. How many processes do you order? Two numbers are
# known: how many come in a second, and how long one takes.

# %%
from sandbox import Exponential, Trace, lab
from sandbox.labs.pace import pace
from sandbox.overheads import Overheads

lab.lesson("19")


# %%
def rush(processes):
    """Return 4 s with eight photos a second, each of which takes 0.5 s."""
    return lab.Scenario(
        name="rush",
        tasks=[lab.TaskType(name="photo", service=lab.Deterministic(value_s=0.5))],
        workers=[lab.WorkerPool(concurrency=processes)],
        loads=[Trace(task="photo", at_s=[i / 8 for i in range(32)])],
        horizon_s=5.0,
    )


def uploads(rate_per_s, acks_late=False, **pool):
    """Return so many photos a second, 1 s each on average; ``pool`` as in WorkerPool(…)."""
    return lab.Scenario(
        name="uploads",
        tasks=[lab.TaskType(name="photo", service=Exponential(mean_s=1.0), acks_late=acks_late)],
        workers=[lab.WorkerPool(**pool)],
        loads=[lab.Poisson(task="photo", rate_per_s=rate_per_s)],
        kind="steady",
        warmup_s=800.0 / rate_per_s,
        horizon_s=8000.0 / rate_per_s,
    )


# %% [markdown]
# ## 1. Predict
# **Eight photos a second, half a second each: how many of twelve processes are busy, on average?**

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
n_busy = 4
### END SOLUTION
guess = lab.predict("How many processes are busy, on average?", n_busy)

# %% [markdown]
# ## 2. Ask the model

# %%
plenty = lab.model(rush(processes=12))
guess.against(model=round(lab.number("utilisation", plenty) * 12))

# %% tags=["check"]
lab.check("busy", n_busy, plenty)

# %% [markdown]
# **Little's law**: how many there are = how many come a second × how long each stays.
#
# ## 3. Run real workers
# First three processes. Workers that *fall behind* have more tasks waiting, when the last photo
# comes in, than they have processes.

# %%
pace(lab.run(rush(processes=3)))

# %% [markdown]
# Now yours: a number that keeps up, and is not more than twice what the work needs.

# %% tags=["exercise"] name="enough"
### BEGIN SOLUTION
enough = rush(processes=6)
### END SOLUTION

# %%
run = lab.run(enough)
pace(run)

# %% tags=["check"]
lab.check("enough", run)

# %% [markdown]
# ## 4. Busy and waiting
# From here on photos come at random, and take 1 s *on average*: many much less, a few much more.
# There is **one** process and 0.9 photos a second come in: it is busy 90 % of the time.
# **How long does a photo wait before it is begun, on average, in seconds?**

# %% tags=["exercise"] name="ninety"
### BEGIN SOLUTION
wait_one = 9
### END SOLUTION
second = lab.predict("How long does a photo wait for the one process (s)?", wait_one)

# %%
one = lab.model(uploads(0.9, concurrency=1))
second.against(model=round(lab.number("mean_wait_s", one), 1))

# %% tags=["check"]
lab.check("ninety", wait_one, one)

# %% [markdown]
# The model ran two hours of photos for this number; ten seconds of real workers say nothing of an
# average. The second witness here is the formula that **Erlang** found in 1917, `theory`:

# %%
line = uploads(0.5, acks_late=True, concurrency=1, prefetch_multiplier=1)
curve = lab.what_if(
    line.but(warmup_s=400.0, horizon_s=4000.0),
    {"loads.0.rate_per_s": [0.5, 0.7, 0.8, 0.9, 0.95]},
    metrics=["mean_wait_s"],
    replications=4,
    overheads=Overheads(),
)
display(
    lab.what_if_picture(curve, "mean_wait_s"),
    lab.what_if_table(curve, "mean_wait_s")[["mean", "theory"]].round(1),
)

# %% [markdown]
# That is the **knee**: from 50 to 70 % busy the wait grows by a second, from 90 to 95 % by eight or
# ten. All that a process can catch up with is the little that is left.
#
# ## 5. Change one setting, predict again
# Eight processes in one worker, and eight times the load, 7.2 photos a second: each is as busy as
# before, 90 % of the time. **How long does a photo wait now, on average?**

# %% tags=["exercise"] name="eight"
### BEGIN SOLUTION
wait_eight = 0.9
### END SOLUTION
third = lab.predict("How long does a photo wait for one of the eight (s)?", wait_eight)

# %%
eight = lab.model(uploads(7.2, concurrency=8))
third.against(model=round(lab.number("mean_wait_s", eight), 1))

# %% tags=["check"]
lab.check("eight", wait_eight, eight)

# %% [markdown]
# ## 6. Keep a promise
# 7.2 photos a second, and 0.2 s is what a photo may wait on average. **With how many processes, at
# the fewest, is that so?** Ask Erlang, `mmc(photos a second, seconds each, processes)`, which
# `from sandbox.theory import mmc` brings.

# %% tags=["exercise"] name="plan"
### BEGIN SOLUTION
from sandbox.theory import mmc

planned = min(n for n in range(8, 20) if mmc(7.2, 1.0, n).mean_wait_s <= 0.2)
### END SOLUTION
fourth = lab.predict("How many processes keep the promise?", planned)

# %%
run_planned = lab.unless_open(lambda n: lab.model(uploads(7.2, concurrency=n)), planned)

# %% tags=["check"]
lab.check("plan", planned, run_planned)

# %% [markdown]
# ## 7. What Erlang did not know
# With him there is one line for all: whoever is free takes the next. Now the eight processes are
# eight workers, one each, in eight containers; 7.2 photos a second, all settings as by default.
# **How long does a photo wait then?**

# %% tags=["exercise"] name="small"
### BEGIN SOLUTION
wait_small = 2.3
### END SOLUTION
fifth = lab.predict("How long does a photo wait for one of eight small workers (s)?", wait_small)

# %%
small = lab.model(uploads(7.2, n_workers=8))
fifth.against(model=round(lab.number("mean_wait_s", small), 1))

# %% [markdown]
# A worker fetches four tasks ahead for each process. What it has fetched stands in *its* line,
# while another worker idles. Give the eight small workers one line again, by what `uploads(…)`
# takes: settings of the pool, and `acks_late`.

# %% tags=["exercise"] name="shared"
### BEGIN SOLUTION
shared = uploads(7.2, n_workers=8, disable_prefetch=True)
### END SOLUTION

# %%
run_shared = lab.model(shared)

# %% tags=["check"]
lab.check("shared", run_shared)

# %% [markdown] tags=["solution"]
# No: 17 instead of 10, as `mmc(14.4, 1.0, n)` says: the more processes share a line, the smaller
# the share that must idle. Measure what the formula takes: runs a second, retries and second runs
# included, and seconds each. Their product, divided by the processes, is how busy they are: act at
# 70 %, not at 95 %. And measure how long tasks wait, not only how long the queue is: what workers
# have fetched is not in it.

# %% tags=["wrong"] of="enough" check="enough" says="whatever is late once stays late"
enough = rush(processes=4)

# %% tags=["wrong"] of="ninety" check="ninety" says="not how long one waits for it"
wait_one = 0.1
second = lab.predict("How long does a photo wait for the one process (s)?", wait_one)

# %% tags=["wrong"] of="plan" check="plan" says="leave some idle"
planned = 8
fourth = lab.predict("How many processes keep the promise?", planned)
