"""Does each rule give the verdict that its words promise: both ways, and none where too little is known?"""

import importlib

import pytest

from common import bench
from common.client.load import parse_line
from common.client.outcomes import NUMBER
from common.results import claims, published
from common.results.claims import NOT_REPRODUCED, REPRODUCED, UNDECIDED, Runs, decide, of_study, per_second
from common.results.metrics import Summary
from common.serving import scenario
from common.serving.process import ROOT

FILES = {path.stem: path for path in scenario.files()}
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.py") if path.stem != "__init__")

SLEEP, BLOCK, COMPUTE = "/async/non-blocking/", "/sync/blocking/", "/computation/"
SYNC, LIMITED, UNLIMITED = "gunicorn_sync_posts", "gunicorn_uvicorn_posts", "gunicorn_uvicorn_posts_unlimited"
ASGI, WSGI = "gunicorn_uvicorn_sleep", "gunicorn_sync_sleep"
NEAR_SYNC, NEAR_ASYNC, POLLS = "nginx_uwsgi_count", "nginx_gunicorn_uvicorn_count", "/polls/"


def run(
    name, path, ok=100, seconds=1.0, latency_ms=0, times_ms=None, failed=0, mb=100, threads=1, size="declared", fault="", busy=0.1, **log
):
    """A result with one load: so many answered in so many seconds, evenly, or in the times given."""
    ends = [round(seconds * 1e6 * (place + 1) / ok) for place in range(ok)] if times_ms is None else [int(ms * 1000) for ms in times_ms]
    starts = [0] * len(ends)
    ends, starts = ends + [1000] * failed, starts + [0] * failed
    outcomes = ["ok"] * (len(ends) - failed) + ["non-2xx"] * failed
    load = {
        "line": path,
        "description": path,
        "path": path,
        "latency_ms": latency_ms,
        "size": size,
        "fault": fault,
        "published": {},
        "least_seconds": None,
        "seconds": seconds,
        "stopped": "",
        "load": {
            "target": f"http://127.0.0.1:8000{path}",
            "concurrency": 1,
            "spawn_rate": None,
            "requests": None,
            "seconds": seconds,
            "keep_alive": False,
        },
        "outcomes": {name: number for name in ("ok", "non-2xx") if (number := outcomes.count(name))},
        "counted_in_log": {name.replace("_", " "): count for name, count in log.items()},
        "client": {"seconds": seconds, "busiest_second_share": busy, "loop_lag_p99_ms": 0.0},
        "server_cost": {
            "cpu_seconds": 1.0,
            "peak_memory_bytes": mb * 2**20,
            "largest_process_bytes": mb * 2**20,
            "memory_measure": "pss",
            "peak_threads": threads,
        },
        "requests": {
            **{column: starts for column in ("start", "connected", "sent")},
            "first_byte": ends,
            "end": ends,
            "outcome": [NUMBER[outcome] for outcome in outcomes],
            **{column: [0] * len(ends) for column in ("status", "body_bytes", "received_bytes")},
        },
    }
    return {"scenario": name, "study": "", "loads": [load]}


def verdicts(study: str, text: str, *results: dict) -> set[str]:
    found = [claim for claim in of_study(study, list(results)) if text in claim.text]
    assert found, text
    return {claim.verdict for claim in found}


# study, words of the claim, results that agree, results that do not
RULES = [
    (
        "posts",
        "/cpu/: sync wins",
        [run(SYNC, "/cpu/", 120), run(UNLIMITED, "/cpu/", 100)],
        [run(SYNC, "/cpu/", 119), run(UNLIMITED, "/cpu/", 100)],
    ),
    (
        "posts",
        "a thread takes",
        [run(UNLIMITED, "/io_read/", mb=3100, threads=121), run(UNLIMITED, "/cpu/", mb=100, threads=21), run(SYNC, "/io_read/", mb=60)],
        [run(UNLIMITED, "/io_read/", mb=3000, threads=121), run(UNLIMITED, "/cpu/", mb=100, threads=21), run(SYNC, "/io_read/", mb=60)],
    ),
    (
        "sleep",
        SLEEP,
        [run(ASGI, SLEEP, times_ms=[2000] * 10), run(WSGI, SLEEP, 10, 20)],
        [run(ASGI, SLEEP, times_ms=[2500] * 10), run(WSGI, SLEEP, 10, 20)],
    ),
    (
        "sleep",
        BLOCK,
        [run(ASGI, BLOCK, times_ms=[2000] * 10), run(WSGI, BLOCK, 5, 10, size="quick")],  # half of them, cut off
        [run(ASGI, BLOCK, times_ms=[2000] * 10), run(WSGI, BLOCK, 10, 2)],
    ),
    (
        "sleep",
        "under ASGI",
        [run(ASGI, BLOCK, 10, threads_that_resumed=8), run(ASGI, SLEEP, 10, threads_that_resumed=1)],
        [run(ASGI, BLOCK, 10, threads_that_resumed=7), run(ASGI, SLEEP, 10, threads_that_resumed=1)],
    ),
    (
        "sleep",
        "under WSGI",
        [run(WSGI, BLOCK, 10, threads_that_resumed=1), run(WSGI, SLEEP, 10, threads_that_resumed=3)],
        [run(WSGI, BLOCK, 10, threads_that_resumed=1), run(WSGI, SLEEP, 10, threads_that_resumed=2)],
    ),
    (
        "sleep",
        "only computes",
        [run(WSGI, COMPUTE, 111), run(ASGI, COMPUTE, 100)],
        [run(WSGI, COMPUTE, 109), run(ASGI, COMPUTE, 100)],
    ),
    (
        "count",
        "local database",
        [run(NEAR_SYNC, POLLS, 100), run(NEAR_ASYNC, POLLS, 105)],
        [run(NEAR_SYNC, POLLS, 100), run(NEAR_ASYNC, POLLS, 104)],
    ),
    (
        "count",
        "remote, slow",
        [run(f"{NEAR_SYNC}_remote", POLLS, 100), run(f"{NEAR_ASYNC}_remote", POLLS, 200)],
        [run(f"{NEAR_SYNC}_remote", POLLS, 100), run(f"{NEAR_ASYNC}_remote", POLLS, 199)],
    ),
    ("count", "sync's response time grows", [run(NEAR_SYNC, POLLS, 100, 10)], [run(NEAR_SYNC, POLLS, times_ms=[70, 70, 100])]),
    ("count", "async's response time", [run(NEAR_ASYNC, POLLS, times_ms=[85, 85, 100])], [run(NEAR_ASYNC, POLLS, times_ms=[84, 84, 100])]),
]
for io in ("/io_create/", "/io_read/"):
    RULES += [
        (
            "posts",
            f"{io}: sync falls",
            [run(SYNC, io, 100, latency_ms=100), run(SYNC, io, 50, latency_ms=200)],
            [run(SYNC, io, 100, latency_ms=100), run(SYNC, io, 90, latency_ms=200)],
        ),
        (
            "posts",
            f"{io}: async keeps",
            [run(UNLIMITED, io, 100), run(UNLIMITED, io, 70, latency_ms=200)],
            [run(UNLIMITED, io, 100), run(UNLIMITED, io, 69, latency_ms=200)],
        ),
        (
            "posts",
            f"{io}: at 200 ms async",
            [run(UNLIMITED, io, 101, latency_ms=200), run(SYNC, io, 10, latency_ms=200)],
            [run(UNLIMITED, io, 100, latency_ms=200), run(SYNC, io, 10, latency_ms=200)],
        ),
        (
            "posts",
            f"{io}: with max_connections",
            [run(LIMITED, io, latency_ms=100, failed=1, too_many_clients=1), run(UNLIMITED, io, latency_ms=100, too_many_clients=0)],
            [run(LIMITED, io, latency_ms=100, too_many_clients=0), run(UNLIMITED, io, latency_ms=100, too_many_clients=0)],
        ),
        (
            "posts",
            f"{io}: with max_connections",
            [run(LIMITED, io, latency_ms=100, failed=90, too_many_clients=180), run(UNLIMITED, io, latency_ms=100, too_many_clients=0)],
            [
                run(LIMITED, io, latency_ms=100, failed=9, too_many_clients=9),
                run(UNLIMITED, io, latency_ms=100, failed=9, too_many_clients=9),
            ],
        ),
    ]

every_rule = pytest.mark.parametrize(("study", "text", "agree", "disagree"), RULES, ids=[f"{study} {text}" for study, text, *_ in RULES])


@every_rule
def test_a_rule_says_yes_and_no(study, text, agree, disagree):
    assert verdicts(study, text, *agree) == {REPRODUCED}
    assert verdicts(study, text, *disagree) == {NOT_REPRODUCED}


@every_rule
def test_a_rule_says_nothing_of_what_it_does_not_know(study, text, agree, disagree):
    """Of nothing; of all but one of its figures; of too few answers, of another load, of a fault, of a busy client."""
    assert verdicts(study, text) == {UNDECIDED}
    for missing in range(len(agree)):
        assert verdicts(study, text, *agree[:missing], *agree[missing + 1 :]) == {UNDECIDED}
    for spoilt in (
        {"size": "changed"},
        {"fault": "it ended"},
        {"client": {**agree[0]["loads"][0]["client"], "busiest_second_share": 0.95}},
    ):
        [load] = agree[0]["loads"]
        assert verdicts(study, text, {**agree[0], "loads": [{**load, **spoilt}]}, *agree[1:]) == {UNDECIDED}


def test_every_rule_is_tried():
    words = [text for _, text, *_ in RULES]
    claimed = [claim.text for study in STUDIES for claim in of_study(study, [])]
    assert [text for text in claimed if not any(word in text for word in words)] == []
    assert len(claimed) == len(set(words))


@pytest.mark.parametrize("text", ["/io_read/: async keeps", "/io_read/: at 200 ms async", "/io_create/: sync falls"])
def test_a_short_ramp_can_only_confirm_what_grows_over_minutes(text):
    [(agree, disagree)] = [(agree, disagree) for _, words, agree, disagree in RULES if words == text]
    quick = [{**result, "loads": [{**load, "size": "quick"} for load in result["loads"]]} for result in disagree]
    assert verdicts("posts", text, *quick) == {UNDECIDED}
    quick = [{**result, "loads": [{**load, "size": "quick"} for load in result["loads"]]} for result in agree]
    assert verdicts("posts", text, *quick) == {REPRODUCED}


def test_too_few_threads_say_nothing_of_their_memory():
    results = [run(UNLIMITED, "/io_read/", mb=900, threads=40), run(UNLIMITED, "/cpu/", threads=21), run(SYNC, "/io_read/", mb=60)]
    assert verdicts("posts", "a thread takes", *results) == {UNDECIDED}


# What the rules are made of


def test_a_figure_needs_answers():
    assert Runs([run("one", "/", claims.FEWEST)]).figure(per_second, "one", "/") == claims.FEWEST
    assert Runs([run("one", "/", claims.FEWEST - 1)]).figure(per_second, "one", "/") is None


def test_a_figure_is_of_its_scenario_path_and_latency():
    runs = Runs([run("one", "/a/", 10), run("one", "/b/", 20), run("one", "/a/", 30, latency_ms=100), run("two", "/a/", 40)])
    found = {
        (name, path, ms): runs.figure(per_second, name, path, ms) for name in ("one", "two") for path in ("/a/", "/b/") for ms in (0, 100)
    }
    assert {key: value for key, value in found.items() if value is not None} == {
        ("one", "/a/", 0): 10,
        ("one", "/b/", 0): 20,
        ("one", "/a/", 100): 30,
        ("two", "/a/", 0): 40,
    }


def test_of_several_runs_the_middle_counts():
    assert Runs([run("one", "/", ok) for ok in (10, 90, 30)]).figure(per_second, "one", "/") == 30


def test_decide():
    assert decide("t", {"a": 1.0, "b": 2.0}, lambda a, b: a < b) == claims.Claim("t", REPRODUCED, "a 1, b 2")
    assert decide("t", {"a": 2.0, "b": 1.0}, lambda a, b: a < b).verdict == NOT_REPRODUCED
    assert decide("t", {"a": 2.0, "b": 1.0}, lambda a, b: a < b, refutable=False).verdict == UNDECIDED
    unknown = decide("t", {"a": None, "b": 1.0, "c": None}, lambda a, b, c: True)
    assert (unknown.verdict, unknown.evidence.endswith(": a, c")) == (UNDECIDED, True)


def test_a_study_without_a_file_claims_nothing():
    assert of_study("my-own", []) == []
    assert claims.baseline_of("my-own", ["b", "a"]) == "a"


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_has_a_baseline(study):
    names = [name for name, path in FILES.items() if scenario.read(path).study.replace("-", "_") == study]
    assert claims.baseline_of(study, names) in names
    named = claims.file_of(study).BASELINES
    assert set(named) <= set(names)
    others = [name for name in names if name not in named]
    assert claims.baseline_of(study, others) == min(others)
    assert [claims.baseline_of(study, [*others, name]) for name in named] == list(named)


# What the studies name


class Asked(Runs):
    """Notes what a study wants to know."""

    def __init__(self) -> None:
        super().__init__([])
        self.names: set[tuple[str, str, int]] = set()

    def figure(self, of, name, path, latency_ms=0):
        self.names.add((name, path, latency_ms))


@pytest.mark.parametrize("study", STUDIES)
def test_what_a_study_asks_for_is_measured(study):
    asked = Asked()
    list(importlib.import_module(f"studies.{study}").claims(asked))
    for name, path, latency_ms in asked.names:
        declared = scenario.read(FILES[name])
        assert declared.study == study
        assert path in [parse_line(line).target for line in declared.load]
        assert latency_ms in declared.latencies_ms


# What was published


@pytest.mark.parametrize("name", FILES)
def test_published_figures_have_names_that_are_measured(name):
    declared = scenario.read(FILES[name])
    [load] = run(name, "/")["loads"]
    known = set(published.measured(load, Summary(load))) | set(declared.count_in_log)
    for row in declared.published:
        assert set(row) - {"path"} <= known
        assert row["path"] in [parse_line(line).target for line in declared.load + declared.load_full]


def test_published_figures_are_found_by_path_and_latency():
    declared = scenario.read(FILES[SYNC])
    [at_0, at_100, at_200] = [bench.published(declared, parse_line("-n 1 /io_read/"), ms) for ms in (0, 100, 200)]
    assert [figures["max requests/s"] for figures in (at_0, at_100, at_200)] == [23.0, 1.2, 0.6]
    assert [figures["successes"] for figures in (at_0, at_100, at_200)] == [3927, 200, 105]
    assert bench.published(declared, parse_line("-n 1 /other/"), 0) == {}
    declared = scenario.read(FILES[WSGI])
    assert bench.published(declared, parse_line(f"-n 1 {BLOCK}"), 0) == {"seconds": 20.035, "mean ms": 11018.5, "threads that resumed": 1}
