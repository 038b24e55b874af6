"""What limited a load is said by a stated rule: each of its cases, on made-up numbers."""

import pytest

from common.results.facts import Pinned
from common.results.record import Measured
from tests.made_up import make_client, make_cost, make_measured, make_requests, make_sent


def make_load(
    ok: int = 100,
    failed: int = 0,
    in_flight: int = 50,
    least: float | None = 1.0,
    cpu: float = 0.1,
    busiest: float | None = None,
    client: float = 0.2,
    client_cpu: float = 0.1,
    beside: dict[str, float] | None = None,
    cores: tuple[int, int] | None = (1, 1),
    **more,
) -> Measured:
    """One second of a load: so many answers, so much CPU."""
    starts = [place / 1000 for place in range(ok)]
    rows = [(start, start, start, start + 0.02, start + 0.02, "ok", 200, 2, 100) for start in starts]  # none takes less than 20 ms
    rows += [(0, 0, 0, 0, 0.001, "non-2xx", 500, 2, 100)] * failed
    return make_measured(
        make_sent(make_requests(rows), f"-c {in_flight} -t 1 /", client=make_client(busiest=client, cpu_seconds=client_cpu)),
        **{
            "least_seconds": least,
            "cost": make_cost(cpu, busiest=busiest),
            "pinned": Pinned(list(range(cores[0])), list(range(cores[1]))) if cores else None,
            "cpu_seconds_beside": beside or {},
            **more,
        },
    )


@pytest.mark.parametrize(
    ("load", "by"),
    [
        (make_load(client=0.95, cpu=1.0), "client"),
        (make_load(ok=90, failed=10), "errors"),
        (make_load(ok=96, failed=4, in_flight=500, cpu=1.0), "server CPU"),
        (make_load(fault="it ended"), "errors"),
        (make_load(ok=48, in_flight=50), "waiting"),
        (make_load(ok=48, in_flight=50, cpu=0.95), "waiting"),
        (make_load(ok=20, in_flight=50, cpu=0.9), "server CPU"),
        (make_load(ok=20, cpu=0.9, cores=None), "server CPU"),
        (make_load(ok=20, cpu=1.0, busiest=0.2, cores=(4, 4)), "server concurrency"),  # four cores are not full with one
        (make_load(ok=20, cpu=3.6, busiest=0.6, cores=(4, 4)), "server CPU"),
        (make_load(ok=20, cpu=0.3, beside={"postgres": 0.8, "relay": 0.1}), "database"),
        (make_load(ok=20, cpu=0.3, beside={"postgres": 0.1, "slow_api": 0.8}), "slow_api"),
        (make_load(ok=20, cpu=0.3, beside={"postgres": 0.8, "relay": 0.1}, cores=(2, 2)), "server concurrency"),
        (make_load(ok=2, in_flight=50, cpu=0.1), "server concurrency"),
        (make_load(ok=20, in_flight=50, cpu=0.7), "unknown"),
        # the least time is not declared: the shortest that was seen, 20 ms, stands for it
        (make_load(ok=49, in_flight=1, least=None), "waiting"),
        (make_load(ok=49, in_flight=50, least=None), "server concurrency"),
        (make_load(ok=0), "unknown"),
    ],
)
def test_the_rule(load, by):
    assert load.bottleneck.by == by


def test_it_says_by_how_much():
    assert make_load(ok=2).bottleneck.because == "about 2.0 of 50 requests were worked on at a time, its CPU 10% busy"


def test_nothing_is_claimed_of_a_server_that_was_not_seen():
    assert make_load(ok=20, in_flight=50, cost=None).bottleneck.because == "the server's CPU is not known"
