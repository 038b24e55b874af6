"""Files that are no records, or damaged ones, given to what reads records."""

import gzip
import json
from collections.abc import Callable, Iterator

from common.results import files
from tests.faults import Fault
from tests.made_up import make_measured, make_requests, make_run, make_sent
from tests.processes import SCHEMA

PUT = (..., None, "x", -1, 0, [], {}, 1e308)  # in the place of each part of a record; ...: it is left out
PLAN = {
    "version": 4,
    "kind": "suite",
    "scenarios": ["tiny"],
    "rounds": 1,
    "seed": 1,
    "full": False,
    "pin": True,
    "sizes": {"requests": None, "concurrency": None, "seconds": None, "keep_alive": False},
}
USUAL = {"baseline": "", "within": None, "minutes": 0.0, "workers": 1}


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
    "half a letter": packed(rb'{"version": 4, "kind": "\ud800"}'),
    "a NUL behind it": packed(json.dumps(whole()).encode() + b"\0"),
    "two of them": packed(json.dumps(whole()).encode() * 2),
    "too deep": packed(b"[" * 200_000),
    "too deep inside": packed(b'{"version": 4, "kind": "scenario", "x": ' + b"[" * 200_000),
    "an old version": packed(json.dumps({**whole(), "version": 2}).encode()),
    "a version to come": packed(json.dumps({**whole(), "version": 5}).encode()),
    "a version that is text": packed(json.dumps({**whole(), "version": "3"}).encode()),
    "another kind": packed(json.dumps({**whole(), "kind": "suite"}).encode()),
    "NaN": packed(json.dumps(whole()).replace('"round": 1', '"round": NaN').encode()),
}


READS = {
    "compare": "compare {here}/run {here}/run",
    "page": "page {here}/run",
    "advise": "advise {here}/run --rate 1 --target 'p99<=1s'",
}
CONTRADICTIONS: dict[str, Callable[[dict], object]] = {  # what no schema can say
    "outcomes are not those of the requests": lambda record: record["loads"][0]["sent"]["outcomes"].update(ok=2),
    "columns have different lengths": lambda record: record["loads"][0]["sent"]["requests"]["end"].pop(),
    "a name moves the cursor": lambda record: record.update(scenario="\x1b[2J"),
}


def read_by(command: str, name: str, content: bytes, codes: tuple[int, ...], said: str = "one.json.gz") -> Fault:
    return Fault(f"{command}: {name}", READS[command], codes, said, files={"run/one.json.gz": content}, pure=True)


def damaged_records() -> Iterator[Fault]:
    """Each part of a record with one thing in its place, all things in turn, and what the schema does not allow is refused."""
    record = whole()
    for number, way in enumerate(parts(record)):
        put = PUT[number % len(PUT)]
        spoilt = damaged(record, way, put)
        name = f"{'.'.join(map(str, way))} is {'left out' if put is ... else put}"
        if not SCHEMA.is_valid(spoilt):
            yield read_by(sorted(READS)[number % len(READS)], name, packed(json.dumps(spoilt).encode()), (1,))
    for name, spoil in CONTRADICTIONS.items():
        spoil(spoilt := whole())
        yield read_by("compare", name, packed(json.dumps(spoilt).encode()), (1,))


PLANS = {
    "is empty": b"",
    "is no JSON": b"x",
    "is too deep": b"[" * 200_000,
    "is no UTF-8": b'"\xff"',
    **{
        f"has {name} = {put!r}"[:60]: json.dumps({**USUAL, **PLAN, name: put}).encode()
        for name in PLAN
        for put in (None, "x", -1, [3], 10**30)
    },
    **{
        f"has no {name}": json.dumps({key: value for key, value in {**USUAL, **PLAN}.items() if key != name}).encode()
        for name in {**USUAL, **PLAN}
    },
    "has no worker": json.dumps({**USUAL, **PLAN, "workers": 0}).encode(),
    "has rounds beyond memory": json.dumps({**USUAL, **PLAN, "rounds": 10**12}).encode(),
    "has sizes that cannot be": json.dumps({**USUAL, **PLAN, "sizes": {**PLAN["sizes"], "requests": -5}}).encode(),
    "names nobody": json.dumps({**USUAL, **PLAN, "scenarios": ["nobody"]}).encode(),
    "names nothing": json.dumps({**USUAL, **PLAN, "scenarios": []}).encode(),
}
RECORDS = [
    *[read_by(command, name, content, (1,)) for command in READS for name, content in CONTENTS.items()],
    *damaged_records(),
    read_by(
        "advise",
        "a source that is no Python",
        packed(json.dumps({**whole(), "source": "x = ("}).encode()),
        (1,),
        "its source cannot be read as Python",
    ),
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
