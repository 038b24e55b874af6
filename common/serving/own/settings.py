"""What a project's own settings and answers mean for a measurement: what refuses it, and what to know of it, in sentences."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from common.cli import Failed, UsageError
from common.client.load import Load
from common.results.words import join_words
from common.serving.shape import GREENLETS, LOOP, shape_of

SHOWN = 3  # migrations by name
DEFAULT = "default"  # the alias of the database that a project has to have


@dataclass(frozen=True)
class Address:
    """Of a database."""

    alias: str
    engine: str
    driver: str  # with its version, if it has one
    name: str
    host: str


@dataclass(frozen=True)
class Database(Address):
    max_age: str  # CONN_MAX_AGE; 'unlimited' for None
    pool: int  # its most connections; 0: there is none
    atomic: bool  # ATOMIC_REQUESTS
    fault: str  # why it does not answer; '' if it does
    migrations: list[str]  # those that it lacks


@dataclass(frozen=True)
class PageAnswer:
    """To one GET in a process of its own, where an exception can be seen."""

    path: str
    view: str  # how it is written; '' if no view has this path
    status: int = 0  # 0 if there was an exception, or if it was not asked
    location: str = ""
    exception: str = ""


@dataclass(frozen=True)
class Pages:
    answers: list[PageAnswer]
    login_path: str  # of the form that the settings name; '' if it is no page of this site


@dataclass(frozen=True)
class Facts:
    """What the project's own settings say."""

    django: str  # its version
    wsgi: str  # the application, as module:name; '' if it has none
    asgi: str
    debug: bool
    allowed_hosts: list[str]
    host_is_allowed: bool  # the one that will be sent
    ssl_redirect: bool
    databases: list[Database]
    sessions: str  # their back end; '' if there are none
    cache: str  # the default cache's back end
    sync_middleware: list[str]  # that cannot run under an event loop
    without_manifest: str  # the storage of static files that makes pages fail; '' if none does
    wsgi_file: str = ""  # that of the application's module
    asgi_file: str = ""
    proxy_ssl_header: list[str] = field(default_factory=list)  # by which a proxy says that a request came by https: name and value

    @property
    def application_files(self) -> list[str]:
        return [file for file in (self.wsgi_file, self.asgi_file) if file]


def refuse(facts: Facts, settings: str, other_settings: str, debug_anyway: bool) -> None:
    """What would make every figure wrong, or every answer an error."""
    if facts.debug and not debug_anyway:
        other = f": --settings {other_settings}, as wsgi.py says" if other_settings not in ("", settings) else " that are made for serving"
        raise UsageError(
            f"DEBUG is on in {settings}, which slows every page and keeps every query; name settings{other}, or use --debug-anyway"
        )
    if not facts.host_is_allowed:
        if not facts.allowed_hosts:
            raise UsageError(f"ALLOWED_HOSTS of {settings} is empty, so each answer would be a 400: add a host to it, such as '127.0.0.1'")
        allowed = facts.allowed_hosts[0].removeprefix(".")
        raise UsageError(
            f"ALLOWED_HOSTS of {settings} lacks the Host that is sent, so each answer would be a 400; use --host-header {allowed}"
        )
    for database in facts.databases:
        if database.alias == DEFAULT:
            refuse_database(database)


def refuse_database(database: Database) -> None:
    if database.fault:
        raise Failed(f"the project's database does not answer: {name_of(database)}: {database.fault}")
    if database.migrations:
        more = f" and {len(database.migrations) - SHOWN} more" if len(database.migrations) > SHOWN else ""
        names = ", ".join(database.migrations[:SHOWN])
        raise Failed(f"the project's database lacks the migrations {names}{more}; run manage.py migrate first ({name_of(database)})")


def refuse_answers(facts: Facts, pages: Pages, asked: Sequence[Load]) -> None:
    answers = {answer.path: answer for answer in pages.answers}
    for load in asked:
        refuse_answer(facts, load, answers[load.target], pages.login_path)


def refuse_answer(facts: Facts, load: Load, answer: PageAnswer, login_path: str) -> None:
    wanted = range(200, 300) if load.expect_status is None else (load.expect_status,)
    if answer.exception:
        raise Failed(f"GET {answer.path} ends in {answer.exception}")
    if answer.status in wanted:
        return
    said = f"GET {answer.path} answers {answer.status}"
    if facts.ssl_redirect and answer.location.startswith("https:"):
        raise UsageError(f"{said}, to https, as SECURE_SSL_REDIRECT says; {say_https(facts.proxy_ssl_header)}")
    if answer.location:
        raise UsageError(
            f"{said}, to {answer.location}; {what_to_do(answer.location, login_path)}, "
            f"and if the redirect is what you mean to measure, --expect-status {answer.status}"
        )
    if not answer.view:
        raise UsageError(f"{said}: the project has no such page; name a different --path")
    raise UsageError(f"{said}; if that is what you mean to measure, use --expect-status {answer.status}")


def say_https(proxy_ssl_header: Sequence[str]) -> str:
    """How to be taken for a request that came by https."""
    if not proxy_ssl_header:
        return "no header can say that a request came by https, as SECURE_PROXY_SSL_HEADER is not set: set it as for your proxy"
    name, value = proxy_ssl_header
    header = name.removeprefix("HTTP_").replace("_", "-").title()
    return f"send what your proxy would: -H '{header}: {value}'"


def what_to_do(location: str, login_path: str) -> str:
    """Where a redirect goes to a page of this site that is no login, that page is meant."""
    to = urlsplit(location)
    asks_who = to.path == login_path or "next=" in to.query or "login" in to.path.lower()
    if location.startswith("/") and not to.netloc and not asks_who:
        return f"use --path {shlex.quote(location)}"
    return "if that is the login, use --login 'NAME:PASSWORD', or --cookie 'sessionid=...' of a session"


def name_of(database: Address) -> str:
    where = f" on {database.host}" if database.host else ""
    return f"{database.engine}, {database.name}{where}"


def explain(facts: Facts, loads: Sequence[Load], launches: Sequence[str], logs_in: bool) -> Iterator[str]:
    """What to know before anything is asked for, and before the figures come; only what matters to these servers."""
    kinds = {shape_of(launch).kind for launch in launches}
    for database in facts.databases:
        yield from explain_database(database, loads, kinds, logs_in)
    sessions = [f"sessions: {facts.sessions}"] if facts.sessions else []
    cache = [f"cache: {facts.cache}{', one in each process' * (facts.cache == 'LocMemCache')}"] if facts.cache else []
    if sessions or cache:
        yield "; ".join([*sessions, *cache])
    if LOOP in kinds and facts.sync_middleware:
        names = join_words([name.rpartition(".")[2] for name in facts.sync_middleware])
        yield f"{names} cannot run in an event loop: under ASGI each request holds a thread for it"
    if facts.without_manifest:
        yield f"{facts.without_manifest} has no manifest: a page with {{% static %}} is a 500 until you run manage.py collectstatic"
    for kind in ("wsgi", "asgi"):
        if not getattr(facts, kind):
            yield f"the project has no {kind}.py: Django's usual {kind.upper()} application is served with its settings"


def explain_database(database: Database, loads: Sequence[Load], kinds: set[str], logs_in: bool = False) -> Iterator[str]:
    methods = join_words(list(dict.fromkeys(load.method for load in loads)))
    driver = f" through {database.driver}" if database.engine != "sqlite" else ""
    which = "database" if database.alias == DEFAULT else f"database {database.alias}"
    if database.fault:
        yield f"{which}: {name_of(database)}{driver}; it does not answer: {database.fault}"
        return
    asked = f"{methods} and by each login's POST" if logs_in else f"{methods} alone"
    yield f"{which}: {name_of(database)}{driver}; it is the project's own, and is asked by {asked}"
    if LOOP in kinds and database.max_age != "0":
        yield f"CONN_MAX_AGE is {database.max_age}: under ASGI each request leaves a connection that is never used again; make it 0 there"
    if database.pool:
        yield f"the pool has at most {database.pool} connections in each process: further requests wait for one"
    if database.atomic:
        yield "ATOMIC_REQUESTS is on: each request is a transaction, and async views are refused"
    if GREENLETS in kinds and database.driver.startswith("psycopg2"):
        yield f"{database.driver} stops all greenlets of a process while it waits for the database, unless psycogreen patches it"


def explain_views(pages: Pages, launches: Sequence[str]) -> Iterator[str]:
    kinds = {shape_of(launch).kind for launch in launches}
    for answer in pages.answers:
        yield from explain_view(answer, kinds)


def explain_view(answer: PageAnswer, kinds: set[str]) -> Iterator[str]:
    view, is_async = answer.view, answer.view.startswith("async ")
    if not view:
        return
    path = urlsplit(answer.path).path
    if is_async and kinds != {LOOP}:
        yield f"{path} is {view}: under WSGI each request starts an event loop for it"
    elif not is_async and LOOP in kinds:
        yield f"{path} is {view}: under ASGI each request runs it in a thread"
    else:
        yield f"{path} is {view}"
