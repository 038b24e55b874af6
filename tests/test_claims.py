"""Does each rule give the verdict that its words promise: both ways, and none where too little is known?"""

import importlib
from dataclasses import replace

import pytest

from common.client.load import Load
from common.client.options import parse_line
from common.results import claims
from common.results.claims import NOT_REPRODUCED, REPRODUCED, UNDECIDED, Claim, Runs, decide, per_second
from common.results.comparison import compare_loads
from common.results.published import known_metrics
from common.results.record import ScenarioRun
from common.running.measure import published_for
from common.running.sizing import PlannedLoad, RunOptions
from common.serving import scenario
from common.serving.places import ROOT
from studies import baselines_of, judge_claims, judge_study
from tests.made_up import make_answers, make_client, make_cost, make_measured, make_run, make_sent, make_steady

FILES = {path.stem: path for path in scenario.files()}
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.py") if path.stem != "__init__")

SLEEP, BLOCK, COMPUTE = "/async/non-blocking/", "/sync/blocking/", "/computation/"
SYNC, LIMITED, UNLIMITED = "gunicorn_sync_posts", "gunicorn_uvicorn_posts", "gunicorn_uvicorn_posts_unlimited"
ASGI, WSGI = "gunicorn_uvicorn_sleep", "gunicorn_sync_sleep"
NEAR_SYNC, NEAR_ASYNC, POLLS = "nginx_uwsgi_count", "nginx_gunicorn_uvicorn_count", "/polls/"


def run(name, path, ok=100, seconds=1.0, latency_ms=0, times_ms=None, failed=0, mb=100, threads=1, size="declared", **log) -> ScenarioRun:
    """With one load: so many answered in so many seconds, evenly, or in the times given."""
    requests = make_steady(ok, seconds, failed) if times_ms is None else make_answers(times_ms)
    load = make_measured(
        make_sent(requests, Load(path, requests=None, seconds=seconds), seconds),
        latency_ms=latency_ms,
        size=size,
        cost=make_cost(1.0, mb, threads),
        counted_in_log={name.replace("_", " "): count for name, count in log.items()},
    )
    return make_run(name, load)


def change_load(run: ScenarioRun, **changed) -> ScenarioRun:
    [load] = run.loads
    return replace(run, loads=[replace(load, **changed)])


def judge(study: str, runs: list[ScenarioRun]) -> list[Claim]:
    return judge_study(study, [replace(run, study=study) for run in runs])


def verdicts(study: str, text: str, *runs: ScenarioRun) -> set[str]:
    found = [claim for claim in judge(study, list(runs)) if text in claim.text]
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
    """Of nothing; of all but one of its metrics; of too few answers, of another load, of a fault, of a busy client."""
    assert verdicts(study, text) == {UNDECIDED}
    for missing in range(len(agree)):
        assert verdicts(study, text, *agree[:missing], *agree[missing + 1 :]) == {UNDECIDED}
    [load] = agree[0].loads
    busy = make_client(busiest=0.95)
    for invalid in ({"size": "changed"}, {"fault": "it ended"}, {"sent": replace(load.sent, client=busy)}):
        assert verdicts(study, text, change_load(agree[0], **invalid), *agree[1:]) == {UNDECIDED}


def test_every_rule_is_tried():
    words = [text for _, text, *_ in RULES]
    claimed = [claim.text for study in STUDIES for claim in judge_study(study, [])]
    assert [text for text in claimed if not any(word in text for word in words)] == []
    assert len(claimed) == len(set(words))


@pytest.mark.parametrize("text", ["/io_read/: async keeps", "/io_read/: at 200 ms async", "/io_create/: sync falls"])
def test_a_short_ramp_can_only_confirm_what_grows_over_minutes(text):
    [(agree, disagree)] = [(agree, disagree) for _, words, agree, disagree in RULES if words == text]
    quick = [change_load(run, size="quick") for run in disagree]
    assert verdicts("posts", text, *quick) == {UNDECIDED}
    quick = [change_load(run, size="quick") for run in agree]
    assert verdicts("posts", text, *quick) == {REPRODUCED}


def test_too_few_threads_say_nothing_of_their_memory():
    results = [run(UNLIMITED, "/io_read/", mb=900, threads=40), run(UNLIMITED, "/cpu/", threads=21), run(SYNC, "/io_read/", mb=60)]
    assert verdicts("posts", "a thread takes", *results) == {UNDECIDED}


# What the rules are made of


def test_a_median_needs_answers():
    assert Runs([run("one", "/", claims.FEWEST)]).median(per_second, "one", "/") == claims.FEWEST
    assert Runs([run("one", "/", claims.FEWEST - 1)]).median(per_second, "one", "/") is None


def test_a_median_is_of_its_scenario_path_and_latency():
    runs = Runs([run("one", "/a/", 10), run("one", "/b/", 20), run("one", "/a/", 30, latency_ms=100), run("two", "/a/", 40)])
    found = {
        (name, path, ms): runs.median(per_second, name, path, ms) for name in ("one", "two") for path in ("/a/", "/b/") for ms in (0, 100)
    }
    assert {key: value for key, value in found.items() if value is not None} == {
        ("one", "/a/", 0): 10,
        ("one", "/b/", 0): 20,
        ("one", "/a/", 100): 30,
        ("two", "/a/", 0): 40,
    }


def test_of_several_runs_the_middle_counts():
    assert Runs([run("one", "/", ok) for ok in (10, 90, 30)]).median(per_second, "one", "/") == 30


def test_decide():
    assert decide("t", {"a": 1.0, "b": 2.0}, lambda a, b: a < b) == claims.Claim("t", REPRODUCED, "a 1, b 2")
    assert decide("t", {"a": 2.0, "b": 1.0}, lambda a, b: a < b).verdict == NOT_REPRODUCED
    assert decide("t", {"a": 2.0, "b": 1.0}, lambda a, b: a < b, refutable=False).verdict == UNDECIDED
    unknown = decide("t", {"a": None, "b": 1.0, "c": None}, lambda a, b, c: True)
    assert (unknown.verdict, unknown.evidence.endswith(": a, c")) == (UNDECIDED, True)


def test_a_study_without_a_file_claims_nothing():
    assert judge_study("my-own", []) == []
    assert baselines_of("my-own") == []


def test_claims_are_judged_study_by_study():
    runs = [replace(run(WSGI, COMPUTE, 111), study="sleep"), replace(run("mine", "/"), study="my-own")]
    assert judge_claims(runs) == {"sleep": judge_study("sleep", runs), "my-own": []}
    strangers = [replace(run(name, COMPUTE, ok), study="other") for name, ok in ((WSGI, 111), (ASGI, 100))]
    assert {claim.verdict for claim in judge_study("sleep", strangers)} == {UNDECIDED}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_has_a_baseline(study):
    names = [name for name, path in FILES.items() if scenario.read(path).study.replace("-", "_") == study]
    named = baselines_of(study)
    assert named
    assert set(named) <= set(names)
    others = [name for name in names if name not in named]
    assert baseline_among(others, named) == min(others)
    assert [baseline_among([*others, name], named) for name in named] == named


def test_a_study_is_found_by_its_name():
    assert baselines_of("slow-api") == ["gunicorn_gthread"]


def baseline_among(names: list[str], baselines: list[str]) -> str:
    load = run("any", "/").loads[0]
    [comparison] = compare_loads(make_run(name, load, baselines=baselines) for name in names)
    return comparison.baseline


# What the studies name


class Asked(Runs):
    """Notes what a study wants to know."""

    def __init__(self) -> None:
        super().__init__([])
        self.names: set[tuple[str, str, int]] = set()

    def median(self, of, name, path, latency_ms=0):
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
def test_published_metrics_have_names_that_are_measured(name):
    declared = scenario.read(FILES[name])
    [load] = run(name, "/").loads
    known = set(known_metrics(load)) | set(declared.count_in_log)
    for row in declared.published:
        assert set(row) - {"path"} <= known
        assert row["path"] in [parse_line(line).target for line in declared.load + declared.load_full]


def test_published_metrics_are_found_by_path_and_latency():
    def published(declared: scenario.Scenario, line: str, latency_ms: int) -> dict[str, float | None]:
        return published_for(declared, PlannedLoad(line, parse_line(line), latency_ms, None, RunOptions()))

    declared = scenario.read(FILES[SYNC])
    [at_0, at_100, at_200] = [published(declared, "-n 1 /io_read/", ms) for ms in (0, 100, 200)]
    assert [metrics["max requests/s"] for metrics in (at_0, at_100, at_200)] == [23.0, 1.2, 0.6]
    assert [metrics["successes"] for metrics in (at_0, at_100, at_200)] == [3927, 200, 105]
    assert published(declared, "-n 1 /other/", 0) == {}
    declared = scenario.read(FILES[WSGI])
    assert published(declared, f"-n 1 {BLOCK}", 0) == {"seconds": 20.035, "mean ms": 11018.5, "threads that resumed": 1}
