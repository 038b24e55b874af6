"""Another environment for one side: which packages it has, is it installed once, and is a slower package found?"""

import os
import sys
import zipfile
from pathlib import Path

import pytest

from common.cli import UsageError
from common.serving import environments
from common.serving.environments import names_in, read_requirements, replaced
from tests.processes import TAIL, copy_tree, one_line, run

OURS = """# The sites.
django==5.2.19; python_version < "3.12"
django==6.1.3; python_version >= "3.12"

psycopg[binary]==3.3.9
uvicorn==0.54.0
"""

# A server of the standard library; the package that it uses, if it is there, costs it time for each request.
SITE = (
    '''"""Is it answered?"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

try:
    from standin import work
except ImportError:
    def work():
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        work()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words):
        pass


STUDY = "tests"
SERVER = "{python} scenarios/site.py --answer {port}"
LOAD = ["-n 20 -c 2 -k --expect ok /"]

if "--answer" in sys.argv:
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
'''
    + TAIL
)


def test_what_a_file_names_replaces_ours_and_all_else_stays():
    assert replaced(OURS, "Django==6.2  # new\n").splitlines() == ["psycopg[binary]==3.3.9", "uvicorn==0.54.0", "Django==6.2  # new"]
    assert replaced(OURS, "").count("\n") == 4
    assert names_in("Typing.Extensions_x>=1\n  # a comment\n--index-url http://127.0.0.1/\n") == {"typing-extensions-x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [("# nothing\n", "names no package"), ("-r other.txt\ndjango\n", "refers to another file"), (None, "cannot read")],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, said):
    path = tmp_path / "new.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        read_requirements(path)
    assert "--requirements" in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("python", "said"), [("no-such-python", "there is no such interpreter"), ("true", "is not a Python interpreter")])
def test_an_interpreter_that_is_none_is_named(python, said):
    with pytest.raises(UsageError, match=said):
        environments.interpreter_with(None, python, print)


def make_wheel(folder: Path, version: str, work: str) -> None:
    folder.mkdir(exist_ok=True)
    files = {
        "standin.py": f"def work():\n    {work}\n",
        f"standin-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: standin\nVersion: {version}\n",
        f"standin-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"standin-{version}.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"standin-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    ramp = SITE.replace("-n 20 -c 2 -k", "--users 2 --spawn-rate 2 -t 1")
    tree = copy_tree(tmp_path_factory.mktemp("environments"), {"site": SITE, "ramp": ramp})
    (tree / "requirements.txt").write_text("# nothing but what is asked for\n")
    make_wheel(tree / "wheels", "1.0", "sum(range(100_000))")
    return tree


def compare(tree: Path, *arguments: str, name: str = "site"):
    """Without a network."""
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tree / "wheels"), "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    return run(tree, "-m", "common.suite", name, *arguments, "--minutes", "0.3", **offline)


def test_a_package_that_makes_it_slower_ends_with_1_and_is_installed_once(tree):
    (tree / "new.txt").write_text("standin==1.0\n")
    program = compare(tree, "--requirements", "new.txt")
    assert program.process.returncode == 1, program.stderr
    assert "new-site costs " in program.stdout
    assert " times the CPU per request of site, between " in program.stdout
    assert "installing new.txt into .venv/environments/" in program.stderr
    [ready] = (tree / ".venv" / "environments").glob("*/ready")
    made = ready.stat().st_mtime_ns
    again = compare(tree, "--requirements", "new.txt", name="ramp")
    assert "ramp have no load in common" in again.stderr, again.stderr
    assert "installing" not in again.stderr
    assert ready.stat().st_mtime_ns == made


def test_what_cannot_be_installed_is_one_line_and_taken_for_nothing(tree):
    (tree / "absent.txt").write_text("standin==9.9\n")
    program = compare(tree, "--requirements", "absent.txt", "--python", sys.executable, "-q")
    assert program.process.returncode == 1
    assert one_line(program.stderr), program.stderr
    assert program.stderr.startswith("run_all.sh: --requirements absent.txt: the packages could not be fetched")
    assert not [path for path in (tree / ".venv" / "environments").glob("*/ready") if "9.9" in path.with_name("wanted.txt").read_text()]
