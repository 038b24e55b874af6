"""Does a default run say what a full run says? Compares each scenario's ratio to its study's baseline in both.

    python -m benchmarks.default_against_full results/RUN results/FULL_RUN

Loads are matched by scenario, path and added latency: the full run's are longer; if they differ otherwise, the table says so.
A ratio that is off by more than 1.5 times, or points the other way, is flagged, and the exit code is 1, as it is if nothing
could be judged. Rates that are too short to tell in either run, or of a scenario that fails, are shown and not judged.
"""

import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.results import files
from common.results.bottleneck import MANY_FAILED
from common.results.record import ScenarioRun
from common.results.samples import Sample, share_that_failed, why_too_short
from studies import baselines_of

MOST_FACTOR = 1.5
EQUAL = 1.05  # a ratio closer to 1 points nowhere
ROW = "{:<10}{:<36}{:<22}{:>4}  {:>9}{:>9}{:>8}  {}"

Key = tuple[str, str, str, int]  # study, scenario, path, added latency


@dataclass(frozen=True)
class Ratio:
    """One scenario's ratio to its baseline, under one load."""

    line: str
    value: float
    why_not: str = ""  # why there is no verdict


def find_ratios(runs: Iterable[ScenarioRun]) -> dict[Key, Ratio]:
    """Each load of each scenario except the baselines."""
    loads: dict[tuple[str, str, int], dict[str, list[Sample]]] = {}
    for run in (run for run in runs if not run.control):
        for load in run.loads:
            loads.setdefault((run.study, load.identity, load.latency_ms), {}).setdefault(run.scenario, []).append(Sample(run, load))
    ratios: dict[Key, Ratio] = {}
    for (study, _, latency_ms), scenarios in loads.items():
        baseline = next((name for name in baselines_of(study) or sorted(scenarios) if name in scenarios), None)
        for name, samples in scenarios.items():
            if baseline is not None and name != baseline:
                path = samples[0].load.sent.path
                ratios.setdefault((study, name, path, latency_ms), ratio_of(samples, scenarios[baseline]))
    return ratios


def ratio_of(samples: list[Sample], baseline: list[Sample]) -> Ratio:
    own, its = (statistics.median(sample.load.metrics.rate.per_second for sample in side) for side in (samples, baseline))
    return Ratio(samples[0].load.line, own / its if its else 0.0, why_not(samples) or why_not(baseline))


def why_not(samples: list[Sample]) -> str:
    """Why tables give it no ratio; '' if they do."""
    too_short, failed = why_too_short(samples), share_that_failed(samples)
    return f"too short to tell: {too_short}" if too_short else f"failed {failed:.0%} of its requests" if failed > MANY_FAILED else ""


def judge(default: Ratio, full: Ratio) -> str:
    """What is wrong with it; '' if nothing is."""
    if default.why_not or full.why_not:
        return ""
    if not default.value or not full.value:
        return "one of them answered nothing" if default.value != full.value else ""
    if max(default.value / full.value, full.value / default.value) > MOST_FACTOR:
        return f"OFF by more than {MOST_FACTOR:g} times"
    if min(default.value, full.value) < 1 / EQUAL and max(default.value, full.value) > EQUAL:
        return "OFF: it points the other way"
    return ""


def describe(default: Ratio, full: Ratio) -> str:
    said = [judge(default, full)]
    said += [f"not judged, in the {name} run {one.why_not}" for name, one in (("default", default), ("full", full)) if one.why_not]
    if default.line != full.line:
        said.append(f"other load: {short(default.line)} | {short(full.line)}")
    return "; ".join(filter(None, said))


def short(line: str) -> str:
    """A load line without the parts that both have: its timeout, its --expect, its body."""
    return line.partition(" -s ")[0].partition(" --expect")[0].partition(" -d ")[0]


def show(default: dict[Key, Ratio], full: dict[Key, Ratio]) -> bool:
    """Print a row for each load that both runs have; True if some can be judged and none is off."""
    print(ROW.format("study", "scenario", "path", "ms", "default", "full", "factor", ""))
    both = {key: (default[key], full[key]) for key in default if key in full}
    for key, (one, other) in both.items():
        factor = f"{one.value / other.value:.2f}" if other.value else "-"
        print(ROW.format(*key, f"{one.value:.2f}x", f"{other.value:.2f}x", factor, describe(one, other)))
    for name, these, those in (("default", default, full), ("full", full, default)):
        missing = [f"{scenario} {path} {ms} ms" for _, scenario, path, ms in these if (_, scenario, path, ms) not in those]
        if missing:
            print(f"only in the {name} run: {', '.join(missing)}")
    return any(not (one.why_not or other.why_not) for one, other in both.values()) and not any(judge(*pair) for pair in both.values())


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise SystemExit((__doc__ or "").strip())
    default, full = (find_ratios(files.read_directory(Path(directory))) for directory in arguments)
    if not default.keys() & full.keys():
        raise SystemExit("these two runs have no load in common")
    return 0 if show(default, full) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
