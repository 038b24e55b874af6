"""Does each rule give the verdict that its words promise: both ways, and none where too little is known?"""

import importlib
from dataclasses import replace

import pytest

import studies
from common.client.load import Load
from common.client.options import parse_line
from common.results import claims, published
from common.results.circumstances import Noise
from common.results.claims import NOT_REPRODUCED, REPRODUCED, UNDECIDED, Claim, Judgement, Place, Rule, Runs, decide, per_second
from common.results.comparison import compare_loads
from common.results.published import known_metrics
from common.results.record import ScenarioRun
from common.running.measure import published_for
from common.running.sizing import PlannedLoad, RunOptions
from common.serving import scenario
from common.serving.places import ROOT
from studies import baselines_of, judge_study
from tests.made_up import make_answers, make_client, make_cost, make_measured, make_run, make_sent, make_steady
from tests.tracked import tracked_scenarios

FILES = tracked_scenarios()
CLAIMING = ("count", "posts", "sleep")  # of the others nothing was claimed
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.py") if path.stem != "__init__")

SLEEP, BLOCK, COMPUTE = "/async/non-blocking/", "/sync/blocking/", "/computation/"
SYNC, LIMITED, UNLIMITED = "gunicorn_sync_posts", "gunicorn_uvicorn_posts", "gunicorn_uvicorn_posts_unlimited"
ASGI, WSGI = "gunicorn_uvicorn_sleep", "gunicorn_sync_sleep"
NEAR_SYNC, NEAR_ASYNC, POLLS = "nginx_uwsgi_count", "nginx_gunicorn_uvicorn_count", "/polls/"


def run(name, path, ok=100, seconds=1.0, latency_ms=0, times_ms=None, failed=0, mb=100, threads=1, users=1, **more) -> ScenarioRun:
    """With one load: so many answered until it was cut off, evenly, or a burst of answers in the times given."""
    if times_ms is None:
        sent = make_sent(
            make_steady(ok, seconds, failed), Load(path, requests=None, concurrency=users, seconds=seconds), seconds, "cut off"
        )
    else:
        sent = make_sent(make_answers(times_ms), Load(path, requests=len(times_ms), concurrency=len(times_ms)), max(times_ms) / 1000)
    about = {key: more.pop(key) for key in ("published", "noise") if key in more}
    load = make_measured(
        replace(sent, client=make_client(lag_ms=0)),
        latency_ms=latency_ms,
        cost=make_cost(1.0, mb, threads),
        counted_in_log={name.replace("_", " "): count for name, count in more.items()},
        **about,
    )
    return make_run(name, load, mode="default")


def change_load(run: ScenarioRun, **changed) -> ScenarioRun:
    [load] = run.loads
    return replace(run, loads=[replace(load, **changed)])


def judge(study: str, runs: list[ScenarioRun]) -> list[Claim]:
    return judge_study(study, [replace(run, study=study) for run in runs]).claims


def verdicts(study: str, text: str, *runs: ScenarioRun) -> set[str]:
    found = [claim for claim in judge(study, list(runs)) if text in claim.text]
    assert found, text
    return {claim.verdict for claim in found}


def many(name, path, refused) -> ScenarioRun:
    """With more users than there are connections."""
    return run(name, path, ok=500, latency_ms=200, users=200, failed=refused, too_many_clients=refused)


# study, words of the claim, results that agree, results that do not
RULES = [
    (
        "posts",
        "/cpu/: sync wins",
        [run(SYNC, "/cpu/", 150), run(UNLIMITED, "/cpu/", 100)],
        [run(SYNC, "/cpu/", 90), run(UNLIMITED, "/cpu/", 100)],
    ),
    (
        "posts",
        "a thread takes",
        [run(UNLIMITED, "/io_read/", mb=4100, threads=121), run(UNLIMITED, "/cpu/", mb=100, threads=21), run(SYNC, "/io_read/", mb=60)],
        [run(UNLIMITED, "/io_read/", mb=2100, threads=121), run(UNLIMITED, "/cpu/", mb=100, threads=21), run(SYNC, "/io_read/", mb=60)],
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
        [run(ASGI, BLOCK, times_ms=[2000] * 10), run(WSGI, BLOCK, 5, 10)],  # half of them, cut off
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
        [run(WSGI, COMPUTE, 140), run(ASGI, COMPUTE, 100)],
        [run(WSGI, COMPUTE, 90), run(ASGI, COMPUTE, 100)],
    ),
    (
        "count",
        "local database",
        [run(NEAR_SYNC, POLLS, 100), run(NEAR_ASYNC, POLLS, 130)],
        [run(NEAR_SYNC, POLLS, 100), run(NEAR_ASYNC, POLLS, 85)],
    ),
    (
        "count",
        "remote, slow",
        [run(f"{NEAR_SYNC}_remote", POLLS, 100), run(f"{NEAR_ASYNC}_remote", POLLS, 250)],
        [run(f"{NEAR_SYNC}_remote", POLLS, 100), run(f"{NEAR_ASYNC}_remote", POLLS, 160)],
    ),
    (
        "count",
        "sync's response time grows",
        [run(NEAR_SYNC, POLLS, times_ms=[10 * place for place in range(1, 11)])],
        [run(NEAR_SYNC, POLLS, times_ms=[70] * 9 + [100])],
    ),
    (
        "count",
        "async's response time",
        [run(NEAR_ASYNC, POLLS, times_ms=[85] * 9 + [100])],
        [run(NEAR_ASYNC, POLLS, times_ms=[84] * 9 + [100])],
    ),
]
FULL = {"published": {"successes": 9}}
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
            [run(UNLIMITED, io, 100, **FULL), run(UNLIMITED, io, 90, latency_ms=200, **FULL)],
            [run(UNLIMITED, io, 100, **FULL), run(UNLIMITED, io, 50, latency_ms=200, **FULL)],
        ),
        (
            "posts",
            f"{io}: at 200 ms async",
            [run(UNLIMITED, io, 130, latency_ms=200, **FULL), run(SYNC, io, 10, latency_ms=200, **FULL)],
            [run(UNLIMITED, io, 80, latency_ms=200, **FULL), run(SYNC, io, 10, latency_ms=200, **FULL)],
        ),
        *(
            (
                "posts",
                f"{io}: with max_connections",
                [many(LIMITED, io, limited), many(UNLIMITED, io, 0)],
                [many(LIMITED, io, too_few), many(UNLIMITED, io, unlimited)],
            )
            for limited, too_few, unlimited in ((10, 0, 0), (900, 9, 9), (10, 1, 0))  # one request is no share
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
    claimed = [claim.text for study in STUDIES for claim in judge_study(study, []).claims]
    assert [text for text in claimed if not any(word in text for word in words)] == []
    assert len(claimed) == len(set(words))


@pytest.mark.parametrize(
    ("study", "text", "results"),
    [
        ("posts", "/io_read/: with max_connections", [run(name, "/io_read/", latency_ms=200, users=30) for name in (LIMITED, UNLIMITED)]),
        ("posts", "/io_read/: at 200 ms async", [run(name, "/io_read/", latency_ms=200) for name in (SYNC, UNLIMITED)]),
        ("count", "sync's response time grows", [run(NEAR_SYNC, POLLS)]),
        (
            "posts",
            "a thread takes",
            [run(UNLIMITED, "/io_read/", mb=900, threads=40), run(UNLIMITED, "/cpu/", threads=21), run(SYNC, "/io_read/", mb=60)],
        ),
    ],
)
def test_what_a_default_load_cannot_show_needs_the_published_one(study, text, results):
    """Fewer users than connections, no burst, too few threads."""
    [claim] = [claim for claim in judge(study, results) if text in claim.text]
    assert claim.verdict == UNDECIDED
    assert "needs --full" in claim.evidence


# What the rules are made of


def ratio(*results: ScenarioRun) -> claims.Finding:
    return Runs(results).ratio(per_second, ("one", Place("one", "/")), ("other", Place("other", "/")))


def at_least(finding: claims.Finding, least: float) -> Claim:
    return decide("t", Rule("that ratio", finding, at_least=least))


def rounds(name: str, *ok: int, **more) -> list[ScenarioRun]:
    return [replace(run(name, "/", number, **more), round=turn) for turn, number in enumerate(ok, 1)]


def test_a_claim_is_decided_by_the_whole_interval():
    sides = [*rounds("one", 118, 121, 119, 120), *rounds("other", 100, 101, 99, 100)]
    found = ratio(*sides)
    assert 1.15 < found.low < found.middle < found.high < 1.25
    assert at_least(found, 1.1).verdict == REPRODUCED
    assert at_least(found, 1.3).verdict == NOT_REPRODUCED
    near = at_least(found, 1.2)
    assert near.verdict == UNDECIDED
    assert near.evidence.startswith("too close to tell whether that ratio is at least 1.2: one 119.5, other 100: 1.195x [")


def test_one_round_needs_a_margin_that_is_stated():
    """1.18 times says nothing where two equal runs were 1.10 apart; more than that where they were 1.60 apart."""
    found = ratio(run("one", "/", 118), run("other", "/", 100))
    assert (at_least(found, 1.05).verdict, at_least(found, 0.9).verdict) == (UNDECIDED, REPRODUCED)
    assert "to within 1.2x" in found.said
    control = replace(run("one", "/", 189), control=True)
    apart = ratio(run("one", "/", 118), run("other", "/", 100), control)
    assert at_least(apart, 0.9).verdict == UNDECIDED
    assert "to within 1.6x" in apart.said


def test_zeros_stay_zeros():
    """Nine runs with nothing and one with much are no rate: dropping the nine would make one of it."""
    found = ratio(*rounds("one", *[0] * 9, 50), *rounds("other", *[10] * 10))
    assert not found.is_known
    some = ratio(*rounds("one", *[20] * 9, 0), *rounds("other", *[10] * 10))
    assert (some.middle, some.low) == (2.0, pytest.approx(2 / 1.2))  # without an interval the margin stands for it
    few = ratio(*rounds("one", 100, 110, 0), *rounds("other", 50, 52, 51))
    assert (few.is_known, few.said) == (False, "in some runs of one or other nothing was answered: one 100, other 51")


def test_too_short_to_tell_is_no_claim():
    found = ratio(run("one", "/", 3), run("other", "/", 100))
    assert not found.is_known
    assert "the load of one was too short to tell: only" in found.said
    failing = ratio(run("one", "/", 100, failed=50), run("other", "/", 100))
    assert (failing.is_known, failing.said) == (False, "one failed 33% of its requests")


def test_where_the_load_generator_was_late_times_decide_nothing():
    late = run(NEAR_ASYNC, POLLS, times_ms=[85] * 9 + [100])
    late.loads[0].sent.client = make_client(lag_ms=50)
    [claim] = [claim for claim in judge("count", [late]) if "async's response time" in claim.text]
    assert (claim.verdict, claim.evidence) == (UNDECIDED, f"the load generator was kept waiting: times of {NEAR_ASYNC} include that")


def test_runs_count_for_claims_as_they_do_in_tables():
    noise = Noise(available=True, disturbed="other programs")
    found = ratio(*rounds("one", 100, 100, 100), *rounds("one", 900, 900, noise=noise), *rounds("other", 100, 100, 100))
    assert found.middle == pytest.approx(1)
    assert ratio(*rounds("one", 900, noise=noise), *rounds("other", 100)).is_known  # nothing calm is there: it counts


def test_a_value_is_of_its_scenario_path_and_latency():
    runs = Runs([run("one", "/a/", 10), run("one", "/b/", 20), run("one", "/a/", 30, latency_ms=100), run("two", "/a/", 40)])
    found = {
        (name, path, ms): runs.value(per_second, "req/s", Place(name, path, ms))
        for name in ("one", "two")
        for path in ("/a/", "/b/")
        for ms in (0, 100)
    }
    assert {key: finding.middle for key, finding in found.items() if finding.is_known} == {
        ("one", "/a/", 0): pytest.approx(10),
        ("one", "/b/", 0): pytest.approx(20),
        ("one", "/a/", 100): pytest.approx(30),
        ("two", "/a/", 0): pytest.approx(40),
    }


def test_a_claim_says_which_load_decides_it_and_never_mixes_them():
    """The published one where both sides have it, or else the default."""
    default = [run("one", "/", 200), run("other", "/", 100)]
    published = [run(name, "/", 100, users=9, published={"successes": 9}) for name in ("one", "other")]
    assert at_least(ratio(*default), 1).evidence.endswith("(by the default load)")
    full = [replace(one, mode="full") for one in default]
    assert at_least(ratio(*full), 1).evidence.endswith("(by the full-length load)")
    both = ratio(*default, *published)
    assert (both.by, both.middle) == ("published", pytest.approx(1))
    mixed = ratio(default[0], published[0], default[1])
    assert (mixed.by, mixed.middle) == ("default", pytest.approx(2))
    assert ratio(default[0], published[1]).said == "needs --full"


def test_decide():
    def finding(low: float, high: float, said: str = "a") -> claims.Finding:
        return claims.Finding(said, low, high, (low + high) / 2, "default")

    sure, open_, no = (Rule("it", finding(low, high), 1, 2) for low, high in ((1, 2), (1.5, 2.5), (3, 4)))
    assert decide("t", sure) == Claim("t", REPRODUCED, "a (by the default load)")
    assert decide("t", sure, no).verdict == decide("t", open_, no).verdict == NOT_REPRODUCED
    too_close = "too close to tell whether it lies between 1 and 2: a; a (by the default load)"
    assert decide("t", sure, open_) == Claim("t", UNDECIDED, too_close)
    assert decide("t", no, Rule("it", claims.Finding("nothing was measured"))) == Claim("t", UNDECIDED, "nothing was measured")


def test_a_study_without_a_file_claims_nothing():
    assert judge_study("my-own", []) == Judgement()
    assert baselines_of("my-own") == []


def test_claims_are_judged_study_by_study():
    runs = [replace(run(WSGI, COMPUTE, 140), study="sleep"), replace(run("mine", "/"), study="my-own")]
    assert studies.judge(runs) == {"sleep": judge_study("sleep", runs), "my-own": Judgement()}
    strangers = [replace(run(name, COMPUTE, ok), study="other") for name, ok in ((WSGI, 140), (ASGI, 100))]
    assert {claim.verdict for claim in judge_study("sleep", strangers).claims} == {UNDECIDED}


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

    def find(self, places, fits=claims.any_load):
        self.names |= {(place.scenario, place.path, place.latency_ms) for place in places}
        return "nothing"


@pytest.mark.parametrize("study", STUDIES)
def test_what_a_study_asks_for_is_measured(study):
    asked = Asked()
    list(importlib.import_module(f"studies.{study}").claims(asked))
    assert asked.names or study not in CLAIMING
    for name, path, latency_ms in asked.names:
        declared = scenario.read(FILES[name])
        assert declared.study == study
        assert path in [parse_line(line).target for line in [*declared.load, *declared.load_full]]
        assert latency_ms in declared.published_latencies_ms


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
    def figures(declared: scenario.Scenario, line: str, latency_ms: int) -> dict[str, float | None]:
        return published_for(declared, PlannedLoad(line, parse_line(line), latency_ms, None, RunOptions()))

    declared = scenario.read(FILES[SYNC])
    [at_0, at_100, at_200] = [figures(declared, "-n 1 /io_read/", ms) for ms in (0, 100, 200)]
    assert [metrics["max requests/s"] for metrics in (at_0, at_100, at_200)] == [23.0, 1.2, 0.6]
    assert [metrics["successes"] for metrics in (at_0, at_100, at_200)] == [3927, 200, 105]
    assert figures(declared, "-n 1 /other/", 0) == figures(declared, "-n 1 /io_read/", 50) == {}
    declared = scenario.read(FILES[WSGI])
    assert figures(declared, f"-n 1 {BLOCK}", 0) == {"seconds": 20.035, "mean ms": 11018.5, "threads that resumed": 1}


def test_the_highest_rate_is_locusts_mean_over_ten_seconds():
    """Not the best second: a bin of one second cannot hold the 0.6 that was published."""
    ends_ms = [1000 * second + 500 for second in (*range(0, 20, 2), 20, 20, 20, 20, 20)]  # every other second one, then five at once
    sent = make_sent(make_answers([100] * len(ends_ms), ends_ms=ends_ms), Load("/", requests=None, seconds=30), 30.0, "cut off")
    assert published.highest_rate(make_measured(sent)) == pytest.approx(9 / 10)  # 14 to 20: four and five
    assert published.highest_rate(make_measured(replace(sent, seconds=8.0))) is None


def test_only_the_published_load_has_a_ratio_to_what_was_published():
    [load] = run("one", "/", 100, published={"requests/s": 50.0}).loads
    assert published.ratio_to_published(50.0, 100.0, load) == "2.00"
    assert published.ratio_to_published(50.0, 100.0, replace(load, size="changed")) == "-"
    compared = published.compare_published("tests", [make_run("one", load), make_run("one", replace(load, fault="it died"), round=2)])
    assert [(row.metric, row.measured) for row in compared] == [("requests/s", pytest.approx(100))]  # what failed has no part in it
    default = replace(load, published={})
    assert published.compare_published("tests", [make_run("one", default)]) == []
