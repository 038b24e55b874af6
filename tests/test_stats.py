"""Are the figures right, on records that were made up?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.client import percentiles
from common.client.outcomes import NUMBER, OUTCOMES, Outcomes, failures, tally
from common.report import ab
from common.results import files, timeline
from common.results.metrics import Summary


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


def made_up(rows, seconds, **load):
    outcomes = Outcomes()
    for *moments, outcome, status, body, received in rows:
        outcomes.add(
            *[moment + 100.0 if moment or place < 3 else 0.0 for place, moment in enumerate(moments)],
            NUMBER[outcome],
            status,
            body,
            received,
        )
    return {
        "load": {"requests": None, "concurrency": 2, "spawn_rate": None, "seconds": None, "keep_alive": True, **load},
        "seconds": seconds,
        "connections": 2,
        "kept_alive": 3,
        "stopped": "",
        "server": "",
        "host": "h",
        "port": 80,
        "path": "/",
        "body_bytes": 0,
        "outcomes": tally(outcomes.facts["outcome"]),
        "outcome_names": list(OUTCOMES),
        "requests": outcomes.since(100.0),
        "client": {
            "seconds": seconds,
            "cpu_share": 0.1,
            "busiest_second_share": 0.1,
            "loop_lag_p99_ms": 0.0,
            "loop_lag_max_ms": 0.0,
            "loop": "asyncio",
        },
    }


def test_the_summary_of_a_load():
    load = made_up(ROWS, 2.03)
    summary = Summary(load)
    assert (summary.sent, summary.ok, summary.failed, summary.cut_off, summary.complete) == (6, 3, 2, 1, 5)
    assert summary.per_second == pytest.approx(3 / 2.03)
    assert summary.total.tolist() == [200.0, 400.0, 800.0]
    assert summary.connect.tolist() == [0.0, 10.0, 20.0]
    assert summary.processing.tolist() == [190.0, 380.0, 800.0]
    assert summary.waiting.tolist() == [80.0, 170.0, 590.0]
    assert (summary.length, summary.shortest, summary.longest) == (10, 10, 12)
    assert (summary.body_bytes, summary.received_bytes) == (37, 352)
    assert summary.send_skew_ms == pytest.approx(10.0)
    assert summary.latency(50) == 400.0
    text = ab.ab_report(load)
    assert "3 requests on a reused one" in text
    assert "(Connect: 1, Receive: 0, Length: 0, Exceptions: 1)" in text


def test_a_load_of_failures_has_no_times():
    load = made_up(ROWS[4:5], 1.0)
    summary = Summary(load)
    assert (summary.ok, summary.failed, summary.latency(99)) == (0, 1, None)
    assert "No request was answered as it should be" in ab.ab_report(load)


def test_a_load_of_nothing():
    load = made_up([], 0.5)
    assert Summary(load).sent == 0
    assert "none (of 0 sent)" in ab.ab_report(load)
    assert [(part.sent, part.ok, part.failed) for part in timeline.slices(load)] == [(0, 0, 0)]


def test_the_timeline_second_by_second():
    parts = timeline.slices(made_up(ROWS, 2.03))
    assert [(part.second, part.sent, part.ok, part.failed, part.p50_ms, part.p95_ms) for part in parts] == [
        (0, 5, 2, 1, 200.0, 400.0),
        (1, 1, 1, 1, 800.0, 800.0),
    ]


def test_the_users_of_a_ramp():
    parts = timeline.slices(made_up(ROWS, 4.0, concurrency=5, spawn_rate=2.0))
    assert [part.users for part in parts] == [2, 4, 5, 5]


MOMENTS = st.tuples(st.floats(0, 50), st.floats(0, 20), st.sampled_from(OUTCOMES))


@given(st.lists(MOMENTS, max_size=40), st.integers(1, 7))
def test_a_timeline_leaves_nothing_out(moments, width):
    rows = [(start, start, start, 0.0, start + took, outcome, 0, 0, 0) for start, took, outcome in moments]
    load = made_up(rows, max((row[4] for row in rows), default=1.0))
    parts = timeline.slices(load, width)
    assert sum(part.due for part in parts) == len(rows)
    assert sum(part.sent for part in parts) == len(rows) - load["outcomes"].get("unsent", 0)
    assert sum(part.ok for part in parts) == load["outcomes"].get("ok", 0)
    assert sum(part.failed for part in parts) == failures(load["outcomes"])


def test_a_long_timeline_is_printed_in_few_lines():
    assert len(timeline.lines(made_up(ROWS, 3600.0))) <= timeline.LINES + 2


def test_a_record_is_read_as_it_was_saved(tmp_path):
    load = made_up(ROWS, 2.03)
    files.save(tmp_path / "deep" / "record.json", load)
    read = files.load(tmp_path / "deep" / "record.json")
    assert ab.ab_report(read) == ab.ab_report(load)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["record.json"]


def test_a_compressed_record_is_read_as_it_was_saved_and_smaller(tmp_path):
    load = made_up(ROWS * 100, 2.03)
    for name in ("plain.json", "small.json.gz"):
        files.save(tmp_path / name, {"loads": [load]})
    plain, small = (files.load(tmp_path / name) for name in ("plain.json", "small.json.gz"))
    assert ab.ab_report(small["loads"][0]) == ab.ab_report(plain["loads"][0]) == ab.ab_report(load)
    assert (tmp_path / "small.json.gz").stat().st_size * 5 < (tmp_path / "plain.json").stat().st_size


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"no gzip", lambda content: content[:30] + b"x" * 30])
def test_a_damaged_record_is_named(damage, tmp_path):
    path = tmp_path / "one.json.gz"
    files.save(path, made_up(ROWS, 2.03))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(files.RecordError, match="one"):
        files.load(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("{", "is not JSON"), ("[]", "no version"), ("{}", "no version"), ('{"version": 0}', "reads version")),
        (f'{{"version": {files.VERSION}}}', "is damaged"),
        (f'{{"version": {files.VERSION}, "loads": [{{"requests": {{"start": "x"}}}}]}}', "is damaged"),
    ],
)
def test_what_is_not_a_record_is_named(text, said, tmp_path):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(files.RecordError, match=said):
        files.load(tmp_path / "record.json")
    with pytest.raises(files.RecordError, match="cannot read"):
        files.load(tmp_path / "none.json")
