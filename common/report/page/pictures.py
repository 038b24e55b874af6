"""The charts of a page as files, for a README or slides."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from common.report.page.contents import contents, slug
from common.report.page.drawing import PAPER
from common.results.files import RecordError

SCALE = 2  # of a PNG: sharp on today's screens


def save(folder: Path, kind: str, results: Sequence[dict[str, Any]]) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, spec in drawings(results):
            path = folder / f"{name}.{kind}"
            path.write_bytes(vl_convert.vegalite_to_svg(spec).encode() if kind == "svg" else vl_convert.vegalite_to_png(spec, scale=SCALE))
            yield path
    except OSError as error:
        raise RecordError(f"cannot save charts in {folder}: {error.strerror}") from None


def drawings(results: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Names and specifications, on white paper: a file knows no variables of a page."""
    for study in contents(results)["studies"]:
        for number, figures in enumerate([study["overview"], *([*one["figures"], one["every_run"]] for one in study["loads"])]):
            for figure in figures:
                which = f"-{number}" if number else ""
                yield f"{slug(study['name'])}{which}-{figure['kind']}", on_paper(figure["spec"])


def on_paper(spec: dict[str, Any]) -> str:
    text = re.sub(r"var\((--[\w-]+)\)", lambda found: PAPER[found[1]], json.dumps(spec))
    return text.replace('"background": "transparent"', '"background": "white"')
