"""What a server may answer, byte by byte: each is counted by its name, and ends in time."""

import json
from pathlib import Path

from common.client.outcomes import OUTCOMES
from tests.faults import Fault
from tests.misbehaving import ANSWERS

RIGHT = {  # of these every answer is right
    *("/ok", "/wrong", "/empty-body", "/chunked", "/until-close", "/http-1.0", "/http-1.0-keep-alive", "/says-close", "/announced"),
    *("/204", "/gzip", "/large", "/large-chunked", "/two"),
}
WAYS = {"": "", "kept": "-k", "expected": "--expect ok", "head": "-m HEAD", "posted": "-d a=b", "open": "--rate 50"}
OTHERS = ("/reset-every-7", "/closed-when-reused", "/varying", "/echo", "/slow?ms=50", "/stall-at?n=3")


def every_request_has_its_outcome(here: Path) -> str:
    record = json.loads((here / "r.json").read_text())
    outcomes, names = record["outcomes"], record["requests"]["outcome"]
    if sum(outcomes.values()) != 6 or len(names) != 6 or not set(outcomes) <= set(OUTCOMES):
        return f"outcomes {outcomes}"
    return f"{record['seconds']} s" if record["seconds"] > 5 else ""


def answered(path: str, words: str, codes: tuple[int, ...]) -> Fault:
    return Fault(
        f"{path} {words}".strip(),
        f"loadgen -q -n 6 -c 3 -s 1 {words} --json {{here}}/r.json '{{url}}{path}'",
        codes,
        leaves=("r.json",),
        then=every_request_has_its_outcome,
    )


HTTP = [
    *[
        answered(path, words, (0,) if path in RIGHT and way in ("", "kept") else (0, 1) if way or path in ("/304", "/idle-close") else (1,))
        for path in ANSWERS
        for way, words in WAYS.items()
    ],
    *[answered(path, words, (0, 1)) for path in OTHERS for words in ("", "-k")],
]
