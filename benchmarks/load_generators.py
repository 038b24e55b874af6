"""How much can each load generator send, and how much does it add to what it measures?

    python -m benchmarks.load_generators [--rounds 3]

Compares ours with ab, hey, wrk, a ClientSession loop and a bare loop that parses nothing, against the
reference server: the client on one core, the server on another, rounds interleaved; it prints medians.
Generators that are not installed are named and left out.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from common.serving.cores import only_on, split

ROOT = Path(__file__).resolve().parents[1]
HOST, PORT = "127.0.0.1", 9180
SITE = f"http://{HOST}:{PORT}"
TIME_OUT = 120

# Each returns the command for a number of requests and a number at once.
Command = Callable[[int, int, bool, str], list[str]]


def ours(requests: int, concurrency: int, keep_alive: bool, url: str) -> list[str]:
    return [sys.executable, "-m", "common.loadgen", "-q", "-n", str(requests), "-c", str(concurrency), *["-k"] * keep_alive, url]


def loop(requests: int, concurrency: int, keep_alive: bool, url: str) -> list[str]:
    mode = "keep-alive" if keep_alive else "close"
    return [sys.executable, "benchmarks/client_session_loop.py", str(requests), str(concurrency), mode, url]


def bare(requests: int, concurrency: int, keep_alive: bool, url: str) -> list[str]:
    """It supports neither keep-alive nor paths."""
    return [sys.executable, "benchmarks/bare_loop.py", str(requests), str(concurrency), HOST, str(PORT)]


def ab(requests: int, concurrency: int, keep_alive: bool, url: str) -> list[str]:
    return ["ab", "-q", "-n", str(requests), "-c", str(concurrency), *["-k"] * keep_alive, url]


def hey(requests: int, concurrency: int, keep_alive: bool, url: str) -> list[str]:
    return ["hey", "-n", str(requests), "-c", str(concurrency), *["-disable-keepalive"] * (not keep_alive), url]


def wrk(requests: int, concurrency: int, keep_alive: bool, url: str) -> list[str]:
    """wrk takes seconds, not requests, and closes connections only by this header."""
    return ["wrk", "-t1", "-d2s", "--latency", f"-c{concurrency}", *([] if keep_alive else ["-H", "Connection: close"]), url]


CLIENTS: dict[str, Command] = {"ours": ours, "ClientSession loop": loop, "bare loop": bare, "ab": ab, "hey": hey, "wrk": wrk}
KEEPING = tuple(name for name in CLIENTS if name != "bare loop")  # those that can keep a connection
NEEDS = {"ab": "apache2-utils", "hey": "hey", "wrk": "wrk"}  # Debian's names

# What each prints: requests per second, total seconds, median in ms.
RATE = r"(?:Requests per second:|Requests/sec:)\s+([\d.]+)"
SECONDS = r"(?:Time taken for tests:|Total:|^seconds)\s+([\d.]+)(?: secs| seconds|$)"
MEDIAN = r"(?:^\s+50%\s+|^p50_ms )([\d.]+)(us|ms|s)?|50% in ([\d.]+) secs"


def run(command: list[str], cores: list[int]) -> tuple[str, float]:
    """Its output, and its peak memory in MB."""
    with only_on(cores):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}:\n{text}")
    return text, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def figure(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return float(next(group for group in found.groups() if group)) if found else None


def rate(text: str, requests: int) -> float:
    stated = figure(RATE, text)
    return stated if stated is not None else requests / (figure(SECONDS, text) or float("nan"))


def seconds(text: str, requests: int) -> float:
    return figure(SECONDS, text) or float("nan")


def median_ms(text: str, requests: int) -> float:
    found = re.search(MEDIAN, text, re.MULTILINE)
    if not found:
        return float("nan")
    plain, unit, hey_seconds = found.groups()
    if hey_seconds:
        return float(hey_seconds) * 1000
    return float(plain) * {"us": 0.001, "ms": 1, "s": 1000, None: 1}[unit]


# what, path, requests, at once, keep-alive, what to read, target for ours, who takes part
CASES: list[tuple[str, str, int, int, bool, Callable[[str, int], float], str, tuple[str, ...]]] = [
    ("requests/s, keep-alive, C=50", "/", 200_000, 50, True, rate, ">= ab, 0.95x wrk", KEEPING),
    ("requests/s, close, C=50", "/", 20_000, 50, False, rate, ">= 0.93x the bare loop", tuple(CLIENTS)),
    ("seconds, N=C=100 on 1 s, close", "/1000", 100, 100, False, seconds, "<= 1.03", ("ours", "ClientSession loop", "ab", "hey")),
    ("seconds, N=C=1000 on 1 s, close", "/1000", 1000, 1000, False, seconds, "<= 1.12", ("ours", "ClientSession loop", "ab", "hey")),
    ("seconds, N=C=4000 on 1 s, close", "/1000", 4000, 4000, False, seconds, "<= 1.6", ("ours", "ClientSession loop", "ab", "hey")),
    ("p50 ms, N=3000 C=300 on 100 ms, keep-alive", "/100", 3000, 300, True, median_ms, "<= 102", KEEPING),
    ("p50 ms, N=3000 C=300 on 100 ms, close", "/100", 3000, 300, False, median_ms, "<= 112", ("ours", "ClientSession loop", "ab", "hey")),
]


def measure(rounds: int, clients: dict[str, Command], cores: list[int]) -> None:
    for what, path, requests, concurrency, keep_alive, read, target, names in CASES:
        figures: dict[str, list[float]] = {name: [] for name in names if name in clients}
        for _ in range(rounds):
            for name in figures:
                text, _ = run(clients[name](requests, concurrency, keep_alive, SITE + path), cores)
                figures[name].append(read(text, requests))
                time.sleep(0.2)
        print(f"\n{what}   (target for ours: {target}; ratios are medians round by round)")
        for name, values in figures.items():
            spread = f"{min(values):,.4g} to {max(values):,.4g}"
            times = statistics.median(own / other for own, other in zip(figures["ours"], values, strict=True))
            print(f"  {name:<20}{statistics.median(values):>12,.3f}   ours is {times:.2f}x   ({spread})")


def measure_memory(cores: list[int]) -> None:
    text, megabytes = run(ours(1_000_000, 50, True, SITE + "/"), cores)
    print(f"\n1,000,000 requests, keep-alive: peak memory {megabytes:.0f} MB   (target: under 300)")
    print(f"  {rate(text, 0):,.0f} requests/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    clients = {name: command for name, command in CLIENTS.items() if name not in NEEDS or shutil.which(name)}
    for name in CLIENTS.keys() - clients.keys():
        print(f"{name} is not installed (Debian: apt-get install {NEEDS[name]}): left out")
    server_cores, client_cores = split()
    if not server_cores:
        print("client and server share all cores: this system has a single one, or no way to choose")
    with only_on(server_cores[:1]):
        server = subprocess.Popen([sys.executable, "benchmarks/reference_server.py", str(PORT)], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert server.stdout is not None
        server.stdout.readline()  # it serves
        measure(rounds, clients, client_cores[:1])
        measure_memory(client_cores[:1])
    finally:
        server.terminate()
        server.wait(TIME_OUT)


if __name__ == "__main__":
    main()
