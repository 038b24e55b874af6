"""Finds the model of a scenario that is a changed copy and still takes part in the model's study."""

import ast
import re
from contextlib import suppress
from dataclasses import dataclass

from common.serving.scenario import Scenario, ScenarioError, files, parse, read, read_source


@dataclass(frozen=True)
class Copy:
    name: str
    model: str
    study: str
    view: str  # the one that differs from its model's
    expects: str  # the text that its answers must still contain, as its model's did

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.view} is not that of {self.model}, but it still takes part in study {self.study}{self.expects}: "
            "give it its own STUDY, say in DIFFERS_FROM what differs, or start with ./run_all.sh --new"
        )


def find_copy(scenario: Scenario) -> Copy | None:
    """Find its model by the launch line, which a copy keeps; of two files alike, the one changed last is the copy."""
    for model in scenarios_of(scenario.study):
        views: list[str] = []
        with suppress(RecursionError):  # an expression that can be parsed may still be too deep to be looked at
            views = views_that_differ(scenario, model) if model.server == scenario.server and not is_declared(scenario, model) else []
        if views and model.path.stat().st_mtime < scenario.path.stat().st_mtime:
            return Copy(scenario.name, model.name, scenario.study, views[0], tell_expected(scenario, model))
    return None


def scenarios_of(study: str) -> list[Scenario]:
    declared = re.compile(rf"^STUDY\b.*{re.escape(study)}", re.MULTILINE)  # the other files need not be parsed
    found = []
    for path in files():
        with suppress(ScenarioError):  # running that one reports it
            if declared.search(read_source(path)) and (scenario := read(path)).study == study:
                found.append(scenario)
    return found


def views_that_differ(one: Scenario, other: Scenario) -> list[str]:
    mine, theirs = functions_of(one), functions_of(other)
    return [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]


def functions_of(scenario: Scenario) -> dict[str, str]:
    nodes = parse(scenario.path).body
    return {node.name: ast.dump(node) for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def is_declared(one: Scenario, other: Scenario) -> bool:
    """One says how it differs from the other, or both how they differ from a third, in different words: a copy has its model's."""
    if other.name in one.differs_from or one.name in other.differs_from:
        return True
    return any(one.differs_from[base] != other.differs_from[base] for base in set(one.differs_from) & set(other.differs_from))


def tell_expected(one: Scenario, other: Scenario) -> str:
    both = {load.expect for load in one.loads} & {load.expect for load in other.loads}
    texts = [repr(load.expect) for load in one.loads if load.expect and load.expect in both]
    return f", where a right answer holds {' or '.join(dict.fromkeys(texts))}" if texts else ""
