"""Does the last sentence say what a reader's own site is, and only what was measured?"""

import pytest

from common.results.circumstances import Noise
from studies import judge
from tests.made_up import make_cost, make_measured, make_run, make_sent, make_steady

SERVERS = {
    "sync": "gunicorn {app} --worker-class sync",
    "threads": "gunicorn {app} --worker-class gthread --threads 8",
    "greenlets": "gunicorn {app} --worker-class gevent",
    "async": "uvicorn {app}",
    "processes": "gunicorn {app} --worker-class sync --workers 2",
}


def measured(per_second: float, cpu_ms: float, noise: Noise):
    sent = make_sent(make_steady(round(per_second * 10), 10.0), "-n 1000 -c 8 /shop/", seconds=10.0)
    return make_measured(sent, cost=make_cost(cpu_seconds=per_second * 10 * cpu_ms / 1000), noise=noise)


def said(project: str = "/code/shop", disturbed: str = "", **rates: tuple[float, float]) -> str:
    noise = Noise(available=True, disturbed=disturbed)
    runs = [
        make_run(f"shop/{name}", measured(*rate, noise), study="shop", launch=SERVERS[name], project=project)
        for name, rate in rates.items()
    ]
    return " ".join(judge(runs)["shop"].answers)


def test_a_site_that_computes_needs_processes():
    answer = said(sync=(50, 19.8), threads=(49, 20), greenlets=(50, 20), **{"async": (30, 33)}, processes=(98, 20))
    assert answer.startswith(
        "/shop/ computes: 20.0 ms a page, of which 99% is CPU. Async serves only about 0.60 times what one request at a time does."
    )
    assert "Threads and greenlets gain nothing. Give it as many processes as you have cores." in answer
    assert "2 processes serve about 2.0 times what the best single one does." in answer
    assert "shop/processes serves most" in answer


def test_a_site_that_waits_needs_something_to_wait_in():
    answer = said(sync=(10, 2), threads=(78, 2.2), **{"async": (120, 5)})
    assert answer.startswith(
        "/shop/ waits: of 100 ms a page, 2.00 ms is CPU. Threads serve about 7.8 times what one request at a time does."
    )
    assert "Async serves about 12 times what one request at a time does." in answer
    assert "processes" not in answer


def test_what_other_programs_hide_is_not_said():
    answer = said(disturbed="other programs used 50% of the cores", sync=(25, 12), threads=(49, 12))
    assert answer.startswith("/shop/ costs 12.0 ms of CPU a page; other programs hide whether it also waits.")
    assert "waits:" not in answer


def test_processes_that_gain_nothing_are_not_advised():
    answer = said(sync=(50, 19.8), threads=(49, 20), processes=(51, 20))
    assert "2 processes gain nothing beside the best single one." in answer
    assert "Give it" not in answer
    assert "2 processes serve only about 0.60 times what the best single one does." in said(sync=(50, 19.8), processes=(30, 33))


def test_what_processes_gain_is_told_beside_any_server():
    assert said(threads=(49, 20), processes=(98, 20)).startswith("2 processes serve about 2.0 times what the best single one does.")
    assert "2 processes" not in said(disturbed="other programs used 50% of the cores", threads=(49, 20), processes=(98, 20))


@pytest.mark.parametrize("rates", [{"threads": (49, 20)}, {"threads": (49, 20), "async": (30, 33)}])
def test_without_one_request_at_a_time_only_the_best_is_told(rates):
    answer = said(**rates)
    assert "computes" not in answer
    assert "shop/threads" in answer


def test_a_study_that_serves_no_project_gets_no_such_answer():
    assert said(project="", sync=(50, 19.8), threads=(49, 20)) == ""
