# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.chords import chords
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check
from sandbox.metrics import measure

LAB = Lab(
    title="Chords that never end",
    question="A book is bound once all its pages are scanned. One page never comes. Who says so?",
    minutes=15,
    assumes=("01", "02", "03"),
    goals=(
        "say what becomes of a chord's body when a task of its header fails, expires or is lost",
        "tell a chord that has failed from one that waits for ever",
        "predict when tasks that wait for other tasks stand still",
    ),
    hints=(
        "A chord counts the results of its header. Which of the three accidents leaves a result?",
        "FAILURE and REVOKED are results, too. Nobody writes one for a task whose worker was "
        "killed after it had acknowledged the message.",
        "mended = library(diary.but(acks_late=True)), and library(…) as it stands else.",
    ),
    links={
        "Chords": "https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords",
        "Avoid launching synchronous subtasks": "https://docs.celeryq.dev/en/stable/userguide/"
        "tasks.html#avoid-launching-synchronous-subtasks",
    },
    surprise="Most people expect FAILURE for all three books. The lost page leaves no result, not "
    "even a bad one: its book is PENDING for ever.",
    closing="A week later somebody asks for the diary, and Celery says PENDING. Where would you "
    "look, and how would you build it, so that you hear of it before the customer does?",
)
BINDS = ["bind/0", "bind/1", "bind/2"]


def fates(run, n):
    found = chords(run)
    if len(found) != n or not any(e.kind == "started" for e in run.events):
        raise LabError(f"this run has {len(found)} chords, and {n} are meant: leave the loads be")
    return [one.fate for one in found]


def counted(number, right, where, low, high):
    meant = high if number > right else low
    return Finding(f"{right:g}", str(number), number == right, where, meant)


@check("how many of the six pages and one bind are done")
def seven(number, run):
    fates(run, 1)
    return counted(
        number,
        measure(run).value("done"),
        "lab.counts(run), and lab.journey(model, 'page/1')",
        "a chord calls nobody back: the other pages are scanned, though it is for nothing",
        "page/1 is not done, and bind is called with all pages or not at all",
    )


@check("for how many of the three books Celery says FAILURE")
def told(number, run):
    return counted(
        number,
        fates(run, 3).count("failed"),
        "lab.states(run_three, BINDS), and lab.counts(run_three): two lost",
        "a failed page makes the body FAILURE, unrun, and so does an expired one",
        "two of the diary's pages have no result at all, not even a bad one: their worker is dead, "
        "their messages are acknowledged",
    )


@check("under your settings the diary is bound, though the worker dies")
def bound(run):
    fate = fates(run, 3)[2]
    pages = [one for task, one in audit(run).tasks.items() if task.startswith("diary/")]
    struck = sum(one.n_killed for one in pages)
    return Finding(
        "4 pages, the kill strikes 2, the diary done",
        f"{len(pages)} pages, the kill strikes {struck}, the diary {fate}",
        (fate, len(pages), struck) == ("done", 4, 2),
        where="lab.counts(run_mended), and lab.states(run_mended, BINDS)",
        misconception="the pages that ran when the worker died were acknowledged before: lost"
        if (len(pages), struck) == (4, 2)
        else "a scan that nothing happens to is no test: leave pages, their time and the kill in",
    )


@check("how many books are bound now")
def now(number, run):
    return counted(
        number,
        fates(run, 3).count("done"),
        "lab.states(run_mended, BINDS)",
        "the diary's pages come back, and the chord has gone on counting",
        "a page that fails or expires is acknowledged, late or not: late acknowledgement brings "
        "back what a dead worker held, nothing else",
    )


@check("how many albums are done")
def still(number, run):
    accounts = audit(run).tasks.items()
    return counted(
        number,
        sum(one.n_succeeded for task, one in accounts if task.startswith("album/")),
        "the picture: both processes hold an album from beginning to end",
        "none is the fewest there can be",
        "who waits for a result keeps its process: none is free for the resizing they wait for",
    )


@check("the fewest albums that make a worker with three processes stand still")
def fewest(number, run):
    return counted(
        number,
        run.scenario.workers[0].concurrency,
        "lab.counts(standstill), and the same with one album fewer",
        "while one process has no album, it resizes for all the others, one after the other",
        "that many stand still, and so do fewer: it takes one album for each process",
    )


# %% [markdown]
# Books are scanned. Each page is a task, and once all of them are done the task `bind` makes the
# book: a **chord**, with the pages as its header and `bind` as its body. A page takes 0.2 s. In the
# first book the scan of one page, `page/1`, fails. There are no retries.

# %%
from sandbox import lab
from sandbox.loads import Chord

lab.lesson("18")

# %%
quick = lab.Deterministic(value_s=0.2)
one_book = lab.Scenario(
    name="one_book",
    tasks=[lab.TaskType(name="page", service=quick, p_failure=0.2), lab.TaskType(name="bind")],
    workers=[lab.WorkerPool(concurrency=2)],
    loads=[Chord(task="page", n=6, body="bind")],
    seed=6,  # with this one, only page/1 fails
    horizon_s=4.0,
)

# %% [markdown]
# ## 1. Predict
# **Six pages and one `bind`: how many of these seven tasks are done in the end?**

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
done = 5
### END SOLUTION
guess = lab.predict("How many of the seven tasks are done?", done)

# %% [markdown]
# ## 2. Ask the model, then real workers

# %%
model = lab.model(one_book)
run = lab.run(one_book, asks=["bind/0"])
display(lab.counts(run), lab.states(run, ["bind/0"]))
guess.against(model=lab.number("done", model), measured=lab.number("done", run))

# %% tags=["check"]
lab.check("seven", done, run)

# %% [markdown]
# The other pages are scanned, before and after. When the last one has ended, an exception is among
# the results, and FAILURE (`ChordError`) is written for `bind`, which never runs. You see that only
# if you ask for `bind`: no worker has begun it.
#
# ## 3. Three books, three accidents
# - The **atlas**: one of four pages fails, as above. It becomes `bind/0`.
# - The **novel**: two pages on one process, 1 s each, which expire after 0.5 s. The second one is
#   too late and is REVOKED. It becomes `bind/1`.
# - The **diary**: four pages of 1 s on two processes. After 0.5 s somebody kills the worker with
#   `SIGKILL`, half a second later it is started again. It becomes `bind/2`.
#
# All are acknowledged early, as by default. At the end an hour passes (it is skipped).

# %%
second = lab.Deterministic(value_s=1.0)
diary = lab.TaskType(name="diary", queue="attic", service=second)
BINDS = ["bind/0", "bind/1", "bind/2"]


def library(diary):
    """Return the three books; ``diary`` is the type of the diary's pages."""
    return lab.Scenario(
        name="library",
        tasks=[
            lab.TaskType(name="atlas", queue="hall", service=quick, p_failure=0.2),
            lab.TaskType(name="novel", queue="hall", service=second, expires_s=0.5),
            diary,
            lab.TaskType(name="bind", queue="hall"),
        ],
        queues=["hall", "attic"],
        workers=[
            lab.WorkerPool(name="hall", queues=["hall"]),
            lab.WorkerPool(name="attic", queues=["attic"], concurrency=2),
        ],
        loads=[
            Chord(task="atlas", n=4, body="bind"),
            Chord(task="novel", n=2, body="bind", at_s=1.5),
            Chord(task="diary", n=4, body="bind"),
        ],
        faults=[
            lab.KillWorker(worker="attic1", when=lab.At(at_s=0.5), back_after_s=0.5),
            lab.Skip(seconds=3600, when=lab.At(at_s=3.5)),
        ],
        seed=2,
        horizon_s=6.0,
    )


# %% [markdown]
# **For how many of the three books does Celery say FAILURE**, and not SUCCESS or PENDING?

# %% tags=["exercise"] name="failures"
### BEGIN SOLUTION
failures = 2
### END SOLUTION
second_guess = lab.predict("For how many of the three does Celery say FAILURE?", failures)

# %%
three = library(diary)
model_three = lab.model(three)
run_three = lab.run(three, asks=BINDS)
display(lab.states(run_three, BINDS))
second_guess.against(
    model=lab.n_in("FAILURE", model_three, BINDS), measured=lab.n_in("FAILURE", run_three, BINDS)
)

# %% tags=["check"]
lab.check("told", failures, run_three)

# %% [markdown]
# A chord counts results, and an exception or REVOKED is one. The two pages that ran when the worker
# died have none: acknowledged before the work, nobody begins them again, nobody reports them. The
# count stays at two of four, and there is no time after which a chord gives up.
#
# ## 4. Change one setting
# Have the diary bound, although its worker is killed: **one** setting of `diary`, all else stays.
# `diary.but(…)` gives the same task type with something changed.

# %% tags=["exercise"] name="mended"
### BEGIN SOLUTION
mended = library(diary.but(acks_late=True))
### END SOLUTION

# %% [markdown]
# And the others? **How many of the three books are bound now?**

# %% tags=["exercise"] name="books"
### BEGIN SOLUTION
books = 1
### END SOLUTION
third = lab.predict("How many of the three books are bound now?", books)

# %%
model_mended = lab.model(mended)
run_mended = lab.run(mended, asks=BINDS)
third.against(
    model=lab.n_in("SUCCESS", model_mended, BINDS),
    measured=lab.n_in("SUCCESS", run_mended, BINDS),
)

# %% tags=["check"]
lab.check("bound", run_mended)

# %% tags=["check"]
lab.check("now", books, run_mended)

# %% [markdown]
# ## 5. Without a chord: wait for it
# It can be done without a chord: `album` works for 0.2 s, publishes `resize`, which takes 0.3 s,
# and waits for its result, `resize.delay().get()`. Celery refuses that with a RuntimeError, unless
# one writes `allow_join_result()` around it, as here.
# **Two albums are published, and the worker has two processes. How many albums are done?**

# %% tags=["exercise"] name="albums"
### BEGIN SOLUTION
albums_done = 0
### END SOLUTION
fourth = lab.predict("How many of the two albums are done?", albums_done)


# %%
def photos(processes, albums):
    """Return so many albums for one worker with so many processes."""
    return lab.Scenario(
        name="photos",
        tasks=[
            lab.TaskType(name="album", service=quick, waits_for="resize"),
            lab.TaskType(name="resize", service=lab.Deterministic(value_s=0.3)),
        ],
        workers=[lab.WorkerPool(concurrency=processes)],
        loads=[lab.Burst(task="album", n=albums)],
        horizon_s=2.0,
        deadline_s=3.0,
    )


model_photos = lab.model(photos(processes=2, albums=2))
run_photos = lab.run(photos(processes=2, albums=2))
fourth.against(model=lab.number("done", model_photos), measured=lab.number("done", run_photos))

# %% tags=["check"]
lab.check("still", albums_done, run_photos)

# %%
display(lab.timeline_picture(model_photos), lab.timeline_table(model_photos))

# %% [markdown]
# Both processes wait for a resizing that no process is free to begin, and would wait until somebody
# kills the worker. With a third process both albums are done, as the next run shows. Is all well
# then? **How many albums at once, at the fewest, make three processes stand still?**

# %% tags=["exercise"] name="smallest"
### BEGIN SOLUTION
smallest = 3
### END SOLUTION
fifth = lab.predict("How many albums make three processes stand still?", smallest)

# %%
standstill = lab.unless_open(lambda n: lab.model(photos(processes=3, albums=n)), smallest)
display(lab.counts(lab.run(photos(processes=3, albums=2))), lab.counts(standstill))

# %% tags=["check"]
lab.check("fewest", smallest, standstill)

# %% [markdown] tags=["solution"]
# Ask for the pages, one by one: those that are PENDING are the ones the chord waits for. Nothing in
# Celery tells you by itself: a chord that waits is no error, and an error callback on `bind` would
# be told of FAILURE only. So have the header tasks come back: `acks_late`, and idempotent, since
# they may run twice. And know yourself what should be done by when: write each book and its date
# into a table, and let a periodic task look for those that are too old. All the same, take a chord
# and not the wait in a task: a chord holds no process while it waits.

# %% tags=["wrong"] of="guess" check="seven" says="with all pages or not at all"
done = 6
guess = lab.predict("How many of the seven tasks are done?", done)

# %% tags=["wrong"] of="failures" check="told" says="have no result at all"
failures = 3
second_guess = lab.predict("For how many of the three does Celery say FAILURE?", failures)

# %% tags=["wrong"] of="mended" check="bound" says="were acknowledged before: lost"
mended = library(diary.but(max_retries=3, retry_on_worker_lost=True))
