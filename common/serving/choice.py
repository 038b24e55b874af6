"""Which scenarios are meant: names and globs, as a person types them."""

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from itertools import count as count_up
from pathlib import Path

from common.cli import UsageError
from common.serving.scenario import DEFAULT_PORTS, Scenario, ScenarioError, assignments, files, parse, read, scenario_name


def choose_scenarios(names: Sequence[str]) -> list[Path]:
    """The files that match the names and globs, each once; without any, all but those that serve a reader's project."""
    paths = files()
    chosen = [] if names else [path for path in paths if not serves_a_project(path)]
    for name in names:
        wanted = name_meant(name)
        matches = next(filter(None, chain(matching(name, paths), matching(wanted, paths))), [])
        if not matches:
            close = difflib.get_close_matches(wanted, [scenario_name(path) for path in paths], n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(close)}?" if close else "--list shows them all"
            raise ScenarioError(f"there is no scenario {name!r}; {hint}")
        chosen += [path for path in matches if path not in chosen]
    if not chosen:
        raise ScenarioError("there is no scenario but those of a project: name them, as in ./run_all.sh 'mysite/*'")
    return chosen


def serves_a_project(path: Path) -> bool:
    """It logs in and sends forms there, so it runs only if it is named."""
    with suppress(ScenarioError):  # running that one reports it
        return "PROJECT" in assignments(parse(path))
    return False


def matching(wanted: str, paths: Sequence[Path]) -> Iterator[list[Path]]:
    """By the whole name, then by that of the file in any folder: one of a reader's own folder may have a name of ours."""
    for same in (str.__eq__, fnmatch.fnmatchcase):
        yield [path for path in paths if same(scenario_name(path), wanted)]
        yield [path for path in paths if same(path.stem, wanted)]


def choose_one(option: str, name: str) -> Path:
    paths = choose_scenarios([name])
    if len(paths) > 1:
        raise UsageError(f"{option} {name} matches {len(paths)} scenarios; name one")
    return paths[0]


def name_meant(word: str) -> str:
    """scenarios/mine.py means mine, and my_scenarios/mine a folder's."""
    return re.sub("^(.*/)?scenarios/", "", word).removesuffix(".py")


def read_scenarios(paths: Iterable[Path]) -> tuple[list[Scenario], dict[str, str]]:
    """The scenarios that can be read, and by name why the others cannot."""
    scenarios: list[Scenario] = []
    unreadable: dict[str, str] = {}
    for path in paths:
        try:
            scenarios.append(read(path))
        except ScenarioError as error:
            unreadable[scenario_name(path)] = str(error)
    return scenarios, unreadable


def on_ports_of_their_own(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Scenarios served together cannot share a port: those that name none get the next unused ones."""
    named = {port for scenario in scenarios if scenario.ports != DEFAULT_PORTS for port in scenario.ports.values()}
    left = (port for port in count_up(DEFAULT_PORTS["port"]) if port not in named)
    return [replace(one, ports={"port": next(left)}) if one.ports == DEFAULT_PORTS else one for one in scenarios]
