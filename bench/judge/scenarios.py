"""The loads: what each sends, through which origin, and how one round of it is measured.

A round gives microseconds of proxy CPU time per request or message, the rate, latencies and memory; `idle` gives the
bytes of proxy memory that one standing tunnel costs.
"""

import json
import re
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import secure
from .peers import FILES, OUT, Running, Site, binary, descriptors, launch, tool
from .procs import LOAD_CORE, Failed, cpu_ns, free_port, memory_bytes, start, stop, wait_answering

# Six ordinary fields besides Host, the same that bench/load sends.
FIELDS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.9",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) bench",
    "Cookie": "session=0123456789abcdef",
    "Referer": "http://bench.localhost/before",
}
ROUTES = 10_000


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: str
    """`wrk`, or the kind that bench/load takes."""
    connections: int
    unit: str = "request"
    origin: str = "nginx"
    log: bool = False
    routes: int = 1
    path: str = "/"
    """What `wrk` asks for."""
    serves: str = ""
    """Not a proxy: `files` of the bench's folder."""
    compress: str = ""
    """What is encoded: `gzip` or `br`."""
    tls: bool = False
    key: str = ""
    """`ec` or `rsa`: over TLS with such a key."""
    eyes: bool = False
    """Traces are made and metrics scraped while it runs; of ours alone, peers have their logs."""
    cache: bool = False
    """Answers are kept by the proxy; only peers that can do so take part."""
    bar: float | None = None
    """The most that ours may cost, as a share of the better of nginx and HAProxy; for `idle` in KiB."""

    def site(self, origins):
        return Site(upstream=origins[self.origin], log=self.log, routes=self.routes, serves=self.serves, compress=self.compress, tls=self.tls or bool(self.key), key=self.key, cache=self.cache, eyes=self.eyes)

    @property
    def is_idle(self):
        return self.load.startswith("idle")


SCENARIOS = [
    Scenario("get", "small keep-alive GET, 32 connections, access log off", "wrk", 32, bar=0.85),
    Scenario("get-log", "the same with the access log on", "wrk", 32, log=True, bar=0.9),
    Scenario("get-eyes", "the same with access log, tracing and metrics on", "wrk", 32, log=True, eyes=True, bar=0.9),
    Scenario("get-10000-routes", "the same with 10,000 routes, log off", "wrk", 32, routes=ROUTES),
    Scenario("cache", "4 KiB from the cache, 32 connections", "wrk", 32, path="/4k", cache=True, bar=0.85),
    Scenario("body", "1 MiB download, 8 connections", "download", 8, bar=0.8),
    Scenario("upload", "1 MiB upload, 8 connections", "upload", 8, origin="own", bar=0.8),
    Scenario("connect", "a new connection per request, 32 at a time", "connect", 32),
    Scenario("echo", "WebSocket echo of 64-byte messages, 64 connections", "echo", 64, "message", "own", bar=1.0),
    Scenario("messages", "WebSocket echo of 64 KiB messages, 8 connections", "messages", 8, "message", "own", bar=0.9),
    Scenario("idle", "idle WebSockets", "idle", 9000, "tunnel", "own", bar=2.5),
    Scenario("file-4k", "a file of 4 KiB, 32 connections", "wrk", 32, path="/4k.bin", serves="files", bar=0.9),
    Scenario("file-1m", "a file of 1 MiB, 8 connections", "wrk", 8, path="/1m.bin", serves="files", bar=0.9),
    Scenario("file-4k-tls", "4 KiB over TLS", "wrk", 32, path="/4k.bin", serves="files", tls=True, bar=0.9),
    Scenario("file-1m-tls", "1 MiB over TLS", "wrk", 8, path="/1m.bin", serves="files", tls=True, bar=0.9),
    Scenario("gzip", "100 KiB of JSON from an origin, gzip on the way", "wrk", 8, path="/100k.json", compress="gzip", bar=0.9),
    Scenario("brotli", "the same, brotli on the way", "wrk", 8, path="/100k.json", compress="br", bar=0.9),
    Scenario("gzip-file", "a file of 100 KiB of JSON, gzip", "wrk", 8, path="/100k.json", serves="files", compress="gzip", bar=0.9),
    Scenario("h2", "small HTTP/2 GET over TLS, 32 connections of 10 streams (mean and longest)", "h2load", 32, key="ec", bar=1.0),
    Scenario("tls-body", "1 MiB download over TLS, 8 connections (mean and longest)", "h2load-h1", 8, key="ec", bar=1.0),
    Scenario("handshake-ec", "full TLS 1.3 handshakes, ECDSA P-256, one after the other", "s_time-new", 1, "handshake", key="ec", bar=1.0),
    Scenario("handshake-rsa", "the same, RSA-2048", "s_time-new", 1, "handshake", key="rsa", bar=1.0),
    Scenario("resume", "resumed TLS 1.2 handshakes, one after the other", "s_time-resume", 1, "handshake", key="ec", bar=1.0),
    Scenario("idle-tls", "idle WebSockets over TLS", "idle-tls", 2000, "tunnel", "own", key="ec", bar=16),
    Scenario("sse", "SSE: 200 clients, one event per 10 ms each", "sse", 200, "event", "own"),
]


def start_origins():
    """A tiny nginx and our own origin, both on the core of the load; returns their ports by name."""
    folder = OUT / "origin"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1m").write_bytes(b"x" * (1 << 20))
    (folder / "4k").write_bytes(b"x" * 4096)
    FILES.mkdir(exist_ok=True)
    (FILES / "index.html").write_text("here\n")
    (FILES / "4k.bin").write_bytes(b"x" * 4096)
    (FILES / "1m.bin").write_bytes(b"x" * (1 << 20))
    rows = [{"id": n, "name": f"item {n * 7919 % 10007}", "price": n * 31 % 9973 / 100, "tags": ["a", "b"]} for n in range(1400)]
    (FILES / "100k.json").write_text(json.dumps(rows)[:102_400])
    (folder / "100k.json").write_text(json.dumps(rows)[:102_400])
    # nginx drops root in its worker, which must still reach the file.
    for part in (folder, OUT, FILES):
        part.chmod(0o755)
    ports = {"nginx": free_port()}
    conf = folder / "nginx.conf"
    conf.write_text(f"""worker_processes 1; daemon off; user root; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 65536; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 1h;
  server {{
    listen 127.0.0.1:{ports['nginx']} backlog=4096;
    location / {{ default_type text/plain; return 200 "hello from the origin\\n"; }}
    location /4k {{ root {folder}; add_header Cache-Control max-age=3600; }}
    location /1m {{ root {folder}; open_file_cache max=8; }}
    location /100k.json {{ root {folder}; types {{ application/json json; }} open_file_cache max=8; }}
  }}
}}
""")
    serve("nginx", [binary("nginx"), "-p", folder, "-c", conf], ports["nginx"], folder)
    ports["own"] = free_port()
    serve("own", [tool("origin"), f"127.0.0.1:{ports['own']}"], ports["own"], folder)
    return ports


def serve(name, command, port, folder):
    with open(folder / f"{name}.log", "wb") as log:
        process = start(command, LOAD_CORE, log)
    wait_answering(process, port, f"origin {name}", folder / f"{name}.log")


def measure(scenario, running, seconds):
    """One round against one running proxy."""
    if scenario.load.startswith("s_time-"):
        return secure.handshakes(running, seconds, scenario.load.removeprefix("s_time-"))
    if scenario.load.startswith("h2load"):
        http1 = scenario.load == "h2load-h1"
        path = "/1m" if http1 else "/"
        return secure.h2load(running, seconds, scenario.connections, FIELDS, path, http1)
    if scenario.load == "wrk":
        return measure_wrk(scenario, running, seconds)
    return measure_load(scenario, running, seconds)


def measure_wrk(scenario, running, seconds):
    fields = [part for name, value in FIELDS.items() for part in ("-H", f"{name}: {value}")]
    url = f"http{'s' if scenario.tls else ''}://127.0.0.1:{running.port}{scenario.path}"
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{max(1, round(seconds))}s", "--latency", *fields]
    scrape(running)
    before = cpu_ns(running.pid)
    child = start([*command, "-H", f"Host: {scenario.site({scenario.origin: 0}).host}", url], LOAD_CORE, subprocess.PIPE)
    text = child.communicate()[0].decode()
    stop(child)
    scrape(running)
    cpu = cpu_ns(running.pid) - before
    count = re.search(r"(\d+) requests in", text)
    bad = re.search(r"(Non-2xx.*|Socket errors.*)", text)
    if not count or bad or int(count[1]) == 0:
        raise Failed(f"{running.name}: {bad[1] if bad else text}")
    latency = {percent: microseconds(re.search(rf"(?m)^\s+{percent}%\s+(\S+)", text)[1]) for percent in (50, 99)}
    rate = float(re.search(r"Requests/sec:\s+(\S+)", text)[1])
    return figures(running, cpu, int(count[1]), rate, latency[50], latency[99])


def scrape(running):
    """Reads metrics where somebody does: from the first time on, durations are measured."""
    if running.admin:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.admin}/metrics") as page:
            page.read()


def microseconds(text):
    """What wrk writes as `812.00us`, `1.20ms` or `1.00s`."""
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def measure_load(scenario, running, seconds):
    with Load(scenario, running.port, seconds) as load:
        before = cpu_ns(running.pid)
        report = load.run()
        cpu = cpu_ns(running.pid) - before
    if report["errors"] or not report["count"]:
        raise Failed(f"{running.name}: {report['errors']} errors, {report['count']} done")
    rate = report["count"] / report["seconds"]
    return figures(running, cpu, report["count"], rate, report["p50_us"], report["p99_us"])


def figures(running, cpu, count, rate, p50, p99):
    return {
        "cost": cpu / count / 1e3, "rate": rate, "p50_us": p50, "p99_us": p99, "memory": memory_bytes(running.pid),
    }


class Load:
    """One run of bench/load, held between `ready` and the word to begin."""

    def __init__(self, scenario, port, seconds, connections=None):
        count = connections or scenario.connections
        command = [tool("load"), scenario.load, f"127.0.0.1:{port}", count, seconds]
        log = open(OUT / "load.log", "wb")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
        self.child = start(command, LOAD_CORE, log, **pipes)
        log.close()

    def __enter__(self):
        if self.child.stdout.readline() != "ready\n":
            self.__exit__()
            raise Failed(Path(OUT / "load.log").read_text().strip() or "the load failed")
        return self

    def run(self):
        """Says go and returns the report."""
        self.child.stdin.write("go\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise Failed(Path(OUT / "load.log").read_text().strip() or "the load ended early")
        return json.loads(line)

    def __exit__(self, *_):
        stop(self.child)
        self.child.stdin.close()
        self.child.stdout.close()


def idle_tunnels():
    """As many as the hard limit allows a proxy that needs two descriptors for each, but no more than the scenario asks."""
    asked = next(scenario.connections for scenario in SCENARIOS if scenario.name == "idle")
    return min(asked, (descriptors() - 600) // 2)


def measure_idle(scenario, name, origins):
    """Starts a fresh proxy and weighs it before and with its tunnels, all of which have carried one message."""
    running: Running = launch(name, scenario.site(origins), OUT / scenario.name)
    try:
        if scenario.load == "idle-tls":
            return secure.idle(running, min(scenario.connections, idle_tunnels()))
        count = idle_tunnels()
        # What the first connections allocate once is the proxy's, not a tunnel's.
        with Load(scenario, running.port, 0, connections=64):
            pass
        before = memory_bytes(running.pid)
        with Load(scenario, running.port, 0, connections=count) as load:
            memory = memory_bytes(running.pid)
            report = load.run()
        return {
            "cost": (memory - before) / count, "rate": count, "memory": memory,
            "p50_us": report["p50_us"], "p99_us": report["p99_us"],
        }
    finally:
        running.stop()
