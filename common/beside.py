"""Two scenarios side by side, or one before and after a change: what --side-by-side, --against and --requirements do."""

import argparse
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from common.bench import run_options_from
from common.cli import UsageError, complain
from common.client.progress import silent
from common.page import announce_page
from common.report import markdown
from common.report import pair as report
from common.report.live import Watch
from common.results import files
from common.results.pairs import Pair, costs_more, was_compared
from common.running.directories import new_directory
from common.running.side_by_side import PlannedPair, Procedure, begin_pair, lengths_within, plan_pairs, run_pair
from common.running.sizing import RunOptions
from common.serving import postgres
from common.serving.checkouts import checkout, project_in, repository_of
from common.serving.environments import interpreter_with, read_requirements
from common.serving.own.origins import with_its_own_code
from common.serving.places import ROOT, short_path
from common.serving.process import REQUIREMENTS
from common.serving.scenario import Scenario, read

BEFORE, NEW = "before-", "new-"  # put before the name of the scenario in another checkout, or in another environment


def run(paths: Sequence[Path], options: argparse.Namespace, watch: Watch) -> int:
    """Measure each pair in its share of the time; 1 if one could not be compared or a change costs more than --within allows."""
    run_options, scenarios = run_options_from(options), [read(path) for path in paths]
    if options.markdown is not None and not options.markdown.parent.is_dir():
        raise UsageError(f"--markdown {options.markdown}: there is no folder {options.markdown.parent}")
    asked = say_change(options)
    with ExitStack() as stack:
        interpreter = make_environment(scenarios, options, watch) if asks_for_environment(options) else ""
        if options.against is not None:
            repositories = dict.fromkeys(map(repository_of, scenarios))
            others = {repository: stack.enter_context(checkout(options.against, repository)) for repository in repositories}
            planned_pairs = plan_against(scenarios, others, interpreter, run_options)
        else:
            planned_pairs = plan_new(scenarios, interpreter, run_options) if interpreter else plan_beside(scenarios, run_options)
        directory = new_directory("side-by-side")
        try:
            pairs = list(run_pairs(planned_pairs, options, run_options, directory, watch, asked))
        finally:
            print()
            announce_page(directory)
            print(f"Records: {short_path(directory)}/")
            if options.markdown is not None:
                options.markdown.write_text(markdown.text(files.read_pairs(directory)), encoding="utf-8")
    return 1 if any(pair.is_change and costs_more(pair) for pair in pairs) or not all(map(was_compared, pairs)) else 0


def say_change(options: argparse.Namespace) -> str:
    """What is changed, by the options that say so, with the text of a requirements file; '' if two scenarios are compared."""
    given = {"--against": options.against, "--requirements": options.requirements, "--python": options.python}
    said = " ".join(f"{name} {value}" for name, value in given.items() if value is not None)
    packages = read_requirements(options.requirements) if options.requirements is not None else ""
    return f"{said}\n{packages}".strip()


def asks_for_environment(options: argparse.Namespace) -> bool:
    return options.requirements is not None or options.python is not None


def make_environment(scenarios: Sequence[Scenario], options: argparse.Namespace, watch: Watch) -> str:
    for scenario in scenarios:
        if scenario.project:
            raise UsageError(f"--requirements: {scenario.name} serves a project, which has an environment of its own: install them there")

    def tell(text: str) -> None:
        complain(f"run_all.sh: {text}")

    return interpreter_with(options.requirements, options.python, silent if watch.quiet else tell)


def run_pairs(
    planned_pairs: Sequence[PlannedPair], options: argparse.Namespace, run_options: RunOptions, directory: Path, watch: Watch, asked: str
) -> Iterator[Pair]:
    """Each has its share of the time that is left."""
    seed = random.randrange(2**32) if options.seed is None else options.seed
    tell = watch.tell if watch.is_seen else silent
    until = time.monotonic() + options.minutes * 60
    watch.expect(options.minutes * 60)
    with postgres.server(tell) as database:
        for number, both in enumerate(planned_pairs):
            began = time.monotonic()
            seconds = max(0.0, until - began) / (len(planned_pairs) - number)
            procedure = Procedure(run_options, directory, database, seed, tell, lengths_within(seconds))
            pair = begin_pair(both, options.within, len(planned_pairs), bool(asked), seed, asked)
            try:
                run_pair(both, pair, procedure, began + seconds)
            finally:
                watch.tell("")
                if pair.restarts or pair.refused or pair.fault:
                    print(f"\n{report.text(pair)}", flush=True)
            watch.expect(began - time.monotonic())
            for why in filter(None, (pair.refused, pair.fault)):
                complain(f"run_all.sh: {' beside '.join(pair.names)}: {why}")
            yield pair


def plan_beside(scenarios: Sequence[Scenario], options: RunOptions) -> list[PlannedPair]:
    """Pair the first with each of the others."""
    first, *others = scenarios
    if not others:
        raise UsageError("--side-by-side needs two scenarios: name them, as in ./run_all.sh gunicorn_gthread uvicorn_asgi --side-by-side")
    return [both for other in others for both in plan_pairs(first, other, options)]


def plan_new(scenarios: Sequence[Scenario], interpreter: str, options: RunOptions) -> list[PlannedPair]:
    """Pair each in the new environment with itself in the present one."""
    return [both for one in scenarios for both in plan_pairs(replace(one, label=NEW, interpreter=interpreter), one, options)]


def plan_against(scenarios: Sequence[Scenario], others: Mapping[Path, Path], interpreter: str, options: RunOptions) -> list[PlannedPair]:
    """Pair each of ours with the same one in the other checkout of its repository, which has this environment."""
    planned_pairs = []
    for ours in scenarios:
        repository = repository_of(ours)
        try:
            theirs = other_project(ours, repository, others[repository]) if ours.project else other_file(ours, others[repository])
            planned_pairs += plan_pairs(ours, replace(theirs, label=BEFORE, interpreter=interpreter), options)
        except UsageError as problem:
            if len(scenarios) == 1:
                raise
            complain(f"run_all.sh: {ours.name} is not compared: {problem}")
    if not planned_pairs:
        raise UsageError("--against: no scenario can be compared with itself there")
    if not interpreter and ROOT in others and asks_for_others(others[ROOT]):
        complain("run_all.sh: the requirements.txt there differs; both are served with ours, unless you name theirs: --requirements FILE")
    return planned_pairs


def other_file(ours: Scenario, root: Path) -> Scenario:
    path = root / ours.path.relative_to(ROOT)
    if not path.is_file():
        raise UsageError(f"--against: {root} has no {ours.path.relative_to(ROOT)}")
    return read(path, root)


def other_project(ours: Scenario, repository: Path, tree: Path) -> Scenario:
    """The same file, which serves the project's other state."""
    folder = project_in(tree, ours, repository)
    if not folder.is_dir():
        raise UsageError(f"--against: there is no project in {folder}")
    return with_its_own_code(replace(ours, project=str(folder)), repository, tree)


def asks_for_others(root: Path) -> bool:
    theirs = root / REQUIREMENTS.name
    return theirs.is_file() and theirs.read_bytes() != REQUIREMENTS.read_bytes()
