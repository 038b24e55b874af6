"""Does a run say in plain words what went wrong, and go on with the rest?"""

import io
import os
import time

import pytest
from rich.console import Console

from common import suite as command
from common.report.tables import draw_comparison
from common.results import files
from common.results.comparison import compare_loads
from common.results.record import ScenarioRun
from common.running.rounds import plan_turns
from common.running.sizing import RunOptions, plan_loads
from common.serving import scenario
from tests.faults.attempt import project_in
from tests.made_up import make_client, make_measured, make_requests, make_run, make_sent
from tests.processes import TAIL, TINY, Program, changed, copy_tree, one_line, records, run


def suite(tree, *arguments, **environment):
    return run(tree, "-m", "common.suite", *arguments, **environment)


# What is named wrongly or cannot be sent


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp("project"))


def test_a_wrong_command_line_is_one_line_and_exit_2(project):
    program = suite(project, "uvicorn_asgy")
    assert program.process.returncode == 2
    assert one_line(program.stderr), program.stderr
    assert "did you mean uvicorn_asgi" in program.stderr
    assert program.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["uvicorn_asgi", "zzzzzzzz*"], "'zzzzzzzz*'"),
        (["-n", "0"], "'0' is not a whole number"),
        (["-c", "5", "-n", "3"], "-c 5 is greater than -n 3"),
        (["-t", "nan"], "'nan' is not a number above 0"),
        (["--frobnicate"], "--frobnicate"),
        (["--quick"], "--quick"),
    ],
)
def test_so_is_any_other(arguments, said, capsys):
    assert command.main(arguments) == 2
    stdout, stderr = capsys.readouterr()
    assert one_line(stderr), stderr
    assert said in stderr
    assert stdout == ""


def test_a_scenario_checks_its_command_line_too(project):
    program = run(project, "scenarios/uvicorn_asgi.py", "-n", "2", "-c", "3")
    assert program.process.returncode == 2
    assert one_line(program.stderr)
    assert "-c 3 is greater than -n 2" in program.stderr


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["uvicorn_asgi"], ["uvicorn_asgi"]),
        (["scenarios/uvicorn_asgi.py", "uvicorn_asg?"], ["uvicorn_asgi"]),
        (["uwsgi_?_threads", "gunicorn_gevent"], ["uwsgi_2_threads", "gunicorn_gevent"]),
        ([], None),
    ],
)
def test_list(project, names, listed):
    program = suite(project, "--list", *names)
    assert program.process.returncode == 0
    found = [line.split()[0] for line in program.stdout.splitlines()]
    assert found == (sorted(path.stem for path in (project / "scenarios").glob("*.py")) if listed is None else listed)
    assert all(line.endswith("?") for line in program.stdout.splitlines())


# One run over scenarios that each fail in their own way, and one at the end that does not

DIES = changed(
    ('await send({"type": "http.response.start"', 'if asked > 31:\n        os._exit(3)\n    await send({"type": "http.response.start"'),
    ("-n 20 -c 2", "-c 2 -t 10"),
)
BROKEN = {
    "syntax": ("def broken(:\n", "scenarios/syntax.py:1:"),
    "no_study": (changed(('STUDY = "tests"\n', "")), "has no STUDY"),
    "computed": (changed(('["-n 20 -c 2', '[f"-n {10 * 2} -c 2')), "LOAD must be written out, not computed"),
    "wrong_type": (changed(('["-n 20 -c 2 --expect ok /"]', "[20]")), "LOAD must be a list of strings"),
    "wrong_port": (changed(("8099", '"8099"')), "PORTS must be a dict that maps names to port numbers"),
    "bad_load": (changed(("-n 20 -c 2", "-n 20 -c 30")), "-c 30 is greater than -n 20"),
    "placeholder": (changed(("--lifespan", "--uds {sock} --lifespan")), "SERVER has an unknown placeholder 'sock'"),
    "empty": (changed(('SERVER = "uvicorn {app} --host {host} --port {port} --lifespan off', 'SERVER = "" #')), "SERVER"),
    "quotes": (changed(('--log-level warning"', "--log-level 'warning\"")), "SERVER"),
    "service": (changed(('STUDY = "tests"', 'STUDY = "tests"\nNEEDS = ["oracle"]')), "there is no service 'oracle'"),
    "not_installed": (changed(('"uvicorn', '"no-such-server')), "no-such-server is not installed: requirements.txt does not name it"),
    "no_port": (changed(("--port {port}", "--port 8000")), "scenarios/no_port.py: SERVER has no {port}: "),
    "no_socket": (changed(('STUDY = "tests"', 'STUDY = "tests"\nNGINX = "proxy_pass http://x;"')), "SERVER has no {socket}: "),
    "no_tail": (changed((TAIL, "")), "`python scenarios/no_tail.py` does nothing: copy them from another scenario"),
    "exits": (changed(('"uvicorn', '"{python} -c \'import sys; sys.exit(\\"the disk is full\\")\'')), "the disk is full"),
    "refuses": (changed(("200,", "200 if asked == 1 else 500,")), "does not answer its warm-up correctly: non-2xx 10 (status 500)"),
    "dies": (DIES, "dies ended with exit code 3 while it was needed"),
}
OF_ANOTHER_STUDY = changed(('STUDY = "tests"', 'STUDY = "others"'))  # or the first of the two would run again, as the control


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    scenarios = {name: source for name, (source, _) in BROKEN.items()}
    tree = copy_tree(tmp_path_factory.mktemp("broken"), {**scenarios, "z_good": TINY}, page=True)
    return suite(tree), records(tree)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_scenario_is_named_with_its_fault(broken, name):
    program, saved = broken
    status = "skipped" if name == "not_installed" else "failed"
    [line] = [line for line in program.stderr.splitlines() if line.startswith(f"{status}: {name}: ")]
    assert BROKEN[name][1] in program.stderr[program.stderr.index(line) :].split("\nfailed: ")[0]
    if name in saved:
        assert saved[name]["status"] == status


def test_the_suite_goes_on_after_each_fault(broken):
    program, saved = broken
    assert program.process.returncode == 1
    assert saved["z_good"]["status"] == "ok"
    assert saved["z_good"]["loads"][0]["sent"]["outcomes"] == {"ok": 20}
    assert "driver" not in program.stderr
    assert "common/suite.py" not in program.stderr
    assert "z_good" in program.stdout.rpartition("tests · GET /")[2]


def test_a_server_that_dies_leaves_what_was_measured(broken):
    _, saved = broken
    [load] = saved["dies"]["loads"]
    assert saved["dies"]["status"] == "failed"
    sent = load["sent"]
    assert 0 < sent["outcomes"]["ok"] <= 20
    assert sum(sent["outcomes"].values()) == len(sent["requests"]["outcome"])
    assert sent["stopped"] == "cancelled"
    assert sent["seconds"] < 10


def test_a_scenario_alone_says_why_it_was_skipped(broken, tmp_path):
    tree = copy_tree(tmp_path, {"not_installed": BROKEN["not_installed"][0]})
    program = run(tree, "scenarios/not_installed.py")
    assert program.process.returncode == 77
    assert one_line(program.stderr)
    assert "requirements.txt does not name it; add its package there" in program.stderr


def test_a_scenario_alone_shows_the_log_of_its_server(tmp_path):
    tree = copy_tree(tmp_path, {"exits": BROKEN["exits"][0]})
    program = run(tree, "scenarios/exits.py")
    assert program.process.returncode == 1
    assert "exits ended with exit code 1 while it was needed\n    the disk is full" in program.stderr


def test_a_server_whose_first_process_is_gone(tmp_path):
    """Its child answers on, so nothing but its process id says so."""
    gone = changed(
        ("    asked += 1\n", "    asked += 1\n    if asked == 11:\n        os.kill(os.getppid(), 9)\n"),
        (
            'SERVER = "uvicorn {app} --host {host} --port {port} --lifespan off --no-access-log --log-level warning"',
            'SERVER = """{python} -c \'import os, signal, uvicorn; signal.signal(15, 1); '
            'uvicorn.Server.capture_signals = lambda self: open("/dev/null"); os.fork() and os.wait(); '
            'uvicorn.run("{app}", host="{host}", port={port}, lifespan="off", log_level="warning")\'"""',
        ),
    )
    tree = copy_tree(tmp_path, {"gone": gone, "z_good": OF_ANOTHER_STUDY})
    program = suite(tree)
    assert program.process.returncode == 1
    assert "Traceback" not in program.stderr
    assert records(tree)["gone"]["status"] == "failed"
    assert records(tree)["z_good"]["status"] == "ok"


@pytest.mark.parametrize("early", [False, True], ids=["under load", "before the first request"])
def test_a_service_that_dies_ends_the_load(tmp_path, early):
    needy = changed(('STUDY = "tests"', 'STUDY = "tests"\nNEEDS = ["slow_api"]'), ("-n 20 -c 2", "-c 2 -t 10"))
    tree = copy_tree(tmp_path, {"a_needy": needy, "z_good": OF_ANOTHER_STUDY})
    with Program(tree, "-m", "common.suite", "-k") as program:
        generator = program.wait_for("common.loadgen", "-t 10.0")
        while not early and not generator.net_connections():
            time.sleep(0.02)
        program.wait_for("common.serving.slow_api").kill()
        assert program.finish() == 1
        assert program.left_over() == []
    saved = records(tree)
    assert "slow_api ended with exit code 137" in saved["a_needy"]["reason"]
    assert early or len(saved["a_needy"]["loads"]) == 1
    assert all(load["sent"]["stopped"] == "cancelled" for load in saved["a_needy"]["loads"])  # at once, not when its time was up
    assert saved["z_good"]["status"] == "ok"


@pytest.mark.parametrize("arguments", [["-m", "common.suite"], ["scenarios/tiny.py"], ["scenarios/tiny.py", "--serve"]])
def test_results_that_cannot_be_written_are_one_line(tmp_path, arguments):
    tree = copy_tree(tmp_path, {"tiny": TINY})
    if os.geteuid() == 0:
        (tree / "results").write_text("root may write to any directory, but not to one that is a file")
    else:
        (tree / "results").mkdir(mode=0o500)
    program = run(tree, *arguments)
    assert program.process.returncode == 1
    assert one_line(program.stderr), program.stderr
    assert "results/" in program.stderr


def test_what_cannot_be_saved_is_printed_all_the_same(tmp_path):
    """The directory of the results goes while the load is sent, and a file stands in its place."""
    goes = "    if asked == 25:\n        shutil.rmtree(folder)\n        folder.write_text('')\n"
    vandal = changed(
        ("import os", "import os\nimport shutil\nfrom pathlib import Path"),
        ("asked += 1", "asked += 1\n    [folder] = Path('results').iterdir()\n" + goes),
    )
    program = run(copy_tree(tmp_path, {"vandal": vandal}, page=True), "-m", "common.suite", "-v")
    assert program.process.returncode == 1
    assert "Complete requests:      20" in program.stdout
    assert "\nGET /, 20 requests" in program.stdout
    assert one_line(program.stderr)
    assert "failed: vandal: cannot save" in program.stderr


def test_list_names_the_others_beside_a_broken_one(tmp_path):
    tree = copy_tree(tmp_path, {"a_broken": "def broken(:\n", "tiny": TINY})
    program = suite(tree, "--list")
    assert program.process.returncode == 1
    assert program.stdout.split() == ["tiny", "tests", "Is", "it", "answered?"]
    assert one_line(program.stderr)
    assert "scenarios/a_broken.py:1:" in program.stderr


def test_copies_of_one_name_keep_records_of_their_own(tmp_path):
    tree = copy_tree(tmp_path, {"tiny": TINY, "mine/tiny": TINY})
    program = suite(tree)
    assert program.process.returncode == 0, program.stderr
    assert set(records(tree)) == {"tiny", "mine/tiny"}


# What the reader sees at the end


def test_a_load_that_its_time_cuts_off_is_said(tmp_path):
    slow = changed(("    asked += 1\n", "    asked += 1\n    await asyncio.sleep(0.2)\n"), ("-n 20 -c 2", "-n 500 -c 2 -t 1"))
    tree = copy_tree(tmp_path, {"slow": slow})
    program = run(tree, "-m", "common.suite")
    assert program.process.returncode == 0, program.stderr
    assert "500 requests, 2 at a time, at most 1 s" in program.stdout
    [load] = records(tree)["slow"]["loads"]
    assert load["sent"]["stopped"] == "cut off"
    assert load["size"] == "declared"


def test_full_sends_the_published_loads_in_place_of_the_default_ones(tmp_path):
    """Where a scenario has some; the control is sent the first of them too."""
    full = 'LOAD_FULL = ["-n 30 -c 3 --expect ok /full/", "-n 40 -c 3 --expect ok /full/"]'
    both = changed(('-n 20 -c 2 --expect ok /"]', f'-n 20 -c 2 --expect ok /"]\n{full}'))
    tree = copy_tree(tmp_path, {"both": both, "other": both})
    with project_in(tree):
        scenarios = [scenario.read(path) for path in scenario.files()]
    turns = plan_turns(scenarios, 1, 0, {"tests": []})
    assert [[load.line[:10] for load in plan_loads(turn.scenario, RunOptions())] for turn in turns] == [["-n 20 -c 2"]] * 3
    program = run(tree, "-m", "common.suite", "--full")
    assert program.process.returncode == 0, program.stderr
    sent = {(one.scenario, one.control): [load.line[:10] for load in one.loads] for one in files.read_directory(tree / "results")}
    published = ["-n 30 -c 3", "-n 40 -c 3"]
    assert sent == {("both", False): published, ("other", False): published, ("both", True): published[:1]}


def one_second(name: str, per_second: int, busiest: float = 0.2, study: str = "tests", line: str = "-n 9 /", **more) -> ScenarioRun:
    """A run of one second in which so many were answered, evenly, each in a tenth of the time that it had for itself."""
    ends = [(place + 1) / per_second for place in range(per_second)]
    rows = [(end - 0.1 / per_second,) * 3 + (end, end, "ok", 0, 0, 0) for end in ends]
    sent = make_sent(make_requests(rows), line, client=make_client(busiest=busiest, lag_ms=0))
    return make_run(name, make_measured(sent, **{"cost": None, **more}), study=study)


def printed(*runs: ScenarioRun) -> list[str]:
    console = Console(file=io.StringIO(), width=140)
    for comparison in compare_loads(runs):
        console.print(draw_comparison(comparison, 140))
    return console.file.getvalue().splitlines()


def below_heads(lines: list[str]) -> list[str]:
    """Of one table: its rows, and what is to be doubted."""
    [heads] = [number for number, line in enumerate(lines) if line.startswith("scenario ")]
    return [line for line in lines[heads + 1 :] if line.strip()]


def test_the_best_comes_first():
    lines = printed(one_second("middling", 20), one_second("worst", 10), one_second("best", 100))
    assert [line.split()[0] for line in lines if line.strip()] == ["tests", "scenario", "best", "middling", "worst"]
    assert [line.split()[1] for line in below_heads(lines)] == ["100", "20.0", "10.0"]


def test_what_shows_the_client_has_no_rank():
    lines = printed(one_second("honest", 20), one_second("bound", 100, busiest=0.95), one_second("other", 50))
    assert [line.split()[0] for line in below_heads(lines)] == ["other", "honest", "bound:"]
    assert lines[-2].strip() == "bound: client-bound, at least 100 req/s"


def test_other_studies_and_loads_have_tables_of_their_own():
    lines = printed(
        one_second("one", 50), one_second("two", 60, study="other"), one_second("three", 70, line="-n 8 /"), one_second("four", 80)
    )
    rows = ("tests ·", "other ·", "one  ", "two  ", "three  ", "four  ")
    assert [line.split()[0] for line in lines if line.startswith(rows)] == [
        *("tests", "four", "one"),
        *("tests", "three"),
        *("other", "two"),
    ]


def test_the_tail_of_the_tests_is_that_of_the_scenarios(project):
    """So that what is tested here is what they do."""
    last = "\n".join((project / "scenarios" / "uvicorn_asgi.py").read_text().splitlines()[-5:])
    assert last.split("sys.path", 1)[1].strip() == TAIL.split("sys.path", 1)[1].strip()


def test_the_slow_api_is_there_for_who_needs_it(tmp_path):
    """Its address is in the environment of the server."""
    asks = changed(
        ('STUDY = "tests"', 'STUDY = "tests"\nNEEDS = ["slow_api"]'),
        ('"body": b"ok"', '"body": b"ok" if os.environ["SLOW_API_URL"].startswith("http://127.0.0.1:") else b"no"'),
    )
    asks = changed(('[(b"content-length", b"2")]', "[]"), source=asks)
    tree = copy_tree(tmp_path, {"asks": asks})
    assert suite(tree).process.returncode == 0
    assert records(tree)["asks"]["loads"][0]["sent"]["outcomes"] == {"ok": 20}
