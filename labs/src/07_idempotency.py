# %% tags=["lab"]
from sandbox.audit import audit
from sandbox.errors import LabError
from sandbox.labs import Finding, Lab, check, payroll
from sandbox.metrics import measure

EACH, N = payroll.EUROS, len(payroll.EMPLOYEES)
LAB = Lab(
    title="Idempotency and effectively once",
    question="Tasks are delivered at least once. How is everybody paid exactly once?",
    minutes=20,
    is_deep=True,
    assumes=("03", "05"),
    goals=(
        "see duplicates where they hurt: as rows in a database",
        "say why a look before the payment does not prevent them",
        "have an effect once, by a unique key and one statement, and choose the key",
    ),
    hints=(
        "A look says what was true then. Who can refuse a second row, whoever asks, and when?",
        "A column that is a PRIMARY KEY, or UNIQUE, holds each value once. INSERT … ON CONFLICT "
        "DO NOTHING leaves it at that, and no error is raised.",
        'table = "CREATE TABLE payments (task TEXT, employee TEXT PRIMARY KEY, euros INTEGER)" and '
        'pays = "INSERT INTO payments VALUES (:task, :employee, :euros) ON CONFLICT DO NOTHING"',
    ),
    links={
        "Visibility timeout": "https://docs.celeryq.dev/en/stable/getting-started/"
        "backends-and-brokers/redis.html#visibility-timeout",
        "worker_deduplicate_successful_tasks": "https://docs.celeryq.dev/en/stable/userguide/"
        "configuration.html#worker-deduplicate-successful-tasks",
    },
    surprise="Most people expect 300 euros once every task looks before it pays. It is 600: both "
    "attempts look before either has paid.",
    closing="The money is paid by a call to the bank's API, and the worker dies between that call "
    "and your INSERT. Is your unique key still enough? What must the bank offer?",
)


def is_right(run):
    return payroll.by_employee(run) == dict.fromkeys(payroll.EMPLOYEES, EACH)


def told(run):
    return ", ".join(f"{name} {euros}" for name, euros in payroll.by_employee(run).items())


def counted(number, found, where, low, high):
    """What is found of a number: ``low`` and ``high`` say what one believes who gave that."""
    meant = low if number < found else high
    return Finding(str(found), str(number), number == found, where, meant)


@check("how many euros are paid, each task sent once")
def blind(number, run):
    return counted(
        number,
        payroll.euros(run),
        "payroll.payments(run): the same task has two rows",
        low="a task that works for longer than the visibility timeout is taken for lost: it comes "
        "again, and pays again",
        high="one copy more: the first one's end takes the message away before it is too old again",
    )


@check("how many euros are paid when each task looks first")
def looked(number, run):
    return counted(
        number,
        payroll.euros(run),
        "the bars of the picture: the second attempt begins before the first has ended",
        low="when the second attempt looks, the first has not paid yet: both find nothing",
        high="a look pays nobody: two attempts each, as before",
    )


@check("how often a task is begun now that the table refuses a second payment")
def begun(number, run):
    if len(audit(run).tasks) != N or not run.scenario.task("pay").acks_late:
        raise LabError("three tasks are to be sent, acknowledged late: write the statements only")
    return counted(
        number,
        round(measure(run).value("executions")),
        "run_keyed.attempts: two rows a task",
        low="the database knows nothing of Celery: the message comes again as before, and the work "
        "is done again; only the payment is not",
        high="three tasks, and each comes once more, as before",
    )


def keyless(run, own):
    """What one believes whose rows are wrong, or right by luck, by their statements."""
    meant = "a row that is there already must stay as it is: nothing is added to it"
    if payroll.paid(run).n_refused:
        meant = "the second payment raised an error: a task that did nothing wrong is FAILURE. "
        meant += "Say in the statement what to do ON CONFLICT"
    elif not own.is_unique:
        meant = "nothing in the table forbids a second row like the first: so nothing conflicts "
        meant += "with anything; and what a statement looks for may be written while it looks"
    elif payroll.euros(run) < EACH * N:
        meant = "your key also forbids what is no duplicate: another employee's payment"
    return meant


@check("your statements pay each of the three once, though each task runs twice")
def keyed(run):
    own, paid = payroll.books(run), payroll.paid(run)
    n, meant = round(measure(run).value("executions")), keyless(run, own)
    if n != 2 * N or len(audit(run).tasks) != N:
        meant = "write the two statements only: each task is to run twice, and to pay once"
    return Finding(
        f"{EACH} euros each, {2 * N} attempts, none with an error, by a table with a unique key",
        f"{told(run)}; {n} attempts, {paid.n_refused} with an error; "
        + ("a unique key" if own.is_unique else "no unique key"),
        is_right(run) and n == 2 * N and not paid.n_refused and own.is_unique,
        where="payroll.payments(run_keyed)",
        misconception=meant,
    )


@check("under a kill and two presses each of the three gets their bonus, once")
def effectively(run):
    killed = any((e.detail or {}).get("signal") == 9 for e in run.of_kind("worker_exited"))
    n, paid, own = len(audit(run).tasks), payroll.paid(run), payroll.books(run)
    if not killed or n != 2 * N:
        meant = "leave twice=True and killed=True: that is the day that it must stand"
    elif not run.scenario.task("pay").acks_late:
        meant = "early acknowledgement is at most once: what the dead worker had begun is gone, "
        meant += "and no key brings it back"
    elif payroll.euros(run) > EACH * N and own.is_unique:
        meant = "each press makes new tasks with new ids: which column is the same for both?"
    else:
        meant = keyless(run, own)
    return Finding(
        f"{EACH} euros each; {2 * N} tasks sent, the worker killed, no attempt with an error",
        f"{told(run)}; {n} tasks sent, the worker {'killed' if killed else 'not killed'}, "
        f"{paid.n_refused} attempts with an error",
        is_right(run) and killed and n == 2 * N and not paid.n_refused and own.is_unique,
        where="payroll.payments(run_final)",
        misconception=meant,
    )


# %% [markdown]
# Anna, Ben and Carl each get a bonus of 100 euros. There is a task for each of them: it works out
# the bonus, which takes 1.9 s, and then writes a row into the table `payments`, in an SQLite file.
# A row is a payment. So 300 euros are owed.

# %%
from sandbox import lab
from sandbox.labs import payroll

lab.lesson("07")

# %%
print(payroll.TABLE, payroll.PAYS, sep="\n")

# %% [markdown]
# The tasks are acknowledged late, so that none is lost. The worker is healthy, and has six
# processes. The visibility timeout is 1.2 s: somebody has set it who did not know how long the work
# takes.
#
# ## 1. Predict
# Three tasks are sent, once. **How many euros are paid?**

# %% tags=["exercise"] name="guess"
### BEGIN SOLUTION
euros = 600
### END SOLUTION
guess = lab.predict("How many euros are paid?", euros)

# %% [markdown]
# ## 2. Ask the model, then real workers and a real database (about eight seconds)

# %%
blind = payroll.scenario("blind")
model = lab.model(blind)
guess.against(model=payroll.euros(model))

# %%
run = lab.run(blind)
guess.against(model=payroll.euros(model), measured=payroll.euros(run))

# %% tags=["check"]
lab.check("blind", euros, run)

# %% [markdown]
# ## 3. Where your number was wrong
# The duplicates, as rows:

# %%
payroll.payments(run)

# %% [markdown]
# After 1.2 s each message was too old, and came again; another process began the same task while
# the first was still at work. Both paid. No error anywhere, every task is SUCCESS.

# %% [markdown]
# ## 4. Predict again
# Two colleagues mend it. One switches on Celery's `worker_deduplicate_successful_tasks`. The other
# has each task look first, when it begins, and end at once if the employee has been paid:
# `SELECT * FROM payments WHERE employee = :employee`. **How many euros are paid now?**

# %% tags=["exercise"] name="again"
### BEGIN SOLUTION
euros_looking = 600
### END SOLUTION
second = lab.predict("How many euros are paid when each task looks first?", euros_looking)

# %%
looking = payroll.scenario("looking", looks=payroll.LOOKS, deduplicate=True)
model_looking = lab.model(looking)
run_looking = lab.run(looking)
second.against(model=payroll.euros(model_looking), measured=payroll.euros(run_looking))

# %% tags=["check"]
lab.check("looked", euros_looking, run_looking)

# %%
display(lab.timeline_picture(model_looking), lab.timeline_table(model_looking))

# %% [markdown]
# The second attempt begins before the first has ended. At that moment nobody has been paid, and no
# task is successful: the look and Celery's setting both find nothing.

# %% [markdown]
# ## 5. Look later, then?
# A look right before the payment leaves a shorter gap, and a gap all the same. Here are two
# sessions on one database; each does what a task would do, and you see in which order.

# %%
a, b = payroll.two_sessions()
anna = payroll.order("pay/0")
print("a looks:", a.execute(payroll.LOOKS, anna).fetchall())
print("b looks:", b.execute(payroll.LOOKS, anna).fetchall())
a.execute(payroll.PAYS, anna)
b.execute(payroll.PAYS, anna)
print("rows:", a.execute(payroll.LOOKS, anna).fetchall())

# %% [markdown]
# *Check, then act* are two steps, and something may come between them. What is needed is **one**
# step which does both, by who alone sees all of them: the database.

# %% [markdown]
# ## 6. Write the statements
# Write a table that holds a payment once, and a statement that pays, and does nothing, without an
# error, if that payment is there already. The names `:task`, `:employee` and `:euros` stand for
# the task's id, such as `pay/0`, the employee's name, and 100. Then:
# `keyed = payroll.scenario("keyed", table=table, pays=pays)`.

# %% tags=["exercise"] name="keyed"
### BEGIN SOLUTION
table = "CREATE TABLE payments (task TEXT PRIMARY KEY, employee TEXT, euros INTEGER)"
pays = "INSERT INTO payments VALUES (:task, :employee, :euros) ON CONFLICT DO NOTHING"
keyed = payroll.scenario("keyed", table=table, pays=pays)
### END SOLUTION

# %% [markdown]
# **How many attempts will there be**, now that a second payment is refused? (There were six.)

# %% tags=["exercise"] name="attempts"
### BEGIN SOLUTION
attempts = 6
### END SOLUTION
third = lab.predict("How many attempts will there be?", attempts)

# %%
model_keyed = lab.model(keyed)
run_keyed = lab.run(keyed)
third.against(
    model=lab.number("executions", model_keyed), measured=lab.number("executions", run_keyed)
)

# %%
payroll.payments(run_keyed)

# %% tags=["check"]
lab.check("begun", attempts, run_keyed)

# %% tags=["check"]
lab.check("keyed", run_keyed)

# %% [markdown]
# The work is still done twice, the payment once. **Effectively once** is no kind of delivery: it is
# delivery at least once, and an effect that a unique key lets happen once.

# %% [markdown]
# ## 7. Which key?
# The clerk presses the button twice: six tasks, two for each employee. **How many euros do your
# statements pay?** The model will do:
# `pressed = payroll.scenario("pressed", table=table, pays=pays, twice=True)`.

# %% tags=["exercise"] name="twice"
### BEGIN SOLUTION
euros_pressed = 600
pressed = payroll.scenario("pressed", table=table, pays=pays, twice=True)
### END SOLUTION
fourth = lab.predict("How many euros when the button is pressed twice?", euros_pressed)

# %%
model_pressed = lab.model(pressed)
fourth.against(model=payroll.euros(model_pressed))

# %% [markdown]
# Each press makes new tasks with new ids. A key on the task's id is enough for a message that comes
# again, and not for a clerk. What must not happen twice: this task, or this employee's bonus?

# %% [markdown]
# ## 8. The worst day
# The button is pressed twice, and after a second the worker is killed, with all six tasks at work.
# It is started again, and an hour is skipped. Have Anna, Ben and Carl get 100 euros each: choose
# the statements, and `acks_late`, True or False:
# `final = payroll.scenario("final", table=…, pays=…, acks_late=…, twice=True, killed=True)`.

# %% tags=["exercise"] name="final"
### BEGIN SOLUTION
final = payroll.scenario(
    "final",
    table="CREATE TABLE payments (task TEXT, employee TEXT PRIMARY KEY, euros INTEGER)",
    pays=pays,
    acks_late=True,
    twice=True,
    killed=True,
)
### END SOLUTION

# %%
run_final = lab.run(final)
payroll.payments(run_final)[["euros"]]

# %% tags=["check"]
lab.check("effectively", run_final)

# %% [markdown] tags=["solution"]
# No. Your transaction can take back a row, and not a call: the task comes again, finds no row, and
# calls the bank again. And if the row is written before the call, a death between the two leaves a
# row without a payment. The bank must refuse the second call itself: it needs an **idempotency
# key** from you, one that is the same in every attempt, such as the employee and the month, and
# holds it unique in *its* table. What is in your own database alone is done by writing key and
# effect in one transaction; `sandbox.patterns.idempotency.once` does that.

# %% tags=["wrong"] of="again" check="looked" says="has not paid yet"
euros_looking = 300
second = lab.predict("How many euros are paid when each task looks first?", euros_looking)

# %% tags=["wrong"] of="keyed" check="keyed" says="nothing in the table forbids"
table, pays = payroll.TABLE, f"{payroll.PAYS} ON CONFLICT DO NOTHING"
keyed = payroll.scenario("keyed", table=table, pays=pays)

# %% tags=["wrong"] of="final" check="effectively" says="at most once"
final = payroll.scenario("final", table=table, pays=pays, acks_late=False, twice=True, killed=True)
