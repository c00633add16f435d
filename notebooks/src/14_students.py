# ruff: noqa: F821 - a cell ends with what it shows; `display` is IPython's

# %% [markdown]
# # Architecture review: student messaging
#
# A school sends messages, notifications, reports and exports in the background. The document
# *Background Task Processing with Celery & Redis* promises: 100 messages answered **2000 times
# faster**, and **at most 100 messages a minute**. Is that so?
#
# - Run the cells from top to bottom. It takes about a minute and a half.
# - Words used here: a **bulk send** is one task that sends the same message to many phones; the
#   **written** app is the document's, the **corrected** one runs, the **mended** one is ours.

# %%
import sandbox
from sandbox import lab
from sandbox.claims_command import numbers_of
from sandbox.evidence import gather
from sandbox.overheads import Overheads
from sandbox.service.load import figures
from sandbox.systems.students.probes import messages

school = lab.system("students")
print(school.question)

# %% [markdown]
# ## 1. The system
#
#     browser ──▶ FastAPI ──▶ Redis ──▶ worker1   -Q messaging       bulk and template messages
#                                  ├──▶ worker2   -Q notifications   notifications
#                                  └──▶ worker3   -Q reports         reports and CSV exports
#                             celery beat ──▶ cleanup of old sessions, daily
#
# The scenario is derived from the app: its queues, limits and retries are those that Celery has.

# %%
corrected = school.variant("corrected")
lab.task_table(corrected)[["queue", "mean_s"]]

# %% [markdown]
# What the document does not say, or says in times that nobody would wait for here:

# %%
for line in school.assumptions:
    print("-", line)

# %% [markdown]
# ## 2. As written
#
# **Predict.** The document's tasks, its routes and its three workers. Think first: how many of
# the morning's tasks will be done?

# %%
counts = ["published", "done", "lost", "stuck"]
written = school.variant("as-written")
foreseen = lab.model(written)
lab.side_by_side({"as written, predicted": foreseen}, ["done"])

# %% [markdown]
# **Run** it on real workers (about 8 seconds).

# %%
seen = lab.run(written)
print("The run ended by its", seen.ended, "and", int(lab.measure(seen).value("done")), "are done.")

# %% [markdown]
# None. The tasks live in `tasks/celery_tasks.py`, so Celery calls them `tasks.celery_tasks.…`; the
# routes are for `tasks.messaging.*` and so on. No route matches, everything goes to the queue
# `celery`, and none of the three workers consumes it:

# %%
for correction in school.corrections:
    print("-", correction)

# %% [markdown]
# ## 3. Corrected: what breaks
#
# Now each task has the name that its route is for. Four bulk sends, and beside them a morning's
# other work. While the messaging worker sends two of them it is **killed**, started again, and at
# last an hour is skipped.
#
# **Predict.** What becomes of the two bulk sends that it was sending, and of those it had taken?

# %%
predicted = lab.model(corrected)
lab.side_by_side({"predicted": predicted}, [*counts, "redelivered"])

# %%
display(lab.timeline_picture(predicted), lab.timeline_table(predicted).loc[["all"]])

# %% [markdown]
# **Run** (about 20 seconds), and compare.

# %%
prediction = lab.predict(corrected)
measured = lab.run(corrected)
comparison = lab.compare(measured, prediction)
comparison.to_frame().loc[[*counts, "redelivered"], ["verdict"]]

# %% tags=["nbval-ignore-output"]
print(comparison)

# %% [markdown]
# Two bulk sends are **lost**: with early acknowledgement their messages were gone when they began.
# Some of their phones got a message, the others never will, and nobody writes it down: their
# status stays at the last PROGRESS. The two that waited inside the worker come back, after an
# hour.
#
# ## 4. Two thousand times faster?
#
# One bulk send of 100 messages at the front door: synchronous, as before, and through the queue.
# Times are multiples of what sending 100 messages takes.

# %%
found = {claim.name: claim for claim in school.claims}


def predicted_of(*names):
    for evidence in gather((found[name] for name in names), overheads=Overheads()):
        print(f"{evidence.verdict.upper()}: {evidence.claim.text}")
        print(f"    {numbers_of(evidence.predicted)} {evidence.claim.unit_shown}")
        print(f"    {evidence.claim.why}")


predicted_of("before", "2000x", "parallel", "unlimited")

# %% [markdown]
# And twelve bulk sends, two a second: before, FastAPI's 40 threads sent them; after, one worker of
# two processes does. Seconds after the request, at the median.

# %%
doors = {name: figures(lab.model(school.variant(name))) for name in ("before", "after")}
for name, of_door in doors.items():
    response, done = (of_door[f"time_to_{what}_p50"] for what in ("response", "done"))
    print(f"{name}: answered after {response:.1f} s, sent after {done:.1f} s")

# %% [markdown]
# The *response* comes at once. The *work* takes as long as before: one task sends one message
# after the other, in one process. With many bulk sends it takes longer, for fewer processes do it
# than threads did.
#
# ## 5. At most 100 messages a minute?

# %%
for evidence in gather([found["rate-setting"]]):
    print(f"as written a worker may begin {evidence.measured['']} bulk sends a minute")
predicted_of("rate-counts-tasks")

# %% [markdown]
# `task_rate_limit` is no setting of Celery's, which says nothing of it. And where Celery does read
# the limit, it counts tasks, not messages, in each worker by itself.
#
# ## 6. Four times the same message
#
# 700 phones take 700 seconds, the soft limit is 600. Here a second of the document is a
# millisecond, and one phone stands for ten.

# %%
predicted_of("soft-limit-warns", "increase-time-limit", "smaller-subtasks")

# %% [markdown]
# And on real workers, with the provider's own count (about 5 seconds):

# %%
for evidence in gather([found["idempotent"]], broker=lab.BROKER):
    print(f"{evidence.verdict.upper()}: {evidence.claim.text}")
    print("somebody got the same message more than twice:", evidence.measured[""] > 2)

# %% [markdown]
# ## 7. Mended
#
# What the findings ask for:

# %%
for change in school.changes:
    print("-", change)

# %% [markdown]
# **Predict again, run again**: the same morning, the same kill. The bulk sends are now ten tasks
# of ten messages each.

# %%
mended = school.variant("mended")
again = lab.model(mended)
lab.side_by_side({"corrected, predicted": predicted, "mended, predicted": again}, counts)

# %%
session = lab.start(mended)
session.wait()
safe = session.close()
lab.side_by_side({"mended, measured": safe}, ["published", "done", "lost", "stuck"])

# %% [markdown]
# Nothing is lost. Tasks ran twice, and yet:

# %%
sent = messages(session)
print("tasks ran twice:", lab.measure(safe).value("ran_twice") > 0)
print("most messages that one phone got:", max(sent.values()))

# %% [markdown]
# ## 8. Counterfactual
#
# Was it the late acknowledgement? The same run of the corrected app, with that one setting changed:
# task by task.

# %%
late = corrected.but(tasks=[task.but(acks_late=True) for task in corrected.tasks])
changed = sandbox.counterfactual(
    sandbox.run(corrected, engine="model", overheads=Overheads()),
    sandbox.run(late, engine="model", overheads=Overheads()),
)
table = changed.to_frame()
table[table["before"] != table["after"]][["before", "after"]]

# %% [markdown]
# It alone would have kept the two bulk sends, and sent their first messages twice: the key for
# each task and phone is what makes that harmless.
#
# ## 9. The claims
#
# Every claim of the document, judged by the model and by Celery's own configuration. Some can be
# seen only in a living system: `sandbox claims students --live` asks real workers for all.

# %%
judged = list(gather(school.claims, overheads=Overheads()))
lab.claims_table(judged).drop(columns="measured")

# %%
print("contradicted by the evidence:", sum(not one.is_as_stated for one in judged))

# %% [markdown]
# Three of them on real workers:

# %%
live = ["states", "task-is-queued", "status-tells-loss"]
for evidence in gather((found[name] for name in live), broker=lab.BROKER):
    print(f"{evidence.verdict.upper()}: {evidence.claim.text}\n    {evidence.claim.why}")

# %% [markdown]
# ## 10. What does not run here

# %%
for section, why in school.left_out.items():
    print(f"- {section}: {why}")
