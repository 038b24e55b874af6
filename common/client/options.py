"""The options that describe a load, named as in ab, Locust and wrk2, and the load that they describe."""

import argparse
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.cli import Parser, UsageError
from common.client import schedule
from common.client.load import DEFAULT_CONTENT_TYPE, DEFAULT_TIMEOUT, Load, Sizes, check_due, check_sizes
from common.client.request import check_can_be_sent
from common.client.schedule import Stages

DEFAULT_CAP = 1000  # in flight at once in an open loop
START_RATE, PROBE_SECONDS = 10.0, 5.0  # of the first run in a search for a rate
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110's token
MOST = 1e15  # for any number: what is computed from it stays finite


def at_least(least: float, kind: type, what: str, most: float = MOST) -> Any:
    def number(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
        if not least <= value <= most:  # nan is not
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return number


def stages(text: str) -> Stages:
    try:
        return schedule.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} are not stages: write 10s@50,20s@200 for 10 s at 50 a second, then 20 s at 200 (at most {schedule.MOST_RATE:,.0f})"
        ) from None


def share(text: str) -> float:
    """5% or 0.05."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1: write 5% or 0.05")
    return value


count = at_least(1, int, "a whole number of 1 or more")
status = at_least(200, int, "the status of an answer: 200 to 599", 599)
positive = at_least(math.ulp(0.0), float, "a number above 0")
rate = at_least(
    schedule.LEAST_RATE,
    float,
    f"a rate between {schedule.LEAST_RATE:f} and {schedule.MOST_RATE:,.0f} a second; no client can start more",
    schedule.MOST_RATE,
)


def unicode(text: str) -> str:
    """Text for the record, which is JSON, must be UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8; put a body that is not UTF-8 into a file and send it with -p") from None
    return text


def header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not HEADER_NAME.fullmatch(name.strip()) or not all(" " <= mark <= "~" or mark == "\t" for mark in value):
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
        Path(unicode(text)).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text}: {error.strerror}") from None
    return text


SIZES_OF_A_LOAD = {
    "-n": "requests in all (default 1; with -t or --rate: as many as fit into the time)",
    "-c": "requests in flight at once (default 1; with --rate or --stages: see there)",
    "-t": "stop after S seconds",
    "-k": "keep connections open between requests (default: a new one for each)",
}
SIZES_OVER_LOADS = {
    "-n": "requests in place of each load's own number; a ramp's users then start at once, and --stages stay as they are",
    "-c": "requests in flight at once, in place of each load's own number; for a ramp, its users",
    "-t": "stop each load after S seconds, in place of its own time",
    "-k": "keep connections open between requests in all loads",
}


def add_size_options(parser: argparse.ArgumentParser, says: dict[str, str] = SIZES_OVER_LOADS) -> None:
    """Add the options for the size of a load: of a single one, or of every load that a scenario declares."""
    parser.add_argument("-n", dest="requests", type=count, metavar="N", help=says["-n"])
    parser.add_argument("-c", dest="concurrency", type=count, metavar="N", help=says["-c"])
    parser.add_argument("-t", dest="seconds", type=positive, metavar="S", help=says["-t"])
    parser.add_argument("-k", dest="keep_alive", action="store_true", help=says["-k"])


def add_load_options(parser: argparse.ArgumentParser, file: Callable[[str], str] = body_file) -> None:
    add_size_options(parser, SIZES_OF_A_LOAD)
    parser.add_argument(
        "--users", type=count, metavar="N", help="a ramp of N users, each sending its next request when the last is answered"
    )
    parser.add_argument("--spawn-rate", type=positive, metavar="R", help="users arriving per second (with --users and -t)")
    parser.add_argument(
        "--rate",
        type=rate,
        metavar="R",
        help=f"an open loop: R requests start per second in any case (with -t or -n; -c: most in flight, default {DEFAULT_CAP:,})",
    )
    parser.add_argument(
        "--stages", type=stages, metavar="STAGES", help="an open loop whose rate changes: 10s@50,20s@200 (-c as with --rate)"
    )
    parser.add_argument(
        "--grace",
        type=positive,
        metavar="S",
        help="cut an open loop off S seconds after its last request was due (default: wait for all)",
    )
    parser.add_argument(
        "--poisson", action="store_true", help="requests of an open loop are due at random moments, as from independent users, not evenly"
    )
    parser.add_argument(
        "-s",
        dest="timeout",
        type=positive,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help="give a request up after S seconds (default 30)",
    )
    parser.add_argument("-m", dest="method", type=method, metavar="METHOD", help="HTTP method (default GET, with -p POST)")
    parser.add_argument("-p", dest="body_file", type=file, metavar="FILE", help="send this file as the body")
    parser.add_argument("-d", dest="form", type=unicode, metavar="TEXT", help="send this text as a form: a=b&c=d")
    parser.add_argument(
        "-T",
        dest="content_type",
        type=content_type,
        default=DEFAULT_CONTENT_TYPE,
        metavar="TYPE",
        help="the body's Content-Type (default text/plain)",
    )
    parser.add_argument(
        "-H",
        "--header",
        dest="headers",
        type=header,
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="add this request header (repeatable)",
    )
    parser.add_argument("--expect", type=unicode, metavar="TEXT", help="an answer without this text is a failure")
    parser.add_argument(
        "--expect-status", type=status, metavar="STATUS", help="an answer with any other status is a failure (default: any but a 2xx)"
    )


def check_open(options: argparse.Namespace) -> None:
    if options.users is not None:
        raise UsageError("--users cannot be combined with --rate or --stages")
    if options.rate is not None and options.stages is not None:
        raise UsageError("--stages has its own rates: leave out --rate")
    if options.stages is not None and (options.seconds is not None or options.requests is not None):
        raise UsageError("--stages says how long and how many: leave out -t and -n")
    if options.rate is not None and options.seconds is None and options.requests is None:
        raise UsageError("--rate needs an end: -t SECONDS or -n REQUESTS")


def load_from(options: argparse.Namespace, target: str) -> Load:
    """The load that the options describe; UsageError if they contradict each other."""
    if options.form is not None and options.body_file is not None:
        raise UsageError("-d and -p both give the body: leave one out")
    if (options.users is None) != (options.spawn_rate is None):
        raise UsageError("--users and --spawn-rate need each other")
    ramp = options.users is not None
    if ramp and options.seconds is None:
        raise UsageError("a ramp (--users) needs a duration: -t SECONDS")
    if ramp and (options.requests is not None or options.concurrency is not None):
        raise UsageError("a ramp (--users) takes no -n and no -c: leave them out")
    is_open = options.rate is not None or options.stages is not None
    if is_open:
        check_open(options)
    elif options.grace is not None:
        raise UsageError("--grace needs --rate or --stages")
    elif options.poisson:
        raise UsageError("--poisson needs --rate or --stages")
    requests = options.requests if options.seconds is not None or is_open else options.requests or 1
    concurrency = options.users if ramp else options.concurrency or (min(DEFAULT_CAP, requests or DEFAULT_CAP) if is_open else 1)
    check_sizes(requests, concurrency)
    load = Load(
        target=target,
        requests=requests,
        concurrency=concurrency,
        seconds=options.seconds,
        spawn_rate=options.spawn_rate,
        rate=options.rate,
        stages=options.stages or (),
        grace=options.grace,
        poisson=options.poisson,
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
        expect_status=options.expect_status,
    )
    return check_due(load)


def sizes_from(options: argparse.Namespace) -> Sizes:
    """What `add_size_options` parsed."""
    return Sizes(options.requests, options.concurrency, options.seconds, options.keep_alive)


def parse_line(line: str) -> Load:
    """The load of a scenario's load line."""
    parser = Parser(add_help=False, allow_abbrev=False)
    add_load_options(parser)
    parser.add_argument("path")
    try:
        options = parser.parse_args(shlex.split(line))
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not options.path.startswith("/") or shlex.split(line)[-1] != options.path:
        raise UsageError(f"the last word must be a path that begins with '/', not {options.path!r}")
    check_can_be_sent(options.path)
    return load_from(options, options.path)
