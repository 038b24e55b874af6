"""Did it get better or worse? Two directories of results: before and after, or two machines.

    python -m common.compare results/BEFORE results/AFTER [--tolerance 5%]
    python -m common.compare results/RUN --gate 'gunicorn_gthread p99<=800ms'

For each load that both have: the ratio of requests per second, p99 and CPU per request, with
intervals that hold all together 95 times in 100. Exit 1 if one is shown to be worse by more than
the tolerance, or if a gate is broken. A gate is judged by the median over the last directory's runs.
"""

import argparse
import fnmatch
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common.client.load import LoadError, Parser
from common.results import files, targets
from common.results.comparison import AGAIN, FIGURES, Run
from common.results.files import RecordError
from common.results.intervals import CONFIDENCE, FEWEST_RUNS, Estimate, no_difference_shown, ratio
from common.results.metrics import Summary
from common.results.words import shown

MORE_IS_BETTER = {"req/s": True, "p99 ms": False, "CPU ms/req": False}
WIDTH = 150
Key = tuple[str, str, int]  # scenario, load, added latency


@dataclass(frozen=True)
class Comparison:
    key: Key
    ratios: dict[str, Estimate | None]
    verdicts: dict[str, str]  # worse, better, no difference shown, or too few runs

    @property
    def verdict(self) -> str:
        for word in ("worse", "better"):
            named = [figure for figure, verdict in self.verdicts.items() if verdict == word]
            if named:
                return f"{word}: {', '.join(named)}"
        return next(iter(self.verdicts.values()))


def main(arguments: list[str]) -> int:
    try:
        options = parse_arguments(arguments)
        sides = [files.read_directory(directory) for directory in options.directories]
        runs = [runs_of(side) for side in sides]
        broken = judge_gates(runs[-1], options.gate)
        worse = False
        if len(sides) == 2:
            worse = compare_and_print(runs[0], runs[1], options.tolerance)
            print("\n".join(differences(*sides)) or "nothing else differs: machine, versions, scenarios")
    except (LoadError, targets.GateError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except RecordError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    return 1 if broken or worse else 0


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="compare", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="results of one or of two runs")
    parser.add_argument("--tolerance", type=share, default=0.05, metavar="PERCENT", help="worse by less than this passes (default 5%%)")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="'SCENARIO PROMISE'", help="what the last results must keep, as 'uwsgi_* p99<=800ms'"
    )
    options = parser.parse_args(arguments)
    if len(options.directories) > 2:
        raise LoadError("compare takes one directory, or two")
    if len(options.directories) == 1 and not options.gate:
        raise LoadError("there is nothing to compare with: give a second directory, or --gate")
    return options


def share(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = -1
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage")
    return value


def runs_of(found: list[dict[str, Any]]) -> dict[Key, list[Run]]:
    """By scenario and load; without what spoilt a run, and without the A/A controls."""
    runs: dict[Key, list[Run]] = {}
    for result in found:
        for load in result["loads"] if not result["label"].endswith(AGAIN) else []:
            run = Run(result["scenario"], result["round"], load, Summary(load))
            kept = runs.setdefault((result["scenario"], load["description"], load["latency_ms"]), [])
            kept += [] if run.spoilt or run.contaminated else [run]
    return runs


def judge_gates(runs: dict[Key, list[Run]], lines: Sequence[str]) -> bool:
    """Prints a line for each load that a gate is about; True if one is broken."""
    broken = False
    for line in lines:
        pattern, _, promise = line.strip().partition(" ")
        gate = targets.parse(promise)
        about = [key for key in runs if fnmatch.fnmatchcase(key[0], pattern)]
        if not about:
            raise targets.GateError(f"--gate {line!r}: no scenario of these results has this name")
        for key in about:
            known = [value for run in runs[key] if (value := gate.of(run.summary)) is not None]
            measured = statistics.median(known) if known else None
            held = gate.holds(measured)
            broken |= not held
            figure = "nothing was measured" if measured is None else f"{measured:,.4g} ({len(known)} run{'s' * (len(known) > 1)})"
            print(f"{'kept  ' if held else 'BROKEN'}  {name_of(key)}: {gate.text}: {figure}")
    return broken


def compare_and_print(before: dict[Key, list[Run]], after: dict[Key, list[Run]], tolerance: float) -> bool:
    common = [key for key in before if before[key] and after.get(key)]
    if not common:
        raise RecordError("the two directories have no load in common that was measured in both")
    confidence = 1 - (1 - CONFIDENCE) / (len(common) * len(MORE_IS_BETTER))
    found = [compare(key, before[key], after[key], confidence, tolerance) for key in common]
    console = Console(width=WIDTH, highlight=False)
    console.print(drawn(found, before, after))
    for key in [*before, *after]:
        if key not in common:
            where = "before" if key in before else "after"
            console.print(f"only {where}, or spoilt: {name_of(key)}", markup=False)
    console.print(f"after to before; {len(common) * len(MORE_IS_BETTER)} intervals, which hold all together 95 times in 100", style="dim")
    return any("worse" in comparison.verdicts.values() for comparison in found)


def compare(key: Key, before: Sequence[Run], after: Sequence[Run], confidence: float, tolerance: float) -> Comparison:
    ratios, verdicts = {}, {}
    for figure, more_is_better in MORE_IS_BETTER.items():
        old, new = ([value for run in runs if (value := FIGURES[figure](run)) is not None] for runs in (before, after))
        ratios[figure] = found = ratio(new, old, confidence)
        verdicts[figure] = verdict(found, more_is_better, tolerance)
    return Comparison(key, ratios, verdicts)


def verdict(found: Estimate | None, more_is_better: bool, tolerance: float) -> str:
    if found is None or found.low is None:
        return f"too few runs to say (at least {FEWEST_RUNS})"
    if no_difference_shown(found):
        return "no difference shown"
    better = (found.middle > 1) == more_is_better
    off = abs(found.middle - 1)
    return ("better" if better else "worse") if off > tolerance else "within the tolerance"


def drawn(found: Sequence[Comparison], before: dict[Key, list[Run]], after: dict[Key, list[Run]]) -> Table:
    table = Table(title="after to before", title_justify="left", title_style="bold", pad_edge=False, box=None)
    table.add_column("scenario and load", overflow="fold")
    for column in ("runs", *MORE_IS_BETTER):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for one in found:
        cells = [shown(estimate, "x") for estimate in one.ratios.values()]
        table.add_row(name_of(one.key), f"{len(before[one.key])}, {len(after[one.key])}", *cells, one.verdict)
    return table


def name_of(key: Key) -> str:
    scenario, load, latency_ms = key
    return f"{scenario} · {load}" + (f" · {latency_ms} ms added" if latency_ms else "")


def differences(before_results: list[dict[str, Any]], after_results: list[dict[str, Any]]) -> Iterator[str]:
    """What else changed between the two: machine, interpreter, packages, scenarios."""
    sources = [{result["scenario"]: result["source"] for result in side} for side in (before_results, after_results)]
    for name in sorted(set(sources[0]) & set(sources[1])):
        if sources[0][name] != sources[1][name]:
            yield f"{name}.py is not the same file"
    before, after = before_results[0]["environment"], after_results[0]["environment"]
    for name in ("system", "processor", "cores", "python", "revision"):
        if before[name] != after[name]:
            yield f"{name}: {before[name]} -> {after[name]}"
    for name in sorted({*before["packages"], *after["packages"]}):
        old, new = (side["packages"].get(name, "none") for side in (before, after))
        if old != new:
            yield f"{name}: {old} -> {new}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
