# The run: text of an exported script, put together by script.py; nobody imports it.
# ---
# --- the run --------------------------------------------------------------------------------------


def over(system):
    """Whether nothing more can happen: calm for a second, since a message on its way is nowhere.

    Longer where something is yet to be done on an event, or a task has come to no end: one that
    was acknowledged and has not begun is nowhere, either.
    """
    calm = not (PLAN["publications"] or system.due or system.paused or system.running())
    if not calm or system.held() != {}:
        system.calm_since = time.monotonic()
    ended = {e["task"] for e in system.events if e["kind"] in {"finished", "raised", "revoked"}}
    open_ends = {e["task"] for e in system.events if e["task"]} - ended
    return time.monotonic() - system.calm_since > (5 if system.pending or open_ends else 1)


def main():
    broker_verbs = [c["verb"] for c in PLAN["commands"] if c["verb"] in PLAN["own_only"]]
    if os.environ.get("REDIS_URL") and broker_verbs:
        sys.exit(f"{broker_verbs[0]} is not done to the Redis of REDIS_URL; unset it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    system = System()
    try:
        ready = [system.start(name) for name in PLAN["workers"]]
        system.wait(
            lambda: all(is_ready() for is_ready in ready), 60, "the workers did not come up"
        )
        t0 = time.monotonic()
        system.events = [e for e in system.events if e["kind"] != "ready"]
        for n, command in enumerate(PLAN["commands"]):
            one = command | {"seen": 0, "n": n}
            if command["when"]["on"] == "time":
                system.due.append((t0 + command["when"]["at_s"], one))
            else:
                system.pending.append(one)
        system.calm_since = t0
        while time.monotonic() < t0 + PLAN["deadline_s"] and not over(system):
            system.look()
            while PLAN["publications"] and t0 + PLAN["publications"][0][0] <= time.monotonic():
                _, kind, task = PLAN["publications"].pop(0)
                publish(system, task, kind)
            for due in sorted(
                (d for d in system.due if d[0] <= time.monotonic()), key=lambda d: d[0]
            ):
                system.due.remove(due)
                print(
                    f"{time.monotonic() - t0:7.3f} s  {due[1]['verb']} {due[1]['arguments'] or ''}",
                    flush=True,
                )
                try:
                    globals()["do_" + due[1]["verb"]](system, **due[1]["arguments"])
                except (redis.RedisError, OSError) as exc:
                    print(f"          {due[1]['verb']} could not be done: {exc}", flush=True)
            time.sleep(POLL_S)
        return report(system)
    finally:
        system.close()


def report(system):
    """Print what became of each task; return 1 when the claim is violated, else 0."""
    held, running = system.held(), {task for _, task, _ in system.running()}
    violated = []
    print(f"\n{'task':<20} published started finished  where it is now")
    for task in dict.fromkeys(e["task"] for e in system.events if e["task"]):
        published = len(system.names(task, "published"))
        started, finished = len(system.names(task, "started")), len(system.names(task, "finished"))
        where = ["running"] if task in running else []
        where += ["not known: the broker is down"] if held is None else held.get(task, [])
        errors = [e.get("error", "") for e in system.names(task, "failed")]
        state = (
            f" ({errors[-1]})" if errors else " (revoked)" if system.names(task, "revoked") else ""
        )
        own_end = finished or system.names(task, "raised", "revoked")
        lost = published and not own_end and not where
        verdict = "LOST" if lost else "RAN TWICE" if finished > 1 else ""
        if (lost and "lost" in PLAN["claims"]) or (finished > 1 and "twice" in PLAN["claims"]):
            violated.append(task)
        print(
            f"{task:<20} {published:>9} {started:>7} {finished:>8}  {', '.join(where) or 'gone'}{state} {verdict}"
        )
    said = " and ".join(
        {"lost": "no task is lost", "twice": "no task runs twice"}[c] for c in PLAN["claims"]
    )
    print(f"\nclaim: {said}: " + (f"VIOLATED by {', '.join(violated)}" if violated else "holds"))
    return 1 if violated else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
