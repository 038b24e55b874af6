"""What a server may answer, byte by byte: each is counted by its name, and ends in time."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.faults import Fault
from tests.misbehaving import ANSWERS

WAYS = {"": "", "kept": "-k", "expected": "--expect ok", "head": "-m HEAD", "posted": "-d a=b", "open": "--rate 50"}
WRONG = {  # what each request is counted as; of all other paths it is right
    **dict.fromkeys(("/500", "/redirect", "/304", "/upgrade"), "non-2xx"),
    **dict.fromkeys(("/no-answer", "/half-head", "/half", "/half-chunked"), "disconnected"),
    **dict.fromkeys(("/reset", "/reset-in-body"), "reset"),
    **dict.fromkeys(("/drip", "/endless", "/drips-a-head", "/drips-a-body"), "total timeout"),
    **dict.fromkeys(("/not-http", "/bad-status", "/bad-header", "/bad-length", "/two-lengths", "/bad-chunk"), "malformed"),
    "/silent": "read timeout",
}
WITHOUT_OK = ("/wrong", "/empty-body", "/204", "/gzip", "/large", "/large-chunked")  # where `ok` is expected in the body
ONLY_IN_THE_BODY = ("/half", "/half-chunked", "/reset-in-body", "/drip", "/endless", "/drips-a-head", "/drips-a-body", "/bad-chunk")
OF_A_HEAD = {
    "/announced": "disconnected",
    "/half-head": "malformed",
    "/silent": "total timeout",
}  # the server ends each after an empty line
LASTS = ("/reset-in-body", "/silent", "/drip", "/endless", "/drips-a-head", "/drips-a-body")  # others are due meanwhile
OTHERS = {  # how often it depends on the moment
    "/reset-every-7": ("ok", "reset"),
    "/closed-when-reused": ("ok", "disconnected", "reset"),
    "/varying": ("ok",),
    "/echo": ("ok",),
    "/slow?ms=50": ("ok",),
    "/stall-at?n=3": ("ok", "read timeout"),
}


def outcomes_of(path: str, way: str) -> tuple[str, ...]:
    """The first certainly occurs, and no other than these."""
    outcome = WRONG.get(path, "ok")
    if way == "head":
        return (OF_A_HEAD.get(path, "ok" if path in ONLY_IN_THE_BODY else outcome),)
    if way == "expected" and path in WITHOUT_OK:
        return ("body mismatch",)
    if way == "open" and path in LASTS:
        return outcome, "unsent"
    if way == "kept" and path == "/idle-close":  # seen before the next request, or after it
        return outcome, "disconnected", "reset"
    return (outcome,)


def counted_as(outcomes: tuple[str, ...]) -> Callable[[Path], str]:
    def every_request_has_its_outcome(here: Path) -> str:
        record = json.loads((here / "r.json").read_text())
        found, rows = record["outcomes"], record["requests"]["outcome"]
        if sum(found.values()) != 6 or len(rows) != 6 or not {outcomes[0]} <= set(found) <= set(outcomes):
            return f"outcomes {found}, not {' or '.join(outcomes)}"
        return f"{record['seconds']} s" if record["seconds"] > 5 else ""

    return every_request_has_its_outcome


def answered(path: str, words: str, outcomes: tuple[str, ...]) -> Fault:
    return Fault(
        f"{path} {words}".strip(),
        f"loadgen -q -n 6 -c 3 -s 1 {words} --json {{here}}/r.json '{{url}}{path}'",
        (0,) if outcomes == ("ok",) else (0, 1) if "ok" in outcomes else (1,),
        leaves=("r.json",),
        then=counted_as(outcomes),
    )


HTTP = [
    *[answered(path, words, outcomes_of(path, way)) for path in ANSWERS for way, words in WAYS.items()],
    *[answered(path, words, outcomes) for path, outcomes in OTHERS.items() for words in ("", "-k")],
]
