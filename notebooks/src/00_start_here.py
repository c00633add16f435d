# ruff: noqa: F821 - a cell ends with what it shows; `display` is IPython's

# %% [markdown]
# # Start here: predict it, run it, crash it, compare it
#
# This notebook takes a Celery system, **predicts** what it will do with a simulation (SimPy),
# then **runs** it: real Celery workers on a real broker, on this machine. Then it kills one of
# them and you see what happens to the work.
#
# - Run the cells from top to bottom: *Run → Run All Cells*. It takes about two minutes.
# - Nothing leaves your machine. When the kernel stops, every process that it started stops too.
# - Words used here: a **task** is one piece of work; a **message** asks for it; a **queue** in the
#   **broker** (Redis) holds messages; a **worker** takes them and runs them in its **processes**.

# %%
from sandbox import lab

# %% [markdown]
# Which broker was taken? A `redis-server` on this machine if there is one, else a stand-in. The
# rest of this notebook is the same with either.

# %% tags=["nbval-ignore-output"]
lab.broker()

# %% [markdown]
# ## 1. A real system: LeadLawk
#
# LeadLawk collects sales leads overnight. Its document promises: **recovery in less than 30
# seconds after a worker failure**. Two workers with four processes each, and these tasks:

# %%
leadlawk = lab.load("leadlawk")
lab.task_table(leadlawk)

# %% [markdown]
# The scenario keeps the document's settings. Where they could not work, they were corrected:

# %%
for correction in lab.system("leadlawk").corrections:
    print("-", correction)

# %% [markdown]
# *Late ack* means: the message is acknowledged after the task is done, so it still exists when a
# worker dies. The scenario puts a load on it, kills worker 2, starts it again a second later,
# kills one process of worker 1, and at last lets an hour pass. (That hour is skipped, not waited
# for: the messages are made an hour older.)
#
# ### Predict
# Think first: how many of the tasks will be lost? Then ask the model.

# %%
counts = ["published", "done", "lost", "redelivered", "ran_twice"]
predicted = lab.model(leadlawk)
lab.side_by_side({"predicted": predicted}, counts)

# %% [markdown]
# The model's run as a picture. Each bar is one attempt to run a task, each row is one process.

# %%
display(lab.timeline_picture(predicted), lab.timeline_table(predicted).loc[["all"]])

# %% [markdown]
# One run is not a prediction: another day has other random times. So the model runs many times,
# and tells in which range one further run should lie. (The first time, this also measures how
# fast this machine is, which takes about 10 seconds.)

# %%
prediction = lab.predict(leadlawk)
print("at least 20 runs of the model:", len(prediction.replications) >= 20)

# %% [markdown]
# ### Run
# Now the same on real workers. This takes about 35 seconds.

# %%
measured = lab.run(leadlawk)
print("The run ended because it was", measured.ended)

# %% [markdown]
# ### Compare

# %%
certain = ["published", "done", "lost"]
lab.side_by_side({"predicted": predicted, "measured": measured}, certain)

# %%
comparison = lab.compare(measured, prediction)
comparison.to_frame().loc[certain, ["verdict"]]

# %% [markdown]
# Every number, with its unit and the range for one further run. *Agree* means: as predicted.
# *Unknown* means: the model cannot be precise enough here to judge, and it says why. (If many
# rows *differ*, this machine was probably busy with something else.)

# %% tags=["nbval-ignore-output"]
print(comparison)

# %% [markdown]
# What the real workers did. Look at the four tasks that worker 2 was running when it was killed:
# they come back only after the hour.

# %% tags=["nbval-ignore-output"]
display(lab.timeline_picture(measured), lab.timeline_table(measured))

# %% [markdown]
# Messages over time, measured (in colour) on top of predicted (grey). *Unacked* stays at four
# until the hour is skipped: these are the dead worker's messages.

# %%
display(lab.curves_picture(measured, predicted), lab.curves_table(measured)[["at_end"]])

# %% [markdown]
# ### Is the document's claim right?
# Agreement and truth are two questions. Model and workers agree, and what both say is:

# %%
for claim in lab.claims(measured, prediction):
    print(f"{claim.claim.text}: {claim.verdict}")

# %% [markdown]
# A killed *process* is noticed by its worker, which gives the task back. A killed *worker* can
# give nothing back. Its messages wait in `unacked` until the **visibility timeout** is over: one
# hour, Celery's default.

# %% [markdown]
# ## 2. Late ack against early ack
#
# The smallest scenario that shows it: ten tasks, two workers with one process each. Worker 1 is
# killed while it runs its second task; three seconds later an hour is skipped.


# %%
def crash(name, acks_late):
    killed = lab.OnEvent(event="started", worker="worker1", nth=2, after_s=0.2)
    return lab.Scenario(
        name=name,
        tasks=[
            lab.TaskType(name="resize", service=lab.Deterministic(value_s=0.4), acks_late=acks_late)
        ],
        workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=1)],
        loads=[lab.Burst(task="resize", n=10)],
        faults=[
            lab.KillWorker(worker="worker1", when=killed),
            lab.Skip(seconds=3600.0, when=lab.OnEvent(event="worker_exited", after_s=3.0)),
        ],
        horizon_s=5.0,
    )


# %% [markdown]
# **Predict.** Early ack is Celery's default: the message is gone as soon as the task begins.

# %%
early, late = crash("early-ack", acks_late=False), crash("late-ack", acks_late=True)
expected = {"early, predicted": lab.model(early), "late, predicted": lab.model(late)}
lab.side_by_side(expected, counts)

# %% [markdown]
# **Run** both on real workers (about 15 seconds).

# %%
crashed = {"early, measured": lab.run(early), "late, measured": lab.run(late)}
lab.side_by_side(expected | crashed, counts)

# %% [markdown]
# With early ack the task that was running is **lost**: no message of it is left. The audit finds
# that without knowing of the kill: it reads only the workers' records and what the broker holds
# at the end.

# %%
lab.audit(crashed["early, measured"]).counts()

# %% [markdown]
# With late ack nothing is lost, but one task **ran twice**: so it must do no harm that it does.
# Here is the run with late ack:

# %%
display(
    lab.timeline_picture(crashed["late, measured"]),
    lab.timeline_table(crashed["late, measured"]).loc[["all"]],
)

# %% [markdown]
# ## 3. A rate limit, and whose limit it is
#
# Ten mails, `rate_limit="2/s"`. **Predict**: how long does it take with one worker, and with two?


# %%
def mails(n_workers):
    return lab.Scenario(
        name=f"mails-{n_workers}",
        tasks=[lab.TaskType(name="mail", rate_limit="2/s")],
        workers=[lab.WorkerPool(n_workers=n_workers, prefetch_multiplier=1)],
        loads=[lab.Burst(task="mail", n=10)],
        horizon_s=10.0,
    )


def seconds(run):
    return lab.measure(run).value("makespan_s")


# %%
for n in (1, 2):
    print(f"{n} worker(s): {seconds(lab.model(mails(n))):.1f} s predicted")

# %% [markdown]
# **Run** (about 10 seconds). The limit holds for each worker by itself, so two workers send
# about twice as fast. To limit the whole system, divide by the number of workers.

# %%
one, two = lab.run(mails(1)), lab.run(mails(2))
print("one worker needs 4 s or more:", seconds(one) >= 4)
print("two workers are about twice as fast:", 1.5 < seconds(one) / seconds(two) < 3)

# %% [markdown]
# ## 4. Backoff, with and without jitter
#
# Tasks that fail are tried again later: after 1, 2, 4 … seconds. That is **backoff**. Without
# **jitter** all tasks that failed together come back together. With jitter (Celery's default)
# each waits a random whole number of seconds up to that. Eight tasks that always fail;
# **predict** the seconds between their attempts:

# %%
fixed = lab.AutoRetry(max_retries=3, backoff_s=1, jitter=False)
jittered = fixed.but(jitter=True)
backoff = lab.Scenario(
    name="backoff",
    tasks=[
        lab.TaskType(name="fixed", p_failure=1.0, retries=[fixed]),
        lab.TaskType(name="jitter", p_failure=1.0, retries=[jittered]),
    ],
    workers=[lab.WorkerPool(concurrency=4)],
    loads=[lab.Burst(task="fixed", n=4), lab.Burst(task="jitter", n=4)],
    horizon_s=20.0,
    seed=3,
)
foreseen = lab.model(backoff)
lab.retry_gaps({"predicted": foreseen})

# %% [markdown]
# **Run** (about 10 seconds). Model and workers draw the same random numbers, so that even the
# jitter is the same.

# %%
retried = lab.run(backoff)
lab.retry_gaps({"predicted": foreseen, "measured": retried})

# %%
display(lab.timeline_picture(retried), lab.timeline_table(retried).loc[["all"]])

# %% [markdown]
# ## 5. Your turn: the panel
#
# A running system of your own. Press the buttons and watch: trigger some tasks, kill a worker
# while it is busy, see its message wait, skip an hour, start the worker again.

# %%
playground = lab.Scenario(
    name="playground",
    tasks=[
        lab.TaskType(name="resize", service=lab.Deterministic(value_s=1.0), acks_late=True),
        lab.TaskType(name="mail", service=lab.Deterministic(value_s=0.2)),
    ],
    workers=[lab.WorkerPool(n_workers=2, prefetch_multiplier=1)],
    horizon_s=3600.0,
)

# %%
session = lab.start(playground)
session

# %%
panel = lab.panel(session)
panel

# %% [markdown]
# Each button is a call of the same name. So these cells do what your mouse can do; the panel
# above shows it while it happens. Six tasks, and worker 1 is killed while it runs its second:

# %%
session.controls.submit("resize", 6)
session.wait_for(lab.OnEvent(event="started", worker="worker1", nth=2))
session.controls.kill_worker("worker1")
session.wait_for(lab.OnEvent(event="succeeded", nth=5))
panel.snapshot().loc[["done", "unacked of dead workers", "busy processes of worker1"]]

# %% [markdown]
# Five are done. The sixth message waits for the visibility timeout. Let an hour pass:

# %%
session.controls.skip(3600)
print("All is", session.wait(timeout_s=20))
panel.snapshot().loc[["done", "lost", "redelivered"]]

# %% [markdown]
# What has happened so far, as a picture and a table. Play with the panel, then run this cell
# again.

# %%
so_far = lab.so_far(session)
display(lab.timeline_picture(so_far), lab.timeline_table(so_far).loc[["all"]])

# %% [markdown]
# ## What to do next
#
# - Kill a busy worker on the panel, then start it again. Does that bring its message back?
# - Press *Skip* while a worker is busy. Its message gets an hour older too: what happens?
# - Change `acks_late` or `n_workers` in section 2 and predict before you run.
# - `session.close()` ends the playground; so does a restart of the kernel.
# - In a terminal: `sandbox --help`, for example `sandbox run leadlawk`.
