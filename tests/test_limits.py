"""What limited a load is said by a stated rule: each of its cases, on made-up figures."""

import pytest
from test_suite import made_up

from common.results.bottleneck import limit_of
from common.results.metrics import Summary


def figures(
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
    fault: str = "",
) -> dict:
    """One second of a load: so many answers, so much CPU."""
    load = made_up("any", ok, busiest=client)["loads"][0]
    load["load"] = {"concurrency": in_flight, "spawn_rate": None, "requests": None}
    load["outcomes"]["non-2xx"] = failed
    load["requests"]["end"] = [moment + 20_000 for moment in load["requests"]["start"]]  # none takes less than 20 ms
    load["server_cost"] = {
        "cpu_seconds": cpu,
        "busiest_process_cpu_seconds": cpu if busiest is None else busiest,
        "peak_memory_bytes": 0,
    }
    load["pinned"] = {"server": list(range(cores[0])), "others": list(range(cores[1]))} if cores else None
    load["client"]["cpu_seconds"] = client_cpu
    return {**load, "least_seconds": least, "cpu_seconds_beside": beside or {}, "fault": fault}


@pytest.mark.parametrize(
    ("load", "by"),
    [
        (figures(client=0.95, cpu=1.0), "client"),
        (figures(ok=90, failed=10), "errors"),
        (figures(ok=96, failed=4, in_flight=500, cpu=1.0), "server CPU"),
        (figures(fault="it ended"), "errors"),
        (figures(ok=48, in_flight=50), "waiting"),
        (figures(ok=48, in_flight=50, cpu=0.95), "waiting"),
        (figures(ok=20, in_flight=50, cpu=0.9), "server CPU"),
        (figures(ok=20, cpu=0.9, cores=None), "server CPU"),
        (figures(ok=20, cpu=1.0, busiest=0.2, cores=(4, 4)), "server concurrency"),  # four cores are not full with one
        (figures(ok=20, cpu=3.6, busiest=0.6, cores=(4, 4)), "server CPU"),
        (figures(ok=20, cpu=0.3, beside={"postgres": 0.8, "relay": 0.1}), "database"),
        (figures(ok=20, cpu=0.3, beside={"postgres": 0.1, "slow_api": 0.8}), "slow_api"),
        (figures(ok=20, cpu=0.3, beside={"postgres": 0.8, "relay": 0.1}, cores=(2, 2)), "server concurrency"),
        (figures(ok=2, in_flight=50, cpu=0.1), "server concurrency"),
        (figures(ok=20, in_flight=50, cpu=0.7), "unknown"),
        # the least time is not declared: the shortest that was seen, 20 ms, stands for it
        (figures(ok=49, in_flight=1, least=None), "waiting"),
        (figures(ok=49, in_flight=50, least=None), "server concurrency"),
        (figures(ok=0), "unknown"),
    ],
)
def test_the_rule(load, by):
    assert limit_of(load, Summary(load)).by == by


def test_it_says_by_how_much():
    limit = limit_of(figures(ok=2), Summary(figures(ok=2)))
    assert limit.because == "about 2.0 of 50 requests were worked on at a time, its CPU 10% busy"


def test_nothing_is_claimed_of_a_server_that_was_not_seen():
    load = {**figures(ok=20, in_flight=50), "server_cost": None}
    assert limit_of(load, Summary(load)).because == "the server's CPU is not known"
