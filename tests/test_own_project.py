"""Is a reader's own project found where it is, read as Django reads it, and its database named before a page is asked for?"""

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from common import project as command
from common import suite
from common.cli import Failed, UsageError
from common.client.options import parse_line
from common.serving import checkouts, environments
from common.serving.own import asking, env_file, origins, project
from common.serving.own.settings import Facts
from common.serving.own.unchanged import check_unchanged
from common.serving.scenario import ScenarioError
from tests.processes import ROOT
from tests.test_project import MODELS, git, make_environment

SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[1]
SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""
URLS = """
from pathlib import Path

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path


def page(request):
    Path(__file__).with_name("asked").touch()
    return HttpResponse("page")


def fail(request):
    raise RuntimeError("no")


def closed(request):
    return redirect("/members/?next=/closed/")


urlpatterns = [
    path("page/", page),
    path("fail/", fail),
    path("closed/", closed),
    path("members/", page, name="members"),
    *i18n_patterns(path("wares/", page)),
]
"""
WSGI = """
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
"""
MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")'
LAUNCH = "gunicorn {app} --bind {host}:{port} --workers 1"


def write(folder: Path, **sources: str) -> None:
    """Modules of the project's package."""
    for name, source in sources.items():
        (folder / "shop" / f"{name}.py").write_text(source)


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    """The smallest project: no apps, and a database without tables."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return make_project(tmp_path / "code")


def make_project(folder: Path) -> Path:
    (folder / "shop").mkdir(parents=True)
    (folder / "manage.py").write_text(MANAGE)
    (folder / "db.sqlite3").touch()
    write(folder, __init__="", settings=SETTINGS, urls=URLS, wsgi=WSGI)
    return folder


def find(*words: str) -> project.Project:
    options, _ = command.parse_arguments([*words, *(["--python", sys.executable] if "--python" not in words else [])])
    return project.find(options.project, options.python, options.settings, dict(options.env), options.env_file)


def look(folder: Path, *words: str, launch: str = LAUNCH) -> tuple[Facts, str]:
    """As ./run_all.sh does before it writes anything."""
    words = ("--project", str(folder), "--path", "/page/", *words) if "--path" not in words else ("--project", str(folder), *words)
    options, _ = command.parse_arguments(list(words))
    loads = [parse_line(line) for line in command.load_lines(options, 10)]
    return command.look_at(find(*words), options, loads, [launch])


# What its settings say


@pytest.mark.parametrize("value", ["0", "None", '""'])
def test_a_switch_may_be_anything_that_is_false(shop, value):
    write(shop, settings=f"{SETTINGS}\nDEBUG = SECURE_SSL_REDIRECT = {value}\n")
    facts, _ = look(shop)
    assert (facts.debug, facts.ssl_redirect) == (False, False)


def test_debug_as_text_is_on_as_it_is_for_django(shop):
    write(shop, settings=f'{SETTINGS}\nDEBUG = "False"\n')
    with pytest.raises(UsageError, match=r"DEBUG is on in shop.settings"):
        look(shop)


def test_settings_that_end_their_process_are_one_line(shop):
    write(shop, settings="import os\nos._exit(0)\n")
    with pytest.raises(Failed, match=r"shop.settings cannot be used by .*: it says nothing"):
        look(shop)
    write(shop, settings="import sys\nsys.exit('no key')\n")
    with pytest.raises(Failed, match=r"shop.settings cannot be used by .*: SystemExit: no key"):
        look(shop)


def test_what_a_project_starts_and_prints_does_not_hide_its_answer(shop):
    """A thread that nobody ends, and words at the end."""
    noise = "import atexit, sys, threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n"
    noise += "print('begun', end='')\natexit.register(print, 'ended')\natexit.register(print, 'noise', file=sys.stderr)\n"
    write(shop, settings=noise + SETTINGS)
    assert look(shop)[0].wsgi == "shop.wsgi:application"
    write(shop, settings=f"{noise}raise RuntimeError('no')\n")
    with pytest.raises(Failed, match="RuntimeError: no") as raised:
        look(shop)
    assert "noise" not in str(raised.value)


def test_what_a_project_starts_is_ended_when_it_was_asked(shop):
    """Though it keeps the inspector's streams open."""
    started = "import subprocess, sys\nfrom pathlib import Path\n"
    started += "started = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
    started += "Path(__file__).with_name('started').write_text(str(started.pid))\n"
    write(shop, settings=started + SETTINGS)
    began = time.monotonic()
    assert look(shop)[0].wsgi == "shop.wsgi:application"
    assert time.monotonic() - began < asking.INSPECTOR_SECONDS
    deadline, pid = time.monotonic() + 10, int((shop / "shop" / "started").read_text())
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_code_that_changes_while_a_run_goes_on_is_noticed(shop):
    (shop / "venv").mkdir()
    (shop / "venv" / "pyvenv.cfg").touch()
    check_unchanged(shop)
    (shop / "venv" / "lib.py").write_text("what an environment gets is not the project's")
    (shop / "db.sqlite3").write_text("nor is what it stores")
    check_unchanged(shop)
    write(shop, urls=f"{URLS}\n")
    with pytest.raises(ScenarioError, match=r"code in .* was changed while the run went on: start a new one to measure what it is now"):
        check_unchanged(shop)


def test_a_database_that_never_answers_is_named(shop, monkeypatch):
    monkeypatch.setattr(asking, "INSPECTOR_SECONDS", 5.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = {"ENGINE": "django.db.backends.postgresql", "NAME": "wares", "HOST": "127.0.0.1", "PORT": silent.getsockname()[1]}
        write(shop, settings=f"{SETTINGS}\nDATABASES = {{'default': {place}}}\n")
        with pytest.raises(
            Failed, match=r"database default does not answer: postgresql, wares on 127.0.0.1: nothing came from it within 5 s"
        ):
            look(shop)


def test_only_the_default_database_must_answer_and_have_its_tables(shop, capsys):
    others = """
INSTALLED_APPS = ["django.contrib.contenttypes"]
DATABASES["archive"] = {**DATABASES["default"], "NAME": BASE_DIR / "archive.sqlite3"}
DATABASES["legacy"] = {**DATABASES["default"], "NAME": BASE_DIR / "no.sqlite3"}
"""
    write(shop, settings=SETTINGS + others)
    (shop / "archive.sqlite3").touch()
    with pytest.raises(Failed, match="the project's database lacks the migrations contenttypes"):
        look(shop)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": str(shop)}
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], cwd=shop, env=environment, check=True)
    look(shop)
    said = capsys.readouterr().out
    assert f"  database archive: sqlite, {shop}/archive.sqlite3; it is the project's own" in said
    assert f"  database legacy: sqlite, {shop}/no.sqlite3; it does not answer: there is no file" in said
    assert not (shop / "no.sqlite3").exists()


def test_a_host_that_is_empty_is_none(shop):
    write(shop, settings=f'{SETTINGS}\nALLOWED_HOSTS = [""]\n')
    with pytest.raises(UsageError, match=r"ALLOWED_HOSTS of shop.settings is empty"):
        look(shop)
    write(shop, settings=f'{SETTINGS}\nALLOWED_HOSTS = ["", "shop.test"]\n')
    with pytest.raises(UsageError, match=r"use --host-header shop.test"):
        look(shop)
    look(shop, "--header", "Host: shop.test")


FAR_STORAGE = """
from pathlib import Path


class Far:
    manifest_strict = True

    def __init__(self):
        Path(__file__).with_name("reached").touch()
"""


@pytest.mark.parametrize("backend", ["django.contrib.staticfiles.storage.ManifestStaticFilesStorage", "shop.far.Far"])
def test_static_files_that_cannot_be_looked_at_stop_nothing(shop, backend):
    """There is no STATIC_ROOT; what is far away is not asked."""
    static = f'INSTALLED_APPS = ["django.contrib.staticfiles"]\nSTORAGES = {{"staticfiles": {{"BACKEND": "{backend}"}}}}'
    write(shop, settings=f"{SETTINGS}\nSTATIC_URL = '/static/'\n{static}\n", far=FAR_STORAGE)
    assert look(shop)[0].without_manifest == ""
    assert not (shop / "shop" / "reached").exists()


# Which settings servers will use


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_an_application_that_assigns_other_settings_is_refused_before_a_page_is_asked_for(shop, kind):
    source = WSGI.replace('.setdefault("DJANGO_SETTINGS_MODULE", ', '["DJANGO_SETTINGS_MODULE"] = (').replace("shop.settings", "shop.live")
    write(shop, live="from shop.settings import *\n", **{kind: source.replace("wsgi", kind)})
    with pytest.raises(UsageError, match=f"{kind}.py makes DJANGO_SETTINGS_MODULE shop.live, .*: --settings shop.live"):
        look(shop)
    assert not (shop / "shop" / "asked").exists()
    look(shop, "--settings", "shop.live")
    assert (shop / "shop" / "asked").exists()


def test_an_application_that_assigns_them_where_there_are_none_is_not(shop, capsys):
    variable = 'os.environ["DJANGO_SETTINGS_MODULE"]'
    write(shop, wsgi=f'import os\nif "DJANGO_SETTINGS_MODULE" not in os.environ:\n    {variable} = "shop.live"\n{WSGI}')
    look(shop)
    assert "computes" not in capsys.readouterr().out
    write(shop, wsgi=f'import os\n{variable} = "shop." + "settings"\n{WSGI}')
    look(shop)
    assert "wsgi.py computes DJANGO_SETTINGS_MODULE: under servers it may be another than shop.settings" in capsys.readouterr().out


def test_the_database_is_named_before_a_page_is_asked_for(shop, capsys):
    with pytest.raises(Failed, match="GET /fail/ ends in RuntimeError"):
        look(shop, "--path", "/fail/")
    assert "  database: sqlite, " in capsys.readouterr().out


def test_nothing_is_asked_for_if_the_settings_are_refused(shop):
    write(shop, settings=f"{SETTINGS}\nDEBUG = True\n")
    with pytest.raises(UsageError, match="DEBUG is on"):
        look(shop)
    assert not (shop / "shop" / "asked").exists()


def test_settings_without_a_package_have_their_application_beside_them(shop):
    (shop / "plain.py").write_text("from shop.settings import *\n")
    (shop / "wsgi.py").write_text(WSGI.replace("shop.settings", "plain"))
    assert look(shop, "--settings", "plain")[0].wsgi == "wsgi:application"


# What its pages answer


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/page", "answers 301, to /page/; use --path /page/, and if the redirect is what you mean to measure, --expect-status 301"),
        ("/wares/", "answers 302, to /en/wares/; use --path /en/wares/,"),
        ("/closed/", "answers 302, to /members/\\?next=/closed/; if that is the login, use --login"),
    ],
)
def test_a_redirect_on_the_site_that_is_no_login_names_the_page_that_is_meant(shop, path, advice):
    with pytest.raises(UsageError, match=advice):
        look(shop, "--path", path)


def test_a_page_of_another_language_has_its_view(shop, capsys):
    look(shop, "--path", "/de/wares/")
    assert "/de/wares/ is def page" in capsys.readouterr().out


def test_with_a_login_the_view_and_what_the_login_writes_are_told(shop, capsys):
    write(shop, settings=f'{SETTINGS}\nLOGIN_URL = "members"\n')
    assert look(shop, "--login", "anna:secret")[1] == "/members/"
    said = capsys.readouterr().out
    assert "/page/ is def page" in said
    assert "is asked by GET and by each login's POST" in said
    assert "each start of a server logs the user in at /members/, which saves a session and last_login" in said
    assert not (shop / "shop" / "asked").exists()
    assert look(shop, "--login", "anna:secret", "--login-path", "/in/")[1] == "/in/"
    assert look(shop)[1] == ""


# Where it is


def test_settings_that_are_named_do_not_hide_the_folder_of_manage_py(tmp_path):
    make_project(tmp_path / "repository" / "backend")
    above = str(tmp_path / "repository")
    assert find("--project", above, "--settings", "shop.settings").folder == tmp_path / "repository" / "backend"
    (tmp_path / "repository" / "example").mkdir()
    (tmp_path / "repository" / "example" / "settings.py").touch()
    assert find("--project", above, "--settings", "example.settings").folder == tmp_path / "repository"


def make_place(folder: Path) -> Path:
    """What looks like an environment."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


def test_the_activated_environment_comes_between_the_project_and_what_is_above_it(tmp_path, monkeypatch):
    folder = tmp_path / "home" / "code" / "shop"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    make_place(tmp_path / "env")
    with pytest.raises(UsageError, match="no environment"):
        project.find_python(folder, None)
    above = make_place(tmp_path / "home" / "code" / "venv")
    assert project.find_python(folder, None) == f"{above}/bin/python"
    active = make_place(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    assert project.find_python(folder, None) == f"{active}/bin/python"
    own = make_place(folder / ".venv")
    assert project.find_python(folder, None) == f"{own}/bin/python"


def test_an_interpreter_may_be_named_as_a_program(tmp_path, monkeypatch):
    (tmp_path / "python3.99").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert project.find_python(tmp_path, "python3.99") == str(tmp_path / "python3.99")


def test_paths_begin_in_the_folder_of_who_types_them(shop, monkeypatch):
    monkeypatch.setenv("CALLED_FROM", str(shop / "shop"))
    monkeypatch.chdir(ROOT)
    make_place(shop / "shop" / "place")
    (shop / "own.env").write_text("A=1\n")
    (shop / "body").write_text("body")
    found = find("--project", "..", "--env-file", "../own.env", "--python", "place")
    assert (found.folder, found.env_file) == (shop, str(shop / "own.env"))
    assert found.python == str(shop / "shop" / "place" / "bin" / "python")
    options, _ = command.parse_arguments(["--project", "..", "-p", "../body"])
    [line] = command.load_lines(options, 10)
    assert f"-p{shop}/body" in line.replace("-p ", "-p")
    of_suite = suite.parse_arguments(["--requirements", "../new.txt", "--markdown", "a.md"])
    assert (of_suite.requirements, of_suite.markdown) == (shop / "shop" / "../new.txt", shop / "shop" / "a.md")
    assert environments.find_python("place/bin/python") == str(shop / "shop" / "place" / "bin" / "python")
    with checkouts.checkout("../shop", shop) as folder:
        assert folder == shop / "shop"


def test_run_all_says_from_where_it_is_called(tmp_path):
    (tmp_path / "ours" / "common").mkdir(parents=True)
    shutil.copy(ROOT / "run_all.sh", tmp_path / "ours")
    (tmp_path / "ours" / "common" / "setup.sh").write_text("install() { python=./python; }\n")
    (tmp_path / "ours" / "python").write_text('#!/bin/sh\necho "$CALLED_FROM, in $PWD: $*"\n')
    (tmp_path / "ours" / "python").chmod(0o755)
    (tmp_path / "theirs").mkdir()
    done = subprocess.run(["sh", "../ours/run_all.sh", "--list"], cwd=tmp_path / "theirs", capture_output=True, text=True)
    assert done.stdout == f"{tmp_path}/theirs, in {tmp_path}/ours: -m common.suite --list\n"


# What manage.py does beside


def test_two_settings_in_manage_py_are_a_question(shop, monkeypatch):
    (shop / "manage.py").write_text(f"if testing:\n    {MANAGE.replace('settings', 'tests')}\nelse:\n    {MANAGE}\n")
    with pytest.raises(
        UsageError, match=r"manage.py names shop.tests and shop.settings; name the settings to be measured: --settings shop.tests"
    ):
        find("--project", str(shop))
    assert find("--project", str(shop), "--settings", "shop.settings").settings == "shop.settings"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.live")
    assert find("--project", str(shop)).settings == "shop.live"
    assert find("--project", str(shop), "--env", "DJANGO_SETTINGS_MODULE=shop.tests").settings == "shop.tests"


@pytest.mark.parametrize("added", ['str(here / "parts" / "apps")', 'os.path.join(BASE, "parts", "apps")', '"parts/apps"'])
def test_a_folder_that_manage_py_adds_is_searched(shop, added, capsys):
    (shop / "manage.py").write_text(f"{MANAGE}\nsys.path.append({added})\n")
    (shop / "parts" / "apps").mkdir(parents=True)
    (shop / "parts" / "apps" / "wares.py").write_text("name = 'wares'\n")
    write(shop, settings=f"import wares\n{SETTINGS}")
    look(shop)
    assert "PYTHONPATH is parts/apps" in capsys.readouterr().out


def test_a_folder_whose_name_is_computed_is_asked_for(shop):
    (shop / "manage.py").write_text(f"{MANAGE}\nsys.path.append(os.environ['APPS'])\n")
    (shop / "apps").mkdir()
    (shop / "apps" / "wares.py").write_text("name = 'wares'\n")
    write(shop, settings=f"import wares\n{SETTINGS}")
    with pytest.raises(Failed, match=r"No module named 'wares'; if it is in a folder that manage.py adds: --env PYTHONPATH=FOLDER"):
        look(shop)
    look(shop, "--env", "PYTHONPATH=apps")


def test_a_path_that_is_given_comes_behind_the_project(shop, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    found = project.Project(shop, sys.executable, "shop.settings", {"PYTHONPATH": "apps"})
    assert project.environment(found)["PYTHONPATH"] == f"{shop}:apps:/theirs"


def test_settings_in_classes_are_set_up_as_manage_py_does(shop, capsys):
    (shop / "manage.py").write_text(f"{MANAGE}\nos.environ.setdefault('DJANGO_CONFIGURATION', 'Live')\n")
    (shop / "configurations.py").write_text("def setup():\n    import builtins\n    builtins.is_configured = True\n")
    write(shop, settings=f"assert is_configured\n{SETTINGS}")
    look(shop)
    assert "DJANGO_CONFIGURATION is Live" in capsys.readouterr().out
    environment = {**os.environ, **project.environment(find("--project", str(shop)))}
    environment["PYTHONPATH"] += f":{project.APPLICATIONS}"
    for kind in ("wsgi", "asgi"):
        subprocess.run([sys.executable, "-c", f"import {kind}_by_default"], env=environment, check=True)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nKEY = os.environ['KEY']\n",
        "from django.core.exceptions import ImproperlyConfigured\nraise ImproperlyConfigured('Set the KEY environment variable')\n",
    ],
)
def test_a_variable_that_is_lacking_is_asked_for(shop, source):
    write(shop, settings=source)
    with pytest.raises(Failed, match=r"KEY.*; give it the variable: --env NAME=VALUE, or --env-file FILE"):
        look(shop)


# Variables


def test_the_shell_wins_over_the_file_and_what_is_named_over_both(shop, monkeypatch, capsys):
    (shop / ".env").write_text("A=file\nB=file\nC=file\n")
    monkeypatch.setenv("B", "shell")
    monkeypatch.setenv("C", "shell")
    found = find("--project", str(shop), "--env", "C=named")
    assert project.environment(found)["A"] == "file"
    assert "B" not in project.environment(found)
    assert project.environment(found)["C"] == "named"
    look(shop, "--env", "C=named")
    assert f"variables from {shop}/.env: A (--env-file '' reads none)" in capsys.readouterr().out
    assert "A" not in project.environment(find("--project", str(shop), "--env-file", ""))
    look(shop, "--env-file", "")
    assert "variables" not in capsys.readouterr().out


UNREADABLE = r"""A=1
HOME_OF_IT=${A}/x
QUOTED="a \"b\""
SINGLE='${A} \ '
DOLLAR=a$(b
KEY="-----BEGIN
B=inside
-----END"
OPEN="a
C=2
"""


def test_what_would_have_to_be_expanded_is_not_set_and_said(shop, capsys):
    (shop / ".env").write_text(UNREADABLE)
    expected = {"A": "1", "SINGLE": "${A} \\ ", "DOLLAR": "a$(b", "KEY": "-----BEGIN\nB=inside\n-----END", "C": "2"}
    assert env_file.read_env_file(shop / ".env") == expected
    look(shop)
    assert f"{shop}/.env writes HOME_OF_IT, QUOTED, OPEN with what would have to be expanded" in capsys.readouterr().out


# Before and after a change


@pytest.fixture
def editable(tmp_path) -> tuple[Path, Path]:
    """A repository whose code is in src/, and an environment in which it is installed from there."""
    repository = make_project(tmp_path / "repository" / "src").parent
    (repository / "manage.py").write_text(MANAGE)
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "before")
    python = make_environment(tmp_path / "environment")
    return repository, python


def before(repository: Path, python: Path, tree: Path, app: str = "shop.wsgi") -> dict[str, Path]:
    """Where the other state's modules come from."""
    theirs = replace(MODELS["gunicorn_sync"], project=str(tree), python=str(python), settings="shop.settings", app=f"{app}:application")
    theirs = origins.with_its_own_code(theirs, repository, tree)
    return {name: Path(file) for name, file in asking.ask_modules(project.served_by(theirs), theirs.app) if name.startswith("shop")}


def install(python: Path, line: str) -> None:
    [packages] = python.parents[1].glob("lib/python*/site-packages")
    (packages / "shop.pth").write_text(f"{line}\n")


def test_a_revision_is_served_with_its_own_code_where_the_project_is_installed_from_its_sources(editable):
    repository, python = editable
    install(python, str(repository / "src"))
    with checkouts.checkout("HEAD", repository) as tree:
        modules = before(repository, python, tree)
        assert {"shop.settings", "shop.urls", "shop.wsgi"} <= set(modules)
        assert all(file.is_relative_to(tree) for file in modules.values())
        assert "shop.urls" in before(repository, python, tree, app="wsgi_by_default")


def test_a_revision_that_would_be_the_working_copy_is_refused(editable):
    repository, python = editable
    install(python, f"import sys; sys.path.insert(0, {str(repository / 'src')!r})")
    with checkouts.checkout("HEAD", repository) as tree, pytest.raises(UsageError, match="--against: both sides would import shop"):
        before(repository, python, tree)


def test_a_folder_with_the_name_of_a_revision_is_none(editable, monkeypatch):
    repository, _ = editable
    git(repository, "branch", "wares")
    (repository / "wares").mkdir()
    monkeypatch.chdir(repository)
    with checkouts.checkout("wares", repository) as tree:
        assert tree != repository / "wares"
    with checkouts.checkout("src", repository) as tree:
        assert tree == repository / "src"


# A program of its environment that is no Python script


def test_a_compiled_server_finds_what_is_beside_the_environment(tmp_path):
    python = make_place(tmp_path / "env") / "bin" / "python"
    (tmp_path / "env" / "bin" / "compiled").write_text('#!/bin/sh\necho "$PYTHONPATH $1"\n')
    (tmp_path / "env" / "bin" / "compiled").chmod(0o755)
    line = [python, project.LAUNCHER, "/beside", "compiled", "--http"]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": "/project"}, capture_output=True, text=True)
    assert done.stdout == "/project:/beside --http\n"
