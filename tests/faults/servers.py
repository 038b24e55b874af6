"""Servers that do not start, do not answer rightly, or change under the load."""

from tests.faults import Fault
from tests.processes import TAIL, changed

OWN_STUDY = ('STUDY = "tests"', 'STUDY = "{name}"')
LAUNCH = 'SERVER = "uvicorn {app} --host {host} --port {port} --lifespan off --no-access-log --log-level warning"'
RAW = (
    '''"""What does it say?"""

import os
import socket
import sys
import time


def serve(port):
    listening = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = listening.accept()
        try:
            connection.recv(4096)
            SAYS
        except OSError:
            pass
        connection.close()


if __name__ != "__main__":
    serve(int(sys.argv[1]))


STUDY = "{name}"
SERVER = "{python} -c 'import {module}' {port}"
LOAD = ["-n 20 -c 2 --expect ok /"]
'''
    + TAIL
)


def launched_by(server: str, *more: tuple[str, str]) -> str:
    return changed((LAUNCH, f"SERVER = {server!r}"), OWN_STUDY, *more)


def within(seconds: float, deadline: str) -> str:
    """The scenario, by a driver that is less patient."""
    module = deadline.rpartition(".")[0]
    return f"python -c \"from common import bench; import {module}; {deadline} = {seconds}; bench.main('scenarios/{{name}}.py')\""


def saying(what: str) -> str:
    return RAW.replace("SAYS", what)


def later(does: str, after: int = 11, load: str = "-n 20 -c 2 -s 1") -> str:
    """A server that does this for each request under load: the probe is one, the warm-up ten."""
    return changed(("    asked += 1\n", f"    asked += 1\n    if asked > {after}:\n        {does}\n"), ("-n 20 -c 2", load), OWN_STUDY)


def answering(status: int, length: int, body: str) -> str:
    head = f'await send({{"type": "http.response.start", "status": {status}, "headers": [(b"content-length", b"{length}")]}})'
    return f'{head}; await send({{"type": "http.response.body", "body": b"{body}"}}); return'


def first(does: str) -> str:
    return changed(("asked = 0\n", f"asked = 0\nif __name__ != '__main__':\n    {does}\n"), OWN_STUDY)


BAD_LAUNCH = {
    "": "SERVER has no {port}",
    "   ": "SERVER has no {port}",
    "uvicorn {app}": "SERVER has no {port}",
    "'uvicorn {port}": "SERVER: No closing quotation",
    "uvicorn {port} {nobody}": "SERVER has an unknown placeholder 'nobody'",
    "uvicorn {port} {}": "SERVER has an unknown placeholder",
    "uvicorn {port} {0}": "SERVER has an unknown placeholder",
    "uvicorn {port} {": "SERVER has an unknown placeholder",
    "uvicorn {port} }": "SERVER has an unknown placeholder",
    "uvicorn {port} {port.x}": "SERVER has an unknown placeholder",
    "uvicorn {port} {port[0]}": "SERVER has an unknown placeholder",
    "uvicorn {port} {port!x}": "SERVER has an unknown placeholder",
    "uvicorn {port} {port:x5y}": "SERVER has an unknown placeholder",
    "uvicorn {port} {port:9999999}": "cannot start",
    "/ {port}": "/ cannot be started: it is a folder",
    "/etc/passwd {port}": "/etc/passwd cannot be started: it is not executable",
}
STARTS_BADLY = {
    "exits with 3": (launched_by("{python} -c 'exit(3)' {port}"), "ended with exit code 3 while it was needed"),
    "exits with 0": (launched_by("{python} -c 'pass' {port}"), "ended with exit code 0 while it was needed"),
    "aborts": (launched_by("{python} -c 'import os; os.abort()' {port}"), "ended with exit code 134"),
    "says no UTF-8 and exits": (
        launched_by("{python} -c 'import os; os.write(2, bytes(range(256))); exit(1)' {port}"),
        "ended with exit code 1",
    ),
    "says a gigabyte and exits": (
        launched_by("{python} -c 'import os; [os.write(2, b\"x\" * 2**20) for _ in range(300)]; exit(1)' {port}"),
        "ended with exit code 1",
    ),
    "raises": (first("raise RuntimeError('no')"), "ended with exit code"),
    "does not find its module": (first("import no_such_module"), "ended with exit code"),
    "never ends its import but exits": (first("os._exit(7)"), "ended with exit code 7"),
    "has no application": (changed(("def application(", "def something("), OWN_STUDY), "ended with exit code"),
    "is sent an option that it has not": (changed(("--lifespan off", "--lifespan never"), OWN_STUDY), "ended with exit code 2"),
    "answers 404": (changed(('"status": 200', '"status": 404'), OWN_STUDY), "answers GET / with status 404: ok"),
    "answers 500 by raising": (changed(("    asked += 1\n", "    raise RuntimeError\n"), OWN_STUDY), "answers GET / with status 500"),
    "answers with something else": (
        changed(('"body": b"ok"', '"body": b"no"'), OWN_STUDY),
        "answers GET / with status 200, without 'ok': no",
    ),
    "answers in a terminal's language": (
        changed(('b"content-length", b"2"', 'b"x", b"2"'), ('"body": b"ok"', r'"body": b"\x1b[2Jo"'), OWN_STUDY),
        "answers GET / with status 200",
    ),
    "never ends its answer": (
        saying('connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n"); [connection.sendall(bytes(65536)) for _ in iter(int, 1)]'),
        "with more than 64 MB: does its answer ever end",
    ),
    "does not speak HTTP": (saying('connection.sendall(b"SSH-2.0-x\\r\\n")'), "what it sends is not HTTP"),
    "drips its head": (
        saying('connection.sendall(b"HTTP/1.1 200 OK\\r\\nX: "); [(connection.sendall(b"x"), time.sleep(0.2)) for _ in iter(int, 1)]'),
        "it accepts connections but sends no complete answer",
    ),
    "listens elsewhere": (changed(("--port {port}", "--port 0 --header x:{port}"), OWN_STUDY), "nothing listens there"),
}
LATER = {
    "answers 500": (answering(500, 0, ''), "was answered correctly: non-2xx 20 (status 500)"),
    "raises": ("raise RuntimeError", "was answered correctly: non-2xx 20 (status 500)"),
    "answers nothing": ("await asyncio.sleep(1000)", "was answered correctly: read timeout 20"),
    "answers with something else": (answering(200, 2, 'no'), "was answered correctly: body mismatch 20"),
    "answers half": (answering(200, 9, 'no'), "was answered correctly"),
    "exits": ("os._exit(0)", "ended with exit code 0 while it was needed"),
    "exits with 3": ("os._exit(3)", "ended with exit code 3 while it was needed"),
    "aborts": ("os.abort()", "ended with exit code 134 while it was needed"),
    "changes its file": ("open(__file__, 'a').write('#')", ""),
    "deletes its file": ("os.path.exists(__file__) and os.unlink(__file__)", ""),
    "says a megabyte each time": ("os.write(2, b'x' * 2**20)", ""),
    "says what is no UTF-8": ("os.write(2, bytes(range(256)))", ""),
    "closes its output": ("os.close(2) if asked == 12 else None", ""),
    "moves to another folder": ("os.chdir('/')", ""),
    "ignores SIGTERM": ("__import__('signal').signal(15, 1)", ""),
    "starts a process": ("os.spawnvp(os.P_NOWAIT, 'sleep', ['sleep', '1000']) if asked == 12 else None", ""),
    "starts a process in a session of its own": ("asked == 12 and __import__('subprocess').Popen(['setsid', 'sleep', '1000'])", ""),
    "forks twice": ("asked > 12 or os.fork() or (os.setsid(), os.fork() and os._exit(0), os.execvp('sleep', ['sleep', '999']))", ""),
}  # fmt: skip
SERVERS = [
    *[Fault(f"SERVER = {server[:40]!a}", "scenario", (1, 2), said, launched_by(server)) for server, said in BAD_LAUNCH.items()],
    Fault("a server that is not installed", "scenario", (77,), "no-such-server is not installed", launched_by("no-such-server {port}")),
    *[Fault(f"a server that {name}", "scenario", (1,), said, source, explains=True) for name, (source, said) in STARTS_BADLY.items()],
    *[
        Fault(f"under load it {name}", "scenario", (1,) if said else (0,), said, later(does), explains=True)
        for name, (does, said) in LATER.items()
    ],
    *[
        Fault(
            f"with a second load it {name}",
            "scenario",
            (1,),
            said,
            changed(('"]', '", "-n 5 --expect ok /"]'), source=later(does, load="-n 20 -c 2")),
        )
        for name, does, said in (
            ("has changed its file", "asked == 12 and open(__file__, 'a').write('#')", "was changed while the run went on"),
            ("has deleted its file", "os.path.exists(__file__) and os.unlink(__file__)", "cannot be read: No such file"),
        )
    ],
    Fault(
        "a service that is not there",
        "scenario",
        (1,),
        "there is no service 'oracle'; NEEDS may name",
        changed(('STUDY = "tests"', 'STUDY = "{name}"\nNEEDS = ["oracle"]')),
    ),
    Fault("no tail", "suite -q {name}", (1,), "its last lines are missing", changed((TAIL, ""), OWN_STUDY)),
    Fault(
        "NGINX with an unknown placeholder",
        "scenario",
        (1, 2),
        "NGINX has an unknown placeholder",
        changed(
            ("--host {host} --port {port}", "--uds {socket}"),
            ('STUDY = "tests"', 'STUDY = "{name}"\nNGINX = "proxy_pass http://unix:{sock};"'),
        ),
        needs=("command -v nginx",),
    ),
    Fault(
        "NGINX that nginx refuses",
        "scenario",
        (1,),
        "nginx ended with exit code 1",
        changed(("--host {host} --port {port}", "--uds {socket}"), ('STUDY = "tests"', 'STUDY = "{name}"\nNGINX = "proxy_parse ü;"')),
        explains=True,
        needs=("command -v nginx",),
    ),
    Fault(
        "TABLES that are no SQL",
        "scenario",
        (1,),
        ".py: TABLES: PostgreSQL: syntax error",
        changed(('STUDY = "tests"', 'STUDY = "{name}"\nTABLES = "MAKE TABLE"')),
        explains=True,
        needs=("ls /usr/lib/postgresql/*/bin/postgres",),
    ),
    Fault(
        "TABLES that never end",
        within(1, "common.serving.postgres.TABLES_SECONDS"),
        (1,),
        ".py: TABLES: PostgreSQL had not made them after 1 s",
        changed(('STUDY = "tests"', 'STUDY = "{name}"\nTABLES = "SET statement_timeout = 0; SELECT pg_sleep(1000)"')),
        needs=("ls /usr/lib/postgresql/*/bin/postgres",),
    ),
    Fault(
        "COUNT_IN_LOG that never ends",
        within(1, "common.running.counting.COUNT_SECONDS"),
        (1,),
        ".py: COUNT_IN_LOG was not counted within 1 s",
        changed(('STUDY = "{name}"', 'STUDY = "{name}"\nCOUNT_IN_LOG = {"x": "(a+)+$"}'), source=later(r"os.write(2, b'a' * 50 + b'b\n')")),
    ),
]
