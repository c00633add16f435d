# ruff: noqa: F821 - a cell ends with what it shows; `display` is IPython's

# %% [markdown]
# # Architecture review: the conversation platform
#
# Customers write to a shop; an AI service answers; Facebook and Google send webhooks; reports are
# counted. The document's "Step 7" moves all of that behind three queues, which it calls high,
# medium and low priority, and declares it reliable: "3 retries", "dead letter queue", "safe
# termination", eleven tests passed.
#
# **The question: do customers' messages come first, and does everything accepted get done?**
#
# - Run the cells from top to bottom. It takes under two minutes; nothing leaves your machine.
# - Words used here: **as written** is what the document's settings and commands do; **mended** is
#   what this review asks for.

# %%
import pandas as pd

import sandbox
from sandbox import evidence, lab
from sandbox.overheads import Overheads
from sandbox.service.load import figures

pd.set_option("display.max_colwidth", 200, "display.max_rows", 80)
platform = lab.system("conversations")
print(platform.question)

# %% [markdown]
# ## 1. The system
#
#     browser ──→ FastAPI ──→ Redis ─┬─ conversations ("high")   ─┐
#     Facebook, Google ─┘            ├─ webhooks      ("medium") ─┼─→ one worker ──→ AI service
#                                    └─ analytics     ("low")    ─┘                  database
#
# Eleven task types in three modules, a queue a module, and one worker that takes all three.

# %%
written = lab.load("conversations")
lab.task_table(written)

# %%
for assumption in (*platform.assumptions, *platform.corrections):
    print("-", assumption)

# %% [markdown]
# ## 2. As written: predict
#
# Four reports come first; the worker is killed while it works on two of them, and is started again
# a second later. Then customers come, for nine seconds. At the end an hour passes (it is skipped,
# not waited for: messages are made an hour older).
#
# Think first: how many tasks will be lost? Then ask the model.

# %%
counts = ["published", "done", "lost", "redelivered", "ran_twice", "retried"]
predicted = lab.model(written)
lab.side_by_side({"predicted": predicted}, counts)

# %%
display(lab.timeline_picture(predicted), lab.timeline_table(predicted).loc[["all"]])

# %% [markdown]
# Each bar is an attempt at a task, each row a process. Two reports were running when the worker was
# killed: they were acknowledged when they began, so no message of them is left. The other two had
# been taken ahead; they come back after the hour, at the end.

# %%
prediction = lab.predict(written)
print("at least 20 runs of the model:", len(prediction.replications) >= 20)

# %% [markdown]
# ## 3. As written: run
#
# The same on real workers: messages and webhooks are stored in a database (SQLite), the AI service
# is a stand-in that counts. About 20 seconds.

# %%
measured = lab.run(written)
lab.side_by_side({"predicted": predicted, "measured": measured}, counts)

# %%
certain = ["published", "done", "lost", "redelivered"]
comparison = lab.compare(measured, prediction)
comparison.to_frame().loc[certain, ["verdict"]]

# %% tags=["nbval-ignore-output"]
print(comparison)

# %%
display(lab.curves_picture(measured, predicted), lab.curves_table(measured)[["at_end"]])

# %% [markdown]
# ## 4. What breaks: the order
#
# Twelve reports and then twelve messages, all at once, for the document's worker. Do the messages,
# "high", come before the reports, "low"?


# %%
def model(scenario):
    return sandbox.run(scenario, engine="model", overheads=Overheads())


claims = {claim.name: claim for claim in platform.claims}
both = claims["priority"].shown_by[""]
ratio = claims["priority"].of_run
print(f"a message waits {ratio(model(both)):.1f} times as long as a report")

# %% [markdown]
# They do not: a queue's name is no priority. The worker takes from its queues in turn, and what it
# has taken ahead (four a process) is not reordered. With an order that is asked for, and nothing
# taken ahead:

# %%
ordered = both.but(
    broker=both.broker.but(queue_order_strategy="priority"),
    workers=[pool.but(prefetch_multiplier=1) for pool in both.workers],
    tasks=[task.but(acks_late=True) for task in both.tasks],
)
print(f"now {ratio(model(ordered)):.1f} times")

# %% [markdown]
# Nothing interrupts a report that runs, though. Six of them, and messages that come while they run:
# with one worker for everything, and with one a queue.

# %%
for name, scenario in claims["real-time"].shown_by.items():
    print(f"{name}: {claims['real-time'].of_run(model(scenario)):.2f} s")

# %% [markdown]
# ### What would have become of each task?
#
# A **counterfactual** runs the same morning twice, with the same random numbers, and compares task
# by task: here early against late acknowledgement, and nothing else.

# %%
late = written.but(tasks=[task.but(acks_late=True) for task in written.tasks])
changed = sandbox.counterfactual(model(written), model(late))
changed.to_frame()[["before", "after", "executions_before", "executions_after"]]

# %% [markdown]
# What was lost would have been done; the price is that it runs twice.

# %% [markdown]
# ## 5. Mended
#
# What this review asks for, and why:

# %%
changes = [(c.where, c.written, c.mended, c.why) for c in platform.changes]
pd.DataFrame(changes, columns=["where", "as written", "mended", "why"])

# %% [markdown]
# Late acknowledgement runs a task again after a crash. That is safe only because each effect has an
# **idempotency key**, written in one transaction with the effect; the AI service gets the key too.
#
# **Predict again, run again** (about 20 seconds). The worker that is killed is now the customers'.

# %%
mended = lab.load("conversations:mended")
again = {"predicted": lab.model(mended), "measured": lab.run(mended)}
lab.side_by_side(again, ["published", "done", "lost"])

# %% [markdown]
# Nothing is lost: what ran at the crash runs again, and has its effect once.

# %% [markdown]
# ## 6. Before and after: "2 to 5 seconds" and "less than 100 ms"
#
# The same customers at the synchronous front door and at the asynchronous one, a real HTTP server
# with one web worker each; times are a tenth of the document's. About 25 seconds.

# %%
doors = {name: figures(lab.run(lab.load(f"conversations:{name}"))) for name in ("before", "after")}
before, after = doors["before"], doors["after"]
print("all requests were taken, before:", before["accepted"] == before["requests"])
print("all requests were taken, after:", after["accepted"] == after["requests"])
print("answered sooner:", after["time_to_response_p50"] < before["time_to_response_p50"])
print("done in half the time:", after["time_to_done_p50"] < before["time_to_done_p50"] / 2)

# %% tags=["nbval-ignore-output"]
pd.DataFrame(doors).round(3)

# %% [markdown]
# What comes in a few milliseconds is a task id. The AI's answer takes as long as ever, and then
# until the browser's next poll.

# %% [markdown]
# ## 7. Every claim, judged
#
# By the model, and by Celery's own configuration. *Depends*: its evidence has a case for and one
# against.

# %%
found = list(evidence.gather(platform.claims, overheads=Overheads()))
table = lab.claims_table(found)
table.drop(columns="measured")

# %%
print(table["verdict"].value_counts().sort_index().to_string())
print("contradicted by the evidence:", sum(not f.is_as_stated for f in found))

# %% [markdown]
# Three of them on real workers (about 10 seconds): a task without a route, a batch that is
# cancelled half-way, and how much of a backlog `inspect` sees.

# %%
some = [claims[name] for name in ("unrouted", "safe-cancel", "inspect")]
for one in evidence.gather(some, broker=lab.broker().split()[0], overheads=Overheads()):
    print(f"{one.claim.text}: {one.verdict}, {one.status}")

# %% [markdown]
# ## 8. Going through the document
#
# | section | here |
# |---|---|
# | Key Achievements: core infrastructure | sections 1 and 4; claims on order and retries |
# | Task Processing Modules | the app's eleven tasks, with their real work |
# | Task Management Service; API Integration | `sandbox serve conversations`; claims on sight |
# | Celery Configuration; Task Configuration | claims on settings, retries and limits |
# | Task Queue Architecture | section 4; the variants `one-a-queue` and `priority` |
# | API Endpoints Enhanced; Usage Examples | `sandbox serve conversations`, `sandbox ops` |
# | Performance Benefits: response time | section 6; `sandbox load conversations` |
# | Scalability Features | the variants `two-servers` and `one-a-queue`; claim `horizontal` |
# | Monitoring Capabilities; Monitoring Alerts | `sandbox ops conversations`; claims on sight |
# | Environment Variables | claims on settings |
# | Test Results Expected | the claim `tests-passed` |
# | Deployment Instructions | the commands that the scenario is derived from; `sandbox ops` |
# | Error Handling | section 5; claims on retries, dead letters and crashes |
# | Next Steps: scaling, priorities, batches | claims `autoscale`, `levels`, `batching` |
# | Integration Opportunities, step 8 | the claim `unrouted` |
# | Summary | claims `answered` and `intelligent`, and the answer below |
#
# Left out, and why:

# %%
for section, reason in platform.left_out.items():
    print(f"- {section}: {reason}")

# %% [markdown]
# ## The review's answer
#
# Customers' messages do not come first: the queues' names promise what only workers of their own,
# or an order that is asked for, can keep. And what is accepted is done only as long as nothing
# dies: as written no retry is configured, no limit is read, a killed worker loses what it runs.
# Every repair is a few lines, and each is in the table of section 5.
