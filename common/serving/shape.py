"""The shape of a server by its launch line: how many processes, and how many requests each works on at a time; and the line rewritten.

A line is rewritten as text, so that its placeholders, quotes and other words stay as a person wrote them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.cli import UsageError

SYNC, THREADS, GREENLETS, LOOP, UNKNOWN = "sync", "threads", "greenlets", "loop", "unknown"
MANY = 1000  # processes: more than there are cores
WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
DEFAULTS = {("gunicorn", THREADS): 1, ("gunicorn", GREENLETS): 1000, ("waitress", THREADS): 4, ("mod_wsgi", THREADS): 5}  # at a time
UNNUMBERED = {LOOP: "a loop takes all that comes", UNKNOWN: "its kind is not known"}


class ShapeError(UsageError):
    """A server that cannot have the shape asked for."""


@dataclass(frozen=True)
class Program:
    """The options of a server program that make its shape, each in all its spellings, the one to write first."""

    processes: tuple[str, ...] = ()  # none: it has one process
    at_a_time: tuple[tuple[str, str], ...] = ()  # of each kind, the option with the number of threads or greenlets
    by_variable: bool = False  # WEB_CONCURRENCY counts where no option says how many processes


PROGRAMS = {
    "gunicorn": Program(("--workers", "-w"), ((THREADS, "--threads"), (GREENLETS, "--worker-connections")), by_variable=True),
    "uvicorn": Program(("--workers",), by_variable=True),
    "uwsgi": Program(("--processes", "--workers", "-p"), ((THREADS, "--threads"), (GREENLETS, "--gevent"))),
    "granian": Program(("--workers",), ((THREADS, "--blocking-threads"),)),
    "hypercorn": Program(("--workers", "-w")),
    "daphne": Program(),
    "waitress": Program((), ((THREADS, "--threads"),)),
    "mod_wsgi": Program(("--processes",), ((THREADS, "--threads"),)),
}
ALIASES = {"waitress-serve": "waitress", "pyuwsgi": "uwsgi", "start-server": "mod_wsgi"}  # mod_wsgi-express takes options behind that word
OTHER = Program(("--workers", "--processes", "-w"), by_variable=True)


@dataclass(frozen=True)
class Shape:
    program: str  # '' if it is none that we know
    kind: str  # how a process works on several requests: not at all (sync), with threads, greenlets or a loop
    processes: int
    threads: int | None  # requests that a process works on at a time; None: as many as come, or the line does not say


def shape_of(server: str) -> Shape:
    """The last of several equal options counts; a number of processes that cannot be read counts as many."""
    name = program_in(server)[0]
    program = PROGRAMS.get(name, OTHER)
    processes = value_of(server, program.processes)
    if processes is None and program.by_variable:
        processes = value_of(server, ("WEB_CONCURRENCY",))
    kind = kind_of(name, server)
    return Shape(name, kind, 1 if processes is None else number_in(processes) or MANY, threads_of(name, kind, server))


def with_shape(server: str, processes: int, threads: int | None = None) -> str:
    """The launch line with so many processes, and so many threads or greenlets each (None: as it says)."""
    shape = shape_of(server)
    program = PROGRAMS.get(shape.program)
    if program is None:
        raise ShapeError(f"the launch line starts none of {', '.join(PROGRAMS)}: rewrite its numbers yourself: {server}")
    if processes != shape.processes and program.processes:
        server = with_value(server, program.processes, processes)
    elif processes != shape.processes:
        raise ShapeError(f"{shape.program} has one process: start {processes} of them behind a proxy, or choose a different server")
    return server if threads is None or threads == shape.threads else with_threads(server, shape, program, threads)


def with_threads(server: str, shape: Shape, program: Program, threads: int) -> str:
    kind = THREADS if shape.kind == SYNC else shape.kind
    option = dict(program.at_a_time).get(kind)
    if option is None:
        raise ShapeError(f"{shape.program} has no number of threads to set: {UNNUMBERED.get(kind, 'they are its own')}")
    if shape.program == "gunicorn" and shape.kind == SYNC:
        server = with_value(server, ("--worker-class", "-k"), "gthread")
    server = with_value(server, (option,), threads)
    if shape.program == "waitress":
        return at_least(server, "--connection-limit", threads, or_else=100)
    if shape.program == "granian":
        return at_least(server, "--backpressure", threads)
    return at_least(server, "--worker-connections", threads, or_else=1000) if shape.program == "gunicorn" and kind == THREADS else server


def at_least(server: str, option: str, threads: int, or_else: int | None = None) -> str:
    """A server that accepts fewer connections than it has threads would leave threads idle."""
    written = value_of(server, (option,))
    most = or_else if written is None else number_in(written)
    return with_value(server, (option,), threads) if most is not None and most < threads else server


def program_in(server: str) -> tuple[str, int]:
    """Its name, and where the word that starts it ends; '' and 0 if it is none that we know."""
    for word in WORD.finditer(server):
        name = Path(word.group().strip("'\"")).name
        name = ALIASES.get(name, name)
        if name in PROGRAMS:
            return name, word.end()
    return "", 0


def kind_of(name: str, server: str) -> str:
    if name == "gunicorn":
        return kind_of_gunicorn(value_of(server, ("--worker-class", "-k")) or "sync", server)
    if name == "uwsgi":
        return GREENLETS if value_of(server, ("--gevent",)) else THREADS if value_of(server, ("--threads",)) else SYNC
    if name == "granian":
        return THREADS if value_of(server, ("--interface",)) == "wsgi" else LOOP
    if name == "hypercorn":
        return THREADS if re.search(r"(?<!\S)['\"]?wsgi:", server) else LOOP
    return {"uvicorn": LOOP, "daphne": LOOP, "waitress": THREADS, "mod_wsgi": THREADS}.get(name, UNKNOWN)


def kind_of_gunicorn(worker_class: str, server: str) -> str:
    if worker_class == "sync":
        return THREADS if (number_in(value_of(server, ("--threads",)) or "") or 1) > 1 else SYNC
    if worker_class == "asgi" or (worker_class.endswith("Worker") and "uvicorn" in worker_class):
        return LOOP
    return {"gthread": THREADS, "gevent": GREENLETS}.get(worker_class, UNKNOWN)


def threads_of(name: str, kind: str, server: str) -> int | None:
    if kind == SYNC:
        return 1
    option = dict(PROGRAMS[name].at_a_time).get(kind) if name else None
    written = value_of(server, (option,)) if option else None
    if written is not None:
        return number_in(written)
    return DEFAULTS.get((name, kind))


def value_of(server: str, options: tuple[str, ...]) -> str | None:
    found = list(places_of(server, options))
    return server[slice(*found[-1])].strip("'\"") if found else None


def with_value(server: str, options: tuple[str, ...], value: object) -> str:
    """In the spelling that is there already, or else right behind the program, where every program takes options."""
    found = list(places_of(server, options))
    for start, end in reversed(found):
        server = f"{server[:start]}{value}{server[end:]}"
    if found:
        return server
    end = program_in(server)[1]
    return f"{server[:end]} {options[0]} {value}{server[end:]}"


def places_of(server: str, options: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the values of an option stand: in the next word, behind '=', or attached to a short option."""
    words = list(WORD.finditer(server))
    for place, word in enumerate(words):
        option = next((option for option in options if word.group().startswith(option)), "")
        rest = word.group()[len(option) :]
        if option and not rest and place + 1 < len(words):
            yield words[place + 1].span()
        elif option and (rest.startswith("=") or len(option) == 2):
            yield word.end() - len(rest.removeprefix("=")), word.end()


def number_in(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 and int(text) else None
