# %% tags=["lab"]
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.labs.begins import begun, n_before
from sandbox.metrics import measure

FIVE = ("alarm", "index", "clean", "report", "backup")
LAB = Lab(
    title="Priorities the Redis way",
    question="The alarm was sent with the highest priority there is. Why is it the last to begin?",
    minutes=10,
    assumes=("01",),
    goals=(
        "say which number is the highest priority on Redis, and which one a task without any has",
        "say which priorities are one and the same",
        "find the tasks that no priority can overtake, and do without them",
    ),
    hints=(
        "A worker takes the highest priority first. But what has it taken before you came?",
        "A setting of the worker says how much it takes ahead, and 1 is one task too many.",
        "one_process(disable_prefetch=True)",
    ),
    links={
        "Redis message priorities": "https://docs.celeryq.dev/en/stable/userguide/routing.html"
        "#redis-message-priorities",
        "Prefetch limits": "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"
        "#prefetch-limits",
    },
    surprise="Most people expect priority 9 to begin first, as it does on RabbitMQ. On Redis 0 is "
    "the highest, and a task without a priority has it: whoever gets a number gets behind.",
    closing="Your application sends a hundred kinds of tasks without a priority. One kind is to "
    "begin before all others. Which priority do you give it, and what else must you change?",
)


def places(run):
    """Return the places of the five among themselves; LabError where one was not begun."""
    missing = [kind for kind in FIVE if not begun(run, kind)]
    if missing:
        raise LabError(f"{', '.join(missing)} did not begin: leave the five loads as they are")
    return sorted(FIVE, key=lambda kind: begun(run, kind)[0].t_s)


@check("the place at which the alarm, with priority 9, begins")
def alarm_place(number, run):
    found = places(run)
    right = found.index("alarm") + 1
    return Finding(
        str(right),
        str(number),
        number == right,
        where=f"the order of begins: {', '.join(found)}",
        misconception="9 is the highest on RabbitMQ; on Redis it is the lowest"
        if number == 1
        else "on Redis 0 begins first and 9 last, whoever was sent first",
    )


@check("the place at which the report, with priority 3, begins")
def report_place(number, run):
    found = places(run)
    right = found.index("report") + 1
    if number < right:
        meant = "3, 4 and 5 are one list: in it, first come is first served, and it came third"
    else:
        meant = "6 and more begin after it: a smaller number is the higher priority"
    return Finding(
        str(right),
        str(number),
        number == right,
        where=f"the order of begins: {', '.join(found)}",
        misconception=meant,
    )


@check("with your priority the alarm is the first of the five, and they have kept theirs")
def alarm_first(run):
    found = places(run)
    given = {kind: run.scenario.task(kind).priority for kind in FIVE}
    others = {kind: n for kind, n in given.items() if kind != "alarm"}
    kept = others == {"index": 5, "clean": 4, "report": 3, "backup": 0}
    number = given["alarm"]
    if not kept:
        meant = "one number is enough: that of the alarm"
    elif number > 9:
        meant = "there is no list above 9: whatever is more counts as 9, the lowest"
    else:
        meant = "the backup has no priority, and that is 0: the alarm must be in the same list"
    return Finding(
        "alarm first, four others with their priorities",
        f"{found[0]} first, alarm with priority {number}",
        found[0] == "alarm" and kept,
        where="order(run_mended)",
        misconception=meant,
    )


@check("how many thumbnails begin before the invoice")
def ahead(number, run):
    found = n_before(run, "thumb", "invoice")
    return Finding(
        str(found),
        str(number),
        number == found,
        where="prefetch_multiplier × concurrency messages, in the order of order(run_shop)",
        misconception="priority says what a worker takes next from Redis; what it has already "
        "taken begins first, in the order in which it came"
        if number < found
        else "only what is with the worker begins before it: in Redis the invoice overtakes",
    )


@check("with your setting no thumbnail begins before the invoice, on one process")
def invoice_next(run):
    ahead_of_it, done = n_before(run, "thumb", "invoice"), measure(run).value("done")
    pools = run.scenario.workers
    slots = sum(pool.n_workers * pool.concurrency for pool in pools)
    first = n_before(run, "import", "invoice")
    lower = run.scenario.task("thumb").priority > run.scenario.task("invoice").priority
    if done != 10 or first != 1:
        meant = "leave the loads: the import runs, eight thumbnails wait, then comes the invoice"
    elif slots != 1:
        meant = "more processes do not change who is next: keep to the one"
    elif ahead_of_it and not lower:
        meant = "the invoice must have a smaller number than the thumbnails"
    elif ahead_of_it == 1:
        meant = "1 is not nothing: the message of what runs is acknowledged, so a process that is "
        meant += "busy has one more taken ahead"
    else:
        meant = "the worker still takes several messages ahead of its work"
    return Finding(
        "0 thumbnails before the invoice, 10 done, 1 process",
        f"{ahead_of_it} before it, {done:g} done, {slots} processes",
        (ahead_of_it, done, slots, first) == (0, 10, 1, 1),
        where="order(run_mended_shop)",
        misconception=meant,
    )


# %% [markdown]
# A worker with one process has two `nightly` tasks: one runs, one it has taken ahead. Meanwhile
# five tasks are sent, in this order:
#
# | | sent as |
# | --- | --- |
# | `alarm` | `alarm.apply_async(priority=9)` |
# | `index` | `index.apply_async(priority=5)` |
# | `clean` | `clean.apply_async(priority=4)` |
# | `report` | `report.apply_async(priority=3)` |
# | `backup` | `backup.delay()`, without a priority |

# %%
from sandbox import lab
from sandbox.labs.begins import before, order

lab.lesson("09")


# %%
def evening(name, alarm_priority):
    """Return the five tasks, sent while a worker is busy."""
    priorities = {"alarm": alarm_priority, "index": 5, "clean": 4, "report": 3, "backup": 0}
    short = lab.Deterministic(value_s=0.1)
    return lab.Scenario(
        name=name,
        tasks=[
            lab.TaskType(name="nightly", service=lab.Deterministic(value_s=1.0)),
            *(lab.TaskType(name=k, service=short, priority=p) for k, p in priorities.items()),
        ],
        workers=[lab.WorkerPool(prefetch_multiplier=1)],
        loads=[
            lab.Burst(task="nightly", n=2),
            *(lab.Burst(task=kind, n=1, at_s=0.4) for kind in priorities),
        ],
        horizon_s=4.0,
    )


five = evening("five", alarm_priority=9)

# %% [markdown]
# ## 1. Predict
# The five wait in Redis; then the worker takes one after the other. **At which place, 1 to 5, does
# `alarm` begin? At which place does `report`?** Write both numbers down before you go on.

# %% tags=["exercise"] name="alarm"
### BEGIN SOLUTION
alarm_at = 5
### END SOLUTION
guess = lab.predict("At which place of five does the alarm (9) begin?", alarm_at)

# %% tags=["exercise"] name="report"
### BEGIN SOLUTION
report_at = 4
### END SOLUTION
second = lab.predict("At which place of five does the report (3) begin?", report_at)

# %% [markdown]
# ## 2. Ask the model, then real workers
# Two of the seven places are the nightly tasks'. About five seconds.

# %%
model = lab.model(five)
run = lab.run(five)
guess.against(
    model=order(model).loc["alarm/0", "place"] - 2, measured=order(run).loc["alarm/0", "place"] - 2
)

# %%
second.against(
    model=order(model).loc["report/0", "place"] - 2,
    measured=order(run).loc["report/0", "place"] - 2,
)

# %% tags=["check"]
lab.check("alarm_place", alarm_at, run)

# %% tags=["check"]
lab.check("report_place", report_at, run)

# %% [markdown]
# ## 3. Where your numbers were wrong

# %%
order(run)

# %% [markdown]
# - On Redis **0 is the highest** priority and 9 the lowest. RabbitMQ has it the other way round.
# - A task without a priority has 0. Nothing can be above it.
# - A Redis list has no priorities. So each queue is **four lists**, for 0, 3, 6 and 9
#   (`priority_steps`): 0–2 go to the first, 3–5 to the second, 6–8 to the third, 9 and all above to
#   the last. In a list, first come is first served. So 5, 4 and 3 were the same.

# %% [markdown]
# ## 4. Change one number
# Have the alarm begin as the first of the five.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
mended = evening("mended", alarm_priority=0)
### END SOLUTION

# %%
run_mended = lab.run(mended)
order(run_mended)

# %% tags=["check"]
lab.check("alarm_first", run_mended)

# %% [markdown]
# ## 5. Predict again
# Now all is as it should be: thumbnails have priority 9, invoices 0. A worker with one process, and
# Celery's defaults, runs an import of 1.4 s. Eight thumbnails are sent meanwhile, and after them an
# invoice. **How many thumbnails begin before the invoice?**

# %%
shop_tasks = [
    lab.TaskType(name="import", service=lab.Deterministic(value_s=1.4)),
    lab.TaskType(name="thumb", service=lab.Deterministic(value_s=0.15), priority=9),
    lab.TaskType(name="invoice", service=lab.Deterministic(value_s=0.25), priority=0),
]


def one_process(**settings):
    """Return the shop's afternoon on a worker with these settings, besides one process."""
    return lab.Scenario(
        name="shop",
        tasks=shop_tasks,
        workers=[lab.WorkerPool(**settings)],
        loads=[
            lab.Burst(task="import", n=1),
            lab.Burst(task="thumb", n=8, at_s=0.1),
            lab.Burst(task="invoice", n=1, at_s=0.7),
        ],
        horizon_s=4.0,
    )


# %% tags=["exercise"] name="thumbs"
### BEGIN SOLUTION
thumbs = 4
### END SOLUTION
third = lab.predict("How many thumbnails begin before the invoice?", thumbs)

# %%
shop = one_process()
model_shop = lab.model(shop)
run_shop = lab.run(shop)
third.against(
    model=before(model_shop, "thumb", "invoice"), measured=before(run_shop, "thumb", "invoice")
)

# %% tags=["check"]
lab.check("ahead", thumbs, run_shop)

# %% [markdown]
# Priorities order what is in Redis. By default a worker has taken four messages a process ahead of
# its work, and these no priority overtakes. With tasks of ten minutes, that would be forty minutes.

# %%
display(lab.timeline_picture(model_shop), lab.timeline_table(model_shop))

# %% [markdown]
# ## 6. Change one setting
# Have the invoice begin right after the import: one setting of the worker, put into
# `one_process(…)`.

# %% tags=["exercise"] name="next"
### BEGIN SOLUTION
mended_shop = one_process(disable_prefetch=True)
### END SOLUTION

# %%
run_mended_shop = lab.run(mended_shop)
order(run_mended_shop).head(3)

# %% tags=["check"]
lab.check("invoice_next", run_mended_shop)

# %% [markdown] tags=["solution"]
# None is high enough: all others have 0 already. Give the others a lower one, say
# `task_default_priority = 6` for all, and 0 to the one kind. And have the workers take nothing
# ahead (`worker_disable_prefetch`), or give that kind a queue and a worker of its own: only then
# does it wait for nobody.

# %% tags=["wrong"] of="alarm" check="alarm_place" says="on Redis it is the lowest"
alarm_at = 1
guess = lab.predict("At which place of five does the alarm (9) begin?", alarm_at)

# %% tags=["wrong"] of="report" check="report_place" says="3, 4 and 5 are one list"
report_at = 2
second = lab.predict("At which place of five does the report (3) begin?", report_at)

# %% tags=["wrong"] of="next" check="invoice_next" says="has one more taken ahead"
mended_shop = one_process(prefetch_multiplier=1)
