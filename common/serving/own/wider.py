"""Makes the scenario of a reader's project with more processes, from that with one, as the reader left it."""

import re
from pathlib import Path

from common.serving.own.scenario_files import declare
from common.serving.scenario import Scenario, assignments, parse_source
from common.serving.shape import ShapeError, shape_of, with_shape
from common.serving.template import Edits, lines_of

NAME = re.compile(r"(?P<server>.+?)(_(\d+x)?(?P<number>\d+)?)?")  # as scenario_files names them


def server_of(scenario: Scenario) -> str:
    """The server's name, whatever its numbers."""
    return parts_of(scenario)[0]


def parts_of(scenario: Scenario) -> tuple[str, str]:
    """The server's name, and its number of threads or greenlets if the file's name has one."""
    match = NAME.fullmatch(scenario.path.stem)
    assert match is not None
    return match["server"], match["number"] or ""


def can_be_wider(scenario: Scenario, processes: int) -> bool:
    try:
        with_shape(scenario.server, processes)
    except ShapeError:
        return False
    return shape_of(scenario.server).processes == 1


def widen(scenario: Scenario, processes: int) -> tuple[Path, str]:
    """The path and the source of the same with so many processes."""
    server, number = parts_of(scenario)
    name = f"{server}_{processes}x{number}"
    declared = assignments(parse_source(scenario.path, scenario.source))
    differs_from = {scenario.name: f"{processes} processes, not 1"}
    edits: Edits = {lines_of(declared["DIFFERS_FROM"]): ""} if "DIFFERS_FROM" in declared else {}
    edits[lines_of(declared["STUDY"])] = declare("STUDY", scenario.study) + declare("DIFFERS_FROM", differs_from)
    edits[lines_of(declared["SERVER"])] = declare("SERVER", with_shape(scenario.server, processes))
    lines = scenario.source.splitlines(keepends=True)
    for (first, end), text in sorted(edits.items(), reverse=True):
        lines[first:end] = [text]
    question = scenario.question.replace(scenario.path.stem, name).replace("1 process", f"{processes} processes")
    return scenario.path.with_name(f"{name}.py"), "".join(lines).replace(scenario.question, question, 1)
