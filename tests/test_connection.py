"""Is aiohttp's parser still what a connection takes it for, and do answers not depend on how they are cut?"""

import asyncio
import inspect
import re
from itertools import pairwise

import aiohttp
import pytest
from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.client.connection import HEADS, LONGEST_BEGINNING, MOST_HEADS, NEVER_PAUSE, Connection
from common.client.load import Load
from common.client.outcomes import OUTCOMES
from common.client.request import Request
from tests.misbehaving import ANSWERS, CLOSE, HANG, KEEP, OK, RESET
from tests.processes import ROOT


@pytest.fixture(scope="module")
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


class Owner:
    """Keeps what it is told; where the connection leads to is of no matter here."""

    connections = 0

    def __init__(self):
        self.told = []

    def answered(self, connection, now):
        outcome = OUTCOMES[connection.outcome]
        self.told.append(("answered", connection.status, outcome, connection.body_bytes))

    def failed(self, connection, outcome, now):
        self.told.append((outcome, 0, "", 0))


class Wire:
    """The least that a transport must be."""

    def write(self, data): ...

    def abort(self): ...

    def set_write_buffer_limits(self, high): ...


def request(method="GET", expect="ok"):
    return Request("http://127.0.0.1:1/", Load(target="/", method=method, expect=expect))


def opened(loop, owner, method="GET", expect=None):
    """A connection whose first request was sent."""
    connection = Connection(loop, request(method, expect), owner)
    connection.connection_made(Wire())
    return connection


def told(loop, pieces, end, method="GET", expect="ok"):
    """What becomes of one request whose answer comes in these pieces, and is the connection fit for another?"""
    owner = Owner()
    connection = opened(loop, owner, method, expect)
    for piece in pieces:
        connection.data_received(piece)
    reusable = connection.reusable
    if end in (CLOSE, RESET):
        connection.connection_lost(ConnectionResetError() if end == RESET else None)
        assert not connection.reusable
    assert len(owner.told) <= 1
    return owner.told, reusable


# What we rely on


@pytest.fixture
def parser(loop):
    return HttpResponseParser(
        Connection(loop, request(), Owner()), loop, NEVER_PAUSE, response_with_body=True, read_until_eof=True, auto_decompress=False
    )


def test_aiohttp_is_the_one_that_is_pinned():
    pinned = re.search(r"^aiohttp==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M)
    assert aiohttp.__version__ == pinned[1]


def test_the_parser_is_the_one_in_c():
    assert HttpResponseParser.__module__ == "aiohttp._http_parser"
    assert not inspect.isfunction(HttpResponseParser.feed_data)


def test_feed_data_gives_messages_with_payloads_upgraded_and_rest(parser):
    messages, upgraded, rest = parser.feed_data(OK)
    assert (len(messages), upgraded, rest) == (1, False, b"")
    message, payload = messages[0]
    assert (message.code, message.should_close) == (200, False)
    assert message.headers.get("server") == message.headers["SERVER"] == "misbehaving/1.0"
    assert payload.is_eof()
    assert (payload.total_bytes, payload.exception(), payload.read_nowait()) == (2, None, b"ok")


def test_feed_data_without_a_whole_head_gives_nothing(parser):
    messages, upgraded, rest = parser.feed_data(OK[:30])
    assert (len(messages), upgraded, rest) == (0, False, b"")


def test_a_payload_can_be_drained_as_it_comes(parser):
    [(_, payload)], _, _ = parser.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na")
    assert (payload.is_eof(), payload.read_nowait(), payload.total_bytes) == (False, b"a", 1)
    parser.feed_data(b"bcd")
    assert (payload.is_eof(), payload.read_nowait(), payload.total_bytes) == (True, b"bcd", 4)


def test_one_parser_reads_one_answer_after_another(parser):
    for _ in range(3):
        [(message, payload)], _, _ = parser.feed_data(OK)
        assert (message.code, payload.read_nowait()) == (200, b"ok")


def test_answers_that_announce_come_as_messages_of_their_own(parser):
    messages, _, _ = parser.feed_data(ANSWERS["/announced"][0])
    assert [message.code for message, _ in messages] == [100, 103, 200]


def test_an_upgrade_is_said(parser):
    [(message, _)], upgraded, rest = parser.feed_data(ANSWERS["/upgrade"][0] + b"more")
    assert (message.code, upgraded, rest) == (101, True, b"more")


def test_closing_is_said(parser):
    [(message, _)], _, _ = parser.feed_data(ANSWERS["/says-close"][0])
    assert message.should_close


def test_an_answer_until_the_end_ends_with_the_end(parser):
    [(message, payload)], _, _ = parser.feed_data(ANSWERS["/until-close"][0])
    assert (message.should_close, payload.is_eof()) == (True, False)
    parser.feed_eof()
    assert payload.is_eof()


@pytest.mark.parametrize("path", ["/half", "/half-chunked"])
def test_an_answer_cut_short_raises_at_the_end(path, parser):
    parser.feed_data(ANSWERS[path][0])
    with pytest.raises(HttpProcessingError):
        parser.feed_eof()


@pytest.mark.parametrize("path", ["/not-http", "/bad-status", "/bad-header", "/bad-length", "/two-lengths", "/bad-chunk"])
def test_what_is_not_http_raises(path, parser):
    with pytest.raises(HttpProcessingError):
        parser.feed_data(ANSWERS[path][0])


# However it is cut


def pieces_of(answer, cuts):
    places = sorted({cut % (len(answer) + 1) for cut in cuts} | {0, len(answer)})
    return [answer[start:end] for start, end in pairwise(places)]


SMALL = {path: answer for path, answer in ANSWERS.items() if 0 < len(answer[0]) < 1000 and path != "/two"}
CUTS = st.lists(st.integers(0, 1000), max_size=12)


@pytest.mark.parametrize("path", SMALL)
@given(cuts=CUTS)
def test_an_answer_in_pieces_is_the_same_answer(path, cuts, loop):
    answer, end = SMALL[path]
    whole = told(loop, [answer], end)
    assert told(loop, pieces_of(answer, cuts), end) == whole


@given(
    body=st.binary(max_size=300).map(lambda body: body.translate(bytes(97 + byte % 3 for byte in range(256)))),  # of a, b and c
    kind=st.sampled_from(["length", "chunked", "until-close"]),
    sizes=st.lists(st.integers(1, 60)),
    cuts=CUTS,
    expect=st.text("abc", max_size=9),
)
def test_a_body_is_as_long_as_it_was_and_holds_what_it_held(body, kind, sizes, cuts, expect, loop):
    head, end = b"HTTP/1.1 200 OK\r\n", KEEP
    if kind == "length":
        answer = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif kind == "until-close":
        answer, end = head + b"\r\n" + body, CLOSE
    else:
        answer, rest = head + b"Transfer-Encoding: chunked\r\n\r\n", body
        for size in [*sizes, len(body)]:
            part, rest = rest[:size], rest[size:]
            answer += b"%x\r\n%b\r\n" % (len(part), part) if part else b""
        answer += b"0\r\n\r\n"
    pieces = pieces_of(answer, cuts)
    outcome = "ok" if expect.encode() in body else "body mismatch"
    assert told(loop, pieces, end, expect=expect) == ([("answered", 200, outcome, len(body))], kind != "until-close")
    assert told(loop, pieces, end, expect=None) == ([("answered", 200, "ok", len(body))], kind != "until-close")


@given(path=st.sampled_from(sorted(SMALL)), length=st.integers(0, 1000), cuts=CUTS)
def test_an_answer_that_ends_anywhere_has_one_outcome(path, length, cuts, loop):
    answer = SMALL[path][0]
    [(outcome, *_)], _ = told(loop, pieces_of(answer[: length % (len(answer) + 1)], cuts), CLOSE)
    assert outcome in ("answered", "disconnected", "malformed")


@given(noise=st.binary(max_size=200), cuts=CUTS)
def test_noise_has_one_outcome(noise, cuts, loop):
    [(outcome, *_)], _ = told(loop, pieces_of(noise, cuts), CLOSE)
    assert outcome in ("disconnected", "malformed")


@pytest.mark.parametrize("path", ["/two", "/upgrade", "/http-1.0", "/says-close"])
def test_a_connection_that_is_not_to_be_trusted_is_not_used_again(path, loop):
    [(outcome, *_)], reusable = told(loop, [ANSWERS[path][0]], HANG)
    assert (outcome, reusable) == ("answered", False)


def test_bytes_that_nobody_asked_for_end_the_connection(loop):
    owner = Owner()
    connection = opened(loop, owner)
    connection.data_received(OK)
    assert connection.reusable
    connection.data_received(OK)
    assert not connection.reusable
    assert len(owner.told) == 1


@pytest.mark.parametrize("expect", [None, "ok", "\0", "\0o"])
def test_a_body_is_not_held(expect, loop):
    connection = opened(loop, Owner(), expect=expect)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    for _ in range(100):
        connection.data_received(bytes(90_000))
        assert connection._payload.read_nowait() == b""
        assert len(connection._body) <= 1
    assert connection.body_bytes == 9_000_000


def test_an_answer_that_never_begins_is_no_answer(loop):
    owner = Owner()
    connection = opened(loop, owner)
    for _ in range(10_000):
        connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert len(connection._begun) <= LONGEST_BEGINNING + 25
    assert owner.told == [("malformed", 0, "", 0)]


TOO_LONG = {
    "a body": OK + b"xyz",
    "a second answer that is none": OK + b"HTTP/1.1 2x0\r\n\r\n",
    "204": ANSWERS["/204"][0] + b"body",
    "304": ANSWERS["/304"][0] + b"body",
    "after announcements": ANSWERS["/announced"][0] + b"xyz",
    "a last chunk": ANSWERS["/chunked"][0] + b"xyz",
}


@pytest.mark.parametrize("name", TOO_LONG)
@given(cuts=CUTS)
def test_more_than_was_announced_is_no_part_of_the_answer_however_it_comes(name, cuts, loop):
    """Nor is it a failure, as it is none for ab; but such a connection is not used again."""
    answer = TOO_LONG[name]
    [(outcome, *_)], reusable = told(loop, pieces_of(answer, cuts), HANG)
    assert (outcome, reusable) == ("answered", False)


# A head that was seen is not parsed again, and nobody can tell


@pytest.fixture
def no_heads():
    HEADS.clear()
    yield
    HEADS.clear()


def test_a_known_head_is_not_parsed_again(no_heads, loop):
    owner = Owner()
    connection = opened(loop, owner)
    connection.data_received(OK)
    assert connection._parser is not None
    assert len(HEADS) == 1
    connection._parser = None
    connection.send()
    connection.data_received(OK)
    assert connection._parser is None
    assert owner.told == [("answered", 200, "ok", 2)] * 2
    assert connection.header("server") == "misbehaving/1.0"


FIRST_LINES = ["HTTP/1.0 200 OK", "HTTP/1.1 204 No", "HTTP/1.1 304 No", "HTTP/1.1 500 Oh", "HTTP/1.1 101 Up"]
LENGTHS = ["Content-Length: 0", "Content-Length: 4", "content-length: 2 ", "Content-Length: 02", "Date: now"]
FRAMING = ["Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Connection: upgrade\r\nUpgrade: echo", "Connection: close"]
OTHERS = ["Date: Thu, 26 Nov 2026 10:00:00 GMT", "Content-Encoding: gzip", "Server: other", "Content-Length: 2", "Connection: keep-alive"]
BODIES = [b"", b"four", b"o", b"\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n", b"okHTTP/1.1 200", b"okHTTP/1.1 200", b"ok" + OK]


def mostly(usual, others):
    """As often the usual as all others together."""
    return st.sampled_from([usual] * len(others) + others)


@st.composite
def heads(draw):
    lines = [draw(mostly("HTTP/1.1 200 OK", FIRST_LINES)), draw(mostly("Content-Length: 2", LENGTHS)), draw(mostly("X: y", FRAMING))]
    lines += draw(st.just([]) | st.lists(st.sampled_from(OTHERS), max_size=2))
    return draw(mostly("\r\n", ["\n"])).join([*lines, "", ""]).encode()


@st.composite
def visits(draw):
    """Answers of one or two heads on two connections: on which, with what body, cut where and ended how; and the methods asked with."""
    some = draw(st.lists(heads(), min_size=1, max_size=2))
    made = []
    for _ in range(draw(st.integers(2, 6))):
        head, body = draw(st.sampled_from(some)), draw(mostly(b"ok", BODIES))
        odd = draw(mostly(b"", [answer for answer, _ in SMALL.values()])) if draw(st.integers(0, 3)) == 0 else b""
        cuts = draw(mostly([], [[len(head) - 4], [len(head)], [len(head) - 2, len(head) + 1], [10]]))
        made.append((draw(mostly(0, [1])), odd or head + body, cuts, draw(mostly(KEEP, [CLOSE, RESET]))))
    return made, draw(st.sampled_from([("GET", "GET"), ("GET", "HEAD"), ("HEAD", "HEAD")])), draw(st.sampled_from([None, "ok", "k"]))


class CuriousOwner(Owner):
    def answered(self, connection, now):
        super().answered(connection, now)
        self.told.append((connection.reusable, connection.received, connection.header("Server")))


def told_of_all(loop, visits, methods, expect, parser_alone):
    """All that is told, and after each visit what can be seen of its connection."""
    owner, open_ones, seen = CuriousOwner(), {}, []
    for number, answer, cuts, end in visits:
        connection = open_ones.get(number)
        if connection is not None and connection.reusable and not connection._waiting:
            connection.send()
        else:
            connection = open_ones[number] = opened(loop, owner, methods[number], expect)
        for piece in pieces_of(answer, cuts):
            if parser_alone:
                HEADS.clear()
                connection._known = b""
            connection.data_received(piece)
        if end != KEEP:
            connection.connection_lost(ConnectionResetError() if end == RESET else None)
        seen.append((len(owner.told), connection.reusable, connection.received))
    return owner.told, seen


BARE_LENGTH = OK.replace(b"Length: 2", b"Length: 0").removesuffix(b"ok")


@settings(max_examples=1000)
@given(case=visits())
@example(case=([(0, OK, [], KEEP), (0, OK + b"HTTP/1.1 200", [], KEEP), (0, OK, [], KEEP)], ("GET", "GET"), "ok"))  # a next one begins
@example(case=([(0, OK, [len(OK) - 6], KEEP), (1, OK[-6:], [], KEEP)], ("GET", "GET"), "ok"))  # the end of a head is no head
@example(case=([(0, BARE_LENGTH, [], KEEP), (0, BARE_LENGTH[:-4], [], KEEP)], ("GET", "GET"), "ok"))  # nor is a head without its end
@example(case=([(0, OK, [], KEEP), (1, OK, [], KEEP)], ("GET", "HEAD"), "ok"))  # an answer to HEAD has no body
def test_known_heads_change_nothing(loop, case):
    HEADS.clear()
    with_heads = told_of_all(loop, *case, parser_alone=False)
    assert with_heads == told_of_all(loop, *case, parser_alone=True)


def test_only_so_many_heads_are_kept(no_heads, loop):
    connection = opened(loop, Owner())
    for number in range(3 * MOST_HEADS):
        connection.data_received(b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 0\r\n\r\n" % number)
        assert connection.reusable
        assert 1 <= len(HEADS) <= MOST_HEADS
        connection.send()
