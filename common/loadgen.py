"""How fast does a server answer? Our `ab`, on aiohttp: python -m common.loadgen -n 300 -c 300 URL

Exactly one outcome per request, each moment of it kept. It runs in a process of its
own and says when it was the bottleneck.
"""

import argparse
import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from common.client.event_loop import new_event_loop
from common.client.load import Load, LoadError, Parser, add_load_options, load_from
from common.client.outcomes import failures
from common.client.progress import Tell, teller
from common.client.request import Target
from common.client.sender import Run
from common.report import ab, rate
from common.results import files
from common.running import find_rate

DESCRIPTORS_FOR_OURSELVES = 32


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit as far as it goes; say before anything is sent if that is too little."""
    needed = connections + DESCRIPTORS_FOR_OURSELVES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if soft < needed:
            raise LoadError(
                f"{connections} requests at once need {needed} file descriptors and the limit is {soft}: lower -c or raise `ulimit -n`"
            )


async def fire(load: Load, target: Target, tell: Tell) -> dict[str, Any]:
    run = Run(load, target, tell)
    for number in (signal.SIGINT, signal.SIGTERM):
        run.loop.add_signal_handler(number, run.stop, "cancelled")
    return await run.go()


async def search(load: Load, target: Target, promised: find_rate.Promise, tell: Tell) -> dict[str, Any]:
    prober = find_rate.Prober(load, target, promised, tell)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, prober.stop)
    return await prober.find()


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="loadgen", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    add_load_options(parser)
    parser.add_argument("-r", action="store_true", help="accepted as in ab; here a failed request never ends the run")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--progress", type=Path, metavar="FILE", help="write it to this file instead, for another program to show")
    parser.add_argument("-e", dest="csv", type=Path, metavar="FILE", help="write the percentiles as CSV")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole record, raw latencies and all")
    parser.add_argument(
        "--find-rate",
        metavar="PROMISE",
        help="find the highest rate that holds 'p99<=500ms' (-t: seconds of each run, --rate: where to start)",
    )
    parser.add_argument("url", metavar="URL")
    options = parser.parse_args(arguments)
    if options.find_rate is not None:
        find_rate.prepare(options)
    return options


def main(arguments: list[str]) -> int:
    try:
        options = parse_arguments(arguments)
        load = load_from(options, options.url)
        target = Target(options.url, load)
        allow_descriptors(load.concurrency)
        promised = find_rate.promise(options.find_rate) if options.find_rate is not None else None
    except LoadError as error:
        print(f"loadgen: {error}", file=sys.stderr)
        return 2
    tell = teller(options.quiet, options.progress)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        if promised:
            return finish_search(runner.run(search(load, target, promised, tell)), options)
        return finish(runner.run(fire(load, target, tell)), options)


def finish(result: dict[str, Any], options: argparse.Namespace) -> int:
    """Save before printing; then say with the exit code how it went."""
    saved = save(result, (options.json, files.save), (options.csv, ab.save_percentiles))
    print(ab.ab_report(result), flush=True)
    if result["stopped"] == "cancelled":
        return 130
    unanswered = failures(result["outcomes"]) or result["outcomes"].get("unsent")
    return 1 if unanswered or not saved else 0


def finish_search(result: dict[str, Any], options: argparse.Namespace) -> int:
    saved = save(result, (options.json, files.save))
    print(rate.text(result), flush=True)
    return rate.exit_code(result) or (0 if saved else 1)


def save(result: dict[str, Any], *writes: tuple[Path | None, Callable[[Path, dict[str, Any]], None]]) -> bool:
    saved = True
    for path, write in writes:
        try:
            if path is not None:
                write(path, result)
        except files.RecordError as error:
            print(f"loadgen: {error}", file=sys.stderr)
            saved = False
    return saved


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main(sys.argv[1:]))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
