"""Does the simulation give what queueing theory knows in closed form?"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.results.simulation import bounds, poisson_arrivals, simulate, steady

NUMBER = 60_000
NOTHING = np.zeros(NUMBER)


def exponential(mean: float, number: int = NUMBER) -> np.ndarray:
    return np.random.default_rng(7).exponential(mean, number)


def erlang_c(servers: int, offered: float) -> float:
    """The share of requests that queue for one of so many servers."""
    full = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return full / (sum(offered**number / math.factorial(number) for number in range(servers)) + full)


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("work", [exponential(0.01), np.full(NUMBER, 0.01)], ids=["exponential", "constant"])
def test_one_core_shared_evenly(busy, work):
    """The mean of M/G/1 with processor sharing depends on the mean of the work alone."""
    done = simulate(poisson_arrivals(busy / 0.01, NUMBER), work, NOTHING)
    assert steady(done.seconds).mean() == pytest.approx(0.01 / (1 - busy), rel=0.07)


def test_a_wait_adds_to_it_and_is_in_nobodys_way():
    done = simulate(poisson_arrivals(60, NUMBER), np.full(NUMBER, 0.01), np.full(NUMBER, 0.5))
    assert steady(done.seconds).mean() == pytest.approx(0.5 + 0.01 / 0.4, rel=0.05)
    assert done.seconds.min() >= 0.51 - 1e-9
    assert done.queued <= 1  # itself, as it enters


@pytest.mark.parametrize(("workers", "offered"), [(1, 0.7), (4, 3.0), (20, 17.0)])
def test_sync_workers_that_wait_are_erlangs(workers, offered):
    """With hardly any CPU time, as many servers as workers: the mean wait is Erlang's C / (servers - offered)."""
    done = simulate(poisson_arrivals(offered / 0.1, NUMBER), np.full(NUMBER, 1e-9), exponential(0.1), workers)
    expected = 0.1 + erlang_c(workers, offered) * 0.1 / (workers - offered)
    assert steady(done.seconds).mean() == pytest.approx(expected, rel=0.06)
    assert done.inside == workers


def test_several_cores_are_as_many_servers():
    """M/M/2: with processor sharing the number inside, and so the mean, is the same as with a queue."""
    done = simulate(poisson_arrivals(160, NUMBER), exponential(0.01), NOTHING, cores=2)
    assert steady(done.seconds).mean() == pytest.approx(0.01 + erlang_c(2, 1.6) * 0.01 / 0.4, rel=0.06)


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_percentiles_of_a_single_worker(percent):
    """M/M/1 in the order they come: times are exponential, with the mean 1 / (1/work - rate)."""
    done = simulate(poisson_arrivals(70, NUMBER), exponential(0.01), NOTHING, at_a_time=1)
    expected = -math.log(1 - percent / 100) * 0.01 / 0.3
    assert np.percentile(steady(done.seconds), percent) == pytest.approx(expected, rel=0.12)


@given(st.integers(1, 40), st.floats(0.001, 0.02), st.floats(0.0, 0.5), st.booleans())
def test_a_server_kept_full_serves_within_the_bounds(at_a_time, computes, waits, varied):
    """All are there from the start: it is always as full as may be, as in a closed loop."""
    number = 30 * at_a_time
    chance = np.random.default_rng(1)
    waiting = chance.uniform(0, 2 * waits, number) if varied else np.full(number, waits)
    done = simulate(np.zeros(number), np.full(number, computes), waiting, at_a_time)
    least, most = bounds(1, at_a_time, computes, waits, cores=1)
    rate = number / done.seconds.max()
    assert rate <= most * 1.05
    assert rate >= least * (0.8 if varied else 0.95)  # the last wave runs empty


def test_the_bounds_of_several_processes():
    assert bounds(1, 1, 0.001, 0.099, cores=2) == pytest.approx((10, 10))
    assert bounds(2, 10, 0.01, 0.1, cores=2) == pytest.approx((100, 20 / 0.11))
    assert bounds(8, 1, 0.02, 0.0, cores=2) == pytest.approx((100, 100))
    assert bounds(2, 100, 0.01, 0.1, cores=4)[1] == pytest.approx(200)
