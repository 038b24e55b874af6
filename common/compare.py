"""Did it get better or worse? Two directories of results: before and after, or two machines.

    python -m common.compare results/BEFORE results/AFTER [--tolerance 5%]
    python -m common.compare results/RUN --gate 'gunicorn_gthread p99<=800ms'

For each load that both have it shows the ratios of requests per second, p99 and CPU per request, with
intervals that all hold together 95 times in 100. Exit code 1 if one is shown to be worse by more than
the tolerance (its whole interval lies beyond it); if a scenario fails, fails more or is missing afterwards;
or if a target is missed. A target is judged by the median over the last directory's runs.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rich.text import Text

from common import cli
from common.cli import UsageError
from common.client.options import share
from common.report.before_after import advise, draw, sum_up, tell_slowdown
from common.report.console import PlainConsole
from common.results import files, targets
from common.results.before_after import MORE_IS_BETTER, Side, compare, count_runs, differences, gone, slowdown
from common.results.files import RecordError
from common.results.intervals import confidence_of_each
from common.results.record import ScenarioRun
from common.results.words import explain_marks

WIDTH = 150
EXAMPLES = [
    ("python -m common.compare results/BEFORE results/AFTER", "what got better or worse between two runs"),
    ("python -m common.compare results/BEFORE results/AFTER --tolerance 10%", "accept up to 10% worse"),
    ("python -m common.compare results/RUN --gate 'uwsgi_* p99<=800ms'", "check one run against a target"),
]


def main(arguments: list[str]) -> int:
    return cli.run("compare", lambda: compare_directories(parse_arguments(arguments)))


def compare_directories(options: argparse.Namespace) -> int:
    runs = [files.read_directory(directory) for directory in options.directories]
    for directory, side in zip(options.directories, runs, strict=True):
        check_measured(directory, side)
    sides = [count_runs(side) for side in runs]
    missed = judge_targets(sides[-1], options.gate)
    worse = False
    if len(sides) == 2:
        worse = compare_and_print(sides[0], sides[1], options.tolerance)
        print("\n".join(map(cli.printable, differences(*runs))) or "nothing else differs: same machine, versions and scenarios")
    return 1 if missed or worse else 0


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    description = (__doc__ or "").partition("\n")[0]
    parser = cli.Parser(examples=EXAMPLES, prog="python -m common.compare", description=description, allow_abbrev=False)
    parser.add_argument("directories", nargs="+", type=cli.directory, metavar="DIR", help="results of one run, or of two to compare")
    parser.add_argument("--tolerance", type=tolerance, default=0.05, metavar="SHARE", help="how much worse is accepted (default 5%%)")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="'SCENARIO TARGET'", help="target for the last results, such as 'uwsgi_* p99<=800ms'"
    )
    options = parser.parse_args(arguments)
    if len(options.directories) > 2:
        raise UsageError("compare takes one directory, or two")
    if len(options.directories) == 1 and not options.gate:
        raise UsageError("there is nothing to compare with: give a second directory, or --gate")
    return options


def tolerance(text: str) -> float:
    return 0.0 if text.removesuffix("%") == "0" else share(text)


def check_measured(directory: Path, runs: Sequence[ScenarioRun]) -> None:
    """Raise RecordError, with the reason, if no load was sent."""
    if not any(run.loads for run in runs if not run.control):
        reasons = Counter(f"{run.status}{f': {run.reason}' if run.reason else ''}" for run in runs)
        raise RecordError(f"{directory} holds no measured load: {reasons.most_common(1)[0][0]}")


def judge_targets(side: Side, lines: Sequence[str]) -> bool:
    """Prints a line for each load that a target is about; True if one is missed."""
    missed = False
    for line in lines:
        pattern, _, text = line.strip().partition(" ")
        target = targets.parse(text)
        about = [counted for counted in side.values() if fnmatchcase(counted.scenario, pattern)]
        if not about:
            raise UsageError(f"--gate {line!r}: these results have no scenario of that name")
        for counted in about:
            loads = [sample.load for sample in counted.comparison.counted(counted.scenario)]
            judgement = targets.judge_target(target, loads, f"nothing was measured: {counted.why_none}")
            missed |= judgement.verdict != targets.KEPT
            undecided = f"{targets.UNDECIDED}: " if judgement.verdict == targets.UNDECIDED else ""
            word = targets.KEPT if judgement.verdict == targets.KEPT else targets.BROKEN
            print(cli.printable(f"{word:<6}  {counted.name}: {target.text}: {undecided}{judgement.evidence}"))
    return missed


def compare_and_print(before: Side, after: Side, tolerance: float) -> bool:
    """True if something is worse."""
    common = [key for key in before if key in after]
    if not common:
        raise RecordError("the two directories have no load in common")
    confidence = confidence_of_each(len(common) * len(MORE_IS_BETTER))
    changes = [compare(before[key], after[key], confidence, tolerance) for key in common]
    changes += [gone(counted) for key, counted in before.items() if key not in after]
    console = PlainConsole(width=WIDTH, highlight=False)
    rows = [row for side in (before, after) for counted in side.values() if (row := counted.row)]
    console.print(Text(f"{sum_up(changes, tolerance)} {advise(changes, rows)}".strip()))
    console.print()
    console.print(draw(changes))
    for line in [*explain_marks(rows), *(f"only after: {counted.name}" for key, counted in after.items() if key not in before)]:
        console.print(Text(line))
    console.print(Text(tell_slowdown(slowdown([before[key] for key in common], [after[key] for key in common]))))
    console.print(Text(f"{len(common) * len(MORE_IS_BETTER)} intervals; all hold together 95 times in 100", style="dim"))
    return any(change.is_worse for change in changes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
