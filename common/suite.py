"""Many scenarios, one after the other, then the tables that compare them: what ./run_all.sh runs."""

import argparse
import difflib
import fnmatch
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from common import environment, many_rounds, record
from common.bench import SKIPPED_EXIT, add_run_options, blank, new_directory, parse_run_options, planned_seconds, run, serve
from common.claims import baseline_of, of_study
from common.comparison import AGAIN
from common.load import LoadError, Parser, count
from common.postgres import Postgres
from common.progress import expect
from common.scenario import Scenario, ScenarioError, files, name_of, read, shown
from common.server import Failed
from common.stop import stop_on_signals
from common.tables import claims_table, comparisons, published_table

TABLE_WIDTH = 150  # a narrower terminal wraps its lines: nothing is left out


def main(arguments: list[str]) -> int:
    stop_on_signals()
    parser = Parser(prog="run_all.sh", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run: names or globs such as 'uwsgi_*' (default: all)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and their questions")
    parser.add_argument("--rounds", type=count, default=1, metavar="R", help="run all R times, in random order, for intervals (default 1)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random order; it is in every record")
    add_run_options(parser)
    try:
        options = parse_run_options(parser, arguments)
        chosen = choose(options.names)
        if options.list:
            return show_list(chosen)
        if options.serve:
            return serve([read(path) for path in chosen], new_directory("serve"), options.host)
        return run_suite(chosen, options)
    except (LoadError, ScenarioError) as error:
        print(f"run_all.sh: {error}", file=sys.stderr)
        return 2
    except (Failed, record.RecordError) as error:
        print(f"run_all.sh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run_all.sh: stopped", file=sys.stderr)
        return 130


def choose(names: list[str]) -> list[Path]:
    """The files that the names and globs mean, each once."""
    found = files()
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


def run_suite(paths: list[Path], options: argparse.Namespace) -> int:
    """Round by round, whatever becomes of each run; then what can be compared is."""
    directory = new_directory()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    scenarios: list[Scenario] = []
    results: list[dict[str, Any]] = []
    for path in paths:
        try:
            scenarios.append(read(path))
        except ScenarioError as error:
            results.append({"scenario": name_of(path), "study": "", "status": "failed", "reason": str(error), "loads": []})
    turns = plan_turns(scenarios, options.rounds, seed)
    expect(sum(planned_seconds(turn.scenario, options) for turn in turns))
    stopped = False
    with Postgres() as postgres:
        try:
            for turn in turns:
                result = {**blank(turn.scenario, options), "label": turn.label, "round": turn.round, "seed": seed}
                results.append(result)
                run(turn.scenario, options, directory / turn.folder, postgres, result)
        except KeyboardInterrupt:
            stopped = True
    show_tables(results, options.rounds)
    show_left_out(results)
    if stopped:
        print(f"stopped in run {len(results)} of {len(turns)}", file=sys.stderr)
    print(f"Records: {shown(directory)}/")
    if any(directory.rglob(f"*{record.SUFFIX}")):
        make_page(directory)
    return 130 if stopped else exit_code({result["status"] for result in results})


def make_page(directory: Path) -> None:
    """Of what was saved, and only now: what draws it takes half a second to import."""
    try:
        from common import page, results

        print(f"Report: {shown(page.save(directory, results.read(directory)))}")
    except Exception as error:  # whatever it is, the results were printed and saved
        print(f"run_all.sh: no report was made: {type(error).__name__}: {str(error).partition(chr(10))[0]}", file=sys.stderr)


def exit_code(statuses: set[str]) -> int:
    if "failed" in statuses:
        return 1
    return SKIPPED_EXIT if statuses == {"skipped"} else 0


@dataclass(frozen=True)
class Turn:
    scenario: Scenario
    label: str
    round: int
    folder: str


def plan_turns(scenarios: list[Scenario], rounds: int, seed: int) -> list[Turn]:
    """With several rounds, in each every scenario in random order, one of each study twice under two labels."""
    if rounds == 1:
        return [Turn(scenario, scenario.name, 1, ".") for scenario in scenarios]
    chance = random.Random(seed)
    controls = {baseline_of(study, [one.name for one in scenarios if one.study == study]) for study in {one.study for one in scenarios}}
    turns: list[Turn] = []
    for number in range(1, rounds + 1):
        folder = f"round-{number:02}"
        these = [Turn(scenario, scenario.name, number, folder) for scenario in scenarios]
        these += [Turn(one, one.name + AGAIN, number, f"{folder}/again") for one in scenarios if one.name in controls]
        chance.shuffle(these)
        turns += these
    return turns


def show_tables(results: list[dict[str, Any]], rounds: int) -> None:
    measured = [result for result in results if result["loads"]]
    if not measured:
        return
    console = Console(highlight=False)
    console.width = max(console.width, TABLE_WIDTH) if sys.stdout.isatty() else TABLE_WIDTH
    for table in comparisons(measured) if rounds == 1 else many_rounds.tables(measured):
        console.print()
        console.print(table)
    if rounds == 1:
        console.print("\nOne round is one sample: no interval can be given. --rounds 10 gives them.", style="dim")
    for study in dict.fromkeys(result["study"] for result in measured):
        decided = of_study(study, measured)
        for extra in (published_table(study, measured), claims_table(study, decided) if decided else None):
            if extra is not None:
                console.print()
                console.print(extra)
    console.print()
    console.print(environment.line(measured[0]["environment"]), style="dim", soft_wrap=True)


def show_left_out(results: list[dict[str, Any]]) -> None:
    for result in results:
        if result["status"] in ("skipped", "failed"):
            print(f"{result['status']}: {result['scenario']}: {result['reason']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
