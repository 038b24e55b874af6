"""Does our report read like ab's, and count like it?"""

import re
import shutil
import subprocess
import sys

import pytest

from tests.processes import ROOT

AB = shutil.which("ab")
OURS = [sys.executable, "-m", "common.loadgen", "-q"]

pytestmark = pytest.mark.skipif(AB is None, reason="ab is not installed (on Debian: apt-get install apache2-utils)")


class Report:
    """ab's text format, as a program that knows only ab reads it."""

    def __init__(self, text):
        text = re.split(r"\(longest request\)|\nOutcomes:", text[text.index("Server Software:") :])[0]
        self.fields, self.times, self.percentiles = [], {}, {}
        for line in text.splitlines():
            if row := re.fullmatch(r"(Connect|Processing|Waiting|Total): +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)", line):
                self.times[row[1]] = [float(figure) for figure in row.groups()[1:]]
            elif row := re.match(r" +(\d+)% +([\d.]+)", line):
                self.percentiles[int(row[1])] = float(row[2])
            elif row := re.fullmatch(r"((?!WARNING|ERROR)[A-Z][^:(]*): *(.*)", line):
                self.fields.append((row[1], row[2]))
        self.labels = [label for label, _ in self.fields]

    def __getitem__(self, label):
        return dict(self.fields)[label]


def report(program, *arguments):
    done = subprocess.run([*program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=30)
    return Report(done.stdout)


def reports(*arguments):
    return report([AB], *arguments), report(OURS, *arguments)


SAME = (
    "Server Software",
    "Server Hostname",
    "Server Port",
    "Document Path",
    "Document Length",
    "Concurrency Level",
    "Complete requests",
    "Total transferred",
    "HTML transferred",
)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (["-n", 20, "-c", 4], "/ok"),
        (["-n", 3], "/ok?page=2"),
        (["-n", 20, "-c", 4, "-k"], "/http-1.0-keep-alive"),
        (["-n", 5], "/until-close"),
        (["-n", 2], "/large"),
        (["-n", 4, "-s", 5, "-r", "-H", "X-One: 1"], "/ok"),
    ],
)
def test_same_labels_in_the_same_order_and_same_counts(options, path, server):
    theirs, ours = reports(*options, server.url(path))
    assert ours.labels == theirs.labels
    assert list(ours.times) == list(theirs.times) == ["Connect", "Processing", "Waiting", "Total"]
    assert list(ours.percentiles) == list(theirs.percentiles)
    for label in (*SAME, "Failed requests", *(["Keep-Alive requests"] if "-k" in options else [])):
        assert ours[label] == theirs[label], label
    requests = [request.partition(b" HTTP/1.")[0] for request in server.requests]
    assert len(requests) == 2 * options[1]
    assert len(set(requests)) == 1


def test_the_same_body_is_sent(server, tmp_path):
    body = tmp_path / "body"
    body.write_text("a=1&b=2")
    theirs, ours = reports("-n", 3, "-p", body, "-T", "application/x-www-form-urlencoded", server.url("/ok"))
    assert ours.labels == theirs.labels
    assert ours["Total body sent"] == str(3 * 7)  # ab counts its headers too
    assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [b"a=1&b=2"] * 6
    assert all(b"application/x-www-form-urlencoded" in request for request in server.requests)


def test_an_answer_that_is_not_2xx_is_also_a_failure_here(server):
    theirs, ours = reports("-n", 6, "-c", 2, server.url("/500"))
    assert ours["Non-2xx responses"] == theirs["Non-2xx responses"] == "6"
    assert (ours["Failed requests"], theirs["Failed requests"]) == ("6", "0")
    for label in ("Complete requests", "Total transferred", "HTML transferred"):
        assert ours[label] == theirs[label]


def test_a_length_that_varies_is_no_failure_here(server):
    theirs = report([AB], "-n", 6, server.url("/varying"))
    ours = report(OURS, "-n", 6, server.url("/varying"))
    assert (ours["Failed requests"], theirs["Failed requests"]) == ("0", "5")


def test_both_write_the_same_csv(server, tmp_path):
    tables = []
    for program in ([AB], OURS):
        saved = tmp_path / "percentiles.csv"
        report(program, "-n", 20, "-c", 2, "-e", saved, server.url("/slow?ms=20"))
        head, *lines = saved.read_text().splitlines()
        tables.append((head, [int(line.split(",")[0]) for line in lines], [float(line.split(",")[1]) for line in lines]))
    (their_head, their_percents, _), (our_head, our_percents, our_times) = tables
    assert (our_head, our_percents) == (their_head, their_percents)
    assert our_times == sorted(our_times)
    assert our_times[0] >= 20
