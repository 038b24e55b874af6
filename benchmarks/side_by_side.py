"""Does side by side find a real difference, how soon, and none between equals? Is it true to what each costs alone?

    python -m benchmarks.side_by_side [--part aa --part two ...] [--pairs N] [--minutes M] [--busy]

All parts take about two and a half hours on a quiet machine. Most measure pairs of one gunicorn worker with threads whose view counts to a
number: to the same number (A/A), or to a larger one, so that a request costs 2%, 5% or 10% more CPU on this machine. Which of the two
comes first changes from pair to pair. The end is a table of targets and outcomes; the figures are saved as JSON.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from common.client.progress import silent
from common.report.live import Watch
from common.results.comparison import compare_loads
from common.results.intervals import SAME, Estimate, estimate, no_difference_shown, number_of, ratio
from common.results.pairs import Pair, cpu_ratio, judge_pair
from common.results.record import ScenarioRun
from common.results.samples import METRICS, known_values
from common.running.directories import new_directory
from common.running.rounds import Turn
from common.running.run import run_turn, run_turns
from common.running.side_by_side import Procedure, begin_pair, lengths_within, possible_pairs, run_pair, run_to_next_look
from common.running.sizing import RunOptions
from common.running.until_decided import with_loads
from common.serving import folders, postgres
from common.serving.places import ROOT, short_path
from common.serving.scenario import Scenario, read

STEPS = 8000  # about 0.4 ms on top of what Django and gunicorn need
OF_KINDS, NO_KIND_OF_ITS_OWN = "wait", "_default_"  # one server each, but for those that only differ in their settings
CALIBRATION_SECONDS = 60.0
RUNS_ALONE = 20  # of each kind
PATH_OF_KINDS = "/compute/"
FAIR = 0.05  # how far a ratio may lie from that of each alone
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
LOAD = ["-n 4000 -c 8 -k -t 2 --expect counted /"]
if __name__ == "__main__":
    pass
'''


@dataclass
class Outcome:
    """Of one part: what was to be shown, and what was."""

    part: str
    target: str
    outcome: str
    kept: bool
    figures: Sequence[object] = ()  # of each pair


@dataclass
class Counted:
    """A pair of counting sites: what was said of the one that counts further."""

    kind: str
    swapped: bool  # it came second
    differs: bool  # the interval does not reach 1, however small the difference
    ratios: list[float]  # of each restart, of the one that counts further to the other
    seconds: float
    why: str  # it ended early


@dataclass
class Apart:
    """A pair of kinds: side by side, and each alone."""

    names: list[str]
    kind: str
    side_by_side: str
    alone: str
    bias: float
    chance: float  # how far chance alone may have brought it
    refused: bool
    why: str


@dataclass
class Widths:
    """Half of each interval, as a share."""

    side_by_side: float
    rounds: float


@dataclass(frozen=True)
class Bench:
    """Where everything is measured, and how often."""

    folder: Path
    directory: Path
    database: postgres.Server
    pairs: int
    minutes: float
    is_busy: bool = False  # other programs count meanwhile

    def procedure(self, seed: int) -> Procedure:
        return Procedure(RunOptions(), self.directory / f"{seed}", self.database, seed, silent, lengths_within(self.minutes * 60))


@dataclass(frozen=True)
class Part:
    """`minutes`: that a pair may take; `takes`: that all of them take, about."""

    measure: Callable[[Bench], Outcome]
    pairs: int
    minutes: float
    takes: int
    what: str
    busy: int = 0  # programs that only count, beside it


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    directory = new_directory("side-by-side-benchmark")
    outcomes = []
    with folders.temporary() as folder, postgres.server(silent) as database:
        for name in options.parts or PARTS:
            part, began = PARTS[name], time.monotonic()
            beside = 2 if options.busy else part.busy
            bench = Bench(folder, directory / name, database, options.pairs or part.pairs, options.minutes or part.minutes, beside > 0)
            with busy(beside):
                outcomes.append(part.measure(bench))
            print(f"{name}: {outcomes[-1].outcome} ({(time.monotonic() - began) / 60:.0f} minutes)", flush=True)
            saved = directory / "outcomes.json"
            saved.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
    show(outcomes)
    print(f"Figures: {short_path(saved)}")
    return 0 if all(outcome.kept for outcome in outcomes) else 1


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    listed = "\n".join(f"  {name:<8}{part.what} (about {part.takes} minutes)" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        description=f"{(__doc__ or '').partition(chr(10))[0]}\n\nparts:\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", dest="parts", action="append", choices=list(PARTS), help="measure only this (repeatable)")
    parser.add_argument("--pairs", type=int, metavar="N", help="so many pairs in each part, not those that the target needs")
    parser.add_argument("--minutes", type=float, metavar="M", help="so long at most for a pair")
    parser.add_argument("--busy", action="store_true", help="run two programs that only count beside every part")
    return parser.parse_args(arguments)


def show(outcomes: Sequence[Outcome]) -> None:
    table = Table(title="side by side", title_justify="left", box=None)
    for head in ("part", "target", "outcome", "kept"):
        table.add_column(head)
    for outcome in outcomes:
        table.add_row(outcome.part, outcome.target, outcome.outcome, "yes" if outcome.kept else "NO")
    Console(highlight=False, width=150).print(table)


# The parts


def measure_equals(bench: Bench) -> Outcome:
    found = [measure_counting(bench, 0, number) for number in range(bench.pairs)]
    false = sum(each.differs for each in found)
    mean, error = mean_of(found)
    first, its_error = mean_of([replace(each, ratios=[1 / ratio for ratio in each.ratios]) if each.swapped else each for each in found])
    kept = false <= 0.05 * bench.pairs and (bench.is_busy or max(abs(mean - 1), abs(first - 1)) <= 0.002)
    outcome = (
        f"{false} of {bench.pairs} differ; mean {mean:.4f} +- {error:.4f}, of the first to the second {first:.4f} +- {its_error:.4f}, "
        f"over {restarts_of(found)} restarts"
    )
    target = f"at most 5 of 100 equal pairs differ{'; mean within 0.2% of 1' * (not bench.is_busy)}"
    return Outcome("aa", target, outcome, kept, found)


def measure_more(more: float, part: str) -> Callable[[Bench], Outcome]:
    def measure(bench: Bench) -> Outcome:
        extra = extra_steps(more, bench)
        found = [measure_counting(bench, extra, number, more / 2) for number in range(bench.pairs)]
        right = sum(each.kind == "more" and each.seconds <= 60 * bench.minutes for each in found)
        mean, error = mean_of(found)
        slowest = max(each.seconds for each in found)
        outcome = f"{right} of {bench.pairs} found in time, the slowest in {slowest:.0f} s; mean {mean:.4f} +- {error:.4f}"
        target = f"{more:.0%} more is found in 9 of 10 in {60 * bench.minutes:.0f} s each, --within {more / 2:.1%}"
        return Outcome(part, target, outcome, right >= 0.9 * bench.pairs, found)

    return measure


def measure_kinds(bench: Bench) -> Outcome:
    """Each pair side by side, and each kind alone, in rounds: a machine that slows down moves no ratio within a round."""
    scenarios = [
        only_computing(read(path)) for path in sorted((ROOT / "scenarios").glob(f"*_{OF_KINDS}.py")) if NO_KIND_OF_ITS_OWN not in path.name
    ]
    alone = costs_alone(bench, scenarios)
    found: list[Apart] = []
    installed = [scenario for scenario in scenarios if alone[scenario.name]]
    if lacking := [scenario.name for scenario in scenarios if scenario not in installed]:
        print(f"  not measured, so in no pair: {', '.join(lacking)}", flush=True)
    for one, other in list(combinations(installed, 2))[: bench.pairs]:
        pair = measure_all_the_time(bench, one, other, len(found))
        in_turn, apart = estimate(restart_ratios(pair)), estimate(ratios_of_rounds(alone[one.name], alone[other.name]))
        bias, chance = bias_of(in_turn, apart)
        why, kind = pair.refused or pair.fault, judge_pair(pair).kind
        refused = bool(pair.refused) or kind == "unfair"
        found.append(Apart(pair.names, kind, write(in_turn), write(apart), bias, chance, refused, why))
        said = f"{write(in_turn)}, alone {write(apart)}: {bias:+.1%}, by chance up to {chance:.1%}{' refused' * refused}"
        print(f"  {' beside '.join(pair.names)}: {said}", flush=True)
    compared = [each for each in found if not each.refused]
    fair = [each for each in compared if abs(each.bias) + each.chance < FAIR]
    biased = [each for each in compared if not abs(each.bias) < FAIR + each.chance]
    middle = statistics.median(abs(each.bias) for each in compared) if compared else math.nan
    outcome = (
        f"of {len(found)} pairs {len(fair)} are shown to be within that, {len(biased)} to be off by more, "
        f"{len(found) - len(compared)} were refused, the others cannot be told; the median is {middle:.1%} off"
    )
    kept = bool(found) and not biased and len(fair) == len(compared)
    return Outcome("kinds", "each pair of kinds within 5% of the ratio of each alone, or refused", outcome, kept, found)


def measure_rounds(bench: Bench) -> Outcome:
    """5% more, side by side and in rounds for the same time."""
    extra = extra_steps(0.05, bench)
    found: list[Widths] = []
    for number in range(bench.pairs):
        one, other = counting(bench, "more", STEPS + extra), counting(bench, "plain", STEPS)
        pair = measure_all_the_time(bench, one, other, number)
        found.append(Widths(width(judge_pair(pair).cpu), width(cost_in_rounds(bench, [one, other], number))))
    in_turn, rounds = (statistics.median(values) for values in zip(*((each.side_by_side, each.rounds) for each in found), strict=True))
    return Outcome(
        "rounds", "tighter than --rounds in the same time", f"{in_turn:.1%} either way, in rounds {rounds:.1%}", in_turn < rounds, found
    )


PARTS = {
    "aa": Part(measure_equals, 100, 0.25, 28, "equal servers: how often they are said to differ"),
    "two": Part(measure_more(0.02, "two"), 10, 2.0, 14, "2% more CPU, within two minutes"),
    "five": Part(measure_more(0.05, "five"), 10, 1.0, 7, "5% more CPU, within a minute"),
    "busy": Part(measure_more(0.10, "busy"), 10, 1.0, 9, "10% more CPU, within a minute, beside two busy programs", busy=2),
    "kinds": Part(measure_kinds, 66, 0.5, 75, "each pair of kinds of servers, beside the ratio of each alone"),
    "rounds": Part(measure_rounds, 3, 2.0, 13, "side by side and in rounds, for the same time"),
}


# How they measure


def counting(bench: Bench, name: str, steps: int) -> Scenario:
    path = bench.folder / "scenarios" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SITE.format(steps=steps))
    return read(path, bench.folder)


def measure_counting(bench: Bench, extra: int, number: int, within: float = SAME) -> Counted:
    """The one that counts further relative to the other; in every other pair it comes second."""
    one, other = counting(bench, "more", STEPS + extra), counting(bench, "plain", STEPS)
    swapped = number % 2 == 1
    began = time.monotonic()
    pair = measure_pair(bench, *((other, one) if swapped else (one, other)), number, within)
    judged = judge_pair(pair)
    kind = {"more": "less", "less": "more"}.get(judged.kind, judged.kind) if swapped else judged.kind
    ratios = [ratio if not swapped else 1 / ratio for ratio in restart_ratios(pair)]
    differs = judged.cpu is not None and not no_difference_shown(judged.cpu)
    return Counted(kind, swapped, differs, ratios, time.monotonic() - began, pair.fault or pair.refused)


def measure_pair(bench: Bench, one: Scenario, other: Scenario, number: int, within: float = SAME) -> Pair:
    [both] = possible_pairs(one, other, RunOptions())
    pair = begin_pair(both, within, seed=number)
    run_pair(both, pair, bench.procedure(number), time.monotonic() + 60 * bench.minutes)
    return pair


def measure_all_the_time(bench: Bench, one: Scenario, other: Scenario, number: int) -> Pair:
    """Though it may be decided earlier."""
    [both] = possible_pairs(one, other, RunOptions())
    pair, until = begin_pair(both, seed=number), time.monotonic() + 60 * bench.minutes
    while time.monotonic() < until and not (pair.fault or pair.refused):
        run_to_next_look(both, pair, bench.procedure(number), until)
    return pair


def restart_ratios(pair: Pair) -> list[float]:
    return [ratio for restart in pair.restarts if (ratio := cpu_ratio(restart))]


def extra_steps(more: float, bench: Bench) -> int:
    """The steps that make a request cost this share more: from what twice as many add, in the server itself."""
    twice, plain = counting(bench, "more", 2 * STEPS), counting(bench, "plain", STEPS)
    [both] = possible_pairs(twice, plain, RunOptions())
    pair, procedure, until = begin_pair(both), bench.procedure(-1), time.monotonic() + CALIBRATION_SECONDS
    while time.monotonic() < until and not pair.fault:
        run_to_next_look(both, pair, procedure, until)
    cpu = judge_pair(pair).cpu
    assert cpu is not None, pair.fault
    print(f"  {STEPS:,} steps more cost {write(cpu)}", flush=True)
    return round(more / (cpu.middle - 1) * STEPS)


def only_computing(scenario: Scenario) -> Scenario:
    return with_loads(scenario, {line for line in scenario.load if line.endswith(PATH_OF_KINDS)})


def costs_alone(bench: Bench, scenarios: Sequence[Scenario]) -> dict[str, dict[int, float]]:
    """CPU ms per request of each, by the round."""
    turns = [Turn(scenario, number, folder=f"alone/{number}") for number in range(1, RUNS_ALONE + 1) for scenario in scenarios]
    costs: dict[str, dict[int, float]] = {scenario.name: {} for scenario in scenarios}
    for turn in turns:
        run = run_turn(turn, RunOptions(), bench.directory, bench.database, Watch(quiet=True))
        for load in run.loads:
            if load.metrics.cpu_ms:
                costs[turn.scenario.name][turn.round] = load.metrics.cpu_ms
    return costs


def ratios_of_rounds(costs: dict[int, float], others: dict[int, float]) -> list[float]:
    return [cost / others[number] for number, cost in costs.items() if number in others]


def bias_of(side_by_side: Estimate | None, alone: Estimate | None) -> tuple[float, float]:
    """How far the first is from the second, as a share, and how far chance alone may have brought it."""
    if side_by_side is None or alone is None:
        return math.nan, math.nan
    chance = math.hypot(math.log1p(width(side_by_side)), math.log1p(width(alone)))
    return side_by_side.middle / alone.middle - 1, math.expm1(chance)


def cost_in_rounds(bench: Bench, scenarios: Sequence[Scenario], number: int) -> Estimate | None:
    """The ratio of CPU per request after rounds for as long."""
    until = time.monotonic() + 60 * bench.minutes
    turns = (Turn(one, each, folder=f"rounds-{number}/{each}") for each in range(1, 1000) for one in scenarios)
    runs: list[ScenarioRun] = []
    baselines = {scenarios[0].study: [scenarios[1].name]}
    run_turns(turns, runs, RunOptions(), bench.directory, bench.database, Watch(quiet=True), baselines, number, until)
    [compared] = compare_loads(runs)
    one, other = (known_values(METRICS["CPU ms/req"], compared.valid(scenario.name)) for scenario in scenarios)
    return ratio([number_of(value) for value in one], [number_of(value) for value in other])


def mean_of(found: Sequence[Counted]) -> tuple[float, float]:
    """The geometric mean of all restarts' ratios, and half of its interval."""
    logs = [math.log(one) for each in found for one in each.ratios]
    error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.nan
    return math.exp(statistics.fmean(logs)) if logs else math.nan, 1.96 * error


def restarts_of(found: Sequence[Counted]) -> int:
    return sum(len(each.ratios) for each in found)


def width(estimate: Estimate | None) -> float:
    """Half of the interval, as a share."""
    return math.inf if estimate is None or not estimate.low or not estimate.high else math.sqrt(estimate.high / estimate.low) - 1


def write(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    bounds = "" if estimate.low is None or estimate.high is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.middle:.3f}{bounds}"


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
