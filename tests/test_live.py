"""What a person sees on a terminal while scenarios run, and what nobody sees without one."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.processes import changed, copy_tree

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
        env={**surroundings, "TERM": "xterm", "COLUMNS": "120", **environment},
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


def test_a_block_shows_what_runs_and_who_leads(tree):
    stdout, seen = on_a_terminal(tree)
    text = CONTROL.sub("", seen)
    assert "left" in text
    assert "c_third · GET /, 2 at a time, for 1 s" in text
    assert re.search(r"[\d,]+ in \d of 1 s requests done, [\d.]+ s · [\d,]+ req/s, p95 [\d,]+ ms", text)
    assert re.search(r"so far: tests · GET /, 2 at a time, for 1 s, keep-alive *\r\n(a_first|b_second) +[\d,.]+ req/s", text)
    assert CONTROL.sub("", seen.rpartition("req/s")[2]).split() == []  # cleared at the end
    assert "so far" not in stdout
    assert stdout.count("Requests per second:") == 4  # the control's too


def test_no_colour_where_none_is_wanted(tree):
    colours = re.compile(r"\x1b\[[0-9;]*m")
    assert colours.search(on_a_terminal(tree, "a_first")[1])
    assert not [code for code in colours.findall(on_a_terminal(tree, "a_first", NO_COLOR="1")[1]) if re.search(r"[34]\d", code)]


def test_quiet_leaves_only_the_tables(tree):
    stdout, seen = on_a_terminal(tree, "-q", "a_first")
    assert seen == ""
    assert "Requests per second:" not in stdout
    assert "a_first" in stdout
    assert "req/s" in stdout
