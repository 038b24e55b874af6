"""What does a table rank, what does it mark, and what does it say beside its figures?"""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from common.client.outcomes import OUTCOMES
from common.client.sent import Requests
from common.report.tables import draw_answers, draw_comparison, draw_rows
from common.results.circumstances import Pinned
from common.results.claims import Claim, Judgement
from common.results.comparison import compare_loads
from common.results.record import ScenarioRun
from tests.made_up import make_client, make_cost, make_measured, make_requests, make_run, make_sent, make_steady
from tests.test_rounds import of_rounds, shown
from tests.test_suite import below_heads


def of_a_second(name: str, ok: int, failed: int = 0, cut_off: int = 0, **more) -> list[ScenarioRun]:
    """One run: answers, failures at once, and requests that were in flight when the second was over."""
    cut = [(0, 0, 0, 0, 1, "cut off", 0, 0, 0)] * cut_off
    requests = make_requests([*rows_of(make_steady(ok, 1.0, failed)), *cut])
    sent = make_sent(requests, "-c 9 -t 1 /", 1.0, stopped="cut off", client=make_client(lag_ms=0))
    return [make_run(name, make_measured(sent, **{"cost": make_cost(0.65), **more}))]


def rows_of(requests: Requests) -> list[tuple]:
    columns = (requests.start, requests.connected, requests.sent, requests.first_byte, requests.end)
    moments = np.array(columns).T / 1e6
    return [(*row, OUTCOMES[outcome], 200, 2, 100) for row, outcome in zip(moments.tolist(), requests.outcome, strict=True)]


def cells_of(text: str, scenario: str) -> dict[str, str]:
    """By the heads of their columns."""
    [heads] = [split(line) for line in text.splitlines() if line.startswith("scenario ")]
    [cells] = [split(line) for line in below_heads(text.splitlines()) if line.startswith(f"{scenario} ")]
    return dict(zip(heads, cells, strict=True))


def split(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def test_what_is_too_short_to_tell_stands_below_with_no_figure():
    text = shown(of_a_second("a", 100), of_a_second("b", 3, cut_off=50), of_a_second("c", 50))
    assert [line.split()[0] for line in below_heads(text.splitlines())[:3]] == ["a", "c", "b"]
    cells = cells_of(text, "b")
    assert (cells["req/s"], cells["CPU ms/req"], cells["cut off"]) == ("-", "-", "50")
    assert cells["limited by"] == "too short to tell"
    assert re.search(r"^the load of b was too short to tell: only \d answers", text, re.MULTILINE)
    assert cells["p50 ms"] == "over 1 s"


def test_what_fails_stands_below_with_what_it_failed():
    text = shown(of_a_second("a", 100), of_a_second("b", 300, failed=400), of_a_second("c", 50))
    assert [line.split()[0] for line in below_heads(text.splitlines())[:3]] == ["a", "c", "b"]
    assert cells_of(text, "b")["limited by"] == "failed 57% of its requests"


def test_an_upper_bound_is_printed_as_one_and_compared_with_nothing():
    runs = [*of_a_second("a", 100, cut_off=9), *of_a_second("b", 50)]
    text = shown(runs)
    assert cells_of(text, "a")["CPU ms/req"] == "<= 6.50"
    assert cells_of(text, "b")["CPU ms/req"] == "13.0"
    [comparison] = compare_loads(runs)
    rows = {row.scenario: row for row in comparison.rows}
    assert (rows["a"].one_core, rows["b"].one_core) == (None, pytest.approx(1000 / 13))
    assert comparison.ratio("a", "b", "CPU ms/req") is None
    assert comparison.ratio("b", "b", "CPU ms/req").middle == 1


def test_a_disturbed_row_is_marked_and_still_ranked():
    """With one round all count; the programs are named, and what to do."""
    text = shown(of_rounds("a", [100], disturbed="chromium used 70% of a core"), of_rounds("b", [105]))
    assert [line.split()[:2] for line in below_heads(text.splitlines())[:2]] == [["b", "105"], ["a", "~"]]
    assert "~ disturbed: a (chromium used 70% of a core)" in text
    assert "close chromium, or use --rounds 10" in text


def test_what_disturbed_all_is_not_said_of_each():
    text = shown(*(of_rounds(name, [rate], disturbed="chromium") for name, rate in zip("abcd", (100, 80, 60, 40), strict=True)))
    assert "~ disturbed: all scenarios (at worst: chromium)" in text
    text = shown(*(of_rounds(name, [100], disturbed="chromium" * (name != "a")) for name in "abcd"))
    assert "~ disturbed: b, c and d (at worst: chromium)" in text


def test_disturbed_runs_are_left_out_of_rates_only_where_three_calm_ones_are():
    few = shown(of_rounds("a", [100, 102]), of_rounds("a", [50, 51], disturbed="chromium"))
    assert "a 2 of 4 runs, counted" in few
    enough = shown(of_rounds("a", [100, 102, 101]), of_rounds("a", [50, 51], disturbed="chromium"))
    assert "a 2 of 5 runs, not in its rates and times" in enough
    assert enough.count("chromium") == 1  # said once


def test_cpu_is_of_all_runs():
    calm, busy = (of_rounds("a", [100] * number, disturbed=why) for number, why in ((3, ""), (2, "chromium")))
    for one, seconds in zip([*calm, *busy], (0.10, 0.10, 0.10, 0.20, 0.20), strict=True):
        one.loads[0].cost = make_cost(seconds)
    [comparison] = compare_loads([*calm, *busy])
    [row] = comparison.rows
    assert (row.estimates["req/s"].runs, row.estimates["CPU ms/req"].runs) == (3, 5)


def test_where_two_equal_runs_differ_in_cpu_it_is_said():
    first, again = of_rounds("a", [100, 101, 99]), of_rounds("a", [100, 99, 101], control=True)
    for runs, costs in ((first, (0.100, 0.101, 0.099)), (again, (0.200, 0.202, 0.198))):
        for one, cost in zip(runs, costs, strict=True):
            one.loads[0].cost = make_cost(cost)
    text = shown(first, again)
    assert "A/A: a twice: 1.00x" in text
    assert "CPU per request 2.00x" in text
    assert "don't compare CPU here" in text.replace("\n", " ")


def test_a_late_client_is_marked():
    [late] = of_rounds("a", [100])
    late.loads[0].sent.client = make_client(lag_ms=5)
    text = shown([late], of_rounds("b", [50]))
    assert below_heads(text.splitlines())[0].startswith("a !")
    assert "! the load generator was kept waiting for a core: rates and times of a include that" in text


@pytest.mark.parametrize(
    ("pinned", "said"),
    [
        (Pinned([0], [1]), "one round · server on core 0, all else on 1"),
        (Pinned([0, 1, 2, 5], [3, 4]), "one round · server on cores 0-2, 5, all else on 3-4"),
        (Pinned([0, 1], [0, 1], shared=True), "one round · server, client and services share cores 0-1"),
        (None, "one round · server, client and services share all cores"),
    ],
)
def test_the_head_says_what_ran_where(pinned, said):
    assert shown(of_a_second("a", 100, pinned=pinned)).splitlines()[0].endswith(said)


def test_many_rounds_show_what_was_cut_off_and_how_much_of_the_ideal():
    runs = [replace(run, round=turn) for turn in (1, 2, 3) for run in of_a_second("a", 90, cut_off=4, least_seconds=0.09)]
    cells = cells_of(shown(runs), "a")
    assert (cells["cut off"], cells["of ideal"]) == ("12", "90%")


def test_the_number_of_runs_is_shown_where_it_differs():
    text = shown(of_rounds("a", [100, 102, 101]), of_rounds("b", [50, 51]))
    assert (cells_of(text, "a")["runs"], cells_of(text, "b")["runs"]) == ("3", "2")
    assert "runs" not in shown(of_rounds("a", [100, 102]), of_rounds("b", [50, 51])).splitlines()[1]


def test_a_run_without_an_answer_among_others_is_said():
    text = shown(of_rounds("a", [20] * 10), of_rounds("b", [10] * 9 + [0]))
    assert "b: 1 of 10 runs answered nothing: a ratio of medians, without an interval" in text


NAMES = ("nginx_gunicorn_uvicorn_count_remote", "a")


@pytest.mark.parametrize("rounds", [1, 3])
def test_no_line_is_wider_than_it_may_be_and_no_name_or_figure_is_cut(rounds):
    """What has no room goes as a whole column."""
    runs = [replace(run, round=turn) for turn in range(1, rounds + 1) for name in NAMES for run in of_a_second(name, 12345, cut_off=40)]
    console = Console(file=io.StringIO(), width=120)
    for comparison in compare_loads(runs):
        console.print(draw_comparison(comparison, 120))
    lines = console.file.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 120
    assert "…" not in "".join(lines)
    assert below_heads(lines)[0].startswith(("nginx_gunicorn_uvicorn_count_remote ", "a "))
    assert below_heads(lines)[0].count("12,345") == 1


def test_what_leaves_no_room_goes_first():
    narrow, wide = (draw_rows(compare_loads(of_a_second("a", 90, least_seconds=0.1))[0], width) for width in (60, 120))
    assert [column.header for column in wide.columns if column not in narrow.columns]
    gone = {column.header for column in wide.columns} - {column.header for column in narrow.columns}
    assert gone == {"of ideal", "MB"}


def test_the_answers_come_last_as_their_study_has_written_them():
    runs = [*of_a_second("a", 100), *of_a_second("b", 50)]
    written = {"tests": Judgement([Claim("it is so", "reproduced", "")], ["With threads it is twice as fast.", "So use them."])}
    generated = {"tests": Judgement()}
    console = Console(file=io.StringIO(), width=120)
    for judged in (written, generated):
        for part in draw_answers(judged, runs):
            console.print(part)
    text = " ".join(console.file.getvalue().split())
    assert "tests: With threads it is twice as fast. So use them. Single runs." in text
    assert "Of 1 claims: 1 reproduced." in text
    assert "tests: a serves most: 2.00x what b does" in text


def test_many_answers_get_a_line_each():
    written = {"tests": Judgement([], [f"This is answer {number}." for number in range(6)])}
    console = Console(file=io.StringIO(), width=120)
    for part in draw_answers(written, of_a_second("a", 100)):
        console.print(part)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines[1:7] == ["tests: This is answer 0.", *(f"This is answer {number}." for number in range(1, 6))]


def test_what_was_nearest_to_full_is_said_where_nothing_was():
    text = shown(of_a_second("a", 100, cost=make_cost(0.6), pinned=Pinned([0], [1])))
    assert cells_of(text, "a")["limited by"] == "server CPU 60%"
