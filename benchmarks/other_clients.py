"""What does each client report of a server that misbehaves: ours, ab, wrk and Locust, asked the same?

    python -m benchmarks.other_clients

Prints a table: what a client counts as answered, what as failed and how it names it, and its exit code where it is not 0.
"""

import csv
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.misbehaving import Server

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT, LASTS = 2, 3  # seconds: of a request, and of the clients that send as many as they can
OVERTIME = 18.0  # until a client that does not end is ended


@dataclass(frozen=True)
class Case:
    does: str  # what the server does
    path: str
    requests: int
    at_a_time: int
    expect: str = ""  # the text of a right answer, where a client can be told
    timeout: int = TIMEOUT

    @property
    def lasts(self) -> str:
        return f"{self.timeout + LASTS - TIMEOUT}s"


CASES = [
    Case("answers all with status 500", "/500", 20, 2),
    Case("answers all with a redirect", "/redirect", 20, 2),
    Case("answers, but with the wrong text", "/wrong", 20, 2, "ok"),
    Case("resets each seventh connection", "/reset-every-7", 20, 1),
    Case("closes each connection in the middle of the body", "/half", 20, 2),
    Case("closes each connection without an answer", "/no-answer", 20, 2),
    Case("speaks no HTTP", "/not-http", 4, 2),
    Case("never answers", "/silent", 4, 4),
    Case("never ends its body", "/endless", 4, 2),
    Case("stalls once, for a second", "/stall-at?n=10", 20, 2),
    Case("answers when a thousand are waiting", "/together?n=1000", 1000, 1000),
    Case("answers when ten thousand are waiting", "/together?n=10000", 10_000, 10_000, timeout=20),
]


@dataclass(frozen=True)
class Client:
    command: Callable[[Case, str, Path], list[str]]
    report: Callable[[str, Path], str]


def main() -> int:
    clients = {name: client for name, client in CLIENTS.items() if shutil.which(name.split()[0]) or name in ("ours", "Locust")}
    print(f"| the server | {' | '.join(clients)} |")
    print(f"|---{'|---' * len(clients)}|")
    for case in CASES:
        print(f"| {case.does} | {' | '.join(ask(client, case) for client in clients.values())} |", flush=True)
    return 0


def ask(client: Client, case: Case) -> str:
    """What it reports of a server of its own."""
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        command = client.command(case, server.url(case.path), Path(folder))
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            try:
                printed, _ = process.communicate(timeout=case.timeout + OVERTIME)
            except subprocess.TimeoutExpired:
                process.kill()
                return f"had not ended after {case.timeout + OVERTIME:g} s"
        said = client.report(printed, Path(folder))
        return f"{said}; exit {process.returncode}" if process.returncode else said


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing"


def expecting(case: Case) -> list[str]:
    return ["--expect", case.expect] if case.expect else []


def ours(case: Case, url: str, folder: Path) -> list[str]:
    size = ["-n", str(case.requests), "-c", str(case.at_a_time), "-s", str(case.timeout), *expecting(case)]
    return [sys.executable, "-m", "common.loadgen", "-q", *size, "--json", str(folder / "r.json"), url]


def report_of_ours(printed: str, folder: Path) -> str:
    return counted(json.loads((folder / "r.json").read_text())["outcomes"])


def ab(*more: str) -> Callable[[Case, str, Path], list[str]]:
    def command(case: Case, url: str, folder: Path) -> list[str]:
        return ["ab", *more, "-q", "-n", str(case.requests), "-c", str(case.at_a_time), "-s", str(case.timeout), url]

    return command


def report_of_ab(printed: str, folder: Path) -> str:
    complete = number_in(r"Complete requests: +(\d+)", printed)
    if complete is None:
        why = re.search(r"apr_\w+: (.*?) \(\d+\)", printed)
        return f"no report: {why[1] if why else printed.strip()[-100:]}"
    failed, non_2xx = number_in(r"Failed requests: +(\d+)", printed) or 0, number_in(r"Non-2xx responses: +(\d+)", printed) or 0
    kinds = re.search(r"\((Connect: .*)\)", printed)
    named = ", ".join(word for word in kinds[1].split(", ") if not word.endswith(" 0")) if kinds else ""
    return counted({"complete": complete, f"failed{f' ({named})' if named else ''}": failed, "non-2xx": non_2xx})


def wrk(case: Case, url: str, folder: Path) -> list[str]:
    return ["wrk", "-t1", f"-c{case.at_a_time}", f"-d{case.lasts}", f"--timeout={case.timeout}s", url]


def report_of_wrk(printed: str, folder: Path) -> str:
    errors = {name: int(number) for name, number in re.findall(r"(connect|read|write|timeout) (\d+)", printed)}
    counts = {"requests": number_in(r"(\d+) requests in", printed) or 0, "non-2xx or 3xx": number_in(r"responses: (\d+)", printed) or 0}
    return counted({**counts, **errors})


def locust(case: Case, url: str, folder: Path) -> list[str]:
    host = url.removesuffix(case.path)
    words = ["--users", str(case.at_a_time), "--spawn-rate", str(case.at_a_time), "--run-time", case.lasts, "--csv", str(folder / "locust")]
    return [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "common/locustfile.py",
        "--host",
        host,
        "--path",
        case.path,
        *expecting(case),
        "--headless",
        *words,
    ]


def report_of_locust(printed: str, folder: Path) -> str:
    with (folder / "locust_stats.csv").open() as file:
        total = list(csv.DictReader(file))[-1]
    with (folder / "locust_failures.csv").open() as file:
        errors = {row["Error"]: int(row["Occurrences"]) for row in csv.DictReader(file)}
    return counted({"requests": int(total["Request Count"]), **errors})


def number_in(pattern: str, printed: str) -> int | None:
    found = re.search(pattern, printed)
    return int(found[1]) if found else None


CLIENTS = {
    "ours": Client(ours, report_of_ours),
    "ab": Client(ab(), report_of_ab),
    "ab -r": Client(ab("-r"), report_of_ab),
    "wrk": Client(wrk, report_of_wrk),
    "Locust": Client(locust, report_of_locust),
}

if __name__ == "__main__":
    sys.exit(main())
