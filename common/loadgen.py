"""How fast does a server answer? Our `ab`, on aiohttp: python -m common.loadgen -n 300 -c 300 URL

Every request has exactly one outcome, and all its moments are kept. It runs in a process of its
own and says when it was the bottleneck.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from common import cli
from common.cli import Parser, Problem, UsageError
from common.client.load import Load
from common.client.many_processes import MOST, send_together
from common.client.options import PROBE_SECONDS, START_RATE, add_load_options, at_least, load_from
from common.client.progress import Tell, silent, teller
from common.client.request import Request
from common.client.sender import Sender
from common.client.sent import CANCELLED, Sent
from common.client.site_headers import handed_over
from common.report import ab, rate
from common.results import files, targets
from common.results.record import Search
from common.running.find_rate import Prober
from common.serving import cores
from common.serving.descriptors import allow_descriptors

some_processes = at_least(1, int, f"a whole number from 1 to {MOST}", MOST)
URL = "http://127.0.0.1:8000/"
EXAMPLES = [
    (f"python -m common.loadgen -n 300 -c 30 {URL}", "300 requests, 30 at a time"),
    (f"python -m common.loadgen -t 10 -c 30 -k {URL}", "for 10 s, with keep-alive"),
    (f"python -m common.loadgen --users 100 --spawn-rate 10 -t 30 {URL}", "a ramp of users, 10 more each second"),
    (f"python -m common.loadgen --rate 50 -t 10 {URL}", "50 requests start each second, whatever the server does"),
    (f"python -m common.loadgen --find-rate 'p99<=500ms' {URL}", "the highest rate that is answered that fast"),
]


def open_standard_descriptors() -> None:
    """Reopen those that a supervisor closed: uvloop's own would take their numbers, and uvloop would abort."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def on_signals(stop: Callable[..., None], *arguments: str) -> None:
    """A signal ends the load early but keeps its record; a SIGHUP that nohup ignores stays ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop, *arguments)


async def fire(load: Load, request: Request, tell: Tell) -> Sent:
    sender = Sender(load, request, tell)
    on_signals(sender.stop, CANCELLED)
    return await sender.send()


def fire_together(load: Load, request: Request, processes: int) -> Sent:
    async def fire_share(share: Load, wait_for_others: Callable[[], object]) -> tuple[Sent, float]:
        sender = Sender(share, request, silent)
        on_signals(sender.stop, CANCELLED)
        gc.collect()
        gc.freeze()  # the sender's own collection is then over at once: all begin together
        wait_for_others()
        return await sender.send(), sender.began

    def send_share(share: Load, wait_for_others: Callable[[], object]) -> tuple[Sent, float]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(fire_share(share, wait_for_others))

    return send_together(load, processes, send_share)


async def search(load: Load, request: Request, target: targets.Target, tell: Tell) -> Search:
    prober = Prober(load, request, target, tell)
    on_signals(prober.stop)
    return await prober.find()


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(examples=EXAMPLES, prog="python -m common.loadgen", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    add_load_options(parser)
    parser.add_argument("-r", action="store_true", help="accepted as in ab: a failed request never ends a run anyway")
    parser.add_argument("-q", dest="quiet", action="store_true", help="show no progress on stderr")
    parser.add_argument("--progress", type=Path, metavar="FILE", help="write progress to this file instead, for another program to show")
    parser.add_argument("-e", dest="csv", type=Path, metavar="FILE", help="write the percentiles as CSV")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole record, with every request")
    parser.add_argument(
        "--processes", type=some_processes, default=1, metavar="N", help="send from N processes, where one core cannot send enough"
    )
    parser.add_argument(
        "--find-rate",
        metavar="TARGET",
        help="find the highest rate that keeps TARGET, such as 'p99<=500ms' (-t: seconds per run; --rate: where to start)",
    )
    parser.add_argument("url", metavar="URL")
    options = parser.parse_args(arguments)
    if options.find_rate is not None:
        prepare_search(options)
    return options


def prepare_search(options: argparse.Namespace) -> None:
    """Turn the options of a search into those of its first probe."""
    if options.users is not None or options.stages is not None or options.requests is not None or options.grace is not None:
        raise UsageError("--find-rate sends loads of its own: leave out -n, --users, --stages and --grace")
    if options.csv is not None:
        raise UsageError("--find-rate sends many loads, so -e has no single table to write: leave it out")
    if options.processes > 1:
        raise UsageError("--find-rate sends from one process: leave out --processes")
    options.rate = options.rate or START_RATE
    options.seconds = options.seconds or PROBE_SECONDS


def send(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    load = load_from(options, options.url)
    request = Request(options.url, load, handed_over(options.url))
    allow_descriptors(load.concurrency)
    target = targets.parse_latency(options.find_rate) if options.find_rate is not None else None
    tell = teller(options.quiet, options.progress)
    if options.processes > 1:
        sent = fire_together(load, request, options.processes)
        cores.run_where_told()
        return finish(sent, options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if target is not None:
            return finish_search(runner.run(search(load, request, target, tell)), options)
        sent = runner.run(fire(load, request, tell))
        cores.run_where_told()
        return finish(sent, options)


def finish(sent: Sent, options: argparse.Namespace) -> int:
    """Save before printing, but say last what could not be saved; the exit code says how it went."""
    problems = keep(options.json, lambda path: files.write(path, sent), sent.stopped == CANCELLED)
    problems += keep(options.csv, lambda path: ab.save_percentiles(path, sent), sent.stopped == CANCELLED)
    print(ab.text(sent), flush=True)
    tell_of(problems)
    if sent.stopped == CANCELLED:
        return cli.STOPPED
    unanswered = sent.failed or sent.outcomes.get("unsent") or not sent.outcomes.get("ok")
    return 1 if unanswered or problems else 0


def finish_search(found: Search, options: argparse.Namespace) -> int:
    problems = keep(options.json, lambda path: files.write(path, found), found.ended == "stopped")
    print(rate.text(found), flush=True)
    tell_of(problems)
    return rate.exit_code(found) or (1 if problems else 0)


def keep(path: Path | None, write: Callable[[Path], None], was_stopped: bool) -> list[Problem]:
    """A signal waits for a file, which is soon written, but not for a pipe, which nobody may ever read; afterwards it ends us."""
    if path is not None and os.path.exists(path) and not os.path.isfile(path):
        cli.stop_on_signals()
    problems = save(path, write)
    cli.stop_on_signals(heard=was_stopped)
    return problems


def save(path: Path | None, write: Callable[[Path], None]) -> list[Problem]:
    """Why it could not be saved."""
    try:
        if path is not None:
            write(path)
    except Problem as problem:
        return [problem]
    return []


def tell_of(problems: Sequence[Problem]) -> None:
    for problem in problems:
        cli.complain(f"loadgen: {problem}")


def main(arguments: list[str]) -> int:
    return cli.run("loadgen", lambda: send(arguments))


if __name__ == "__main__":
    open_standard_descriptors()
    sys.exit(main(sys.argv[1:]))
