"""Did it get better or worse? Two directories of results: before and after, or two machines.

    python -m common.compare results/BEFORE results/AFTER [--tolerance 5%]
    python -m common.compare results/RUN --gate 'gunicorn_gthread p99<=800ms'

For each load that both have it shows the ratios of requests per second, p99 and CPU per request, with
intervals that all hold together 95 times in 100. Exit code 1 if one is shown to be worse by more than
the tolerance (its whole interval lies beyond it); if a scenario fails, fails more or is missing afterwards;
or if a target is missed. A target is judged by the median over the last directory's runs.
"""

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from common import cli
from common.cli import UsageError
from common.results import files, targets
from common.results.bottleneck import MANY_FAILED
from common.results.comparison import (
    DISTURBED,
    METRICS,
    LoadComparison,
    Row,
    Sample,
    compare_loads,
    known_values,
    share_that_failed,
)
from common.results.files import RecordError
from common.results.intervals import FEWEST_RUNS, AtMost, Estimate, Over, Value, confidence_of_each, no_difference_shown, number_of, ratio
from common.results.record import FAILED, ScenarioRun
from common.results.words import TOO_SHORT, explain_marks, join_words, write_estimate, write_no_difference

MORE_IS_BETTER = {"req/s": True, "p99 ms": False, "CPU ms/req": False}
WORSE, BETTER = "worse", "better"
MORE_FAIL = 0.01  # of the requests that ended: failing by this much more than in any run before is worse
EVENINGS_DIFFER = 0.03  # in the time of the fixed piece of work
WIDTH = 150
EXAMPLES = [
    ("python -m common.compare results/BEFORE results/AFTER", "what got better or worse between two runs"),
    ("python -m common.compare results/BEFORE results/AFTER --tolerance 10%", "accept up to 10% worse"),
    ("python -m common.compare results/RUN --gate 'uwsgi_* p99<=800ms'", "check one run against a target"),
]
Key = tuple[str, str, int]  # scenario, identity of the load, added latency


@dataclass(frozen=True)
class Counted:
    """One load of one scenario."""

    comparison: LoadComparison
    scenario: str

    @property
    def name(self) -> str:
        return f"{self.scenario} · {self.comparison.load.sent.load.describe()}{self._added}"

    @property
    def _added(self) -> str:
        return f" · {self.comparison.load.latency_ms} ms added" if self.comparison.load.latency_ms else ""

    @property
    def row(self) -> Row | None:
        """None where no run counts."""
        return self.comparison.row(self.scenario) if self.comparison.counted(self.scenario) else None

    @property
    def why_none(self) -> str:
        """Why no run counts."""
        loads = [sample.load for sample in self.comparison.samples if sample.scenario == self.scenario and not sample.run.control]
        reasons = Counter(f"{load.invalid}: {load.fault}" if load.fault else load.invalid for load in loads if load.invalid)
        return reasons.most_common(1)[0][0] if reasons else "no load was sent"

    @property
    def has_failed(self) -> bool:
        """None of its runs counts, and one failed."""
        loads = [sample.load for sample in self.comparison.samples if sample.scenario == self.scenario and not sample.run.control]
        return self.row is None and any(load.invalid == FAILED for load in loads)

    @property
    def calibration_ms(self) -> float | None:
        samples = self.comparison.counted(self.scenario)
        known = [found for sample in samples if (found := sample.load.calibration_ms) is not None]
        return statistics.median(known) if known else None


Side = dict[Key, Counted]  # of one directory


@dataclass(frozen=True)
class Change:
    name: str
    runs: str
    ratios: dict[str, Estimate | None]
    verdicts: dict[str, str]  # by the metric, or by '' of all
    marks: str

    @property
    def is_worse(self) -> bool:
        return WORSE in self.verdicts.values()

    @property
    def verdict(self) -> str:
        for word in (WORSE, BETTER):
            named = [metric for metric, verdict in self.verdicts.items() if verdict == word]
            if named:
                return f"{word}: {', '.join(named)}"
        return next((verdict for verdict in self.verdicts.values() if verdict), "nothing to compare")


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
        print("\n".join(differences(*runs)) or "nothing else differs: same machine, versions and scenarios")
    return 1 if missed or worse else 0


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    description = (__doc__ or "").partition("\n")[0]
    parser = cli.Parser(examples=EXAMPLES, prog="python -m common.compare", description=description, allow_abbrev=False)
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="results of one run, or of two to compare")
    parser.add_argument("--tolerance", type=share, default=0.05, metavar="PERCENT", help="how much worse is accepted (default 5%%)")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="'SCENARIO TARGET'", help="target for the last results, such as 'uwsgi_* p99<=800ms'"
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
    """What tables count of each scenario's loads."""
    return {
        (scenario, comparison.load.identity, comparison.load.latency_ms): Counted(comparison, scenario)
        for comparison in compare_loads(runs)
        for scenario in comparison.scenarios
    }


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
            print(f"{word:<6}  {counted.name}: {target.text}: {undecided}{judgement.evidence}")
    return missed


def compare_and_print(before: Side, after: Side, tolerance: float) -> bool:
    """True if something is worse."""
    common = [key for key in before if key in after]
    if not common:
        raise RecordError("the two directories have no load in common")
    confidence = confidence_of_each(len(common) * len(MORE_IS_BETTER))
    changes = [compare(before[key], after[key], confidence, tolerance) for key in common]
    changes += [gone(counted) for key, counted in before.items() if key not in after]
    console = Console(width=WIDTH, highlight=False, markup=False, emoji=False)
    rows = [row for side in (before, after) for counted in side.values() if (row := counted.row)]
    console.print(Text(f"{sum_up(changes, tolerance)} {advise(changes, rows)}".strip()))
    console.print()
    console.print(draw(changes))
    for line in [*explain_marks(rows), *(f"only after: {counted.name}" for key, counted in after.items() if key not in before)]:
        console.print(Text(line))
    console.print(Text(tell_evenings([before[key] for key in common], [after[key] for key in common])))
    console.print(Text(f"{len(common) * len(MORE_IS_BETTER)} intervals; all hold together 95 times in 100", style="dim"))
    return any(change.is_worse for change in changes)


def sum_up(changes: Sequence[Change], tolerance: float) -> str:
    """The answer, before the table."""
    worse, better = ([change for change in changes if word in change.verdicts.values()] for word in (WORSE, BETTER))
    if worse:
        return f"Worse: {len(worse)} of {len(changes)} (by more than {tolerance:.0%}, failing more, or missing)."
    if better:
        return f"Nothing is shown to be worse by more than {tolerance:.0%}; {len(better)} of {len(changes)} are better."
    if all(FEW_RUNS in change.verdicts.values() for change in changes):
        names = ", ".join(change.name for change in changes)
        return f"Too few runs to compare {names}: each side needs {FEWEST_RUNS}. Use --rounds 10 for both."
    return f"Nothing is shown to be worse or better by more than {tolerance:.0%}."


def advise(changes: Sequence[Change], rows: Sequence[Row]) -> str:
    """What would help, where nothing is shown and runs were disturbed."""
    names = sorted({name for row in rows for sample in row.samples if sample.disturbed for name in sample.disturbers})
    shows = any(word in change.verdicts.values() for change in changes for word in (WORSE, BETTER))
    return f"Runs were disturbed: close {join_words(names)}, or use more --rounds." if names and not shows else ""


FEW_RUNS = f"too few runs to say (at least {FEWEST_RUNS})"


def gone(before: Counted) -> Change:
    return Change(before.name, "", {}, {"missing afterwards": WORSE}, "")


def compare(before: Counted, after: Counted, confidence: float, tolerance: float) -> Change:
    rows = [before.row, after.row]
    marks = "".join(dict.fromkeys(mark for row in rows if row for mark in row.marks))
    own, their = (counted.calibration_ms for counted in (after, before))
    if own and their and abs(own / their - 1) > EVENINGS_DIFFER and DISTURBED not in marks:
        marks += DISTURBED
    runs = ", ".join(str(len(row.samples)) if row else "0" for row in rows)
    ratios: dict[str, Estimate | None] = {}
    verdicts = judge_standing(before, after, tolerance)
    if not verdicts and all(row and row.is_ranked for row in rows):
        samples = [(before.comparison.pick(before.scenario, name), after.comparison.pick(after.scenario, name)) for name in MORE_IS_BETTER]
        ratios = {name: ratio_after(name, *sides, confidence) for name, sides in zip(MORE_IS_BETTER, samples, strict=True)}
        verdicts = {name: judge(ratios[name], more, tolerance) for name, more in MORE_IS_BETTER.items()}
    return Change(after.name, runs, ratios, verdicts, marks)


def judge_standing(before: Counted, after: Counted, tolerance: float) -> dict[str, str]:
    """The verdict where no ratio is needed; empty where ratios decide."""
    old, new = before.row, after.row
    if new is None:
        return {after.why_none: WORSE} if after.has_failed and old else {"": f"nothing to compare: {after.why_none}"}
    if old is None:
        return {"": f"nothing to compare: {before.why_none} before"}
    share = fails_more(old.samples, new.samples)
    if share is not None:
        return {f"fails {share:.0%} of its requests": WORSE}
    if old.is_failing:
        return {"": f"failed {old.failed_share:.0%} before, {new.failed_share:.0%} after: nothing else is compared"}
    if old.too_short or new.too_short:
        if not old.too_short and most_per_second(new.samples) < (1 - tolerance) * old.per_second:
            return {"req/s": WORSE}
        return {"": f"{TOO_SHORT}: {new.too_short or old.too_short}"}
    return {}


def fails_more(before: Iterable[Sample], after: Iterable[Sample]) -> float | None:
    """The median share of failures, if it is above that of every run before; None if it is not."""
    shares = statistics.median(share_that_failed([sample]) for sample in after)
    most = max(share_that_failed([sample]) for sample in before)
    return shares if shares > most + MORE_FAIL or shares > MANY_FAILED >= most else None


def most_per_second(samples: Iterable[Sample]) -> float:
    """The rate if everything that was cut off had been answered too."""
    return max((sample.load.metrics.ok + sample.load.metrics.cut_off) / sample.load.metrics.seconds for sample in samples)


def ratio_after(name: str, before: Iterable[Sample], after: Iterable[Sample], confidence: float) -> Estimate | None:
    """The ratio of after to before; a bound where one side's times were cut off: these count as the least they can be."""
    old, new = (known_values(METRICS[name], samples) for samples in (before, after))
    cut = [any(isinstance(value, Over) for value in side) for side in (old, new)]
    if all(cut) or any(isinstance(value, AtMost) for value in (*old, *new)):
        return None
    found = ratio(as_numbers(new), as_numbers(old), confidence)
    if found is None or not any(cut):
        return found
    return Estimate(found.middle, found.low, found.high, found.runs, ">" if cut[1] else "<=")


def as_numbers(values: Iterable[Value]) -> list[float]:
    return [number_of(value) for value in values]


def judge(ratio: Estimate | None, more_is_better: bool, tolerance: float) -> str:
    """Worse or better where the whole interval lies beyond the tolerance."""
    if ratio is None:
        return ""
    if ratio.low is None or ratio.high is None:
        return FEW_RUNS
    if ratio.high < 1 - tolerance and ratio.bound != ">":
        return WORSE if more_is_better else BETTER
    if ratio.low > 1 + tolerance and ratio.bound != "<=":
        return BETTER if more_is_better else WORSE
    if ratio.bound:
        return "cut off: not decided"
    if no_difference_shown(ratio):
        return write_no_difference(ratio, tolerance)
    return f"differs, but not shown to exceed {tolerance:.0%}"


def draw(changes: Iterable[Change]) -> Table:
    table = Table(title="after compared to before", title_justify="left", title_style="bold", pad_edge=False, box=None)
    table.add_column("scenario and load", overflow="fold")
    for column in ("runs", *MORE_IS_BETTER):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for change in changes:
        ratios = [write_estimate(change.ratios.get(name), "x") for name in MORE_IS_BETTER]
        table.add_row(change.name, change.runs, *ratios, f"{change.verdict} {change.marks}".strip())
    return table


def tell_evenings(before: Sequence[Counted], after: Sequence[Counted]) -> str:
    """A warning: whatever the machine did differently is in every ratio, and no interval covers it."""
    said = "two directories are two evenings: no interval covers what changed in between"
    old, new = ([found for one in side if (found := one.calibration_ms)] for side in (before, after))
    if not old or not new:
        return f"{said}; these records have no fixed piece of work to compare"
    times = statistics.median(new) / statistics.median(old)
    doubt = f": doubt what is marked {DISTURBED}" if abs(times - 1) > EVENINGS_DIFFER else ""
    return f"{said}; the same piece of work took {times:.2f}x as long on the server's core the second time{doubt}"


def differences(before_runs: Sequence[ScenarioRun], after_runs: Sequence[ScenarioRun]) -> Iterator[str]:
    """What else changed between the two: machine, interpreter, packages, scenarios."""
    sources_before, sources_after = ({run.scenario: run.source for run in runs} for runs in (before_runs, after_runs))
    for name in sorted(set(sources_before) & set(sources_after)):
        if sources_before[name] != sources_after[name]:
            yield f"{name}.py has changed"
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
