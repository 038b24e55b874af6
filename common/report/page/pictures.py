"""Saves a page's charts as files, for a README or slides."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from common.report.page.contents import fill_page
from common.report.page.study import slug
from common.report.page.style import PAPER
from common.results.files import RecordError
from common.results.pairs import Pair
from common.results.record import ScenarioRun

SCALE = 2  # of a PNG: sharp on today's screens


def save(folder: Path, kind: str, runs: Sequence[ScenarioRun], pairs: Sequence[Pair] = ()) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, spec in drawings(runs, pairs):
            path = folder / f"{name}.{kind}"
            path.write_bytes(vl_convert.vegalite_to_svg(spec).encode() if kind == "svg" else vl_convert.vegalite_to_png(spec, scale=SCALE))
            yield path
    except OSError as error:
        raise RecordError(f"cannot save charts in {folder}: {error.strerror}") from None


def drawings(runs: Sequence[ScenarioRun], pairs: Sequence[Pair] = ()) -> Iterator[tuple[str, str]]:
    """Names and specifications on white paper, because files have no CSS variables."""
    page = fill_page(runs, {}, pairs)
    for number, pair in enumerate(page.pairs, 1):
        if pair.chart:
            yield f"pair-{number}", on_paper(pair.chart.spec)
    for study in page.studies:
        for load, chart in study.charts:
            yield "-".join([slug(study.name), *([str(load)] if load else []), chart.kind]), on_paper(chart.spec)


def on_paper(spec: dict[str, Any]) -> str:
    text = re.sub(r"var\((--[\w-]+)\)", lambda variable: PAPER[variable[1]], json.dumps(spec))
    return text.replace('"background": "transparent"', '"background": "white"')
