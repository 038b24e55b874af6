"""The page that shows results, made again: `python -m common.page DIR` of a directory of results."""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.client.load import LoadError, Parser
from common.report.page import html
from common.results import files
from common.results.files import RecordError


def main(arguments: list[str]) -> int:
    parser = Parser(prog="python -m common.page", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("directory", type=Path, metavar="DIR", help="a directory that ./run_all.sh left in results/")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.add_argument("--svg", type=Path, metavar="DIR", help="save each chart as SVG there too")
    parser.add_argument("--png", type=Path, metavar="DIR", help="save each chart as PNG there too")
    try:
        options = parser.parse_args(arguments)
        return run(options)
    except LoadError as error:
        print(f"python -m common.page: {error}", file=sys.stderr)
        return 2
    except RecordError as error:
        print(f"python -m common.page: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    found = files.read_directory(options.directory)
    try:
        print(html.save(options.directory, found))
        pictures_of(found, options)
    except KeyError as error:
        raise RecordError(f"{options.directory} holds a damaged record: it has no {error}") from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise RecordError(f"{options.directory} holds a damaged record: {error}") from None
    if options.open:
        webbrowser.open((options.directory / html.NAME).resolve().as_uri())
    return 0


def pictures_of(found: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    from common.report.page import pictures

    for folder, kind in ((options.svg, "svg"), (options.png, "png")):
        if folder is not None:
            for saved in pictures.save(folder, kind, found):
                print(saved)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
