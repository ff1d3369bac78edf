"""Loads over TLS: handshakes, HTTP/2, large bodies, idle WebSockets. Called by `scenarios`.

Clients are OpenSSL's `s_time`, nghttp2's `h2load`, and for idle WebSockets this process. Certificates are made here,
self-signed: nobody verifies them.
"""

import re
import socket
import ssl
import subprocess
import time

from .procs import LOAD_CORE, Failed, cpu_ns, memory_bytes, start, stop

KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}


def pair(folder, kind):
    """A certificate and its key, and both in one file as HAProxy wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key, both = (folder / f"{kind}.{end}" for end in ("pem", "key", "both"))
    if not both.exists():
        command = ["openssl", "req", "-x509", "-nodes", *KEYS[kind], "-keyout", key, "-out", cert, "-days", "30",
                   "-subj", "/CN=bench.localhost", "-addext", "subjectAltName=DNS:bench.localhost",
                   "-addext", "basicConstraints=critical,CA:FALSE"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"openssl req: {done.stderr}")
        both.write_text(cert.read_text() + key.read_text())
        # nginx drops root in its worker.
        for file in (cert, key, both):
            file.chmod(0o644)
    return cert, key, both


def handshakes(running, seconds, how):
    """CPU per handshake: full ones by TLS 1.3, or resumed ones by TLS 1.2, whose tickets `s_time` knows."""
    mode = ["-reuse", "-tls1_2"] if how == "resume" else ["-new", "-tls1_3"]
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{running.port}", "-time", str(max(1, round(seconds))), *mode]
    before = cpu_ns(running.pid)
    child = start(command, LOAD_CORE, subprocess.PIPE)
    text = child.communicate()[0].decode()
    stop(child)
    cpu = cpu_ns(running.pid) - before
    count = re.findall(r"(\d+) connections in (\d+) real seconds", text)
    if not count or int(count[-1][0]) == 0:
        raise Failed(f"{running.name}: {text[-200:]}")
    done, real = int(count[-1][0]), max(1, int(count[-1][1]))
    mean = real * 1e6 / done
    return {"cost": cpu / done / 1e3, "rate": done / real, "p50_us": mean, "p99_us": mean, "memory": memory_bytes(running.pid)}


def h2load(running, seconds, connections, fields, path="/", http1=False, streams=10):
    """CPU per request. What stands as p50 and p99 are the mean and the longest: `h2load` tells no percentiles."""
    command = ["h2load", "-t1", f"-c{connections}", f"-m{1 if http1 else streams}", f"-D{max(1, round(seconds))}",
               f"--connect-to=127.0.0.1:{running.port}", *(["--h1"] if http1 else [])]
    for name, value in fields.items():
        command += ["-H", f"{name}: {value}"]
    before = cpu_ns(running.pid)
    child = start([*command, f"https://bench.localhost:{running.port}{path}"], LOAD_CORE, subprocess.PIPE)
    text = child.communicate()[0].decode()
    stop(child)
    cpu = cpu_ns(running.pid) - before
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", text)
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", text)
    times = re.search(r"time for request:\s+(\S+)\s+(\S+)\s+(\S+)", text)
    if not done or not rate or int(done[1]) == 0 or int(done[2]) or int(done[3]):
        raise Failed(f"{running.name}: {text[-300:]}")
    longest, mean = (microseconds(times[index]) for index in (2, 3))
    return {"cost": cpu / int(done[1]) / 1e3, "rate": float(rate[1]), "p50_us": mean, "p99_us": longest,
            "memory": memory_bytes(running.pid)}


def microseconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def idle(running, count):
    """Bytes of proxy memory per idle WebSocket over TLS, after a few that are its own first ones."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held = [tunnel(context, running.port) for _ in range(32)]
    time.sleep(0.5)
    before = memory_bytes(running.pid)
    held += [tunnel(context, running.port) for _ in range(count)]
    time.sleep(0.5)
    memory = memory_bytes(running.pid)
    for one in held:
        one.close()
    return {"cost": (memory - before) / count, "rate": count, "memory": memory, "p50_us": 0, "p99_us": 0}


def tunnel(context, port):
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire = context.wrap_socket(plain, server_hostname="bench.localhost")
    wire.sendall(b"GET /echo HTTP/1.1\r\nHost: bench.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    answer = wire.recv(4096)
    if b" 101 " not in answer.split(b"\r\n")[0]:
        raise Failed(f"no WebSocket: {answer[:60]!r}")
    return wire
