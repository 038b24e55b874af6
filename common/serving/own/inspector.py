"""Prints what a project's own settings say and what its pages answer. The project's interpreter runs it: it uses nothing of ours."""

import importlib.metadata
import importlib.util
import inspect
import json
import os
import sys
import traceback
from urllib.parse import urlsplit

OUT = os.fdopen(os.dup(1), "w")  # what a project does to sys.stdout does not change it


def main() -> None:
    """inspector.py SETTINGS, with the request as JSON on stdin: what to look at, and the mark of the lines that are ours."""
    sys.path[0] = os.getcwd()  # in place of this file's folder
    request = json.load(sys.stdin)
    code = 0
    try:
        say(request, found={"settings": say_settings, "pages": ask_for_pages, "modules": say_modules}[request["what"]](request))
    except BaseException as error:
        say(request, error=in_one_line(error), traceback="".join(traceback.format_exception(error)).splitlines())
        code = 1
    os._exit(code)  # a thread that the project started would keep it alive


def say(request: "dict[str, object]", **what: object) -> None:
    OUT.write(f"\n{request['mark']}{json.dumps(what, default=str)}\n")
    OUT.flush()


def in_one_line(error: BaseException) -> str:
    return " ".join(traceback.format_exception_only(error)[-1].split())


def set_up() -> None:
    """As manage.py and wsgi.py do."""
    if os.environ.get("DJANGO_CONFIGURATION"):
        import configurations

        configurations.setup()
    import django

    django.setup()


def say_settings(request: "dict[str, object]") -> "dict[str, object]":
    import django

    set_up()
    from django.conf import settings
    from django.http.request import validate_host

    host = str(request["host"])
    hosts = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1"] if settings.DEBUG else [])
    wsgi = application("wsgi", getattr(settings, "WSGI_APPLICATION", None), sys.argv[1])
    asgi = application("asgi", getattr(settings, "ASGI_APPLICATION", None), sys.argv[1])
    return {
        "django": django.get_version(),
        "wsgi": wsgi,
        "asgi": asgi,
        "wsgi_file": file_of(wsgi.partition(":")[0]),
        "asgi_file": file_of(asgi.partition(":")[0]),
        "debug": bool(settings.DEBUG),
        "allowed_hosts": [str(name) for name in settings.ALLOWED_HOSTS if name],
        "host_is_allowed": validate_host(host.rpartition(":")[0] or host, hosts),
        "ssl_redirect": bool(settings.SECURE_SSL_REDIRECT),
        "proxy_ssl_header": list(settings.SECURE_PROXY_SSL_HEADER or []),
        "databases": [database(request, alias) for alias in settings.DATABASES if is_used(settings.DATABASES[alias])],
        "sessions": settings.SESSION_ENGINE.rpartition(".")[2] if uses_sessions(settings) else "",
        "cache": str(settings.CACHES.get("default", {}).get("BACKEND", "")).rpartition(".")[2],
        "sync_middleware": [name for name in settings.MIDDLEWARE if not runs_async(name)],
        "without_manifest": storage_without_manifest(settings),
    }


def application(kind: str, declared: "str | None", settings: str) -> str:
    """As the settings say, or beside them, or a level up; '' if there is none."""
    module, _, name = (declared or "").rpartition(".")
    if module and file_of(module):
        return f"{module}:{name}"
    above = [f"{settings.rsplit('.', levels)[0]}." for levels in (1, 2) if settings.count(".") >= levels]
    return next((f"{parent}{kind}:application" for parent in above or [""] if file_of(f"{parent}{kind}")), "")


def file_of(module: str) -> str:
    """'' if there is no such module."""
    try:
        spec = importlib.util.find_spec(module) if module else None
    except ImportError:
        return ""
    return str(spec.origin or module) if spec is not None else ""


def uses_sessions(settings: object) -> bool:
    return any(name.endswith("SessionMiddleware") for name in settings.MIDDLEWARE)  # type: ignore[attr-defined]


def is_used(declared: "dict[str, object]") -> bool:
    return declared.get("ENGINE") not in (None, "", "django.db.backends.dummy")


def database(request: "dict[str, object]", alias: str) -> "dict[str, object]":
    from django.db import connections

    connection = connections[alias]
    declared = connection.settings_dict
    pool = declared.get("OPTIONS", {}).get("pool")
    about = {
        "alias": alias,
        "engine": connection.vendor,
        "driver": driver(connection),
        "name": str(declared.get("NAME") or ""),
        "host": str(declared.get("HOST") or ""),
    }
    say(request, asked=about)
    return {
        **about,
        "max_age": "unlimited" if declared.get("CONN_MAX_AGE", 0) is None else str(declared.get("CONN_MAX_AGE", 0)),
        "pool": int(pool.get("max_size") or pool.get("min_size") or 4) if isinstance(pool, dict) else 4 if pool else 0,
        "atomic": bool(declared.get("ATOMIC_REQUESTS")),
        **state(connection, alias),
    }


def driver(connection: object) -> str:
    name = getattr(getattr(connection, "Database", None), "__name__", "").partition(".")[0]
    for package in (name, f"{name}-binary"):
        try:
            return f"{name} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return name


def state(connection: object, alias: str) -> "dict[str, object]":
    """Does it answer, and which migrations does it lack? Nothing is written. Of further databases, routers may keep all tables away."""
    from django.db import DatabaseError
    from django.db.migrations.executor import MigrationExecutor

    file = str(connection.settings_dict.get("NAME") or "")  # type: ignore[attr-defined]
    if connection.vendor == "sqlite" and not (os.path.exists(file) or ":" in file):  # type: ignore[attr-defined]
        return {"fault": f"there is no file {file}", "migrations": []}  # a connection would create it
    try:
        connection.ensure_connection()  # type: ignore[attr-defined]
        if alias != "default":
            return {"fault": "", "migrations": []}
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return {"fault": " ".join(str(error).split()), "migrations": []}
    return {"fault": "", "migrations": [f"{migration.app_label}.{migration.name}" for migration, _ in plan]}


def runs_async(name: str) -> bool:
    from django.utils.module_loading import import_string

    return bool(getattr(import_string(name), "async_capable", False))


def storage_without_manifest(settings: object) -> str:
    """The storage of static files that makes a page with {% static %} fail; '' if it does not, or if that cannot be told from here."""
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS or settings.DEBUG:  # type: ignore[attr-defined]
        return ""
    try:
        from django.contrib.staticfiles.storage import staticfiles_storage
        from django.core.files.storage import FileSystemStorage
        from django.utils.module_loading import import_string

        declared = getattr(settings, "STORAGES", {}).get("staticfiles", {}).get("BACKEND")
        storage = import_string(declared or settings.STATICFILES_STORAGE)  # type: ignore[attr-defined]
        if not issubclass(storage, FileSystemStorage) or not getattr(storage, "manifest_strict", False):
            return ""  # one that is far away would be asked over the network
        return "" if staticfiles_storage.read_manifest() else str(storage.__name__)
    except Exception:
        return ""


def ask_for_pages(request: "dict[str, object]") -> "dict[str, object]":
    set_up()
    asked: list[str] = request["asked"]  # type: ignore[assignment]
    paths: list[str] = request["paths"]  # type: ignore[assignment]
    about = [{"path": path, "view": view_of(path), **(answer(path, request) if path in asked else {})} for path in paths]
    return {"answers": about, "login_path": login_path()}


def answer(path: str, request: "dict[str, object]") -> "dict[str, object]":
    """Ask for the page once, in this process, where an exception can be seen."""
    from django.test import Client

    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request["headers"]}  # type: ignore[attr-defined]
    try:
        response = Client().get(path, **{"HTTP_HOST": request["host"], **headers})
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {"exception": f"{in_one_line(error)} ({place.filename}:{place.lineno})"}
    location = response.headers.get("Location", "")
    return {"status": response.status_code, "location": location.removeprefix(f"http://{request['host']}")}


def view_of(path: str) -> str:
    """How the view is written; '' if no view has this path."""
    from django.urls import Resolver404, resolve
    from django.utils import translation

    path = urlsplit(path).path
    try:
        with translation.override(translation.get_language_from_path(path) or translation.get_language()):
            view = resolve(path).func
    except Resolver404:
        return ""
    kept = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if kept is not None:
        return f"{'async ' if getattr(kept, 'view_is_async', False) else ''}class {kept.__name__}"
    return f"{'async ' if inspect.iscoroutinefunction(view) else ''}def {getattr(view, '__name__', type(view).__name__)}"


def login_path() -> str:
    """Where the settings have the login form; '' if that is no page of this site."""
    from django.conf import settings
    from django.shortcuts import resolve_url

    try:
        path = str(resolve_url(settings.LOGIN_URL))
    except Exception:
        return ""
    return path if path.startswith("/") and not path.startswith("//") else ""


def say_modules(request: "dict[str, object]") -> "list[list[str]]":
    """What a server would import: each module with its file, but for those of the environment."""
    set_up()
    from django.conf import settings

    for name in filter(file_of, (settings.ROOT_URLCONF, str(request["app"]).partition(":")[0])):  # ours is elsewhere
        importlib.import_module(name)
    files = [[name, getattr(module, "__file__", None) or ""] for name, module in list(sys.modules.items())]
    return [[name, file] for name, file in files if file.endswith(".py") and not file.startswith(os.path.join(sys.prefix, ""))]


if __name__ == "__main__":
    main()
