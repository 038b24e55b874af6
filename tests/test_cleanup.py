"""Is anything of ours left, running or on disk, however and whenever a run is ended? And is nothing touched that another run holds?"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace

import psutil
import pytest

from common.cli import Failed, NotReady, UsageError
from common.client.load import Sizes
from common.results import files
from common.results.files import PLAN
from common.results.record import Plan
from common.running import directories
from common.serving import checkouts, folders
from common.serving import process as serving_process
from common.serving.process import Process
from tests.processes import ROOT, Program, changed, copy_tree, one_line, said

# Answers so many requests, and keeps the others waiting until their clients go.
STUCK = changed(
    (
        "    asked += 1\n",
        '    asked += 1\n    if asked > int(os.environ["ANSWERS"]):\n        await receive()\n        await receive()\n        return\n',
    )
)
IGNORES_TERM = changed(
    (
        'SERVER = "uvicorn {app} --host {host} --port {port} --lifespan off --no-access-log --log-level warning"',
        'SERVER = """{python} -c \'import signal; signal.signal(15, 1); signal.signal(1, 1); import uvicorn; '
        'uvicorn.Server.capture_signals = lambda self: open("/dev/null"); '
        'uvicorn.run("{app}", host="{host}", port={port}, lifespan="off", log_level="warning")\'"""',
    ),
    source=STUCK,
)
WORKERS = changed((" --lifespan", " --workers 2 --lifespan"), source=STUCK)
NEEDS_API = changed(('STUDY = "tests"', 'STUDY = "tests"\nNEEDS = ["slow_api"]'), source=STUCK)

MOMENTS = {
    "starting": ("0", ("uvicorn",)),
    "warming up": ("1", ("common.loadgen", "-n 10")),
    "under load": ("12", ("common.loadgen", "-n 20")),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    scenarios = {"stuck": STUCK, "ignores_term": IGNORES_TERM, "workers": WORKERS, "needs_api": NEEDS_API}
    return copy_tree(tmp_path_factory.mktemp("project"), scenarios)


def end(program: Program, number: signal.Signals) -> None:
    """Only the driver is told; what it started must follow."""
    program.process.send_signal(number)
    code = program.finish(30)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130), program.stderr
    assert "Traceback" not in program.stderr
    assert program.left_over(30) == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_scenario(tree, moment, number):
    answers, words = MOMENTS[moment]
    with Program(tree, "scenarios/stuck.py", ANSWERS=answers) as program:
        program.wait_for(*words)
        end(program, number)


@pytest.mark.parametrize(("name", "number"), [("stuck", signal.SIGTERM), *(("ignores_term", number) for number in SIGNALS)])
def test_nothing_is_left_of_a_suite(tree, name, number):
    with Program(tree, "-m", "common.suite", name, name, ANSWERS="12") as program:
        program.wait_for("common.loadgen", "-n 20")
        end(program, number)


def test_nothing_is_left_of_a_server_with_workers(tree):
    with Program(tree, "scenarios/workers.py", ANSWERS="1000000") as program:
        program.wait_for("common.loadgen")
        end(program, signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_service(tree, number):
    with Program(tree, "scenarios/needs_api.py", ANSWERS="12") as program:
        program.wait_for("common.loadgen", "-n 20")
        program.wait_for("common.serving.slow_api")
        end(program, number)


def test_nothing_is_left_whenever_the_kill_comes(tree):
    """From the driver's first imports to the load."""
    with ExitStack() as stack:
        programs = [stack.enter_context(Program(tree, "scenarios/stuck.py", ANSWERS="12")) for _ in range(8)]
        had_a_server = set()
        for program in programs:
            if program is programs[-1]:
                program.wait_for("common.loadgen")
            had_a_server.add(any("uvicorn" in said(process) for process in program.running()))
            program.process.kill()
            time.sleep(0.25)
        for program in programs:
            assert program.left_over() == []
    assert had_a_server == {False, True}


def test_a_second_interrupt_leaves_nothing_either(tree):
    with Program(tree, "scenarios/ignores_term.py", ANSWERS="12") as program:
        program.wait_for("common.loadgen", "-n 20")
        program.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert program.process.poll() is None  # it waits for a server that ignores its signal
        program.process.send_signal(signal.SIGINT)
        program.finish(30)
        assert program.left_over(30) == []


def test_a_guard_whose_holder_is_gone_already_ends_the_command(tmp_path):
    """Killed between starting it and hearing of the command."""
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    reads, writes = os.pipe()
    os.close(reads)
    guard = subprocess.run(
        [sys.executable, str(ROOT / "common" / "serving" / "guard.py"), "15", "1", "", sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=writes,
        timeout=20,
    )
    os.close(writes)
    assert guard.returncode == 128 + signal.SIGTERM
    if (tmp_path / "pid").exists():  # it may have been ended before its first word
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


# What a command leaves, whatever it does: a process that forks and changes its session, once or again and again, and ignores signals

DAEMONS = """
import os, signal, sys, time
for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
folder, leader_stays, parents_stay = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
leader = os.getpid()
def note(): os.close(os.open(f"{folder}/{os.getpid()}", os.O_CREAT))
note()
for _ in range(4):
    if os.fork(): time.sleep(leader_stays if os.getpid() == leader else parents_stay); sys.exit()
    os.setsid(); note()
time.sleep(1000)
"""
FAMILY, ORPHANS = ("1000", "1000"), ("1000", "0")


def daemons(folder, leader_stays: str, parents_stay: str) -> Process:
    command = [sys.executable, "-c", DAEMONS, str(folder), leader_stays, parents_stay]
    return Process("daemons", command, log=folder.with_name("log"), grace=0.2)


def wait_for_all(folder) -> list[int]:
    deadline = time.monotonic() + 20
    while len(found := os.listdir(folder)) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(found) == 5
    return [int(name) for name in found]


def living(pids: list[int]) -> list[int]:
    """Zombies left out: who reaps them is not ours to decide."""
    found = []
    for pid in pids:
        with suppress(psutil.Error):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


@pytest.fixture
def noted(tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    return folder


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")


@LINUX
@pytest.mark.parametrize("stay", [FAMILY, ORPHANS])
def test_what_left_its_group_is_ended(noted, stay):
    with daemons(noted, *stay):
        pids = wait_for_all(noted)
        assert len({os.getsid(pid) for pid in living(pids)}) > 1
    assert living(pids) == []


@LINUX
def test_what_left_its_group_and_is_alone_is_ended(noted):
    with daemons(noted, "0.3", "0") as process:
        pids = wait_for_all(noted)
        assert process.wait_at_most(20) == 0
    assert living(pids) == []


@pytest.mark.parametrize("stay", [FAMILY, ORPHANS])
def test_nothing_is_left_of_a_guard_that_was_killed(noted, stay):
    with daemons(noted, *stay) as process:
        pids = wait_for_all(noted)
        os.kill(process.guard, signal.SIGKILL)
        while process.exit_code() is None:
            time.sleep(0.02)
        assert living(pids)
    assert living(pids) == []


@LINUX
def test_nothing_is_left_of_a_guard_that_failed(noted, tmp_path, monkeypatch):
    source = serving_process.GUARD.read_text()
    fails = f'    while not os.path.exists("{tmp_path}/now"):\n        time.sleep(0.02)\n    raise MemoryError\n'
    failing, awaited = tmp_path / "failing.py", "    code = child.returncode = reap(child.pid)\n"
    assert awaited in source
    failing.write_text(source.replace(awaited, fails + awaited))
    monkeypatch.setattr(serving_process, "GUARD", failing)
    with daemons(noted, *FAMILY) as process:
        pids = wait_for_all(noted)
        (tmp_path / "now").touch()
        while process.exit_code() is None:
            time.sleep(0.02)
        assert "the guard ended by MemoryError" in process.log_tail()
    assert living(pids) == []


@LINUX
def test_a_command_is_told_of_its_guards_end(tmp_path):
    """Even if nobody is left who could end it."""
    says = "import signal, time; signal.signal(15, lambda *_: open('told', 'w').close()); open('ready', 'w').close(); time.sleep(1000)"
    with Process("told", [sys.executable, "-c", says], root=tmp_path) as process:
        wait_until_there(tmp_path / "ready")
        os.kill(process.guard, signal.SIGKILL)
        wait_until_there(tmp_path / "told")


def wait_until_there(path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_a_guard_that_is_stopped_ends_its_command_all_the_same(noted):
    with daemons(noted, *FAMILY) as process:
        pids = wait_for_all(noted)
        os.kill(process.guard, signal.SIGSTOP)
    assert living(pids) == []


def test_an_end_is_seen_at_once(monkeypatch):
    monkeypatch.setattr(serving_process, "LOOK_EVERY", 60.0)
    began = time.monotonic()
    with Process("short", [sys.executable, "-c", ""]) as process:
        assert process.wait_at_most(1000) == 0
    assert time.monotonic() - began < 30


def test_what_somebody_stopped_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(serving_process, "STOPPED_SECONDS", 0.3)
    for whom in ("pid", "guard"):
        with Process("idle", [sys.executable, "-c", "import time; time.sleep(1000)"]) as process:
            os.kill(getattr(process, whom), signal.SIGSTOP)
            with pytest.raises(Failed, match="idle was stopped by a signal, and was ended"):
                process.wait_at_most(1000)
        assert living([process.pid, process.guard]) == []


def test_nothing_is_waited_for_without_end():
    idle = [sys.executable, "-c", "import time; time.sleep(1000)"]
    with Process("idle", idle) as process, pytest.raises(Failed, match="idle did not end within 1 s, and was ended"):
        process.wait_at_most(0.6)


def test_a_guard_that_does_not_answer_is_given_up(monkeypatch, tmp_path, caplog):
    mute = tmp_path / "mute.py"
    mute.write_text("import time; time.sleep(1000)")
    for name, value in {"GUARD": mute, "READY_SECONDS": 0.2, "END_SECONDS": 0.2}.items():
        monkeypatch.setattr(serving_process, name, value)
    process = Process("mute", [sys.executable], grace=0.1)
    with pytest.raises(NotReady, match="mute did not start within 0"):
        process.__enter__()
    assert living([process.guard]) == []
    assert "the guard of mute did not end within 0.4 s, and was killed" in caplog.text


# What a run makes


HOLDS = "from common.serving import folders\nwith folders.temporary() as folder: (folder / 'x').mkdir(); print(folder, flush=True); input()"


def in_a_container(*command: str) -> list[str]:
    """In process ids of its own, and with all else as it is here."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("only root may have process ids of its own")
    return [*words, *command]


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A temporary directory that several runs share."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("where", [lambda *command: list(command), in_a_container])
def test_a_folder_lives_as_long_as_its_owner(shared, where):
    owner = subprocess.Popen(
        where(sys.executable, "-c", HOLDS),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(shared)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        name = owner.stdout.readline().strip()
        folders.remove_leftovers()
        assert os.listdir(name) == ["x", folders.LOCK] or os.listdir(name) == [folders.LOCK, "x"]
        owner.kill()
    deadline = time.monotonic() + 20  # the one in a container ends a moment later
    while os.path.exists(name) and time.monotonic() < deadline:
        folders.remove_leftovers()
        time.sleep(0.02)
    assert list(shared.iterdir()) == []


def test_what_is_not_ours_is_left_alone_and_stops_nothing(shared):
    names = ("²-x", "99999999999999999999999-x", "eightltr", "1-abc")
    for name in names:
        (shared / f"{folders.PREFIX}{name}" / "precious").mkdir(parents=True)
    (shared / f"{folders.PREFIX}a_a_file").touch()
    (shared / f"{folders.PREFIX}dangling").symlink_to("nowhere")
    before = {path.name for path in shared.iterdir()}
    with folders.temporary() as folder:
        assert {path.name for path in shared.iterdir()} == {*before, folder.name}
    assert {path.name for path in shared.iterdir()} == before
    assert all((shared / f"{folders.PREFIX}{name}" / "precious").is_dir() for name in names)


def test_folders_that_were_half_made_or_half_removed_are_removed(shared):
    (shared / f"{folders.PREFIX}half_set").mkdir()
    half = shared / f"{folders.PREFIX}half_rem"
    (half / "data").mkdir(parents=True)
    (half / folders.LOCK).touch()
    folders.remove_leftovers()
    assert list(shared.iterdir()) == []


def test_what_a_link_leads_to_is_left_alone(shared):
    home = shared / "home"
    (home / "precious").mkdir(parents=True)
    (home / folders.LOCK).touch()
    (shared / f"{folders.PREFIX}linkedto").symlink_to(home)
    folders.remove_leftovers()
    assert sorted(os.listdir(home)) == [folders.LOCK, "precious"]


def test_a_folder_of_another_user_is_left_alone_and_that_of_a_cluster_is_not(shared):
    if os.getuid():
        pytest.skip("only root may give a folder away")
    names = {folders.CLUSTER_USERS[-1]: "clusters", 12345: "anothers"}
    for user, name in names.items():
        (folder := shared / f"{folders.PREFIX}{name}").mkdir()
        (folder / folders.LOCK).touch()
        shutil.chown(folder, user)
    folders.remove_leftovers()
    assert [path.name for path in shared.iterdir()] == [f"{folders.PREFIX}anothers"]


def test_many_make_and_remove_folders_at_once(shared):
    def make_one(number: int) -> bool:
        with folders.temporary() as folder:
            (folder / "mine").write_text(str(number))
            time.sleep(0.01)
            return (folder / "mine").read_text() == str(number)

    with ThreadPoolExecutor(8) as runs:
        assert all(runs.map(make_one, range(200)))
    assert list(shared.iterdir()) == []


def test_runs_that_begin_in_the_same_second_have_directories_of_their_own(shared, monkeypatch):
    monkeypatch.setattr(directories, "ROOT", shared)
    with ThreadPoolExecutor(8) as runs:
        assert len(set(runs.map(directories.new_directory, ["x"] * 20))) == 20


def test_a_plan_is_nobody_elses_from_the_moment_it_has_its_name(shared):
    plan, path = Plan(["tiny"], 1, 1, False, True, Sizes()), shared / PLAN
    with directories.begun(path, plan):
        with pytest.raises(UsageError, match="still goes on"), directories.only_writer(path):
            pass
        with directories.begun(path, replace(plan, rounds=2)), pytest.raises(UsageError, match="still goes on"):
            directories.only_writer(path).__enter__()
    assert files.read(path, Plan).rounds == 2
    assert [path.name for path in shared.iterdir()] == [PLAN]
    with directories.only_writer(path):
        pass


def test_a_run_that_goes_on_is_not_resumed(tree):
    before = set((tree / "results").glob("*/suite.json"))
    with Program(tree, "-m", "common.suite", "stuck", ANSWERS="0") as program:
        program.wait_for("uvicorn")
        [plan] = set((tree / "results").glob("*/suite.json")) - before
        with Program(tree, "-m", "common.suite", "--resume", str(plan.parent)) as second:
            assert second.finish() == 2
            assert "still goes on" in second.stderr
            assert one_line(second.stderr)
        end(program, signal.SIGTERM)


def test_of_another_revision_nothing_is_left(shared, monkeypatch):
    """Nor does the repository keep a note of it, as of a worktree, which a killed run would leave for ever."""
    repository, temporary = shared / "repository", shared / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def git(*words: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *who, *words], cwd=repository if repository.exists() else shared, check=True, capture_output=True)

    git("init", str(repository))
    for text in ("before", "after"):
        (repository / "site.py").write_text(text)
        git("add", "site.py")
        git("commit", "-m", text)
    known = sorted((repository / ".git").rglob("*"))
    with checkouts.checkout("HEAD~1", repository) as tree:
        assert (tree / "site.py").read_text() == "before"
        assert (repository / "site.py").read_text() == "after"
        assert sorted((repository / ".git").rglob("*")) == known
    assert list(temporary.iterdir()) == []


@LINUX
def test_a_load_generator_without_a_guard_ends_with_its_run(tree, server):
    with Program(tree, "scenarios/stuck.py", "--target", server.url("/slow?ms=60000&then="), ANSWERS="0") as program:
        program.wait_for("common.loadgen")
        end(program, signal.SIGKILL)
