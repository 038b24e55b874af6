"""What load to send: a line in ab's, Locust's and wrk2's words, as one value."""

import argparse
import math
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from common.client import schedule
from common.client.schedule import Stages

DEFAULT_TIMEOUT = 30.0
DEFAULT_CAP = 1000  # in flight at once, of an open loop
DEFAULT_CONTENT_TYPE = "text/plain"
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


class LoadError(ValueError):
    """A load line that cannot be sent, said in one line."""


@dataclass(frozen=True)
class Load:
    target: str  # a path in a scenario's line, a whole URL on the command line
    requests: int | None = 1  # None: until the time is up
    concurrency: int = 1  # how many are in flight at once; the users of a ramp; at most, of an open loop
    seconds: float | None = None  # stop after so long; of an open loop, no more are due
    spawn_rate: float | None = None  # users arriving per second; None: all at once
    rate: float | None = None  # an open loop: requests due per second
    stages: Stages = ()  # an open loop whose rate changes
    grace: float | None = None  # of an open loop: cut off so long after the last was due; None: wait for all
    keep_alive: bool = False
    timeout: float = DEFAULT_TIMEOUT
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body_file: str | None = None
    form: str | None = None
    content_type: str = DEFAULT_CONTENT_TYPE
    expect: str | None = None

    @property
    def is_open(self) -> bool:
        return self.rate is not None or bool(self.stages)

    @property
    def schedule(self) -> Stages:
        """Of an open loop: its stages, or the one that its rate makes."""
        if self.rate is None:
            return self.stages
        ends = (self.seconds, self.requests / self.rate if self.requests is not None else None)
        return ((min(end for end in ends if end is not None), self.rate),)

    @property
    def most_requests(self) -> int | None:
        """How many it can be at most; None: as many as fit into its time."""
        return schedule.count(self.schedule) if self.is_open else self.requests

    def burst(self, requests: int) -> "Load":
        """The same request so many times, all at once."""
        return replace(self, requests=requests, concurrency=requests, seconds=None, spawn_rate=None, rate=None, stages=(), grace=None)

    def describe(self) -> str:
        words = [f"{self.method} {urlsplit(self.target).path or self.target}"]
        if self.is_open:
            words += [f"{rate:g} per second for {seconds:g} s" for seconds, rate in self.schedule]
            words.append(f"at most {self.concurrency:,} in flight")
        elif self.spawn_rate is not None:
            words.append(f"{self.concurrency:,} users, {self.spawn_rate:g} arriving per second, {self.seconds:g} s")
        else:
            if self.requests is not None:
                words.append(f"{self.requests:,} request{'s' * (self.requests != 1)}, {self.concurrency:,} at a time")
            else:
                words.append(f"{self.concurrency:,} at a time")
            if self.seconds is not None:
                words.append(f"at most {self.seconds:g} s" if self.requests is not None else f"for {self.seconds:g} s")
        words.append("keep-alive" if self.keep_alive else "close")
        return ", ".join(words)

    def arguments(self) -> list[str]:
        """The options that say this load to the load generator."""
        words = ["-s", str(self.timeout), "-m", self.method]
        if self.spawn_rate is not None:
            words += ["--users", str(self.concurrency), "--spawn-rate", str(self.spawn_rate)]
        else:
            words += ["-n", str(self.requests)] if self.requests is not None else []
            words += ["-c", str(self.concurrency)]
        words += ["-t", str(self.seconds)] if self.seconds is not None else []
        words += ["--rate", str(self.rate)] if self.rate is not None else []
        words += ["--stages", schedule.words(self.stages)] if self.stages else []
        words += ["--grace", str(self.grace)] if self.grace is not None else []
        words += ["-k"] if self.keep_alive else []
        words += ["-p", self.body_file] if self.body_file is not None else []
        words += [f"-d{self.form}"] if self.form is not None else []
        words += ["-T", self.content_type] if self.content_type != DEFAULT_CONTENT_TYPE else []
        words += [f"-H{name}: {value}" for name, value in self.headers]
        return [*words, f"--expect={self.expect}"] if self.expect is not None else words

    def as_record(self) -> dict[str, Any]:
        lists = {"headers": self.headers, "stages": self.stages, "schedule": self.schedule if self.is_open else ()}
        return {**asdict(self), **{name: [list(pair) for pair in pairs] for name, pairs in lists.items()}}


class Parser(argparse.ArgumentParser):
    """argparse, but errors are raised, so that a scenario's line can be named with its fault."""

    def error(self, message: str) -> NoReturn:
        raise LoadError(message)


def at_least(least: float, kind: type, what: str) -> Any:
    def number(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
        if not least <= value < math.inf or value == 0:  # nan is none of these
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return number


def stages(text: str) -> Stages:
    try:
        return schedule.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} are no stages: write 10s@50,20s@200 for 10 s at 50 a second, then 20 s at 200"
        ) from None


count = at_least(1, int, "a whole number of 1 or more")
positive = at_least(0, float, "a number above 0")


def header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isascii() or any(mark in text for mark in "\r\n"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a header: write 'Name: value'")
    return name.strip(), value.strip()


def content_type(text: str) -> str:
    return header(f"Content-Type: {text}")[1]


def method(text: str) -> str:
    if not (text.isascii() and text.isalpha()):
        raise argparse.ArgumentTypeError(f"{text!r} is not an HTTP method")
    return text.upper()


def body_file(text: str) -> str:
    try:
        Path(text).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text}: {error.strerror}") from None
    return text


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """How much load: the options that the suite may also lay over every scenario's own."""
    parser.add_argument("-n", dest="requests", type=count, metavar="N", help="requests in all (default 1)")
    parser.add_argument("-c", dest="concurrency", type=count, metavar="N", help="requests in flight at once (default 1)")
    parser.add_argument("-t", dest="seconds", type=positive, metavar="S", help="stop after so many seconds; alone, no limit to -n")
    parser.add_argument("-k", dest="keep_alive", action="store_true", help="keep connections open between requests")


def add_load_options(parser: argparse.ArgumentParser) -> None:
    add_size_options(parser)
    parser.add_argument(
        "--users", type=count, metavar="N", help="a ramp: users that each send their next request when the last is answered"
    )
    parser.add_argument("--spawn-rate", type=positive, metavar="R", help="users arriving per second (with --users and -t)")
    parser.add_argument(
        "--rate",
        type=positive,
        metavar="R",
        help=f"an open loop: R requests start per second, come what may (with -t or -n; -c: in flight at most, {DEFAULT_CAP:,})",
    )
    parser.add_argument("--stages", type=stages, metavar="STAGES", help="an open loop whose rate changes: 10s@50,20s@200")
    parser.add_argument(
        "--grace",
        type=positive,
        metavar="S",
        help="of an open loop: cut off so many seconds after the last was due (default: wait for all)",
    )
    parser.add_argument(
        "-s",
        dest="timeout",
        type=positive,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help="give a request up after so many seconds (default 30)",
    )
    parser.add_argument("-m", dest="method", type=method, metavar="METHOD", help="HTTP method (default GET, with -p POST)")
    parser.add_argument("-p", dest="body_file", type=body_file, metavar="FILE", help="send this file as the body")
    parser.add_argument("-d", dest="form", metavar="TEXT", help="send this text as a form: a=b&c=d")
    parser.add_argument(
        "-T",
        dest="content_type",
        type=content_type,
        default=DEFAULT_CONTENT_TYPE,
        metavar="TYPE",
        help="the body's Content-Type (default text/plain)",
    )
    parser.add_argument(
        "-H", dest="headers", type=header, action="append", default=[], metavar="'NAME: VALUE'", help="one more request header (repeatable)"
    )
    parser.add_argument("--expect", metavar="TEXT", help="an answer without this text is a failure")


def check_sizes(requests: int | None, concurrency: int | None) -> None:
    if requests and concurrency and concurrency > requests:
        raise LoadError(f"-c {concurrency} is above -n {requests}: there cannot be more requests in flight than there are")


def check_open(options: argparse.Namespace) -> None:
    if options.users is not None:
        raise LoadError("--users is a closed loop, --rate and --stages are open ones: a load is one of them")
    if options.rate is not None and options.stages is not None:
        raise LoadError("--stages has rates of its own: no --rate with it")
    if options.stages is not None and (options.seconds is not None or options.requests is not None):
        raise LoadError("--stages say how long and how many: no -t and no -n with them")
    if options.rate is not None and options.seconds is None and options.requests is None:
        raise LoadError("--rate needs an end: -t SECONDS or -n REQUESTS")


def load_from(options: argparse.Namespace, target: str) -> Load:
    """The load that parsed options describe, or LoadError where they contradict each other."""
    if options.form is not None and options.body_file is not None:
        raise LoadError("-d and -p both give the body")
    if (options.users is None) != (options.spawn_rate is None):
        raise LoadError("--users and --spawn-rate go together")
    ramp = options.users is not None
    if ramp and options.seconds is None:
        raise LoadError("a ramp (--users) needs its duration: -t SECONDS")
    if ramp and (options.requests is not None or options.concurrency is not None):
        raise LoadError("a ramp (--users) has no -n and no -c")
    is_open = options.rate is not None or options.stages is not None
    if is_open:
        check_open(options)
    elif options.grace is not None:
        raise LoadError("--grace goes with --rate or --stages")
    requests = options.requests if options.seconds is not None or is_open else options.requests or 1
    concurrency = options.users if ramp else options.concurrency or (min(DEFAULT_CAP, requests or DEFAULT_CAP) if is_open else 1)
    check_sizes(requests, concurrency)
    return Load(
        target=target,
        requests=requests,
        concurrency=concurrency,
        seconds=options.seconds,
        spawn_rate=options.spawn_rate,
        rate=options.rate,
        stages=options.stages or (),
        grace=options.grace,
        keep_alive=options.keep_alive,
        timeout=options.timeout,
        method=options.method or ("GET" if options.body_file is None and options.form is None else "POST"),
        headers=tuple(options.headers),
        body_file=options.body_file,
        form=options.form,
        content_type=FORM_CONTENT_TYPE
        if options.form is not None and options.content_type == DEFAULT_CONTENT_TYPE
        else options.content_type,
        expect=options.expect,
    )


def parse_line(line: str) -> Load:
    """A scenario's load line."""
    parser = Parser(add_help=False, allow_abbrev=False)
    add_load_options(parser)
    parser.add_argument("path")
    try:
        options = parser.parse_args(shlex.split(line))
    except ValueError as error:
        raise LoadError(str(error)) from None
    if not options.path.startswith("/") or shlex.split(line)[-1] != options.path:
        raise LoadError(f"the last word must be a path that begins with '/', not {options.path!r}")
    return load_from(options, options.path)


def resized(load: Load, sizes: argparse.Namespace) -> Load:
    """The load with the sizes that were given; what was not given follows, a ramp keeps its users and stages their rates."""
    requests, concurrency = sizes.requests, sizes.concurrency
    check_sizes(requests, concurrency)
    if requests and load.spawn_rate is None and not load.stages:
        load = replace(load, requests=requests, concurrency=min(load.concurrency, requests))
    if concurrency and load.is_open:
        load = replace(load, concurrency=min(concurrency, load.requests or concurrency))
    elif concurrency and load.spawn_rate is None:
        load = replace(load, requests=max(load.requests, concurrency) if load.requests else None, concurrency=concurrency)
    return replace(lasting(load, sizes.seconds or load.seconds), keep_alive=load.keep_alive or sizes.keep_alive)


def lasting(load: Load, seconds: float | None) -> Load:
    """The load in so much time: stages are compressed into it."""
    if load.stages:
        return replace(load, stages=schedule.in_time(load.stages, seconds)) if seconds else load
    return replace(load, seconds=seconds)
