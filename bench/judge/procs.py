"""Processes: started on one core, watched through /proc, ended with everything that they started.

CPU time is the scheduler's own count in nanoseconds (/proc/PID/task/*/schedstat), over all threads and child processes,
so that a peer with a master and a worker, or with helper threads, pays for all of them.
"""

import atexit
import ctypes
import http.client
import os
import resource
import signal
import ssl
import socket
import subprocess
import time
from pathlib import Path

PROXY_CORE, LOAD_CORE = 0, 1
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
STARTED = []


class Failed(Exception):
    """A server or a load that can't be measured, with the reason in words."""


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_descriptor_limit():
    """Raises the soft limit to the hard one for us and all children; returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def start(command, core, log, env=None, **options):
    """Starts `command` on one core, in a process group of its own that ends with us."""

    def prepare():
        os.sched_setaffinity(0, {core})
        # TERM rather than KILL: a master that is told ends its workers, one that is killed leaves them.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options
    child = subprocess.Popen(
        [str(part) for part in command], preexec_fn=prepare, start_new_session=True, env={**os.environ, **(env or {})}, **options
    )
    STARTED.append(child)
    return child


def stop(child):
    """Ends a child and its whole group, gently for two seconds."""
    for sign, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, sign)
            child.wait(patience)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    child.poll()
    if child in STARTED:
        STARTED.remove(child)


@atexit.register
def stop_all():
    for child in list(STARTED):
        stop(child)


def end_on_signals():
    """Turns TERM and HUP into an ordinary exit, so that `stop_all` runs."""
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, lambda number, _: os.sys.exit(128 + number))


def wait_answering(child, port, name, log, host="bench.localhost", tls=False, patience=15):
    """Waits until `port` answers 200 (Traefik listens before it has routes); `Failed` with the log's end else."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        if answers(port, host, tls):
            return
        time.sleep(0.02)
    tail = " / ".join(Path(log).read_text(errors="replace").splitlines()[-3:])
    raise Failed(f"{name} does not answer: {tail}")


def answers(port, host, tls=False):
    """Whether a small GET is answered with 200."""
    try:
        anyone = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=1, context=anyone) if tls else (
            http.client.HTTPConnection("127.0.0.1", port, timeout=1))
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tree(pid):
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*"):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_ns(pid):
    """CPU time of the whole tree so far, in nanoseconds."""
    total = 0
    for process in tree(pid):
        for task in Path(f"/proc/{process}/task").glob("*"):
            total += int((task / "schedstat").read_text().split()[0])
    return total


def memory_bytes(pid):
    """Proportional resident memory of the whole tree, in bytes."""
    total = 0
    for process in tree(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
