"""The page that shows results: one file, no network. `python -m common.page DIR` makes it again from a directory of results."""

import argparse
import base64
import hashlib
import re
import sys
import webbrowser
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from common import results
from common.load import LoadError, Parser
from common.record import RecordError

NAME = "report.html"
TEMPLATES = Path(__file__).with_name("templates")


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
    found = results.read(options.directory)
    try:
        print(save(options.directory, found))
        pictures_of(found, options)
    except KeyError as error:
        raise RecordError(f"{options.directory} holds a damaged record: it has no {error}") from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise RecordError(f"{options.directory} holds a damaged record: {error}") from None
    if options.open:
        webbrowser.open((options.directory / NAME).resolve().as_uri())
    return 0


def pictures_of(found: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    from common import pictures

    for folder, kind in ((options.svg, "svg"), (options.png, "png")):
        if folder is not None:
            for saved in pictures.save(folder, kind, found):
                print(saved)


def save(directory: Path, found: Sequence[dict[str, Any]]) -> Path:
    path = directory / NAME
    text = html(found)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot save {path}: {error.strerror}") from None
    return path


def html(found: Sequence[dict[str, Any]]) -> str:
    """By Django's own templates, with an engine of our own: nothing of Django is configured, so a site's settings are no part of it."""
    from django.template import Context, Engine
    from django.utils.safestring import mark_safe

    from common.charts import variables
    from common.contents import contents

    style, script, library = f"{variables()}\n{part('page.css')}", part("page.js"), charts_library()
    filled = {
        **contents(found),
        "style": mark_safe(style),
        "library": mark_safe(library),
        "script": mark_safe(script),
        "policy": policy([style], [library, script]),
    }
    engine = Engine(dirs=[TEMPLATES], autoescape=True)
    text: str = engine.get_template("report.html").render(Context(filled, use_l10n=False, use_tz=False))
    return text


def part(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def charts_library() -> str:
    """Vega and what it needs, once for all charts, as vl-convert carries it."""
    import vl_convert

    library: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    # what would end or disturb a <script> element, wherever it stands in the library's strings
    return re.sub(r"<(?=/script|!--|script)", r"\\x3C", library.replace("\r", ""))


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Only what stands in this file, by its hash, and nothing from outside.

    There is no 'unsafe-eval': vega compiles its expressions with eval unless it is given an
    interpreter for them, which page.js does. A name in the results that were code would stay text.
    """
    allowed = {"script-src": scripts, "style-src": styles}
    sources = "; ".join(f"{kind} {' '.join(digest(text) for text in texts)}" for kind, texts in allowed.items())
    return f"default-src 'none'; {sources}; img-src data:; base-uri 'none'; form-action 'none'"


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
