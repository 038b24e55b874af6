"""Did it get better or worse? Two directories of results: before and after, or two machines.

    python -m common.compare results/BEFORE results/AFTER [--tolerance 5%]
    python -m common.compare results/RUN --gate 'gunicorn_gthread p99<=800ms'

For each load that both have: the ratio of requests per second, p99 and CPU per request, with
intervals that hold all together 95 times in 100. Exit 1 if one is shown to be worse by more than
the tolerance, or if a target is missed. A target is judged by the median over the last directory's runs.
"""

import argparse
import fnmatch
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from common import cli
from common.cli import UsageError
from common.results import files, targets
from common.results.comparison import METRICS, Sample, known_values
from common.results.files import RecordError
from common.results.intervals import CONFIDENCE, FEWEST_RUNS, Estimate, no_difference_shown, ratio
from common.results.record import Measured, ScenarioRun
from common.results.words import NO_DIFFERENCE, write_estimate

MORE_IS_BETTER = {"req/s": True, "p99 ms": False, "CPU ms/req": False}
WIDTH = 150
Key = tuple[str, str, int]  # scenario, identity of the load, added latency


@dataclass
class Counted:
    """One load of one scenario, over those of its runs that count."""

    scenario: str
    name: str
    samples: list[Sample] = field(default_factory=list)


Side = dict[Key, Counted]  # of one directory


@dataclass(frozen=True)
class Comparison:
    before: Counted
    after: Counted
    ratios: dict[str, Estimate | None]
    verdicts: dict[str, str]  # worse, better, no difference shown, or too few runs

    @property
    def verdict(self) -> str:
        for word in ("worse", "better"):
            named = [metric for metric, verdict in self.verdicts.items() if verdict == word]
            if named:
                return f"{word}: {', '.join(named)}"
        return next(iter(self.verdicts.values()))


def main(arguments: list[str]) -> int:
    return cli.run("compare", lambda: compare_directories(parse_arguments(arguments)))


def compare_directories(options: argparse.Namespace) -> int:
    runs = [files.read_directory(directory) for directory in options.directories]
    sides = [count_runs(side) for side in runs]
    missed = judge_targets(sides[-1], options.gate)
    worse = False
    if len(sides) == 2:
        worse = compare_and_print(sides[0], sides[1], options.tolerance)
        print("\n".join(differences(*runs)) or "nothing else differs: machine, versions, scenarios")
    return 1 if missed or worse else 0


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = cli.Parser(prog="compare", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="results of one or of two runs")
    parser.add_argument("--tolerance", type=share, default=0.05, metavar="PERCENT", help="worse by less than this passes (default 5%%)")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="'SCENARIO TARGET'", help="what the last results must keep, as 'uwsgi_* p99<=800ms'"
    )
    options = parser.parse_args(arguments)
    if len(options.directories) > 2:
        raise UsageError("compare takes one directory, or two")
    if len(options.directories) == 1 and not options.gate:
        raise UsageError("there is nothing to compare with: give a second directory, or --gate")
    return options


def share(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = -1
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage")
    return value


def count_runs(runs: Iterable[ScenarioRun]) -> Side:
    """Without invalid and contaminated runs, and without the A/A controls."""
    side: Side = {}
    for run in runs:
        for load in run.loads if not run.control else []:
            counted = side.setdefault((run.scenario, load.identity, load.latency_ms), Counted(run.scenario, name_load(run, load)))
            counted.samples += [] if load.invalid or load.noise.contaminated else [Sample(run, load)]
    return side


def name_load(run: ScenarioRun, load: Measured) -> str:
    added = f" · {load.latency_ms} ms added" if load.latency_ms else ""
    return f"{run.scenario} · {load.sent.load.describe()}{added}"


def judge_targets(side: Side, lines: Sequence[str]) -> bool:
    """Prints a line for each load that a target is about; True if one is missed."""
    missed = False
    for line in lines:
        pattern, _, text = line.strip().partition(" ")
        target = targets.parse(text)
        about = [counted for counted in side.values() if fnmatch.fnmatchcase(counted.scenario, pattern)]
        if not about:
            raise UsageError(f"--gate {line!r}: no scenario of these results has this name")
        for counted in about:
            known = known_values(target.measure, counted.samples)
            measured = statistics.median(known) if known else None
            kept = target.keeps(measured)
            missed |= not kept
            evidence = "nothing was measured" if measured is None else f"{measured:,.4g} ({len(known)} run{'s' * (len(known) > 1)})"
            print(f"{'kept  ' if kept else 'BROKEN'}  {counted.name}: {target.text}: {evidence}")
    return missed


def compare_and_print(before: Side, after: Side, tolerance: float) -> bool:
    """True if something is worse."""
    common = [key for key in before if key in after and before[key].samples and after[key].samples]
    if not common:
        raise RecordError("the two directories have no load in common that was measured in both")
    number = len(common) * len(MORE_IS_BETTER)
    confidence = 1 - (1 - CONFIDENCE) / number
    comparisons = [compare(before[key], after[key], confidence, tolerance) for key in common]
    console = Console(width=WIDTH, highlight=False)
    console.print(draw(comparisons))
    for key, counted in {**before, **after}.items():
        if key not in common:
            where = "before" if key in before else "after"
            console.print(f"only {where}, or invalid: {counted.name}", markup=False)
    console.print(f"after to before; {number} intervals, which hold all together 95 times in 100", style="dim")
    return any("worse" in comparison.verdicts.values() for comparison in comparisons)


def compare(before: Counted, after: Counted, confidence: float, tolerance: float) -> Comparison:
    ratios = {
        name: ratio(known_values(METRICS[name], after.samples), known_values(METRICS[name], before.samples), confidence)
        for name in MORE_IS_BETTER
    }
    verdicts = {name: judge(ratios[name], more_is_better, tolerance) for name, more_is_better in MORE_IS_BETTER.items()}
    return Comparison(before, after, ratios, verdicts)


def judge(ratio: Estimate | None, more_is_better: bool, tolerance: float) -> str:
    if ratio is None or ratio.low is None:
        return f"too few runs to say (at least {FEWEST_RUNS})"
    if no_difference_shown(ratio):
        return NO_DIFFERENCE
    if abs(ratio.middle - 1) <= tolerance:
        return "within the tolerance"
    return "better" if (ratio.middle > 1) == more_is_better else "worse"


def draw(comparisons: Iterable[Comparison]) -> Table:
    table = Table(title="after to before", title_justify="left", title_style="bold", pad_edge=False, box=None)
    table.add_column("scenario and load", overflow="fold")
    for column in ("runs", *MORE_IS_BETTER):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for comparison in comparisons:
        runs = f"{len(comparison.before.samples)}, {len(comparison.after.samples)}"
        ratios = [write_estimate(ratio, "x") for ratio in comparison.ratios.values()]
        table.add_row(comparison.before.name, runs, *ratios, comparison.verdict)
    return table


def differences(before_runs: Sequence[ScenarioRun], after_runs: Sequence[ScenarioRun]) -> Iterator[str]:
    """What else changed between the two: machine, interpreter, packages, scenarios."""
    sources_before, sources_after = ({run.scenario: run.source for run in runs} for runs in (before_runs, after_runs))
    for name in sorted(set(sources_before) & set(sources_after)):
        if sources_before[name] != sources_after[name]:
            yield f"{name}.py is not the same file"
    before, after = before_runs[0].environment, after_runs[0].environment
    for name in ("system", "processor", "cores", "python", "revision"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name}: {old} -> {new}"
    for name in sorted({*before.packages, *after.packages}):
        old, new = (environment.packages.get(name, "none") for environment in (before, after))
        if old != new:
            yield f"{name}: {old} -> {new}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
