"""Many scenarios, one after the other, then the tables that compare them: what ./run_all.sh runs."""

import argparse
import difflib
import fnmatch
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from common import environment, record
from common.bench import add_run_options, new_directory, parse_run_options, planned_seconds, run, serve
from common.claims import of_study
from common.load import LoadError, Parser
from common.postgres import Postgres
from common.progress import expect
from common.scenario import Scenario, ScenarioError, files, name_of, read, shown
from common.server import Failed
from common.stop import stop_on_signals
from common.tables import claims_table, comparisons, published_table


def main(arguments: list[str]) -> int:
    stop_on_signals()
    parser = Parser(prog="run_all.sh", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run: names or globs such as 'uwsgi_*' (default: all)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and their questions")
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
    """Every scenario runs, whatever becomes of the others; then what can be compared is."""
    directory = new_directory()
    results: list[dict[str, Any]] = []
    stopped = False
    scenarios = [readable(path) for path in paths]
    expect(sum(planned_seconds(scenario, options) for scenario in scenarios if isinstance(scenario, Scenario)))
    with Postgres() as postgres:
        try:
            for path, scenario in zip(paths, scenarios, strict=True):
                if isinstance(scenario, Scenario):
                    results.append(run(scenario, options, directory, postgres))
                else:
                    results.append({"scenario": name_of(path), "study": "", "status": "failed", "reason": str(scenario), "loads": []})
        except KeyboardInterrupt:
            stopped = True
    show_tables(results)
    show_left_out(results)
    if stopped:
        print(f"stopped after {len(results)} of {len(paths)} scenarios", file=sys.stderr)
    print(f"Records: {shown(directory)}/")
    failed = any(result["status"] == "failed" for result in results)
    return 130 if stopped else 1 if failed else 0


def readable(path: Path) -> Scenario | ScenarioError:
    try:
        return read(path)
    except ScenarioError as error:
        return error


def show_tables(results: list[dict[str, Any]]) -> None:
    measured = [result for result in results if result["loads"]]
    if not measured:
        return
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for table in comparisons(measured):
        console.print()
        console.print(table)
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
