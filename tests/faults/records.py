"""Files that are no records, or damaged ones, given to what reads records."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from common.results import files
from tests.faults import Fault
from tests.made_up import make_measured, make_requests, make_run, make_sent

PUT = (..., None, "x", -1, 0, [], {}, 1e308)  # in the place of each part of a record; ...: it is left out
PLAN = {
    "version": 3,
    "kind": "suite",
    "scenarios": ["tiny"],
    "rounds": 1,
    "seed": 1,
    "full": False,
    "pin": True,
    "sizes": {"requests": None, "concurrency": None, "seconds": None, "keep_alive": False},
}


def whole() -> dict:
    sent = make_sent(make_requests([(0, 0, 0, 0.1, 0.1, "ok", 200, 2, 2)] * 3), "-n 3 /")
    return json.loads(b"".join(files.pieces(make_run("one", make_measured(sent)))))


def parts(record: object, way: tuple = ()) -> list[tuple]:
    """The ways to all that is in it; of lists the first."""
    below = record.items() if isinstance(record, dict) else enumerate(record[:1]) if isinstance(record, list) else ()
    return [found for name, value in below for found in ((*way, name), *parts(value, (*way, name)))]


def damaged(record: dict, way: tuple, put: object) -> dict:
    copy = json.loads(json.dumps(record))
    place = copy
    for name in way[:-1]:
        place = place[name]
    if put is ...:
        del place[way[-1]]
    else:
        place[way[-1]] = put
    return copy


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


CONTENTS = {
    "no bytes": b"",
    "no gzip": b"x" * 100,
    "half a gzip": packed(json.dumps(whole()).encode())[:200],
    "a gzip with a wrong sum": packed(b"{}")[:-4] + b"0000",
    "a gzip of nothing": packed(b""),
    "no JSON": packed(b"x"),
    "a number": packed(b"3"),
    "a list": packed(b"[]"),
    "an empty record": packed(b"{}"),
    "a text": packed(b'"x"'),
    "no UTF-8": packed(b'"\xff"'),
    "half a letter": packed(rb'{"version": 3, "kind": "\ud800"}'),
    "a NUL behind it": packed(json.dumps(whole()).encode() + b"\0"),
    "two of them": packed(json.dumps(whole()).encode() * 2),
    "too deep": packed(b"[" * 200_000),
    "too deep inside": packed(b'{"version": 3, "kind": "scenario", "x": ' + b"[" * 200_000),
    "an old version": packed(json.dumps({**whole(), "version": 2}).encode()),
    "a version to come": packed(json.dumps({**whole(), "version": 4}).encode()),
    "a version that is text": packed(json.dumps({**whole(), "version": "3"}).encode()),
    "another kind": packed(json.dumps({**whole(), "kind": "suite"}).encode()),
    "NaN": packed(json.dumps(whole()).replace('"round": 1', '"round": NaN').encode()),
}


def read_by(command: str, name: str, content: bytes, codes: tuple[int, ...], said: str = "one.json.gz") -> Fault:
    does = {"compare": "compare {here}/run {here}/run", "page": "page {here}/run"}[command]
    return Fault(f"{command}: {name}", does, codes, said, files={"run/one.json.gz": content}, pure=True)


def damaged_records() -> Iterator[Fault]:
    """Each part of a record with one thing in its place, all things in turn; what may still be read is not a fault."""
    record = whole()
    for number, way in enumerate(parts(record)):
        put = PUT[number % len(PUT)]
        content = packed(json.dumps(damaged(record, way, put)).encode())
        name = f"{'.'.join(map(str, way))} is {'left out' if put is ... else put}"
        if not is_readable(content):
            yield read_by("compare" if number % 2 else "page", name, content, (1,))


def is_readable(content: bytes) -> bool:
    """By the types alone, which the schema is made from."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.json.gz"
        path.write_bytes(content)
        try:
            files.read(path, files.ScenarioRun)
        except files.RecordError:
            return False
    return True


PLANS = {
    "is empty": b"",
    "is no JSON": b"x",
    "is too deep": b"[" * 200_000,
    "is no UTF-8": b'"\xff"',
    **{f"has {name} = {put!r}"[:60]: json.dumps({**PLAN, name: put}).encode() for name in PLAN for put in (None, "x", -1, [3], 10**30)},
    **{f"has no {name}": json.dumps({key: value for key, value in PLAN.items() if key != name}).encode() for name in PLAN},
    "has rounds beyond memory": json.dumps({**PLAN, "rounds": 10**12}).encode(),
    "has sizes that cannot be": json.dumps({**PLAN, "sizes": {**PLAN["sizes"], "requests": -5}}).encode(),
    "names nobody": json.dumps({**PLAN, "scenarios": ["nobody"]}).encode(),
    "names nothing": json.dumps({**PLAN, "scenarios": []}).encode(),
}
RECORDS = [
    *[read_by(command, name, content, (1,)) for command in ("compare", "page") for name, content in CONTENTS.items()],
    *damaged_records(),
    *[
        Fault(f"a plan that {name}", "suite --resume {here}/run", (1, 2), ": ", files={"run/suite.json": content}, pure=True)
        for name, content in PLANS.items()
    ],
    Fault("a record that is a folder", "mkdir -p {here}/run/one.json.gz; page {here}/run", (1,), "Is a directory", leaves=("run",)),
    Fault(
        "a record that is a link to itself",
        "mkdir {here}/run; ln -s one.json.gz {here}/run/one.json.gz; page {here}/run",
        (1,),
        "cannot read",
        leaves=("run",),
    ),
    Fault(
        "a page that is a folder",
        "mkdir {here}/run/report.html; page {here}/run",
        (1,),
        "report.html",
        files={"run/one.json.gz": packed(json.dumps(whole()).encode())},
    ),
]
