"""What can be compared, as plain data for tables and pages: the runs of each load that scenarios of a study have in common."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from common.client.selfwatch import doubts
from common.results.bottleneck import limit_of
from common.results.claims import baseline_of
from common.results.intervals import Estimate, estimate, no_difference_shown, ratio
from common.results.metrics import Summary

AGAIN = " (again)"  # the label of an A/A control's second runs
TELLS_IN_ONE_ROUND = 1.2  # less means nothing between single runs
FAILED, CLIENT_BOUND = "it failed", "client-bound"


@dataclass(frozen=True)
class Run:
    label: str
    round: int
    load: dict[str, Any]
    summary: Summary

    @property
    def spoilt(self) -> str:
        """Why its figures are not the server's; '' if they are."""
        if self.load["fault"]:
            return FAILED
        return CLIENT_BOUND if doubts(self.load["client"], self.summary.latency(50))[0] else ""

    @property
    def contaminated(self) -> str:
        return str(self.load["noise"]["contaminated"])


Figure = Callable[[Run], float | None]


def rate(run: Run) -> float:
    return run.summary.per_second


FIGURES: dict[str, Figure] = {
    "req/s": rate,
    "p50 ms": lambda run: run.summary.latency(50),
    "p95 ms": lambda run: run.summary.latency(95),
    "p99 ms": lambda run: run.summary.latency(99),
    "CPU ms/req": lambda run: run.summary.cpu_ms,
    "MB": lambda run: run.summary.peak_mb,
}


@dataclass(frozen=True)
class Row:
    """One scenario under one load, over those of its runs that count."""

    label: str
    runs: Sequence[Run]
    figures: dict[str, Estimate | None]
    failed: int
    cut_off: int
    limit: str
    to_baseline: Estimate | None  # the ratio of its requests per second

    @property
    def one_core(self) -> float | None:
        """The requests per second that a core has CPU time for."""
        cpu = self.figures["CPU ms/req"]
        return 1000 / cpu.middle if cpu and cpu.middle else None

    @property
    def of_ideal(self) -> float | None:
        found = estimate([run.summary.of_ideal for run in self.runs if run.summary.of_ideal is not None])
        return found.middle if found else None


@dataclass(frozen=True)
class Group:
    study: str
    runs: Sequence[Run]

    @property
    def load(self) -> dict[str, Any]:
        """The first of its loads: what was sent is the same for all."""
        return self.runs[0].load

    @property
    def title(self) -> str:
        return f"{self.study} · {self.sent}"

    @property
    def sent(self) -> str:
        """Its load in words, with the ideal, which tells apart loads whose answers may take another least time."""
        added, ideal = self.load["latency_ms"], self.ideal
        return " · ".join(
            [
                self.load["description"],
                *([f"{added} ms added"] if added else []),
                *([f"ideal {ideal:.1f} req/s"] if ideal else []),
            ]
        )

    @property
    def ideal(self) -> float | None:
        return self.runs[0].summary.ideal_per_second

    @cached_property
    def labels(self) -> list[str]:
        """The scenarios, without the controls' second runs."""
        return sorted({run.label for run in self.runs if not run.label.endswith(AGAIN)})

    @cached_property
    def baseline(self) -> str:
        return baseline_of(self.study, self.labels)

    @cached_property
    def one_round(self) -> bool:
        """No interval can be given then, and so a contaminated run stands beside the others."""
        return max(Counter(run.label for run in self.runs).values()) == 1

    def left_out(self, run: Run) -> str:
        """Why it has no part in the comparison; '' if it has."""
        return run.spoilt or ("" if self.one_round else run.contaminated)

    @cached_property
    def kept(self) -> dict[str, list[Run]]:
        kept: dict[str, list[Run]] = {run.label: [] for run in self.runs}
        for run in self.runs:
            if not self.left_out(run):
                kept[run.label].append(run)
        return kept

    @cached_property
    def rows(self) -> list[Row]:
        """Best first."""
        counted = [self.row(label) for label in self.labels if self.kept[label]]
        return sorted(counted, key=lambda row: -middle(row.figures["req/s"]))

    def row(self, label: str) -> Row:
        runs, baseline = self.kept[label], self.kept.get(self.baseline, [])
        return Row(
            label=label,
            runs=runs,
            figures={name: of_runs(figure, runs) for name, figure in FIGURES.items()},
            failed=sum(run.summary.failed for run in runs),
            cut_off=sum(run.summary.cut_off for run in runs),
            limit=most_often(limit_of(run.load, run.summary).by for run in runs),
            to_baseline=None if label == self.baseline else of_rates(runs, baseline),
        )

    @property
    def controls(self) -> list[tuple[str, Estimate | None]]:
        """A/A: one configuration under two labels must show no difference."""
        twice = [label.removesuffix(AGAIN) for label in self.kept if label.endswith(AGAIN)]
        return [(label, of_rates(self.kept[label + AGAIN], self.kept.get(label, []))) for label in twice]

    def differ(self, found: Estimate | None) -> bool:
        """With too few runs for an interval, only what is far apart: farther than two equal runs are."""
        if found is None:
            return True
        if found.low is None:
            return apart(found) >= max([TELLS_IN_ONE_ROUND, *(apart(control) for _, control in self.controls if control)])
        return not no_difference_shown(found)

    @property
    def client_bound(self) -> list[tuple[str, float]]:
        """What such runs show is the least that the server can do."""
        most: dict[str, float] = {}
        for run in self.runs:
            if run.spoilt == CLIENT_BOUND:
                most[run.label] = max(rate(run), most.get(run.label, 0.0))
        return sorted(most.items(), key=lambda item: -item[1])


def groups(results: Iterable[dict[str, Any]]) -> list[Group]:
    found: dict[tuple[Any, ...], list[Run]] = {}
    for result in results:
        for load in result["loads"]:
            key = (result["study"], load["line"], load["latency_ms"], load["least_seconds"])
            found.setdefault(key, []).append(Run(result["label"], result["round"], load, Summary(load)))
    return [Group(study, runs) for (study, *_), runs in found.items()]


def of_runs(figure: Figure, runs: Sequence[Run]) -> Estimate | None:
    return estimate([value for run in runs if (value := figure(run)) is not None])


def of_rates(runs: Sequence[Run], baseline: Sequence[Run]) -> Estimate | None:
    return ratio_of(rate, runs, baseline)


def ratio_of(figure: Figure, runs: Sequence[Run], baseline: Sequence[Run]) -> Estimate | None:
    values, others = ([value for run in part if (value := figure(run)) is not None] for part in (runs, baseline))
    return ratio(values, others)


def apart(found: Estimate) -> float:
    return max(found.middle, 1 / found.middle)


def middle(found: Estimate | None) -> float:
    return found.middle if found else 0.0


def most_often(limits: Iterable[str]) -> str:
    """What limited most of the runs, with their number where it was not all."""
    counts = Counter(limits)
    limit, number = counts.most_common(1)[0]
    return limit if number == counts.total() else f"{limit} ({number} of {counts.total()})"
