"""Does a ranking of all that ran name only those ahead, and keep silent about what it cannot know?"""

from dataclasses import replace

from common.results.comparison import compare_loads
from common.results.ranking import Ranking
from common.results.record import ScenarioRun
from tests.made_up import make_cost, make_measured, make_run, make_sent, make_steady
from tests.test_suite import one_second

MOST = Ranking(
    "/",
    "req/s",
    leads="{names} leads with {value}: {ratio} what {second} serves, of {ideal} for {in_flight}.",
    level="{names} are level.",
    farthest="{name} has {value}.",
)
LEAST = replace(MOST, metric="MB", leads="{names} needs {value}; {second} {ratio} that.")


def answer(*runs: ScenarioRun, ranking: Ranking = MOST) -> str:
    return ranking.answer(compare_loads(runs))


def rounds(name: str, rates: list[int], **more) -> list[ScenarioRun]:
    return [replace(one_second(name, rate, line="-n 9 -c 4 /", **more), round=turn) for turn, rate in enumerate(rates, 1)]


def single(name: str, rate: int, **more) -> ScenarioRun:
    return rounds(name, [rate], **more)[0]


def with_memory(name: str, mb: float) -> ScenarioRun:
    return single(name, 100, cost=make_cost(mb=mb))


def cut_off(name: str, cpu_seconds: float) -> ScenarioRun:
    """So much was left unanswered that its CPU per answer is only an upper bound."""
    sent = make_sent(make_steady(300, 1.0, failed=9), "-n 9 -c 4 /")
    return make_run(name, make_measured(sent, cost=make_cost(cpu_seconds)))


def test_one_ahead_of_all_others_leads():
    assert answer(single("a", 100), single("b", 400), single("c", 200), single("d", 300, least_seconds=None)) == (
        "b leads with 400: about 1.3 times what d serves, of - for 4. a has 100."
    )
    assert answer(*[single(name, rate, least_seconds=0.008) for name, rate in (("a", 100), ("b", 400), ("c", 200))]).startswith(
        "b leads with 400: about 2.0 times what c serves, of 500 for 4."
    )


def test_the_least_of_anything_else_leads():
    text = answer(with_memory("a", 90), with_memory("b", 30), with_memory("c", 60), ranking=LEAST)
    assert text == "b needs 30.0; c about 2.0 times that. a has 90.0."


def test_those_too_near_to_tell_share_the_first_place():
    assert answer(single("a", 100), single("b", 110), single("c", 50)) == "b (110) and a (100) are level. c has 50.0."
    assert answer(single("a", 100), single("b", 110), single("c", 105)) == "b (110), c (105) and a (100) are level."


def test_a_difference_that_is_shown_but_means_nothing_is_no_lead():
    """Ten steady rounds show a hundredth; within a twentieth is the same."""
    steady = {"a": [1000, 1001, 999] * 3, "b": [1010, 1011, 1009] * 3, "c": [500, 501, 499] * 3}
    runs = [run for name, rates in steady.items() for run in rounds(name, rates)]
    assert answer(*runs) == "b (1,010) and a (1,000) are level. c has 500."
    apart = [run for name, rates in (steady | {"b": [1200, 1201, 1199] * 3}).items() for run in rounds(name, rates)]
    assert answer(*apart).startswith("b leads with 1,200: 1.20 times (between 1.20 and 1.20) what a serves")


def test_what_fails_never_leads_and_is_named():
    failing = make_run("c", make_measured(make_sent(make_steady(900, 1.0, failed=300), "-n 9 -c 4 /"), cost=None))
    text = answer(single("a", 100), single("b", 200), failing)
    assert text == "b leads with 200: about 2.0 times what a serves, of - for 4. Left out: c (failed 25% of its requests)."


def test_what_the_load_generator_limited_is_named():
    text = answer(single("a", 100), single("b", 200), single("c", 900, busiest=0.95), single("d", 900, busiest=0.95))
    assert text.endswith("Left out: c and d (no run counts).")


def test_what_is_only_a_bound_neither_leads_nor_follows():
    costs = [single(name, 100, cost=make_cost(seconds)) for name, seconds in (("a", 0.1), ("b", 0.3))]
    text = answer(*costs, cut_off("c", 0.2), ranking=replace(LEAST, metric="CPU ms/req"))
    assert text == "a needs 1.00; b about 3.0 times that. Left out: c (known only as <= 0.67)."


def test_a_study_leaves_out_what_it_does_not_ask_of_and_says_why():
    ranking = replace(LEAST, but={"b": "it holds one at a time"})
    text = answer(with_memory("a", 90), with_memory("b", 30), with_memory("c", 60), ranking=ranking)
    assert text == "c needs 60.0; a about 1.5 times that. Left out: b (it holds one at a time)."


def test_too_few_are_not_ranked():
    assert answer(single("a", 100), single("b", 200)) == ""
    assert answer(single("a", 100), single("b", 200), single("c", 300), ranking=replace(MOST, path="/other/")) == ""
    assert answer(with_memory("a", 90), single("b", 200), single("c", 300), ranking=LEAST) == ""
