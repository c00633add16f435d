# The faults: text of an exported script, put together by script.py; nobody imports it.
# ---
# --- what is done to it ---------------------------------------------------------------------------


BY_HAND = itertools.count()


def publish(system, task, kind):
    try:
        app.tasks[kind].apply_async(task_id=task, **PLAN["publish"][kind])
    except Exception as exc:
        system.see(
            {"kind": "publish_unknown", "task": task, "t": time.monotonic(), "error": repr(exc)}
        )
    else:
        system.see({"kind": "published", "task": task, "t": time.monotonic()})


def do_submit(system, task, n):
    for _ in range(n):
        publish(system, f"{task}/by-hand-{next(BY_HAND)}", task)


def do_kill_child(system, worker, slot=None):
    busy = system.running(worker)
    children = subprocess.run(
        ["pgrep", "-P", str(system.workers[worker].pid)], capture_output=True, text=True
    ).stdout.split()
    pid = busy[0][2] if busy else min(map(int, children), default=0)
    if slot is not None:
        chosen = system.slots.get((worker, slot), 0)
        pid = chosen if str(chosen) in children else 0
    if pid:
        os.kill(pid, signal.SIGKILL)


def do_kill_worker(system, worker):
    kill(system.workers[worker], signal.SIGKILL)


def do_terminate_worker(system, worker):
    system.workers[worker].send_signal(signal.SIGTERM)


def do_quit_worker(system, worker):
    system.workers[worker].send_signal(signal.SIGQUIT)


def do_pause_worker(system, worker):
    system.paused.add(worker)
    kill(system.workers[worker], signal.SIGSTOP)


def do_resume_worker(system, worker):
    system.paused.discard(worker)
    kill(system.workers[worker], signal.SIGCONT)


def do_start_worker(system, worker):
    if worker in system.exited:
        system.wait(system.start(worker), 60, f"{worker} did not come up")


def do_deploy(system, grace_s):
    for worker in list(system.workers):
        system.workers[worker].send_signal(signal.SIGTERM)
        end = time.monotonic() + grace_s
        while worker not in system.exited and time.monotonic() < end:
            system.look()
            time.sleep(POLL_S)
        kill(system.workers[worker], signal.SIGKILL)
        system.wait(lambda: worker in system.exited, 10, f"{worker} did not end")
        system.wait(system.start(worker), 60, f"{worker} did not come up")


def do_rate_limit(system, task, rate):
    app.control.rate_limit(task, rate or 0, reply=True, timeout=3)


def do_drop_connections(system):
    mine = system.redis.client_id()
    for client in system.redis.client_list():
        if int(client["id"]) != mine:
            system.redis.client_kill_filter(_id=client["id"])


def do_stop_broker(system):
    kill(system.broker, signal.SIGKILL)
    system.broker.wait()


def do_start_broker(system):
    if system.broker.poll() is not None:
        system.start_redis()


def do_pause_broker(system):
    kill(system.broker, signal.SIGSTOP)


def do_resume_broker(system):
    kill(system.broker, signal.SIGCONT)


def do_flush(system):
    system.redis.flushdb()


def do_evict(system):
    system.redis.config_set("maxmemory-policy", "allkeys-lru")
    system.redis.config_set("maxmemory", 1)
    system.redis.config_set("maxmemory", 0)
    system.redis.config_set("maxmemory-policy", "noeviction")
    system.redis.flushdb()


def do_fill_memory(system):
    system.redis.config_set("maxmemory-policy", "noeviction")
    system.redis.config_set("maxmemory", 1)


def do_free_memory(system):
    system.redis.config_set("maxmemory", 0)


def do_plant_mutex(system, expires_s):
    system.redis.set(system.prefix + "unacked_mutex", "planted", px=max(1, round(expires_s * 1000)))


def do_sweep(system, visibility_timeout_s):
    options = app.conf.broker_transport_options | {"visibility_timeout": visibility_timeout_s}
    with app.connection_for_write(transport_options=options) as connection:
        app.control.inspect(connection=connection, timeout=0.2).ping()


def do_skip(system, seconds):
    index = system.prefix + "unacked_index"
    for tag in system.redis.zrange(index, 0, -1):
        system.redis.zincrby(index, -seconds, tag)
    timeout_s = app.conf.broker_transport_options["visibility_timeout"]
    for _ in range(10):
        if not system.redis.zcount(index, "-inf", time.time() - timeout_s):
            break
        do_sweep(system, timeout_s)
