"""Pinning never decides: who gets which cores, and what a second process brings."""

import pytest

from common.results import files
from common.results.circumstances import Pinned
from common.results.record import ScenarioRun
from common.serving import cores
from common.serving.shape import MANY
from tests.processes import TINY, changed, copy_tree, run

NO_SIBLINGS: dict[int, str] = {}
HYPER = {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7", 4: "0,4", 5: "1,5", 6: "2,6", 7: "3,7"}


@pytest.mark.parametrize(
    ("available", "siblings", "workers", "server", "others"),
    [
        ([], NO_SIBLINGS, 1, None, None),
        ([0], NO_SIBLINGS, 2, None, None),
        ([0, 1], NO_SIBLINGS, 1, [0], [1]),
        ([0, 1], NO_SIBLINGS, 2, [0, 1], [0, 1]),  # shared
        ([2, 3, 5, 7, 9], NO_SIBLINGS, 1, [2, 3], [5, 7, 9]),
        ([2, 3, 5, 7, 9], NO_SIBLINGS, 3, [2, 3, 5], [7, 9]),
        ([0, 1, 2, 3], NO_SIBLINGS, 4, [0, 1, 2], [3]),  # one is left for all else
        ([0, 1, 2, 3], NO_SIBLINGS, MANY, [0, 1, 2], [3]),
        (list(range(8)), HYPER, 1, [0, 1, 4, 5], [2, 3, 6, 7]),  # whole cores
        (list(range(8)), HYPER, 3, [0, 1, 2, 4, 5, 6], [3, 7]),
        ([0, 4], HYPER, 1, [0], [4]),  # a single core: better than nothing
        ([0, 1, 4], HYPER, 1, [0, 4], [1]),
    ],
)
def test_cores_are_shared_out_whole(monkeypatch, tmp_path, available, siblings, workers, server, others):
    monkeypatch.setattr(cores, "AVAILABLE", available)
    monkeypatch.setattr(cores, "TOPOLOGY", tmp_path)
    for number, of_one_core in siblings.items():
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{of_one_core}\n")
    found = cores.share_out(workers)
    assert found == (None if server is None else Pinned(server, others, shared=server == others))


BUSY = changed(
    ("    asked += 1\n", "    asked += 1\n    sum(range(400_000))\n"),
    ("-n 20 -c 2", "-c 4 -t 1"),
    ("--lifespan", "--workers 2 --lifespan"),
)


def test_two_processes_have_the_cores_for_both(tmp_path):
    """Even on two cores: a server with one core could not show what its second process brings."""
    if len(cores.physical()) < 2:
        pytest.skip("a single core")
    tree = copy_tree(tmp_path, {"two": BUSY})
    program = run(tree, "scenarios/two.py")
    assert program.process.returncode == 0, program.stderr
    [path] = (tree / "results").rglob("two.json.gz")
    [load] = files.read(path, ScenarioRun).loads
    assert load.pinned == cores.share_out(2)
    assert load.cost.busiest_process_cpu_seconds < 0.95 * load.cost.cpu_seconds, "one of the two did all the work"


def test_all_of_a_study_run_on_the_same_cores(tmp_path):
    """By the most processes that one of them has."""
    if len(cores.physical()) < 2:
        pytest.skip("a single core")
    two = changed(("--lifespan", "--workers 2 --lifespan"))
    tree = copy_tree(tmp_path, {"one": TINY, "two": two})
    for arguments in (["scenarios/one.py"], ["-m", "common.suite"]):
        run(tree, *arguments)
    runs = [files.read(path, ScenarioRun) for path in (tree / "results").rglob("*.json.gz")]
    assert {one.scenario for one in runs} == {"one", "two"}
    assert all(load.pinned == cores.share_out(2) for one in runs for load in one.loads)
