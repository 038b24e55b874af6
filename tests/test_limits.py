"""What limited a load is said by a stated rule: each of its cases, on made-up numbers."""

from dataclasses import replace

import pytest

from common.results.bottleneck import bounds, doubts_of_client, doubts_of_ideal
from common.results.circumstances import Noise, Pinned, WarmUp
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
    starts = [place / (ok + 1) for place in range(ok)]
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


SHARED = Pinned([0, 1], [0, 1], shared=True)


def foreign(share: float) -> Noise:
    return Noise(available=True, foreign_on_server_cores=share, foreign_programs={"chromium": 0.7})


@pytest.mark.parametrize(
    ("load", "by"),
    [
        (make_load(client=0.95, cpu=1.0), "client"),
        (make_load(ok=90, failed=10), "errors"),
        (make_load(ok=96, failed=4, in_flight=500, cpu=1.0), "server CPU"),
        (make_load(fault="it ended"), "errors"),
        (make_load(ok=48, in_flight=50), "waiting"),
        (make_load(ok=48, in_flight=50, cpu=0.95), "server CPU"),  # more in flight would not be served
        (make_load(ok=48, in_flight=50, beside={"postgres": 0.9}), "database"),  # nor here
        (make_load(ok=20, in_flight=50, cpu=0.9), "server CPU"),
        (make_load(ok=20, cpu=0.9, cores=None), "server CPU"),
        (make_load(ok=20, cpu=1.0, busiest=0.2, cores=(4, 4)), "server concurrency"),  # four cores are not full with one
        (make_load(ok=20, cpu=3.6, busiest=0.6, cores=(4, 4)), "server CPU"),
        (make_load(ok=20, cpu=0.3, beside={"postgres": 0.8, "relay": 0.1}), "database"),
        (make_load(ok=20, cpu=0.3, beside={"postgres": 0.1, "slow_api": 0.8}), "slow_api"),
        (make_load(ok=20, cpu=0.3, beside={"postgres": 0.8, "relay": 0.1}, cores=(2, 2)), "server concurrency"),
        (make_load(ok=2, in_flight=50, cpu=0.1), "server concurrency"),
        (make_load(ok=20, in_flight=50, cpu=0.7), "CPU and waits"),
        (make_load(ok=10, in_flight=50, cpu=0.7), "unknown"),
        (make_load(ok=10, in_flight=50, cpu=0.7, noise=foreign(0.14)), "unknown"),
        (make_load(ok=10, in_flight=50, cpu=0.7, noise=foreign(0.16)), "other programs"),
        (make_load(ok=20, cpu=0.9, noise=foreign(0.16)), "server CPU"),  # which is ours
        (make_load(ok=2, in_flight=50, cpu=0.3, noise=foreign(0.7)), "other programs"),  # its core was theirs, not idle
        (make_load(ok=2, in_flight=50, cpu=0.01, noise=foreign(0.7)), "server concurrency"),  # it had no use for its core
        # idle, and more than half of what was in flight was worked on: more threads would bring little
        (make_load(ok=35, in_flight=50, cpu=0.3), "CPU and waits"),
        # the least time is not declared: the shortest that was seen, 20 ms, may have waited for others
        (make_load(ok=49, in_flight=1, least=None), "unknown"),
        (make_load(ok=49, in_flight=50, least=None), "server concurrency"),  # even so, few were worked on
        (make_load(ok=49, in_flight=1, least=None, warm_up=WarmUp({}, 0.1, alone_ms=19.5)), "waiting"),  # that of a request alone is known
        (make_load(ok=49, in_flight=1, least=None, warm_up=WarmUp({}, 0.1, alone_ms=15.0)), "unknown"),
        (make_load(ok=0), "unknown"),
        # all share all cores
        (make_load(ok=20, in_flight=50, cpu=1.5, busiest=0.8, beside={"postgres": 0.3}, pinned=SHARED), "server CPU"),
        (make_load(ok=20, in_flight=50, cpu=0.4, busiest=0.2, beside={"postgres": 1.4}, pinned=SHARED), "database"),
        # a load generator that is not at its limit names nothing
        (make_load(ok=20, cpu=0.3, client_cpu=0.55, beside={"nginx": 0.33}), "nginx"),
        (make_load(ok=2, in_flight=50, client_cpu=0.88), "server concurrency"),
        (make_load(ok=20, cpu=0.7, client_cpu=0.87, beside={"postgres": 0.01}), "CPU and waits"),
        # few ticks tell nothing
        (make_load(ok=20, in_flight=50, cost=replace(make_cost(0.9), cpu_known=False)), "unknown"),
    ],
)
def test_the_rule(load, by):
    assert load.bottleneck.by == by


def test_a_core_is_as_busy_as_while_the_load_was_steady():
    """A second of answers, then one of nothing but the last of them: in the first the core was full."""
    rows = [(start, start, start, start + 0.1, start + 0.1, "ok", 200, 2, 100) for start in (place / 100 for place in range(90))]
    rows += [(0.99, 0.99, 0.99, 2.0, 2.0, "ok", 200, 2, 100)] * 10
    sent = make_sent(make_requests(rows), "-n 100 -c 10 /", 2.0)
    load = make_measured(sent, cost=make_cost(1.0), pinned=Pinned([0], [1]))
    assert load.bottleneck.by == "server CPU"


def test_it_says_by_how_much():
    assert make_load(ok=2).bottleneck.because == "about 2.0 of 50 requests were worked on at a time, its CPU 10% busy"


def test_what_ended_is_the_reason():
    assert make_load(ok=20, fault="nginx ended with exit code 1\n    its log").bottleneck.because == "nginx ended with exit code 1"


def test_what_was_nearest_to_full_stands_in_the_place_of_unknown():
    assert make_load(ok=10, in_flight=50, cpu=0.7).bottleneck.text == "server CPU 70%"
    assert make_load(ok=10, in_flight=50, cpu=0.6, beside={"slow_api": 0.7}).bottleneck.text == "slow_api 70%"
    assert make_load(ok=40, in_flight=50, cpu=0.6, busiest=0.01).bottleneck.text == "waiting 80%"
    assert make_load(ok=10, in_flight=50, cpu=0.7, noise=foreign(0.2)).bottleneck.text == "other programs 20%"
    assert make_load(ok=20, cpu=0.9).bottleneck.text == "server CPU"


# docs/slow-api.md: in flight, CPU ms of a request, requests a second; each answer waits 0.6 s at the least
RECORDED = [
    *[(100, 23.75, 37.1), (100, 23.37, 39.3), (100, 20.22, 40.8), (100, 23.83, 35.5), (100, 1.33, 153.5), (100, 1.67, 149.5)],
    *[(100, 2.83, 139.5), (100, 4.03, 126.2), (100, 1.40, 149.2), (100, 22.37, 40.8), (30, 21.2, 25.5), (30, 21.9, 24.5)],
]


@pytest.mark.parametrize(("in_flight", "cpu_ms", "measured"), RECORDED)
def test_what_was_recorded_lies_within_the_bounds(in_flight, cpu_ms, measured):
    ok = round(measured * 10)
    load = make_load(ok=ok, in_flight=in_flight, least=0.6, cpu=ok * cpu_ms / 1000)
    low, high = bounds(load.metrics)
    assert low <= measured <= high
    assert low == pytest.approx(in_flight / (in_flight * cpu_ms / 1000 + 0.6))
    assert high == pytest.approx(min(in_flight / (cpu_ms / 1000 + 0.6), 1000 / cpu_ms))


def test_bounds_need_all_that_they_are_made_of():
    assert bounds(make_load(ok=20, least=None).metrics) is None
    assert bounds(make_load(ok=20, cost=None).metrics) is None
    assert bounds(make_load(ok=0).metrics) is None
    assert bounds(make_load(ok=20, failed=3).metrics) is None
    two = make_load(ok=20, in_flight=50, cpu=1.0, busiest=0.5)  # they compute beside each other
    assert bounds(two.metrics) == pytest.approx((50 / (50 * 0.025 + 1), 40.0))


def test_more_than_the_ideal_is_a_wrong_least_time():
    assert doubts_of_ideal(make_load(ok=51, in_flight=50).metrics) == []
    assert doubts_of_ideal(make_load(ok=70, in_flight=50, least=None).metrics) == []
    [doubt] = doubts_of_ideal(make_load(ok=70, in_flight=50).metrics)
    assert "LEAST_SECONDS says 1 s, but an answer took 0.020 s" in doubt


def test_a_client_that_waits_for_its_core_is_late():
    sent = make_load(ok=20).sent
    late = replace(sent, client=replace(sent.client, waited_share=0.2, busiest_second_waited_share=0.5))
    assert not make_measured(sent).client_was_late
    assert make_measured(late).client_was_late
    assert make_measured(replace(sent, client=replace(sent.client, loop_lag_p99_ms=2.1))).client_was_late  # of 20 ms
    assert "waited for a core 20% of its time, 50% in its worst second" in doubts_of_client(late.client, 20.0)[0]


def test_nothing_is_claimed_of_a_server_that_was_not_seen():
    assert make_load(ok=20, in_flight=50, cost=None).bottleneck.because == "the server's CPU is not known"
