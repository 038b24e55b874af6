"""Makes the page of a results directory, at the end of a run or again: `python -m common.page DIR`."""

import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.report.page import html
from common.results import files
from common.results.decisions import decided_in
from common.results.pairs import Pair
from common.results.record import ScenarioRun
from common.serving.places import short_path
from studies import judge

EXAMPLES = [
    ("python -m common.page results/RUN", "make its page again"),
    ("python -m common.page results/RUN --open", "and show it in the browser"),
    ("python -m common.page results/RUN --svg charts", "and save each chart as SVG"),
]


def main(arguments: list[str]) -> int:
    return cli.run("python -m common.page", lambda: make_page(arguments))


def make_page(arguments: list[str]) -> int:
    parser = cli.Parser(examples=EXAMPLES, prog="python -m common.page", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("directory", type=cli.directory, metavar="DIR", help="a directory that ./run_all.sh left in results/")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.add_argument("--svg", type=Path, metavar="DIR", help="also save each chart as SVG in DIR")
    parser.add_argument("--png", type=Path, metavar="DIR", help="also save each chart as PNG in DIR")
    options = parser.parse_args(arguments)
    runs, pairs = read_records(options.directory)
    page = save_page(options.directory, runs, pairs)
    print(page)
    for folder, kind in ((options.svg, "svg"), (options.png, "png")):
        if folder is not None:
            from common.report.page import pictures

            for picture in pictures.save(folder, kind, runs, pairs):
                print(picture)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def announce_page(directory: Path) -> None:
    """Make it at the end of a run, if anything was measured."""
    try:
        if files.paths_in(directory) or files.read_pairs(directory):
            print(f"Report: {short_path(save_page(directory, *read_records(directory)))}")
    except Exception as error:  # whatever it is, the results were printed and saved
        cli.complain(f"run_all.sh: no report was made: {type(error).__name__}: {str(error).partition(chr(10))[0]}")


def read_records(directory: Path) -> tuple[list[ScenarioRun], list[Pair]]:
    """Side by side leaves only pairs."""
    pairs = files.read_pairs(directory)
    return (files.read_directory(directory) if files.paths_in(directory) or not pairs else []), pairs


def save_page(directory: Path, runs: Sequence[ScenarioRun], pairs: Sequence[Pair]) -> Path:
    return html.save(directory, runs, judge(runs), pairs, decided_in(directory, runs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
