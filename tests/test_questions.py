"""Is each way in which a study's question can come out said, and in the words that a person wrote for it?"""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from common.client.options import parse_line
from common.results.comparison import compare_loads
from common.results.questions import Question, answer_questions
from common.results.ranking import Ranking
from common.results.record import Measured, ScenarioRun
from common.results.samples import METRICS
from common.serving import scenario
from studies import module_of
from tests.made_up import make_answers, make_measured, make_run, make_sent, make_steady
from tests.test_claims import STUDIES
from tests.test_suite import one_second
from tests.tracked import tracked_scenarios

QUESTION = Question(
    "b",
    "a",
    path="/",
    about="Threads against one worker",
    more="Threads serve {ratio} what one worker serves ({rate} against {other_rate}).",
    less="One worker serves {inverse} what threads serve.",
    same="Both serve the same, within 5%.",
)
FIELDS = {
    **{"ratio": "2 times", "inverse": "2 times", "rate": "2", "other_rate": "1"},
    **{"names": "b", "name": "a", "value": "2", "second": "c", "in_flight": "100", "ideal": "1,000"},
}


def rounds(name: str, rates: list[int]) -> list[ScenarioRun]:
    return [replace(one_second(name, rate), round=turn) for turn, rate in enumerate(rates, 1)]


def said(*runs: list[ScenarioRun], question: Question = QUESTION) -> str:
    return question.answer(compare_loads([run for part in runs for run in part]))


def test_more_is_said_with_the_ratio_and_where_there_are_rounds_its_bounds():
    assert said(rounds("a", [100]), rounds("b", [200])) == "Threads serve about 2.0 times what one worker serves (200 against 100)."
    text = said(rounds("a", [100, 101, 99]), rounds("b", [200, 202, 198]))
    assert text.startswith("Threads serve 2.00 times (between 1.9")


def test_where_the_load_was_the_limit_more_could_be_served():
    """Of what waits a second, 100 in flight allow 100 a second: who serves 98 could serve more, so the ratio is a least one."""
    limited = [replace(load, least_seconds=1.0, sent=replace(load.sent, load=parse_line("-c 100 -t 1 /"))) for load in waiting(98, 20)]
    threads, one = (make_run(name, load) for name, load in zip("ba", limited, strict=True))
    assert threads.loads[0].bottleneck.by == "waiting"
    assert said([one], [threads]) == "Threads serve at least 4.9 times what one worker serves (98.0 against 20.0)."


def waiting(*rates: int) -> list[Measured]:
    return [make_measured(make_sent(make_steady(rate, 1.0), "-n 9 /"), cost=None) for rate in rates]


def test_less_is_said_the_other_way_round():
    assert said(rounds("a", [300]), rounds("b", [100])) == "One worker serves about 3.0 times what threads serve."


def test_the_same_is_said_only_where_the_interval_shows_it():
    near = [100, 101, 100, 99, 100, 101, 99, 100]
    assert said(rounds("a", near), rounds("b", near[::-1])) == "Both serve the same, within 5%."
    apart = said(rounds("a", [100, 130, 80]), rounds("b", [105, 90, 120]))
    assert apart.startswith("Threads against one worker: b and a answered 105 and 100 requests a second, no difference shown (at most ")


def test_single_runs_that_are_near_decide_nothing():
    text = said(rounds("a", [100]), rounds("b", [110]))
    assert text == "Threads against one worker: b and a answered 110 and 100 requests a second, too close for single runs to decide."


def test_what_fails_is_said_in_place_of_a_ratio():
    failing = make_run("b", make_measured(make_sent(make_steady(300, 1.0, failed=100), "-n 9 /"), cost=None))
    assert said(rounds("a", [100]), [failing]) == "Threads against one worker: b failed 25% of its requests."


def test_what_was_not_measured_is_not_said():
    assert said(rounds("a", [100])) == ""
    assert said(rounds("a", [100]), rounds("b", [200]), question=replace(QUESTION, path="/other/")) == ""
    assert said(rounds("a", [100]), rounds("b", [200]), question=replace(QUESTION, latency_ms=100)) == ""
    comparisons = compare_loads([*rounds("a", [100]), *rounds("b", [200])])
    assert len(answer_questions([QUESTION, replace(QUESTION, path="/other/")], comparisons)) == 1


def with_p99(name: str, ms: list[int]) -> list[ScenarioRun]:
    """Runs of a second in which two of a hundred answers took so long."""
    times = [[100] * 98 + [slow] * 2 for slow in ms]
    sent = [make_sent(make_answers(each, ends_ms=range(10, 1010, 10)), "-n 100 /") for each in times]
    return [make_run(name, make_measured(one, cost=None), round=turn) for turn, one in enumerate(sent, 1)]


def test_a_question_may_be_of_another_metric():
    question = replace(QUESTION, metric="p99 ms", more="{rate} ms against {other_rate}, {ratio} that.")
    assert said(with_p99("a", [100]), with_p99("b", [1200]), question=question) == "1,200 ms against 100, about 12 times that."
    near = said(with_p99("a", [100]), with_p99("b", [110]), question=question)
    assert near == "Threads against one worker: b and a had 110 and 100 p99 ms, too close for single runs to decide."


def test_a_metric_that_is_not_known_gives_no_ratio():
    text = said(rounds("a", [100]), rounds("b", [200]), question=replace(QUESTION, metric="MB"))
    assert text == "Threads against one worker: no ratio, as MB is not known of both."


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_asks_of_scenarios_and_loads_that_there_are(study):
    declared = {name: scenario.read(path) for name, path in tracked_scenarios().items()}
    members = {name: one for name, one in declared.items() if one.study.replace("-", "_") == study}
    questions = module_of(study).QUESTIONS
    assert questions
    for question in questions:
        if isinstance(question, Ranking):
            names, sentences, latency_ms = set(members), (question.leads, question.level, question.farthest), 0
            assert set(question.but) < names
        else:
            names, sentences, latency_ms = (
                {question.one, question.other},
                (question.more, question.less, question.same),
                question.latency_ms,
            )
        assert question.metric in METRICS
        for name in names:
            assert question.path in {urlsplit(load.target).path for load in members[name].loads}
            assert latency_ms in members[name].latencies_ms
        for sentence in sentences:
            assert sentence.endswith(".")
            assert "{" not in sentence.format(**FIELDS)
