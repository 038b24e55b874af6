"""Does the load generator report what is true?

    python -m benchmarks.truth [--rounds 3] [CASE ...]

Checks it against the reference server, whose delays, failures and CPU time are known: percentiles at
500 requests per second, closed and open loop, with keep-alive and a new connection for each request, within 2% or 1 ms; the rate
of loads that are cut off within 2%; numbers of failures exactly; CPU time per request, of the server itself and of processes
that it forks, within 3%; and a client that is slowed on purpose must say so.
With several rounds, each error is the median, with the worst beside it. Exit code 1 if a median is too large. A round takes six minutes.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path

from common.client.percentiles import percentile
from common.client.sent import Sent
from common.results import files
from common.results.bottleneck import doubts_of_client
from common.results.circumstances import Cost
from common.results.metrics import Metrics
from common.serving.cores import only_on, split
from common.serving.cost import CostMeter

ROOT = Path(__file__).resolve().parents[1]
RATE, SECONDS = 500, 20  # long enough for the first wave, which connects, to be less than a hundredth
REQUESTS = RATE * SECONDS
FAILING = 1400
STALL_RATE, STALL_REQUESTS, STALLED_AT = 100, 1000, 200  # at the 200th request the server stalls for a second
BUSY_MS, BUSY_REQUESTS = 5, 400
CLOSE_BUSY_MS = 20  # so much that opening and closing a connection is less than a hundredth
FORKED_MS, FORKED_REQUESTS = 50, 60
CPU_NEAR = 0.03
USERS, WAVE_MS, CUT_SECONDS = 50, 700, 5.2  # a load that is cut off in the middle of a wave
EVERY = 7
TIME_OUT = 120

# A client that spends an extra 2 ms on every answer.
SLOWED = """
import sys, time
from common import loadgen
from common.client import user
answered = user.User.answered
def slowed(self, connection, now):
    until = time.perf_counter() + 0.002
    while time.perf_counter() < until:
        pass
    answered(self, connection, now)
user.User.answered = slowed
sys.exit(loadgen.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Figure:
    case: str
    what: str
    truth: float
    reported: float
    near: float  # the largest difference allowed

    @property
    def error(self) -> float:
        return self.reported - self.truth


class Lab:
    """A reference server on one core and clients on another."""

    def __init__(self) -> None:
        self.server_cores, self.client_cores = split()
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> "Lab":
        with only_on(self.server_cores[:1]):
            self.server = subprocess.Popen([sys.executable, "benchmarks/reference_server.py", "0"], stdout=subprocess.PIPE, cwd=ROOT)
        assert self.server.stdout is not None
        self.site = f"http://127.0.0.1:{int(self.server.stdout.readline().split()[-1])}"
        return self

    def __exit__(self, *error: object) -> None:
        self.server.terminate()
        self.server.wait(TIME_OUT)
        assert self.server.stdout is not None
        self.server.stdout.close()
        self.folder.cleanup()

    def fire(self, path: str, *words: object, program: tuple[str, ...] = ("-m", "common.loadgen"), meter: CostMeter | None = None) -> Sent:
        """Send one load and return its record; the server starts new lists and counts before it."""
        self.applied()
        saved = Path(self.folder.name) / "record.json"
        saved.unlink(missing_ok=True)
        command = [sys.executable, *program, "-q", "--json", str(saved), *map(str, words), self.site + path]
        with only_on(self.client_cores[:1]):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
        while process.poll() is None:
            if meter is not None:
                meter.look()
            time.sleep(0.1)
        return files.read(saved, Sent)

    def applied(self) -> list[float]:
        with urllib.request.urlopen(f"{self.site}/applied", timeout=TIME_OUT) as answer:
            return sorted(json.loads(answer.read()))


def closed(mean_ms: float) -> list[object]:
    """As many at a time as give the rate."""
    return ["-n", REQUESTS, "-c", round(RATE * mean_ms / 1000)]


OPEN: list[object] = ["--rate", RATE, "-t", SECONDS]
MODES: tuple[tuple[str, list[str]], ...] = (("keep-alive", ["-k"]), ("close", []))


def percentiles(case: str, truth: list[float], sent: Sent, percents: tuple[int, ...] = (50, 90, 99)) -> Iterator[Figure]:
    metrics = Metrics(sent)
    yield Figure(case, "answered", len(truth), metrics.ok, 0)
    for percent in percents:
        true = percentile(truth, percent)
        yield Figure(case, f"p{percent} ms", true, metrics.latency(percent) or math.nan, max(0.02 * true, 1.0))


def delays(lab: Lab, name: str, path: str, mean_ms: float) -> Iterator[Figure]:
    """The truth is what the server applied, by its own clock."""
    for loop, words in (("closed", closed(mean_ms)), ("open", OPEN)):
        for mode, keep in MODES:
            sent = lab.fire(path, *words, *keep)
            yield from percentiles(f"{name}, {loop}, {mode}", lab.applied(), sent)


def constant(lab: Lab) -> Iterator[Figure]:
    yield from delays(lab, "constant 100 ms", "/100", 100)


def bimodal(lab: Lab) -> Iterator[Figure]:
    yield from delays(lab, "60 or 200 ms", "/bimodal", 102)


def slow(lab: Lab) -> Iterator[Figure]:
    yield from delays(lab, "1 in 80 slow", "/slow", 64)


def short(lab: Lab) -> Iterator[Figure]:
    yield from delays(lab, "constant 4 ms", "/4", 4)


def cut_off(lab: Lab) -> Iterator[Figure]:
    """Requests in flight at the end must not count in the rate, and all answered ones must."""
    loads = ("cut off in a wave", USERS, WAVE_MS, CUT_SECONDS), ("cut off, short answers", 20, 40, 3)
    for (name, users, delay_ms, seconds), (mode, keep) in product(loads, MODES):
        case = f"{name}, {mode}"
        sent = lab.fire(f"/{delay_ms}", "-c", users, "-t", seconds, *keep)
        time.sleep(delay_ms / 1000)  # delays of cut-off requests are still being applied
        metrics, applied = Metrics(sent), lab.applied()
        true = users * 1000 / statistics.fmean(applied)
        yield Figure(case, "req/s", true, metrics.per_second, 0.02 * true)
        yield Figure(case, "answered or cut off", len(applied), metrics.ok + metrics.cut_off, 0)
        yield Figure(case, "cut off", users, metrics.cut_off, 0)


def stall(lab: Lab) -> Iterator[Figure]:
    """Requests due during the stall wait for the rest of that second; a closed loop sends nothing meanwhile."""
    due = [number / STALL_RATE for number in range(STALL_REQUESTS)]
    begins = due[STALLED_AT - 1]
    waits = sorted((begins + 1 - one) * 1000 if begins <= one <= begins + 1 else 0.0 for one in due)
    load = lab.fire(f"/stall/{STALLED_AT}", "--rate", STALL_RATE, "-n", STALL_REQUESTS, "-k")
    yield from percentiles("1 s stall, open", waits, load, (50, 95, 99, 100))
    waits = sorted([0.0] * (STALL_REQUESTS - 1) + [1000.0])
    load = lab.fire(f"/stall/{STALLED_AT}", "-n", STALL_REQUESTS, "-k")
    yield from percentiles("1 s stall, closed: hidden", waits, load, (50, 95, 99, 100))


def failures(lab: Lab) -> Iterator[Figure]:
    for loop, words in (("closed", ["-n", FAILING, "-c", 20]), ("open", ["-n", FAILING, "--rate", RATE])):
        for path, outcomes in ((f"/fail/{EVERY}", ("non-2xx",)), (f"/reset/{EVERY}", ("reset", "disconnected"))):
            for mode, keep in MODES:
                outcomes_seen = lab.fire(path, *words, *keep).outcomes
                what, case = " or ".join(outcomes), f"every {EVERY}th fails, {loop}, {mode}"
                yield Figure(case, what, FAILING // EVERY, sum(outcomes_seen.get(name, 0) for name in outcomes), 0)
                yield Figure(case, "ok", FAILING - FAILING // EVERY, outcomes_seen["ok"], 0)


def cpu(lab: Lab) -> Iterator[Figure]:
    """CPU as a scenario's run measures it: by the kernel's accounting, before and after."""
    loads: tuple[tuple[str, str, float, list[object]], ...] = (
        ("closed", "busy", BUSY_MS, ["-n", BUSY_REQUESTS, "-c", 4, "-k"]),
        ("open", "busy", BUSY_MS, ["--rate", 100, "-n", BUSY_REQUESTS, "-k"]),
        ("cut off", "busy", BUSY_MS, ["-c", 4, "-t", BUSY_REQUESTS * BUSY_MS / 1000, "-k"]),
        ("in children", "fork", FORKED_MS, ["-n", FORKED_REQUESTS, "-c", 4, "-k"]),
        ("close", "busy", CLOSE_BUSY_MS, ["-n", FORKED_REQUESTS, "-c", 4]),
        ("in children, close", "fork", FORKED_MS, ["-n", FORKED_REQUESTS, "-c", 4]),
    )
    for case, kind, true_ms, words in loads:
        meter = CostMeter(lab.server.pid)
        sent = lab.fire(f"/{kind}/{true_ms}", *words, meter=meter)
        cost, applied = end_meter(meter, sent), lab.applied()
        used_ms = cost.cpu_seconds * 1000 / Metrics(sent).ok if cost is not None and cost.cpu_seconds is not None else math.nan
        truth = statistics.fmean(applied) if kind == "fork" else true_ms
        yield Figure(f"{true_ms} ms CPU each, {case}", "CPU ms", truth, used_ms, CPU_NEAR * truth)


def end_meter(meter: CostMeter, sent: Sent) -> Cost | None:
    """The cost of a load until it was cut off; the work it left behind does not count."""
    meter.end()
    over = datetime.fromisoformat(sent.started_at).timestamp() + sent.seconds
    return meter.cost_between(-math.inf, over if sent.stopped else math.inf)


def indicted(lab: Lab) -> Iterator[Figure]:
    """1 if the client doubts its own figures, else 0."""
    yield Figure("client slowed by 2 ms an answer", "doubts itself", 1, doubted(lab.fire("/100", *OPEN, "-k", program=("-c", SLOWED))), 0)
    yield Figure("client left alone", "doubts itself", 0, doubted(lab.fire("/100", *OPEN, "-k")), 0)


def doubted(sent: Sent) -> int:
    return int(bool(doubts_of_client(sent.client, Metrics(sent).latency(50))))


CASES = {case.__name__: case for case in (constant, bimodal, slow, short, cut_off, stall, failures, cpu, indicted)}
ROW = "{:<40}{:<22}{:>10}{:>10}{:>9}{:>9}  {}"


def show(rounds: list[list[Figure]]) -> bool:
    """Print a row for each figure, with the median and the worst round; True if all are close enough."""
    good = True
    for same in zip(*rounds, strict=True):
        one = sorted(same, key=lambda figure: figure.error)[len(same) // 2]
        worst = max((figure.error for figure in same), key=abs)
        within = abs(statistics.median(figure.error for figure in same)) <= one.near
        good = good and within
        verdict = "NOT within" if not within else "within" if abs(worst) <= one.near else "within, the worst NOT"
        numbers = (re.sub(r"\.00$", "", f"{number:.2f}") for number in (one.truth, one.reported, one.error, worst))
        print(ROW.format(one.case, one.what, *numbers, verdict), flush=True)
    return good


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help=f"cases to check: {', '.join(CASES)} (default: all)")
    options = parser.parse_args(arguments)
    good = True
    print(ROW.format("case", "figure", "truth", "reported", "error", "worst", ""))
    with Lab() as lab:
        for name in options.cases or CASES:
            good = show([list(CASES[name](lab)) for _ in range(options.rounds)]) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
