"""Counts that noise can't blur: instructions by callgrind and system calls by strace, per request or message.

Both are counts of the one thread that serves. Each count is made with N and with 2N requests, one after the other on one connection; the difference over N holds no
start and no end of the process. Called by `bench/budget` alone.
"""

import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter

from .peers import OUT, WRITERS, binary
from .procs import PROXY_CORE, Failed, free_port, start, stop, wait_answering
from .scenarios import FIELDS

# The example key of RFC 6455 §1.3 and its answer.
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: %b\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 22\r\n\r\nhello from the origin\n"
MESSAGE = b"\x82\xc0\0\0\0\0" + b"a" * 64
ECHO = b"\x82\x40" + b"a" * 64
# RFC 9113 §3.4, §6: the preface, an empty SETTINGS, and the types and flags that the answers are told by.
BEGINS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
DATA, HEADERS, SETTINGS, END_STREAM, ACK, END_HEADERS = 0, 1, 4, 1, 1, 4
WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")


class Origin(threading.Thread):
    """Answers any GET with `ANSWER` and echoes `MESSAGE` after an upgrade; one thread per connection."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    @staticmethod
    def serve(client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer, size, seen = ANSWER, 0, b""
        try:
            while part := client.recv(65536):
                seen += part
                while len(seen) >= size and (size or b"\r\n\r\n" in seen):
                    if size:
                        seen = seen[size:]
                    else:
                        head, _, seen = seen.partition(b"\r\n\r\n")
                        if b"upgrade: websocket" in head.lower():
                            client.sendall(SWITCHING)
                            answer, size = ECHO, len(MESSAGE)
                            continue
                    client.sendall(answer)
        except OSError:
            # The proxy went; its end is the measurement's end.
            pass


def drive(port, host, kind, count):
    """Sends `count` requests or messages, each after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fields = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())
        if kind == "h2":
            return drive_streams(client, host.encode(), count)
        message, ends = f"GET / HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n".encode(), ANSWER[-8:]
        if kind == "echo":
            client.sendall(UPGRADE % host.encode())
            until(client, b"\r\n\r\n")
            message, ends = MESSAGE, b"a" * 64
        for _ in range(count):
            client.sendall(message)
            until(client, ends)


def drive_streams(client, host, count):
    """The same over HTTP/2: each request is a stream that ends before the next. The first puts its fields into the table."""
    client.sendall(BEGINS)
    fields = [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()]
    plain = b"\x82\x86\x84"
    block = plain + b"\x41" + text(host) + b"".join(b"\x40" + text(name) + text(value) for name, value in fields)
    known = plain + bytes(0x80 | 62 + place for place in reversed(range(len(fields) + 1)))
    seen = b""
    for number in range(count):
        client.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, known if number else block))
        seen = until_end(client, 2 * number + 1, seen)


def text(value):
    """A string of HPACK, of less than 127 bytes and without Huffman's code (RFC 7541 §5.2)."""
    return bytes([len(value)]) + value


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def until_end(client, stream, seen):
    """Reads frames until the answer on a stream has ended with DATA; returns what came behind."""
    while True:
        while len(seen) < 9 or len(seen) < 9 + int.from_bytes(seen[:3], "big"):
            part = client.recv(65536)
            if not part:
                raise Failed(f"closed in the middle of an answer: {seen[:200]!r}")
            seen += part
        size, kind, flags = 9 + int.from_bytes(seen[:3], "big"), seen[3], seen[4]
        of, seen = int.from_bytes(seen[5:9], "big"), seen[size:]
        if kind == SETTINGS and not flags & ACK:
            client.sendall(frame(SETTINGS, ACK, 0, b""))
        if kind not in (DATA, HEADERS) and of:
            raise Failed(f"a frame of type {kind} on stream {of}")
        if kind == DATA and of == stream and flags & END_STREAM:
            return seen


def until(client, ends):
    seen = b""
    while not seen.endswith(ends):
        part = client.recv(65536)
        if not part:
            raise Failed(f"closed in the middle of an answer: {seen[:200]!r}")
        seen += part


def observed(name, site, kind, count, tracer):
    """Runs the proxy under `tracer` for `count` requests, ends it, and waits until the tracer has written its file."""
    folder = OUT / "budget"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command, env = WRITERS[name](binary(name), site, port, folder)
    with open(folder / f"{name}.log", "wb") as log:
        process = start([*tracer, *command], PROXY_CORE, log, env, cwd=folder)
    try:
        wait_answering(process, port, name, folder / f"{name}.log", site.host, patience=60)
        drive(port, site.host, kind, count)
    finally:
        finish(process)


def finish(process):
    """Ends the traced program gently: a tracer that is killed writes nothing."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    for pid in [int(word) for word in children.stdout.split()] or [process.pid]:
        subprocess.run(["kill", f"-{int(signal.SIGTERM)}", str(pid)], check=False)
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    stop(process)


def instructions(name, site, kind, count):
    """Instructions per request of the thread that serves them, the kernel's not counted.

    Other threads work by the clock (the control thread looks at its files): what they do is no request's doing, and
    how much of it falls into a run is the machine's. The serving thread is the one whose count rises most.
    """
    runs = []
    for times in (count, 2 * count):
        out = OUT / "budget" / "callgrind.out"
        for old in out.parent.glob("callgrind.out*"):
            old.unlink()
        tool = ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"]
        observed(name, site, kind, times, tool)
        runs.append(thread_totals(out))
    if not runs[0] or runs[0].keys() != runs[1].keys():
        raise Failed(f"{name}: callgrind wrote totals of threads {sorted(runs[0])}, then {sorted(runs[1])}")
    return max(runs[1][thread] - runs[0][thread] for thread in runs[0]) / count


def thread_totals(out):
    """The instructions of each thread, by its number in the order of their making."""
    totals = {}
    for part in out.parent.glob(f"{out.name}-*"):
        match = re.search(r"^(?:summary|totals): (\d+)", part.read_text(), re.M)
        if match:
            totals[part.name.rpartition("-")[2]] = int(match[1])
    return totals


def system_calls(name, site, kind, count):
    """System calls per request by name of the thread that serves them, those under one in a hundred left out."""
    totals = []
    for times in (count, 2 * count):
        out = OUT / "budget" / "strace.out"
        out.unlink(missing_ok=True)
        observed(name, site, kind, times, ["strace", "-f", "-o", out])
        threads = {}
        for line in out.read_text().splitlines():
            # `1234  recvfrom(7, …` or `1234  <... recvfrom resumed>…`: only the first begins a call.
            match = re.match(r"(\d+) +([a-z]\w*)\(", line)
            if match:
                threads.setdefault(match[1], Counter())[match[2]] += 1
        if not threads:
            raise Failed(f"{name}: strace saw no system call")
        totals.append(max(threads.values(), key=lambda calls: calls["recvfrom"]))
    difference = {call: (totals[1][call] - totals[0][call]) / count for call in totals[1]}
    return {call: share for call, share in sorted(difference.items()) if share >= 0.01}


def but_waiting(calls):
    """All calls but waiting for events: what a request can't share with others."""
    return sum(share for call, share in calls.items() if call not in WAITS)
