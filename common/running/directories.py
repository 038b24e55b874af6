"""Where runs leave their records: each in a directory of its own in results/."""

from datetime import datetime
from pathlib import Path

from common.results.files import RecordError
from common.serving.places import ROOT, short_path


def new_directory(name: str = "") -> Path:
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    directory = ROOT / "results" / (f"{stamp}-{name}" if name else stamp)
    try:
        while directory.exists():  # another run began in the same second
            directory = directory.with_name(directory.name + "+")
        directory.mkdir(parents=True)
    except OSError as error:
        raise RecordError(f"cannot make {short_path(directory)}: {error.strerror}") from None
    return directory
