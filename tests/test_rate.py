"""Is the rate of a load the one at which its server answers, and is its error as large as it says? On servers that were made up."""

import heapq
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.results.metrics import Metrics
from common.results.rate import measure_rate
from common.results.samples import Sample, least_factor
from tests.made_up import make_measured, make_open, make_requests, make_run, make_sent

TRIALS = 200
Work = Callable[[], float]


def varying(mean: float, variation: float, chance: np.random.Generator) -> Work:
    """Service times: lognormal, so that a few take long."""
    if not variation:
        return lambda: mean
    sigma = math.sqrt(math.log(1 + variation**2))
    return lambda: float(chance.lognormal(math.log(mean) - sigma**2 / 2, sigma))


def exponential(mean: float, chance: np.random.Generator) -> Work:
    return lambda: float(chance.exponential(mean))


def in_turn(users: int, places: int, work: Work, seconds: float = math.inf, requests: int | None = None) -> list[tuple[float, float]]:
    """Start and end of each request to a server that works on so many at once, the others wait."""
    free = [0.0] * places
    coming, spans = [0.0] * users, []
    while coming and (requests is None or len(spans) < requests):
        start = heapq.heappop(coming)
        if start >= seconds:
            break
        end = max(start, heapq.heappop(free)) + work()
        heapq.heappush(free, end)
        heapq.heappush(coming, end)
        spans.append((start, end))
    return spans


def all_at_once(users: int, work: Work, seconds: float) -> list[tuple[float, float]]:
    """Of a server that divides its one core among all that are in flight."""
    clock = progress = 0.0
    going = [(work(), 0.0) for _ in range(users)]
    heapq.heapify(going)
    spans = []
    while clock < seconds:
        done, start = heapq.heappop(going)
        clock, progress = clock + (done - progress) * users, done
        spans.append((start, clock))
        heapq.heappush(going, (progress + work(), clock))
    return spans + [(start, math.inf) for _, start in going]


def send(spans, load: str, seconds: float | None = None):
    """The record of a load that is cut off after so long, or answered whole."""
    end_of_load = seconds or max(end for _, end in spans)
    rows = [
        (start, start, start, min(end, end_of_load), min(end, end_of_load), "ok" if end <= end_of_load else "cut off", 200, 2, 100)
        for start, end in spans
        if start < end_of_load
    ]
    return make_sent(make_requests(rows), load, end_of_load, stopped="cut off" if seconds else "")


def test_a_request_that_hangs_at_the_end_does_not_change_the_rate_of_the_others():
    spans = in_turn(50, 50, lambda: 1.0, requests=300)
    spans[-1] = (5.0, 99.0)
    rate = measure_rate(send(spans, "-n 300 -c 50 -t 14 /", 14))
    assert (rate.too_short, rate.per_second) == ("", pytest.approx(50))
    half_hang = [(start, 99.0 if place >= 150 else end) for place, (start, end) in enumerate(spans)]
    assert measure_rate(send(half_hang, "-n 300 -c 50 -t 14 /", 14)).too_short


def test_the_errors_of_two_single_runs_count_together():
    def sample(spans, load, seconds=None):
        return Sample(make_run("a", made := make_measured(send(spans, load, seconds))), made)

    _, users, simulate = SERVERS["one by one, 25 ms, uneven"]
    one, other = (sample(simulate(np.random.default_rng(seed)), CUT.format(users), 10) for seed in (1, 2))
    errors = [each.load.metrics.rate.error for each in (one, other)]
    assert least_factor([one], [other]) == pytest.approx(1 + math.hypot(*errors))
    assert least_factor([one], [other]) > 1 + max(errors)
    burst = sample(in_turn(10, 10, lambda: 1.0, requests=10), "-n 10 -c 10 /")
    assert least_factor([burst], [burst]) == 1.35


def test_a_straggler_does_not_change_the_rate_of_an_open_loop():
    rows = [(due, 0.0, 0.02, "ok") for due in (place / 50 for place in range(499))]
    sent = make_open([*rows, (9.98, 0.0, 30.0, "read timeout")], 39.98, [(10.0, 50.0)])
    assert measure_rate(sent).per_second == pytest.approx(50, rel=0.01)
    few = make_open([(0.0, 0.0, 0.02, "ok"), (0.5, 0.0, 1.5, "ok")], 2.0, [(1.0, 2.0)])
    assert measure_rate(few).per_second == pytest.approx(1)


CUT, WHOLE = "-c {0} -t 10 /", "-n {1} -c {0} /"
SERVERS = {
    "one by one, 0.7 s": (1 / 0.7, 100, lambda chance: in_turn(100, 1, varying(0.7, 0.1, chance), 10)),
    "one by one, 25 ms": (40, 100, lambda chance: in_turn(100, 1, varying(0.025, 0.3, chance), 10)),
    "one by one, 25 ms, uneven": (40, 100, lambda chance: in_turn(100, 1, varying(0.025, 1, chance), 10)),
    "one by one, few users": (1 / 0.012, 30, lambda chance: in_turn(30, 1, varying(0.012, 0.3, chance), 10)),
    "a single user": (1 / 0.6, 1, lambda chance: in_turn(1, 1, varying(0.6, 0.1, chance), 10)),
    "waves that hardly spread": (100 / 0.6, 100, lambda chance: in_turn(100, 100, varying(0.6, 0.01, chance), 10)),
    "waves that spread": (100 / 0.6, 100, lambda chance: in_turn(100, 100, varying(0.6, 0.05, chance), 10)),
    "waves that are soon mixed": (100 / 0.6, 100, lambda chance: in_turn(100, 100, varying(0.6, 0.2, chance), 10)),
    "four waves": (50 / 2.4, 50, lambda chance: in_turn(50, 50, varying(2.4, 0.02, chance), 10)),
    "two waves": (50 / 4, 50, lambda chance: in_turn(50, 50, varying(4.0, 0.02, chance), 10)),
    "smooth": (100 / 0.6, 100, lambda chance: in_turn(100, 100, exponential(0.6, chance), 10)),
    "smooth, slow": (30 / 2, 30, lambda chance: in_turn(30, 30, exponential(2, chance), 10)),
    "all at once": (100, 30, lambda chance: all_at_once(30, varying(0.01, 0.3, chance), 10)),
    "all at once, uneven": (100, 30, lambda chance: all_at_once(30, varying(0.01, 1, chance), 10)),
    "all at once, in waves": (20, 30, lambda chance: all_at_once(30, varying(0.05, 0.1, chance), 10)),
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_rate_of_a_load_that_is_cut_off_and_its_error(name):
    truth, users, simulate = SERVERS[name]
    chance = np.random.default_rng(1)
    rates = [measure_rate(send(simulate(chance), CUT.format(users), 10)) for _ in range(TRIALS)]
    off = np.array([rate.per_second / truth - 1 for rate in rates])
    covered = np.mean(np.abs(off) <= [rate.error + 1e-9 for rate in rates])
    assert abs(off.mean()) < 0.02
    assert covered >= 0.9


@pytest.mark.parametrize(
    ("truth", "users", "places", "mean", "variation"),
    [(100 / 0.6, 100, 100, 0.6, 0.05), (40, 100, 1, 0.025, 0.3), (10 / 0.6, 50, 10, 0.6, 0.1)],
    ids=["waves", "one by one", "ten at a time"],
)
def test_the_rate_of_a_load_that_is_answered_whole_is_not_that_of_its_end(truth, users, places, mean, variation):
    chance = np.random.default_rng(2)
    spans = [in_turn(users, places, varying(mean, variation, chance), requests=5 * users) for _ in range(TRIALS)]
    for each in spans:
        each[-1] = (each[-1][0], each[-1][1] + 60)  # its last request stalls for a minute
    rates = [measure_rate(send(each, WHOLE.format(users, 5 * users))) for each in spans]
    off = np.array([rate.per_second / truth - 1 for rate in rates])
    assert abs(off.mean()) < 0.02
    assert np.mean(np.abs(off) <= [rate.error + 1e-9 for rate in rates]) >= 0.9


def test_answers_one_after_the_other_are_exact_however_few():
    rate = measure_rate(send(in_turn(10, 1, lambda: 2.0, 10.03), "-c 10 -t 10.03 /", 10.03))
    assert (rate.per_second, rate.answers, rate.too_short) == (0.5, 5, "")
    assert rate.error == pytest.approx(0, abs=1e-9)


def test_one_burst_is_a_piece_of_work():
    rate = measure_rate(send(in_turn(10, 10, lambda: 2.0, requests=10), "-n 10 -c 10 /"))
    assert (rate.per_second, rate.error, rate.too_short) == (5.0, None, "")


TRANSIENT = np.repeat(np.arange(14) * 0.5 + 0.25, [0, 0, 0, 11, 74, 41, 62, 33, 1, 1, 0, 1, 0, 0])  # gthread, answers far away


@pytest.mark.parametrize("users", [30, 100, 200, 500])
def test_what_comes_and_goes_is_no_rate(users):
    spans = [(0.0, float(end)) for end in TRANSIENT] + [(1.0, 99.0)] * users
    assert "only known to within" in measure_rate(send(spans, f"-c {users} -t 7 /", 7)).too_short


def test_a_server_that_hangs_half_way_has_no_rate_that_could_go_on():
    spans = [(place / 100, (place + 10) / 100) for place in range(390)] + [(3.9, 99.0)] * 10
    assert measure_rate(send(spans, "-c 10 -t 8 /", 8)).too_short == "nothing was answered in its last 4.0 s"
    assert not measure_rate(send(spans[:390], "-c 10 -t 4 /", 4)).too_short


@pytest.mark.parametrize(
    ("spans", "users", "because"),
    [
        ([(0, 99)] * 9, 9, "nothing was answered"),
        ([(0, 3), (0, 3.1), (0, 3.2)] + [(0, 99)] * 9, 12, "only 3 answers"),
        ([(0, 5 + place / 100) for place in range(40)] + [(0, 99)] * 60, 100, "only known to within"),  # most are half done
    ],
)
def test_what_is_too_short_to_tell(spans, users, because):
    assert because in measure_rate(send(spans, f"-c {users} -t 10 /", 10)).too_short


def test_a_ramp_counts_when_its_users_have_arrived():
    """Of 60 users, two a second: 1 s each while they arrive; at last all of them wait for a server of 20 a second."""
    ends = np.concatenate([np.arange(60) * 0.5 + 1, 30 + np.arange(1, 601) / 20])
    sent = send([(0.0, float(end)) for end in ends], "--users 60 --spawn-rate 2 -t 60 /", 60)
    metrics = Metrics(sent, least_seconds=1.0)
    assert metrics.rate.seconds == 30
    assert metrics.rate.per_second == pytest.approx(20, rel=0.05)
    assert metrics.in_flight == 60
    assert metrics.of_ideal == pytest.approx(20 / 60, rel=0.05)


def test_a_ramp_without_a_plateau_counts_in_its_second_half():
    sent = send([(0.0, end / 10) for end in range(1, 101)], "--users 100 --spawn-rate 10 -t 10 /", 10)
    metrics = Metrics(sent)
    assert (metrics.rate.seconds, metrics.rate.answers) == (5, 50)
    assert metrics.in_flight == pytest.approx(75)


def test_the_ideal_is_that_of_the_steady_state():
    cut = Metrics(send(in_turn(50, 50, lambda: 2.4, 10), "-c 50 -t 10 /", 10), least_seconds=2.4)
    assert cut.of_ideal == pytest.approx(1, rel=1e-6)
    whole = Metrics(send(in_turn(40, 40, lambda: 1.0, requests=130), "-n 130 -c 40 /"), least_seconds=1.0)
    assert whole.of_ideal == pytest.approx(1, rel=1e-6)
    burst = Metrics(send(in_turn(40, 40, lambda: 1.0, requests=50), "-n 50 -c 40 /"), least_seconds=1.0)
    assert (burst.per_second, burst.of_ideal) == (25, 1)


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9), st.sampled_from(["ok", "reset", "cut off"])), max_size=60),
    st.sampled_from(["-c {} -t 10 /", "-n 60 -c {} /", "--users {} --spawn-rate 3 -t 10 /", "--rate 7 -t 10 -c {} /"]),
    st.integers(1, 60),
    st.sampled_from(["", "cut off"]),
)
def test_whatever_was_answered_there_is_a_rate(answers, line, users, stopped):
    rows = sorted(((start, start, start, start + took, start + took, outcome, 200, 2, 9) for start, took, outcome in answers), key=end_of)
    rate = measure_rate(make_sent(make_requests(rows), line.format(users), 10, stopped))
    assert 0 <= rate.per_second < math.inf
    assert rate.error is None or 0 <= rate.error < math.inf
    assert bool(rate.too_short) >= (rate.answers == 0)


def end_of(row) -> float:
    return row[4]


def test_as_ab_counts_it_is_kept_beside_the_rate():
    spans = in_turn(100, 100, lambda: 0.5, requests=300)
    spans[-1] = (1.0, 60.0)
    metrics = Metrics(send(spans, "-n 300 -c 100 /"))
    assert metrics.mean_per_second == 5
    assert metrics.per_second == pytest.approx(200)
