"""What does a sync view in threads gain when it makes its calls through one shared urllib3 pool?

Only the HTTP client differs from gunicorn_gthread, which builds an httpx client for each request.
Compare with uvicorn_asgi_aiohttp, an equally lean client in async, and with gunicorn_gevent_urllib3.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3
from django.conf import settings
from django.core.wsgi import get_wsgi_application
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
CONNECTIONS = urllib3.PoolManager(maxsize=300)


def show_country(request, ms=300):
    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=3) as pool:
        replies = list(pool.map(lambda wait: CONNECTIONS.request("GET", f"{API}/{wait}/"), (ms, ms * 2, ms // 2)))
    context = {**replies[0].json(), "seconds": time.perf_counter() - started}
    return render(request, "country.html", context)


urlpatterns = [path("", show_country), path("<int:ms>/", show_country)]

application = get_wsgi_application()

STUDY = "slow-api"
DIFFERS_FROM = {"gunicorn_gthread": "one urllib3 pool, not an httpx client for each request"}
NEEDS = ["slow_api"]
PORTS = {"port": 8043}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind {host}:{port} --worker-class gthread --workers 1 --threads 100 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = ["-n 300 -c 50 -t 14 -s 60 --expect 'Country: ' /"]
LOAD_FULL = ["--users 100 --spawn-rate 10 -t 30 -k -s 60 --expect 'Country: ' /"]
LEAST_SECONDS = 0.6  # the slowest of the three calls

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
