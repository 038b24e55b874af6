"""What stands on the terminal when a run of many scenarios ends: what was left out, the tables, the answers."""

from collections.abc import Iterable, Mapping, Sequence

from common.cli import complain
from common.report import tables
from common.report.console import PlainConsole
from common.results.claims import Judgement
from common.results.record import ScenarioRun
from common.results.words import describe_environment

WIDTH = 120  # a narrower terminal wraps the lines of a table


def show_left_out(runs: Iterable[ScenarioRun], unreadable: Mapping[str, str]) -> None:
    """Print each reason, and each doubt, once: a control is skipped for the same reason as its scenario."""
    reasons = [("failed", name, reason) for name, reason in unreadable.items()]
    reasons += [(run.status, run.scenario, run.reason) for run in runs if run.status in ("skipped", "failed")]
    reasons += [("doubtful", run.scenario, run.reason) for run in runs if run.status == "ok" and run.reason]
    for status, name, reason in dict.fromkeys(reasons):
        complain(f"{status}: {name}: {reason}")


def show_tables(judged: Mapping[str, Judgement], measured: Sequence[ScenarioRun], rounds: int, verbose: bool) -> None:
    """Study by study; where and how it was measured; the answers last."""
    console = PlainConsole(highlight=False)
    console.width = WIDTH
    console.print()
    for study, judgement in judged.items():
        for part in tables.draw_study(study, [run for run in measured if run.study == study], judgement, WIDTH, len(judged) == 1, verbose):
            console.print(part)
    console.print(describe_environment(measured[0].environment), style="dim")
    waited = sum(load.noise.waited_for_quiet_seconds or 0.0 for run in measured for load in run.loads)
    if waited >= 1:
        console.print(f"This run waited {waited:.0f} s in all until other programs were quiet, before its loads.", style="dim")
    if rounds == 1:
        console.print("One round is one sample: no interval can be given. --rounds 10 gives intervals.", style="dim")
    console.print()
    for part in tables.draw_answers(judged, measured):
        console.print(part)
