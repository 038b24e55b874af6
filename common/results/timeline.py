"""A load second by second: users (or requests due), sent, answered, failed, p50 and p95 of those that ended in it."""

import math
from dataclasses import dataclass

import numpy as np

from common.client import percentiles
from common.client.load import Load
from common.client.outcomes import NOT_FAILURES, NUMBER
from common.client.sent import Column, Sent


@dataclass(frozen=True)
class Span:
    second: int  # it covers the time from this second to the next slice's
    users: int  # arrived by its end
    sent: int
    ok: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    due: int = 0  # in an open loop


def slice_load(sent: Sent, width: int = 1) -> list[Span]:
    """Span the whole load; requests count as sent when they start, and as ok or failed when they end."""
    requests = sent.requests
    failed = ~np.isin(requests.outcome, [NUMBER[name] for name in NOT_FAILURES])
    # a load that is cut off ends a moment after its time: that moment belongs to the last slice
    count = max(1, math.ceil((sent.seconds - 0.05) / width))

    def slice_of(moments: Column) -> Column:
        return np.minimum(moments.astype(np.int64) // (width * 1_000_000), count - 1)

    started_in, ended_in, due_in = slice_of(requests.start), slice_of(requests.end), slice_of(requests.intended)
    slices = []
    for number in range(count):
        here = ended_in == number
        latencies = np.sort(requests.latency_ms[here & requests.ok])
        slices.append(
            Span(
                second=number * width,
                users=users_at(sent.load, min((number + 1) * width, sent.seconds)),
                sent=int((requests.started & (started_in == number)).sum()),
                ok=int((here & requests.ok).sum()),
                failed=int((here & failed).sum()),
                p50_ms=float(percentiles.percentile(latencies, 50)) if len(latencies) else None,
                p95_ms=float(percentiles.percentile(latencies, 95)) if len(latencies) else None,
                due=int((due_in == number).sum()),
            )
        )
    return slices


def users_at(load: Load, second: float) -> int:
    return load.concurrency if load.spawn_rate is None else min(load.concurrency, math.ceil(second * load.spawn_rate))
