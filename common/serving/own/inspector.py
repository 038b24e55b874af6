"""Prints what a project's own settings say and what its pages answer. The project's interpreter runs it: it uses nothing of ours."""

import importlib.metadata
import importlib.util
import inspect
import json
import os
import sys
import traceback


def main() -> None:
    """inspector.py SETTINGS, with the request as JSON on stdin: its host, headers and paths."""
    sys.path[0] = os.getcwd()  # in place of this file's folder
    request = json.load(sys.stdin)
    import django
    from django.conf import settings
    from django.http.request import validate_host

    django.setup()
    hosts = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1"] if settings.DEBUG else [])
    facts = {
        "django": django.get_version(),
        "wsgi": application("wsgi", getattr(settings, "WSGI_APPLICATION", None), sys.argv[1]),
        "asgi": application("asgi", getattr(settings, "ASGI_APPLICATION", None), sys.argv[1]),
        "debug": settings.DEBUG,
        "allowed_hosts": list(settings.ALLOWED_HOSTS),
        "host_is_allowed": validate_host(request["host"].rpartition(":")[0] or request["host"], hosts),
        "ssl_redirect": settings.SECURE_SSL_REDIRECT,
        "proxy_ssl_header": list(settings.SECURE_PROXY_SSL_HEADER or []),
        "databases": [database(alias) for alias in settings.DATABASES if settings.DATABASES[alias].get("ENGINE")],
        "sessions": settings.SESSION_ENGINE.rpartition(".")[2] if uses_sessions(settings) else "",
        "cache": settings.CACHES.get("default", {}).get("BACKEND", "").rpartition(".")[2],
        "sync_middleware": [name for name in settings.MIDDLEWARE if not runs_async(name)],
        "without_manifest": storage_without_manifest(settings),
    }
    if facts["host_is_allowed"] and not any(database["fault"] for database in facts["databases"]):
        facts["answers"] = [answer(path, request) for path in request["paths"]]
    sys.stdout.write(f"\n{json.dumps(facts, default=str)}\n")


def application(kind: str, declared: "str | None", settings: str) -> str:
    """As the settings say, or beside them, or a level up; '' if there is none."""
    module, _, name = (declared or "").rpartition(".")
    if module and exists(module):
        return f"{module}:{name}"
    parents = [settings.rsplit(".", levels)[0] for levels in (1, 2) if settings.count(".") >= levels]
    return next((f"{parent}.{kind}:application" for parent in parents if exists(f"{parent}.{kind}")), "")


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def uses_sessions(settings: object) -> bool:
    return any(name.endswith("SessionMiddleware") for name in settings.MIDDLEWARE)  # type: ignore[attr-defined]


def database(alias: str) -> "dict[str, object]":
    from django.db import connections

    connection = connections[alias]
    declared = connection.settings_dict
    pool = declared.get("OPTIONS", {}).get("pool")
    return {
        "engine": connection.vendor,
        "driver": driver(connection),
        "name": str(declared.get("NAME") or ""),
        "host": str(declared.get("HOST") or ""),
        "max_age": "unlimited" if declared.get("CONN_MAX_AGE", 0) is None else str(declared.get("CONN_MAX_AGE", 0)),
        "pool": (pool.get("max_size") or pool.get("min_size") or 4) if isinstance(pool, dict) else 4 if pool else 0,
        "atomic": bool(declared.get("ATOMIC_REQUESTS")),
        **state(connection),
    }


def driver(connection: object) -> str:
    name = getattr(getattr(connection, "Database", None), "__name__", "").partition(".")[0]
    for package in (name, f"{name}-binary"):
        try:
            return f"{name} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return name


def state(connection: object) -> "dict[str, object]":
    """Does it answer, and which migrations does it lack? Nothing is written."""
    from django.db import DatabaseError
    from django.db.migrations.executor import MigrationExecutor

    file = str(connection.settings_dict.get("NAME") or "")  # type: ignore[attr-defined]
    if connection.vendor == "sqlite" and not (os.path.exists(file) or ":" in file):  # type: ignore[attr-defined]
        return {"fault": f"there is no file {file}", "migrations": []}  # a connection would create it
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return {"fault": " ".join(str(error).split()), "migrations": []}
    return {"fault": "", "migrations": [f"{migration.app_label}.{migration.name}" for migration, _ in plan]}


def runs_async(name: str) -> bool:
    from django.utils.module_loading import import_string

    return bool(getattr(import_string(name), "async_capable", False))


def storage_without_manifest(settings: object) -> str:
    """The storage of static files that makes a page with {% static %} fail; '' if it does not."""
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:  # type: ignore[attr-defined]
        return ""
    from django.contrib.staticfiles.storage import staticfiles_storage

    if not getattr(staticfiles_storage, "manifest_strict", False) or settings.DEBUG:  # type: ignore[attr-defined]
        return ""
    return "" if staticfiles_storage.read_manifest() else type(staticfiles_storage._wrapped).__name__


def answer(path: str, request: "dict[str, object]") -> "dict[str, object]":
    """Ask for the page once, in this process, where an exception can be seen."""
    from django.test import Client

    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request["headers"]}  # type: ignore[attr-defined]
    found = {"path": path, "view": view_of(path), "status": 0, "location": "", "exception": ""}
    try:
        response = Client().get(path, **{"HTTP_HOST": request["host"], **headers})
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {**found, "exception": f"{' '.join(traceback.format_exception_only(error)[-1].split())} ({place.filename}:{place.lineno})"}
    return {**found, "status": response.status_code, "location": response.headers.get("Location", "")}


def view_of(path: str) -> str:
    """How the view is written; '' if no view has this path."""
    from django.urls import Resolver404, resolve

    try:
        view = resolve(path.partition("?")[0]).func
    except Resolver404:
        return ""
    kept = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if kept is not None:
        return f"{'async ' if getattr(kept, 'view_is_async', False) else ''}class {kept.__name__}"
    return f"{'async ' if inspect.iscoroutinefunction(view) else ''}def {getattr(view, '__name__', type(view).__name__)}"


if __name__ == "__main__":
    main()
