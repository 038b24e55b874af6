"""Is a scenario of one's own true of itself: made by --new, copied by hand, or written step by step as docs/scenarios.md says?"""

import ast
import re
from dataclasses import replace
from itertools import permutations

import pytest

from common.results import files
from common.results.files import PLAN
from common.results.record import Plan
from common.series import baselines_among
from common.serving import scenario
from common.serving.choice import on_ports_of_their_own
from common.serving.copies import find_copy, is_declared, views_that_differ
from common.serving.places import ROOT
from common.serving.template import make_source
from studies import TEMPLATE, baselines_of
from tests.faults.attempt import project_in
from tests.processes import TAIL, TINY, changed, copy_tree, one_line, records, run
from tests.tracked import tracked_scenarios

FILES = tracked_scenarios()
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8"), re.DOTALL)
SMALL = ("-n", "6", "-c", "3")


def suite(tree, *arguments):
    return run(tree, "-m", "common.suite", *arguments)


@pytest.fixture
def project(tmp_path):
    """With the scenario that others are made from, and with one of a reader's own study."""
    own = changed(('STUDY = "tests"', 'STUDY = "shop"'))
    return copy_tree(tmp_path, {TEMPLATE: FILES[TEMPLATE].read_text(), "tiny": own})


# Made by --new


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_other_is_left(name):
    """But the site, the launch line and the loads, letter for letter."""
    like = scenario.read(FILES[name])
    source = make_source("mine", "mine", like)
    made, original = ast.parse(source), ast.parse(FILES[name].read_text())
    declared = scenario.constants(FILES[name], made)
    assert declared["STUDY"] == "mine"
    assert not {"DIFFERS_FROM", "LOAD_FULL", "LEAST_SECONDS"} & set(declared)
    assert ("PORTS" in declared) == (len(like.ports) > 1)
    assert declared["SERVER"] == like.server
    assert "--expect '" in source.partition("LOAD = ")[0]
    assert "--expect" not in " ".join(declared["LOAD"])
    assert [line.split()[-1] for line in declared["LOAD"]] == [line.split()[-1] for line in like.load]
    assert ast.get_docstring(made).startswith(f"How fast is mine?\n\nMade from {name}: ")
    site = [ast.dump(node) for node in original.body[1:] if node not in scenario.assignments(original).values()]
    assert site == [ast.dump(node) for node in made.body[1:] if node not in scenario.assignments(made).values()]
    kept = {name for name in scenario.assignments(original) if name not in scenario.KINDS}
    assert all(f"\n{ast.get_source_segment(FILES[name].read_text(), scenario.assignments(original)[one])}" in source for one in kept)


def test_a_new_scenario_is_written_and_runs(project):
    made = suite(project, "--new", "mine")
    assert made.process.returncode == 0, made.stderr
    assert made.stdout.startswith(f"scenarios/mine.py: the site, the launch line and the loads of {TEMPLATE}, in study mine.\n")
    commands = [line.strip() for line in made.stdout.splitlines() if line.startswith("    ")]
    assert commands == ["./run_all.sh mine", "./run_all.sh --new mine_2 --like mine"]
    assert not (project / "results").exists()
    program = suite(project, "mine", *SMALL)
    assert program.process.returncode == 0, program.stderr
    assert program.stderr == ""
    assert [load["sent"]["outcomes"] for load in records(project)["mine"]["loads"]] == [{"ok": 6}] * 2


def test_a_variant_of_ones_own_stays_in_its_study(project):
    made = suite(project, "--new", "here/tiny_2.py", "--like", "scenarios/tiny.py")
    assert made.process.returncode == 0, made.stderr
    assert "DIFFERS_FROM" in made.stdout
    assert "./run_all.sh tiny here/tiny_2 --rounds 10" in made.stdout
    source = (project / "scenarios" / "here" / "tiny_2.py").read_text()
    assert source.startswith('"""How fast is tiny_2?\n\nMade from tiny: ')
    assert source.count('STUDY = "shop"') == source.count("--expect ok") == 1  # the same load: else they could not be compared
    assert "PORTS" not in source
    assert source.endswith(TAIL)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--new", "tiny"], "scenarios/tiny.py already exists"),
        (["--new", "my-view"], "'my-view' cannot name a Python module"),
        (["--new", "class"], "'class' cannot name a Python module"),
        (["--new", "../mine"], "'..' cannot name a Python module"),
        (["--new", "django"], "Python already has a module 'django'"),
        (["--new", "json/mine"], "Python already has a module 'json'"),
        (["--new", "sleep"], "studies/sleep.py belongs to a different study"),
        (["--new", "mine", "--like", "tinny"], "did you mean tiny"),
        (["--new", "mine", "--like", "*"], "matches 2 scenarios; name one"),
        (["--like", "tiny"], "--new NAME writes a scenario"),
        (["--new", "mine", "tiny"], "combine it with --like only"),
        (["--new", "mine", "--rounds", "3"], "combine it with --like only"),
        (["--resume", "results/x", "--baseline", "tiny"], "--resume reuses"),
        (["--baseline", "tinny"], "did you mean tiny"),
        (["tiny", "--baseline", TEMPLATE], "is not among the scenarios of this run"),
    ],
)
def test_what_cannot_be_is_one_line(project, arguments, said):
    before = sorted((project / "scenarios").rglob("*"))
    program = suite(project, *arguments)
    assert program.process.returncode == 2
    assert one_line(program.stderr), program.stderr
    assert said in program.stderr
    assert sorted((project / "scenarios").rglob("*")) == before
    assert not (project / "results").exists()


def test_those_that_name_no_port_have_one_of_their_own_when_all_are_served():
    named, like = scenario.read(FILES["uwsgi_2_threads"]), scenario.read(FILES[TEMPLATE])
    assert named.ports["port"] == scenario.DEFAULT_PORTS["port"]
    none = [replace(like, ports=dict(scenario.DEFAULT_PORTS))] * 2
    assert [one.ports["port"] for one in on_ports_of_their_own([*none, named])] == [8001, 8002, 8000]
    assert on_ports_of_their_own(none[:1]) == none[:1]


# Copied by hand


def test_no_scenario_of_the_project_is_taken_for_a_copy():
    """Whichever of two was changed last."""
    declared = [scenario.read(path) for path in FILES.values()]
    alike = [(one, other) for one, other in permutations(declared, 2) if (one.study, one.server) == (other.study, other.server)]
    assert len(alike) > 10
    assert [(one.name, other.name) for one, other in alike if views_that_differ(one, other) and not is_declared(one, other)] == []


OTHER_VIEW = ('b"ok"}', 'b"ok" * 1}')


@pytest.mark.parametrize(
    ("copy", "noticed"),
    [
        (TINY, False),
        (changed(OTHER_VIEW), True),
        (changed(OTHER_VIEW, ('STUDY = "tests"', 'STUDY = "other"')), False),
        (changed(OTHER_VIEW, ('STUDY = "tests"', 'STUDY = "tests"\nDIFFERS_FROM = {"tiny": "the view"}')), False),
        (changed(OTHER_VIEW, ("--log-level warning", "--log-level error")), False),
    ],
    ids=["unchanged", "another view", "another study", "it says so", "another server"],
)
def test_a_copy_whose_view_is_another_is_noticed(tmp_path, copy, noticed):
    tree = copy_tree(tmp_path, {"tiny": TINY, "mine": copy})
    with project_in(tree):
        assert (find_copy(scenario.read(tree / "scenarios" / "mine.py")) is not None) == noticed


@pytest.mark.parametrize("view", [(), (OTHER_VIEW,)], ids=["unchanged", "another view"])
def test_what_is_noticed_of_a_copy_is_said_when_it_runs(tmp_path, view):
    program = run(copy_tree(tmp_path, {"tiny": TINY, "mine": changed(*view)}), "scenarios/mine.py")
    assert program.process.returncode == 0, program.stderr
    lines = [line for line in program.stderr.splitlines() if "still takes part" in line]
    assert len(lines) == len(view)
    if view:
        assert lines[0].startswith("mine: application is not that of tiny, but it still takes part in study tests, where a right answer")
        assert "holds 'ok'" in lines[0]


def test_a_copy_of_a_variant_is_noticed(tmp_path):
    """It has its model's DIFFERS_FROM, word for word; two variants have words of their own."""
    variant = ('STUDY = "tests"', 'STUDY = "tests"\nDIFFERS_FROM = {"tiny": "the one"}')
    sibling = ('STUDY = "tests"', 'STUDY = "tests"\nDIFFERS_FROM = {"tiny": "another"}')
    scenarios = {"tiny": TINY, "variant": changed(variant, OTHER_VIEW), "sibling": changed(sibling, ('b"ok"}', 'bytes(b"ok")}'))}
    tree = copy_tree(tmp_path, {**scenarios, "mine": changed(variant, ('b"ok"}', 'b"o" + b"k"}'))})
    program = suite(tree, "-q")
    assert program.process.returncode == 0, program.stderr
    assert [line.split(", but")[0] for line in program.stderr.splitlines()] == ["mine: application is not that of variant"]


# The baseline of one's own study


def test_a_study_of_ones_own_has_the_baseline_that_is_asked_for(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY, "two": TINY})
    program = suite(tree, "two", "one", "--baseline", "one", "-n", "2", "-c", "1")
    assert program.process.returncode == 0, program.stderr
    saved = records(tree)
    assert [saved[name]["baselines"][0] for name in ("one", "two")] == ["one", "one"]
    [directory] = (tree / "results").iterdir()
    assert files.read(directory / PLAN, Plan).baseline == "one"
    for path in directory.glob("two.json.gz"):
        path.unlink()
    assert suite(tree, "--resume", str(directory)).process.returncode == 0
    assert records(tree)["two"]["baselines"][0] == "one"


def test_without_one_it_is_the_first_on_the_command_line():
    wait = scenario.read(FILES[TEMPLATE])
    one, two = (replace(wait, path=wait.path.with_name(f"{name}.py"), study="shop") for name in ("one", "two"))
    assert baselines_among([one, two], "shop", "") == ["one", "two"]
    assert baselines_among([two, one], "shop", "") == ["two", "one"]


def test_a_published_study_can_be_compared_with_another_baseline():
    declared = [scenario.read(path) for path in FILES.values()]
    assert baselines_among(declared, "slow-api", "") == baselines_of("slow-api")
    assert baselines_among(declared, "slow-api", "uvicorn_asgi") == ["uvicorn_asgi", *baselines_of("slow-api")]
    assert baselines_among(declared, "wait", "uvicorn_asgi") == baselines_of("wait")


# The walk in docs/scenarios.md


def put(source: str, block: str) -> str:
    """As the page says: what stands between imports and application is replaced; imports and constants go to theirs."""
    parts = [(node, ast.get_source_segment(block, node)) for node in ast.parse(block).body]
    constants = {name: block_of(node, block) for name, node in scenario.assignments(ast.parse(block)).items() if name in scenario.KINDS}
    imports = [text for node, text in parts if isinstance(node, ast.Import | ast.ImportFrom)]
    site = [node for node, _ in parts if not isinstance(node, ast.Import | ast.ImportFrom) and name_of(node) not in constants]
    for name, text in constants.items():
        source = declare(source, name, text)
    if not site:
        return source
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    last = max(node.end_lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    application = scenario.assignments(tree)["application"].lineno - 1
    first, end = min(node.lineno for node in site) - 1, max(node.end_lineno for node in site)
    body = "".join(block.splitlines(keepends=True)[first:end])
    return "".join([*lines[:last], *(f"{line}\n" for line in imports), "\n", body, "\n", *lines[application:]])


def name_of(node: ast.stmt) -> str:
    return node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ""


def block_of(node: ast.stmt, source: str) -> str:
    return "".join(source.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno])


def declare(source: str, name: str, text: str) -> str:
    """In place of the constant, or below STUDY."""
    declared, lines = scenario.assignments(ast.parse(source)), source.splitlines(keepends=True)
    node = declared.get(name, declared["STUDY"])
    return "".join([*lines[: node.lineno - 1 if name in declared else node.end_lineno], text, *lines[node.end_lineno :]])


def test_the_walk_through_ones_own_view(tmp_path):
    """Each step's block, in a scenario that was made by --new, answers as its --expect says."""
    tree = copy_tree(tmp_path, {TEMPLATE: FILES[TEMPLATE].read_text()})
    assert suite(tree, "--new", "mine").process.returncode == 0
    path = tree / "scenarios" / "mine.py"
    *steps, variant = BLOCKS
    for step in steps:
        path.write_text(put(path.read_text(), step))
        program = run(tree, "scenarios/mine.py", *SMALL)
        assert program.process.returncode == 0, f"{step}\n{program.stderr}"
        saved = records(tree)["mine"]
        assert [load["sent"]["outcomes"] for load in saved["loads"]] == [{"ok": 6}]
        assert "--expect" in saved["loads"][0]["line"]
    assert len(steps) == 5
    assert suite(tree, "--new", "mine_10_threads", "--like", "mine").process.returncode == 0
    second = tree / "scenarios" / "mine_10_threads.py"
    second.write_text(put(second.read_text(), variant))
    program = suite(tree, "mine", "mine_10_threads", *SMALL)
    assert program.process.returncode == 0, program.stderr
    saved = records(tree)
    assert saved["mine_10_threads"]["differs_from"] == {"mine": "10 threads, not 100"}
    assert saved["mine_10_threads"]["loads"][0]["identity"] == saved["mine"]["loads"][0]["identity"]
    assert "still takes part" not in program.stderr
