"""What the page says, as plain data for its template: studies, their loads, and where it was measured."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.utils.safestring import mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import DiffLexer, PythonLexer

from common.report.page import drawing, figures, points
from common.report.page.drawing import Look
from common.results import answers, changes
from common.results.changes import Change
from common.results.claims import Claim, of_study
from common.results.comparison import AGAIN, Group, Row, groups
from common.results.intervals import Estimate, no_difference_shown
from common.results.published import published_rows
from common.results.words import digits, plainly, said_of
from common.running import machine

COLUMNS = (
    *("req/s", "of ideal", "p50 ms", "p95 ms", "p99 ms", "failed", "cut off"),
    *("CPU ms/req", "one core, req/s", "peak MB", "to the baseline", "limited by"),
)
VERDICTS = {"reproduced": "yes", "not reproduced": "no"}


def contents(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    studies = [study(name, [one for one in results if one["study"] == name]) for name in sorted({one["study"] for one in results})]
    first = min(results, key=lambda one: one["started_at"])
    for number, figure in enumerate(figure for one in studies for figure in figures_of(one)):
        figure["id"] = f"chart-{number}"
    rounds = max(one["round"] for one in results)
    return {
        "title": f"Django: sync or async? {first['started_at'][:10]}",
        "date": first["started_at"][:10],
        "rounds": rounds,
        "mode": first["mode"],
        "one_round": rounds == 1,
        "machine": hardware(first["environment"]),
        "studies": studies,
        "environments": distinct(machine.line(one["environment"]) for one in results),
        "revisions": distinct(one["environment"]["revision"] for one in results if one["environment"]["revision"]),
        "seeds": distinct(str(one["seed"]) for one in results if "seed" in one and rounds > 1),
        "pinning": pinning(results),
        "sources": sources(results),
        "thinned": points.THINNED,
    }


def figures_of(study: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that are drawn, in their order."""
    loads = study["loads"]
    return [*study["overview"], *(figure for one in loads for figure in one["figures"]), *(one["every_run"] for one in loads)]


def study(name: str, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    looks = drawing.looks(sorted({one["scenario"] for one in results}))
    compared = [group for group in groups(results) if group.labels]
    loads = [load(group, looks) for group in compared]
    for one in loads[1:]:
        one["closed"] = True
    if len(loads) == 1:
        loads[0]["every_run"] |= {"wide": True, "load": ""}
    comparable = [group for group in compared if any(row.to_baseline for row in group.rows)]
    claimed, changed = of_study(name, list(results)), changes.of_study(name, results)
    return {
        "name": name or "no study",
        "anchor": f"study-{slug(name)}",
        "answer": answers.of_study(compared) if compared else answers.Answer("Nothing was measured."),
        "verdicts": verdicts(claimed),
        "overview": [overview(comparable, looks)] if len(comparable) > 1 else [],
        "loads": loads,
        "ratios": changes.RATIOS,
        "changes": [{**vars(one), "ratios": [estimated(one.ratios[name], "x") for name in changes.RATIOS]} for one in changed],
        "most": farthest(changed),
        "diffs": diffs(changed, {one["scenario"]: one["source"] for one in results}),
        "published": [
            {**vars(row), "measured": said(row.measured), "published": f"{row.published:,g}"} for row in published_rows(name, results)
        ],
        "claims": [{**vars(claim), "is": VERDICTS.get(claim.verdict, "open")} for claim in claimed],
        "absent": absent(results),
        "states": drawing.STATES.items(),
        "runs": sum(len(one["runs"]) for one in loads),
    }


def overview(compared: Sequence[Group], looks: Mapping[str, Look]) -> dict[str, Any]:
    figure = figures.overview(compared, looks)
    shown = sorted({one["scenario"] for one in figure.spec["datasets"]["ratios"]})
    return {**vars(figure), "key": [{"label": label, "look": swatch(looks[label])} for label in shown]}


def verdicts(claims: Sequence[Claim]) -> str:
    """How many of a study's claims came to which verdict."""
    counted = Counter(claim.verdict for claim in claims)
    return f"Of {len(claims)} claims: {', '.join(f'{number} {verdict}' for verdict, number in counted.most_common())}." if claims else ""


def farthest(changed: Sequence[Change]) -> str:
    """The one change that requests per second tell most of."""
    for one in changed:
        if not one.verdict and (ratio := one.ratios["req/s"]):
            return f"One change at a time: {digits(ratio.middle)}x by {one.what} ({one.scenario} against {one.base}, {one.load})."
    return ""


def diffs(changed: Iterable[Change], sources: Mapping[str, str]) -> list[dict[str, Any]]:
    """What sets two scenarios apart, line by line; pygments escapes what it highlights."""
    pairs = sorted({(one.scenario, one.base, one.what) for one in changed})
    lexer, formatter = DiffLexer(), HtmlFormatter(nowrap=True)
    return [
        {
            "scenario": scenario,
            "base": base,
            "what": what,
            "code": mark_safe(highlight(changes.lines(sources[base], sources[scenario]), lexer, formatter)),
        }
        for scenario, base, what in pairs
    ]


def load(group: Group, looks: Mapping[str, Look]) -> dict[str, Any]:
    shown = [figures.comparison(group, looks)] if group.rows else []
    return {
        "title": group.sent,
        "answer": answers.of_load(group),
        "baseline": group.baseline,
        "columns": COLUMNS,
        "rows": [{"label": row.label, "look": swatch(looks[row.label]), "cells": cells(row, group)} for row in group.rows],
        "client_bound": [f"{label}: client-bound, at least {least:.1f} req/s" for label, least in group.client_bound],
        "controls": [f"A/A: {label} twice, {said_of(found)}" for label, found in group.controls],
        "one_round": group.one_round,
        "figures": [{**vars(one)} for one in [*shown, *(figures.details(group, looks) if group.rows else [])]],
        "every_run": {**vars(figures.runs(group, looks)), "load": group.sent},
        "runs": [
            {
                "scenario": run.label.removesuffix(AGAIN),
                "round": run.round,
                "rate": digits(run.summary.per_second),
                "state": points.state(run),
                "why": points.why(run),
            }
            for run in sorted(group.runs, key=lambda run: (run.label, run.round))
        ],
    }


def cells(row: Row, group: Group) -> list[dict[str, Any]]:
    """Of one row of the table: what is written, what it is sorted by."""
    found = row.figures
    baseline = {"text": "1", "by": 1, "range": ""} if row.label == group.baseline else ratio(row.to_baseline)
    return [
        estimated(found["req/s"]),
        plain("-" if row.of_ideal is None else f"{row.of_ideal:.0%}", row.of_ideal),
        *(estimated(found[name]) for name in ("p50 ms", "p95 ms", "p99 ms")),
        plain(f"{row.failed:,}", row.failed),
        plain(f"{row.cut_off:,}", row.cut_off),
        estimated(found["CPU ms/req"]),
        plain(digits(row.one_core) if row.one_core else "-", row.one_core),
        estimated(found["MB"]),
        baseline,
        {**plain(row.limit, row.limit), "words": True},
    ]


def plain(text: str, by: Any) -> dict[str, Any]:
    return {"text": text, "by": "" if by is None else by, "range": ""}


def estimated(found: Estimate | None, unit: str = "") -> dict[str, Any]:
    if found is None:
        return plain("-", None)
    bounds = "" if found.low is None or found.high is None else f"{digits(found.low)} – {digits(found.high)}"
    return {"text": f"{digits(found.middle)}{unit}", "by": found.middle, "range": bounds}


def ratio(found: Estimate | None) -> dict[str, Any]:
    cell = estimated(found, "x")
    if found is not None and found.low is not None and no_difference_shown(found):
        cell["note"] = "no difference shown"
    return cell


def said(value: float | None) -> str:
    return "-" if value is None else plainly(value)


def absent(results: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """What was not measured, or not to its end, each reason once."""
    reasons = {
        (one["scenario"], one["status"], one["reason"]): None for one in results if one["status"] in ("skipped", "failed", "interrupted")
    }
    return [{"scenario": name, "status": status, "reason": reason} for name, status, reason in reasons]


def swatch(look: Look) -> dict[str, str]:
    return {"number": look["colour"].removeprefix("var(--series-").removesuffix(")"), "shape": look["shape"]}


def sources(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of each scenario; pygments escapes what it highlights."""
    lexer, formatter = PythonLexer(), HtmlFormatter(nowrap=True)
    found = {one["scenario"]: one for one in results}
    return [
        {
            "scenario": name,
            "question": one["question"],
            "launch": one["launch"],
            "code": mark_safe(highlight(one["source"], lexer, formatter)),
        }
        for name, one in sorted(found.items())
    ]


def pinning(results: Iterable[dict[str, Any]]) -> str:
    pinned = distinct(
        f"the server on core {', '.join(map(str, load['pinned']['server']))}, all else on {', '.join(map(str, load['pinned']['others']))}"
        if load["pinned"]
        else "server and load shared all cores"
        for one in results
        for load in one["loads"]
    )
    return "; ".join(pinned)


def hardware(described: Mapping[str, Any]) -> str:
    django = described["packages"].get("django", "?")
    return f"{described['processor'] or described['machine']}, {described['cores']} cores, {described['python']}, Django {django}"


def distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in Path(name).name)
