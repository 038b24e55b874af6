"""Makes the page of a results directory again: `python -m common.page DIR`."""

import sys
import webbrowser
from pathlib import Path

from common import cli
from common.report.page import html
from common.results import files
from common.results.decisions import decided_in
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
    parser.add_argument("directory", type=Path, metavar="DIR", help="a directory that ./run_all.sh left in results/")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.add_argument("--svg", type=Path, metavar="DIR", help="also save each chart as SVG in DIR")
    parser.add_argument("--png", type=Path, metavar="DIR", help="also save each chart as PNG in DIR")
    options = parser.parse_args(arguments)
    pairs = files.read_pairs(options.directory)
    runs = files.read_directory(options.directory) if files.paths_in(options.directory) or not pairs else []
    page = html.save(options.directory, runs, judge(runs), pairs, decided_in(options.directory, runs))
    print(page)
    for folder, kind in ((options.svg, "svg"), (options.png, "png")):
        if folder is not None:
            from common.report.page import pictures

            for picture in pictures.save(folder, kind, runs, pairs):
                print(picture)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
