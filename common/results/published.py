"""What studies published beside what was measured, which is the median if there are several runs."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from common.results.record import Measured, ScenarioRun
from common.results.timeline import slice_load

MOST_OVER = 10  # seconds that Locust's rate is a mean over; studies publish its highest value


@dataclass(frozen=True)
class PublishedMetric:
    scenario: str
    load: str
    metric: str
    published: float
    measured: float | None
    ratio: str  # of measured to published; '-' if they are not the same load


def compare_published(study: str, runs: Iterable[ScenarioRun]) -> list[PublishedMetric]:
    loads_by_place: dict[tuple[str, str, int], list[Measured]] = {}
    for run in runs:
        for load in run.loads if run.study == study and not run.control else []:
            if load.published and not load.invalid:
                loads_by_place.setdefault((run.scenario, load.sent.path, load.latency_ms), []).append(load)
    rows = []
    for (scenario, path, latency_ms), loads in loads_by_place.items():
        metrics = [known_metrics(load) for load in loads]
        where = f"{path} · {latency_ms} ms added" if latency_ms else path
        for name, published in stated(loads[0]).items():
            known = [value for by_name in metrics if (value := by_name.get(name)) is not None]
            measured = statistics.median(known) if known else None
            rows.append(PublishedMetric(scenario, where, name, published, measured, ratio_to_published(published, measured, loads[0])))
    return rows


def stated(load: Measured) -> dict[str, float]:
    """The published metrics of this load."""
    return {name: value for name, value in load.published.items() if value is not None}


def known_metrics(load: Measured) -> dict[str, float | None]:
    """The metrics that studies publish, by their names in PUBLISHED."""
    metrics = load.metrics
    return {
        "seconds": metrics.seconds,
        "requests/s": metrics.mean_per_second,
        "max requests/s": highest_rate(load),
        "successes": metrics.ok,
        "mean ms": metrics.mean_ms,
        **{f"p{percent} ms": metrics.latency(percent) for percent in (50, 95, 99)},
        "max ms": metrics.latency(100),
        **load.counted_in_log,
    }


def highest_rate(load: Measured) -> float | None:
    """The highest rate that Locust would show, a mean over ten whole seconds of all that ended; None for a shorter load."""
    ended = [part.ok + part.failed for part in slice_load(load.sent)]  # Locust counts failures too
    return max((sum(ended[at : at + MOST_OVER]) / MOST_OVER for at in range(len(ended) - MOST_OVER + 1)), default=None)


def ratio_to_published(published: float, measured: float | None, load: Measured) -> str:
    """The ratio as text, if both are of the same load."""
    return f"{measured / published:.2f}" if measured is not None and published and load.size == "declared" else "-"
