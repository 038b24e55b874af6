"""Can colours be told apart, is drawing thinned and nothing else, and is the sentence true?"""

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.page import made_up
from common.client.options import parse_line
from common.report.page import contents, latencies, overview, queue, runs, style, timeline
from common.results.answers import Answer, answer_study
from common.results.circumstances import KERNEL, Noise
from common.results.comparison import LoadComparison, compare_loads
from common.results.record import Measured, ScenarioRun
from common.results.words import brief
from tests.made_up import make_measured, make_run, make_sent, make_steady
from tests.test_suite import one_second

PAGES = {"light": (style.LIGHT, "#ffffff"), "dark": (style.DARK, "#14171c")}
# Machado, Oliveira and Fernandes (2009), of linear colours: none, protanopia, deuteranopia, tritanopia
SIGHTS = [
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
]


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return high / low


def lab(seen: np.ndarray) -> list[float]:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(seen, 0, 1)
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz / [0.9505, 1, 1.089])
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("theme", PAGES)
def test_colours_stand_out_and_differ_for_everyone(theme):
    colours, background = PAGES[theme]
    assert min(contrast(colour, background) for colour in colours) >= 3  # WCAG's least for what is not text
    for sight in SIGHTS:
        assert (
            min(math.dist(lab(sight @ linear(one)), lab(sight @ linear(other))) for one, other in itertools.combinations(colours, 2)) > 14
        )


def test_thirty_scenarios_of_a_study_all_look_different():
    assigned = style.assign_looks([f"scenario {number}" for number in range(30)])
    assert len(set(assigned.values())) == 30


def test_a_scenario_looks_the_same_in_every_chart():
    for study in contents.fill_page(made_up(6, 2), {}).studies:
        seen: dict[str, set[tuple[str, str]]] = {}
        for _, chart in study.charts:
            for scale in scales(chart.spec):
                for name, value in zip(scale["domain"], scale["range"], strict=True):
                    seen.setdefault(name, set()).add((type(value).__name__ + str(value)[:3], str(value)))
        for name, values in seen.items():
            kinds = [kind for kind, _ in values]
            assert len(kinds) == len(set(kinds)) or name in runs.SHAPES, (name, values)


def scales(part):
    if isinstance(part, dict):
        if "domain" in part and "range" in part and part["domain"] and not str(part["range"][0]).startswith("["):
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from scales(one)


def comparisons_of(study: str, found: list[ScenarioRun]) -> list[LoadComparison]:
    return [compared for compared in compare_loads(found) if compared.study == study]


def test_drawing_is_thinned_and_metrics_are_not():
    [compared] = comparisons_of("waiting", made_up(2, 3))
    curves = latencies.collect_latencies(compared)["curves"]
    places = queue.collect_places(compared)["answers"]
    assert len(curves) <= len(latencies.PERCENTS) * len(compared.rows)
    assert len(places) == queue.MOST_PLACES * len(compared.rows)
    assert (places[0]["place"], places[-1]["place"]) == (1, 300)
    times = np.sort(np.concatenate([sample.load.metrics.latencies for sample in compared.rows[0].samples]))
    assert max(point["ms"] for point in curves) == pytest.approx(times[-1], abs=1e-3)


def test_a_long_ramp_is_taken_together():
    compared = comparisons_of("ramps", made_up(3, 1))[0]
    compared.load.sent.seconds = 1000.0
    seconds = timeline.collect_seconds(compared)["seconds"]
    assert len(seconds) <= timeline.MOST_POINTS
    width = math.ceil(1000 / timeline.MOST_POINTS)
    assert sum(second["ok"] for second in seconds) * width == pytest.approx(compared.load.metrics.ok, abs=width)


# The sentence


def rounds(**rates: list[int]) -> list[ScenarioRun]:
    return [replace(one_second(name, rate), round=turn) for name, values in rates.items() for turn, rate in enumerate(values, 1)]


def answer(found: list[ScenarioRun]) -> Answer:
    return answer_study(compare_loads(found))


def test_a_clear_winner_is_named_with_its_interval():
    found = answer(rounds(a=[100, 104, 98, 101], b=[200, 210, 190, 205], c=[50, 52, 51, 49]))
    assert found.winner == "b"
    assert found.said.startswith("b serves most: 2.01x [")
    assert "what a, the baseline, does" not in found.said  # a is second: it is named already
    assert found.sure == "95% intervals over 4 runs each."


def test_chance_is_no_winner():
    found = answer(rounds(a=[100, 104, 98, 101], b=[101, 103, 99, 102], c=[50, 52, 51, 49]))
    assert found.winner == ""
    assert found.said.startswith("No winner is shown: b and a differ by no more than chance (at most 6% either way")
    assert "; c serves least, 50.5 against 102 requests per second." in found.said


def test_runs_without_an_answer_are_told_apart_by_their_ranks():
    hung = answer(rounds(a=[100, 110, 0], b=[50, 52, 51]))
    assert (hung.winner, hung.said[:20]) == ("", "No winner is shown: ")
    once = answer(rounds(a=[10] * 9 + [0], b=[20] * 10))
    assert once.winner == "b"


def test_one_round_tells_only_what_is_far_apart():
    near, far = answer(rounds(a=[100], b=[110])), answer(rounds(a=[100], b=[150]))
    assert near.said == "No winner is shown: b and a are too close for so few runs to tell apart."
    assert far.said == "b serves most: 1.50x what a does (150 against 100 requests per second)."
    assert far.sure == "Single runs."


def test_one_round_tells_no_more_than_two_equal_runs_differ_by():
    again = [replace(run, control=True) for run in rounds(a=[160])]
    near, far = answer([*rounds(a=[100], b=[150]), *again]), answer([*rounds(a=[100], b=[170]), *again])
    assert near.said.startswith("No winner is shown: b and a are too close")
    assert far.winner == "b"
    assert far.sure == "Single runs. Two equal ones (A/A, /) were 1.60x apart."


def test_what_answers_nothing_has_no_ratio():
    found = answer(rounds(a=[100], b=[0]))
    assert found.said == "a answers 100 requests per second. The load of b was too short to tell: nothing was answered correctly."
    assert found.winner == ""


def failing(name: str, ok: int, failed: int) -> ScenarioRun:
    return make_run(name, make_measured(make_sent(make_steady(ok, 1.0, failed), "-n 9 /"), cost=None))


def test_what_fails_never_leads():
    """Refusing work leaves more time for the rest."""
    found = answer([*rounds(a=[100], b=[200]), failing("c", 300, 400)])
    assert found.winner == "b"
    assert found.said.startswith("b serves most: 2.00x what a does")
    assert found.said.endswith("c failed 57% of its requests.")
    [compared] = compare_loads([*rounds(a=[100], b=[200]), failing("c", 300, 400)])
    assert [row.scenario for row in compared.rows] == ["b", "a", "c"]
    assert compared.rows[2].to_baseline is None


def test_over_several_loads_what_failed_is_no_more():
    runs = of_loads(a=[100, 100], b=[300, 300])
    runs[1].loads[0] = make_measured(make_sent(make_steady(300, 1.0, failed=100), "-n 9 -c 9 /0/"), cost=None)
    said = answer(runs).said
    assert "b failed 25% of its requests." in said
    assert said.count("serves most") == 1


def test_what_is_too_short_to_tell_is_in_no_verdict():
    found = answer(rounds(a=[100], b=[200], c=[3]))
    assert found.winner == "b"
    assert re.search(r"The load of c was too short to tell: only \d answers\.$", found.said)
    none = answer(rounds(a=[3], b=[4])).said
    assert re.fullmatch(
        r"Nothing can be said\. The load of a was too short to tell: only \d answers\. "
        r"The load of b was too short to tell: only \d answers\.",
        none,
    )
    assert answer(rounds(a=[2], b=[3])).advice == "To learn more: send a longer load: -t 60, or --full."


def test_serves_least_is_said_only_where_it_is_shown_against_all():
    found = answer(rounds(a=[100, 104, 98, 101], b=[101, 103, 99, 102], c=[50, 52, 51, 49], d=[50, 51, 52, 49]))
    assert found.said.endswith("; c and d serve less than b.")


def test_a_busy_machine_is_said_with_what_to_do():
    busy = Noise(available=True, disturbed="chromium used 70% of a core", foreign_programs={"chromium": 0.7})
    found = answer([one_second(name, rate, noise=busy) for name, rate in (("a", 100), ("b", 110))])
    assert found.said == "Nothing can be said of b and a: 2 of 2 runs were disturbed."
    assert found.advice == "To learn more: close chromium, or use --rounds 10."
    kernel = Noise(available=True, disturbed="a thread of the kernel", foreign_programs={f"{KERNEL}kdamond.0": 0.1})
    assert answer([one_second(name, rate, noise=kernel) for name, rate in (("a", 100), ("b", 110))]).advice == ""  # nobody can close it
    far = answer([one_second(name, rate, noise=busy) for name, rate in (("a", 100), ("b", 400))])
    assert far.winner == "b"  # a busy machine still gets an answer
    assert "Single runs, 2 of them disturbed." in far.sure


def of_loads(**rates: list[int]) -> list[ScenarioRun]:
    """One run of each, with a load for each rate: to so many paths."""

    def load(rate: int, number: int) -> Measured:
        [measured] = one_second("any", rate, line=f"-n 9 -c 9 /{number}/").loads
        return measured

    return [
        replace(one_second(name, 1), loads=[load(rate, number) for number, rate in enumerate(values)]) for name, values in rates.items()
    ]


def test_over_several_loads_each_has_its_sentence():
    found = answer(of_loads(a=[100, 100], b=[300, 100]))
    assert found.said == (
        "GET /0/: b serves most: 3.00x what a does (300 against 100 requests per second). "
        "GET /1/: No winner is shown: a and b are too close for so few runs to tell apart."
    )


def test_what_a_study_has_written_is_its_answer():
    comparisons = compare_loads(of_loads(a=[100, 100], b=[300, 100]))
    found = answer_study(comparisons, ["Threads serve three times as much.", "Under the other load nothing is decided."])
    assert found.said == "Threads serve three times as much. Under the other load nothing is decided."
    assert found.sure == "Single runs."


def test_many_loads_of_several_rounds_have_limits():
    found = answer([run for run in made_up(9, 4) if run.study == "ramps"])
    assert found.said.count(" serves most: ") == 6


def test_all_loads_at_a_glance_are_ratios_to_the_baseline():
    datasets = overview.collect_ratios(compare_loads(of_loads(a=[100, 100], b=[300, 50], c=[0, 100])))
    assert [row["row"] for row in datasets["rows"]] == ["GET /0/", "GET /1/"]
    assert [(ratio["row"], ratio["scenario"], pytest.approx(ratio["ratio"])) for ratio in datasets["ratios"]] == [
        ("GET /0/", "b", 3.0),
        ("GET /1/", "c", 1.0),
        ("GET /1/", "b", 0.5),
    ]


def test_texts_are_told_apart_by_what_they_do_not_share():
    assert brief([["GET /a", "5 users", "close"], ["GET /b", "5 users", "close", "9 ms added"]]) == ["GET /a", "GET /b · 9 ms added"]
    assert brief([["GET /", "close"], ["GET /", "close"]]) == ["GET / (1)", "GET / (2)"]


def test_loads_are_told_apart_by_single_words():
    several, fewer = (parse_line(line).parts for line in ("-n 300 -c 10 /a/", "-n 20 -c 10 /b/"))
    assert brief([several, fewer]) == ["GET /a/ · 300 requests", "GET /b/ · 20 requests"]


def test_of_nothing_nothing_is_said():
    assert answer([one_second("a", 9, busiest=0.95)]).said.startswith("Nothing is ranked: the load generator")
