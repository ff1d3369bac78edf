"""The proxies under test: a configuration for each that asks for equal work, and how to start it.

Equal work: HTTP/1.1 kept alive to the upstream, x-forwarded-for, -proto and -host set, Host preserved, one thread,
buffering of streams off where it is on by default, everything else as it comes.
"""

import os
import re
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import secure
from .procs import PROXY_CORE, Failed, free_port, start, stop, wait_answering

REPO = Path(__file__).resolve().parents[2]
OUT = REPO / "bench" / "out"
FILES = OUT / "files"
CERT, KEY = (REPO / "examples" / "tls" / f"test-only.{part}" for part in ("pem", "key"))
VENV = REPO / ".judges" / "peers" / "bin"
NAMES = ["ours", "floor", "nginx", "haproxy", "caddy", "traefik", "envoy"]
# Peers whose better one is the bar of every gate.
BAR = ["nginx", "haproxy"]


@dataclass
class Site:
    """What a proxy is to serve in one scenario."""

    upstream: int
    """Port of the origin on 127.0.0.1."""
    log: bool = False
    routes: int = 1
    """More than one: that many exact hosts, `hosts()`; else one rule for any host."""
    serves: str = ""
    """`files` of FILES in place of the origin."""
    compress: str = ""
    """What is encoded: `gzip` or `br`, at levels of about the same ratio."""
    tls: bool = False
    key: str = ""
    """Which key its certificate has, `ec` or `rsa`; empty: that of the examples."""
    cache: bool = False
    """Answers are kept and given again."""
    eyes: bool = False
    """Ours makes traces, sends one in a hundred to the origin's port as if that were a receiver, and has its metrics read."""
    h2c: bool = False
    """HTTP/2 without TLS is taken; ours alone."""

    @property
    def host(self):
        """The host to ask for."""
        return f"route-{self.routes // 2}.example.com" if self.routes > 1 else "bench.localhost"

    def hosts(self):
        return [f"route-{number}.example.com" for number in range(self.routes)]


@dataclass
class Running:
    name: str
    port: int
    process: object
    admin: int = 0
    """Where metrics are read; 0 where nobody reads them."""

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        stop(self.process)


def binary(name):
    """The peer's program, or `Failed` with how to get it."""
    if name == "ours":
        ours = Path(os.environ.get("SWITCHBOARD", REPO / "target" / "release" / "switchboard"))
        if not ours.exists():
            raise Failed(f"ours: {ours} is missing: cargo build --release, or set SWITCHBOARD")
        return ours
    if name == "floor":
        return tool("floor")
    in_venv = VENV / name
    if name in ("caddy", "traefik", "envoy"):
        if not in_venv.exists():
            raise Failed(f"{name}: not in .judges/peers; bench/run --install puts it there")
        return in_venv
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        raise Failed(f"{name}: not installed; bench/run --install")
    return Path(found)


def tool(name):
    """A program of the bench's own crate, built by `bench/run`."""
    target = os.environ.get("CARGO_TARGET_DIR", REPO / "bench" / "target")
    return Path(target) / ("floor" if name == "floor" else "release") / name


def launch(name, site, folder):
    """Starts a peer for `site` with its files in `folder`; returns once it answers."""
    if site.cache and name not in ("ours", "nginx"):
        raise Failed(f"{name} keeps no answers here")
    program, port = binary(name), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command, env = WRITERS[name](program, site, port, folder)
    with open(folder / f"{name}.log", "wb") as log:
        process = start(command, PROXY_CORE, log, env, cwd=folder)
    wait_answering(process, port, name, folder / f"{name}.log", site.host, site.tls)
    admin = re.search(r"(?m)^admin: .*:(\d+)$", (folder / "ours.yaml").read_text()) if name == "ours" else None
    return Running(name, port, process, int(admin[1]) if admin else 0)


def descriptors():
    """The hard limit; HAProxy refuses to start if its maxconn needs more."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def write(path, text):
    path.write_text(text)
    return path


def certificate(site, folder):
    """Certificate, key, and both in one file where the scenario asks for a kind of key."""
    return secure.pair(folder, site.key) if site.key else (CERT, KEY, None)


def ours(program, site, port, folder):
    compress = f"{{ algorithms: {site.compress} }}" if site.compress else "false"
    keys = [f'  "*": {{ to: "127.0.0.1:{site.upstream}", cache: {str(site.cache).lower()}, compress: {compress} }}']
    if site.routes > 1:
        keys = [f"  {host}: 127.0.0.1:{site.upstream}" for host in site.hosts()]
    if site.serves:
        keys = [f'  "*": {{ files: {FILES}, compress: {compress} }}']
    cert, key, _ = certificate(site, folder)
    pair = f"{{ cert: {cert}, key: {key} }}"
    listen = f"{{ bind: '127.0.0.1:{port}', tls: {{ certificates: [{pair}] }} }}" if site.tls else f"127.0.0.1:{port}"
    listen = f"{{ bind: '127.0.0.1:{port}', h2c: true }}" if site.h2c else listen
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    lines = [
        f"listen: {listen}",
        "workers: 1",
        f"access_log: {folder / 'ours-access.log' if site.log else 'off'}",
        f"state_dir: {state}",
        *([f"admin: 127.0.0.1:{free_port()}", f"tracing: {{ otlp: 'http://127.0.0.1:{site.upstream}', sample: 1% }}"] if site.eyes else []),
        "routes:",
        *keys,
    ]
    return [program, "run", "-c", write(folder / "ours.yaml", "\n".join(lines) + "\n")], {}


def proxies(name, site):
    """For peers that serve no files here."""
    if site.serves or site.compress or (site.tls and not site.key):
        raise Failed(f"{name}: not compared where files are served, or answers compressed")


def floor(program, site, port, folder):
    proxies("floor", site)
    if site.tls:
        raise Failed("floor: it has no TLS")
    return [program, f"127.0.0.1:{port}", f"127.0.0.1:{site.upstream}"], {}


def nginx(program, site, port, folder):
    # Its log is buffered as ours is: a write per request would make it look worse than it needs to.
    log = f"{folder / 'nginx-access.log'} combined buffer=64k flush=1s" if site.log else "off"
    hosts = "".join(f"    {host} origin;\n" for host in site.hosts()) if site.routes > 1 else ""
    table = f"map_hash_max_size 65536; map_hash_bucket_size 128;\n  map $host $to {{\n{hosts}  }}" if hosts else ""
    cert, key, _ = certificate(site, folder)
    tls = f"ssl_certificate {cert}; ssl_certificate_key {key};" if site.tls else ""
    if site.key:
        tls += " ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:all:10m;"
    place = f'proxy_pass http://{"$to" if hosts else "origin"};'
    if site.serves:
        place = f"root {FILES}; open_file_cache max=100; sendfile on; tcp_nopush on;"
    if site.compress:
        place += " types { application/json json; }"
    if site.compress == "gzip":
        place += " gzip on; gzip_proxied any; gzip_types application/json; gzip_comp_level 4;"
    modules = ""
    if site.compress == "br":
        module = Path("/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so")
        if not module.exists():
            raise Failed("nginx: it has no brotli (libnginx-mod-http-brotli-filter)")
        modules = f"load_module {module};"
        place += " brotli on; brotli_types application/json; brotli_comp_level 4; brotli_window 256k;"
    text = f"""{modules} worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 65536; }}
http {{
  access_log {log};
  client_max_body_size 0;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy; fastcgi_temp_path {folder}/nginx-f;
  uwsgi_temp_path {folder}/nginx-u; scgi_temp_path {folder}/nginx-s;
  {table}
  {f"proxy_cache_path {folder}/nginx-cache keys_zone=kept:16m max_size=1g;" if site.cache else ""}
  map $http_upgrade $forward_connection {{ default upgrade; "" ""; }}
  upstream origin {{ server 127.0.0.1:{site.upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096{" ssl" if site.tls else ""}{" http2" if site.key else ""}; {tls}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection $forward_connection;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_read_timeout 1h;
    proxy_request_buffering off;
    {"proxy_cache kept;" if site.cache else ""}
    location / {{ {place} }}
    location /sse {{ proxy_pass http://origin; proxy_buffering off; }}
  }}
}}
"""
    return [program, "-p", folder, "-c", write(folder / "nginx.conf", text)], {}


def haproxy(program, site, port, folder):
    proxies("haproxy", site)
    log = "log stdout format raw local0" if site.log else ""
    options = "log global\n  option httplog" if site.log else ""
    backend = "default_backend origin"
    secured = f" ssl crt {certificate(site, folder)[2]} alpn h2,http/1.1" if site.key else ""
    if site.routes > 1:
        write(folder / "hosts.map", "".join(f"{host} origin\n" for host in site.hosts()))
        backend = f"use_backend %[req.hdr(host),map({folder}/hosts.map)]"
    text = f"""global
  nbthread 1
  maxconn {(descriptors() - 500) // 2}
  {log}
defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  {options}
frontend in
  bind 127.0.0.1:{port} backlog 4096{secured}
  option forwardfor
  http-request set-header X-Forwarded-Proto {"https" if site.tls else "http"}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  {backend}
backend origin
  http-reuse always
  server origin 127.0.0.1:{site.upstream} maxconn 60000
"""
    return [program, "-db", "-f", write(folder / "haproxy.cfg", text)], {}


def caddy(program, site, port, folder):
    if site.routes > 1:
        raise Failed("caddy: not compared with 10,000 routes")
    log = f"log {{\n    output file {folder / 'caddy-access.log'}\n  }}" if site.log else ""
    serves = f"""reverse_proxy 127.0.0.1:{site.upstream} {{
    transport http {{
      keepalive_idle_conns_per_host 256
    }}
  }}"""
    if site.compress == "br":
        raise Failed("caddy: it has no brotli encoder")
    if site.serves:
        serves = f"root * {FILES}\n  file_server"
    if site.compress:
        serves = "encode {\n    gzip 4\n  }\n  " + serves
    cert, key, _ = certificate(site, folder)
    text = f"""{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
}}
{"https" if site.tls else "http"}://:{port} {{
  bind 127.0.0.1
  {f"tls {cert} {key}" if site.tls else ""}
  {log.replace("output", "level INFO" + chr(10) + "    output")}
  {serves}
}}
"""
    config = write(folder / "Caddyfile", text)
    home = {"GOMAXPROCS": "1", "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return [program, "run", "--config", config, "--adapter", "caddyfile"], home


def traefik(program, site, port, folder):
    proxies("traefik", site)
    if site.routes > 1:
        raise Failed("traefik: not compared with 10,000 routes")
    if site.tls:
        raise Failed("traefik: not compared over TLS")
    dynamic = write(folder / "traefik-dynamic.yaml", f"""http:
  routers: {{ all: {{ rule: "PathPrefix(`/`)", service: origin, entryPoints: [web] }} }}
  services: {{ origin: {{ loadBalancer: {{ servers: [{{ url: "http://127.0.0.1:{site.upstream}" }}] }} }} }}
""")
    log = f"accessLog: {{ filePath: {folder / 'traefik-access.log'}, bufferingSize: 1000 }}" if site.log else ""
    text = f"""entryPoints: {{ web: {{ address: "127.0.0.1:{port}", transport: {{ respondingTimeouts: {{ readTimeout: 0s }} }} }} }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
log: {{ level: ERROR }}
serversTransport: {{ maxIdleConnsPerHost: 256 }}
providers: {{ file: {{ filename: {dynamic} }} }}
{log}
"""
    return [program, f"--configfile={write(folder / 'traefik.yaml', text)}"], {"GOMAXPROCS": "1"}


def envoy(program, site, port, folder):
    proxies("envoy", site)
    if site.routes > 1:
        raise Failed("envoy: not compared with 10,000 routes")
    if site.tls:
        raise Failed("envoy: not compared over TLS")
    kind = "type.googleapis.com/envoy.extensions"
    log = f"""
          access_log:
          - name: file
            typed_config: {{ "@type": {kind}.access_loggers.file.v3.FileAccessLog, path: {folder / 'envoy-access.log'} }}"""
    text = f"""static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {kind}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
          generate_request_id: false
          stream_idle_timeout: 0s
          upgrade_configs: [{{ upgrade_type: websocket }}]{log if site.log else ""}
          http_filters:
          - name: router
            typed_config: {{ "@type": {kind}.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              request_headers_to_add:
              - {{ header: {{ key: x-forwarded-host, value: "%REQ(:AUTHORITY)%" }} }}
              routes: [{{ match: {{ prefix: / }}, route: {{ cluster: origin, timeout: 0s }} }}]
  clusters:
  - name: origin
    connect_timeout: 3s
    circuit_breakers: {{ thresholds: [{{ max_connections: 60000, max_pending_requests: 60000, max_requests: 60000 }}] }}
    load_assignment:
      cluster_name: origin
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {site.upstream} }} }} }} }}] }}]
"""
    arguments = ["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
    return [program, "-c", write(folder / "envoy.yaml", text), *arguments], {}


WRITERS = {
    "ours": ours, "floor": floor, "nginx": nginx, "haproxy": haproxy,
    "caddy": caddy, "traefik": traefik, "envoy": envoy,
}
