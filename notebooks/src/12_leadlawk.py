# ruff: noqa: F821 - a cell ends with what it shows; `display` is IPython's

# %% [markdown]
# # Architecture review: LeadLawk's overnight scraper
#
# LeadLawk collects sales leads overnight: an API takes jobs, Redis holds them, two Celery workers
# with four processes each scrape. Its document calls this resilient: late acknowledgement,
# re-queuing, five retries, a dead letter queue, health checks, recovery in under 30 seconds.
#
# **The question: is each lead stored, once, when a worker dies in the night?**
#
# - Run the cells from top to bottom. It takes under two minutes; nothing leaves your machine.
# - Words used here: **as written** is what the document's own files say; **corrected** is that with
#   what it draws and does not configure; **mended** is what this review asks for.

# %%
import pandas as pd

import sandbox
from sandbox import evidence, lab
from sandbox.overheads import Overheads
from sandbox.service.load import figures

pd.set_option("display.max_colwidth", 200, "display.max_rows", 80)
leadlawk = lab.system("leadlawk")
print(leadlawk.question)

# %% [markdown]
# ## 1. The system
#
#     Flutter, CLI → API → Redis
#         browser, pagespeed, database, default → worker1 (4 processes) → sites, PageSpeed, SQLite
#                                               → worker2 (4 processes) →
#         beat: a health check every 30 s
#
# Six task types. The times are ours where the document has none:

# %%
corrected = lab.load("leadlawk")
lab.task_table(corrected)

# %%
for assumption in leadlawk.assumptions:
    print("-", assumption)

# %% [markdown]
# ## 2. As written: what breaks first
#
# The document's routes name three queues, and its worker's command names none. Think first: how
# many of these jobs will be done? Then ask the model, and real workers (six seconds).

# %%
counts = ["published", "done", "lost", "stuck"]
written = lab.load("leadlawk:as-written")
night = {"predicted": lab.model(written), "measured": lab.run(written)}
lab.side_by_side(night, counts)

# %% [markdown]
# None. Nothing fails, either: no error, no line in a log. Why:

# %%
for correction in leadlawk.corrections:
    print("-", correction)

# %% [markdown]
# ## 3. Corrected: predict
#
# With `-Q`, and a crash: worker 2 is killed as soon as its four processes are busy, and is started
# again a second later; a process of worker 1 is killed, too. When all else is done, an hour
# passes (skipped, not waited for).

# %%
counts = ["published", "done", "lost", "redelivered", "duplicated"]
predicted = lab.model(corrected)
lab.side_by_side({"predicted": predicted}, counts)

# %%
display(lab.timeline_picture(predicted), lab.timeline_table(predicted).loc[["all"]])

# %% [markdown]
# Each bar is an attempt at a task, each row a process. At the far right are the four jobs of the
# killed worker: they come back after the visibility timeout, an hour, and not within 30 seconds.
# [Notebook 00](00-start-here.ipynb) runs this evening on real workers, and they agree.
#
# Every task counts as done once. But a job reads four pages and stores each when it is read; those
# that the killed processes had stored were stored **again**. At least once is not once.

# %% [markdown]
# ## 4. Mended
#
# What this review asks for, and why:

# %%
changes = [(c.where, c.written, c.mended, c.why) for c in leadlawk.changes]
pd.DataFrame(changes, columns=["where", "as written", "mended", "why"])

# %% [markdown]
# **Predict again, run again**: a shorter evening with the same crashes (about 20 seconds).

# %%
mended = lab.load("leadlawk:mended")
prediction = lab.predict(mended)
expected, measured = lab.model(mended), lab.run(mended)
lab.side_by_side({"predicted": expected, "measured": measured}, ["published", "done", "lost"])

# %%
comparison = lab.compare(measured, prediction)
comparison.to_frame().loc[["published", "done", "lost"], ["verdict"]]

# %% tags=["nbval-ignore-output"]
print(comparison)

# %%
display(lab.curves_picture(measured, expected), lab.curves_table(measured)[["at_end"]])

# %% [markdown]
# The dead worker's jobs still wait for the visibility timeout: no setting makes Redis notice a
# death. It is 15 minutes now, since no job may run longer than 10. And each page is stored once,
# because its row and its **idempotency key** are written in one transaction.

# %% [markdown]
# ### What would have become of each task?
#
# A **counterfactual** runs the same evening twice, with the same random numbers, and compares task
# by task: here late acknowledgement alone, and with `task_reject_on_worker_lost`, as written.

# %%
alone = corrected.but(
    tasks=[task.but(reject_on_worker_lost=False) for task in corrected.tasks],
)
changed = sandbox.counterfactual(
    sandbox.run(alone, engine="model", overheads=Overheads()),
    sandbox.run(corrected, engine="model", overheads=Overheads()),
)
changed

# %%
changed.to_frame()[["before", "after", "executions_before", "executions_after"]]

# %% [markdown]
# Without it, the job of the killed process fails, acknowledged late or not. With it, a job that
# kills its process comes back for ever; `task_retry_on_worker_lost`, as mended, counts.

# %% [markdown]
# ## 5. Before and after: a queue behind the front door
#
# The same visitors, 500 jobs a minute, at a door that scrapes in the request and at one that
# queues: a real HTTP server with eight web workers each. About 20 seconds.

# %%
doors = {name: figures(lab.run(lab.load(f"leadlawk:{name}"))) for name in ("before", "after")}
before, after = doors["before"], doors["after"]
print("all requests were taken, before:", before["accepted"] == before["requests"])
print("all requests were taken, after:", after["accepted"] == after["requests"])
print(
    "answered sooner than before:", after["time_to_response_p50"] < before["time_to_response_p50"]
)
print("known sooner than before:", after["time_to_known_p95"] < before["time_to_known_p95"])

# %% tags=["nbval-ignore-output"]
pd.DataFrame(doors).round(3)

# %% [markdown]
# The answer comes sooner, since it says only that the job waits. Who wants its leads learns of
# them later than before, at the next poll; the WebSocket `/ws/<id>` saves the polls.

# %% [markdown]
# ## 6. Every claim, judged
#
# By the model, and by Celery's own configuration. *Depends*: its evidence has a case for and one
# against. *Live only*: it takes a living system, as `sandbox claims leadlawk --live` has one.

# %%
found = list(evidence.gather(leadlawk.claims, overheads=Overheads()))
table = lab.claims_table(found)
table.drop(columns="measured")

# %%
print(table["verdict"].value_counts().sort_index().to_string())
print("contradicted by the evidence:", sum(not f.is_as_stated for f in found))

# %% [markdown]
# A few of them on real workers (about 10 seconds): a message that no Celery has written, a priority
# that makes jobs the last, what `purge` leaves.

# %%
some = [c for c in leadlawk.claims if c.name in {"no-password", "priority-5", "purge"}]
for one in evidence.gather(some, broker=lab.broker().split()[0], overheads=Overheads()):
    print(f"{one.claim.text}: {one.verdict}, {one.status}")

# %% [markdown]
# ## 7. Going through the document
#
# | section | here |
# |---|---|
# | Overview, Architecture Diagram | section 1; `sandbox serve leadlawk` |
# | 1. Redis Configuration | claims on lists, TTL, results, eviction, AOF |
# | 2. Celery Configuration | the app; claims on acks, limits, prefetch |
# | 3. Task Queue Routing | section 2; claims on routes and priorities |
# | 4. Task Implementation | the app's tasks, with their real work; claims on retries, progress |
# | 5. Worker Management | the commands that the scenario is derived from; claims on capacity |
# | 6. Scheduled Tasks | beat, in every variant; the claim on its backlog |
# | 7. Monitoring & Observability | `GET /queues`, `GET /metrics`; `sandbox ops leadlawk` |
# | 8. Failure Handling | sections 3 and 4; claims; `GET /dead-letters` and their replay |
# | 9. Data Flow | the front door and `/ws/<id>`; claims on states, expires, revoke |
# | 10. Performance Optimizations | a claim each |
# | 11. Security Considerations | claims on passwords and signatures |
# | 12. Scaling Strategy | the variant `x5`; claims on scaling and clusters |
# | Operational Procedures | `sandbox ops leadlawk`; a claim each |
# | Performance Benchmarks | the variant `benchmark`; a claim each |
# | Best Practices | claims on idempotency, task ids, error handling |
#
# Left out, and why:

# %%
for section, reason in leadlawk.left_out.items():
    print(f"- {section}: {reason}")

# %% [markdown]
# ## The review's answer
#
# As written no lead is found at all. Corrected, each job is done at least once: a killed process
# costs a moment, a killed worker an hour, and what was stored before is stored again. Mended,
# each page is stored once, a poison job ends, and what fails for good can be seen and replayed.
