"""What a figure depends on beside its scenario is recorded, or kept from the server."""

import json
import subprocess
import sys

import pytest

from common.running.machine import describe_machine
from common.serving import interpreter, limits
from common.serving.process import Process, surroundings

DROPPED = [
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG", "PYTHONMALLOC"),
    *("PYTHONTRACEMALLOC", "PYTHONPROFILEIMPORTTIME", "WEB_CONCURRENCY", "UVICORN_WORKERS"),
]
RECORDED = ["SSL_KEYLOGFILE", "PYTHONHASHSEED", "GEVENT_RESOLVER", "LD_PRELOAD", "MALLOC_ARENA_MAX"]


def test_variables_that_would_decide_figures_do_not_reach_a_server(monkeypatch, tmp_path):
    for name in DROPPED:
        monkeypatch.setenv(name, "1")
    assert not set(DROPPED) & set(surroundings())
    log = tmp_path / "log"
    with Process("python", [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"], log=log) as process:
        process.wait()
    assert not set(DROPPED) & set(json.loads(log.read_text().splitlines()[-1]))
    assert not set(DROPPED) & set(describe_machine().variables)


def test_variables_that_may_move_figures_are_recorded(monkeypatch):
    for name in RECORDED:
        monkeypatch.setenv(name, "" if name == "LD_PRELOAD" else "7")
    monkeypatch.setenv("HOMEPAGE", "x")
    found = describe_machine().variables
    assert set(RECORDED) <= set(found)
    assert found["MALLOC_ARENA_MAX"] == "7"
    assert "HOMEPAGE" not in found


def make_script(folder, name, head):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"{head}\nprint(1)\n")
    path.chmod(0o755)
    return path


def test_the_versions_are_those_that_the_server_imports(tmp_path):
    """Of an environment that has another Django, and no gunicorn."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "django-0.96.dist-info").mkdir()
    (packages / "django-0.96.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: Django\nVersion: 0.96\n")
    python = venv / "bin" / "python"
    for script in (
        make_script(venv / "bin", "gunicorn", f"#!{python}"),
        make_script(venv / "bin", "long", f"#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''"),
        python,
    ):
        for launch in (f"{script} {{app}} --workers 2", f"env A=1 {script} {{app}}", f"A=1 {script} {{app}}"):
            found = describe_machine(launch)
            assert found.packages == {"django": "0.96"}, launch
            assert found.python == describe_machine().python


def test_of_our_own_environment_the_versions_are_known():
    ours = describe_machine()
    assert ours.packages["django"]
    for launch in ("gunicorn {app}", "{python} -m uvicorn {app}", "no-such-program", "sh -c x", ""):
        assert interpreter.another_interpreter(launch) == ""
        assert describe_machine(launch) == ours


def test_an_interpreter_that_says_nothing_has_no_versions_of_ours(tmp_path):
    broken = make_script(tmp_path, "python", "#!/bin/sh\nexit 1")
    found = describe_machine(f"{broken} server.py")
    assert (str(broken) in found.python, found.packages) == (True, {})


@pytest.fixture
def cgroups(monkeypatch, tmp_path):
    """Made-up ones: of version 2, ours has a quota and so has the one above it; of version 1; none."""

    def make(ours: str, files: dict[str, str]) -> None:
        (tmp_path / "ours").write_text(ours)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(limits, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(limits, "OURS", tmp_path / "ours")
    for cached in (limits.folders, limits.limiting_folder):
        cached.cache_clear()
    yield make
    for cached in (limits.folders, limits.limiting_folder):
        cached.cache_clear()


V2 = {
    "cpu.max": "max 100000\n",
    "a/cpu.max": "250000 100000\n",
    "a/b/cpu.max": "150000 100000\n",
    "a/b/cpu.stat": "usage_usec 5\nnr_throttled 7\nthrottled_usec 1500000\n",
}
V1 = {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n", "cpu/cpu.stat": "nr_throttled 7\nthrottled_time 2000000000\n"}


@pytest.mark.parametrize(
    ("ours", "files", "quota", "throttled"),
    [
        ("0::/a/b\n", V2, 1.5, 1.5),
        ("0::/a\n", V2, 2.5, None),
        ("0::/\n", V2, None, None),
        ("0::/\n", {"cpu.max": "200000 100000\n", "cpu.stat": "throttled_usec 0\n"}, 2.0, 0.0),  # a container's own view
        ("2:cpuacct,cpu:/docker/1\n1:name=systemd:/\n", V1, 0.5, 2.0),
        ("2:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ("", {}, None, None),
    ],
)
def test_a_quota_is_seen_and_how_long_it_held_us_up(cgroups, ours, files, quota, throttled):
    cgroups(ours, files)
    assert limits.cpu_quota() == quota
    assert limits.throttled_seconds() == throttled
    assert describe_machine().limits.get("cpu_quota_percent") == (None if quota is None else quota * 100)
