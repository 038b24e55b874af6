"""What studies published beside what was measured, as plain data: the median where there are several runs."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from common.results import timeline
from common.results.metrics import Summary

RATES = ("requests/s", "max requests/s")  # which a load that was cut short may still show


@dataclass(frozen=True)
class Row:
    scenario: str
    load: str
    figure: str
    published: float
    measured: float | None
    ratio: str  # of measured to published; '-' where they are not of the same thing


def published_rows(study: str, results: Iterable[dict[str, Any]]) -> list[Row]:
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for result in results:
        for load in result["loads"] if result["study"] == study else []:
            if load["published"]:
                groups.setdefault((result["scenario"], load["path"], load["latency_ms"]), []).append(load)
    rows = []
    for (name, path, latency_ms), loads in groups.items():
        figures = [measured(load, Summary(load)) for load in loads]
        where = f"{path} · {latency_ms} ms added" if latency_ms else path
        for figure, published in loads[0]["published"].items():
            known = [value for here in figures if (value := here.get(figure)) is not None]
            found = statistics.median(known) if known else None
            rows.append(Row(name, where, figure, published, found, ratio_to(figure, published, found, loads[0])))
    return rows


def measured(load: dict[str, Any], summary: Summary) -> dict[str, float | None]:
    """What studies publish, by the names that scenarios use in PUBLISHED."""
    return {
        "seconds": summary.seconds,
        "requests/s": summary.per_second,
        "max requests/s": max((part.ok for part in timeline.slices(load)), default=0),
        "successes": summary.ok,
        "mean ms": float(summary.total.mean()) if summary.ok else None,
        **{f"p{percent} ms": summary.latency(percent) for percent in (50, 95, 99)},
        "max ms": summary.latency(100),
        **load.get("counted_in_log", {}),
    }


def ratio_to(name: str, published: float, found: float | None, load: dict[str, Any]) -> str:
    """Of measured to published, where they are of the same thing."""
    comparable = load["size"] == "declared" or name in (*RATES, *load["counted_in_log"])
    return f"{found / published:.2f}" if found is not None and published and comparable else "-"
