"""Is a reader's own Django project served unchanged, by its own interpreter, under servers that it lacks?"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from argparse import Namespace
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from common import project as command
from common import project_run
from common import suite as suite_command
from common.cli import Failed, NotInstalled, UsageError, WrongAnswer
from common.client.load import Sizes
from common.client.options import parse_line
from common.results import files
from common.results.circumstances import Noise
from common.results.record import Plan, ScenarioRun, Search
from common.running.rounds import Turn
from common.running.sizing import RunOptions
from common.running.until_decided import OpenRun
from common.serving import choice, cores
from common.serving.checkouts import checkout
from common.serving.login import NotVisited
from common.serving.own import env_file, project, project_files, scenario_files, servers, wider
from common.serving.own.settings import Database, Facts, explain_database, refuse
from common.serving.scenario import Scenario, ScenarioError, read
from common.serving.shape import GREENLETS, LOOP, shape_of
from studies import SERVERS
from tests.made_up import make_cost, make_measured, make_run, make_sent, make_steady
from tests.processes import ROOT, Program, changed, copy_tree, records, run
from tests.test_scenarios import faults
from tests.test_side_by_side import make_pair, spread
from tests.tracked import tracked_scenarios

FILES = tracked_scenarios()
MODELS = scenario_files.servers_of(SERVERS, [])
SERVED_BY = [model.name for model in MODELS.values()]
FACTS = Facts("5.2", "shop.wsgi:application", "", False, ["*"], True, False, [], "", "", [], "")
PACKAGES = Path(sysconfig.get_path("purelib"))
WHO = """
import sys
import threading
from django.contrib.auth.models import User
from django.http import HttpResponse

def who(request):
    return HttpResponse(f"{sys.executable} serves {request.get_host()} to {User.objects.count()} users")

def fail(request):
    return HttpResponse(1 / 0)

def order(request):
    return HttpResponse(f"ordered {request.POST['what']} with {request.COOKIES['basket']}")

def thread(request):
    return HttpResponse(threading.current_thread().name)

async def wait(request):
    return HttpResponse("waited")

urlpatterns += [path("who/", who), path("fail/", fail), path("wait/", wait), path("order/", order), path("thread/", thread)]
"""

SYNC_ONLY = """
class SyncOnly:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)
"""
LOGIN = 'DATABASES["default"]["NAME"] = BASE_DIR / "login.sqlite3"'
NAMED = 'SECURE_SSL_REDIRECT = True; SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")'
SETTINGS = {  # of the same project, by module
    "debug": "DEBUG = True",
    "hosts": 'ALLOWED_HOSTS = [".shop.test"]',
    "fileless": 'DATABASES["default"]["NAME"] = BASE_DIR / "no.sqlite3"',
    "unmigrated": 'DATABASES["default"]["NAME"] = BASE_DIR / "empty.sqlite3"',
    "broken": 'raise RuntimeError("SECRET_KEY is not set")',
    "login": LOGIN,
    "https": "SECURE_SSL_REDIRECT = True",
    "proxied": 'SECURE_SSL_REDIRECT = True; SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")',
    "named": NAMED,
    "named_login": f"{NAMED}; {LOGIN}",
    "doubtful": """
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "ATOMIC_REQUESTS": True}
MIDDLEWARE += ["mysite.sync_only.SyncOnly"]
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
STATIC_ROOT = BASE_DIR / "static"
WSGI_APPLICATION = None
""",
}


def make_environment(folder: Path) -> Path:
    """An environment that has Django and no server."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [theirs] = folder.glob("lib/python*/site-packages")
    for name in ("django", "asgiref", "sqlparse"):
        for path in [PACKAGES / name, *PACKAGES.glob(f"{name}-*.dist-info")]:
            (theirs / path.name).symlink_to(path)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """As startproject makes it, with its database, and a view that says who serves it."""
    folder = tmp_path_factory.mktemp("projects") / "mysite"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", folder], check=True)
    settings = (folder / "mysite" / "settings.py").read_text().replace("DEBUG = True", "DEBUG = False")
    (folder / "mysite" / "settings.py").write_text(settings.replace("ALLOWED_HOSTS = []", 'ALLOWED_HOSTS = ["127.0.0.1", "shop.test"]'))
    with (folder / "mysite" / "urls.py").open("a") as file:
        file.write(WHO)
    for name, source in SETTINGS.items():
        (folder / "mysite" / f"{name}.py").write_text(f"from mysite.settings import *\n{source}\n")
    (folder / "mysite" / "sync_only.py").write_text(SYNC_ONLY)
    (folder / "empty.sqlite3").touch()
    python = make_environment(folder / ".venv")
    subprocess.run([python, "manage.py", "migrate", "-v0"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory, site) -> Path:
    """With all models, and with the servers installed already, out of our own environment."""
    sources = {name: FILES[name].read_text() for name in SERVED_BY}
    tree = copy_tree(tmp_path_factory.mktemp("tree"), sources, page=True)
    python = str(site / ".venv" / "bin" / "python")
    for model in MODELS.values():
        for requirement in servers.lacking(model.server, python):
            folder = tree / ".venv" / "servers" / servers.abi_of(python) / requirement
            folder.parent.mkdir(parents=True, exist_ok=True)
            if not folder.is_symlink():  # two models may lack the same server
                folder.symlink_to(PACKAGES)
    for name, old, new in (
        ("results/leaders", " and not row.disturbed", ""),  # the tests themselves disturb it
        ("results/rate", "MOST_ERROR = 0.2", "MOST_ERROR = 9.0"),
        ("results/demand", "if load.noise.disturbed:", "if load.noise.disturbed == 'by no test':"),
        ("results/demand", "MISFIT = 1.25", "MISFIT = 99.0"),
        ("advise", "VERIFIED_SECONDS, GRACE_SECONDS = 30.0", "VERIFIED_SECONDS, GRACE_SECONDS = 5.0"),
        ("running/measure", "SETTLING_SECONDS, SETTLED = 2.5", "SETTLING_SECONDS, SETTLED = 1.0"),
    ):
        path = tree / "common" / f"{name}.py"
        path.write_text(changed((old, new), source=path.read_text()))
    return tree


TINY = ("-n", "3", "-c", "1", "--processes", "1")


def copy_site(site: Path, to: Path) -> Path:
    shutil.copytree(site, to, symlinks=True)
    return to


def suite(tree, *arguments, **environment):
    return run(tree, "-m", "common.suite", *map(str, arguments), **environment)


def fingerprint(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def served(tree, site) -> tuple[Program, dict[str, dict], Path]:
    """A run of two servers, which goes on with two processes and ends with advice; its records by scenario, and its directory."""
    before = fingerprint(site)
    expected = f"{site / '.venv' / 'bin' / 'python'} serves shop.test to 0 users"
    servers = ("--servers", "*_gthread,uvicorn_*", "--threads", "2")
    load = ("--path", "/who/", "--host-header", "shop.test", "-n", "100", "-c", "4", "--expect", expected)
    advice = ("--rate", "20", "--target", "p90<=10s", "--memory", "2GB", "--verify")
    program = suite(tree, "--project", site, *servers, *load, *advice)
    assert program.process.returncode == 0, program.stdout + program.stderr
    assert fingerprint(site) == before
    saved = {name: record for name, record in records(tree).items() if name.startswith("mysite/")}
    return program, saved, max(path for path in (tree / "results").iterdir() if not path.name.endswith("-advised"))


def test_it_is_served_unchanged_by_its_own_interpreter(served):
    program, saved, _ = served
    assert {"mysite/gunicorn_gthread_2", "mysite/uvicorn_asgi"} <= set(saved)
    for record in saved.values():
        assert [load["sent"]["outcomes"]["ok"] for load in record["loads"]] == [100]
        assert [(load["warm_up"]["outcomes"]["ok"] > 10, load["warm_up"]["at_once"]) for load in record["loads"]] == [(True, 10)]
        assert record["environment"]["packages"]["django"]
    assert "the same again: ./run_all.sh 'mysite/*'" in program.stdout


def test_two_processes_run_on_the_same_cores_and_belong_to_the_plan(tree, served):
    program, saved, directory = served
    if cores.count() == 1:
        pytest.skip("a single core")
    assert set(saved) == {f"mysite/{name}" for name in ("gunicorn_gthread_2", "gunicorn_gthread_2x2", "uvicorn_asgi", "uvicorn_asgi_2x")}
    assert len({str(load["pinned"]) for record in saved.values() for load in record["loads"]}) == 1
    assert "Now the two that served most, with 2 processes: mysite/" in program.stdout
    again = suite(tree, "--resume", directory)
    assert again.process.returncode == 0, again.stderr
    assert all(name in again.stdout for name in saved)


@pytest.fixture(scope="module")
def anna(site) -> tuple[str, ...]:
    """The options that log her in."""
    shutil.copy(site / "db.sqlite3", site / "login.sqlite3")
    arguments = ("createsuperuser", "--noinput", "--username", "anna", "--email", "a@b.test", "--settings", "mysite.login")
    python = site / ".venv" / "bin" / "python"
    subprocess.run([python, "manage.py", *arguments], cwd=site, env={**os.environ, "DJANGO_SUPERUSER_PASSWORD": "secret"}, check=True)
    return ("--login", "anna:$SECRET_OF_ANNA", "--login-path", "/admin/login/", "--path", "/admin/", "--expect", "Site administration")


def test_a_page_behind_a_login_is_asked_for_as_a_user(tree, site, anna):
    load = ("--settings", "mysite.login", "-n", "5", "-c", "1", "--processes", "1")
    program = suite(tree, "--project", site, "--servers", "uvicorn_*", *anna, *load, "--renew", SECRET_OF_ANNA="secret")
    assert program.process.returncode == 0, program.stderr
    assert "each start of a server logs the user in at /admin/login/, which saves a session and last_login" in program.stdout
    assert records(tree)["mysite/uvicorn_asgi"]["loads"][0]["sent"]["outcomes"]["ok"] == 5


def test_what_the_reader_changed_is_kept_until_it_is_renewed(tree, site):
    suite(tree, "--project", site, "--path", "/who/", "--threads", "3", "--list")
    path = tree / "scenarios" / "mysite" / "gunicorn_gthread_3.py"
    written = path.read_text()
    path.write_text(written.replace("--threads 3", "--threads 5"))
    program = suite(tree, "--project", site, "--path", "/who/", "--threads", "3", "--list")
    assert "gunicorn_gthread_3.py" in program.stderr
    assert "run as you left them, whatever else is asked for; --renew writes them anew" in program.stderr
    assert "--threads 5" in path.read_text()
    assert suite(tree, "--project", site, "--path", "/who/", "--threads", "3", "--renew", "--list").stderr == ""
    assert path.read_text() == written
    assert suite(tree, "--project", site, "--path", "/who/", "-c", "7", "--threads", "3", "--list").stderr == ""
    assert "-c 7" in path.read_text()  # nobody had changed it


def test_the_files_are_as_the_formatter_would_have_them(tree, site):
    paths = ("--path", f"/{'long/' * 20}", "--path", f"/{'deep/' * 20}", "--expect-status", "404")
    suite(tree, "--project", site, "--env", f"KEYS={'key ' * 40}", *paths, "--renew", "--list")
    written = sorted((tree / "scenarios" / "mysite").glob("*.py"))
    assert any("long/long/" in path.read_text() for path in written)
    assert subprocess.run([sys.executable, "-m", "ruff", "format", "--diff", "--config", ROOT / "pyproject.toml", *written]).returncode == 0


# Each server, and what else a load can be


def serves_here(name: str) -> bool:
    """uWSGI's program is compiled where pip can; the wheel that another interpreter needs is not there."""
    return not name.startswith("uwsgi") or find_spec("pyuwsgi") is not None


def test_every_server_serves_it_behind_an_https_proxy(tree, site):
    """None of them drops the header that says so."""
    proxied = ("--settings", "mysite.proxied", "-H", "X-Forwarded-Proto: https", "--host-header", "shop.test")
    names = [name for name in MODELS if serves_here(name)]
    load = ("--path", "/who/", "-n", "8", "-c", "2", "--threads", "2", "--processes", "1")
    program = suite(tree, "--project", site, "--servers", ",".join(names), *proxied, *load, "--renew")
    assert program.process.returncode == 0, program.stdout + program.stderr
    saved = records(tree)
    for name in names:
        row = f"mysite/{name}_2" if f"mysite/{name}_2" in saved else f"mysite/{name}"
        assert [load["sent"]["outcomes"] for load in saved[row]["loads"]] == [{"ok": 8}], name


def test_a_sync_worker_stays_one_whatever_the_project_says_to_gunicorn(tree, site, tmp_path):
    shop = copy_site(site, tmp_path / "configured")
    (shop / "gunicorn.conf.py").write_text("threads = 4\nmax_requests = 1000\n")
    program = suite(tree, "--project", shop, "--servers", "gunicorn_sync", "--path", "/thread/", *TINY, "--expect", "MainThread")
    assert program.process.returncode == 0, program.stderr
    said = "gunicorn also reads the project's gunicorn.conf.py, which sets max_requests; what the launch line says wins"
    assert said in program.stdout


@pytest.mark.parametrize("body", [("-d", "what=tea"), ("-p", "{file}", "-T", "application/x-www-form-urlencoded")])
def test_a_form_is_sent_with_its_token_and_a_cookie(tree, site, tmp_path, body):
    (tmp_path / "body").write_text("what=tea")
    body = tuple(word.format(file=tmp_path / "body") for word in body)
    form = ("--path", "/order/", "--csrf", "/admin/login/", "--cookie", "basket=full", "--expect", "ordered tea with full")
    program = suite(tree, "--project", site, "--servers", "gunicorn_sync", *form, *body, *TINY, "--renew")
    assert program.process.returncode == 0, program.stderr
    assert "is asked by POST alone" in program.stdout
    assert records(tree)["mysite/gunicorn_sync"]["loads"][0]["sent"]["outcomes"] == {"ok": 3}


def test_who_logs_in_behind_a_proxy_whose_header_has_another_name(tree, site, anna):
    words = ("--settings", "mysite.named_login", "-H", "X-Scheme: https", *TINY, "--renew")
    program = suite(tree, "--project", site, "--servers", "gunicorn_sync", *anna, *words, SECRET_OF_ANNA="secret")
    assert program.process.returncode == 0, program.stderr
    assert records(tree)["mysite/gunicorn_sync"]["loads"][0]["sent"]["outcomes"] == {"ok": 3}


def test_a_redirect_is_measured_if_it_is_what_is_meant(tree, site):
    words = ("--path", "/admin/", "--expect-status", "302", *TINY, "--renew")
    program = suite(tree, "--project", site, "--servers", "gunicorn_sync", *words)
    assert program.process.returncode == 0, program.stderr
    assert records(tree)["mysite/gunicorn_sync"]["loads"][0]["sent"]["outcomes"] == {"ok": 3}


def test_the_highest_rate_under_each_server_of_a_project(tree, site):
    words = ("--path", "/who/", "--find-rate", "p99<=5s", "-c", "40", "--minutes", "0.3", "--threads", "2", "--renew")
    program = suite(tree, "--project", site, "--servers", "gunicorn_sync,gunicorn_gthread", *words)
    for name in ("gunicorn_sync", "gunicorn_gthread_2"):
        assert re.search(rf"^ *mysite/{name} +\d", program.stdout, re.MULTILINE), program.stdout + program.stderr
        [path] = (tree / "results").glob(f"*/mysite/{name}.rate.json.gz")
        search = files.read(path, Search)
        assert search.url.endswith("/who/")
        assert "held" in {probe.verdict for probe in search.probes}
        assert {probe.sent.load.concurrency for probe in search.probes} == {40}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--path", "/who/", "--path", "/wait/"), "--find-rate searches for one page: give one --path"),
        (("-n", "5"), "--find-rate sends loads of its own"),
    ],
)
def test_a_search_has_loads_of_its_own(words, said):
    of_a_project, rest = command.parse_arguments(["--project", ".", *words, "--find-rate", "p99<=5s"])
    options = suite_command.parse_arguments(rest)

    def search() -> None:
        suite_command.size_searches(options, of_a_project)
        suite_command.check_kind(options, advises=False)

    with pytest.raises(UsageError, match=said):
        search()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--settings", "mysite.login", "--login", "anna:wrong", "--login-path", "/admin/login/", "--path", "/admin/"),
            "mysite/gunicorn_sync: --login: /admin/login/ shows its form again: is the password of 'anna' wrong?",
        ),
        (("--path", "/order/", "-d", "what=tea"), "Forbidden (403) CSRF verification failed.*: give --csrf /path/of/the/form/"),
        (
            ("--path", "/order/", "-d", "what=tea", "--csrf", "/wait/"),
            "mysite/gunicorn_sync: --csrf: GET /wait/ (status 200) shows no form with a csrfmiddlewaretoken",
        ),
        (("--path", "/who/", "--expect", "nobody"), "without 'nobody'"),
        (
            ("--settings", "mysite.named_login", "--login", "anna:secret", "--login-path", "/admin/login/"),
            "it wants https (SECURE_SSL_REDIRECT): send what its proxy sends, by the name in SECURE_PROXY_SSL_HEADER",
        ),
    ],
)
def test_what_the_site_refuses_is_said_once(tree, site, anna, words, said):
    before = set((tree / "results").iterdir())
    program = suite(tree, "--project", site, "--servers", "gunicorn_sync,uvicorn_*", *words, *TINY, "--renew")
    assert program.process.returncode == 1
    assert "run_all.sh: mysite/gunicorn_sync" in program.stderr
    assert len([line for line in program.stderr.splitlines() if not line.startswith("    ")]) == 1, program.stderr
    assert re.search(re.escape(said).replace(r"\.\*", ".*"), program.stderr), program.stderr
    [directory] = set((tree / "results").iterdir()) - before
    assert [path.name for path in directory.rglob("*.json.gz")] == ["gunicorn_sync.json.gz"]


# Where the project's things are


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")', "shop.settings"),
        ('os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"', "config.settings.local"),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"shop.{stage}")', ""),
        ("def broken(:", ""),
    ],
)
def test_the_settings_are_those_of_manage_py(tmp_path, source, settings):
    (tmp_path / "manage.py").write_text(source)
    assert project_files.settings_of_manage(tmp_path / "manage.py") == settings


def test_the_folder_may_be_one_above_and_the_environment_further_up(tmp_path):
    (tmp_path / "shop" / "backend").mkdir(parents=True)
    (tmp_path / "shop" / "backend" / "manage.py").write_text('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")')
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    found = project.find(str(tmp_path / "shop"), None, None, {}, None)
    assert (found.folder, found.settings) == (tmp_path / "shop" / "backend", "shop.settings")
    assert found.python == str(tmp_path / "venv" / "bin" / "python")


def test_variables_come_from_a_file_and_by_name(tmp_path):
    path = tmp_path / ".env"
    path.write_text("# secret\nA=1\nexport B='two words' # why\n\nC=\"#3\"\nD = plain # comment\nE=\nnot a line\n")
    assert env_file.read_env_file(path) == {"A": "1", "B": "two words", "C": "#3", "D": "plain", "E": ""}
    assert project.environment(project.Project(tmp_path, "python", "s", {"A": "2"}, str(path)))["A"] == "2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--project", "/no/such"], "--project /no/such: there is no such folder"),
        (["--project", "{empty}"], "no manage.py in this folder"),
        (["--project", "{site}", "--python", "/no/python"], "--python /no/python: there is no interpreter"),
        (["--project", "{site}", "--env-file", "/no/file"], "--env-file /no/file: there is no such file"),
        (["--project", "{site}", "--env", "A"], "'A' is not a variable: write NAME=VALUE"),
        (
            ["--project", "{site}", "--servers", "nginx"],
            "--servers nginx: there is none of that name; there are ",
        ),
        (["--project", "{site}", "--threads", "8,x"], "'x' is not a whole number"),
        (["--project", "{site}", "--path", "admin"], "--path admin: it must begin with '/'"),
        (["--project", "{site}", "uvicorn_asgi"], "not uvicorn_asgi; choose among them with --servers"),
        (["--project", "{site}", "--frobnicate"], "--frobnicate"),
        (["--project", "{site}", "--target", "p99<=1s"], "--target needs --rate R"),
        (["--project", "{site}", "--rate", "5", "--target", "req/s>=5"], "'req/s>=5' is not a target for --target"),
        (["--project", "{site}", "--cores", "4"], "--cores and --memory are of a machine to advise for: add --rate and --target"),
        (["--project", "{site}", "--verify"], "--verify tries what is advised: add --rate and --target"),
        (["--project", "{site}", "--memory", "2"], "'2' is not a size: write 2GB or 512MB"),
        (["--project", "{site}", "--processes", "0"], "'0' is not a whole number of 1 or more"),
        (["--project", "{site}", "--servers", "daphne_asgi", "--processes", "2"], "no server is left: daphne_asgi: daphne has one process"),
        (["--project", "{site}", "--login", "anna"], "--login: 'anna' is not NAME:PASSWORD, or '$VARIABLE' that holds it"),
        (["--project", "{site}", "--login-path", "login"], "--login-path: 'login' is not a path: it must begin with '/'"),
        (["--project", "{site}", "--csrf", "form"], "--csrf: 'form' is not a path: it must begin with '/'"),
        (["--project", "{site}", "--cookie", "a=\n"], "--cookie: 'a=\\n' is not the value of a header"),
        (["--project", "{site}", "--host-header", ""], "--host-header: '' is not the value of a header"),
        (["--project", "{site}", "--header", "X"], "'X' is not a header"),
        (["--project", "{site}", "--rate", "0"], "--rate: "),
        (["--project", "{site}", "-p", "/no/body"], "-p: "),
        (["--project", "{site}", "--expect-status", "99"], "--expect-status: "),
        (["--project", "{site}", "--rate", "5", "--target", "p99<=1s", "--cores", "0"], "--cores: "),
        (
            ["--project", "{site}", "--rate", "5", "--target", "p99<=1s", "--cores", "999", "--verify"],
            "--verify needs a machine of --cores 999",
        ),
    ],
)
def test_a_wrong_command_line_says_what_to_do(site, tmp_path, arguments, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        begin(*(word.format(site=site, empty=tmp_path) for word in arguments))


def test_a_server_that_cannot_be_what_is_asked_is_left_out_and_named(site, capsys):
    options, _ = command.parse_arguments(["--project", str(site), "--servers", "daphne_asgi,uvicorn_asgi", "--processes", "2"])
    rows = command.choose_rows(options, str(site / ".venv" / "bin" / "python"), only_one=False)
    assert [row.name for row, _ in rows] == ["uvicorn_asgi_2x"]
    assert capsys.readouterr().err.startswith("run_all.sh: left out: daphne_asgi: daphne has one process: ")


def begin(*arguments: str) -> command.OwnRun:
    """As ./run_all.sh does before it runs anything."""
    own, rest = command.parse_arguments(list(arguments))
    return command.write_scenarios(own, suite_command.parse_arguments(rest).names)


# What its settings mean


def look(site: Path, *words: str) -> None:
    """As ./run_all.sh does before it writes anything."""
    options, _ = command.parse_arguments(["--project", str(site), *words])
    found = project.find(options.project, options.python, options.settings, {}, None)
    launches = [model.server for model in MODELS.values()]
    command.look_at(found, options, list(map(parse_line, command.load_lines(options, 10))), launches)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (
            "--settings mysite.debug",
            UsageError,
            "DEBUG is on in mysite.debug, .* name settings: --settings mysite.settings, as wsgi.py says",
        ),
        ("--settings mysite.hosts", UsageError, "ALLOWED_HOSTS of mysite.hosts lacks the Host .* use --host-header shop.test"),
        ("--settings mysite.fileless", Failed, "database does not answer: sqlite, .*no.sqlite3: there is no file"),
        ("--settings mysite.unmigrated", Failed, "lacks the migrations .* and \\d+ more; run manage.py migrate first"),
        ("--settings mysite.broken", Failed, "RuntimeError: SECRET_KEY is not set\n.*raise RuntimeError"),
        ("--settings mysite.nothing", Failed, "No module named 'mysite.nothing'"),
        ("--settings mysite.https --path /who/", UsageError, "as SECURE_PROXY_SSL_HEADER is not set: set it as for your proxy"),
        ("--settings mysite.named --path /who/", UsageError, "send what your proxy would: -H 'X-Scheme: https'"),
        ("--path /admin/", UsageError, "/admin/ answers 302, to /admin/login/.* --cookie"),
        ("--path /nowhere/", UsageError, "/nowhere/ answers 404: the project has no such page"),
        ("--path /fail/", Failed, "/fail/ ends in ZeroDivisionError: division by zero .*urls.py:"),
        ("--path /who/ --expect-status 302", UsageError, "/who/ answers 200; .* --expect-status 200"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(site, words, error, said):
    before = fingerprint(site)
    with pytest.raises(error, match=re.compile(said, re.DOTALL)):
        look(site, *words.split())
    assert fingerprint(site) == before


def test_debug_is_measured_all_the_same_if_it_is_meant(site, capsys):
    look(site, "--settings", "mysite.debug", "--path", "/who/", "--debug-anyway")
    assert "/who/ is def who" in capsys.readouterr().out


def test_an_environment_without_django_is_named(site, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(Failed, match="bare/bin/python has no Django: name the project's own environment with --python"):
        look(site, "--python", str(tmp_path / "bare"))


def test_what_matters_is_said_before_it_runs(site, capsys):
    look(site, "--settings", "mysite.doubtful", "--path", "/who/")
    said = capsys.readouterr().out
    assert "database: sqlite, " in said
    assert "is asked by GET alone" in said
    assert "CONN_MAX_AGE is 60: under ASGI" in said
    assert "ATOMIC_REQUESTS is on" in said
    assert "sessions: db; cache: LocMemCache, one in each process" in said
    assert "SyncOnly cannot run in an event loop" in said
    assert "ManifestStaticFilesStorage has no manifest" in said
    assert "/who/ is def who: under ASGI each request runs it in a thread" in said
    assert "asgi.py" not in said


def test_what_is_as_it_should_be_is_not_spoken_of(site, capsys):
    look(site, "--path", "/wait/", "--expect-status", "200")
    said = capsys.readouterr().out
    assert "/wait/ is async def wait" in said
    assert not any(word in said for word in ("CONN_MAX_AGE", "ATOMIC_REQUESTS", "manifest", "cannot run"))


def test_a_driver_that_blocks_greenlets_and_a_pool_are_told_where_they_matter():
    database = Database(
        "default", "postgresql", "psycopg2 2.9.13", "shop", "db", max_age="0", pool=4, atomic=False, fault="", migrations=[]
    )
    loads = [parse_line("-m POST -n 1 /")]
    [asked, pool] = explain_database(database, loads, {LOOP})
    assert asked == "database: postgresql, shop on db through psycopg2 2.9.13; it is the project's own, and is asked by POST alone"
    assert "at most 4 connections in each process" in pool
    assert "psycopg2 2.9.13 stops all greenlets" in list(explain_database(database, loads, {GREENLETS}))[-1]
    down = replace(database, fault="connection refused")
    with pytest.raises(Failed, match="does not answer: postgresql, shop on db: connection refused"):
        refuse(replace(FACTS, databases=[down]), "shop.settings", "", False)


# The servers


def make_wheel(folder: Path, name: str, number: str) -> None:
    """A package with a program that prints its version, and with another's if it is there."""
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as wheel:
        code = f"import sys\ndef main():\n    print('{number}', sys.argv[1:])\n"
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{name}-{number}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        wheel.writestr(f"{name}-{number}.dist-info/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        wheel.writestr(f"{name}-{number}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-{number}.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """Where pip finds packages, in place of the network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setattr(servers, "FOLDER", tmp_path / "servers")
    (tmp_path / "wheels").mkdir()
    make_wheel(tmp_path / "wheels", "tinyserver", "1.0")
    make_wheel(tmp_path / "wheels", "tinyserver", "2.0")
    return tmp_path


def launched(python: Path, folders: list[Path]) -> str:
    command = [python, project.LAUNCHER, ":".join(map(str, folders)), "tinyserver", "--port", "1"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def test_a_server_that_is_lacking_is_installed_once_beside_the_environment(index):
    python = make_environment(index / "venv")
    said: list[str] = []
    before = fingerprint(index / "venv")
    folder = servers.install(str(python), "tinyserver==1.0", said.append)
    assert servers.install(str(python), "tinyserver==1.0", said.append) == folder
    assert said == ["installing tinyserver==1.0 beside the project's environment"]
    assert fingerprint(index / "venv") == before
    assert launched(python, [folder]) == "1.0 ['--port', '1']"
    newer = servers.install(str(python), "tinyserver==2.0", said.append)
    [theirs] = (index / "venv").glob("lib/python*/site-packages")
    for path in newer.iterdir():
        (theirs / path.name).symlink_to(path)
    assert launched(python, [folder]) == "2.0 ['--port', '1']"  # theirs wins


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (None, {"sync": "--no-control-socket", "asgi": "--no-control-socket"}),
        ("23.0.0", {"sync": "", "asgi": None}),
        ("24.1.1", {"sync": "", "asgi": ""}),
        ("25.1.0", {"sync": "--no-control-socket", "asgi": "--no-control-socket"}),
    ],
)
def test_an_old_gunicorn_gets_only_what_it_knows(tmp_path, number, kept):
    python = make_environment(tmp_path / "venv")
    [theirs] = (tmp_path / "venv").glob("lib/python*/site-packages")
    if number is not None:
        (theirs / f"gunicorn-{number}.dist-info").mkdir()
        (theirs / f"gunicorn-{number}.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gunicorn\nVersion: {number}\n")
    for worker, flag in kept.items():
        launch = MODELS[f"gunicorn_{worker}"].server
        if flag is None:
            with pytest.raises(NotInstalled, match=r"needs gunicorn 24 or newer, and the project has 23\.0\.0"):
                servers.fit(launch, str(python))
        else:
            assert ("--no-control-socket" in servers.fit(launch, str(python))) == bool(flag)


def test_a_sync_worker_of_a_project_says_that_it_has_one_thread():
    fitted = servers.fit(MODELS["gunicorn_sync"].server, sys.executable)
    assert "gunicorn --threads 1 {app} " in fitted
    assert shape_of(fitted) == shape_of(MODELS["gunicorn_sync"].server)
    assert servers.fit(MODELS["waitress_threads"].server, sys.executable) == MODELS["waitress_threads"].server


def test_where_another_run_was_faster_its_server_is_taken(index):
    folder = index / "servers" / "abi" / "tinyserver==1.0"
    (folder / "theirs").mkdir(parents=True)
    assert servers.fault_of_installing(sys.executable, "tinyserver==1.0", folder) == ""
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert (folder / "theirs").is_dir()


def test_a_server_without_a_wheel_is_skipped_with_the_reason(index):
    with pytest.raises(NotInstalled, match=r"nosuchserver==1.0 cannot be installed for .*: No matching distribution"):
        servers.install(sys.executable, "nosuchserver==1.0", lambda text: None)
    assert list(index.glob("servers/*/*")) == []


@pytest.mark.parametrize(
    ("launch", "packages"),
    [
        ("gunicorn {app} --bind {host}:{port} --workers 1", ["gunicorn"]),
        ("gunicorn {app} --worker-class gevent", ["gunicorn", "gevent", "packaging"]),
        ("gunicorn {app} -k uvicorn_worker.UvicornWorker", ["gunicorn", "uvicorn-worker"]),
        ("uvicorn {app} --loop uvloop", ["uvicorn", "uvloop"]),
        ("waitress-serve --listen={host}:{port} {app}", ["waitress"]),
        ("uwsgi --http {host}:{port} --module {app}", ["pyuwsgi"]),
        ("myserver {app}", []),
    ],
)
def test_the_packages_of_a_launch_line(launch, packages):
    assert sorted(servers.packages_of(launch)) == sorted(packages)


# The files


@pytest.mark.parametrize("name", MODELS)
def test_each_row_has_the_shape_that_it_says(name):
    model: Scenario = MODELS[name]
    rows = scenario_files.rows_of(name, model, [1, 2], [8, 32])
    assert len({row.name for row in rows}) == len(rows) > 0
    for row in rows:
        shape = shape_of(row.server)
        assert shape.processes == (2 if "_2x" in row.name else 1)
        assert all(f"{shape.threads}" in row.name for _ in [0] if shape.threads in (8, 32))
        assert row.server.count("{app}") == model.server.count("{app}") == 1


def test_a_difference_is_one_number():
    rows = scenario_files.rows_of("gunicorn_gthread", MODELS["gunicorn_gthread"], [1, 2], [8, 32])
    assert [row.differs_from for row in rows] == [
        {},
        {"gunicorn_gthread_8": "32 threads, not 8"},
        {"gunicorn_gthread_8": "2 processes, not 1"},
        {"gunicorn_gthread_32": "2 processes, not 1"},
    ]


def load_lines(*words: str) -> list[str]:
    options, left = command.parse_arguments(["--project", ".", *words])
    assert left == []
    return command.load_lines(options, 10)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("--path /a/ -n 100", ["-n 100 -c 32 /a/"]),
        ("-n 10 -k", ["-n 10 -c 10 -k /"]),
        ("--path /a/ --path /b/ -c 4 -t 5", ["-c 4 -t 5 /a/", "-c 4 -t 5 /b/"]),
        (
            "-n 9 -c 9 --cookie sessionid=1 --host-header shop.test -H 'A: b'",
            ["-n 9 -c 9 '-HA: b' '-HHost: shop.test' '-HCookie: sessionid=1' /"],
        ),
        ("-n 9 -c 3 -d a=b", ["-s 30 -m POST -n 9 -c 3 -da=b -T application/x-www-form-urlencoded /"]),
        ("-n 9 -c 3 -d ''", ["-s 30 -m POST -n 9 -c 3 -d '' -T application/x-www-form-urlencoded /"]),
    ],
)
def test_the_load_is_written_as_a_person_would(words, lines):
    assert load_lines(*shlex.split(words)) == lines


def test_the_default_loads_end_in_four_minutes():
    [line] = load_lines()
    seconds = float(re.search(r"-t (\d+)", line).group(1))
    assert seconds >= 2
    assert (seconds + command.START) * 11 <= 240
    options, _ = command.parse_arguments(["--project", "."])
    assert "-t 2 " in command.load_lines(options, 1000)[0]


def test_what_is_not_a_project_of_its_own_name_is_refused(tmp_path):
    found = project.Project(tmp_path / "wait", sys.executable, "wait.settings")
    with pytest.raises(UsageError, match=r"studies/wait.py is a different study"):
        scenario_files.folder_of(found)


def test_projects_in_folders_of_a_common_name_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(scenario_files, "FOLDER", tmp_path)
    monkeypatch.setattr("common.serving.scenario.FOLDER", tmp_path)
    monkeypatch.setattr("common.serving.scenario.ROOT", tmp_path)
    shop, bank, other = (
        project.Project(tmp_path / name, sys.executable, "a.settings") for name in ("shop/src", "bank/src", "else/shop_src")
    )
    assert [scenario_files.folder_of(one).name for one in (shop, bank)] == ["shop_src", "bank_src"]
    [row] = scenario_files.rows_of("uvicorn_asgi", MODELS["uvicorn_asgi"], [1], [8])
    source = scenario_files.source_of(row, "shop_src", shop, FACTS, ["-n 1 /"], MODELS["uvicorn_asgi"], {})
    scenario_files.write(tmp_path / "shop_src" / "uvicorn_asgi.py", source, renew=False)
    assert scenario_files.folder_of(shop).name == "shop_src"
    with pytest.raises(UsageError, match=f"shop_src/ serves {shop.folder}; rename that folder, or remove it"):
        scenario_files.folder_of(other)


def test_nothing_is_written_that_could_not_be_read(tmp_path):
    good, bad = tmp_path / "a" / "good.py", tmp_path / "a" / "bad.py"
    source = FILES["uvicorn_asgi_wait"].read_text()
    with pytest.raises(ScenarioError, match=r"bad.py:\d+: LOGIN must be 'NAME:PASSWORD'"):
        command.write_files({good: source, bad: f'{source}\nLOGIN = "anna"\n'}, renew=False)
    assert not good.parent.exists()


def test_older_files_beside_them_are_not_the_same_again(tree, site):
    words = ("--project", site, "--path", "/who/", "--servers", "uvicorn_*", "--renew", "--list")
    folder = tree / "scenarios" / "mysite"
    shutil.rmtree(folder, ignore_errors=True)
    assert "the same again: ./run_all.sh 'mysite/*'\n" in suite(tree, *words).stdout
    (folder / "of_my_own.py").write_text("")
    assert "the same again: ./run_all.sh mysite/uvicorn_asgi\n" in suite(tree, *words).stdout
    shutil.rmtree(folder)


def test_what_is_written_keeps_the_rules_of_scenarios(tree, site, monkeypatch):
    suite(tree, "--project", site, "--path", "/who/", "--expect", "serves", "--env", "A=1", "--login", "anna:secret", "--renew", "--list")
    monkeypatch.setattr("common.serving.scenario.ROOT", tree)
    written = sorted((tree / "scenarios" / "mysite").glob("*.py"))
    assert len(written) > len(MODELS)
    assert {path.name: faults(path) for path in written if faults(path)} == {}
    suite(tree, "--project", site, "--path", "/who/", "--renew", "--list")  # what its pages hold, only the reader can say
    assert {fault for path in written for fault in faults(path)} == {"a load without --expect"}


def test_a_project_runs_only_if_it_is_named(tmp_path, monkeypatch):
    own, broken, ours = (tmp_path / name for name in ("own.py", "broken.py", "ours.py"))
    own.write_text('STUDY = "shop"\nPROJECT = "/code/shop"\nLOGIN = "anna"\n')
    broken.write_text("def broken(:")
    ours.write_text('STUDY = "wait"\n')
    monkeypatch.setattr(choice, "files", lambda: [own, broken, ours])
    assert choice.choose_scenarios([]) == [broken, ours]
    assert choice.choose_scenarios(["*"]) == [own, broken, ours]
    monkeypatch.setattr(choice, "files", lambda: [own])
    with pytest.raises(ScenarioError, match="there is no scenario but those of a project"):
        choice.choose_scenarios([])


# Then with more processes


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where scenarios are, while a test runs."""
    monkeypatch.setattr("common.serving.scenario.FOLDER", tmp_path / "scenarios")
    return tmp_path / "scenarios" / "shop"


def write_rows(folder: Path, *names: str, paths: str = "/a/") -> dict[Path, str]:
    """All that these servers get with one process, written, and with two, not written."""
    found = project.Project(folder.parents[1], sys.executable, "shop.settings")
    lines = [f"-c 8 -t 2 {path}" for path in paths.split()]
    sources = {
        folder / f"{row.name}.py": scenario_files.source_of(row, "shop", found, FACTS, lines, MODELS[name], {"LOGIN": "anna:secret"})
        for name in names
        for row in scenario_files.rows_of(name, MODELS[name], [1, 2], [8, 32])
    }
    for path, source in sources.items():
        if "_2x" not in path.name:
            scenario_files.write(path, source, renew=True)
    return sources


def read_all(folder: Path) -> list[Scenario]:
    return [read(path, folder.parents[1]) for path in sorted(folder.glob("*.py"))]


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_are_what_processes_2_would_write(folder, name):
    sources = write_rows(folder, name)
    made = dict(wider.widen(one, 2) for one in read_all(folder) if wider.can_be_wider(one, 2))
    assert made == {path: source for path, source in sources.items() if "_2x" in path.name}
    for path, source in sources.items():
        scenario_files.write(path, source, renew=True)
    assert {wider.server_of(one) for one in read_all(folder)} == {name}


def test_what_the_reader_changed_holds_for_two_processes_too(folder):
    write_rows(folder, "gunicorn_gthread")
    path = folder / "gunicorn_gthread_8.py"
    path.write_text(path.read_text().replace("--threads 8", "--threads 5").replace("\nPROJECT", "\n# ours\nPROJECT"))
    made_at, source = wider.widen(read(path, folder.parents[1]), 2)
    assert made_at.name == "gunicorn_gthread_2x8.py"
    assert "--threads 5" in source
    assert "--workers 2" in source
    assert "\n# ours\n" in source
    path.write_text(path.read_text().replace("--workers 1", "--workers 3"))
    assert not wider.can_be_wider(read(path, folder.parents[1]), 2)


def ran(folder: Path, rates: dict[str, dict[str, int]], disturbed: str = "") -> list[ScenarioRun]:
    """Runs of these scenarios, with so many requests a second for each path."""
    runs = []
    for name, of_paths in rates.items():
        sent = [make_sent(make_steady(rate * 2, 2.0), f"-c 8 -t 2 {path}", seconds=2.0) for path, rate in of_paths.items()]
        noise = Noise(available=True, disturbed=disturbed)
        loads = [make_measured(one, line=f"-c 8 -t 2 {one.path}", cost=make_cost(1.0), noise=noise) for one in sent]
        path = folder / f"{name}.py"
        written = dict(source=path.read_text(), launch=read(path, folder.parents[1]).server) if path.exists() else {}
        runs.append(make_run(f"shop/{name}", *loads, study="shop", project=str(folder), **written))
    return runs


def open_run_of(folder: Path, runs: list[ScenarioRun]) -> OpenRun:
    scenarios = read_all(folder)
    plan = Plan([one.name for one in scenarios], 1, 1, full=False, pin=True, sizes=Sizes())
    return OpenRun(plan, RunOptions(), scenarios, {}, runs, folder, None, None)


def own_run(workers: int = 2, wanted: Namespace | None = None) -> command.OwnRun:
    return command.OwnRun([], workers, 240.0, renew=False, wanted=wanted)


def choose(folder: Path, runs: list[ScenarioRun], workers: int = 2, until: float = float("inf")) -> list[Scenario]:
    return project_run.choose_further(own_run(workers), open_run_of(folder, runs), until)


RATES = {"gunicorn_gthread_8": {"/a/": 100}, "gunicorn_gthread_32": {"/a/": 50}, "uvicorn_asgi": {"/a/": 70}, "daphne_asgi": {"/a/": 200}}


def test_those_that_served_most_go_on_with_two_processes(folder, capsys):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi", "daphne_asgi")
    chosen = choose(folder, ran(folder, RATES))
    assert [one.name for one in chosen] == ["shop/gunicorn_gthread_2x8", "shop/uvicorn_asgi_2x"]
    assert [shape_of(one.server).processes for one in chosen] == [2, 2]
    said = capsys.readouterr().out
    assert said == "Now the two that served most, with 2 processes: shop/gunicorn_gthread_8 and shop/uvicorn_asgi\n"


def test_each_is_asked_only_for_the_paths_where_it_served_most(folder):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi", paths="/a/ /b/")
    rates = {"gunicorn_gthread_8": {"/a/": 100, "/b/": 10}, "gunicorn_gthread_32": {"/a/": 50, "/b/": 100}}
    chosen = choose(folder, ran(folder, {**rates, "uvicorn_asgi": {"/a/": 70, "/b/": 70}}))
    assert {one.name: [load.target for load in one.loads] for one in chosen} == {
        "shop/gunicorn_gthread_2x8": ["/a/"],
        "shop/gunicorn_gthread_2x32": ["/b/"],
        "shop/uvicorn_asgi_2x": ["/a/", "/b/"],
    }


def test_why_none_goes_on_is_said(folder, capsys):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi", "daphne_asgi")
    before = fingerprint(folder)
    assert choose(folder, ran(folder, RATES), until=0.0) == []
    assert capsys.readouterr().out.startswith("No time is left for the two that served most, with 2 processes: shop/gunicorn_gthread_8")
    assert choose(folder, ran(folder, RATES, disturbed="other programs used 50% of the cores")) == []
    assert "none that can have them was measured undisturbed" in capsys.readouterr().out
    assert choose(folder, ran(folder, RATES), workers=1) == []
    assert capsys.readouterr().out == ""
    assert fingerprint(folder) == before


def test_a_run_goes_on_where_there_are_cores_and_the_reader_names_no_processes(site, tmp_path, monkeypatch):
    words = ["--project", str(site), "--path", "/who/", "--servers", "uvicorn_*"]
    monkeypatch.setattr(scenario_files, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "install", lambda launches, python: None)
    monkeypatch.setattr(cores, "AVAILABLE", [0, 1])
    own = begin(*words)
    assert (own.workers, own.seconds) == (2, 240.0)
    assert begin(*words, "-n", "9").seconds == float("inf")
    assert begin(*words, "--processes", "1").workers == 1
    monkeypatch.setattr(cores, "AVAILABLE", [0])
    assert begin(*words).workers == 1


class Noting:
    """Runs nothing: so many turns fit into the time."""

    def __init__(self, fit: int) -> None:
        self.fit, self.runs, self.asked = fit, [], []
        self.options, self.directory, self.watch = RunOptions(), ROOT / "results" / "a", Namespace(expect=lambda seconds: None)

    def run(self, turns, until=float("inf"), ended_by=()) -> None:
        kept = turns if until == float("inf") else turns[: self.fit]
        self.runs += kept
        self.asked += [(turn.scenario.path.stem, NotVisited in ended_by, WrongAnswer in ended_by) for turn in kept]


def test_every_server_runs_once_and_what_has_no_time_is_named(folder, capsys):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi")
    turns = [Turn(one) for one in read_all(folder)]
    assert [turn.scenario.path.stem for turn in turns] == ["gunicorn_gthread_32", "gunicorn_gthread_8", "uvicorn_asgi"]
    noting = Noting(0)
    project_run.run_first(turns, noting, until=0.0)
    assert noting.asked == [("gunicorn_gthread_32", True, True), ("uvicorn_asgi", True, False)]
    said = "No time is left for shop/gunicorn_gthread_8; to run what is left: ./run_all.sh --resume results/a\n"
    assert capsys.readouterr().out == said
    noting = Noting(0)
    project_run.run_first(turns[::-1], noting, until=0.0)
    assert noting.asked == [("gunicorn_gthread_8", True, True), ("uvicorn_asgi", True, False)]
    capsys.readouterr()
    noting = Noting(9)
    project_run.run_first(turns, noting, until=1.0)
    assert [name for name, _, _ in noting.asked] == ["gunicorn_gthread_32", "uvicorn_asgi", "gunicorn_gthread_8"]
    assert capsys.readouterr().out == ""


# What is too near to tell at the top

NEAR = {"gunicorn_gthread_8": {"/a/": 100}, "uvicorn_asgi": {"/a/": 98}}


def test_what_would_decide_the_best_two_is_told(folder):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi")
    one, other = "shop/uvicorn_asgi", "shop/gunicorn_gthread_8"
    decide = f"To decide which costs less CPU: ./run_all.sh {one} {other}"
    runs = ran(folder, NEAR)
    assert list(project_run.tell_top(open_run_of(folder, runs))) == [
        f"/a/: {one} and {other} are too near to tell. {decide} --side-by-side"
    ]
    assert list(project_run.tell_top(open_run_of(folder, ran(folder, RATES)))) == []
    pair = make_pair(*spread(1.5, 8), names=[one, other], identity=runs[0].loads[0].identity, together=2)
    files.write(folder / "side-by-side" / files.name_of_pair(pair), pair)
    [said] = project_run.tell_top(open_run_of(folder, runs))
    assert re.fullmatch(f"/a/: {one} costs (49|50).\\d% more CPU per request than {other}, .* \\(8 restarts side by side\\)", said)
    files.write(folder / "side-by-side" / files.name_of_pair(pair), replace(pair, restarts=[], refused="answers take 9 s"))
    [said] = project_run.tell_top(open_run_of(folder, runs))
    assert said.endswith(f" Not side by side: answers take 9 s. {decide} --rounds 10")


def test_what_leads_is_what_we_would_run(folder):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi", "daphne_asgi")
    one, other = "shop/uvicorn_asgi", "shop/gunicorn_gthread_8"

    def said(rates, disturbed=""):
        return [text.splitlines() for text in project_run.tell_choice(open_run_of(folder, ran(folder, rates, disturbed)))]

    [[choice, launch]] = said(RATES)
    assert choice == "/a/: we would run shop/daphne_asgi: it serves most."
    assert re.fullmatch("    daphne [^{}]+", launch)
    [[choice, _]] = said(NEAR)
    assert choice == f"/a/: we would run {other}: none is shown to serve more, and its requests cost least."
    [[choice]] = said(RATES, disturbed="other programs used 50% of the cores")
    assert choice == "/a/: nothing is advised: no server was measured undisturbed and without failures."
    pair = make_pair(*spread(0.5, 8), names=[one, other], identity=ran(folder, NEAR)[0].loads[0].identity, together=2)
    files.write(folder / "side-by-side" / files.name_of_pair(pair), pair)
    [[choice, launch]] = said(NEAR)
    assert choice == f"/a/: we would run {one}: none is shown to serve more, and its requests cost least."
    assert launch.startswith("    uvicorn ")


@pytest.mark.parametrize("seconds", [project_run.LEAST_TO_DECIDE / 2, float("inf")], ids=["too little time", "as much as the reader says"])
def test_nothing_is_decided_outside_of_the_time_of_a_run(folder, capsys, seconds):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi")
    project_run.decide_top(open_run_of(folder, ran(folder, NEAR)), time.monotonic() + seconds, pytest.fail)
    assert capsys.readouterr().out == ""


def test_the_best_two_are_asked_in_turn_where_time_is_left(folder, capsys, monkeypatch):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi")
    asked: list[bool] = []
    monkeypatch.setattr(project_run, "decide", lambda pair, until, tell_fault, more_rounds: asked.append(more_rounds))
    project_run.decide_top(open_run_of(folder, ran(folder, NEAR)), time.monotonic() + 2 * project_run.LEAST_TO_DECIDE, pytest.fail)
    assert asked == [False]
    assert capsys.readouterr().out.startswith("Now side by side, as they are too near to tell, for at most ")


# Advice


def test_the_best_of_each_kind_is_also_asked_one_at_a_time(folder, capsys):
    write_rows(folder, "gunicorn_gthread", "uvicorn_asgi", "daphne_asgi")
    open_run = open_run_of(folder, ran(folder, RATES))
    turns = project_run.plan_alone(own_run(wanted=Namespace(rate=5.0)), open_run)
    assert [(turn.scenario.name, turn.scenario.load) for turn in turns] == [
        ("shop/daphne_asgi", ["-n 100 -c 1 -t 10 /a/"]),
        ("shop/gunicorn_gthread_8", ["-n 100 -c 1 -t 10 /a/"]),
    ]
    assert capsys.readouterr().out == "Now one request at a time, for advice: shop/daphne_asgi and shop/gunicorn_gthread_8\n"
    assert project_run.plan_alone(own_run(), open_run) == []


def test_what_advice_asks_for_is_no_load():
    options, _ = command.parse_arguments(["--project", ".", "--rate", "200", "--target", "p99<=1s", "--memory", "2GB"])
    wanted = command.wanted_from(options)
    assert (wanted.rate, wanted.target, wanted.cores, wanted.memory) == (200.0, "p99<=1s", None, 2048.0)
    assert command.load_lines(options, 10) == load_lines()


def test_no_advice_without_a_request_alone(capsys):
    assert project_run.advise_on(own_run(wanted=Namespace()), [], []) == 1
    assert capsys.readouterr().out == "No advice: no server of one process was measured undisturbed.\n"
    assert project_run.advise_on(own_run(), [], []) == 0


def test_advice_is_what_a_run_ends_with_if_it_is_asked_for(served):
    program, _, directory = served
    assert "Now one request at a time, for advice: mysite/gunicorn_gthread_2 and mysite/uvicorn_asgi\n" in program.stdout
    advised = " ".join(program.stdout.rpartition("Records and")[2].split())
    assert re.search(r"To keep p90<=10000ms at 20 requests a second on \d+ cores?, run mysite/\w+ with 1 process", advised)
    assert re.search(r"^    (gunicorn|uvicorn) mysite\.[aw]sgi:application -.*127\.0\.0\.1", program.stdout, re.MULTILINE)
    asked_alone = {path.name.partition(".")[0]: path for path in (directory / project_run.ALONE).rglob("*.json.gz")}
    assert set(asked_alone) == {"gunicorn_gthread_2", "uvicorn_asgi"}
    fastest = min(min(load.metrics.latencies) for path in asked_alone.values() for load in files.read(path, ScenarioRun).loads)
    kept = re.search(r"^Kept: p90 ([\d.,]+) ms \(forecast ([\d.,]+)\)", program.stdout, re.MULTILINE)
    assert kept, program.stdout
    assert all(float(ms.replace(",", "")) > 0.9 * fastest for ms in kept.groups())


def test_advice_ends_no_run_of_another_kind():
    for words in (["--find-rate", "p99<=1s"], ["--side-by-side"], ["--against", "main"], ["--serve"]):
        with pytest.raises(UsageError, match="--target asks for advice after a run"):
            suite_command.check_kind(suite_command.parse_arguments(words), advises=True)


# Before and after a change


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *words], cwd=folder, check=True, capture_output=True)


WORK = """
def work(request):
    sum(range(1))
    return HttpResponse("done")

urlpatterns.insert(0, path("who/", work))
"""


def test_a_change_that_costs_cpu_is_told_beside_the_revision_before_it(tree, site, tmp_path):
    """The revision lacks the database and the local settings, which git ignores."""
    shop = copy_site(site, tmp_path / "shop")
    (shop / ".gitignore").write_text(".venv/\n*.sqlite3\nmysite/hosts.py\n")
    urls = shop / "mysite" / "urls.py"
    urls.write_text(urls.read_text() + WORK)
    git(shop, "init", "-q")
    git(shop, "add", ".")
    git(shop, "commit", "-qm", "before")
    urls.write_text(urls.read_text().replace("range(1)", "range(60_000)"))
    before = fingerprint(shop)
    words = ("--project", shop, "--path", "/who/", "-c", "1", "--against", "HEAD", "--minutes", "0.3", "--markdown", tmp_path / "answer.md")
    program = suite(tree, *words)
    assert program.process.returncode == 1, program.stderr
    assert "shop/gunicorn_sync costs " in program.stdout
    assert "times the CPU per request of before-shop/gunicorn_sync" in program.stdout
    assert "shop/gunicorn\\_sync costs " in (tmp_path / "answer.md").read_text()
    assert fingerprint(shop) == before


def test_what_git_does_not_keep_goes_with_a_revision(tmp_path):
    repository = tmp_path / "site"
    (repository / "static").mkdir(parents=True)
    for name in ("kept.py", "db.sqlite3", "static/a.css"):
        (repository / name).write_text("first")
    (repository / ".gitignore").write_text("*.sqlite3\nstatic/\n")
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "first")
    (repository / "kept.py").write_text("second")
    (repository / ".#kept.py").symlink_to("anna@here.4711")  # as an editor locks it
    with checkout("HEAD", repository) as root:
        assert (root / ".#kept.py").is_symlink()
        assert [(root / name).read_text() for name in ("kept.py", "db.sqlite3", "static/a.css")] == ["first"] * 3
        (root / "db.sqlite3").write_text("theirs stays as it is")
    assert (repository / "db.sqlite3").read_text() == (repository / "static" / "a.css").read_text() == "first"
    assert not root.exists()
