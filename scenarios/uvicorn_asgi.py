"""How far does one uvicorn process get when a view awaits three slow API calls at once?

Compare with gunicorn_gthread and uwsgi_100_threads, where a thread waits for each
call, and with gunicorn_gevent and uwsgi_gevent, where a greenlet does.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import httpx
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.shortcuts import render
from django.urls import path

PAGE = "<h1>Country: {{ name }} ({{ code }})</h1><p>Three calls took {{ seconds|floatformat:3 }} s.</p>"
LOADER = ("django.template.loaders.locmem.Loader", {"country.html": PAGE})

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # it sends Content-Length: without it uWSGI can stall
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.cached.Loader", [LOADER])]},
        }
    ],
)

API = os.environ.get("SLOW_API_URL", "http://127.0.0.1:5000")


async def show_country(request, ms=300):
    started = time.perf_counter()
    async with httpx.AsyncClient() as client:
        replies = await asyncio.gather(*(client.get(f"{API}/{wait}/") for wait in (ms, ms * 2, ms // 2)))
    context = {**replies[0].json(), "seconds": time.perf_counter() - started}
    return render(request, "country.html", context)


urlpatterns = [path("", show_country), path("<int:ms>/", show_country)]

application = get_asgi_application()

STUDY = "slow-api"
DIFFERS_FROM = {"gunicorn_gthread": "async in uvicorn, not threads in gunicorn"}
NEEDS = ["slow_api"]
PORTS = {"port": 8005}
# --lifespan off: Django does not support it
SERVER = "uvicorn {app} --host {host} --port {port} --backlog {backlog} --lifespan off --no-access-log --log-level warning"
LOAD = ["-n 300 -c 50 -t 14 -s 60 --expect 'Country: ' /"]
LOAD_FULL = ["--users 100 --spawn-rate 10 -t 30 -k -s 60 --expect 'Country: ' /"]
LEAST_SECONDS = 0.6  # the slowest of the three calls

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
