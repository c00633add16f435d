# The system: text of an exported script, put together by script.py; nobody imports it.
# ---
import itertools, json, os, secrets, shutil, signal, socket, subprocess, sys, tempfile, time

import redis

MODULE = "reproduced"
POLL_S = 0.02


# --- what happened: one line an event, in a file that no broker can lose -------------------------


def tell(kind, task="", **more):
    """Append one line; workers and their children do, and the driver."""
    line = json.dumps(
        {"t": time.monotonic(), "kind": kind, "task": task, "pid": os.getpid(), **more}
    )
    worker = os.environ.get("REPRODUCE_WORKER")
    with open(os.path.join(os.environ["REPRODUCE_FOLDER"], "events"), "ab", buffering=0) as file:
        file.write((json.dumps({"worker": worker, **json.loads(line)}) + "\n").encode())


if "REPRODUCE_WORKER" in os.environ:
    from celery import signals
    from celery.utils.log import current_process_index

    @signals.worker_process_init.connect(weak=False)
    def on_child(**_):
        tell("child", slot=current_process_index(0))

    @signals.worker_ready.connect(weak=False)
    def on_ready(**_):
        tell("ready")

    @signals.task_received.connect(weak=False)
    def on_received(request, **_):
        tell("received", request.id)

    @signals.task_failure.connect(weak=False)
    def on_failure(task_id, exception, **_):
        tell("failed", task_id, error=type(exception).__name__)

    @signals.task_revoked.connect(weak=False)
    def on_revoked(request, **_):
        tell("revoked", request.id)


# --- the system -----------------------------------------------------------------------------------


class System:
    """Broker and workers, all children of this process, all ended by ``close``."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="reproduce-")
        os.environ["REPRODUCE_FOLDER"] = self.folder
        open(os.path.join(self.folder, "events"), "wb").close()
        shutil.copy(os.path.abspath(__file__), os.path.join(self.folder, MODULE + ".py"))
        self.events, self.read, self.workers, self.paused = [], 0, {}, set()
        self.slots, self.calm_since = {}, 0.0
        self.broker, self.exited, self.due, self.pending = None, {}, [], []
        self.url, self.prefix = os.environ.get("REDIS_URL", ""), ""
        self.own = not self.url
        if self.own:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.password = secrets.token_hex(16)
            self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
            self.start_redis()
        else:
            self.prefix = f"reproduce-{secrets.token_hex(4)}:"
        os.environ["REPRODUCE_URL"], os.environ["REPRODUCE_PREFIX"] = self.url, self.prefix
        self.redis = redis.Redis.from_url(self.url, socket_timeout=5)
        app.conf.broker_url = app.conf.result_backend = self.url
        app.conf.broker_transport_options["global_keyprefix"] = self.prefix
        app.conf.result_backend_transport_options = {"global_keyprefix": self.prefix}

    def start_redis(self):
        if shutil.which("redis-server") is None:
            sys.exit("no redis-server on PATH; set REDIS_URL to a Redis that may be used")
        conf = (
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\ndir {self.folder}\n"
            f'save ""\nappendonly {PLAN["appendonly"]}\nappendfsync always\n'
        )
        self.broker = subprocess.Popen(
            ["redis-server", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.broker.stdin.write(conf.encode())
        self.broker.stdin.close()
        client = redis.Redis.from_url(self.url)
        self.wait(lambda: answers(client), 20, "redis-server does not answer")

    def start(self, name):
        env = os.environ | {"REPRODUCE_WORKER": name, "PYTHONPATH": self.folder}
        command = [sys.executable, "-m", "celery", "-A", MODULE, "worker"]
        command += PLAN["workers"][name]["options"].split()
        env |= {
            "REPRODUCE_CONF": json.dumps(PLAN["workers"][name]["conf"]),
            **PLAN["workers"][name]["env"],
        }
        known = sum(e["kind"] == "ready" and e["worker"] == name for e in self.events)
        with open(os.path.join(self.folder, name + ".log"), "ab") as log:
            self.workers[name] = subprocess.Popen(
                command, env=env, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        self.exited.pop(name, None)
        self.paused.discard(name)
        return lambda: (
            sum(e["kind"] == "ready" and e["worker"] == name for e in self.events) > known
        )

    def wait(self, condition, most_s, sentence):
        end = time.monotonic() + most_s
        while not condition():
            if time.monotonic() > end:
                sys.exit(sentence)
            self.look()
            time.sleep(POLL_S)

    def look(self):
        """Read what was told since, notice who has exited, do what is due."""
        with open(os.path.join(self.folder, "events"), "rb") as file:
            file.seek(self.read)
            for line in file.read().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    self.read += len(line)
                    self.see(json.loads(line))
        for name, process in self.workers.items():
            if name not in self.exited and process.poll() is not None:
                self.exited[name] = process.returncode
                kill(process, signal.SIGKILL)  # what is left of its children
                self.see(
                    {"kind": "worker_exited", "worker": name, "task": "", "t": time.monotonic()}
                )

    def see(self, event):
        self.events.append(event)
        if event["kind"] == "child":
            self.slots[event["worker"], event["slot"]] = event["pid"]
        for one in [p for p in self.pending if matches(p["when"], event)]:
            one["seen"] += 1
            if one["seen"] == one["when"]["nth"]:
                self.pending.remove(one)
                self.due.append((event["t"] + one["when"]["after_s"], one))

    def names(self, task, *kinds):
        return [e for e in self.events if e["task"] == task and e["kind"] in kinds]

    def running(self, worker=None):
        """Executions that have begun and not ended, on processes that live: (since, task, pid)."""
        open_ones = {}
        for e in self.events:
            if e["kind"] == "started":
                open_ones[e["pid"], e["thread"]] = e
            elif e["kind"] in {"finished", "raised"}:
                open_ones.pop((e["pid"], e["thread"]), None)
        return sorted(
            (e["t"], e["task"], e["pid"])
            for e in open_ones.values()
            if e["worker"] == (worker or e["worker"]) and alive(e["pid"])
        )

    def held(self):
        """What the broker has, as {task: places}; None while it does not answer."""
        places = {}
        try:
            for queue in PLAN["queues"]:
                for step in PLAN["steps"]:
                    key = self.prefix + (f"{queue}\x06\x16{step}" if step else queue)
                    for raw in self.redis.lrange(key, 0, -1):
                        places.setdefault(json.loads(raw)["headers"]["id"], []).append(
                            f"queue {queue}"
                        )
            for raw in self.redis.hvals(self.prefix + "unacked"):
                places.setdefault(json.loads(raw)[0]["headers"]["id"], []).append("unacked")
        except (redis.RedisError, OSError):
            return None
        return places

    def close(self):
        for process in [*self.workers.values(), self.broker]:
            if process is not None:
                kill(process, signal.SIGCONT)
                kill(process, signal.SIGKILL)
                process.wait()
        if not self.own:
            for key in self.redis.scan_iter(self.prefix + "*"):
                self.redis.delete(key)
        shutil.rmtree(self.folder, ignore_errors=True)


def answers(client):
    try:
        return client.ping()
    except (redis.RedisError, OSError):
        return False


def kill(process, number):
    """Signal a process and its children: it leads a group of its own."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def matches(when, event):
    return (
        event["kind"] == {"succeeded": "finished"}.get(when["event"], when["event"])
        and when.get("worker") in (None, event.get("worker"))
        and when.get("task") in (None, event["task"].rpartition("/")[0])
    )
