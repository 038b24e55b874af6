"""The process that asks two servers in turn and reads their CPU clocks at each switch; `side_by_side` starts it for each restart."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop

from common import cli
from common.client.load import Load
from common.client.options import parse_line
from common.client.request import Request
from common.client.site_headers import handed_over
from common.client.turns import Turns
from common.serving import accounting
from common.serving.cost import Group
from common.serving.descriptors import allow_descriptors

SHORTEST_SLICE = 0.02  # seconds: a machine's speed may change within a tenth of one
ANSWERS_LONG = 3  # a slice lasts at least this many response times
LONG = 6  # a long slice lasts at least this many slices, but
OF_ALL = 8  # this fraction of the restart, if that is more
LONG_ENOUGH = 0.3  # seconds: slices that last this long anyway need no longer ones to compare them with
FEWEST_PAIRS = 2  # of slices, in a restart
SETTLING = 0.5  # seconds for each side before anything counts: they warm it up
FIND_EVERY = 0.5  # seconds between looks for a server's processes


class Clocks:
    """CPU seconds of both process trees, from the kernel's clocks."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._groups = [Group(root) for root in roots]
        self._found = 0.0

    def find(self) -> list[float]:
        """Look for processes now and then; what those that are new have used until now."""
        if time.monotonic() < self._found + FIND_EVERY:
            return [0.0 for _ in self._groups]
        known = self.read()
        everyone = accounting.see_all()
        for group in self._groups:
            group.find(everyone)
        self._found = time.monotonic()
        return [max(0.0, now - before) for now, before in zip(self.read(), known, strict=True)]

    def read(self) -> list[float]:
        now = time.time()
        for group in self._groups:
            group.look(now, accounting.cpu_clocks(group.alive))
        return [group.together[-1][1] if group.together else 0.0 for group in self._groups]


async def ask_in_turn(load: Load, urls: Sequence[str], roots: Sequence[int], seconds: float, most: float, first: int) -> dict[str, object]:
    """Send pairs of slices, alternating which side comes first, until the time is up; in the middle a pair of long ones.

    No slices at all if answers take so long that a few pairs would exceed `most` seconds.
    """
    clocks = Clocks(roots)
    clocks.find()
    turns = Turns(load, [Request(url, load, handed_over(url)) for url in urls], clocks.read)
    try:
        settled = [await turns.ask(side, SETTLING) for side in (first, 1 - first)]
        length = slice_seconds([one.response_seconds / one.answers for one in settled if one.answers])
        turns.slices.clear()
        seconds = max(seconds, FEWEST_PAIRS * 2 * length)
        long_length = max(LONG * length, seconds / OF_ALL) if length < LONG_ENOUGH else 0.0
        if seconds + 2 * long_length > most:
            return {"slice_seconds": length, "slices": []}
        until, long_at, pairs = time.monotonic() + seconds, time.monotonic() + seconds / 2, 0
        while time.monotonic() < until or pairs < FEWEST_PAIRS:
            turns.add_unseen(clocks.find())
            order = (first, 1 - first) if pairs % 2 == 0 else (1 - first, first)
            for side in order:
                await turns.ask(side, length)
            pairs += 1
            if long_length and time.monotonic() >= long_at:
                began = time.monotonic()
                for side in order:
                    await turns.ask(side, long_length, is_long=True)
                until += time.monotonic() - began
                long_length = 0.0
        turns.add_unseen(clocks.find())
    finally:
        turns.close()
    return {"slice_seconds": length, "slices": [asdict(one) for one in turns.slices]}


def slice_seconds(response_seconds: Sequence[float]) -> float:
    """Short, but long enough for several answers."""
    return max([SHORTEST_SLICE, *(ANSWERS_LONG * seconds for seconds in response_seconds)])


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="in_turn", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("urls", nargs=2, metavar="URL")
    parser.add_argument("--load", required=True, help="a load line")
    parser.add_argument("--roots", type=int, nargs=2, required=True, metavar="PID", help="of the two servers")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--most", type=float, required=True, metavar="SECONDS", help="that slow answers may stretch this to")
    parser.add_argument("--first", type=int, choices=(0, 1), required=True, help="which side is asked first")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    load = parse_line(options.load)
    allow_descriptors(2 * load.concurrency)
    found = uvloop.run(ask_in_turn(load, options.urls, options.roots, options.seconds, options.most, options.first))
    options.json.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    cli.stop_on_signals()
    sys.exit(cli.run("in_turn", lambda: run(sys.argv[1:])))
