"""One line of progress on a terminal's stderr, for eyes only, and how long is left."""

import sys

_left_seconds = 0.0


def expect(seconds: float) -> None:
    """So much more is planned; negative when a part of the plan is done."""
    global _left_seconds
    _left_seconds = max(0.0, _left_seconds + seconds)


def tell(text: str) -> None:
    if not sys.stderr.isatty():
        return
    left = f"about {_left_seconds / 60:.0f} min left · " if text and _left_seconds >= 60 else ""
    sys.stderr.write(f"\r\033[K{left}{text}")
    sys.stderr.flush()
