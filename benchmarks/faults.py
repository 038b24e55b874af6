"""Does every fault that we know end as it should: in a line, with its exit code, in its time, and with nothing left running?

    python -m benchmarks.faults [GROUP or part of a fault's name ...]

Each is tried as a person would, by a shell, in a copy of the project; two at a time. Exit code 1 if any is broken, or if all took longer
than a quarter of an hour; 2 if no fault has such a name.
"""

import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue

from common.cli import STOPPED
from tests.faults import Fault
from tests.faults.attempt import Around, Missing, attempt
from tests.faults.table import GROUPS
from tests.misbehaving import Server
from tests.processes import TINY, copy_tree

AT_A_TIME = 2
SHOWN = 300  # letters of what is wrong
MOST_MINUTES = 15.0  # for all, or nobody would try them before each change
HELD, BROKEN, NOT_TRIED = "held", "broken", "not tried"


def main(words: Sequence[str]) -> int:
    chosen = [(group, fault) for group, faults in GROUPS.items() for fault in faults if is_meant(group, fault, words)]
    if not chosen:
        print(f"no group and no fault is named {' or '.join(words)}; the groups: {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Server() as server, ThreadPoolExecutor(AT_A_TIME) as pool:
        os.chmod(folder, 0o755)
        around: SimpleQueue[Around] = SimpleQueue()
        for number in range(AT_A_TIME):
            around.put(Around(server.url(""), copy_tree(Path(folder) / f"project-{number}", {"tiny": TINY}, page=True)))
        numbers = itertools.count()
        trying = [(group, pool.submit(try_one, fault, around, Path(folder) / f"{next(numbers)}")) for group, fault in chosen]
        try:
            wait([verdict for _, verdict in trying])
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
    verdicts = [(group, verdict.result()) for group, verdict in trying if not verdict.cancelled()]
    took = time.monotonic() - began
    print_table(Counter(verdicts), took)
    if took > MOST_MINUTES * 60:
        print(f"that is more than {MOST_MINUTES:g} minutes: make faults quicker, or leave some out")
    wrong = took > MOST_MINUTES * 60 or any(verdict == BROKEN for _, verdict in verdicts)
    return 1 if wrong else STOPPED if len(verdicts) < len(chosen) else 0


def is_meant(group: str, fault: Fault, words: Sequence[str]) -> bool:
    return not words or any(word == group or word in fault.name for word in words)


def try_one(fault: Fault, around: "SimpleQueue[Around]", here: Path) -> str:
    mine = around.get()
    try:
        here.mkdir()
        here.chmod(0o755)
        wrong = attempt(fault, mine, here)
    except Missing as missing:
        print(f"not tried: {fault.name}: {missing}", flush=True)
        return NOT_TRIED
    except Exception as error:  # ours: it costs this fault, not the table
        wrong = f"it could not be tried: {type(error).__name__}: {error}"
    finally:
        around.put(mine)
    if wrong:
        print(f"broken: {fault.name}: {wrong[:SHOWN]}", flush=True)
    return BROKEN if wrong else HELD


def print_table(counts: "Counter[tuple[str, str]]", seconds: float) -> None:
    print(f"\n{'group':<20}{'tried':>8}{HELD:>8}{BROKEN:>8}{NOT_TRIED:>11}")
    for group in [*dict.fromkeys(group for group, _ in counts), "all"]:
        held, broken, missing = (
            sum(number for (one, found), number in counts.items() if found == verdict and group in (one, "all"))
            for verdict in (HELD, BROKEN, NOT_TRIED)
        )
        print(f"{group:<20}{held + broken:>8}{held:>8}{broken:>8}{missing:>11}")
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
