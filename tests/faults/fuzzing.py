"""What nobody thought of: made-up load lines, constants, records and answers, and what must hold of each."""

import asyncio
import contextlib
import io
import json
import shutil
import socket
import string
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from common import compare
from common.cli import NotReady, UsageError, printable
from common.client.connection import Connection
from common.client.options import parse_line
from common.client.outcomes import OUTCOMES
from common.client.request import Request
from common.report.page import html
from common.results import files
from common.results.record import ScenarioRun
from common.running.sizing import RunOptions, plan_loads
from common.serving import probe, scenario
from studies import judge
from tests.faults.constants import WRONG, with_constant
from tests.faults.records import damaged, packed, parts, whole
from tests.misbehaving import ANSWERS
from tests.processes import one_line


def check_said(error: Exception) -> None:
    """It says something, in a line."""
    assert str(error).strip()
    assert one_line(printable(str(error)))


# Load lines

NUMBERS = st.one_of(
    st.integers(-2, 10**20).map(str),
    st.floats().map(str),
    st.sampled_from(["1e15", "1e-300", "1_000", "٣", "²", "+5", " 5", "5 ", "0x5", "1e", "5%", "10s@50", "1s@1,2m@3", "1e9s@1"]),
)
OPTIONS = [
    "-n",
    "-c",
    "-t",
    "-s",
    "-m",
    "-p",
    "-d",
    "-T",
    "-H",
    "--users",
    "--spawn-rate",
    "--rate",
    "--stages",
    "--grace",
    "--expect",
    "--expect-status",
    "--poisson",
    "-k",
    "-r",
    "-q",
    "-h",
    "--",
]
VALUES = st.one_of(NUMBERS, st.sampled_from(["GET", "POST", "A: b", "a=b", "text/plain", "/dev/null", "ok", "302"]), st.text(max_size=8))
PATHS = st.one_of(st.sampled_from(["/", "/a?b=c", "/#", "//", "/%zz", "/a b"]), st.text(max_size=8).map(lambda text: f"/{text}"))
WORDS = st.lists(st.one_of(st.sampled_from(OPTIONS), VALUES), max_size=6)


@st.composite
def lines(draw: Callable[..., Any]) -> str:
    words = [part for option in draw(st.lists(st.sampled_from(OPTIONS), max_size=4)) for part in (option, draw(VALUES))]
    wild = draw(WORDS) if draw(st.integers(0, 3)) == 0 else []
    quote = draw(st.sampled_from([lambda word: word, lambda word: f"'{word}'"]))
    return " ".join(quote(word) for word in [*words, *wild, draw(PATHS)])


def line_is_a_load_or_an_error(line: str) -> None:
    try:
        load = parse_line(line)
    except UsageError as error:
        check_said(error)
        return
    assert parse_line(load.identity) == load, "its identity is another load"
    assert one_line(load.describe())
    assert load.longest_seconds > 0
    assert load.most_requests is None or load.most_requests > 0
    Request(f"http://127.0.0.1:1{load.target}", load)


# Constants

LITERALS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=6), st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), inner, max_size=3),
        st.tuples(inner),
    ),
    max_leaves=6,
).map(repr)
RAW = st.text("(){}[]'\"\\,:=-+*#\n x1é", max_size=12)
LAUNCHES = st.text(string.printable + "{}", max_size=20).map(repr)


@st.composite
def sources(draw: Callable[..., Any]) -> str:
    name = draw(st.sampled_from(sorted(WRONG)))
    value = draw(st.one_of(LITERALS, RAW, LAUNCHES, st.sampled_from(["{'port': 8000}", "['/']", "[0]", "1", "{'/': 1}"])))
    return with_constant(name, value)


def source_is_a_scenario_or_an_error(source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "one.py"
        path.write_text(source, encoding="utf-8", errors="surrogatepass")
        try:
            made = scenario.read(path, path.parent)
            plan_loads(made, RunOptions(full=True))
            made.command({"host": "h", "port": 1, "python": "python", "backlog": 1, "socket": ""})
        except UsageError as error:
            check_said(error)
            return
        assert made.workers >= 1
        assert one_line(made.study)


# Records

VALUES_OF_A_RECORD = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=4,
)
WHOLE = whole()
WAYS = parts(WHOLE)


@st.composite
def records(draw: Callable[..., Any]) -> bytes:
    """A record with some of its parts replaced by something of their kind or by anything."""
    record = WHOLE
    for way in draw(st.lists(st.sampled_from(WAYS), min_size=1, max_size=3)):
        try:
            record = damaged(record, way, draw(st.one_of(alike(WHOLE, way), VALUES_OF_A_RECORD)))
        except (KeyError, IndexError, TypeError):  # a part above it was replaced
            continue
    return json.dumps(record).encode(errors="surrogatepass")


def alike(record: Any, way: tuple[Any, ...]) -> "st.SearchStrategy[Any]":
    for name in way:
        record = record[name]
    if isinstance(record, bool):
        return st.booleans()
    if isinstance(record, int):
        return st.one_of(st.integers(0, 10), st.integers(-(2**63), 2**63 - 1))
    if isinstance(record, float):
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.text(max_size=5) if isinstance(record, str) else st.just(record)


def record_is_shown_or_refused(content: bytes) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / f"one{files.SUFFIX}"
        path.write_bytes(packed(content))
        try:
            run = files.read(path, ScenarioRun)
        except files.RecordError as error:
            check_said(error)
            return
        compare.count_runs([run])
        compare.main([str(folder), str(folder)])
        html.save(folder, [run], judge([run]))
    finally:
        shutil.rmtree(folder)


# Answers

HEADS = (
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"\r\n",
    b"ok",
    b"0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
)
SMALL = [answer for answer, _ in ANSWERS.values() if 0 < len(answer) < 1000]


@st.composite
def answers(draw: Callable[..., Any]) -> list[bytes]:
    """Pieces of an answer: of a known one with bytes changed, of parts of answers, or of noise."""
    whole = draw(st.one_of(st.sampled_from(SMALL), st.lists(st.sampled_from(HEADS), max_size=8).map(b"".join), st.binary(max_size=100)))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3)):
        whole = whole[:place] + bytes([byte]) + whole[place + draw(st.integers(0, 1)) :]
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True) if start < end]


class Owner:
    connections = 0

    def __init__(self) -> None:
        self.told: list[str] = []

    def answered(self, connection: Connection, now: float) -> None:
        self.told.append(OUTCOMES[connection.outcome])

    def failed(self, connection: Connection, outcome: str, now: float) -> None:
        self.told.append(outcome)


class Wire:
    def write(self, data: bytes) -> None: ...
    def abort(self) -> None: ...
    def set_write_buffer_limits(self, high: int) -> None: ...


def answer_has_one_outcome(pieces: list[bytes]) -> None:
    load = parse_line("--expect ok /")
    loop, owner = asyncio.new_event_loop(), Owner()
    try:
        connection = Connection(loop, Request("http://127.0.0.1:1/", load), owner)
        connection.connection_made(Wire())
        for piece in pieces:
            connection.data_received(piece)
        connection.connection_lost(None)
        assert len(owner.told) == 1
        assert owner.told[0] in OUTCOMES
    finally:
        loop.close()
    assert one_line(printable(ask(pieces) or "right"))


def ask(pieces: list[bytes]) -> str:
    """What the question whether a server is ready makes of it."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        pool.submit(answer_once, listening, b"".join(pieces))
        asked = probe.Probe(f"http://127.0.0.1:{listening.getsockname()[1]}/", parse_line("--expect ok /"))
        try:
            return asked.find_fault(5)
        except NotReady as given_up:
            return str(given_up)


def answer_once(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        connection.recv(4096)
        connection.sendall(answer)


KINDS: dict[str, tuple[Any, Callable[[Any], None]]] = {  # what is made up, and what must hold of it
    "load lines": (lines(), line_is_a_load_or_an_error),
    "constants": (sources(), source_is_a_scenario_or_an_error),
    "records": (records(), record_is_shown_or_refused),
    "answers": (answers(), answer_has_one_outcome),
}


def try_out(kind: str, tries: int, seed: int) -> tuple[int, str]:
    """How many were tried; and the shortest that does not hold, and why, or '' if all did."""
    made_up, holds = KINDS[kind]
    wanted = settings(max_examples=tries, database=None, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck))
    made = 0
    last: Any = None

    @seeded(seed)
    @wanted
    @given(made_up)
    def try_one(value: Any) -> None:
        nonlocal made, last
        made, last = made + 1, value
        holds(value)

    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try_one()
    except Exception as error:  # whatever it is, that is what we look for
        return made, f"{last!r}: {type(error).__name__}: {str(error)[:300]}"
    return made, ""
