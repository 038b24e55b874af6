"""Is aiohttp's parser still what a connection takes it for, and do answers not depend on how they are cut?"""

import asyncio
import inspect
import re
from itertools import pairwise

import aiohttp
import pytest
from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError
from hypothesis import given
from hypothesis import strategies as st

from common.client.connection import NEVER_PAUSE, Connection
from tests.misbehaving import ANSWERS, CLOSE, HANG, KEEP, OK, RESET
from tests.processes import ROOT


@pytest.fixture(scope="module")
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


class Owner:
    """Keeps what it is told; where the connection leads to is of no matter here."""

    def __init__(self):
        self.told = []

    def connected(self, connection):
        connection.send(b"GET / HTTP/1.1\r\n\r\n")

    def answered(self, connection, now):
        self.told.append(("answered", connection.status, connection.body, connection.body_bytes))

    def failed(self, connection, outcome, now):
        self.told.append((outcome, 0, b"", 0))


class Wire:
    """The least that a transport must be."""

    def write(self, data): ...

    def abort(self): ...

    def set_write_buffer_limits(self, high): ...


def told(loop, pieces, end, method="GET", keep_body=True):
    """What becomes of one request whose answer comes in these pieces, and is the connection fit for another?"""
    owner = Owner()
    connection = Connection(loop, owner, method, keep_body)
    connection.connection_made(Wire())
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
        Connection(loop, Owner()), loop, NEVER_PAUSE, response_with_body=True, read_until_eof=True, auto_decompress=False
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
    body=st.binary(max_size=300), kind=st.sampled_from(["length", "chunked", "until-close"]), sizes=st.lists(st.integers(1, 60)), cuts=CUTS
)
def test_a_body_comes_out_as_it_was_put_in(body, kind, sizes, cuts, loop):
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
    assert told(loop, pieces, end) == ([("answered", 200, body, len(body))], kind != "until-close")
    assert told(loop, pieces, end, keep_body=False) == ([("answered", 200, b"", len(body))], kind != "until-close")


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
    connection = Connection(loop, owner)
    connection.connection_made(Wire())
    connection.data_received(OK)
    assert connection.reusable
    connection.data_received(OK)
    assert not connection.reusable
    assert len(owner.told) == 1


def test_a_body_that_nobody_keeps_is_not_held(loop):
    connection = Connection(loop, Owner())
    connection.connection_made(Wire())
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    for _ in range(100):
        connection.data_received(bytes(90_000))
        assert connection._payload.read_nowait() == b""
    assert connection.body_bytes == 9_000_000
