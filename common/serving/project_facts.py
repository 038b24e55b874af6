"""Prints, as JSON, what a project's own settings say. The project's interpreter runs this file, so it uses nothing of ours."""

import importlib
import importlib.util
import json
import os
import sys


def main() -> None:
    """project_facts.py SETTINGS"""
    sys.path[0] = os.getcwd()  # in place of this file's folder
    import django
    from django.conf import settings

    facts = {"django": django.get_version(), "asgi": "", "wsgi": ""}
    django.setup()
    for kind in ("wsgi", "asgi"):
        facts[kind] = application(kind, getattr(settings, f"{kind.upper()}_APPLICATION", None), sys.argv[1])
    sys.stdout.write(f"\n{json.dumps(facts)}\n")


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


if __name__ == "__main__":
    main()
