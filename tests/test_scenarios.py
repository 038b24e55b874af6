"""Does every scenario keep the rules that make it readable, and does it run?"""

import ast
import json
import secrets
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from common import load, scenario
from common.server import is_free
from tests.processes import Program, copy_tree, get, one_line, records, run

FILES = {path.stem: path for path in scenario.files()}
LONGEST = 70
FORBIDDEN_MODULES = ("argparse", "subprocess", "common")

every_scenario = pytest.mark.parametrize("name", FILES)


def above_the_tail(tree: ast.Module) -> ast.Module:
    return ast.Module(body=tree.body[:-1], type_ignores=[])


def tail(tree: ast.Module) -> str:
    return ast.dump(tree.body[-1])


def faults(path: Path) -> list[str]:
    """The rules that a scenario breaks."""
    source = path.read_text()
    tree = ast.parse(source)
    declared = scenario.read(path)
    found = []
    if not declared.question.endswith("?"):
        found.append("asks nothing")
    if len(source.splitlines()) > LONGEST:
        found.append("too long")
    if path.stem in source:
        found.append("names itself")
    if not {"{host}", "{port}"} <= set(declared.server.replace(":", " ").split()):
        found.append("binds a fixed address")
    if not all(load.parse_line(line).expect for line in declared.load + declared.load_full):
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
        '"""Says bad_one."""\nimport argparse\nfrom common.bench import main\nprint(dict(DEBUG=True))\n'
        'STUDY = "x"\nPORTS = {"port": 1}\nSERVER = "uvicorn {app} --port 80"\nLOAD = ["-n 1 /"]\n' + "\n" * 70 + "main()\n"
    )
    assert set(faults(path)) == {
        *("asks nothing", "too long", "names itself", "binds a fixed address", "a load without --expect"),
        *("imports argparse", "imports common.bench", "prints", "sets DEBUG"),
    }


def test_all_end_alike():
    assert len({tail(ast.parse(path.read_text())) for path in FILES.values()}) == 1


def test_functions_of_a_study_are_equal():
    """Of the same name and kind: what differs on purpose has another name."""
    variants: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, path in FILES.items():
        study = scenario.read(path).study
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                variants.setdefault((study, type(node).__name__, node.name), {})[ast.dump(node)] = name
    differing = {key: sorted(found.values()) for key, found in variants.items() if len(found) > 1}
    assert variants
    assert differing == {}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The project, with a copy of a scenario under a new name and one in a new subfolder, both unedited."""
    tree = copy_tree(tmp_path_factory.mktemp("project"))
    (tree / "scenarios" / "mine").mkdir()
    for copy in ("copy", "mine/copy"):
        (tree / "scenarios" / f"{copy}_{secrets.token_hex(3)}.py").write_text(FILES["uvicorn_asgi"].read_text())
    return tree


@pytest.fixture(scope="module")
def finished(tree):
    """All of them run at the same time, each by `python scenarios/NAME.py`: they mostly wait."""
    programs = {}
    with ExitStack() as stack:
        for path in sorted((tree / "scenarios").rglob("*.py")):
            name = str(path.relative_to(tree / "scenarios").with_suffix(""))
            programs[name] = stack.enter_context(Program(tree.parent, str(path), "-n", "6", "-c", "3"))
        for program in programs.values():
            program.finish()
            assert program.left_over() == []
    return programs


def check_run(program: Program, record: dict) -> None:
    assert program.process.returncode == 0, program.stderr
    assert program.stderr == ""
    assert "Requests per second:" in program.stdout
    assert record["status"] == "ok"
    assert record["warm_up"]["outcomes"] == {"ok": 10}
    assert [entry["outcomes"] for entry in record["loads"]] == [{"ok": 6}]
    for entry in record["loads"]:
        assert len(entry["requests"]["outcome"]) == 6
        assert entry["server_cost"]["cpu_seconds"] > 0
        assert entry["server_cost"]["peak_memory_bytes"] > 10 * 2**20
        assert entry["server_cost"]["peak_threads"] >= 1
    assert record["environment"]["packages"]["django"]
    assert record["environment"]["python"]
    assert record["source"]
    assert "{" not in " ".join(record["command"])


@every_scenario
def test_runs(name, tree, finished):
    if finished[name].process.returncode == 77:
        pytest.skip(finished[name].stderr.strip())
    check_run(finished[name], records(tree)[name])


def test_copies_run_unedited(tree, finished):
    copies = [name for name in finished if "copy_" in name]
    assert len(copies) == 2
    for name in copies:
        check_run(finished[name], records(tree)[name])


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


def test_serves_by_hand(tree):
    with Program(tree, "scenarios/uvicorn_asgi.py", "--serve") as program:
        said = "".join(serving(program))
        assert "http://127.0.0.1:8005/" in said
        assert "http://127.0.0.1:5000/" in said
        status, page = get("http://127.0.0.1:8005/20/")
        assert status == 200
        assert "Country: " in page
        assert get("http://127.0.0.1:5000/0/")[0] == 200
        stop_by_hand(program, 8005, 5000)


def test_suite_serves_all_at_once(tree):
    """One slow API for all of them; uWSGI's figures on a port of their own."""
    with Program(tree, "-m", "common.suite", "--serve", *FILES) as program:
        said = "".join(serving(program))
        assert said.count("http://127.0.0.1:5000/") == 1
        apis = [process for process in program.running() if {"common.slow_api:application"} & set(process.cmdline())]
        assert len([process for process in apis if not any("guard.py" in word for word in process.cmdline())]) == 1
        ports, missing = [5000], []
        for path in FILES.values():
            declared = scenario.read(path)
            if f"http://127.0.0.1:{declared.ports['port']}/" not in said:
                missing.append(f"{declared.name} skipped: ")
                continue
            ports += declared.ports.values()
            assert "Country: " in get(f"http://127.0.0.1:{declared.ports['port']}/20/")[1]
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


def test_a_taken_port_is_named(tree):
    with socket.create_server(("127.0.0.1", 8005)):
        program = run(tree, "scenarios/uvicorn_asgi.py", "--serve")
    assert program.process.returncode == 1
    assert one_line(program.stderr)
    assert "8005" in program.stderr
