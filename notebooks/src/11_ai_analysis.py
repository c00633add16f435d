# ruff: noqa: F821 - a cell ends with what it shows; `display` is IPython's

# %% [markdown]
# # Architecture review: the AI analysis queue
#
# Users have an AI provider analyse sections of a document. Ten of them at once are ten calls at
# once, and the provider throttles. Its document puts Celery in between: **even if 100 users submit
# requests, Celery will only execute 5 a minute**, and nobody's browser waits.
#
# **The question: do five analyses a minute stay five, and who waits for them?**
#
# - Run the cells from top to bottom. It takes under two minutes; nothing leaves your machine.
# - **As written** is what the document's own files and commands say; **corrected** is that, able to
#   run; **mended** is what this review asks for.
# - A minute of the document takes two seconds here; its rates are 30 times as high.

# %%
import os

import pandas as pd

import sandbox
from sandbox import evidence, lab
from sandbox.overheads import Overheads
from sandbox.service.load import figures

pd.set_option("display.max_colwidth", 200, "display.max_rows", 80)
analysis = lab.system("ai-analysis")
print(analysis.question)

# %% [markdown]
# ## 1. The system
#
#     browser → Flask → Redis → worker (2 processes) → AI provider
#        ↑ polls every 2 s        queues: analysis, chat, test
#        └────── Flask ←─ result
#
# One worker takes all three queues. The rate limits, five analyses and ten chats a minute, are
# Celery's own.

# %%
corrected = lab.load("ai-analysis")
lab.task_table(corrected)

# %%
for assumption in analysis.assumptions:
    print("-", assumption)

# %% [markdown]
# ## 2. As written
#
# `celery -A celery_config worker --loglevel=info --concurrency=2`: think first, how many of 20
# analyses does this worker do? Predict, then run it on real workers (five seconds).

# %%
written = lab.load("ai-analysis:as-written")
counts = ["published", "done", "lost", "stuck"]
stranded = lab.run(written)
lab.side_by_side({"predicted": lab.model(written), "measured": stranded}, counts)

# %% [markdown]
# None, and nothing fails: no error, no line in a log. Each browser polls for ever. Why:

# %%
print(analysis.corrections[0])

# %% [markdown]
# ## 3. Corrected: predict, then run
#
# Twenty users at once, some chats while they wait, and one analysis in ten fails at first.

# %%
predicted = lab.model(corrected)
display(lab.timeline_picture(predicted), lab.timeline_table(predicted).loc[["all"]])

# %% [markdown]
# One start each 0.4 s (12 s of the document), and the processes are idle in between: it is the
# limit that works, not the two processes. Now on real workers (ten seconds):

# %%
measured = lab.run(corrected)
lab.side_by_side({"predicted": predicted, "measured": measured}, counts)

# %%
prediction = lab.predict(corrected)
comparison = lab.compare(measured, prediction)
comparison.to_frame().loc[["published", "done", "lost", "stuck"], ["verdict"]]

# %% [markdown]
# ## 4. What breaks
#
# The document recommends to "run 1-10 workers based on load". The limit is each worker's own, so
# think first: how many analyses a minute do two workers begin, and four?


# %%
def found(*names):
    """What the model and Celery's own configuration say of claims, as a table."""
    asked = [claim for claim in analysis.claims if not names or claim.name in names]
    table = lab.claims_table(evidence.gather(asked, overheads=Overheads()))
    return table.drop(columns="measured")


claims = {claim.name: claim for claim in analysis.claims}


def numbers(name):
    """The predicted number of each scenario that shows a claim."""
    (one,) = evidence.gather([claims[name]], overheads=Overheads())
    values = [round(number, 1) for number in one.predicted.values()]
    return pd.DataFrame({one.claim.unit_shown: values}, index=list(one.predicted))


numbers("five-a-minute")

# %% [markdown]
# Twice and four times what the provider allows. And more processes in one worker?

# %%
numbers("two-to-four")

# %% [markdown]
# Nothing at all. Who waits? The tenth of ten users has the feedback after (seconds of the
# document; without the queue the last one had it after ten):

# %%
numbers("a-queue-scales")

# %% [markdown]
# A chat that comes behind analyses waits for *their* tokens: what the limit holds fills the
# worker's prefetch window. No name or order of queues changes that.

# %%
found("chat-first", "priority-by-queue", "chat-as-a-task", "one-provider-two-limits")

# %% [markdown]
# "Automatic exponential backoff": while the provider refuses for a minute, an analysis is tried
# four times within seven seconds, and has failed for good.

# %%
found("backoff-outlasts-a-minute", "ten-minutes", "three-times", "jitter")

# %% [markdown]
# ## 5. Before and after
#
# The same ten users at the front door: ten web workers that call the provider themselves, or a
# queue. *Response* is the first answer, *done* when the feedback is there (seconds of the run).

# %%
sides = {
    name: figures(sandbox.run(lab.load(f"ai-analysis:{name}"), engine="model",
                              overheads=Overheads()))
    for name in ("before", "after")
}  # fmt: skip
shown = ["accepted", "time_to_response_p95", "time_to_done_p95", "polls_per_s"]
pd.DataFrame(sides).loc[shown].round(2)

# %% [markdown]
# The answer comes at once, and the feedback more than ten times later: that is the limit's price,
# not Celery's. And each user asks thirty times for it. The migration's phases, in the document's
# order: in phase 2 the old frontend takes the task's id for the feedback.

# %%
found("phase-1", "phase-2", "phase-3")

# %% [markdown]
# And if Redis is gone? The request tries for 19 seconds to reach it, longer than the call itself;
# then it makes the call, as all others do.

# %%
found("fallback-refused", "fallback-half-open", "fallback-is-before")

# %% [markdown]
# ## 6. Mended
#
# What this review asks for, each with its reason:

# %%
changes = [[c.where, c.written, c.mended, c.why] for c in analysis.changes]
pd.DataFrame(changes, columns=["where", "written", "mended", "why"])

# %% [markdown]
# Predict again, run again (ten seconds): the same day, with a worker for the analyses alone.

# %%
mended = lab.load("ai-analysis:mended")
mended_run = lab.run(mended)
lab.side_by_side({"predicted": lab.model(mended), "measured": mended_run}, counts)

# %%
waits = {
    title: claims["chat-first"].number(sandbox.run(one, engine="model", overheads=Overheads()))
    for title, one in (("corrected", corrected), ("mended", mended))
}
print("the longest wait for a chat, in seconds of the document:")
pd.Series(waits).round(0).astype(int)

# %% [markdown]
# ## 7. What would have become of it?
#
# Option 1 runs Flask and the worker in one container, as `python main.py & celery …`: the shell
# passes no SIGTERM on, so that a deployment kills the worker. The same day, the same random
# numbers, with early and with late acknowledgement:

# %%
killed = lab.load("ai-analysis:option-1")
late = killed.but(
    tasks=[task.but(acks_late=True, reject_on_worker_lost=True) for task in killed.tasks]
)
changed = sandbox.counterfactual(
    sandbox.run(killed, engine="model", overheads=Overheads()),
    sandbox.run(late, engine="model", overheads=Overheads()),
)
changed

# %% [markdown]
# ## 8. Every claim
#
# *Right*, *wrong*, *depends*, or *not testable here*, by the model and by Celery's configuration.
# What only a living system shows says so in `sandbox claims ai-analysis --live`.

# %%
found()

# %% [markdown]
# Three of them on real workers: the limit, what `/queue_stats` sees of the backlog, and what
# cancelling an unknown task says.

# %%
broker = os.environ.get("SANDBOX_BROKER", "auto")
asked = [claims[name] for name in ("five-a-minute", "queue-stats", "cancelled")]
for one in evidence.gather(asked, broker=broker):
    print(f"{one.claim.text}: {one.verdict}, {one.status}")

# %% [markdown]
# ## 9. Every section of the document
#
# Why Celery, Architecture, Components, Usage, Configuration, API Changes, Testing, Deployment
# Options, Recommendation, Migration Strategy and Support run here: as variants, as claims, or as
# commands of `sandbox ops ai-analysis`. What does not, and why:

# %%
for section, reason in analysis.left_out.items():
    print(f"- {section}: {reason}")
