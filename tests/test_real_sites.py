"""Is a real site served as its own start command makes it, on SQLite and on PostgreSQL? And one that is only an installed package?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import sql

from common.client.progress import silent
from common.serving import postgres
from tests.processes import Program, copy_tree, records
from tests.test_own_project import make_project
from tests.test_project import FILES, PACKAGES, SERVED_BY, fingerprint, make_environment, suite

DATABASE = "museum"
LOCAL = """
import os

SECRET_KEY = "x"
ALLOWED_HOSTS = ["127.0.0.1"]
if "DATABASE_HOST" in os.environ:
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
    for name in ("NAME", "HOST", "PORT", "USER", "PASSWORD"):
        DATABASES["default"][name] = os.environ[f"DATABASE_{name}"]
"""
PRODUCTION = ("--settings", "museum.settings.production")
SEARCH = "/search/?query=home"


def make_full_environment(folder: Path) -> Path:
    """One of its own that finds what ours has."""
    python = make_environment(folder)
    packages_of(python).joinpath("ours.pth").write_text(str(PACKAGES))
    return python


def packages_of(python: Path) -> Path:
    [folder] = python.parents[1].glob("lib/python*/site-packages")
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("tree"), {name: FILES[name].read_text() for name in SERVED_BY})


@pytest.fixture(scope="module")
def museum(tmp_path_factory) -> Path:
    """As Wagtail starts a site, with what its own production settings lack."""
    folder = tmp_path_factory.mktemp("projects") / "museum"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "wagtail.bin.wagtail", "start", "museum", folder], check=True)
    (folder / "museum" / "settings" / "local.py").write_text(LOCAL)
    make_full_environment(folder / ".venv")
    manage(folder, "migrate", "-v0")
    return folder


def manage(folder: Path, *words: str, **environment: str) -> None:
    python = folder / ".venv" / "bin" / "python"
    subprocess.run([python, "manage.py", *words, *PRODUCTION], cwd=folder, env={**os.environ, **environment}, check=True)


def serve(tree: Path, museum: Path, *words: str) -> Program:
    servers = ("--servers", "gunicorn_gthread,uvicorn_*", "--threads", "2", "--processes", "1")
    load = ("--path", "/", "--path", SEARCH, "-n", "6", "-c", "2")
    return suite(tree, "--project", museum, *servers, *load, "--renew", *words)


def check_served(tree: Path, museum: Path, *words: str) -> str:
    """What is said of it."""
    before = fingerprint(museum)
    program = serve(tree, museum, *PRODUCTION, *words)
    assert program.process.returncode == 0, program.stdout + program.stderr
    assert fingerprint(museum) == before
    saved = {name: record for name, record in records(tree).items() if name.startswith("museum/")}
    assert set(saved) == {"museum/gunicorn_gthread_2", "museum/uvicorn_asgi"}
    for record in saved.values():
        assert [load["sent"]["outcomes"] for load in record["loads"]] == [{"ok": 6}, {"ok": 6}]
    return program.stdout


def test_a_real_site_is_served_as_it_comes(tree, museum):
    program = serve(tree, museum)
    assert "DEBUG is on in museum.settings.dev" in program.stderr
    program = serve(tree, museum, *PRODUCTION)
    assert "ManifestStaticFilesStorage has no manifest: a page with {% static %} is a 500 until you run manage.py" in program.stdout
    assert "GET / ends in ValueError: Missing staticfiles manifest entry" in program.stderr
    manage(museum, "collectstatic", "--noinput", "-v0")
    said = check_served(tree, museum)
    assert f"database: sqlite, {museum / 'db.sqlite3'}; it is the project's own" in said


def test_a_real_site_is_served_from_its_postgresql(tree, museum, tmp_path, monkeypatch):
    """Whose address and password are in its file of variables."""
    monkeypatch.delenv("PGHOST", raising=False)
    manage(museum, "collectstatic", "--noinput", "-v0")
    with postgres.server(silent) as server:
        server.serve(30, tmp_path)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        found = server.arguments(DATABASE)
        names = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
        variables = {f"DATABASE_{name}": str(found[word]) for name, word in names.items()}
        (tmp_path / "variables").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        lacking = serve(tree, museum, *PRODUCTION, "--env-file", str(tmp_path / "variables"))
        assert "the project's database lacks the migrations" in lacking.stderr
        assert lacking.process.returncode == 1
        manage(museum, "migrate", "-v0", **variables)
        said = check_served(tree, museum, "--env-file", str(tmp_path / "variables"))
    assert f"database: postgresql, {DATABASE} on {found['host']} through psycopg 3." in said


def test_a_package_that_is_installed_is_served_by_its_settings_alone(tree, tmp_path):
    """It has no folder and no manage.py of its own."""
    python = make_full_environment(tmp_path / "environment")
    shop = make_project(packages_of(python))
    (shop / "manage.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    words = ("--settings", "shop.settings", "--python", str(python), "--path", "/page/", "--expect", "page", "-n", "3", "-c", "1")
    program = suite(tree, "--project", tmp_path / "elsewhere", "--servers", "gunicorn_sync", "--processes", "1", *words)
    assert program.process.returncode == 0, program.stdout + program.stderr
    assert records(tree)["elsewhere/gunicorn_sync"]["loads"][0]["sent"]["outcomes"] == {"ok": 3}
    assert list((tmp_path / "elsewhere").iterdir()) == []
