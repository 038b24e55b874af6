"""Does a load line say the same load to the load generator as it does to its reader?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import loadgen
from common.cli import Parser, UsageError
from common.client import schedule
from common.client.load import Load, Sizes, resized
from common.client.options import add_size_options, load_from, parse_line, sizes_from


def as_loadgen_reads(load):
    return load_from(loadgen.parse_arguments([*load.arguments(), load.target]), load.target)


@pytest.mark.parametrize(
    "line",
    [
        "/",
        "-n 300 -c 300 /",
        "-n 300 -c 30 -k /posts/?page=2",
        "-t 5 -c 10 /",
        "-n 50 -t 2.5 -s 0.1 /",
        "--users 20 --spawn-rate 2.5 -t 30 -k /",
        "--rate 50 -t 10 --expect ok /",
        "--rate 0.5 -n 20 -c 3 -k --grace 2.5 --poisson /",
        "--stages 10s@50,1.5s@0.25,2m@7 -c 9 /",
        "-m delete -H 'X-One: 1' -H 'X-Two: a b' /",
        "-H 'X-Empty:' -H 'X-Equals: a=b' --expect='-n 3' /",
        "-m POST -T application/json /",
        "-d 'a=1&b=2' /",
        "--expect '' /",
        "-d 'a=1' --expect-status 302 /",
    ],
)
def test_a_line_survives_the_way_to_the_load_generator(line):
    load = parse_line(line)
    assert as_loadgen_reads(load) == load


def test_a_body_survives_the_way_to_the_load_generator(tmp_path):
    body = tmp_path / "a body"
    body.write_text("x")
    load = parse_line(f"-p '{body}' -T application/json /")
    assert (load.method, load.content_type) == ("POST", "application/json")
    assert as_loadgen_reads(load) == load


NUMBERS = st.floats(1e-6, 1e9)
SECONDS_OF_THREE = st.floats(1e-6, schedule.MOST_DUE / schedule.MOST_RATE / 4)  # stages, so that a record holds what is due
RATES = st.floats(schedule.LEAST_RATE, schedule.MOST_RATE)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20).map(str.strip)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True)


@st.composite
def loads(draw):
    concurrency = draw(st.integers(1, 1000))
    kind = draw(st.sampled_from(["closed", "ramp", "rate", "stages"]))
    ramp, is_open = kind == "ramp", kind in ("rate", "stages")
    timed = ramp or (kind != "stages" and draw(st.booleans()))
    most = schedule.MOST_DUE // 2 if is_open else 10**9 if timed else schedule.MOST_DUE
    counted = kind != "stages" and (not timed or (not ramp and draw(st.booleans())))
    return Load(
        target="/",
        requests=draw(st.integers(concurrency, most)) if counted else None,
        concurrency=concurrency,
        seconds=draw(SECONDS_OF_THREE if is_open else NUMBERS) if timed else None,
        spawn_rate=draw(NUMBERS) if ramp else None,
        rate=draw(RATES) if kind == "rate" else None,
        stages=tuple(draw(st.lists(st.tuples(SECONDS_OF_THREE, RATES), min_size=1, max_size=3))) if kind == "stages" else (),
        grace=draw(st.none() | NUMBERS) if is_open else None,
        poisson=is_open and draw(st.booleans()),
        keep_alive=draw(st.booleans()),
        timeout=draw(NUMBERS),
        method=draw(st.sampled_from(["GET", "HEAD", "POST", "DELETE"])),
        headers=tuple(draw(st.lists(st.tuples(NAMES, WORDS), max_size=3))),
        content_type=draw(st.sampled_from(["text/plain", "application/json; charset=utf-8"])),
        expect=draw(st.none() | WORDS),
        expect_status=draw(st.none() | st.integers(200, 599)),
    )


@given(loads())
def test_any_load_survives_the_way_to_the_load_generator(load):
    assert as_loadgen_reads(load) == load


@given(loads(), loads())
def test_loads_are_the_same_if_their_identity_is(load, other):
    assert parse_line(load.identity) == load
    assert (load.identity == other.identity) is (load == other)


def test_an_identity_is_more_than_a_description():
    load = parse_line("-n 9 --expect ok /posts/?page=2")
    others = [parse_line("-n 9 /posts/?page=2"), parse_line("-n 9 --expect ok /posts/"), replace(load, timeout=1.0)]
    assert {other.describe() for other in others} == {load.describe()}
    assert len({load.identity, *(other.identity for other in others)}) == 4
    assert replace(load, seconds=10).identity == replace(load, seconds=10.0).identity


@pytest.mark.parametrize(
    "line", ["", "-n 3", "ok", "-n 2 -c 3 /", "/ -n 3", "/a /b", "-n 'x /", "http://127.0.0.1/", "--json x /", "-n x /"]
)
def test_a_wrong_line_is_refused(line):
    with pytest.raises(UsageError):
        parse_line(line)


@pytest.mark.parametrize(
    ("line", "given_sizes", "expected"),
    [
        ("-n 50 -c 10 /", {}, "-n 50 -c 10 /"),
        ("-n 50 -c 10 /", {"requests": 5}, "-n 5 -c 5 /"),
        ("-n 50 -c 10 /", {"requests": 500}, "-n 500 -c 10 /"),
        ("-n 50 -c 10 /", {"concurrency": 100}, "-n 100 -c 100 /"),
        ("-n 50 -c 10 /", {"requests": 7, "concurrency": 3, "keep_alive": True}, "-n 7 -c 3 -k /"),
        ("-n 50 -c 10 -k /", {"seconds": 2.0}, "-n 50 -c 10 -k -t 2 /"),
        ("-t 5 -c 10 /", {"concurrency": 20}, "-t 5 -c 20 /"),
        ("-t 5 -c 10 /", {"requests": 4}, "-t 5 -n 4 -c 4 /"),
        ("--users 9 --spawn-rate 3 -t 9 /", {"seconds": 1.0}, "--users 9 --spawn-rate 3 -t 1 /"),
        ("--users 500 --spawn-rate 5 -t 90 /", {"concurrency": 2}, "--users 2 --spawn-rate 5 -t 90 /"),
        ("--users 500 --spawn-rate 5 -t 90 /", {"requests": 4, "concurrency": 2}, "-n 4 -c 2 -t 90 /"),
        ("--users 9 --spawn-rate 3 -t 9 /", {"requests": 4}, "-n 4 -c 4 -t 9 /"),
        ("--users 9 --spawn-rate 3 -t 9 /", {"requests": 400}, "-n 400 -c 9 -t 9 /"),
        ("--rate 50 -t 9 /", {"requests": 4}, "--rate 50 -t 9 -n 4 -c 4 /"),
        ("--stages 10s@50,20s@200 /", {"requests": 4}, "--stages 10s@50,20s@200 /"),
    ],
)
def test_resized(line, given_sizes, expected):
    assert resized(parse_line(line), Sizes(**given_sizes)) == parse_line(expected)


@given(loads())
def test_no_sizes_change_nothing(load):
    assert resized(load, Sizes()) == load


def test_sizes_are_those_that_were_given():
    parser = Parser()
    add_size_options(parser)
    assert sizes_from(parser.parse_args([])) == Sizes()
    assert sizes_from(parser.parse_args(["-n", "3", "-c", "2", "-t", "1.5", "-k"])) == Sizes(3, 2, 1.5, True)


def test_sizes_that_contradict_each_other_are_refused():
    with pytest.raises(UsageError, match="greater than -n"):
        resized(parse_line("/"), Sizes(requests=2, concurrency=3))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/", "GET /, 1 request, 1 at a time, close"),
        ("-n 3000 -c 100 -k /x", "GET /x, 3,000 requests, 100 at a time, keep-alive"),
        ("-c 5 -t 10 /", "GET /, 5 at a time, for 10 s, close"),
        ("-n 10 -t 1.5 /", "GET /, 10 requests, 1 at a time, at most 1.5 s, close"),
        ("--rate 50 -t 10 /", "GET /, 50 per second for 10 s, at most 1,000 in flight, close"),
        ("--rate 50 -n 20 /", "GET /, 50 per second for 0.4 s, at most 20 in flight, close"),
        (
            "--stages 10s@50,20s@200 -c 300 -k /",
            "GET /, 50 per second for 10 s, 200 per second for 20 s, at most 300 in flight, keep-alive",
        ),
        ("--users 20 --spawn-rate 4 -t 30 /", "GET /, 20 users, 4 arriving per second, 30 s, close"),
    ],
)
def test_a_load_describes_itself(line, said):
    assert parse_line(line).describe() == said


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("-n 10 -c 4 -s 5 /", 15),
        ("-n 10 -c 4 -s 5 -t 2 /", 2),
        ("-c 4 -t 7 /", 7),
        ("--users 5 --spawn-rate 1 -t 7 /", 7),
        ("--rate 10 -t 3 -s 5 /", 9),
        ("--rate 10 -t 3 -s 5 --grace 0.5 /", 4.5),
    ],
)
def test_it_is_known_by_when_a_load_has_ended(line, seconds):
    """Even if the server answers nothing; an open loop may start its last request a second late."""
    assert parse_line(line).longest_seconds == seconds
