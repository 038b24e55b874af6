"""Before a load, a reader's own project is asked until its times settle: when is that, and how long is it waited for?"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from common.client.options import parse_line
from common.client.progress import silent
from common.client.sent import Sent
from common.running import measure
from tests.made_up import make_answers, make_sent


def burst(median_ms: float, seconds: float = 0.1, failed: int = 0) -> Sent:
    return make_sent(make_answers([median_ms] * 10, failed), seconds=seconds)


@pytest.fixture
def sent_of(monkeypatch):
    """How many of these bursts are sent, each of which takes its seconds, after a first one."""

    def count(first: Sent, *bursts: Sent) -> int:
        now, left = 0.0, list(bursts)

        def send_next(*_) -> Sent:
            nonlocal now
            now += left[0].seconds
            return left.pop(0)

        monkeypatch.setattr(measure, "send_load", send_next)
        monkeypatch.setattr(measure, "time", SimpleNamespace(monotonic=lambda: now))
        site = SimpleNamespace(scenario=SimpleNamespace(warm_up=10), check=lambda: None)
        return len(list(measure.settle(site, parse_line("-c 10 -t 1 -k /"), first, Path(), silent)))

    return count


def test_two_bursts_that_take_about_as_long_are_the_last(sent_of):
    assert sent_of(burst(900), burst(100), burst(50), burst(45), burst(45)) == 3


def test_a_burst_that_fails_is_the_last(sent_of):
    assert sent_of(burst(900), burst(100), burst(50, failed=1), burst(20), burst(20)) == 2


def test_what_does_not_settle_is_asked_as_long_as_there_is_time_for_one_more(sent_of):
    """Of 0.6 s each, four fit into two and a half; none that takes longer begins."""
    assert sent_of(burst(900, seconds=0.6), *[burst(median, seconds=0.6) for median in (100, 50) * 5]) == 4
    assert sent_of(burst(900, seconds=3.0), burst(100)) == 0
