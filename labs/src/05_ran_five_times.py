# %% tags=["lab"]
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.metrics import measure

LAB = Lab(
    title="The task that ran five times",
    question="One reminder was sent, with early acknowledgement and no retries. Why were there "
    "five?",
    minutes=20,
    is_deep=True,
    assumes=("01", "03"),
    goals=(
        "predict how often a task with a countdown runs, from two numbers",
        "say which two kinds of tasks the visibility timeout makes run twice while all is well",
        "choose a visibility timeout, and say what it costs",
    ),
    hints=(
        "Where is the message until the reminder's time has come, and how old may it get there?",
        "One copy more each time the visibility timeout goes by within the countdown.",
        "queue(visibility_timeout_s=9.0): any number above the countdown, 7.0.",
    ),
    links={
        "ETA and countdown": "https://docs.celeryq.dev/en/stable/userguide/calling.html"
        "#eta-and-countdown",
        "Visibility timeout": "https://docs.celeryq.dev/en/stable/getting-started/"
        "backends-and-brokers/redis.html#visibility-timeout",
    },
    surprise="Most people expect one: no retry, no crash, and early acknowledgement is at most "
    "once. It is five, since a message that waits for its time is not acknowledged.",
    closing="A reminder is to be sent in thirty days. Which visibility timeout would that take, "
    "what would it cost when a worker dies, and how would you send the reminder instead?",
)
COUNTDOWN_S = 7.0


def starts(run, kind):
    found = [e for e in run.of_kind("started") if (e.task or "").startswith(f"{kind}/")]
    if not any((e.task or "").startswith(f"{kind}/") for e in run.events):
        raise LabError(f"no task {kind!r} was sent: leave the task type and the load as they are")
    return len(found)


@check("how often the one reminder ran")
def five(number, run):
    n = starts(run, "remind")
    if number == n - 1:
        meant = "so often it is put back; what was delivered first runs, too"
    elif number < n:
        meant = "the message is not acknowledged before its time has come: until then each "
        meant += "visibility timeout puts it back, and the worker holds one copy more"
    else:
        meant = "only the visibility timeouts that end within the countdown make a copy"
    return Finding(
        str(n),
        str(number),
        number == n,
        where="the events 'restored' in lab.journey(model, 'remind/0')",
        misconception=meant,
    )


@check("how often it runs with twice the visibility timeout")
def again(number, run):
    n = starts(run, "remind")
    if number == 1:
        meant = "longer is not long enough: the countdown is still more than the timeout"
    elif number > n:
        meant = "a copy more each time that a visibility timeout goes by within the countdown"
    else:
        meant = "the first delivery runs, too: add one to the number of times it is put back"
    return Finding(
        str(n),
        str(number),
        number == n,
        where="whole visibility timeouts in the countdown",
        misconception=meant,
    )


@check("with your settings it runs once, and not before its time")
def once(run):
    n = starts(run, "remind")
    sent = sum(e.kind == "sent" for e in run.events)
    waits = run.scenario.task("remind").countdown_s
    done, timeout = measure(run).value("done"), run.scenario.broker.visibility_timeout_s
    if waits != COUNTDOWN_S:
        meant = "it was to come seven seconds later: that is what the customer has asked for"
    elif n > 1:
        meant = "the visibility timeout is still shorter than the countdown"
    elif timeout <= waits:
        meant = (
            "nobody has looked in these eight seconds; the message is too old all the same, and "
        )
        meant += "the next client that looks puts it back"
    else:
        meant = "leave the worker and the load as they are: the reminder must come, once"
    return Finding(
        "1 sent, 1 run, after 7 s, and a visibility timeout above that",
        f"{sent} sent, {n} run, after {waits:g} s, and one of {timeout:g} s",
        (n, sent, done, waits) == (1, 1, 1, COUNTDOWN_S) and timeout > waits,
        where="broker.visibility_timeout_s, and countdown_s of the task type",
        misconception=meant,
    )


@check("how often the film is begun")
def film(number, run):
    n = starts(run, "film")
    return Finding(
        str(n),
        str(number),
        number == n,
        where="run_film.attempts: two rows of film/0, the second began while the first ran",
        misconception="acknowledged late means: in `unacked` while it runs, and nothing says "
        "there that its worker is well"
        if number < n
        else "when the first run ends it acknowledges, and that removes the message for the copy, "
        "too: it is put back no more",
    )


# %% [markdown]
# A customer wants to be reminded in seven hours. `remind.apply_async(countdown=…)` is called once.
# In this lab a second stands for an hour: the countdown is 7 s, the **visibility timeout** 1.5 s.
# Nothing crashes, there are no retries, and the message is acknowledged early, as by default.

# %%
from sandbox import Broker, lab

lab.lesson("05")


# %%
def queue(visibility_timeout_s):
    """Return a broker whose clients look every 0.1 s for messages that are older than that."""
    return Broker(
        visibility_timeout_s=visibility_timeout_s,
        unacked_restore_interval_s=0.1,
        unacked_restore_throttle=1,
    )


remind = lab.TaskType(name="remind", countdown_s=7.0)
reminder = lab.Scenario(
    name="reminder",
    tasks=[remind],
    workers=[lab.WorkerPool()],
    loads=[lab.Burst(task="remind", n=1)],
    broker=queue(visibility_timeout_s=1.5),
    horizon_s=8.0,
)

# %% [markdown]
# ## 1. Predict
# **How often does the one reminder run?** Write your number down before you go on.

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
runs = 5
### END SOLUTION
guess = lab.predict("How often does the one reminder run?", runs)

# %% [markdown]
# ## 2. Ask the model

# %%
model = lab.model(reminder)
guess.against(model=lab.number("executions", model))

# %% [markdown]
# ## 3. Run real workers
# About ten seconds.

# %%
run = lab.run(reminder)
guess.against(model=lab.number("executions", model), measured=lab.number("executions", run))

# %% tags=["check"]
lab.check("five", runs, run)

# %% [markdown]
# ## 4. Where your number was wrong
# A worker takes the message at once and holds it in its memory until the time has come. Only then
# does the task begin, and only then is the message acknowledged. Until then it is in `unacked`,
# and there it gets old. Whoever finds it older than the visibility timeout takes its worker for
# dead and puts it back into the queue; the same worker takes it, and now holds it twice.

# %%
lab.journey(model, "remind/0").head(9)

# %% [markdown]
# And so on. Four times 1.5 s go by within 7 s: four copies more. At 7 s all five run, one after the
# other. The customer gets five reminders.

# %% [markdown]
# ## 5. Predict again
# Somebody doubles the visibility timeout, to 3 s. **How often does the reminder run now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
runs_doubled = 3
### END SOLUTION
second = lab.predict("How often does it run with a timeout of 3 s?", runs_doubled)

# %%
doubled = reminder.but(name="doubled", broker=queue(visibility_timeout_s=3.0))
model_doubled = lab.model(doubled)
run_doubled = lab.run(doubled)
second.against(
    model=lab.number("executions", model_doubled),
    measured=lab.number("executions", run_doubled),
)

# %% tags=["check"]
lab.check("again", runs_doubled, run_doubled)

# %% [markdown]
# ## 6. Change one setting
# Make it run **once**, seven seconds after it was sent: one setting.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
mended = lab.Scenario(
    name="mended",
    tasks=[remind],
    workers=[lab.WorkerPool()],
    loads=[lab.Burst(task="remind", n=1)],
    broker=queue(visibility_timeout_s=9.0),
    horizon_s=8.0,
)
### END SOLUTION

# %%
run_mended = lab.run(mended)
lab.counts(run_mended)

# %% tags=["check"]
lab.check("once", run_mended)

# %% [markdown]
# ## 7. The other kind of task
# A film is converted, which takes 3.2 s; `acks_late=True`, so that it is not lost when its worker
# dies. The visibility timeout is 2 s, and the worker has two processes. No countdown.
# **How often is the film begun?**

# %% tags=["exercise"] name="film"
### BEGIN SOLUTION
begun = 2
### END SOLUTION
third = lab.predict("How often is the film begun?", begun)

# %%
convert = lab.Scenario(
    name="convert",
    tasks=[lab.TaskType(name="film", service=lab.Deterministic(value_s=3.2), acks_late=True)],
    workers=[lab.WorkerPool(concurrency=2)],
    loads=[lab.Burst(task="film", n=1)],
    broker=queue(visibility_timeout_s=2.0),
    horizon_s=8.0,
)
model_film = lab.model(convert)
display(lab.timeline_picture(model_film), lab.timeline_table(model_film))

# %%
run_film = lab.run(convert)
third.against(
    model=lab.number("executions", model_film), measured=lab.number("executions", run_film)
)

# %% tags=["check"]
lab.check("film", begun, run_film)

# %% [markdown]
# Both at once, on two processes of one healthy worker. What was in `unacked` for longer than the
# visibility timeout comes again, for whatever reason it was there: it waited for its time, or it
# ran and was to be acknowledged late.

# %% [markdown] tags=["solution"]
# More than thirty days: longer than the longest countdown and the longest run. But what a dead
# worker held comes back only after the visibility timeout: a crash would then cost a month. So keep
# countdowns short: write the reminder and its date into a table, and have `celery beat` run a task
# every few minutes that sends what is due. And make the task idempotent, in any case.

# %% tags=["wrong"] of="guess" check="five" says="is not acknowledged before its time"
runs = 1
guess = lab.predict("How often does the one reminder run?", runs)

# %% tags=["wrong"] of="again" check="again" says="longer is not long enough"
runs_doubled = 1
second = lab.predict("How often does it run with a timeout of 3 s?", runs_doubled)

# %% tags=["wrong"] of="mended" check="once" says="what the customer has asked for"
mended = lab.Scenario(
    name="mended",
    tasks=[remind.but(countdown_s=1.0)],
    workers=[lab.WorkerPool()],
    loads=[lab.Burst(task="remind", n=1)],
    broker=queue(visibility_timeout_s=1.5),
    horizon_s=8.0,
)
