"""One line of progress on a terminal's stderr, for eyes only."""

import sys


def tell(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
