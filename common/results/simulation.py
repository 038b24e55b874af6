"""Simulates a server under an open load: requests that compute, wait and compute again, with a cap on how many are inside.

All that compute share the cores evenly (processor sharing); what waits is in nobody's way; what finds the server full
queues in the order it came. A process with threads, greenlets or a loop is such a server with one core; sync workers together
are one with as many inside as there are workers, on all cores.
"""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

import numpy as np

from common.client.sent import Column

REQUESTS = 12_000
BEGINNING = 0.1  # of the requests: they find an idle server and do not count
SEED = 1


@dataclass(frozen=True)
class Simulated:
    seconds: Column  # the response time of each request, in the order they came
    inside: int  # the most at once
    queued: int  # the most at once that found it full


def poisson_arrivals(rate: float, number: int = REQUESTS) -> Column:
    return np.cumsum(np.random.default_rng(SEED).exponential(1 / rate, number))


def resample(values: Column, number: int = REQUESTS) -> Column:
    return np.random.default_rng(SEED + 1).choice(values, number)


def steady(seconds: Column) -> Column:
    return seconds[int(BEGINNING * len(seconds)) :]


def simulate(arrivals: Column, computing: Column, waiting: Column, at_a_time: int | None = None, cores: int = 1) -> Simulated:
    """Of each request: when it comes, how long it computes in all, half before its wait and half after, and how long it waits.

    `done` counts the CPU seconds that each computing request has had since the start, so that one heap holds the ends of all.
    """
    cap, total = at_a_time or len(arrivals), len(arrivals)
    comes, halves, waits = arrivals.tolist(), (computing / 2).tolist(), waiting.tolist()
    ended = [0.0] * total
    queue: deque[int] = deque()
    at_work: list[tuple[float, int, bool]] = []  # when `done` will end it, the request, whether it has waited
    at_rest: list[tuple[float, int]] = []
    now = done = 0.0
    came = inside = most_inside = most_queued = 0
    while came < total or inside:
        share = min(1.0, cores / len(at_work)) if at_work else 1.0
        next_work = now + (at_work[0][0] - done) / share if at_work else inf
        next_rest = at_rest[0][0] if at_rest else inf
        next_come = comes[came] if came < total else inf
        then = min(next_work, next_rest, next_come)
        done += (then - now) * share
        now = then
        if then == next_work:
            _, request, has_waited = heappop(at_work)
            if not has_waited:
                heappush(at_rest, (now + waits[request], request))
                continue
            ended[request] = now
            inside -= 1
        elif then == next_rest:
            _, request = heappop(at_rest)
            heappush(at_work, (done + halves[request], request, True))
            continue
        else:
            queue.append(came)
            came += 1
        while queue and inside < cap:
            request = queue.popleft()
            heappush(at_work, (done + halves[request], request, False))
            inside += 1
        most_inside, most_queued = max(most_inside, inside), max(most_queued, len(queue))
    return Simulated(np.array(ended) - arrivals, most_inside, most_queued)


def bounds(processes: int, at_a_time: float, computes: float, waits: float, cores: int) -> tuple[float, float]:
    """The rates that processes can serve with so many inside each: all in step at the least, never in each other's way at the most."""
    apart = min(processes, cores)
    least = processes * at_a_time / (at_a_time * computes * processes / apart + waits)
    return least, min(processes * at_a_time / (computes + waits), apart / computes)
