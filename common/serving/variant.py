"""Writes a scenario made from a measured one: the same site, another launch line, other loads."""

from pathlib import Path

from common.cli import UsageError
from common.serving.places import ROOT, short_path
from common.serving.scenario import Scenario, assignments, parse, read

STUDY = "advice"  # of its own: which cores it gets depends on no other scenario
DROPPED = ("DIFFERS_FROM", "LOAD_FULL", "LATENCIES_MS", "LATENCIES_MS_FULL")  # about the loads and the study that it had


def derive(source: str, name: str, folder: Path, server: str, loads: list[str], latency_ms: int = 0, root: Path = ROOT) -> Scenario:
    """Write it into the folder, where the server can import it, and read it."""
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        path.write_text(rewrite(path, source, server, loads, latency_ms), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {short_path(path)}: {error.strerror}") from None
    return read(path, root)


def rewrite(path: Path, source: str, server: str, loads: list[str], latency_ms: int) -> str:
    lines = source.splitlines(keepends=True)
    new = {
        "STUDY": f'STUDY = "{STUDY}"\n',
        "SERVER": f"SERVER = {server!r}\n",
        "LOAD": f"LOAD = {loads!r}\nLATENCIES_MS = [{latency_ms}]\n",
    }
    declared = assignments(parse(path))
    edits = {name: text for name, text in {**new, **dict.fromkeys(DROPPED, "")}.items() if name in declared}
    for name in sorted(edits, key=lambda name: declared[name].lineno, reverse=True):
        node = declared[name]
        lines[node.lineno - 1 : node.end_lineno] = [edits[name]]
    return "".join(lines)
