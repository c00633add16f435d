# ruff: noqa: F821 - a cell ends with what it shows; `display` is IPython's

# %% [markdown]
# # How many workers does the night need?
#
# A system works. Then the load doubles, or somebody asks whether half the machines would do.
# This notebook answers with a **prediction** for every choice, side by side, and then checks
# **one** of them on real workers.
#
# - Run the cells from top to bottom. It takes about a minute and a half, most of it the check.
# - Words used here: a **point** is one choice of settings; a **run** is one simulated night; the
#   **mean** is over all nights there could be, and **one further run** is tonight.

# %%
import sandbox
from sandbox import lab
from sandbox.overheads import Overheads
from sandbox.pictures.whatif import what_if_picture, what_if_table

# %% [markdown]
# ## 1. The night
#
# [LeadLawk](00-start-here.ipynb) collects sales leads overnight: 40 sites wait when it begins,
# and for 20 seconds more come in (a night in the small, so that we can check it). Its document
# has 2 workers with 4 processes each. Nothing is killed tonight. The promise to keep: 95 % of
# the tasks are done within **10 seconds**.

# %%
night = lab.load("leadlawk").but(faults=())
lab.task_table(night)[["queue", "mean_s"]]

# %% [markdown]
# ## 2. What if there were fewer, or more?
#
# Think first: with half of the processes, does everything take twice as long? Then ask. A field
# of the scenario is named by its path. Every point is run on the **same random numbers**: two
# points differ by what was changed, and not by luck.

# %%
processes = "workers.worker.concurrency"
found = sandbox.what_if(
    night,
    {processes: [1, 2, 3, 4, 6, 8]},
    metrics=["p95_latency_s", "mean_wait_s", "utilisation", "done"],
    replications=20,
    overheads=Overheads(),
)
found.table()

# %% [markdown]
# Half of the processes take not twice as long, but much longer: what waits, waits behind what
# waits. And from 6 on, more of them help little: a task cannot be faster than its own work.
#
# The picture has two bands. The dark one is where the *mean* of all nights lies; more runs make
# it narrower. The light one is where *tonight* will lie; nothing makes it narrower.

# %%
display(
    what_if_picture(found, "p95_latency_s"),
    what_if_table(found, "p95_latency_s")[["mean", "low", "high", "low_run", "high_run"]].round(1),
)

# %% [markdown]
# ## 3. The smallest number that keeps the promise
#
# `until` searches it by bisection: it runs only the points that it needs, and says how sure it
# is. An interval with the limit inside is *unknown*, not a guess.

# %%
enough = sandbox.what_if(
    night,
    {processes: range(1, 17)},
    until="p95_latency_s < 10",
    replications=20,
    overheads=Overheads(),
)
print(enough.answer)
print("points looked at:", [point.settings[0] for point in enough.points], "of 16")

# %% [markdown]
# ## 4. A load that does not end
#
# A burst ends, and so does its queue. But what if leads came in all day, 3 a second for the
# browser alone? Then there may be no mean at all: the queue grows for ever. Such points are
# **named**, with how fast the backlog grows, and no mean is made up for them.

# %%
browser = "celery_app.browser_automation_task"
all_day = night.but(
    kind="steady",
    warmup_s=30.0,
    horizon_s=300.0,
    deadline_s=None,
    loads=[lab.Poisson(task=browser, rate_per_s=3.0)],
)
steady = sandbox.what_if(
    all_day,
    {"workers.worker.n_workers": [1, 2], processes: [1, 2, 4]},
    metrics=["mean_wait_s"],
    replications=10,
    overheads=Overheads(),
)
steady.table()

# %%
for point in steady.points:
    if not point.offered.stable:
        print(point.settings, point.note)

# %% [markdown]
# 3 tasks a second of 0.7 s each keep 2.1 processes busy. So 2 are too few, and 4 are enough,
# whether in one worker or in two.

# %% [markdown]
# ## 5. One task at a time: what would have become of it?
#
# A mean hides the single task. A **counterfactual** runs the same night twice, with one setting
# changed, and compares task by task. Here the night of notebook 00, in which a worker and a
# process are killed: first with early ack, Celery's default, then with late ack, LeadLawk's.

# %%
late = lab.load("leadlawk")
early = late.but(tasks=[task.but(acks_late=False) for task in late.tasks])
changed = sandbox.counterfactual(
    sandbox.run(early, engine="model", overheads=Overheads()),
    sandbox.run(late, engine="model", overheads=Overheads()),
)
changed

# %%
changed.to_frame()[["before", "after", "executions_before", "executions_after"]]

# %% [markdown]
# What was lost would have been done; the price is that some tasks ran twice.

# %% [markdown]
# ## 6. Check one point on real workers
#
# A prediction that nobody checks is an opinion. Take the document's own choice, 4 processes in
# each of 2 workers, and run that night (about 35 seconds).

# %%
measured = lab.run(night)
print("The run ended because it was", measured.ended)

# %%
metrics = lab.measure(measured)
print("the promise was kept:", metrics.value("p95_latency_s") < 10)
print("all were done:", metrics.value("done") == metrics.value("published"))

# %% [markdown]
# Does tonight lie in the light band? The counterfactual works here too: model against workers,
# task by task.

# %%
cell = found.at(4).cell("p95_latency_s")
print("as predicted:", cell.low_run <= metrics.value("p95_latency_s") <= cell.high_run)
sandbox.counterfactual(lab.model(night), measured)

# %% [markdown]
# ## What to do next
#
# - Another promise: `until="mean_wait_s < 1"`. Or two paths at once, for a grid.
# - Any field has a path: `loads.1.rate_per_s`, `tasks.*.acks_late`, `broker.visibility_timeout_s`.
# - In a terminal: `sandbox what-if leadlawk --set workers.worker.concurrency=1,2,4,8`.
