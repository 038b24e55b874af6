"""Does the load generator give every request exactly one outcome, the right one, whatever the server does?"""

import asyncio
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
import uvloop

from common import loadgen
from common.client.connection import connect_outcome
from common.client.options import load_from
from common.client.percentiles import percentile
from common.client.progress import silent
from common.client.request import Request
from common.client.selfwatch import TICK, SelfWatch, busiest
from common.client.sender import Sender
from common.client.sent import ClientCost
from common.results import timeline
from common.results.bottleneck import client_was_the_limit, doubts_of_client
from tests.misbehaving import OK, Server, listen
from tests.processes import ROOT

LOADGEN = [sys.executable, "-m", "common.loadgen"]


def wait_for(condition, deadline=10.0):
    until = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.01)


def in_flight_at(rows, moment):
    return sum(start <= moment < end for start, end in zip(rows["start"], rows["end"], strict=True))


async def send(*words):
    """As the command does, but in this process, on whatever loop it runs."""
    options = loadgen.parse_arguments([str(word) for word in words])
    load = load_from(options, options.url)
    return await Sender(load, Request(options.url, load), silent).send()


# What each answer is counted as: four requests, two at a time, over connections that may be kept.
# path: outcome, status, bytes of body, connections made
ANSWERS = {
    "/ok": ("ok", 200, 2, 2),
    "/500": ("non-2xx", 500, 4, 2),
    "/redirect": ("non-2xx", 302, 0, 2),
    "/wrong": ("ok", 200, 5, 2),
    "/empty-body": ("ok", 200, 0, 2),
    "/chunked": ("ok", 200, 2, 2),
    "/until-close": ("ok", 200, 2, 4),
    "/http-1.0": ("ok", 200, 2, 4),
    "/http-1.0-keep-alive": ("ok", 200, 2, 2),
    "/says-close": ("ok", 200, 2, 4),
    "/announced": ("ok", 200, 2, 2),
    "/204": ("ok", 204, 0, 2),
    "/304": ("non-2xx", 304, 0, 2),
    "/gzip": ("ok", 200, 8, 2),
    "/large": ("ok", 200, 5_000_000, 2),
    "/large-chunked": ("ok", 200, 40 * 65536, 2),
    "/two": ("ok", 200, 2, 4),
    "/upgrade": ("non-2xx", 101, 0, 4),
    "/no-answer": ("disconnected", 0, 0, 4),
    "/half-head": ("disconnected", 0, 0, 4),
    "/half": ("disconnected", 200, 50, 4),
    "/half-chunked": ("disconnected", 200, 2, 4),
    "/reset": ("reset", 0, 0, 4),
    "/reset-in-body": ("reset", 200, 50, 4),
    "/silent": ("read timeout", 0, 0, 4),
    "/drip": ("total timeout", 200, 1, 4),
    "/not-http": ("malformed", 0, 0, 4),
    "/bad-status": ("malformed", 0, 0, 4),
    "/bad-header": ("malformed", 0, 0, 4),
    "/bad-length": ("malformed", 0, 0, 4),
    "/two-lengths": ("malformed", 0, 0, 4),
    "/bad-chunk": ("malformed", 0, 0, 4),
}
BY_THE_COMMAND = ("/ok", "/500", "/silent", "/large")  # in a process of its own, with its exit code and its record


@pytest.mark.parametrize("keep_alive", [["-k"], []], ids=["keep-alive", "close"])
@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_its_outcome(path, keep_alive, server, fire):
    outcome, status, body_bytes, connections = ANSWERS[path]
    connections = connections if keep_alive else 4
    slow_to_end = path in ("/silent", "/drip")
    words = ("-n", 4, "-c", 2, *keep_alive, *(["-s", 0.4] if slow_to_end else []), server.url(path))
    if path in BY_THE_COMMAND:
        done = fire(*words)
        assert done.code == (0 if outcome == "ok" else 1)
        sent = done.sent
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sent = runner.run(send(*words))
    assert sent.outcomes == {outcome: 4}
    rows = sent.requests
    assert rows.status.tolist() == [status] * 4
    assert rows.body_bytes.tolist() == [body_bytes] * 4
    assert sent.connections == server.connections == connections
    assert server.received == 4
    for earlier, later in pairwise((rows.start, rows.connected, rows.sent, rows.end)):
        assert (earlier <= later).all()
    if slow_to_end:
        assert (rows.end - rows.start >= 399_000).all()


@pytest.mark.parametrize("path", ["/ok", "/chunked", "/large", "/304"])
def test_head_has_no_body_whatever_its_headers_say(path, server, fire):
    done = fire("-n", 4, "-c", 2, "-k", "-m", "HEAD", server.url(path))
    assert done.outcomes == {"non-2xx" if path == "/304" else "ok": 4}
    assert done.record["requests"]["body_bytes"] == [0] * 4
    assert done.record["connections"] == 2


def test_the_reset_ones_are_counted_and_the_others_are_ok(server, fire):
    done = fire("-n", 30, "-c", 3, server.url("/reset-every-7"))
    assert done.outcomes == {"ok": 26, "reset": 4}
    assert done.code == 1
    assert server.received == 30
    assert "Failed requests:        4\n   (Connect: 0, Receive: 4, Length: 0, Exceptions: 0)" in done.stdout


def test_the_report_says_what_happened(server, fire):
    done = fire("-n", 3, server.url("/varying"))
    assert done.code == 0
    assert "Document Length:        1 bytes (first; they vary from 1 to 3)" in done.stdout
    assert "HTML transferred:       6 bytes" in done.stdout
    done = fire("-n", 2, server.url("/ok"))
    assert "Server Software:        misbehaving/1.0" in done.stdout
    assert f"Total transferred:      {2 * len(OK)} bytes" in done.stdout
    assert done.stderr == ""


# Connections


def test_connections_are_reused_only_when_asked(server, fire):
    done = fire("-n", 20, "-c", 4, "-k", server.url("/ok"))
    assert done.record["connections"] == server.connections == 4
    assert "4 created, 16 requests on a reused one" in done.stdout
    done = fire("-n", 20, "-c", 4, server.url("/ok"))
    assert done.record["connections"] == 20
    assert server.connections == 24
    assert "20 created, 0 requests on a reused one" in done.stdout
    assert b"\r\nConnection: close\r\n" in server.requests[-1]


def test_a_request_that_never_had_a_connection_reused_none(fire):
    done = fire("-n", 3, "-k", "http://127.0.0.1:1/")
    assert "0 created, 0 requests on a reused one" in done.stdout
    assert "Keep-Alive requests:    0" in done.stdout


def test_what_is_sent_on_a_closed_connection_fails_and_is_not_sent_again(server, fire):
    for _ in range(3):  # a connection whose end is read together with the answer is not used again, and nothing is lost
        before = server.received
        done = fire("-n", 6, "-k", server.url("/idle-close"))
        lost = done.outcomes.get("reset", 0) + done.outcomes.get("disconnected", 0)
        assert done.outcomes["ok"] + lost == 6
        assert server.received - before == done.outcomes["ok"]  # the server never saw the others
        if lost:
            return
    pytest.fail("nothing was sent on a closed connection")


def test_a_request_lost_by_the_server_is_not_sent_again(server, fire):
    done = fire("-n", 6, "-k", server.url("/closed-when-reused"))
    assert done.outcomes == {"ok": 3, "disconnected": 3}
    assert server.received == 6


def test_all_requests_of_a_burst_are_in_flight_at_once(server, fire):
    done = fire("-n", 200, "-c", 200, server.url("/together?n=200"))
    assert done.outcomes == {"ok": 200}
    assert server.max_in_flight == 200
    rows = done.record["requests"]
    assert in_flight_at(rows, max(rows["start"])) == 200


def test_never_more_in_flight_than_asked(server, fire):
    for keep_alive in ([], ["-k"]):
        done = fire("-n", 20, "-c", 5, *keep_alive, server.url("/together?n=5"))
        assert done.outcomes == {"ok": 20}
    assert server.max_in_flight == 5
    assert server.received == 40


# The end of a load


def test_the_end_of_the_time_cuts_off_what_is_in_flight(server, fire):
    done = fire("-c", 3, "-t", 0.3, server.url("/silent"))
    assert done.outcomes == {"cut off": 3}
    assert done.code == 1  # nothing was answered
    assert done.record["stopped"] == "cut off"
    assert "Complete requests:      0" in done.stdout
    assert "Failed requests:        0" in done.stdout


def test_time_without_a_number_goes_on_until_it_is_over(server, fire):
    done = fire("-c", 3, "-t", 0.5, server.url("/slow?ms=20"))
    assert done.code == 0
    assert set(done.outcomes) <= {"ok", "cut off"}
    assert done.outcomes["ok"] > 3
    assert done.outcomes.get("cut off", 0) <= 3
    assert server.received <= sum(done.outcomes.values()) <= server.received + 3  # cut off before they had a connection


def test_time_with_a_number_ends_with_whichever_is_first(server, fire):
    done = fire("-n", 4, "-c", 2, "-t", 20, server.url("/ok"))
    assert done.outcomes == {"ok": 4}
    assert (done.record["stopped"], done.record["seconds"] < 20) == ("", True)
    done = fire("-n", 100, "-c", 2, "-t", 0.2, server.url("/silent"))
    assert done.outcomes == {"cut off": 2}
    assert "98 of 100 were never sent" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_it_has(number, server, tmp_path):
    saved = tmp_path / "record.json"
    command = [*LOADGEN, "-n", "50", "-c", "3", "--json", str(saved), server.url("/silent")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: server.in_flight == 3)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert json.loads(saved.read_text())["outcomes"] == {"cancelled": 3}
    assert "cancelled 3 (of 3 sent)" in stdout


def test_a_ramp_brings_its_users_when_it_says(server, fire):
    users, rate, seconds = 4, 10, 0.9
    done = fire("--users", users, "--spawn-rate", rate, "-t", seconds, server.url("/slow?ms=50"))
    assert done.code == 0
    assert server.max_in_flight == users
    rows = done.record["requests"]
    for start in rows["start"]:
        arrived = min(users, 1 + int((start / 1e6 + 1e-5) * rate))
        assert in_flight_at(rows, start) <= arrived
    slices = timeline.slice_load(done.sent)
    assert sum(part.sent for part in slices) == len(rows["start"]) == sum(done.outcomes.values())
    assert sum(part.ok for part in slices) == done.outcomes["ok"]
    assert sum(part.failed for part in slices) == 0
    assert slices[-1].users == users
    assert "Timeline" in done.stdout


# What is sent


def test_the_request_is_the_one_that_was_asked_for(server, fire, tmp_path):
    body = tmp_path / "body.json"
    body.write_text('{"a": 1}')
    done = fire("-n", 2, "-p", body, "-T", "application/json", "-H", "X-One: 1", "-H", "X-Two: a: b", "-r", server.url("/echo?q=1"))
    assert done.outcomes == {"ok": 2}
    assert "Total body sent:        16" in done.stdout
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /echo?q=1 HTTP/1.1"
    for line in (f"Host: 127.0.0.1:{server.port}", "Content-Length: 8", "Content-Type: application/json", "X-One: 1", "X-Two: a: b"):
        assert lines.count(line) == 1
    assert sent == b'{"a": 1}'
    assert server.requests[0] == server.requests[1]


def test_own_headers_take_the_place_of_ours(server, fire):
    fire("-H", "Host: example.org", "-H", "user-agent: mine", "-m", "put", server.url("/echo"))
    head = server.requests[0].decode().lower()
    assert head.startswith("put /echo http/1.1\r\n")
    assert (head.count("\r\nhost:"), head.count("\r\nuser-agent:")) == (1, 1)
    assert "\r\nhost: example.org\r\n" in head
    assert "\r\ncontent-length: 0\r\n" in head


def test_a_body_larger_than_any_buffer_arrives_whole(server, fire, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(bytes(3_000_000))
    done = fire("-n", 2, "-p", body, server.url("/ok"))
    assert done.outcomes == {"ok": 2}
    assert server.requests[1].endswith(bytes(3_000_000))


@pytest.mark.parametrize(("path", "outcome"), [("/ok", "ok"), ("/chunked", "ok"), ("/wrong", "body mismatch"), ("/500", "non-2xx")])
def test_expect(path, outcome, server, fire):
    done = fire("-n", 3, "-k", "--expect", "ok", server.url(path))
    assert done.outcomes == {outcome: 3}


@pytest.mark.parametrize(
    ("path", "more", "outcome", "code"),
    [
        ("/redirect", [], "ok", 0),
        ("/ok", [], "non-2xx", 1),
        ("/500", [], "non-2xx", 1),
        ("/redirect", ["--expect", "a page"], "body mismatch", 1),
    ],
)
def test_expect_status(path, more, outcome, code, server, fire):
    done = fire("-n", 3, "-k", "--expect-status", 302, *more, server.url(path))
    assert (done.outcomes, done.code, done.record["load"]["expect_status"]) == ({outcome: 3}, code, 302)


@pytest.mark.parametrize("word", ["199", "600", "3xx"])
def test_what_is_no_status_is_refused(word, fire):
    done = fire("--expect-status", word, "http://127.0.0.1/")
    assert (done.code, done.stderr) == (2, f"loadgen: argument --expect-status: '{word}' is not the status of an answer: 200 to 599\n")


def test_percentiles_as_csv(server, fire, tmp_path):
    done = fire("-n", 5, "-e", tmp_path / "p.csv", server.url("/ok"))
    assert done.code == 0
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "Percentage served,Time in ms"
    assert [line.split(",")[0] for line in lines[1:]] == [str(percent) for percent in range(101)]


def test_progress_is_shown_on_a_terminal_unless_it_is_unwanted(server):
    for quiet in ([], ["-q"]):
        terminal, stderr = os.openpty()
        command = [*LOADGEN, *quiet, "-t", "0.6", server.url("/slow?ms=10")]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=30)
        os.set_blocking(terminal, False)
        shown = b"" if quiet else os.read(terminal, 100_000)
        assert (b"requests done" in shown) is not bool(quiet)
        assert "requests done" not in done.stdout
        if quiet:
            with pytest.raises(BlockingIOError):
                os.read(terminal, 1)
        os.close(stderr)
        os.close(terminal)


# Where it is sent


def test_refused(fire):
    done = fire("-n", 4, "-c", 2, "http://127.0.0.1:1/")
    assert done.outcomes == {"refused": 4}
    assert done.code == 1


def test_a_connection_that_is_never_accepted_times_out_in_connecting(fire):
    with listen("127.0.0.1", 0) as full, socket.socket() as first:
        first.connect(full.getsockname())
        done = fire("-n", 2, "-c", 2, "-s", 0.3, f"http://127.0.0.1:{full.getsockname()[1]}/")
    assert done.outcomes == {"connect timeout": 2}
    assert done.record["connections"] == 0


def test_a_tls_handshake_that_is_never_answered_times_out_in_connecting(server, fire):
    done = fire("-n", 2, "-c", 2, "-s", 0.3, server.url("/ok").replace("http:", "https:"))
    assert done.outcomes == {"connect timeout": 2}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, own = folder / "key.pem", folder / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=someone.else"
    subprocess.run([*make.split(), "-keyout", key, "-out", own], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    return context


@pytest.mark.parametrize("keep_alive", [[], ["-k"]])
def test_https_with_a_certificate_that_nobody_signed(keep_alive, certificate, fire):
    with Server(tls=certificate) as server:
        done = fire("-n", 6, "-c", 2, *keep_alive, server.url("/ok"))
        assert done.outcomes == {"ok": 6}
        assert server.connections == done.record["connections"] == (2 if keep_alive else 6)
        done = fire("-n", 2, server.url("/until-close"))
        assert done.outcomes == {"ok": 2}
        done = fire("-n", 2, server.url("/half"))
        assert done.outcomes == {"disconnected": 2}


def test_an_ipv6_address(fire):
    try:
        listen("::1", 1).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with Server("::1") as server:
        done = fire("-n", 2, server.url("/ok"))
        assert done.outcomes == {"ok": 2}
        assert f"\r\nHost: [::1]:{server.port}\r\n".encode() in server.requests[0]


def test_localhost_is_where_it_listens(server, fire, monkeypatch):
    done = fire("-n", 2, f"http://localhost:{server.port}/ok")
    assert done.outcomes == {"ok": 2}

    real = socket.getaddrinfo

    def both(host, port, *others, **keywords):
        if host != "localhost":
            return real(host, port, *others, **keywords)
        return [(socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert request_of(f"http://localhost:{server.port}/ok").address == "127.0.0.1"


def request_of(url):
    return Request(url, load_from(loadgen.parse_arguments([url]), url))


def test_failures_to_connect_are_told_apart():
    assert connect_outcome(ConnectionRefusedError()) == "refused"
    assert connect_outcome(ConnectionResetError()) == "reset"
    assert connect_outcome(OSError(99, "no port left")) == "client resource"
    assert connect_outcome(OSError(113, "no route")) == "unreachable"
    assert connect_outcome(ssl.SSLError(1, "wrong version")) == "unreachable"


# What is not as it should be on our side

WRONG = [
    [],
    ["-n", "0", "http://127.0.0.1/"],
    ["-n", "-1", "http://127.0.0.1/"],
    ["-n", "x", "http://127.0.0.1/"],
    ["-n", "1.5", "http://127.0.0.1/"],
    ["-c", "3", "-n", "2", "http://127.0.0.1/"],
    ["-c", "3", "http://127.0.0.1/"],
    ["-c", "0", "http://127.0.0.1/"],
    ["-t", "0", "http://127.0.0.1/"],
    ["-t", "nan", "http://127.0.0.1/"],
    ["-s", "inf", "http://127.0.0.1/"],
    ["-s", "-1", "http://127.0.0.1/"],
    ["--users", "3", "http://127.0.0.1/"],
    ["--users", "3", "--spawn-rate", "1", "http://127.0.0.1/"],
    ["--users", "3", "--spawn-rate", "nan", "-t", "1", "http://127.0.0.1/"],
    ["--users", "3", "--spawn-rate", "1", "-t", "1", "-n", "9", "http://127.0.0.1/"],
    ["-t", "1", "--spawn-rate", "1", "http://127.0.0.1/"],
    ["--unknown", "http://127.0.0.1/"],
    ["-n", "http://127.0.0.1/"],
    ["-H", "no colon", "http://127.0.0.1/"],
    ["-H", ": no name", "http://127.0.0.1/"],
    ["-H", "X: a\r\nY: b", "http://127.0.0.1/"],
    ["-m", "GE T", "http://127.0.0.1/"],
    ["-T", "text/€", "http://127.0.0.1/"],
    ["-T", "text/plain\r\nX: y", "http://127.0.0.1/"],
    ["-p", "no/such/file", "http://127.0.0.1/"],
    ["127.0.0.1"],
    ["127.0.0.1:80/"],
    ["localhost:80"],
    ["/ok"],
    ["http://"],
    ["http:///ok"],
    ["ftp://127.0.0.1/"],
    ["http://127.0.0.1:99999/"],
    ["http://127.0.0.1:0/"],
    ["http://127.0.0.1:x/"],
    ["http://[::1/"],
    ["http://127.0.0.1/a b"],
    ["http://127.0.0.1/é"],
    ["http://127.0.0.1/\udcff"],
    [f"http://{'a' * 64}.org/"],
    ["http://127.0.0.1/", "http://127.0.0.1/"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments)[:40].encode("ascii", "replace").decode())
def test_wrong_usage_is_said_in_one_line(arguments, capsys):
    assert loadgen.main(arguments) == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.startswith("loadgen: ")
    assert stderr.count("\n") == 1


def test_wrong_usage_ends_the_process_with_2(fire):
    done = fire("-n", 0, "http://127.0.0.1/")
    assert (done.code, done.stdout, done.record) == (2, "", {})
    assert done.stderr == "loadgen: argument -n: '0' is not a whole number of 1 or more\n"


def limited_to(descriptors):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def test_too_few_descriptors_are_said_before_anything_is_sent(server, fire):
    done = fire("-n", 100, "-c", 100, server.url("/ok"), preexec_fn=limited_to(64))
    assert done.code == 2
    assert done.stderr == "loadgen: 100 requests at once need 132 file descriptors, but the limit is 64: lower -c or raise `ulimit -n`\n"
    assert server.connections == 0


def test_the_soft_limit_of_descriptors_is_raised(server, fire):
    def soft():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 200))

    done = fire("-n", 50, "-c", 50, server.url("/together?n=50"), preexec_fn=soft)
    assert done.outcomes == {"ok": 50}
    assert server.max_in_flight == 50


def with_few_left() -> None:
    """Of a hundred descriptors twenty are free, however many the tests have open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    for descriptor in range(3, 80):
        os.dup2(0, descriptor)


def test_running_out_of_descriptors_is_our_failure_not_the_servers(server, fire):
    done = fire("-n", 30, "-c", 30, server.url("/slow?ms=200"), preexec_fn=with_few_left, close_fds=False)
    assert done.outcomes["client resource"] > 0
    assert done.outcomes["ok"] + done.outcomes["client resource"] == 30
    assert server.received == done.outcomes["ok"]


@pytest.mark.parametrize("option", ["--json", "-e"])
def test_what_cannot_be_saved_is_said_after_the_results(option, server, fire, tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "deep" / "out"
    done = fire("-n", 2, option, path, server.url("/ok"))
    assert done.code == 1
    assert done.stderr == f"loadgen: cannot save {path}: Not a directory\n"
    assert "Complete requests:      2" in done.stdout
    done = fire("-n", 2, option, tmp_path, server.url("/ok"))
    assert done.stderr == f"loadgen: cannot save {tmp_path}: Is a directory\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"] + ["record.json"] * (option == "-e")


def test_nobody_reads_the_results(server):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*LOADGEN, "-q", server.url("/ok")], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_asyncios_own_loop_serves_too(server):
    with asyncio.Runner() as runner:
        sent = runner.run(send("-n", 30, "-c", 3, "-k", server.url("/reset-every-7")))
        assert sent.client.loop == "asyncio"
        assert sent.outcomes == {"ok": 26, "reset": 4}
        sent = runner.run(send("-n", 4, "-c", 2, "-s", 0.2, server.url("/silent")))
        assert sent.outcomes == {"read timeout": 4}
        sent = runner.run(send("-n", 4, "-c", 2, server.url("/large")))
        assert sent.outcomes == {"ok": 4}
        sent = runner.run(send("-n", 4, "-c", 2, "http://127.0.0.1:1/"))
        assert sent.outcomes == {"refused": 4}


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_that_is_accepted_late_takes_as_long_and_is_used(loop):
    def accept_both():
        time.sleep(0.3)
        for _ in range(2):  # the one that filled the queue, then ours, whose next try comes after a second
            accepted, _ = full.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(OK)

    with listen("127.0.0.1", 0) as full, socket.socket() as first, ThreadPoolExecutor() as pool:
        first.connect(full.getsockname())
        first.sendall(b"x")
        accepting = pool.submit(accept_both)
        with asyncio.Runner(loop_factory=loop) as runner:
            sent = runner.run(send("-s", 10, f"http://127.0.0.1:{full.getsockname()[1]}/"))
        accepting.result()
    assert (sent.outcomes, sent.connections) == ({"ok": 1}, 1)
    [connecting], [sending] = sent.requests.connected - sent.requests.start, sent.requests.sent - sent.requests.connected
    assert connecting > 250_000
    assert sending < connecting / 2


def test_an_answer_before_all_was_sent_is_the_connections_last(tmp_path):
    """What is left of the first body would be read as a part of the second request."""
    (tmp_path / "body").write_bytes(bytes(20_000_000))

    def refuse_both():
        for _ in range(2):
            accepted, _ = listening.accept()
            with accepted, suppress(ConnectionError):
                accepted.recv(1000)
                accepted.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
                time.sleep(1)  # the rest does not fit into the buffers
                while accepted.recv(1_000_000):
                    pass

    with listen("127.0.0.1", 0) as listening, ThreadPoolExecutor() as pool, asyncio.Runner() as runner:
        refusing = pool.submit(refuse_both)
        sent = runner.run(send("-k", "-n", 2, "-p", tmp_path / "body", f"http://127.0.0.1:{listening.getsockname()[1]}/"))
        refusing.result()
    assert (sent.outcomes, sent.connections, sent.kept_alive) == ({"non-2xx": 2}, 2, 0)


def test_a_load_ends_with_the_last_request_that_a_record_holds(server, monkeypatch):
    monkeypatch.setattr("common.client.schedule.MOST_DUE", 50)
    with asyncio.Runner() as runner:
        sent = runner.run(send("-t", 60, "-c", 5, server.url("/ok")))
    assert (sent.outcomes, sent.stopped) == ({"ok": 50}, "")


def test_a_load_begins_when_its_clock_does(server, monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: time.sleep(1))
    with asyncio.Runner() as runner:
        sent = runner.run(send(server.url("/ok")))
    ended = datetime.fromisoformat(sent.started_at).timestamp() + sent.seconds
    assert time.time() - ended < 0.7


# Is it the client that is slow?


def client_of_a_run(server, hindered, milliseconds):
    async def run():
        loop = asyncio.get_running_loop()

        def burn():
            until = time.perf_counter() + 0.05
            while time.perf_counter() < until:
                pass
            loop.call_later(0.05, burn)

        if hindered:
            burn()
        return await send("-n", 3, "-c", 3, server.url(f"/slow?ms={milliseconds}"))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sent = runner.run(run())
    assert sent.outcomes == {"ok": 3}
    return sent.client, percentile(sorted(sent.requests.latency_ms), 50)


def test_a_client_that_is_held_up_doubts_itself(server):
    client, p50_ms = client_of_a_run(server, hindered=True, milliseconds=500)
    assert client.loop_lag_max_ms > 30
    assert any("event loop ran" in doubt for doubt in doubts_of_client(client, p50_ms))


def test_a_client_that_is_not_held_up_does_not(server):
    """Other programs may hold it up once; they do not each time."""
    found = []
    while (False, []) not in found and len(found) < 5:
        client, p50_ms = client_of_a_run(server, hindered=False, milliseconds=2000)
        found.append((client_was_the_limit(client), doubts_of_client(client, p50_ms)))
    assert (False, []) in found


CALM = ClientCost(
    seconds=2.0,
    cpu_seconds=0.6,
    cpu_share=0.3,
    busiest_second_share=0.3,
    loop_lag_p99_ms=1.0,
    loop_lag_max_ms=1.0,
    python="3.11",
    aiohttp="3",
    loop="uvloop",
)


@pytest.mark.parametrize(
    ("client", "p50_ms", "invalid", "number"),
    [
        (CALM, 100.0, False, 0),
        (CALM, None, False, 0),
        (replace(CALM, busiest_second_share=0.69), 100.0, False, 0),
        (replace(CALM, busiest_second_share=0.70), 100.0, False, 1),
        (replace(CALM, busiest_second_share=0.90), 100.0, True, 1),
        (replace(CALM, loop_lag_p99_ms=5.0), 100.0, False, 0),
        (replace(CALM, loop_lag_p99_ms=5.1), 100.0, False, 1),
        (replace(CALM, busiest_second_share=1.0, loop_lag_p99_ms=50.0), 100.0, True, 2),
        (replace(CALM, busiest_second_share=1.0, seconds=0.4), 100.0, False, 0),
        (replace(CALM, loop_lag_p99_ms=50.0), None, False, 0),
    ],
)
def test_doubts(client, p50_ms, invalid, number):
    assert (client_was_the_limit(client), len(doubts_of_client(client, p50_ms))) == (invalid, number)


def test_the_busiest_second_is_found_among_calm_ones():
    calm = [(0.25 * number, 0.01 * number) for number in range(9)]
    assert busiest(calm) == pytest.approx(0.04)
    busy = [*calm, *[(2.0 + 0.25 * number, 0.08 + 0.25 * number) for number in range(1, 5)], (4.0, 1.08)]
    assert busiest(busy) == pytest.approx(1.0)
    assert busiest([(0.0, 0.0), (0.1, 0.05)]) == pytest.approx(0.5)


def watched(seconds, stalls):
    """What is noted of a loop that is on time but for `stalls` of 50 ms."""
    watch = SelfWatch(None, lambda: None)
    watch._samples = [(0.0, 0.0), (seconds, 0.1)]
    for number in range(round(seconds / TICK)):
        watch._due = 0.0
        watch._note_lag(0.05 if number < stalls else 0.0005)
    return watch.cost("", "", "")


def test_lag_is_of_all_ticks_not_only_of_the_late_ones():
    assert watched(10.0, 0).loop_lag_max_ms == 0
    once = watched(10.0, 1)
    assert once.loop_lag_max_ms == pytest.approx(49)
    assert once.loop_lag_p99_ms == 0
    assert watched(10.0, 20).loop_lag_p99_ms == pytest.approx(49)
