"""A load second by second: users (or what was due), sent, answered, failed, p50 and p95 of what ended in it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.client import percentiles
from common.client.outcomes import NOT_FAILURES, NUMBER, OK
from common.results.metrics import is_open

LINES = 30  # of a printed timeline; more seconds than that are taken together


@dataclass(frozen=True)
class Slice:
    second: int  # it covers what lies between this second and the next slice's
    users: int  # arrived by its end
    sent: int
    ok: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    due: int = 0  # of an open loop


def slices(load: dict[str, Any], width: int = 1) -> list[Slice]:
    """The whole load; requests count as sent when they started and as ok or failed when they ended."""
    rows = {name: np.asarray(load["requests"][name]) for name in ("start", "end", "outcome")}
    due = np.asarray(load["requests"].get("due", rows["start"]))
    sent = rows["outcome"] != NUMBER["unsent"]
    latency_ms = (rows["end"].astype(np.int64) - due.astype(np.int64)) / 1000
    ok = rows["outcome"] == OK
    bad = ~np.isin(rows["outcome"], [NUMBER[name] for name in NOT_FAILURES])
    # a load that is cut off ends a moment after its time: that moment belongs to the last slice
    count = max(1, math.ceil((load["seconds"] - 0.05) / width))
    started_in, ended_in, due_in = (
        np.minimum(moments.astype(np.int64) // (width * 1_000_000), count - 1) for moments in (rows["start"], rows["end"], due)
    )
    found = []
    for number in range(count):
        here = ended_in == number
        latencies = np.sort(latency_ms[here & ok])
        found.append(
            Slice(
                second=number * width,
                users=users_at(load, min((number + 1) * width, load["seconds"])),
                sent=int((sent & (started_in == number)).sum()),
                ok=int((here & ok).sum()),
                failed=int((here & bad).sum()),
                p50_ms=float(percentiles.percentile(latencies, 50)) if len(latencies) else None,
                p95_ms=float(percentiles.percentile(latencies, 95)) if len(latencies) else None,
                due=int((due_in == number).sum()),
            )
        )
    return found


def users_at(load: dict[str, Any], second: float) -> int:
    users, rate = load["load"]["concurrency"], load["load"]["spawn_rate"]
    return int(users if rate is None else min(users, math.ceil(second * rate)))


def lines(load: dict[str, Any]) -> list[str]:
    width = math.ceil(load["seconds"] / LINES)
    first = "due" if is_open(load) else "users"
    head = ("second", first, "sent", "ok", "failed", "p50 ms", "p95 ms")
    text = ["Timeline" + (f" (each line {width} s)" if width > 1 else ""), "".join(f"{word:>10}" for word in head)]
    for part in slices(load, width):
        p50, p95 = ("-" if value is None else f"{value:.1f}" for value in (part.p50_ms, part.p95_ms))
        cells = (part.second, getattr(part, first), part.sent, part.ok, part.failed, p50, p95)
        text.append("".join(f"{cell:>10}" for cell in cells))
    return text
