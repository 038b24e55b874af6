"""What studies published beside what was measured: the median where there are several runs."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from common.results.record import Measured, ScenarioRun
from common.results.timeline import slice_load

RATES = ("requests/s", "max requests/s")  # which a load that was cut short may still show


@dataclass(frozen=True)
class PublishedMetric:
    scenario: str
    load: str
    metric: str
    published: float
    measured: float | None
    ratio: str  # of measured to published; '-' where they are not of the same thing


def compare_published(study: str, runs: Iterable[ScenarioRun]) -> list[PublishedMetric]:
    loads_by_place: dict[tuple[str, str, int], list[Measured]] = {}
    for run in runs:
        for load in run.loads if run.study == study else []:
            if load.published:
                loads_by_place.setdefault((run.scenario, load.sent.path, load.latency_ms), []).append(load)
    rows = []
    for (scenario, path, latency_ms), loads in loads_by_place.items():
        metrics = [known_metrics(load) for load in loads]
        where = f"{path} · {latency_ms} ms added" if latency_ms else path
        for name, published in stated(loads[0]).items():
            known = [value for by_name in metrics if (value := by_name.get(name)) is not None]
            measured = statistics.median(known) if known else None
            rows.append(
                PublishedMetric(scenario, where, name, published, measured, ratio_to_published(name, published, measured, loads[0]))
            )
    return rows


def stated(load: Measured) -> dict[str, float]:
    """What was published for it."""
    return {name: value for name, value in load.published.items() if value is not None}


def known_metrics(load: Measured) -> dict[str, float | None]:
    """What studies publish, by the names that scenarios use in PUBLISHED."""
    metrics = load.metrics
    return {
        "seconds": metrics.seconds,
        "requests/s": metrics.per_second,
        "max requests/s": max((part.ok for part in slice_load(load.sent)), default=0),
        "successes": metrics.ok,
        "mean ms": metrics.mean_ms,
        **{f"p{percent} ms": metrics.latency(percent) for percent in (50, 95, 99)},
        "max ms": metrics.latency(100),
        **load.counted_in_log,
    }


def ratio_to_published(name: str, published: float, measured: float | None, load: Measured) -> str:
    """Where they are of the same thing."""
    comparable = load.size == "declared" or name in (*RATES, *load.counted_in_log)
    return f"{measured / published:.2f}" if measured is not None and published and comparable else "-"
