"""What goes wrong in one turn is that turn's alone."""

from pathlib import Path

import psutil
import pytest

from common.client.progress import silent
from common.results import files
from common.results.record import ScenarioRun
from common.running import run
from common.running.rounds import Turn
from common.running.sizing import RunOptions
from common.serving import postgres
from common.serving.places import ROOT
from common.serving.scenario import read
from tests.made_up import make_measured, make_requests, make_sent


class Unseen:
    is_seen = False

    def tell(self, text): ...

    def expect(self, seconds): ...

    def measured(self, sample): ...


def run_one(folder: Path) -> ScenarioRun:
    scenario = read(ROOT / "scenarios" / "gunicorn_uvicorn_sleep.py")
    return run.run_turn(Turn(scenario), RunOptions(), folder, postgres.server(silent), Unseen())


@pytest.mark.parametrize("error", [RuntimeError("a counter\nwas not there"), psutil.NoSuchProcess(1), IndexError()])
def test_any_exception_fails_its_turn_alone(tmp_path, monkeypatch, error):
    measured = make_measured(make_sent(make_requests([(0, 0, 0, 1, 1, "ok", 200, 2, 100)])))
    planned = iter([measured, error])

    def measure_afresh(*_):
        if (planned_next := next(planned)) is error:
            raise error
        return planned_next

    monkeypatch.setattr(run, "measure_afresh", measure_afresh)
    made = run_one(tmp_path)
    assert made.status == "failed"
    assert made.reason.startswith(type(error).__name__)
    assert len(made.reason.splitlines()) == 1
    assert "Traceback" in (tmp_path / "gunicorn_uvicorn_sleep.log").read_text()
    [path] = files.paths_in(tmp_path)
    assert len(files.read(path, ScenarioRun).loads) == 1  # what was measured before it is kept


def test_a_plan_that_cannot_be_made_fails_its_turn_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "plan_loads", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in run_one(tmp_path).reason


def test_a_record_that_cannot_be_written_fails_its_turn_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "measure_afresh", lambda *_: 1 / 0)
    monkeypatch.setattr(files, "write", lambda *_: [][1])
    assert "cannot save" in run_one(tmp_path).reason


def test_more_than_the_ideal_is_said_of_the_run(tmp_path, monkeypatch):
    ends = [place / 100 for place in range(1, 101)]
    sent = make_sent(make_requests([(0, 0, 0, end, end, "ok", 200, 2, 100) for end in ends]), "-c 10 -t 1 /", stopped="cut off")
    measured = make_measured(sent, least_seconds=0.5)  # which lets 20 through
    monkeypatch.setattr(run, "measure_afresh", lambda *_: measured)
    made = run_one(tmp_path)
    assert made.status == "ok"
    assert "of the ideal is impossible: LEAST_SECONDS says 0.5 s, but an answer took 0.010 s" in made.reason
