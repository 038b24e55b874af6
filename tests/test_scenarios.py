"""Does every scenario keep the rules that make it readable, and does it run?"""

import ast
import json
import re
import secrets
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.client.outcomes import OK
from common.running.rounds import plan_turns
from common.running.sizing import RunOptions, plan_loads
from common.serving import scenario
from common.serving.ports import is_free
from common.serving.shape import LOOP, UNKNOWN, shape_of
from studies import baselines_of
from tests.processes import Program, changed, copy_tree, get, one_line, records, run
from tests.tracked import tracked_scenarios

FILES = tracked_scenarios()
LONGEST, LONGEST_OF_A_STUDY = 70, 90  # the longer hold tables, and published loads beside the default ones
FORBIDDEN_MODULES = ("argparse", "subprocess", "common")

WITH_TABLES = [name for name, path in FILES.items() if scenario.read(path).tables is not None]
WITHOUT_LATENCY_TOO = "gunicorn_uvicorn_posts_unlimited"
POOLED = "gunicorn_uvicorn_posts_pool"
REQUESTS = 3
AT_ONCE = 4

NOT_INSTALLED_BY_US = ("mod_wsgi_threads_wait",)  # it is compiled with Apache's headers, and Apache does not serve as root

every_scenario = pytest.mark.parametrize("name", FILES)


def above_the_tail(tree: ast.Module) -> ast.Module:
    return ast.Module(body=tree.body[:-1], type_ignores=[])


def tail(tree: ast.Module) -> str:
    return ast.dump(tree.body[-1])


def name_of(node: ast.stmt) -> str:
    return node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ""


def faults(path: Path) -> list[str]:
    """The rules that a scenario breaks."""
    source = path.read_text()
    tree = ast.parse(source)
    declared = scenario.read(path)
    found = []
    if not declared.question.endswith("?"):
        found.append("asks nothing")
    if len(source.splitlines()) > (LONGEST_OF_A_STUDY if declared.tables else LONGEST):
        found.append("too long")
    if re.search(rf"\b{path.stem}\b", "\n".join(ast.unparse(node) for node in tree.body[1:] if name_of(node) != "STUDY")):
        found.append("names itself")
    declares = [name for name in scenario.assignments(tree) if name in scenario.KINDS]
    if declares != sorted(declares, key=list(scenario.KINDS).index):
        found.append("declares in another order")
    bound = {"{host}", "{port}"} if declared.nginx is None else {"{socket}"}
    if not bound <= set(re.findall(r"{\w+}", declared.server)) or (declared.nginx is not None and "{socket}" not in declared.nginx):
        found.append("binds a fixed address")
    if not all(load.expect for load in declared.loads + declared.loads_full):
        found.append("a load without --expect")
    for node in ast.walk(above_the_tail(tree)):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=module):
                modules = [module or ""]
            case _:
                modules = []
        found += [f"imports {module}" for module in modules if module.partition(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.append("prints")
        if isinstance(node, ast.keyword) and node.arg == "DEBUG":
            found.append("sets DEBUG")
    return found


@every_scenario
def test_keeps_the_rules(name):
    assert faults(FILES[name]) == []


def test_broken_rules_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(scenario, "ROOT", tmp_path)
    path = tmp_path / "bad_one.py"
    path.write_text(
        '"""Says much."""\nimport argparse\nfrom common.bench import main\nprint(dict(DEBUG=True))\n'
        'PORTS = {"port": 1}\nSTUDY = "x"\nROOT_URLCONF = "scenarios.bad_one"\nSERVER = "uvicorn {app} --port 80"\nLOAD = ["-n 1 /"]\n'
        + "\n" * 70
        + "main()\n"
    )
    assert set(faults(path)) == {
        *("asks nothing", "too long", "names itself", "binds a fixed address", "a load without --expect"),
        *("imports argparse", "imports common.bench", "prints", "sets DEBUG", "declares in another order"),
    }


def test_all_end_alike():
    assert len({tail(ast.parse(path.read_text())) for path in FILES.values()}) == 1


def test_each_has_ports_of_its_own():
    """--serve serves them all at once."""
    ports = [port for path in FILES.values() for port in scenario.read(path).ports.values()]
    assert sorted(ports) == sorted(set(ports))


def test_functions_of_a_study_are_equal():
    """Of the same name and kind, unless DIFFERS_FROM ties each variant to the others: then that is what differs."""
    functions: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, path in FILES.items():
        study = scenario.read(path).study
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.setdefault((study, type(node).__name__, node.name), {})[name] = ast.dump(node)
    differs_from = {name: set(scenario.read(path).differs_from) for name, path in FILES.items()}
    assert functions
    assert {key: untied(codes, differs_from) for key, codes in functions.items() if untied(codes, differs_from)} == {}


SERVED_ALIKE = [name for name, path in FILES.items() if scenario.read(path).study == "wait"]
COMPUTE_TOO = ("gunicorn_sync_wait", "uvicorn_asgi_wait")  # are sent the second load in small: the others' view and route are the same
BY_DEFAULT = {"waitress_default_wait": 4, "gunicorn_sync_wait": 1}  # what sets them apart is how many they hold
WITH_ITS_OWN_BACKLOG = "daphne_default_wait"


def test_the_servers_are_compared_on_the_same_views_routes_and_loads():
    """More strictly than above: no DIFFERS_FROM may excuse another view."""
    views = {(type(node).__name__, ast.dump(node)) for name in SERVED_ALIKE for node in functions_of(FILES[name])}
    assert sorted(kind for kind, _ in views) == ["AsyncFunctionDef"] * 2 + ["FunctionDef"] * 2
    declared = [scenario.read(FILES[name]) for name in SERVED_ALIKE]
    assert len({(tuple(one.load), tuple((one.least_seconds or {}).items()), one.warm_up) for one in declared}) == 1
    routes = [scenario.assignments(ast.parse(FILES[name].read_text()))["urlpatterns"] for name in SERVED_ALIKE]
    assert len({ast.dump(node) for node in routes}) == 1


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_the_servers_have_equal_caps_and_backlogs():
    for name in SERVED_ALIKE:
        server = scenario.read(FILES[name]).server
        shape = shape_of(server)
        assert shape.processes == 1, name
        if shape.kind not in (LOOP, UNKNOWN):
            assert shape.threads == BY_DEFAULT.get(name, 100), name
        assert ("{backlog}" in server) == (name != WITH_ITS_OWN_BACKLOG), name


def untied(codes: dict[str, str], differs_from: dict[str, set[str]]) -> list[str]:
    """The scenarios whose code is another than the first one's, with no DIFFERS_FROM that leads from one to the other."""
    first, *_ = codes
    tied = {codes[first]}
    while (
        more := {
            codes[one]
            for name in codes
            for base in differs_from[name] & set(codes)
            for one in (name, base)
            if tied & {codes[name], codes[base]}
        }
        - tied
    ):
        tied |= more
    return sorted(name for name, code in codes.items() if code not in tied)


def test_a_function_may_differ_only_where_it_is_said():
    assert untied({"a": "1", "b": "1"}, {"a": set(), "b": set()}) == []
    assert untied({"a": "1", "b": "2"}, {"a": set(), "b": set()}) == ["b"]
    assert untied({"a": "1", "b": "2"}, {"a": set(), "b": {"a"}}) == []
    assert untied({"a": "1", "b": "2", "c": "2"}, {"a": set(), "b": {"a"}, "c": set()}) == []
    assert untied({"a": "1", "b": "2", "c": "3"}, {"a": set(), "b": {"a"}, "c": {"elsewhere"}}) == ["c"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A scenario whose study publishes what is given."""
    monkeypatch.setattr(scenario, "ROOT", tmp_path)
    monkeypatch.setattr(scenario, "FOLDER", tmp_path / "scenarios")
    monkeypatch.setattr(scenario, "STUDIES", tmp_path / "studies")
    path = tmp_path / "scenarios" / "one.py"
    for folder in (path.parent, tmp_path / "studies"):
        folder.mkdir()
    path.write_text('STUDY = "my-own"\nSERVER = "s"\nLOAD = ["-n 1 /"]\nLATENCIES_MS = [0, 100]\n')

    def publishes(source: str) -> scenario.Scenario:
        (tmp_path / "studies" / "my_own.py").write_text(source)
        return scenario.read(path)

    return publishes


def test_what_was_published_is_read_from_the_study(study):
    rows = [{"path": "/", "requests/s": [1.5, 2], "mean ms": 3}]
    assert study(f"BASELINES = ('one',)\nPUBLISHED = {{'one': {rows}, 'two': [{{'path': '/', 'seconds': [1]}}]}}\n").published == rows
    assert study("PUBLISHED = {'two': [{'path': '/'}]}\n").published == study("\n").published == []
    assert study("\n").ports == {"port": 8000}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("\nPUBLISHED = {'one': rows}\n", "my_own.py:2: PUBLISHED must be written out, not computed"),
        ("PUBLISHED = [{'path': '/'}]\n", "my_own.py:1: PUBLISHED must be a dict that maps names of scenarios to lists of dicts"),
        ("PUBLISHED = {'one': []}\n", "my_own.py:1: PUBLISHED must be a dict"),
        ("PUBLISHED = {'one': [{'seconds': [1]}]}\n", "my_own.py:1: PUBLISHED must have 2 figures in each list of one"),
        ("PUBLISHED = {\n", "my_own.py:1: '{' was never closed"),
    ],
)
def test_what_is_published_wrongly_is_named_with_its_line(study, source, said):
    with pytest.raises(scenario.ScenarioError, match=re.escape(said)):
        study(source)


def in_small(name: str, source: str) -> str:
    """A thousand posts, small sums and loads, and of the added latencies those that matter here."""
    source = source.replace("1000000) AS n", "1000) AS n").replace('count\\": 1000000', 'count\\": 1000')
    source = source.replace("10**7", "10**5").replace("333333283333335000000", "333328333350000")
    if name in SERVED_ALIKE and name not in COMPUTE_TOO:
        source = changed((', "-n 4000 -c 10 -t 5 --expect 333283335000 /compute/"', ""), source=source)
    source = re.sub(r"-n 4000 -c 10?0 -t 5|-n 800 -c 8 -t 8", f"-n {REQUESTS} -c {REQUESTS}", source)
    source = re.sub(r"-c 1?\d?\d -t \d+ (?=-s 60|-s 400|-k --expect counted)", f"-n {REQUESTS} -c {REQUESTS} ", source)
    source = re.sub(r"-n \d+ -c \d+", f"-n {REQUESTS} -c {REQUESTS}", source)
    if "/cpu/" in source:  # its other loads are twice as many requests, so that some go over a connection that has carried one
        twice = f"-n {2 * REQUESTS} -c {REQUESTS}"
        for declared, small in (("-c 1 -t 8", f"-n {REQUESTS} -c 1"), ("-c 12 -t 10", twice), ("-c 150 -t 8", twice)):
            assert any(declared in path.read_text() for path in FILES.values()), declared
            source = source.replace(declared, small)
    both = name == WITHOUT_LATENCY_TOO
    return re.sub(r"^LATENCIES_MS = \[(0, )?200\]", f"LATENCIES_MS = {[0, 100] if both else [100]}", source, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The project, with a copy of a scenario under a new name and one in a new subfolder, both unedited."""
    sources = {name: in_small(name, path.read_text()) for name, path in FILES.items()}
    tree = copy_tree(tmp_path_factory.mktemp("project"), sources, page=True)
    (tree / "scenarios" / "mine").mkdir()
    for copy in ("copy", "mine/copy"):
        (tree / "scenarios" / f"{copy}_{secrets.token_hex(3)}.py").write_text(FILES["uvicorn_asgi"].read_text())
    return tree


@pytest.fixture(scope="module")
def finished(tree):
    """A few at the same time, as they mostly wait: each by `python scenarios/NAME.py`, but those
    with tables one after the other by the suite, which makes the tables of a study once."""
    plan = [(names, [tree, "-m", "common.suite", "-v", *names]) for names in studies(WITH_TABLES)]
    for path in sorted((tree / "scenarios").rglob("*.py")):
        name = str(path.relative_to(tree / "scenarios").with_suffix(""))
        if name not in WITH_TABLES:
            plan.append(([name], [tree.parent, str(path), "-n", str(REQUESTS), "-c", "3"]))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        programs = pool.map(lambda turn: run_to_its_end(*turn[1]), plan)
        return {name: program for (names, _), program in zip(plan, programs, strict=True) for name in names}


@pytest.fixture(scope="module")
def saved(tree, finished):
    return records(tree)


def run_to_its_end(tree: Path, *arguments: str) -> Program:
    with Program(tree, *arguments) as program:
        program.finish(240)
        assert program.left_over() == []
    return program


def studies(names: list[str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(scenario.read(FILES[name]).study, []).append(name)
    return list(found.values())


def check_run(program: Program, record: dict) -> None:
    assert program.process.returncode == 0, program.stderr
    assert "Traceback" not in program.stderr
    assert "Requests per second:" in program.stdout
    assert record["status"] == "ok"
    assert record["environment"]["packages"]["django"]
    assert record["environment"]["python"]
    assert record["source"]
    for entry in record["loads"]:
        assert entry["fault"] == ""
        assert entry["cost"]["cpu_seconds"] >= 0
        assert entry["cost"]["peak_memory_bytes"] > 10 * 2**20
        assert entry["cost"]["peak_threads"] >= 1
        assert "{" not in " ".join(entry["command"])
        assert set(entry["warm_up"]["outcomes"]) == {"ok"}


def check_sizes(record: dict, loads: int, warm_up: int) -> None:
    assert [entry["warm_up"]["outcomes"] for entry in record["loads"]] == [{"ok": warm_up}] * loads
    assert [entry["sent"]["outcomes"] for entry in record["loads"]] == [{"ok": REQUESTS}] * loads
    assert all(len(entry["sent"]["requests"]["outcome"]) == REQUESTS for entry in record["loads"])


@every_scenario
def test_runs(name, tree, finished, saved):
    record = saved[name]
    if name in NOT_INSTALLED_BY_US and record["status"] == "skipped":
        assert finished[name].process.returncode == 77
        assert "is not installed" in record["reason"]
        return
    check_run(finished[name], record)
    declared = scenario.read(FILES[name])
    path = tree / "scenarios" / f"{name}.py"
    small = scenario.constants(path, ast.parse(path.read_text()))
    published_lines = small.get("LOAD_FULL", small["LOAD"])
    if name not in WITH_TABLES:
        check_sizes(record, len(small["LOAD"]), declared.warm_up)
    for entry in record["loads"]:
        assert entry["sent"]["outcomes"] == {"ok": entry["sent"]["load"]["requests"]}
        has_figures = any(row["path"] == entry["sent"]["path"] for row in declared.published)
        assert bool(entry["published"]) == (has_figures and entry["line"] in published_lines)
        assert set(entry["counted_in_log"]) == set(declared.count_in_log)
        assert entry["size"] == "declared"
        assert bool(entry["postgres"]) == (declared.tables is not None)
        if entry["published"]:
            assert "Published beside measured" in finished[name].stdout


A_START, MAKING_TABLES = 2.3, 15  # seconds, as they were seen
TAKES = {  # of loads that end when all is answered, as it was seen
    **{"gunicorn_sync_sleep": 20, "gunicorn_uvicorn_sleep": 2, "nginx_uwsgi_count": 11, "nginx_gunicorn_uvicorn_count": 9},
    **{name: 6 for name in ("gunicorn_gevent_urllib3", "gunicorn_gthread_urllib3", "uvicorn_asgi_aiohttp")},
    **{name: 7 for name in ("gunicorn_gthread_shared_tls", "uvicorn_asgi_shared_tls")},
    **{name: 17 for name in ("gunicorn_gevent", "gunicorn_gthread", "uvicorn_asgi", "uwsgi_gevent", "uwsgi_100_threads")},
}
PUBLISHED_LOADS = {  # in our words; Locust keeps its connections
    "slow-api": {"--users 100 --spawn-rate 10 -t 30 -k"},
    "posts": {"--users 500 --spawn-rate 5 -t 180 -k"},
    "sleep": {"-n 10 -c 10 -k", "-c 10 -t 2 -k"},  # how long it computed is not published
    "count": {"-n 300 -c 300"},
}


def test_the_published_loads_are_sent_as_published_and_the_default_ones_are_short():
    for path in FILES.values():
        declared = scenario.read(path)
        sent = plan_loads(declared, RunOptions(full=True))
        if declared.study in PUBLISHED_LOADS:
            assert {load.line.partition(" -s ")[0].partition(" --expect")[0] for load in sent} <= PUBLISHED_LOADS[declared.study]
        assert all(load.is_published for load in sent)
        assert len(sent) == len({(load.line, load.latency_ms) for load in sent})
        for load in plan_loads(declared, RunOptions()):
            assert load.load == load.declared
            assert load.load.spawn_rate is None
            assert (load.load.seconds or 0) <= 20


def test_the_published_studies_end_within_ten_minutes_if_each_load_takes_what_it_was_seen_to_take():
    """By the plan of a default run: every load, the starts, the controls, and a million rows made three times."""
    declared = [one for one in map(scenario.read, FILES.values()) if one.study in PUBLISHED_LOADS]
    turns = plan_turns(declared, 1, 0, {study: baselines_of(study) for study in {one.study for one in declared}})
    loads = [(turn.scenario.name, load.load) for turn in turns for load in plan_loads(turn.scenario, RunOptions())]
    seconds = sum(TAKES[name] if load.requests and name in TAKES else load.seconds or 0 for name, load in loads)
    assert seconds + A_START * len(loads) + MAKING_TABLES <= 600


def test_every_right_answer_is_demanded():
    """What the loads of the published studies expect is what their views compute, from a million rows."""
    assert all("generate_series(1, 1000000)" in scenario.read(FILES[name]).tables for name in WITH_TABLES)
    assert expected("posts") == {"333333283333335000000", "Post abcdefghij", '"count": 1000000'}
    assert sum(i * i for i in range(10**7)) == 333333283333335000000
    assert expected("count") == {"999951"}
    assert expected("sleep") == {"slept", "counted"}


def expected(study: str) -> set[str | None]:
    declared = [scenario.read(path) for path in FILES.values()]
    return {load.expect for one in declared if one.study == study for load in one.loads}


def test_added_latency_delays_every_answer_and_every_query(saved):
    for name in WITH_TABLES:
        for entry in saved[name]["loads"]:
            rows = zip(*(entry["sent"]["requests"][column] for column in ("start", "end", "outcome")), strict=True)
            fastest_ms = min(end - start for start, end, outcome in rows if outcome == OK) / 1000
            delayed = 1 if entry["sent"]["path"] == "/cpu/" else 6  # the answer; TCP's handshake, two words of SCRAM's and the query
            if name == POOLED:
                delayed = 2  # the answer and the query
            assert fastest_ms >= entry["latency_ms"] * delayed, (name, entry["sent"]["path"])
            beside = set(entry["cpu_seconds_beside"])
            assert ("the relay to PostgreSQL" in beside) == ("the relay to the client" in beside) == (entry["latency_ms"] > 0)
            assert ("nginx" in beside) == (name.startswith("nginx"))


def test_threads_that_resume_are_counted(saved):
    """An async view under WSGI has a thread for each request, as has a sync view under ASGI."""
    for name, threads in (("gunicorn_sync_sleep", [0, REQUESTS, 1]), ("gunicorn_uvicorn_sleep", [0, 1, REQUESTS])):
        assert [entry["counted_in_log"]["threads that resumed"] for entry in saved[name]["loads"]] == threads


def test_the_suite_prints_what_was_claimed(finished):
    assert "posts · what was claimed" in finished[WITHOUT_LATENCY_TOO].stdout
    assert "count · what was claimed" in finished["nginx_uwsgi_count"].stdout


def test_copies_run_unedited(finished, saved):
    copies = [name for name in finished if "copy_" in name]
    assert len(copies) == 2
    for name in copies:
        check_run(finished[name], saved[name])
        check_sizes(saved[name], 1, 10)


def serving(program: Program) -> list[str]:
    """The lines that it prints once all is up."""
    lines = []
    while not lines or "Ctrl-C" not in lines[-1]:
        lines.append(program.process.stdout.readline())
        assert lines[-1], program.process.communicate()
    return lines


def stop_by_hand(program: Program, *ports: int) -> None:
    program.process.send_signal(signal.SIGINT)
    assert program.finish() == 130
    assert program.stderr.splitlines()[-1].endswith(": stopped")
    assert "Traceback" not in program.stderr
    assert program.left_over() == []
    assert all(is_free(port) for port in ports)


def test_serves_by_hand(tree, studies_ports):
    with Program(tree, "scenarios/uvicorn_asgi.py", "--serve") as program:
        said = "".join(serving(program))
        assert "http://127.0.0.1:8005/" in said
        assert "http://127.0.0.1:5000/" in said
        status, page = get("http://127.0.0.1:8005/20/")
        assert status == 200
        assert "Country: " in page
        assert get("http://127.0.0.1:5000/0/")[0] == 200
        stop_by_hand(program, 8005, 5000)


SERVED = ["gunicorn_gthread", "gunicorn_sync_posts", "gunicorn_uvicorn_sleep", "nginx_gunicorn_uvicorn_count", "uwsgi_2_threads"]


def test_suite_serves_many_at_once(tree, studies_ports):
    """One slow API and one PostgreSQL for all of them; uWSGI's figures on a port of their own."""
    with Program(tree, "-m", "common.suite", "--serve", *SERVED) as program:
        said = "".join(serving(program))
        assert said.count("http://127.0.0.1:5000/") == 1
        apis = [process for process in program.running() if {"common.serving.slow_api:application"} & set(process.cmdline())]
        assert len([process for process in apis if not any("guard.py" in word for word in process.cmdline())]) == 1
        ports, missing = [5000], []
        for path in (FILES[name] for name in SERVED):
            declared = scenario.read(path)
            if f"http://127.0.0.1:{declared.ports['port']}/" not in said:
                missing.append(f"{declared.name} skipped: ")
                continue
            ports += declared.ports.values()
            first = declared.loads[0]
            assert first.expect.replace("1000000", "1000") in get(f"http://127.0.0.1:{declared.ports['port']}{first.target}")[1]
            if "stats" in declared.ports:
                assert stats(declared.ports["stats"])["workers"]
        stop_by_hand(program, *ports)
    assert all(name in program.stderr for name in missing), program.stderr
    if missing:
        pytest.skip(program.stderr)


def stats(port: int) -> dict:
    """uWSGI writes its figures to whoever connects."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        return json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))


def test_a_taken_port_is_named(tree, studies_ports):
    with socket.create_server(("127.0.0.1", 8005)):
        program = run(tree, "scenarios/uvicorn_asgi.py", "--serve")
    assert program.process.returncode == 1
    assert one_line(program.stderr)
    assert "8005" in program.stderr
