"""A run until its pairs are decided: which pairs matter, when one is decided, how often wrongly, and does a stop keep what was measured?"""

import random
import re
import signal
import time
from dataclasses import replace
from itertools import pairwise, takewhile

import pytest

from common.report import decisions as report
from common.report.pair import write_minutes
from common.results import files
from common.results.decisions import decide_pairs
from common.results.intervals import Estimate, estimate, no_difference_shown, ratio
from common.results.sequential import LOOKS, all_looks, confidence_at, is_look, last_look, next_look, restarts_needed, share_of_look
from common.running.sizing import RunOptions
from common.running.until_decided import first_rounds, seconds_of_an_answer, with_loads
from common.serving.scenario import Scenario, read
from tests.made_up import make_answers, make_cost, make_measured, make_run, make_sent
from tests.processes import ROOT, Program, changed, copy_tree, one_line, run
from tests.test_side_by_side import make_pair, spread

STEADY = [10.0] * 100
EVENLY = [10.0 * (place + 1) for place in range(100)]


def make_rounds(scenario: str, cpu_ms: list[float], load: str = "-n 100 -c 1 /", failed: int = 0, **more) -> list:
    """A run in each round, whose requests cost so much."""
    requests = make_answers(STEADY, failed=failed, ends_ms=EVENLY)
    return [
        make_run(
            scenario,
            make_measured(make_sent(requests, load), cost=make_cost((100 - failed) * ms / 1000)),
            round=number,
            baselines=["b"],
            **more,
        )
        for number, ms in enumerate(cpu_ms, 1)
    ]


def decide_two(one: list[float], other: list[float], *pairs, within: float = 0.05, **more):
    [decision] = decide_pairs([*make_rounds("a", one, **more), *make_rounds("b", other, **more)], pairs, within)
    return decision


def asked_in_turn(*restarts, **more):
    """The pair of these two, under the same load."""
    identity = make_sent(make_answers(STEADY, ends_ms=EVENLY), "-n 100 -c 1 /").load.identity
    return make_pair(*restarts, identity=identity, together=2, **more)


def test_looks_go_on_and_share_one_error():
    assert tuple(takewhile(lambda look: look <= 82, all_looks())) == (*LOOKS, 32, 51, 82)
    assert [next_look(number) for number in (0, 3, 4, 20, 40)] == [3, 5, 5, 32, 51]
    assert [last_look(number) for number in (2, 3, 7, 20, 50)] == [0, 3, 5, 20, 32]
    assert [number for number in range(60) if is_look(number) and number] == [3, 5, 8, 12, 20, 32, 51]
    assert sum(map(share_of_look, range(60))) == pytest.approx(1)
    assert confidence_at(4) == confidence_at(5) == pytest.approx(0.992)
    assert confidence_at(51) == pytest.approx(1 - 0.05 * 0.05)
    assert confidence_at(3, of=10) == pytest.approx(0.9992)
    assert all(confidence_at(one) <= confidence_at(other) for one, other in pairwise(takewhile(lambda look: look < 500, all_looks())))


def test_equal_scenarios_seldom_differ_however_many_pairs_and_looks():
    """Of 200 runs with six pairs of equals each: looked at in rounds, then side by side, then after more restarts."""
    chance, together = random.Random(5), 2 * 6

    def differs() -> bool:
        rounds = [[chance.gauss(0, 0.05) for _ in range(20)] for _ in range(2)]
        restarts = [chance.gauss(0, 0.01) for _ in range(32)]
        looks = [look for look in all_looks_to(32)]
        for look in looks[:5]:
            found = ratio(*([2.718**value for value in side[:look]] for side in rounds), confidence_at(look, together))
            if not no_difference_shown(found):  # however small
                return True
        return any(
            not no_difference_shown(estimate([2.718**value for value in restarts[:look]], confidence_at(look, together))) for look in looks
        )

    wrong = sum(any([differs() for _ in range(6)]) for _ in range(200))
    assert wrong <= 0.05 * 200


def all_looks_to(most: int) -> list[int]:
    return list(takewhile(lambda look: look <= most, all_looks()))


def test_what_more_restarts_would_need_follows_from_the_interval():
    assert restarts_needed(Estimate(1.0, 1 / 1.06, 1.06, 8), 0.05) == 12
    assert restarts_needed(Estimate(1.0, 1 / 1.5, 1.5, 3), 0.05) > 100
    assert restarts_needed(Estimate(1.04, 0.99, 1.09, 5), 0.05) == 8  # it will be shown to differ
    assert restarts_needed(Estimate(1.0, None, None, 2), 0.05) is None


def test_pairs_that_matter_are_those_with_the_baseline_and_with_what_a_scenario_differs_from():
    differs = {"a": {"c": "a word"}, "b": {}, "c": {"b": "another"}, "d": {"absent": "nothing"}}
    runs = [run for name, others in differs.items() for run in make_rounds(name, [1.0], differs_from=others)]
    assert [each.names for each in decide_pairs(runs, [], 0.05)] == [("a", "b"), ("a", "c"), ("c", "b"), ("d", "b")]
    assert {each.together for each in decide_pairs(runs, [], 0.05)} == {8}
    other_load = make_rounds("e", [1.0], load="-n 100 -c 2 /")
    assert len(decide_pairs([*runs, *other_load], [], 0.05)) == 4


def test_rounds_decide_where_they_can():
    clear = decide_two([2.0, 2.02, 2.01], [1.0, 1.01, 1.0])
    assert (clear.kind, clear.next_step, clear.rounds) == ("more", "", 3)
    assert re.fullmatch(
        r"a costs 2\.01 times the CPU per request of b, between 1\.\d+ and 2\.\d+\. \(3 rounds\)", report.say_decision(clear)
    )
    same = decide_two([1.0, 1.001, 1.0, 0.999, 1.0], [1.0, 1.001, 0.999, 1.0, 1.001])
    assert (same.kind, same.next_step) == ("same", "")
    assert "a and b cost the same CPU per request within 5%: at most " in report.say_decision(same)


def test_what_rounds_leave_open_is_asked_in_turn_and_else_in_more_rounds():
    noisy = [1.0, 1.3, 0.9], [1.0, 1.2, 1.1]
    assert decide_two(*noisy).next_step == "side by side"
    assert decide_two([1.0], [1.0]).next_step == "side by side"
    assert decide_two(*noisy, load="--users 10 --spawn-rate 5 -t 9 /").next_step == "rounds"
    assert decide_two(*noisy, asked_in_turn(refused="answers take 3.0 s under this load: use more --minutes")).next_step == "rounds"
    assert decide_two(*noisy, asked_in_turn(fault="a ended with exit code 3")).next_step == "rounds"
    assert decide_two(*noisy, asked_in_turn(*spread(1.5, 8, long_ratio=2.4))).next_step == "rounds"
    assert decide_two(*noisy, asked_in_turn(*spread(1.0, 3, by=0.1))).next_step == "side by side"
    decided = decide_two(*noisy, asked_in_turn(*spread(1.1, 8)))
    assert (decided.kind, decided.next_step) == ("more", "")
    assert report.say_decision(decided).endswith("(8 restarts side by side)")


def test_the_fastest_are_asked_first():
    """So that the time they leave goes to those whose restarts must be longer."""
    each = [decide_two([1.0], [1.0], load=f"-n 100 -c {at_once} /") for at_once in (20, 1, 4)]
    assert [seconds_of_an_answer(one) for one in sorted(each, key=seconds_of_an_answer)] == pytest.approx([0.01, 0.04, 0.2], rel=0.1)
    assert seconds_of_an_answer(decide_two([1.0], [1.0], load="-n 100 -c 1 /")) == pytest.approx(0.01, rel=0.1)


def test_between_two_looks_nothing_changes():
    """A fourth round, made for another pair, is not a look."""
    one, other = [1.0, 1.02, 0.98, 3.0], [1.0, 0.99, 1.01, 1.0]
    assert decide_two(one, other).cpu == decide_two(one[:3], other[:3]).cpu


def test_what_nothing_can_decide_is_said():
    failing = decide_two([1.0] * 3, [1.0] * 3, failed=50)
    assert (failing.kind, failing.next_step) == ("undecided", "")
    assert report.say_decision(failing) == "Not decided, a and b: a failed 50% of its requests."
    undecided = decide_two([1.0, 1.3, 0.9], [1.0, 1.2, 1.1], asked_in_turn(refused="answers take 3.0 s: use more --minutes, or --rounds"))
    said = report.say_decision(undecided)
    assert re.search(r"Not decided in time: a costs between .*; about \d+ \w+ more would decide it\. \(3 rounds\)", said)
    assert said.endswith("Not side by side: answers take 3.0 s.")


def test_any_time_can_be_written():
    assert [write_minutes(seconds) for seconds in (1, 90, 7100, 7200, 9e5, 1e308 * 60)] == [
        "1 minute",
        "2 minutes",
        "118 minutes",
        "2 hours",
        "250 hours",
        "inf hours",
    ]


def test_the_last_line_says_what_is_left_over():
    clear, noisy = decide_two([2.0, 2.02, 2.01], [1.0, 1.01, 1.0]), decide_two([1.0, 1.3, 0.9], [1.0, 1.2, 1.1])
    assert report.lines([clear], 20)[-1].startswith("The pair is decided within 5%.")
    assert report.lines([clear, clear], 20)[-1].startswith("All 2 pairs are decided within 5%.")
    assert report.lines([clear, noisy], 20)[-1].startswith("1 of 2 pairs are not decided within 5% in 20 minutes.")
    assert "are to be compared" in report.lines([], 20)[0]
    failed = decide_two([1.0, 1.3, 0.9], [1.0, 1.2, 1.1], asked_in_turn(*spread(1.0, 5, failed=20)))
    assert report.lines([clear, failed], 20)[-1].startswith("1 of 2 pairs are not decided within 5% in 20 minutes.")
    assert "within 2.5%" in report.lines([decide_two([2.0, 2.02, 2.01], [1.0, 1.01, 1.0], within=0.025)], 20)[-1]


def test_first_rounds_leave_half_of_the_time():
    scenario = read(ROOT / "scenarios" / "gunicorn_sync_wait.py")
    assert first_rounds([scenario], RunOptions(), 600) == 3
    assert first_rounds([scenario], RunOptions(), 60) == 1


def test_a_further_round_sends_only_the_loads_that_are_open():
    scenario: Scenario = read(ROOT / "scenarios" / "gunicorn_sync_wait.py")
    assert with_loads(scenario, {scenario.load[1]}).load == scenario.load[1:]


# The command

KEPT = ("-n 20 -c 2", "-n 20 -c 2 -k")
PLAIN = changed(KEPT)
TWIN = changed(KEPT, ('STUDY = "tests"\n', 'STUDY = "tests"\nDIFFERS_FROM = {"plain": "its name"}\n'))


def test_a_stop_keeps_what_was_measured_and_a_resumed_run_goes_on(tmp_path):
    tree = copy_tree(tmp_path, {"plain": PLAIN, "twin": TWIN}, page=True)
    with Program(tree, "-m", "common.suite", "--until-decided", "--minutes", "0.5", "--within", "30%") as program:
        program.wait_for("common.running.in_turn", "--seconds")
        waited_for_a_record(tree, program)
        program.process.send_signal(signal.SIGINT)
        assert program.finish() == 130, program.stderr
        assert program.left_over() == []
    assert "stopped; to run the rest: ./run_all.sh --resume results/" in program.stderr
    [directory] = (tree / "results").iterdir()
    [before] = files.read_pairs(directory)
    assert before.names == ["twin", "plain"]
    assert "twin" in program.stdout.partition("one change at a time")[0]
    [path] = directory.glob("side-by-side/*.pair.json")
    files.write(path, replace(before, refused="answers take 3 s under this load: use more --minutes"))
    again = run(tree, "-m", "common.suite", "--resume", f"results/{directory.name}", "--minutes", "0.05")
    assert again.process.returncode == 0, again.stderr
    [after] = files.read_pairs(directory)
    assert after.restarts[: len(before.restarts)] == before.restarts
    assert len(after.restarts) >= LOOKS[0]
    assert re.search(r"twin .*CPU per request.* \(\d+ restarts side by side\)", again.stdout)


def waited_for_a_record(tree, program) -> None:
    until = time.monotonic() + 60
    while not list((tree / "results").glob("*/side-by-side/*.pair.json")):
        assert time.monotonic() < until, "no restart was saved"
        time.sleep(0.05)


def test_a_run_until_decided_is_not_also_one_side_by_side(tmp_path):
    program = run(copy_tree(tmp_path, {"plain": PLAIN}), "-m", "common.suite", "--until-decided", "--side-by-side")
    assert program.process.returncode == 2
    assert one_line(program.stderr)
    assert "--until-decided chooses side by side itself" in program.stderr
