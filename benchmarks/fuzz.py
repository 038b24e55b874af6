"""Does what nobody thought of end in a line too? Made-up load lines, constants, records and answers.

python -m benchmarks.fuzz [--tries N] [--seed N]

The same seed makes up the same. What does not hold is made as short as it can be; exit code 1.
"""

import argparse
import sys
import time

from tests.faults.fuzzing import KINDS, try_out


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tries", type=int, default=1000, metavar="N", help="of each kind (default 1,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what is made up follows from it (default 1)")
    options = parser.parse_args(arguments)
    broken = 0
    for kind in KINDS:
        began = time.monotonic()
        made, wrong = try_out(kind, options.tries, options.seed)
        broken += bool(wrong)
        print(f"{kind:<12}{made:>9,} tries{time.monotonic() - began:>7.0f} s  {wrong or 'all held'}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
