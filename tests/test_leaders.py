"""Do only servers lead that were measured well, and the cheaper one where rates cannot tell?"""

import pytest

from common.results.circumstances import Noise
from common.results.comparison import compare_loads
from common.results.leaders import find_leaders, too_near_to_tell
from common.results.record import ScenarioRun
from tests.made_up import make_cost, make_measured, make_run, make_sent, make_steady

SERVERS = {"threads_8": "threads", "threads_32": "threads", "loop": "loop", "sync": "sync"}


def ran(name: str, per_second: int, cpu_ms: float = 5.0, failed: int = 0, disturbed: str = "") -> ScenarioRun:
    sent = make_sent(make_steady(per_second * 10, 10.0, failed), "-n 1000 -c 8 /", seconds=10.0)
    cost = make_cost(cpu_seconds=per_second * 10 * cpu_ms / 1000)
    return make_run(name, make_measured(sent, cost=cost, noise=Noise(available=True, disturbed=disturbed)))


def leaders(*runs: ScenarioRun) -> list[str]:
    [comparison] = compare_loads(runs)
    return find_leaders(comparison, SERVERS, 2)


def test_the_best_row_of_each_of_the_two_best_servers():
    assert leaders(ran("threads_32", 90), ran("threads_8", 120), ran("loop", 50), ran("sync", 10)) == ["threads_8", "loop"]


def test_where_rates_cannot_tell_the_cheaper_one_leads():
    assert leaders(ran("threads_8", 100, cpu_ms=9), ran("loop", 98, cpu_ms=4), ran("sync", 50, cpu_ms=1)) == ["loop", "threads_8"]


@pytest.mark.parametrize(
    "best",
    [ran("sync", 200, disturbed="other programs used 50% of the cores"), ran("sync", 200, failed=500), ran("another", 200)],
    ids=["disturbed", "failing", "not among those that can lead"],
)
def test_what_cannot_lead(best):
    assert leaders(best, ran("threads_8", 100), ran("loop", 50)) == ["threads_8", "loop"]


def test_there_may_be_fewer():
    assert leaders(ran("threads_8", 100), ran("threads_32", 50)) == ["threads_8"]
    assert leaders(ran("another", 100)) == []


def test_of_those_too_near_to_tell_the_cheapest_of_two_servers():
    near = [ran("threads_8", 100, cpu_ms=7), ran("loop", 98, cpu_ms=9), ran("threads_32", 96, cpu_ms=4), ran("sync", 95, cpu_ms=5)]
    [comparison] = compare_loads(near)
    assert too_near_to_tell(comparison, SERVERS) == ["threads_32", "sync"]
    [of_one_server] = compare_loads([ran("threads_8", 100), ran("threads_32", 98), ran("sync", 50)])
    assert too_near_to_tell(of_one_server, SERVERS) == []
    [clear] = compare_loads([ran("threads_8", 100), ran("loop", 50), ran("sync", 110, disturbed="other programs used 50% of the cores")])
    assert too_near_to_tell(clear, SERVERS) == []
