"""Does side by side find a real difference, how soon, and none between identical servers?

    python -m benchmarks.side_by_side [--pairs 10] [--minutes 1] [--busy]

Pairs of one gunicorn worker with threads whose view counts to a number: to the same number (A/A), or to a larger one, so that a
request costs 2%, 5% or 10% more CPU on this machine. --busy runs two programs beside them that only count.
"""

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.client.progress import silent
from common.results.pairs import Pair, cpu_ratio, judge_pair
from common.running.directories import new_directory
from common.running.side_by_side import fight, plan_duels
from common.running.sizing import RunOptions
from common.serving import folders, postgres
from common.serving.scenario import Scenario, read

STEPS = 8000  # about 0.4 ms on top of what Django and gunicorn need
MORE = {"A/A": 0, "2% more": 0.02, "5% more": 0.05, "10% more": 0.10}
SITE = '''"""Counts to a number."""
import time
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
def count(request):
    number = 0
    for _ in range({steps}):
        number += 1
    return HttpResponse("counted")
urlpatterns = [path("", count)]
application = get_wsgi_application()
STUDY = "side-by-side"
SERVER = (
    "gunicorn {{app}} --bind {{host}}:{{port}} --worker-class gthread --workers 1 --threads 8 "
    "--backlog {{backlog}} --no-control-socket --log-level warning"
)
LOAD = ["-n 1000 -c 8 -k --expect counted /"]
'''


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=10, help="pairs of each kind (default 10)")
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes that a pair may take (default 1)")
    parser.add_argument("--only", choices=list(MORE), help="measure only this kind")
    parser.add_argument("--busy", action="store_true", help="run two programs beside it that only count")
    options = parser.parse_args(arguments)
    with folders.temporary() as folder, busy(2 if options.busy else 0), postgres.server(silent) as database:
        directory = new_directory("side-by-side-benchmark")
        cost = cost_of_a_step()
        for kind, more in MORE.items():
            if options.only in (None, kind):
                extra = extra_steps(more, cost, folder, directory, database)
                pairs = [measure(folder, extra, number, options.minutes, directory, database) for number in range(options.pairs)]
                report(kind, more, pairs)
    return 0


def write_site(folder: Path, name: str, steps: int) -> Scenario:
    path = folder / "scenarios" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SITE.format(steps=steps))
    return read(path, folder)


def cost_of_a_step() -> float:
    """The CPU seconds of a step, as the view takes it."""
    number, steps, best = 0, 100_000, math.inf
    for _ in range(20):
        began = time.thread_time()
        for _ in range(steps):
            number += 1
        best = min(best, time.thread_time() - began)
    return best / steps


def extra_steps(more: float, cost: float, folder: Path, directory: Path, database: postgres.Server) -> int:
    """The steps that make a request cost this share more on this machine."""
    if not more:
        return 0
    pair = measure(folder, 0, 0, 0.3, directory, database)
    request_ms = judge_pair(pair).cpu_ms
    assert request_ms is not None
    return round(more * statistics.fmean(request_ms) / 1000 / cost)


def measure(folder: Path, extra: int, seed: int, minutes: float, directory: Path, database: postgres.Server) -> Pair:
    one, other = write_site(folder, f"more_{extra}", STEPS + extra), write_site(folder, "plain", STEPS)
    [duel] = plan_duels(one, other, RunOptions())
    return fight(duel, RunOptions(), directory, database, minutes * 60, seed, silent)


def report(kind: str, more: float, pairs: list[Pair]) -> None:
    found = [judge_pair(pair) for pair in pairs]
    ratios = [ratio for pair in pairs for restart in pair.restarts if (ratio := cpu_ratio(restart))]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    error = statistics.stdev(map(math.log, ratios)) / math.sqrt(len(ratios))
    widths = [one.cpu.high / one.cpu.low for one in found if one.cpu and one.cpu.low and one.cpu.high]
    kinds = [one.kind for one in found]
    verdicts = ", ".join(f"{kinds.count(each)} {each}" for each in dict.fromkeys(kinds))
    restarts = statistics.median(len(pair.restarts) for pair in pairs)
    print(
        f"{kind:<10} {len(pairs)} pairs: {verdicts}; mean ratio {mean:.4f} +- {1.96 * error:.4f} over {len(ratios)} restarts; "
        f"{restarts:g} restarts a pair, intervals {100 * (statistics.median(widths) ** 0.5 - 1):.1f}% either way",
        flush=True,
    )


@contextmanager
def busy(number: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
