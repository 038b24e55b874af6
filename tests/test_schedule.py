"""Is every request of an open loop due when its stages say?"""

import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cli import UsageError
from common.client import schedule
from common.client.options import parse_line

STAGES = st.lists(st.tuples(st.floats(0.05, 20), st.floats(0.05, 200)), min_size=1, max_size=5).map(tuple)


@given(STAGES)
def test_every_stage_has_its_own(stages):
    times = list(schedule.due_times(stages))
    assert len(times) == schedule.count(stages)
    assert times[0] == 0
    assert all(earlier <= later for earlier, later in pairwise(times))
    begin, rest = 0.0, times
    for seconds, rate in stages:
        mine, rest = rest[: schedule.due_in(seconds, rate)], rest[schedule.due_in(seconds, rate) :]
        assert abs(len(mine) - max(1, seconds * rate)) <= 1
        assert mine[0] == begin
        assert mine[-1] < begin + seconds + 1e-6
        assert all(later - earlier == pytest.approx(1 / rate) for earlier, later in pairwise(mine))
        begin += seconds
    assert rest == []


@given(STAGES)
def test_random_moments_lie_in_the_stages_that_they_belong_to(stages):
    times = list(schedule.due_times(stages, poisson=True))
    assert times == list(schedule.due_times(stages, poisson=True))
    assert times == sorted(times)
    ends = [schedule.length(stages[: place + 1]) for place in range(len(stages))]
    counts = [schedule.count(stages[: place + 1]) for place in range(len(stages))]
    assert all(times[count - 1] <= end * (1 + 1e-9) for end, count in zip(ends, counts, strict=True))
    assert len(times) == counts[-1]


def test_random_moments_are_those_of_a_poisson_process():
    """The gaps between them spread as widely as they are long."""
    times = list(schedule.due_times(((100.0, 50.0),), poisson=True))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(1 / 50, rel=0.02)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.05)


@given(STAGES)
def test_words_say_the_same_stages(stages):
    assert schedule.parse(schedule.words(stages)) == stages


@given(STAGES, st.floats(0.5, 20))
def test_what_is_cut_off_keeps_the_rates_and_moments_that_it_had(stages, seconds):
    cut = schedule.until(stages, seconds)
    assert schedule.length(cut) == pytest.approx(min(seconds, schedule.length(stages)))
    assert [rate for _, rate in cut] == [rate for _, rate in stages][: len(cut)]
    due = [moment for moment in schedule.due_times(stages) if moment < seconds - 1e-6]
    assert list(schedule.due_times(cut))[: len(due)] == due


def test_sums_of_fractions_are_whole():
    assert schedule.due_in(0.1, 30) == 3  # 3.0000000000000004
    assert schedule.count(((10.0, 50.0), (60.0, 200.0))) == 12_500
    assert schedule.parse("10s@50, 1m@200") == ((10.0, 50.0), (60.0, 200.0))


@pytest.mark.parametrize(
    "text", ["", "10s", "10@50", "@50", "s@50", "10s@", "10s@x", "0s@5", "5s@0", "-1s@5", "infs@5", "1e16s@5", "10s@nan", "1s@5,", "1h@5"]
)
def test_what_are_no_stages_is_refused(text):
    with pytest.raises(UsageError, match="are not stages"):
        parse_line(f"--stages='{text}' /")
