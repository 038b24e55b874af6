"""Is it seen where a default run and a full one contradict each other? On runs that were made up."""

import numpy as np
import pytest

from benchmarks import default_against_full
from benchmarks.default_against_full import find_ratios, judge
from common.results import files
from tests.made_up import make_measured, make_requests, make_run, make_sent

SHORT, LONG = "-c 2 -t 10 --expect ok /a/", "--users 2 --spawn-rate 1 -t 10 -k --expect ok /a/"


def make_load(per_second: float, line: str, latency_ms: int = 0):
    ends = np.arange(1, round(10 * per_second) + 1) / per_second
    sent = make_sent(make_requests([(0, 0, 0, end, end, "ok", 200, 2, 100) for end in ends]), line, 10, stopped="cut off")
    return make_measured(sent, line=line, latency_ms=latency_ms)


def save(directory, line, rates, latency_ms=0):
    directory.mkdir()
    for name, per_second in rates.items():
        files.write(directory / f"{name}.json.gz", make_run(name, make_load(per_second, line, latency_ms), study="tests"))
    return str(directory)


@pytest.mark.parametrize(
    ("full", "code", "said"),
    [
        ({"base": 10, "other": 20}, 0, ""),
        ({"base": 10, "other": 29}, 0, ""),
        ({"base": 10, "other": 31}, 1, "OFF by more than 1.5 times"),
        ({"base": 10, "other": 13}, 1, "OFF by more than 1.5 times"),
        ({"base": 10, "other": 0.2}, 1, "not judged, in the full run too short to tell: only "),
    ],
)
def test_a_ratio_that_is_off_is_flagged(full, code, said, tmp_path, capsys):
    """In the default run the other serves twice what the baseline does."""
    runs = [save(tmp_path / "default", SHORT, {"base": 5, "other": 10}), save(tmp_path / "full", LONG, full)]
    assert default_against_full.main(runs) == code
    [head, row] = capsys.readouterr().out.splitlines()
    assert head.split() == ["study", "scenario", "path", "ms", "default", "full", "factor"]
    assert row.split()[:5] == ["tests", "other", "/a/", "0", "2.00x"]
    assert said in row
    assert row.endswith("other load: -c 2 -t 10 | --users 2 --spawn-rate 1 -t 10 -k")


def test_a_direction_that_differs_is_flagged_and_chance_is_not():
    def of(value):
        return default_against_full.Ratio(SHORT, value)

    assert judge(of(0.9), of(1.1)) == judge(of(1.1), of(0.9)) == "OFF: it points the other way"
    assert judge(of(0.97), of(1.2)) == judge(of(1.03), of(0.97)) == ""
    assert judge(of(2.0), of(3.1)) == judge(of(0.5), of(0.3)) == "OFF by more than 1.5 times"
    assert judge(of(0.0), of(1.0)) == "one of them answered nothing"


def test_loads_are_matched_by_scenario_path_and_latency():
    runs = [make_run(name, make_load(rate, SHORT), make_load(2 * rate, SHORT, 200)) for name, rate in (("a", 5), ("b", 15))]
    assert {key: round(ratio.value, 1) for key, ratio in find_ratios(runs).items()} == {
        ("tests", "b", "/a/", 0): 3.0,
        ("tests", "b", "/a/", 200): 3.0,
    }


def test_two_loads_on_one_path_have_a_baseline_each():
    """As in count, where the database is near or far."""
    near, far = "-n 9 -c 9 -s 200 /polls/", "-n 9 -c 9 -s 400 /polls/"
    rates = {"nginx_uwsgi_count": (30, near), "nginx_gunicorn_uvicorn_count": (33, near)}
    rates |= {"nginx_uwsgi_count_remote": (1, far), "nginx_gunicorn_uvicorn_count_remote": (20, far)}
    runs = [make_run(name, make_load(rate, line.replace("-n 9 -c 9", "-c 2 -t 10")), study="count") for name, (rate, line) in rates.items()]
    assert {key[1]: round(ratio.value, 1) for key, ratio in find_ratios(runs).items()} == {
        "nginx_gunicorn_uvicorn_count": 1.1,
        "nginx_gunicorn_uvicorn_count_remote": 20.0,
    }


def test_what_only_one_run_has_is_said(tmp_path, capsys):
    runs = [save(tmp_path / "a", SHORT, {"base": 5, "x": 5, "y": 5}), save(tmp_path / "b", LONG, {"base": 5, "x": 5})]
    assert default_against_full.main(runs) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "only in the default run: y /a/ 0 ms"
    with pytest.raises(SystemExit, match="no load in common"):
        default_against_full.main([save(tmp_path / "c", SHORT, {"z": 5}), runs[0]])
