"""Medians with their spread, as text, Markdown and JSON, and the verdict on each bar."""

import datetime
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

from .peers import BAR, binary
from .procs import Failed

# How to ask each program for its version.
VERSION = {"ours": "--version", "nginx": "-v", "haproxy": "-v", "caddy": "version", "traefik": "version", "envoy": "--version"}


def summary(rounds):
    """Medians of every figure over the rounds, with the least and the most of the cost."""
    costs = [one["cost"] for one in rounds]
    median = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    return median | {"least": min(costs), "most": max(costs), "rounds": len(rounds)}


def best_peer(results):
    """The cost of the better of nginx and HAProxy, or None."""
    return min((results[name]["cost"] for name in BAR if name in results), default=None)


def verdict(scenario, results):
    """`PASS …` or `MISS …` for ours, or None where there is no bar or nothing to compare."""
    if scenario.bar is None or "ours" not in results:
        return None
    cost = results["ours"]["cost"]
    if scenario.is_idle:
        kib = cost / 1024
        return f"{'PASS' if kib <= scenario.bar else 'MISS'} {kib:.2f} KiB per tunnel, bar {scenario.bar} KiB"
    best = best_peer(results)
    if best is None:
        return None
    word = "PASS" if cost / best <= scenario.bar else "MISS"
    return f"{word} {cost / best:.2f} of the better of nginx and HAProxy, bar {scenario.bar}"


def rows(scenario, results):
    """Header and one row per peer, cheapest first."""
    idle = scenario.is_idle
    best, floor = best_peer(results), results.get("floor", {}).get("cost")
    scale, unit = (1024, "KiB") if idle else (1, "µs CPU")
    per = f"{unit}/{scenario.unit}"
    header = ["", per, "min–max", "vs best", "vs floor", "tunnels" if idle else f"{scenario.unit}s/s", "p50 µs", "p99 µs", "MiB"]
    table = [header]
    for name, one in sorted(results.items(), key=lambda item: item[1]["cost"]):
        cost = one["cost"]
        table.append([
            name, f"{cost / scale:.2f}", f"{one['least'] / scale:.2f}–{one['most'] / scale:.2f}",
            f"{cost / best:.2f}" if best else "–", f"{cost / floor:.2f}" if floor else "–",
            f"{one['rate']:,.0f}", f"{one['p50_us']:,.0f}", f"{one['p99_us']:,.0f}", f"{one['memory'] / 2**20:.1f}",
        ])
    return table


def text(scenario, results, skipped):
    """One scenario for a terminal."""
    table = rows(scenario, results)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [f"── {scenario.name}: {scenario.title}, {max((r['rounds'] for r in results.values()), default=0)} rounds"]
    for row in table:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths))
        lines.append("  " + "  ".join([row[0].ljust(widths[0]), *others]))
    lines += [f"  skipped: {reason}" for reason in skipped]
    said = verdict(scenario, results)
    return "\n".join(lines + ([f"  {said}"] if said else []))


def machine():
    """What the figures depend on."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "kernel": platform.release().split("-")[0],
        "load_average": round(os.getloadavg()[0], 1),
    }


def versions(names):
    """First version-like word that each peer says of itself."""
    found = {}
    for name in names:
        if name not in VERSION:
            continue
        try:
            done = subprocess.run([binary(name), VERSION[name]], capture_output=True, text=True, timeout=10, check=False)
        except (Failed, OSError, subprocess.TimeoutExpired):
            continue
        match = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
        found[name] = match[0] if match else "?"
    return found


def markdown(outcome):
    """The whole outcome as docs/performance.md holds it between its two marks."""
    m = outcome["machine"]
    peers = ", ".join(f"{name} {version}" for name, version in outcome["versions"].items())
    lines = [
        f"Measured on {m['date']}: {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}; {peers}. "
        f"{outcome['rounds']} interleaved rounds of {outcome['seconds']} s; medians, and the least and the most of all rounds. "
        "*vs best* is against the better of nginx and HAProxy, *vs floor* against the bare relay; *MiB* is the whole proxy.",
    ]
    for scenario, results, skipped in outcome["tables"]:
        header, *body = rows(scenario, results)
        lines += ["", f"### {scenario.name}: {scenario.title}", "", line(header), line(["---"] + ["---:"] * (len(header) - 1))]
        lines += [line([f"**{row[0]}**" if row[0] == "ours" else row[0], *row[1:]]) for row in body]
        said = verdict(scenario, results)
        lines += [f"\n{said}."] if said else []
        lines += [f"\nNot measured: {reason}." for reason in skipped]
    return "\n".join(lines) + "\n"


def line(cells):
    return "| " + " | ".join(cells) + " |"


BEGIN, END = "<!-- bench/run begins -->", "<!-- bench/run ends -->"


def into(path, tables):
    """Replaces what stands between the two marks of `path`, or makes the file of nothing but them."""
    before, after = "", ""
    if path.exists():
        whole = path.read_text()
        if BEGIN not in whole or END not in whole:
            raise SystemExit(f"{path}: the marks {BEGIN} and {END} are missing")
        before, after = whole.split(BEGIN)[0], whole.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}")
