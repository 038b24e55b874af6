"""Where runs leave their records: each in a directory of its own in results/, which one run at a time writes."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from common.cli import UsageError
from common.results import files
from common.results.files import RecordError
from common.results.record import Plan
from common.serving.locks import held
from common.serving.places import ROOT, short_path


def new_directory(name: str = "") -> Path:
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    directory = ROOT / "results" / (f"{stamp}-{name}" if name else stamp)
    while True:
        try:
            directory.mkdir(parents=True)
            return directory
        except OSError as error:
            if not os.path.exists(directory):
                raise RecordError(f"cannot make {short_path(directory)}: {error.strerror}") from None
            directory = directory.with_name(directory.name + "+")  # another run began in the same second


@contextmanager
def only_writer(plan: Path) -> Iterator[None]:
    """Nobody else adds to the run of this plan meanwhile."""
    with ExitStack() as stack:
        try:
            ours = stack.enter_context(held(plan))
        except OSError as error:
            raise RecordError(f"cannot write {short_path(plan)}: {error.strerror}") from None
        if not ours:
            raise UsageError(f"{short_path(plan.parent)} still goes on: wait until that run has ended, or end it")
        yield


@contextmanager
def begun(path: Path, plan: Plan) -> Iterator[None]:
    """Save a plan, of which nobody else is the writer from the moment it has its name."""
    fresh = path.with_suffix(".new")
    files.write(fresh, plan)
    with only_writer(fresh):
        fresh.replace(path)
        yield
