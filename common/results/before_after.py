"""What got better or worse from one directory of results to another, load by load, and what else differs between them."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from common.results.bottleneck import MANY_FAILED
from common.results.comparison import LoadComparison, compare_loads
from common.results.intervals import FEWEST_RUNS, AtMost, Estimate, Over, Value, no_difference_shown, number_of, ratio
from common.results.record import FAILED, ScenarioRun
from common.results.rows import DISTURBED, Row
from common.results.samples import METRICS, Sample, known_values, share_that_failed
from common.results.words import TOO_SHORT, write_no_difference, write_tolerance

MORE_IS_BETTER = {"req/s": True, "p99 ms": False, "CPU ms/req": False}
WORSE, BETTER = "worse", "better"
FEW_RUNS = f"too few runs to say (at least {FEWEST_RUNS})"
MORE_FAIL = 0.01  # of the requests that ended: failing by this much more than in any run before is worse
SLOWDOWN_MATTERS = 0.03  # in the time of the fixed piece of work
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


def count_runs(runs: Iterable[ScenarioRun]) -> Side:
    """What tables count of each scenario's loads."""
    return {
        (scenario, comparison.load.identity, comparison.load.latency_ms): Counted(comparison, scenario)
        for comparison in compare_loads(runs)
        for scenario in comparison.scenarios
    }


def gone(before: Counted) -> Change:
    return Change(before.name, "", {}, {"missing afterwards": WORSE}, "")


def compare(before: Counted, after: Counted, confidence: float, tolerance: float) -> Change:
    rows = [before.row, after.row]
    marks = "".join(dict.fromkeys(mark for row in rows if row for mark in row.marks))
    own, their = (counted.calibration_ms for counted in (after, before))
    if own and their and abs(own / their - 1) > SLOWDOWN_MATTERS and DISTURBED not in marks:
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
        if not old.too_short and most_per_second(new.samples) < (1 - tolerance) * least_per_second(old.samples):
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


def least_per_second(samples: Iterable[Sample]) -> float:
    """Over the whole load, its beginning and a ramp's arrivals too."""
    return min(sample.load.metrics.mean_per_second for sample in samples)


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
    return f"differs, but not shown to exceed {write_tolerance(tolerance)}"


def slowdown(before: Sequence[Counted], after: Sequence[Counted]) -> float | None:
    """How many times as long the fixed piece of work took afterwards; None if it is not known."""
    old, new = ([found for one in side if (found := one.calibration_ms)] for side in (before, after))
    return statistics.median(new) / statistics.median(old) if old and new else None


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
