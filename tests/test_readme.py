"""Every command of the README and of docs/, run as a newcomer would: in a fresh copy of the project, with a .venv of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, Program, running_with

SMALL = "-n 6 -c 3"
FIRST_RUN = '"$(ls -d results/* | head -n 1)"'
# Their words -> how they are run here: the same with a smaller load; or which file runs them.
COMMANDS = {
    "./run_all.sh": f"./run_all.sh {SMALL}",
    "./run_tests.sh": "./run_tests.sh --collect-only",
    "./run_all.sh gunicorn_gthread_wait uvicorn_asgi_wait": "test_scenarios.py",
    "./run_all.sh '*_wait'": "test_scenarios.py",
    ". .venv/bin/activate": None,  # before each of the others
    "python scenarios/uvicorn_asgi.py": "test_scenarios.py",
    "python scenarios/uvicorn_asgi.py -n 1000 -c 50 -k": "python scenarios/uvicorn_asgi.py -n 10 -c 5 -k",
    "python scenarios/uvicorn_asgi.py --serve": "until Ctrl-C",
    "./run_all.sh --list": "./run_all.sh --list",
    "./run_all.sh 'uwsgi_*' --full": f"./run_all.sh 'uwsgi_*' --full {SMALL}",
    "./run_all.sh 'uwsgi_*' --rounds 10": "test_rounds.py",
    "./run_all.sh --serve": "test_scenarios.py",
    "./run_all.sh gunicorn_gthread uvicorn_asgi --side-by-side": "test_side_by_side.py",
    "./run_all.sh uvicorn_asgi --against ../before": "test_side_by_side.py",
    "./run_all.sh 'gunicorn_*' --until-decided --within 5% --minutes 20": "test_decisions.py",
    "./run_all.sh uvicorn_asgi --requirements new.txt": "test_environments.py",
    "./run_all.sh --resume results/RUN": "test_rounds.py",
    "python -m common.compare results/BEFORE results/AFTER": "test_compare.py",
    "python -m common.compare results/RUN --gate 'gunicorn_gthread p99<=5s'": "test_compare.py",
    "./run_all.sh gunicorn_gthread_wait uvicorn_asgi_wait -n 100 -c 1": "test_readme.py",  # with the first of all
    "python -m common.advise results/RUN results/ALONE --rate 200 --target 'p99<=1s'": "test_advice.py",
    "python -m common.advise results/RUN --rate 200 --target 'p99<=1s' --cores 4 --memory 2GB --verify": "test_advice.py",
    "./run_all.sh --project ../mysite --path /dashboard/": "test_project.py",
    "./run_all.sh 'mysite/*'": "test_project.py",
    "./run_all.sh --project ../mysite --servers 'gunicorn_*' --processes 1,2 --threads 4,16 -c 16": "test_project.py",
    "./run_all.sh --project ../mysite --path /dashboard/ --against main": "test_project.py",
    "./run_all.sh --project ../mysite --path /dashboard/ --rate 200 --target 'p99<=1s' --cores 4 --memory 2GB": "test_project.py",
    "./run_all.sh --project ../mysite --path /dashboard/ --servers 'gunicorn_*' --find-rate 'p99<=200ms'": "test_project.py",
    "./run_all.sh --new mine": "test_template.py",
    "./run_all.sh mine": "test_template.py",
    "./run_all.sh --new mine_10_threads --like mine": "test_template.py",
    "./run_all.sh mine mine_10_threads --rounds 10": "test_template.py",
    "python -m common.page results/RUN --open --svg charts --png charts": f"python -m common.page {FIRST_RUN} --svg charts",
    "python -m common.loadgen -n 300 -c 300 http://127.0.0.1:8000/": "with a server",
    "python -m common.loadgen -n 100000 -c 200 -k --processes 2 http://127.0.0.1:8000/": "test_together.py",
    "python -m common.loadgen --rate 100 -t 10 http://127.0.0.1:8000/": "with a server",
    "python -m common.loadgen --stages 10s@50,20s@200 http://127.0.0.1:8000/": "with a server",
    "python -m common.loadgen --find-rate 'p99<=500ms' http://127.0.0.1:8000/": "test_find_rate.py",
    "python scenarios/uvicorn_asgi.py --find-rate 'p99<=2s'": "test_find_rate.py",
    "./run_all.sh gunicorn_gthread_wait uvicorn_asgi_wait --find-rate 'p99<=200ms'": "test_highest.py",
    "python scenarios/uvicorn_asgi.py --locust --run-time 20s": "python scenarios/uvicorn_asgi.py --locust --run-time 1s --users 2",
    "python scenarios/uvicorn_asgi.py --locust-web": "test_locust.py",
    "python scenarios/uvicorn_asgi.py --target http://127.0.0.1:8005": "with a server",
    "locust -f common/locustfile.py --host http://127.0.0.1:8005 --headless --users 100 --run-time 30s": "with a server",
}
KEPT = ("uvicorn_asgi", "uwsgi_2_threads")  # the other scenarios are run by test_scenarios.py


def commands() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
    blocks = [block for text in texts for block in re.findall(r"\n\n((?:    \S.*\n)+)", text)]
    found = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in found if re.match(r"(\./|\. |python |locust )", line)]


def test_every_command_is_run():
    assert set(commands()) == set(COMMANDS)


def test_what_another_file_runs_has_its_options_there():
    for command, how in COMMANDS.items():
        if how is not None and how.startswith("test_"):
            source = (ROOT / "tests" / how).read_text(encoding="utf-8")
            assert [option for option in re.findall(r"--[a-z-]+", command) if option not in source] == [], command


def test_every_link_leads_somewhere():
    kept = set(
        subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    )
    if not kept:
        pytest.skip("this is no git checkout")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
        inside = [(path.parent / link).resolve().relative_to(ROOT) for link in links if not link.startswith("http")]
        assert [str(link) for link in inside if str(link) not in kept] == [], path


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "a clone"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for path in (folder / "scenarios").glob("*.py"):
        if path.stem not in KEPT:
            path.unlink()
    return folder


def shell(folder: Path, command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    activated = f". .venv/bin/activate && {command}" if (folder / ".venv").exists() else command
    settings = {"PYTHON": sys.executable, "PIP_NO_COMPILE": "1", "WAIT_FOR_QUIET": "0", "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")}
    environment = {**os.environ, **settings}  # types that were checked a minute ago are not checked again
    return subprocess.run(["sh", "-c", activated], cwd=folder, capture_output=True, text=True, timeout=seconds, env=environment)


def test_from_nothing(clone):
    """The two commands at the top, before anything is installed."""
    done = shell(clone, COMMANDS["./run_all.sh"], seconds=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GET /, 6 requests, 3 at a time" in done.stdout
    assert all(name in done.stdout for name in KEPT)
    done = shell(clone, COMMANDS["./run_tests.sh"], seconds=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_from_nothing" in done.stdout


@pytest.mark.parametrize("command", [word for word in list(COMMANDS.values())[2:] if word and word.startswith(("python", "./run_all.sh "))])
def test_small(clone, command):
    done = shell(clone, command, seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_by_hand_and_loads_against_it(clone, studies_ports):
    """--serve, and what sends a load to a server that is there already."""
    loads = [
        "python -m common.loadgen -n 6 -c 3 http://127.0.0.1:8005/",
        "python -m common.loadgen --rate 5 -t 1 http://127.0.0.1:8005/20/",
        "python -m common.loadgen --stages 0.5s@2,1s@4 http://127.0.0.1:8005/20/",
        f"python scenarios/uvicorn_asgi.py {SMALL} --target http://127.0.0.1:8005",
        "locust -f common/locustfile.py --host http://127.0.0.1:8005 --headless --users 2 --run-time 2s",
    ]
    with Program(clone, "scenarios/uvicorn_asgi.py", "--serve") as program:
        assert program.process.stdout is not None
        while "Ctrl-C ends all" not in (line := program.process.stdout.readline()):
            assert line, program.process.communicate()
        for load in loads:
            done = shell(clone, load)
            assert done.returncode == 0, done.stdout + done.stderr
        program.process.send_signal(signal.SIGINT)
        assert program.finish() == 130
        assert program.left_over() == []


def test_nothing_of_the_copy_runs_on(clone):
    assert running_with("no mark of ours", clone) == []
