"""Are the metrics right, on records that were made up?"""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.client import percentiles
from common.client.load import Load
from common.client.outcomes import OUTCOMES
from common.client.sent import Sent
from common.report import ab
from common.results import files
from common.results.intervals import Over
from common.results.metrics import Metrics
from common.results.record import ScenarioRun
from common.results.timeline import slice_load
from tests.made_up import make_cost, make_measured, make_requests, make_run, make_sent, make_steady


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=300),
    st.one_of(st.integers(0, 100), st.sampled_from([0.1, 2.5, 33.3, 99.9])),
)
def test_a_percentile_is_the_inverted_cdf(values, percent):
    ordered = sorted(values)
    assert percentiles.percentile(ordered, percent) == np.percentile(ordered, percent, method="inverted_cdf")


@given(st.integers(1, 2000), st.integers(0, 100))
def test_beyond_counts_what_lies_above(total, percent):
    ordered = range(total)
    at = percentiles.percentile(ordered, percent)
    assert percentiles.beyond(total, percent) == sum(value > at for value in ordered)


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], -1), ([1], 101)])
def test_no_percentile_of_nothing_and_none_beyond_100(values, percent):
    with pytest.raises(ValueError, match=r"no values|not a percentage"):
        percentiles.percentile(values, percent)


ROWS = [  # start, connected, sent, first byte, end in seconds; outcome, status, body, received
    (0.0, 0.01, 0.02, 0.10, 0.20, "ok", 200, 10, 100),
    (0.0, 0.02, 0.03, 0.20, 0.40, "ok", 200, 12, 102),
    (0.2, 0.20, 0.21, 0.50, 0.90, "non-2xx", 500, 5, 50),
    (0.4, 0.40, 0.41, 1.00, 1.20, "ok", 200, 10, 100),
    (0.9, 1.90, 1.90, 0.00, 1.90, "refused", 0, 0, 0),
    (1.2, 1.20, 1.21, 0.00, 2.03, "cut off", 0, 0, 0),
]


def sent(rows, lasted, **load) -> Sent:
    load = Load(target="/", **{"requests": None, "concurrency": 2, "keep_alive": True, **load})
    return make_sent(make_requests(rows), load, lasted)


def test_the_metrics_of_a_load():
    metrics = Metrics(sent(ROWS, 2.03))
    assert (metrics.started, metrics.ok, metrics.failed, metrics.cut_off, metrics.complete) == (6, 3, 2, 1, 5)
    assert metrics.mean_per_second == pytest.approx(3 / 2.03)
    assert metrics.latencies.tolist() == [200.0, 400.0, 800.0]
    assert metrics.connecting.tolist() == [0.0, 10.0, 20.0]
    assert metrics.processing.tolist() == [190.0, 380.0, 800.0]
    assert metrics.waiting.tolist() == [80.0, 170.0, 590.0]
    assert metrics.lengths == (10, 10, 12)
    assert (metrics.body_bytes, metrics.received_bytes) == (37, 352)
    assert metrics.send_skew_ms == pytest.approx(10.0)
    assert metrics.latency(50) == 400.0
    text = ab.text(sent(ROWS, 2.03))
    assert "3 requests on a reused one" in text
    assert "(Connect: 1, Receive: 0, Length: 0, Exceptions: 1)" in text


def test_a_load_of_failures_has_no_times():
    failed = sent(ROWS[4:5], 1.0)
    metrics = Metrics(failed)
    assert (metrics.ok, metrics.failed, metrics.latency(99)) == (0, 1, None)
    assert "No request was answered correctly" in ab.text(failed)


def test_a_load_of_nothing():
    nothing = sent([], 0.5)
    assert Metrics(nothing).started == 0
    assert "none (of 0 sent)" in ab.text(nothing)
    assert [(part.sent, part.ok, part.failed) for part in slice_load(nothing)] == [(0, 0, 0)]


def test_the_timeline_second_by_second():
    parts = slice_load(sent(ROWS, 2.03))
    assert [(part.second, part.sent, part.ok, part.failed, part.p50_ms, part.p95_ms) for part in parts] == [
        (0, 5, 2, 1, 200.0, 400.0),
        (1, 1, 1, 1, 800.0, 800.0),
    ]


def test_the_users_of_a_ramp():
    parts = slice_load(sent(ROWS, 4.0, concurrency=5, seconds=4.0, spawn_rate=2.0))
    assert [part.users for part in parts] == [2, 4, 5, 5]


MOMENTS = st.tuples(st.floats(0, 50), st.floats(0, 20), st.sampled_from(OUTCOMES))


@given(st.lists(MOMENTS, max_size=40), st.integers(1, 7))
def test_a_timeline_leaves_nothing_out(moments, width):
    rows = [(start, start, start, 0.0, start + took, outcome, 0, 0, 0) for start, took, outcome in moments]
    load = sent(rows, max((row[4] for row in rows), default=1.0))
    parts = slice_load(load, width)
    assert sum(part.due for part in parts) == len(rows)
    assert sum(part.sent for part in parts) == len(rows) - load.outcomes.get("unsent", 0)
    assert sum(part.ok for part in parts) == load.outcomes.get("ok", 0)
    assert sum(part.failed for part in parts) == load.failed


def test_a_long_timeline_is_printed_in_few_lines():
    lines = ab.timeline(sent(ROWS, 3600.0, seconds=3600.0, spawn_rate=1.0))
    assert lines[0] == "Timeline (each line 120 s)"
    assert len(lines) <= ab.TIMELINE_LINES + 3  # two above, an empty one below


def test_a_record_is_read_as_it_was_saved(tmp_path):
    load = sent(ROWS, 2.03)
    files.write(tmp_path / "deep" / "record.json", load)
    read = files.read(tmp_path / "deep" / "record.json", Sent)
    assert ab.text(read) == ab.text(load)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["record.json"]


def test_a_compressed_record_is_read_as_it_was_saved_and_smaller(tmp_path):
    load = make_measured(sent(ROWS * 100, 2.03))
    for name in ("plain.json", "small.json.gz"):
        files.write(tmp_path / name, make_run("one", load))
    plain, small = (files.read(tmp_path / name, ScenarioRun) for name in ("plain.json", "small.json.gz"))
    assert ab.scenario_text("one", small.loads[0]) == ab.scenario_text("one", plain.loads[0]) == ab.scenario_text("one", load)
    assert (tmp_path / "small.json.gz").stat().st_size * 5 < (tmp_path / "plain.json").stat().st_size


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"no gzip", lambda content: content[:30] + b"x" * 30])
def test_a_damaged_record_is_named(damage, tmp_path):
    path = tmp_path / "one.json.gz"
    files.write(path, sent(ROWS, 2.03))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(files.RecordError, match="one"):
        files.read(path, Sent)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("{", "is not JSON"), ("[]", "no version"), ("{}", "no version"), ('{"version": 0}', "reads version")),
        (f'{{"version": {files.VERSION}}}', "is not a record of a load"),
        (f'{{"version": {files.VERSION}, "kind": "load"}}', "is damaged"),
        (f'{{"version": {files.VERSION}, "kind": "load", "requests": {{"start": "x"}}}}', "is damaged"),
    ],
)
def test_what_is_not_a_record_is_named(text, said, tmp_path):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(files.RecordError, match=said):
        files.read(tmp_path / "record.json", Sent)
    with pytest.raises(files.RecordError, match="cannot read"):
        files.read(tmp_path / "none.json", Sent)


# A load that was cut off


def cut_off(seconds: float, ends: list[float], in_flight_since: list[float], **load) -> Sent:
    """Answers that came one after the other, all asked for at the start; and what was in flight at the end."""
    rows = [(0, 0, 0, end, end, "ok", 200, 2, 100) for end in ends]
    rows += [(since, since, since, 0, seconds, "cut off", 0, 0, 0) for since in in_flight_since]
    load = Load(target="/", **{"requests": None, "concurrency": 100, "seconds": seconds, **load})
    return make_sent(make_requests(rows), load, seconds, stopped="cut off")


def test_a_percentile_among_the_cut_off_is_only_known_to_be_longer():
    """Of 100 that started together 36 were answered: the longest is not the 11.7 s of the last one."""
    metrics = Metrics(cut_off(12.0, [(place + 1) * 11.7 / 36 for place in range(36)], [0.0] * 64))
    assert metrics.percentile(25) == pytest.approx(11_700 * 25 / 36)
    assert (metrics.percentile(50), metrics.percentile(99)) == (Over(12_000.0), Over(12_000.0))
    assert metrics.latency(99) == 11_700.0
    text = ab.text(metrics.sent)
    assert re.search(r"^ +50%  over 12 s$", text, re.MULTILINE)
    assert re.search(r"^ 100%  over 12 s", text, re.MULTILINE)


def test_what_had_just_started_tells_nothing_of_percentiles():
    """Of a steady load, those in flight at its end are as the others: they do not make its tail unknown."""
    metrics = Metrics(cut_off(12.0, [0.5 + place / 1000 for place in range(1000)], [11.9] * 100))
    assert metrics.percentile(99) == metrics.latency(99)


def test_what_a_queue_cut_off_is_its_longest():
    """One at a time in 0.3 s, of 50 in flight: who came second had to wait for 50 others, however late it came."""
    in_flight_since = [0.0] * 6 + [0.3 * (place + 1) for place in range(44)]
    metrics = Metrics(cut_off(13.3, [0.3 * (place + 1) for place in range(44)], in_flight_since, concurrency=50))
    assert metrics.percentile(40) == pytest.approx(0.3 * 38 * 1000)
    assert isinstance(metrics.percentile(50), Over)


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=40), st.integers(1, 100))
def test_a_percentile_lies_between_what_it_is_at_least_and_at_most(times, percent):
    rows = [(0, 0, 0, took, took, "ok" if is_ok else "cut off", 200, 2, 9) for took, is_ok in times]
    metrics = Metrics(sent(rows, 50.0))
    found = metrics.percentile(percent)
    least = percentiles.percentile(sorted(1000 * took for took, _ in times), percent)
    most = percentiles.percentile(sorted(1000 * took if is_ok else math.inf for took, is_ok in times), percent)
    assert least <= (found.value if isinstance(found, Over) else found) <= most
    assert isinstance(found, Over) <= (most == math.inf)


def test_a_cost_that_work_without_an_answer_is_part_of_is_a_bound():
    few, many = (Metrics(cut_off(10.0, [0.1 * place for place in range(1, 100)], [9.9] * number)) for number in (0, 2))
    assert (few.cpu_is_bound, many.cpu_is_bound) == (False, True)
    text = ab.scenario_text("one", make_measured(many.sent))
    assert re.search(r"^Server CPU: +<= \d", text, re.MULTILINE)
    assert "a core has time for" not in text


def test_what_is_no_steady_load_has_no_time_per_request():
    """-c times the time for each answer is the mean time of a request only where -c were in flight all along."""
    whole, ramp, cut = (
        ab.text(make_sent(make_requests(ROWS), Load("/", requests=6, concurrency=2, **load), 2.03, stopped=stopped))
        for load, stopped in (({}, ""), ({"spawn_rate": 1.0, "seconds": 2.0}, ""), ({"seconds": 2.0}, "cut off"))
    )
    mean = re.compile(r"^Time per request: .*\(mean\)$", re.MULTILINE)
    assert [bool(mean.search(text)) for text in (whole, ramp, cut)] == [True, False, False]
    assert all("across all concurrent requests" in text for text in (whole, ramp, cut))


def test_a_rate_too_short_to_tell_is_said():
    text = ab.scenario_text("one", make_measured(cut_off(10.0, [3.0, 6.0, 9.0], [0.0] * 97)))
    assert re.search(r"^Steady rate: +too short to tell: only 3 answers$", text, re.MULTILINE)
    assert "ms per answered request" not in text


def test_the_summary_says_what_cpu_and_waits_allow_and_what_cannot_be():
    steady = make_sent(make_steady(90, 1.0), "-c 9 -t 1 /", 1.0, "cut off")
    text = ab.scenario_text("one", make_measured(steady, least_seconds=0.09, cost=make_cost(0.27)))
    assert re.search(r"^CPU and waits allow: +\d+\.\d requests per second where all go in step, \d+\.\d where none", text, re.MULTILINE)
    assert "is impossible" not in text
    wrong = ab.scenario_text("one", make_measured(steady, least_seconds=0.2, cost=make_cost(0.27)))
    assert re.search(r"^Warning: +\d+% of the ideal is impossible: LEAST_SECONDS says 0.2 s", wrong, re.MULTILINE)
    ticks = replace(make_cost(0.27), cpu_known=False)
    unknown = ab.scenario_text("one", make_measured(steady, cost=ticks))
    assert re.search(r"^Server CPU: +not known: too few ticks of the clock", unknown, re.MULTILINE)
