"""Many scenarios, one after the other, then the tables that compare them: what ./run_all.sh runs."""

import argparse
import difflib
import fnmatch
import random
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from common.bench import SKIPPED_EXIT, add_run_options, blank, new_directory, parse_run_options, planned_seconds, run, serve
from common.cli import stop_on_signals
from common.client.load import LoadError, Parser, count
from common.report import many_rounds
from common.report.live import watch
from common.report.tables import changes_table, claims_table, comparisons, published_table
from common.results import files
from common.running import machine, rounds
from common.serving import scenario
from common.serving.postgres import Postgres
from common.serving.process import Failed
from common.serving.scenario import Scenario, ScenarioError, name_of, read, shown

TEXT_WIDTH, TABLE_WIDTH = 150, 250  # a narrower terminal wraps the lines of a table: nothing is left out


def main(arguments: list[str]) -> int:
    stop_on_signals()
    parser = Parser(prog="run_all.sh", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run: names or globs such as 'uwsgi_*' (default: all)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and their questions")
    parser.add_argument("--rounds", type=count, default=1, metavar="R", help="run all R times, in random order, for intervals (default 1)")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with a run that was stopped: a directory in results/")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random order; it is in every record")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no progress and no summaries: only the tables")
    add_run_options(parser)
    try:
        options = parse_run_options(parser, arguments)
        watch.quiet = options.quiet
        if options.resume is not None:
            return resume(alone(options))
        chosen = choose(options.names)
        if options.list:
            return show_list(chosen)
        if options.serve:
            return serve([read(path) for path in chosen], new_directory("serve"), options.host)
        return begin(chosen, options)
    except (LoadError, ScenarioError) as error:
        print(f"run_all.sh: {error}", file=sys.stderr)
        return 2
    except (Failed, files.RecordError) as error:
        print(f"run_all.sh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run_all.sh: stopped", file=sys.stderr)
        return 130


def alone(options: argparse.Namespace) -> Path:
    """--resume goes by the plan that was kept: nothing else may be asked for."""
    others = {name for name, value in vars(options).items() if value and name not in ("resume", "host", "rounds", "quick", "quiet")}
    if others or options.rounds != 1:
        raise LoadError("--resume goes on as the run was begun: no names and no other options beside it")
    return Path(options.resume)


def choose(names: list[str]) -> list[Path]:
    """The files that the names and globs mean, each once."""
    found = scenario.files()
    chosen: list[Path] = []
    for name in names or ["*"]:
        wanted = name.removesuffix(".py").rpartition("scenarios/")[2]
        matching = [path for path in found if any(fnmatch.fnmatchcase(one, wanted) for one in (path.stem, name_of(path)))]
        if not matching:
            close = difflib.get_close_matches(wanted, [name_of(path) for path in found], n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(close)}?" if close else "--list shows them all"
            raise ScenarioError(f"there is no scenario {name!r}; {hint}")
        chosen += [path for path in matching if path not in chosen]
    return chosen


def show_list(paths: list[Path]) -> int:
    code = 0
    width = max(len(name_of(path)) for path in paths)
    for path in paths:
        try:
            scenario = read(path)
        except ScenarioError as error:
            print(f"run_all.sh: {error}", file=sys.stderr)
            code = 1
            continue
        print(f"{scenario.name:<{width}}  {scenario.study:<10}{scenario.question}")
    return code


def begin(chosen: list[Path], options: argparse.Namespace) -> int:
    """A run of its own directory, its plan kept in it."""
    directory = new_directory()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    rounds.save(directory, [name_of(path) for path in chosen], seed, options)
    return run_suite(chosen, directory, seed, options, earlier=[])


def resume(directory: Path) -> int:
    """What is missing of a run that was stopped, by the same plan; runs that failed are results too."""
    planned = rounds.load(directory)
    options = argparse.Namespace(**planned["options"], rounds=planned["rounds"])
    chosen = choose(planned["scenarios"])
    earlier = [result for result in saved(directory) if result["status"] != "interrupted"]
    now = {name_of(path): path.read_text(encoding="utf-8") for path in chosen}
    changed = sorted({result["scenario"] for result in earlier if result["source"] != now[result["scenario"]]})
    if changed:
        raise ScenarioError(f"changed since {shown(directory)} was begun: {', '.join(changed)}; begin a run of its own")
    return run_suite(chosen, directory, planned["seed"], options, earlier)


def run_suite(paths: list[Path], directory: Path, seed: int, options: argparse.Namespace, earlier: list[dict[str, Any]]) -> int:
    """Round by round, whatever becomes of each run; then what can be compared is."""
    scenarios: list[Scenario] = []
    done = list(earlier)
    for path in paths:
        try:
            scenarios.append(read(path))
        except ScenarioError as error:
            done.append(
                {"scenario": name_of(path), "label": name_of(path), "study": "", "status": "failed", "reason": str(error), "loads": []}
            )
    turns = rounds.turns(scenarios, options.rounds, seed)
    had = {(result["label"], result["round"]) for result in earlier}
    left = [turn for turn in turns if (turn.label, turn.round) not in had]
    watch.expect(sum(planned_seconds(turn.scenario, options) for turn in left))
    stopped = False
    with Postgres() as postgres:
        try:
            for turn in left:
                result = {**blank(turn.scenario, options), "label": turn.label, "round": turn.round, "seed": seed}
                done.append(result)
                run(turn.scenario, options, directory / turn.folder, postgres, result)
        except KeyboardInterrupt:
            stopped = True
    show_tables(done, options.rounds)
    show_left_out(done)
    if stopped:
        print(f"stopped; what is missing: ./run_all.sh --resume {shown(directory)}", file=sys.stderr)
    print(f"Records: {shown(directory)}/")
    make_page(directory)
    return 130 if stopped else exit_code({result["status"] for result in done})


def saved(directory: Path) -> list[dict[str, Any]]:
    """The records in it; none where the run was stopped before its first."""
    return files.read_directory(directory) if any(directory.rglob(f"*{files.SUFFIX}")) else []


def make_page(directory: Path) -> None:
    """Of what was saved, and only now: what draws it takes half a second to import."""
    try:
        if found := saved(directory):
            from common.report.page import html

            print(f"Report: {shown(html.save(directory, found))}")
    except Exception as error:  # whatever it is, the results were printed and saved
        print(f"run_all.sh: no report was made: {type(error).__name__}: {str(error).partition(chr(10))[0]}", file=sys.stderr)


def exit_code(statuses: set[str]) -> int:
    if "failed" in statuses:
        return 1
    return SKIPPED_EXIT if statuses == {"skipped"} else 0


def show_tables(done: list[dict[str, Any]], rounds: int) -> None:
    measured = [result for result in done if result["loads"]]
    if not measured:
        return
    console = Console(highlight=False)
    console.width = TABLE_WIDTH
    for table in comparisons(measured) if rounds == 1 else many_rounds.tables(measured):
        console.print()
        console.print(table)
    console.width = TEXT_WIDTH
    if rounds == 1:
        console.print("\nOne round is one sample: no interval can be given. --rounds 10 gives them.", style="dim")
    for study in dict.fromkeys(result["study"] for result in measured):
        for extra in (changes_table(study, measured), published_table(study, measured), claims_table(study, measured)):
            if extra is not None:
                console.print()
                console.print(extra)
    console.print()
    console.print(machine.line(measured[0]["environment"]), style="dim", soft_wrap=True)


def show_left_out(done: list[dict[str, Any]]) -> None:
    """Each reason once: a control that is skipped as its scenario was says nothing new."""
    said = set()
    for result in done:
        what = (result["status"], result["scenario"], result["reason"])
        if result["status"] in ("skipped", "failed") and what not in said:
            print(f"{result['status']}: {result['label']}: {result['reason']}", file=sys.stderr)
        said.add(what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
