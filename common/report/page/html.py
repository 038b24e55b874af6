"""Writes the page that shows results: one file, no network."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from common.results.claims import Judgement
from common.results.decisions import Decision
from common.results.files import RecordError
from common.results.pairs import Pair
from common.results.record import ScenarioRun

NAME = "report.html"
TEMPLATES = Path(__file__).with_name("templates")


def save(
    directory: Path,
    runs: Sequence[ScenarioRun],
    judged: Mapping[str, Judgement],
    pairs: Sequence[Pair] = (),
    decisions: Sequence[Decision] = (),
) -> Path:
    path = directory / NAME
    text = html(runs, judged, pairs, decisions)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot save {path}: {error.strerror}") from None
    return path


def html(
    runs: Sequence[ScenarioRun], judged: Mapping[str, Judgement], pairs: Sequence[Pair] = (), decisions: Sequence[Decision] = ()
) -> str:
    """The page, by Django's templates with our own engine: Django is not configured, so a site's settings do not matter."""
    from django.template import Context, Engine
    from django.utils.safestring import mark_safe

    from common.report.page.contents import fill_page
    from common.report.page.style import css_variables

    style, script, library = f"{css_variables()}\n{part('page.css')}", part("page.js"), charts_library()
    context = {
        "page": fill_page(runs, judged, pairs, decisions),
        "style": mark_safe(style),
        "library": mark_safe(library),
        "script": mark_safe(script),
        "policy": policy([style], [library, script]),
    }
    engine = Engine(dirs=[TEMPLATES], autoescape=True)
    text: str = engine.get_template("report.html").render(Context(context, use_l10n=False, use_tz=False))
    return text


def part(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def charts_library() -> str:
    """Vega and its dependencies, once for all charts, from vl-convert."""
    import vl_convert

    library: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    # escape whatever would end or disturb a <script> element in the library's strings
    return re.sub(r"<(?=/script|!--|script)", r"\\x3C", library.replace("\r", ""))


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Allow only the scripts and styles in this file, by their hashes, and nothing from outside.

    There is no 'unsafe-eval': vega compiles its expressions with eval unless it is given an
    interpreter for them, which page.js does. A name in the results that were code would stay text.
    """
    allowed = {"script-src": scripts, "style-src": styles}
    sources = "; ".join(f"{kind} {' '.join(digest(text) for text in texts)}" for kind, texts in allowed.items())
    return f"default-src 'none'; {sources}; img-src data:; base-uri 'none'; form-action 'none'"


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
