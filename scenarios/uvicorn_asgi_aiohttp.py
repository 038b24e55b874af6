"""What does an async view gain when it makes its calls through one shared aiohttp session?

Only the HTTP client differs from uvicorn_asgi, which builds an httpx client for each request.
Compare with gunicorn_gthread_urllib3 and gunicorn_gevent_urllib3, equally lean clients in sync.
"""

import asyncio
import os
import sys
import time
from functools import cache
from pathlib import Path

import aiohttp
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
session = cache(lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))  # made in the server's event loop


async def call(url):
    async with session().get(url) as reply:
        return await reply.json()


async def show_country(request, ms=300):
    started = time.perf_counter()
    replies = await asyncio.gather(*(call(f"{API}/{wait}/") for wait in (ms, ms * 2, ms // 2)))
    context = {**replies[0], "seconds": time.perf_counter() - started}
    return render(request, "country.html", context)


urlpatterns = [path("", show_country), path("<int:ms>/", show_country)]

application = get_asgi_application()

STUDY = "slow-api"
DIFFERS_FROM = {"uvicorn_asgi": "one aiohttp session, not httpx clients", "gunicorn_gthread_urllib3": "async, not threads"}
NEEDS = ["slow_api"]
PORTS = {"port": 8042}
# --lifespan off: Django does not support it
SERVER = "uvicorn {app} --host {host} --port {port} --backlog {backlog} --lifespan off --no-access-log --log-level warning"
LOAD = ["-n 300 -c 50 -t 14 -s 60 --expect 'Country: ' /"]
LOAD_FULL = ["--users 100 --spawn-rate 10 -t 30 -k -s 60 --expect 'Country: ' /"]
LEAST_SECONDS = 0.6  # the slowest of the three calls

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
