"""Does every command stand what the world around it does: closed and full streams, devices, damaged files, absurd numbers, signals?"""

import asyncio
import json
import os
import resource
import shlex
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from common import compare
from common.cli import Failed, UsageError, is_plain, printable
from common.client.load import Sizes, resized
from common.client.open_loop import OpenLoop
from common.client.options import parse_line
from common.report import ab, terminal
from common.report.console import PlainConsole
from common.report.pair import say_fault
from common.results import files
from common.results.metrics import Metrics
from common.results.record import ScenarioRun
from common.running import counting, measure, run
from common.running.rounds import Turn
from common.running.sizing import RunOptions
from common.serving import choice, ports, scenario
from common.serving.process import Process, check, find_program
from studies import judge
from tests.faults import Fault
from tests.faults.attempt import Around, attempt, attempt_within
from tests.faults.fuzzing import KINDS, line_is_a_load_or_an_error, try_out
from tests.faults.records import PUT, damaged, packed, parts, whole
from tests.faults.table import GROUPS
from tests.made_up import make_measured, make_requests, make_run, make_sent
from tests.misbehaving import Server
from tests.processes import ROOT, TINY, Program, changed, copy_tree, one_line, records
from tests.test_loadgen import LOADGEN, wait_for
from tests.test_side_by_side import make_pair

# All faults that need no process of their own, and of the others the cheap ones; `python -m benchmarks.faults` tries all


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    with Server() as running:
        yield Around(running.url(""), copy_tree(tmp_path_factory.mktemp("project"), {"tiny": TINY}, page=True))


@pytest.mark.parametrize("group", [group for group, faults in GROUPS.items() if any(fault.pure for fault in faults)])
def test_a_fault_is_said_in_a_line(group, around, tmp_path):
    broken = {}
    for number, fault in enumerate(fault for fault in GROUPS[group] if fault.pure):
        (here := tmp_path / str(number)).mkdir()
        broken[fault.name] = attempt_within(fault, around, here)
    assert "\n".join(f"{name}: {wrong}" for name, wrong in broken.items() if wrong) == ""


@pytest.mark.parametrize("fault", [fault for faults in GROUPS.values() for fault in faults if fault.cheap], ids=lambda fault: fault.name)
def test_a_fault_leaves_nothing(fault, around, tmp_path):
    assert attempt(fault, around, tmp_path) == ""


def test_what_is_not_as_it_must_be_is_found_out(around, tmp_path):
    """Or no fault would ever be broken."""
    wrong = {
        "exit 3": "exit code 3, not 2",
        "echo x >&2; exit 2": "said: x",
        "echo Traceback >&2; exit 2": "a traceback: Traceback",
        "echo Traceback; exit 2": "a traceback: Traceback",
        "printf '\\33[2J'; exit 2": "a control character on stdout",
        "printf '\\33[2J' >&2; exit 2": "a control character on stderr",
        "touch {here}/x; exit 2": "files: x",
        "touch $TMPDIR/x; exit 2": "left in TMPDIR: x",
        "sleep 1000 >/dev/null 2>&1 & exit 2": "left running: 1 processes",
        "sleep 1000": "it had not ended after 1 s",
    }
    for number, (does, said) in enumerate(wrong.items()):
        (here := tmp_path / str(number)).mkdir()
        assert attempt(Fault("made up", does, seconds=1), around, here).startswith(said)


# Where a record is written


def fire(path: Path, url: str) -> subprocess.CompletedProcess:
    return subprocess.run([*LOADGEN, "-q", "-n", "2", "--json", path, url], cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_a_device_stays_a_device(server, tmp_path):
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        null.open("wb").close()
    except PermissionError:
        pytest.skip("only root makes devices, and not everywhere")
    before = null.stat()
    assert fire(null, server.url("/ok")).returncode == 0
    assert (null.stat().st_mode, null.stat().st_rdev) == (before.st_mode, before.st_rdev)
    assert [path.name for path in tmp_path.iterdir()] == ["null"]


def test_a_link_is_followed_and_a_file_keeps_its_mode(server, tmp_path):
    file, link, dangling = tmp_path / "file", tmp_path / "link", tmp_path / "dangling"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    dangling.symlink_to(tmp_path / "new")
    for path in (file, link, dangling):
        assert fire(path, server.url("/ok")).returncode == 0
        assert json.loads(path.read_text())["outcomes"] == {"ok": 2}
    assert (link.is_symlink(), dangling.is_symlink(), stat.S_IMODE(file.stat().st_mode)) == (True, True, 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file", "link", "new"]


@pytest.mark.parametrize("name", ["r.json", f"{'x' * 250}.json", f"{'x' * 247}.json.gz"])
def test_a_record_may_be_read_by_whom_the_umask_lets(name, server, tmp_path):
    for umask, mode in ((0o022, 0o644), (0o027, 0o640)):
        before = os.umask(umask)
        try:
            assert fire(tmp_path / name, server.url("/ok")).returncode == 0
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


@pytest.mark.parametrize("option", ["--json", "-e"])
def test_what_goes_to_our_own_stdout_stands_before_the_report(option, server, tmp_path):
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    with (tmp_path / "out").open("wb") as out:
        out.write(b"from before\n")
        out.flush()
        command = [*LOADGEN, "-q", "-n", "2", option, tmp_path / "link", server.url("/ok")]
        assert subprocess.run(command, cwd=ROOT, stdout=out, timeout=30).returncode == 0
    first, second, *report = (tmp_path / "out").read_text().splitlines()
    assert first == "from before"
    assert json.loads(second)["outcomes"] == {"ok": 2} if option == "--json" else second == "Percentage served,Time in ms"
    assert any(line.startswith("Complete requests:") for line in report)


# Signals


def test_a_hangup_leaves_the_record(server, tmp_path):
    saved = tmp_path / "record.json"
    command = [*LOADGEN, "-n", "50", "-c", "3", "-s", "20", "--json", str(saved), server.url("/silent")]
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, if these tests run under it, is not for the load generator
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGHUP, before)
        wait_for(lambda: server.in_flight == 3)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert json.loads(saved.read_text())["outcomes"] == {"cancelled": 3}


def test_a_pipe_that_nobody_reads_is_not_waited_for_by_whom_a_signal_ends(server, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    command = [*LOADGEN, "-q", "-n", "2", "--json", str(tmp_path / "pipe"), server.url("/ok")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: server.received == 2)
        until = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.5)  # the load is over by then
            process.terminate()
        process.kill()
        assert (process.wait(), process.stderr.read()) == (130, "loadgen: stopped\n")


def test_a_stream_that_does_not_block_loses_nothing():
    """A parent that made it so, as node does, may read later."""
    says = "from common import cli; raise SystemExit(cli.run('x', lambda: print('x' * 1_000_000) or 0))"
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with subprocess.Popen([sys.executable, "-c", says], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        time.sleep(0.5)
        with open(reading) as said:
            assert said.read() == f"{'x' * 1_000_000}\n"
        assert (process.wait(), process.stderr.read()) == (0, "")


INTERRUPTED = """
import sys


class Interrupted:
    def find_spec(name, path, target=None):
        if name == "common.results":
            raise KeyboardInterrupt


sys.meta_path.insert(0, Interrupted)
"""


@pytest.mark.parametrize("module", ["common.loadgen", "common.suite", "common.bench", "common.compare", "common.page"])
def test_ctrl_c_while_a_command_is_loaded_is_no_fault(module):
    done = subprocess.run([sys.executable, "-c", f"{INTERRUPTED}import {module}"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


# An endless body


# from a small process: what ours has would be counted as what its child had at its start
TELLS_MEMORY = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


@pytest.mark.parametrize("expect", [[], ["--expect", "never there"]], ids=["", "expect"])
def test_a_body_of_any_length_takes_no_memory(expect, server, tmp_path):
    options = ["-q", "-n", "2", "-c", "2", "-s", "4", *expect]
    command = [*LOADGEN, *options, "--json", str(tmp_path / "r.json"), server.url("/endless")]
    done = subprocess.run([sys.executable, "-c", TELLS_MEMORY, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["outcomes"] == {"total timeout": 2}
    assert sum(record["requests"]["received_bytes"]) > 250 * 2**20  # more than it may hold
    assert int(done.stdout) < 200 * 1024


# An open loop that nobody keeps up with


def test_a_load_of_an_impossible_rate_ends_with_its_time_and_has_counted_all(server, tmp_path):
    done = subprocess.run(
        [*LOADGEN, "-q", "--rate", "200000", "-t", "0.5", "--json", tmp_path / "r.json", server.url("/ok")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    record = json.loads((tmp_path / "r.json").read_text())
    assert sum(record["outcomes"].values()) == 100_000 == len(record["requests"]["due"])
    assert record["outcomes"]["unsent"] > 50_000
    assert record["seconds"] < 20
    assert "the client could start no more in its time" in done.stdout or "were in flight" in done.stdout


class ToyUser:
    """Needs so long to start a request, which has its outcome at once, or never."""

    connection = None

    def __init__(self, ended: Callable[["ToyUser"], None], takes: float, answered: bool) -> None:
        self.ended, self.takes, self.answered = ended, takes, answered

    def start(self) -> None:
        time.sleep(self.takes)
        if self.answered:
            asyncio.get_running_loop().call_soon(self.ended, self)

    def fail(self, outcome: str, now: float) -> None: ...


def pace(line: str, takes: float, answered: bool) -> tuple[OpenLoop, list[int], float]:
    """The loop when it is over, what was unsent each time, and how long it took."""

    async def run() -> tuple[OpenLoop, list[int], float]:
        over, unsent = asyncio.get_running_loop().create_future(), []

        def end(outcome: str = "") -> None:
            if not over.done():
                over.set_result(None)

        loop = OpenLoop(parse_line(line), lambda ended: ToyUser(ended, takes, answered), unsent.append, end, end)
        began = time.perf_counter()
        loop.begin(began)
        await asyncio.wait_for(over, 20)
        return loop, unsent, time.perf_counter() - began

    return asyncio.run(run())


def test_what_a_client_has_no_time_to_start_is_given_up_soon_after_the_end():
    loop, unsent, seconds = pace("--rate 10000 -t 0.2 -c 1000 /", takes=0.002, answered=True)
    assert 1.2 < seconds < 10
    assert sum(unsent) > 1000
    assert len(loop.due) == 2000


def test_what_has_no_room_is_counted_in_one_go():
    loop, unsent, _ = pace("--rate 200000 -t 0.5 -c 1 --grace 0.1 /", takes=0, answered=False)
    assert len(loop.due) == sum(unsent) == 99_999  # the other one has no outcome yet
    assert len(unsent) < 20_000


def test_what_the_client_could_not_start_is_told_from_what_had_no_room():
    def unsent_at(start: float) -> Metrics:
        sent = make_sent(make_requests([(start,) * 3 + (0, start, "unsent", 0, 0, 0)]), "--rate 10 -t 2 /")
        return Metrics(sent)

    assert unsent_at(3.0).was_overrun
    assert not unsent_at(2.01).was_overrun
    assert "lower the rate" in "\n".join(ab.lines_of_the_schedule(unsent_at(3.0)))
    assert "raise -c" in "\n".join(ab.lines_of_the_schedule(unsent_at(2.01)))


# Load lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-n 5 /ü", "percent-encode"),
        ("-n 5 '/a b'", "percent-encode"),
        ("--rate 1e308 -t 100 /", "is not a rate"),
        ("--stages 1e300s@1e300 /", "at most 200,000"),
        ("--stages 1e304s@200000 /", "are not stages"),
        ("--stages 1e15s@200000 /", "requests would be due, and a record holds 20,000,000: lower the rate"),
        ("--rate 200000 -t 101 --poisson /", "20,200,000 requests would be due"),
        ("-t 1e400 /", "is not a number above 0"),
        ("-t 1e300 /", "is not a number above 0"),
        ("-H 'A B: c' /", "is not a header"),
    ],
)
def test_a_line_that_cannot_be_sent_is_known_when_it_is_read(line, said):
    with pytest.raises(UsageError, match=said):
        parse_line(line)


def test_a_time_given_for_a_load_does_not_make_it_too_large_either():
    with pytest.raises(UsageError, match="100,000,000 requests would be due"):
        resized(parse_line("--rate 100000 -t 5 /"), Sizes(seconds=1000))


def test_a_servers_words_do_not_move_the_cursor():
    sent = make_sent(make_requests([(0, 0, 0, 0.1, 0.1, "ok", 200, 2, 2)]), "-n 1 /")
    sent.server = "evil\x1b[2J\x07 \udcff ü"
    assert "Server Software:        evil\\x1b[2J\\x07 \\udcff ü\n" in ab.text(sent)


# Ports and descriptors


@pytest.mark.parametrize(
    ("line", "in_time_wait", "waits"),
    [
        ("-n 30000 -c 10 /", 10, False),  # more than there are: what is free is free
        ("-n 30000 -c 10 /", 5000, True),
        ("-n 1000000000000 -c 10 -t 0.5 /", 5000, False),
        ("-n 20000 -c 10 /", 5000, False),
        ("-n 20000 -c 10 /", 9000, True),
        ("-n 20000 -c 10 -k /", 9000, False),
        ("-c 10 -t 60 /", 9000, False),
    ],
)
def test_only_what_waiting_helps_is_waited_for(line, in_time_wait, waits, monkeypatch):
    monkeypatch.setattr(ports, "ephemeral_ports", lambda: 28_232)
    monkeypatch.setattr(ports, "time_wait", lambda: in_time_wait)
    assert ports.lacks_ports(measure.most_connections(parse_line(line))) is waits


def test_too_few_descriptors_are_said_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(run, "measure_afresh", lambda *arguments: pytest.fail("a server was started"))
    one = replace(scenario.read(scenario.FOLDER / "uvicorn_asgi.py"), load=["-n 50000 -c 50000 /"])
    made = run.run_turn(Turn(one), RunOptions(), tmp_path, None, Quiet())
    assert made.status == "failed"
    assert "50000 requests at once need 50032 file descriptors, but the limit is 4096" in made.reason


class Quiet:
    """Watches nothing."""

    is_seen = False

    def tell(self, text: str) -> None: ...

    def expect(self, seconds: float) -> None: ...

    def measured(self, sample: object) -> None: ...


# A load that shows nothing


def test_where_all_was_cut_off_the_command_has_failed_and_the_result_is_kept(tmp_path):
    hangs = changed(
        ("    asked += 1\n", "    asked += 1\n    if asked > 12:\n        await asyncio.sleep(99)\n"), ("-n 20 -c 2", "-c 2 -t 0.5")
    )
    tree = copy_tree(tmp_path, {"hangs": hangs})
    for words in (["scenarios/hangs.py"], ["-m", "common.suite", "hangs"]):
        with Program(tree, *words) as program:
            assert program.finish() == 1
        assert one_line(program.stderr), program.stderr
        assert "no request of 'GET /, 2 at a time, for 0.5 s, close' was answered before its time was up" in program.stderr
        assert records(tree)["hangs"]["status"] == "ok"


# Free text


WILD = ["[/b]", "list[int] for [red]x", "uses [/api]", ":warning: [", "[bold]", "\x1b[2J"]


@pytest.mark.parametrize("text", WILD)
def test_text_that_is_not_ours_is_printed_as_it_is(text, capsys, tmp_path):
    def made(name: str) -> ScenarioRun:
        sent = make_sent(
            make_requests([(at / 100, at / 100, at / 100, at / 100 + 0.01, at / 100 + 0.01, "ok", 200, 2, 2) for at in range(300)])
        )
        return make_run(name, make_measured(sent, cost=None, published={f"{text} ms": 3.0}), study=text)

    one, other = made("one"), made(f"zz{text}")
    one.differs_from = {other.scenario: text}
    terminal.show_tables(judge([one, other]), [one, other], 1, verbose=True)
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count(printable(text)) >= 4
    assert is_plain(printed)
    for made_up in (one, other):
        files.write(tmp_path / f"{len(made_up.scenario)}{files.SUFFIX}", made_up)
    code, said = compare.main([str(tmp_path), str(tmp_path)]), capsys.readouterr()
    if is_plain(text):
        assert code == 0
        assert f"zz{text}" in " ".join(said.out.split())
    else:
        assert (code, said.out, one_line(said.err)) == (1, "", True)
        assert "control characters in a name" in said.err


def test_no_console_takes_text_for_markup():
    """Every one is our own, which shows text as it is."""
    for path in (ROOT / "common").rglob("*.py"):
        if path.name != "console.py":
            assert "rich.console import Console" not in path.read_text(encoding="utf-8"), path


def test_a_console_shows_control_characters(capsys):
    console = PlainConsole(highlight=False, width=60)
    table = Table("a\x1b[2J")
    table.add_row(Text("\x07\x9b2J"))
    console.print(table)
    console.print("x\x1b[31my\rz\u202e")
    said = capsys.readouterr().out
    assert is_plain(said.replace("\n", ""))
    assert all(shown in said for shown in (r"a\x1", r"\x9b", r"x\x1b[31my"))  # a table cuts what it has no room for


def test_what_a_log_ends_with_does_not_move_the_cursor():
    assert say_fault(make_pair(fault="it ended\x1b[2J\n    its log")) == r"It ended early: it ended\x1b[2J"


# Damaged records


@pytest.mark.parametrize("put", PUT, ids=repr)
def test_a_damaged_record_is_one_line(put, tmp_path, capsys):
    record = whole()
    for way in parts(record):
        (path := tmp_path / "damaged" / "one.json.gz").parent.mkdir(exist_ok=True)
        path.write_bytes(packed(json.dumps(damaged(record, way, put)).encode()))
        code = compare.main([str(path.parent), str(path.parent)])  # whatever is raised fails the test
        said = capsys.readouterr().err
        assert one_line(said) if code else said == "", way


def test_where_nothing_was_measured_compare_says_why(tmp_path, capsys):
    failed = make_run("one")
    failed.status, failed.reason = "failed", "the disk is full"
    files.write(tmp_path / f"one{files.SUFFIX}", failed)
    assert compare.main([str(tmp_path), str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"compare: {tmp_path} holds no measured load: failed: the disk is full\n"


# Names


def test_a_name_is_itself_before_it_is_a_pattern(tmp_path, monkeypatch):
    for name in ("g[1]", "g1", "link"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr(choice, "files", lambda: sorted(tmp_path.glob("*.py")))
    assert [path.stem for path in choice.choose_scenarios(["g[1]"])] == ["g[1]"]
    assert [path.stem for path in choice.choose_scenarios(["g[1-9]"])] == ["g1"]


def test_a_folder_whose_name_ends_in_scenarios_is_one(monkeypatch):
    names = ("my_scenarios/sync.py", "sync.py", "test-scenarios/sync.py", "odd.py.py")
    own, ours, other, odd = paths = [ROOT / "scenarios" / name for name in names]
    monkeypatch.setattr(choice, "files", lambda: paths)
    assert choice.choose_scenarios(["my_scenarios/sync"]) == choice.choose_scenarios(["scenarios/my_scenarios/sync.py"]) == [own]
    assert choice.choose_scenarios(["test-scenarios/*"]) == [other]
    assert choice.choose_scenarios(["scenarios/sync.py"]) == choice.choose_scenarios(["./scenarios/sync"]) == [ours]
    assert choice.choose_scenarios(["odd.py"]) == choice.choose_scenarios(["scenarios/odd.py.py"]) == [odd]


def test_a_readers_folder_hides_no_name_of_ours(tmp_path, monkeypatch):
    paths = [ROOT / "scenarios" / name for name in ("mysite/sync.py", "mysite/uvicorn_asgi.py", "uvicorn_asgi.py", "uvicorn_wait.py")]
    monkeypatch.setattr(choice, "files", lambda: paths)
    own, same, ours, other = paths
    assert choice.choose_scenarios(["uvicorn_asgi"]) == [ours]
    assert choice.choose_scenarios(["uvicorn_*"]) == [ours, other]
    assert choice.choose_scenarios(["mysite/*"]) == [own, same]
    assert choice.choose_scenarios(["sync"]) == [own]
    assert choice.choose_one("--like", "scenarios/uvicorn_asgi.py") == ours


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A link to a scenario, one with a byte order mark, one with a NUL, one beyond all depth; run once, with a stdout that ends early."""
    scenarios = {"tiny": TINY, "bom": f"\ufeff{TINY}", "nul": "\0", "deep": "x = " + "(" * 5000}
    tree = copy_tree(tmp_path_factory.mktemp("odd"), scenarios, page=True)
    (tree / "scenarios" / "a_link.py").symlink_to("tiny.py")
    return tree


@pytest.mark.parametrize(("name", "said"), [("nul", "scenarios/nul.py:1: "), ("deep", "scenarios/deep.py")])
def test_a_file_that_cannot_be_read_is_named(name, said, odd):
    with Program(odd, "-m", "common.suite", "--list", name) as program:
        assert program.finish() == 1
    assert one_line(program.stderr), program.stderr
    assert said in program.stderr
    assert "None" not in program.stderr


def test_a_link_is_a_scenario_of_its_own_and_nobody_need_read_to_the_end(odd):
    line = f"{shlex.quote(sys.executable)} -m common.suite a_link tiny bom -n 6 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=odd,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "WAIT_FOR_QUIET": "0"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(records(odd)) == {"a_link", "tiny", "bom"}
    [directory] = (odd / "results").iterdir()
    assert (directory / "report.html").exists()
    with Program(odd, "-m", "common.suite", "--resume", str(directory)) as program:
        assert program.finish() == 0, program.stderr
    assert "Traceback" not in program.stderr


def test_a_log_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match=r"cannot write .*: File exists"), Process("one", ["true"], log=tmp_path / "file" / "one.log"):
        pass


@pytest.mark.parametrize("first_line", ["#!/no/such/interpreter\n", "\x7fELF nonsense\n"])
def test_a_program_that_cannot_be_run_is_one_line(first_line, tmp_path):
    program = tmp_path / "program"
    program.write_text(first_line)
    program.chmod(0o755)
    with Process("one", [str(program)], log=tmp_path / "one.log") as one:
        assert one.wait() == 126
    assert one.log_tail().startswith(f"\n    cannot run {program}: ")
    assert one_line(one.log_tail())


@pytest.mark.parametrize(("made", "said"), [(Path.mkdir, "it is a folder"), (Path.touch, "it is not executable")])
def test_what_is_no_program_is_not_said_to_be_missing(made, said, tmp_path):
    made(tmp_path / "one")
    with pytest.raises(Failed, match=f"{tmp_path}/one cannot be started: {said}"):
        find_program(str(tmp_path / "one"))


# Logs larger than memory


def write_log(path: Path, megabytes: int) -> Process:
    with path.open("wb") as file:
        file.truncate(megabytes * 2**20)
        file.seek(0, os.SEEK_END)
        file.write(b"".join(b"\nthe pool grew to %d" % (number % 7) for number in range(100)))
    return Process("one", [], log=path)


def test_of_a_log_only_the_end_is_read(tmp_path):
    one = write_log(tmp_path / "log", 500)
    tracemalloc.start()
    assert one.log_tail() == "".join(f"\n    the pool grew to {number % 7}" for number in range(88, 100))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_what_is_counted_in_a_log_is_read_in_pieces(tmp_path):
    one = write_log(tmp_path / "log", 100)
    asked = replace(scenario.read(scenario.FOLDER / "uvicorn_asgi.py"), count_in_log={"grew": "pool grew", "sizes": r"grew to (\d)"})
    tracemalloc.start()
    assert counting.count_in_log(asked, {one: 0}) == {"grew": 100, "sizes": 7}
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()
    assert counting.count_in_log(asked, {one: one.log_size() - 25}) == {"grew": 1, "sizes": 1}
    one.lines_since = lambda size: pytest.fail("it was read for nothing")
    assert counting.count_in_log(replace(asked, count_in_log={}), {one: 0}) == {}


def test_what_a_pattern_takes_has_an_end(tmp_path, monkeypatch):
    (tmp_path / "log").write_text(f"{'a' * 50}b")
    asked = replace(scenario.read(scenario.FOLDER / "uvicorn_asgi.py"), count_in_log={"x": "(a+)+$"})
    monkeypatch.setattr(counting, "COUNT_SECONDS", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(Failed, match=r"scenarios/uvicorn_asgi\.py: COUNT_IN_LOG was not counted within 0\.2 s: simplify"):
        counting.count_in_log(asked, {Process("one", [], log=tmp_path / "log"): 0})
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_a_pattern_finds_is_bounded(tmp_path, monkeypatch):
    (tmp_path / "log").write_text("".join(f"id {number}\n" for number in range(101)))
    one = Process("one", [], log=tmp_path / "log")
    asked = replace(scenario.read(scenario.FOLDER / "uvicorn_asgi.py"), count_in_log={"all": "id", "ids": r"id (\d+)"})
    assert counting.count_in_log(asked, {one: 0}) == {"all": 101, "ids": 101}
    monkeypatch.setattr(counting, "MOST_DIFFERENT", 100)
    with pytest.raises(Failed, match=r"COUNT_IN_LOG\['ids'\] has more than 100 different matches: put less into its group"):
        counting.count_in_log(asked, {one: 0})


def test_a_load_that_was_sent_is_kept_where_its_log_cannot_be_counted(tmp_path, monkeypatch):
    tree = copy_tree(
        tmp_path,
        {
            "slow": changed(
                ('STUDY = "tests"', 'STUDY = "tests"\nCOUNT_IN_LOG = {"x": "(a+)+$"}'),
                ("    asked += 1\n", "    asked += 1\n    os.write(2, b'a' * 50 + b'b\\n')\n"),
            )
        },
    )
    says = "from common import bench; from common.running import counting; counting.COUNT_SECONDS = 0.5; bench.main('scenarios/slow.py')"
    with Program(tree, "-c", says) as program:
        assert program.finish() == 1
    assert "COUNT_IN_LOG was not counted within 0.5 s" in program.stderr
    saved = records(tree)["slow"]
    assert (saved["status"], saved["loads"][0]["sent"]["outcomes"], saved["loads"][0]["counted_in_log"]) == ("failed", {"ok": 20}, {})


def test_what_an_earlier_process_logged_is_not_taken_for_this_ones(tmp_path):
    for word in ("earlier", ""):
        with Process("one", ["echo", word] if word else ["true"], log=tmp_path / "log") as one:
            one.wait()
        assert one.log_tail() == (f"\n    {word}" if word else "")


def test_of_a_server_that_was_killed_memory_is_asked_for():
    with Process("one", [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) as one:
        one.wait()
        with pytest.raises(Failed, match="one ended with exit code 137 while it was needed, killed: is there enough memory"):
            check([one])


def test_why_nothing_could_be_saved_is_said_last(server, tmp_path):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    command = [*LOADGEN, "-q", "-n", "2", "--json", str(full), server.url("/ok")]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    assert done.stdout.splitlines()[-1] == f"loadgen: cannot save {full}: No space left on device"


# A scenario that changes while it runs

TWO_LOADS = changed(('["-n 20 -c 2 --expect ok /"]', '["-n 20 -c 2 --expect ok /", "-n 10 -c 2 --expect ok /"]'))


def once_asked(does: str) -> str:
    turned = ("    asked += 1\n", f"    asked += 1\n    if asked == 20:\n        {does}\n")
    return changed(turned, ('STUDY = "tests"', f'STUDY = "{len(does)}"'), source=TWO_LOADS)


CHANGING = {
    "edited": (once_asked('open(__file__, "a").write("# more")'), "scenarios/edited.py was changed while the run went on"),
    "gone": (once_asked("os.unlink(__file__)"), "scenarios/gone.py: cannot be read: No such file or directory"),
}


def test_a_file_that_changes_meanwhile_is_not_measured_as_two(tmp_path):
    tree = copy_tree(tmp_path, {**{name: source for name, (source, _) in CHANGING.items()}, "tiny": TINY}, page=True)
    with Program(tree, "-m", "common.suite") as program:
        assert program.finish() == 1
    lines = program.stderr.splitlines()
    assert [line for line in lines if line.startswith("failed: ")] == lines, program.stderr
    for name, (source, said) in CHANGING.items():
        assert any(said in line for line in lines), program.stderr
        saved = records(tree)[name]
        assert (saved["status"], saved["source"], len(saved["loads"])) == ("failed", source, 1)
    assert records(tree)["tiny"]["status"] == "ok"


# What nobody thought of


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_up_holds(kind):
    """A short part of `python -m benchmarks.fuzz`."""
    made, wrong = try_out(kind, tries=25, seed=1)
    assert (made > 0, wrong) == (True, "")


@pytest.mark.parametrize("line", ["-d '' /"])
def test_what_was_made_up_once_and_did_not_hold(line):
    line_is_a_load_or_an_error(line)
