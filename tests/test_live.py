"""What a person sees on a terminal while scenarios run, and what nobody sees without one."""

import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from common.report.live import Watch
from common.results.samples import Sample
from tests.made_up import make_measured, make_run, make_sent, make_steady
from tests.processes import changed, copy_tree
from tests.test_suite import one_second

LONGER = changed(("-n 20 -c 2", "-c 2 -t 1 -k"))  # kept open: closed ones would use up the ports of the tests beside
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(tree: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """What a suite writes to stdout, and to a terminal on stderr."""
    ours, theirs = os.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 65536):
                seen.append(part)
        except OSError:  # the other end is closed
            return

    surroundings = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "common.suite", *arguments]
    process = subprocess.Popen(
        command,
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**surroundings, "TERM": "xterm", "COLUMNS": "120", "WAIT_FOR_QUIET": "0", **environment},
    )
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    stdout, _ = process.communicate(timeout=150)
    reader.join()
    os.close(ours)
    assert process.returncode == 0, stdout
    return stdout, b"".join(seen).decode()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp("project"), {"a_first": LONGER, "b_second": LONGER, "c_third": LONGER})


TRIES = 3  # on a busy machine a rate may be too uncertain to be ranked


@pytest.fixture(scope="module")
def drawn(tree):
    """Of a suite of three: its stdout, and what was drawn on the terminal."""
    for _ in range(TRIES):
        stdout, seen = on_a_terminal(tree)
        if "so far" in CONTROL.sub("", seen):
            break
    return stdout, seen


def test_a_block_shows_what_runs_and_who_leads(drawn):
    stdout, seen = drawn
    text = CONTROL.sub("", seen)
    assert "left" in text
    assert "c_third · GET /, 2 at a time, for 1 s" in text
    assert re.search(r"[\d,]+ requests done, \d of 1 s · [\d,]+ req/s, p95 [\d,]+ ms", text)
    assert re.search(r"so far: tests · GET /, 2 at a time, for 1 s, keep-alive *\r\n(a_first|b_second|c_third) +[\d,.]+ req/s", text)
    assert CONTROL.sub("", seen.rpartition("req/s")[2]).split() == []  # cleared at the end
    assert "so far" not in stdout
    assert len(re.findall(r"^(?:a_first|b_second|c_third) +/ +[\d,.]+ +0 ", stdout, re.MULTILINE)) == 3
    assert re.search(r"^a_first \(A/A\) +/ +[\d,.]+ +0 ", stdout, re.MULTILINE)


def test_no_colour_where_none_is_wanted(tree, drawn):
    colours = re.compile(r"\x1b\[[0-9;]*m")
    assert colours.search(drawn[1])
    seen = on_a_terminal(tree, "a_first", NO_COLOR="1")[1]
    assert "less than a minute left" in CONTROL.sub("", seen)  # the block was drawn
    assert not [code for code in colours.findall(seen) if re.search(r"[34]\d", code)]


def test_quiet_leaves_only_the_tables(tree):
    stdout, seen = on_a_terminal(tree, "-q", "a_first")
    assert seen == ""
    assert "Requests per second:" not in stdout
    assert "a_first" in stdout
    assert "req/s" in stdout


def test_what_has_no_rank_is_not_among_the_leaders():
    """What fails most of its requests, or was too short to tell, does not lead while it runs either."""
    watch = Watch(quiet=True)
    failing = make_run("failing", make_measured(make_sent(make_steady(300, 1.0, failed=400), "-n 9 /")))
    for run in (failing, one_second("short", 3), one_second("slow", 50), one_second("fast", 100)):
        watch.measured(Sample(run, run.loads[0]))
    _, table = watch._ranking()
    console = Console(file=io.StringIO())
    console.print(table)
    assert [line.split()[0] for line in console.file.getvalue().splitlines()] == ["fast", "slow"]
