"""How far does one gunicorn worker with 100 greenlets get on a view that makes three slow API calls?

The worker patches sockets, locks and the view's thread pool. Compare with
gunicorn_gthread, which has threads instead of greenlets, and with uwsgi_gevent.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
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


def show_country(request, ms=300):
    started = time.perf_counter()
    with httpx.Client() as client, ThreadPoolExecutor(max_workers=3) as pool:
        replies = list(pool.map(lambda wait: client.get(f"{API}/{wait}/"), (ms, ms * 2, ms // 2)))
    context = {**replies[0].json(), "seconds": time.perf_counter() - started}
    return render(request, "country.html", context)


urlpatterns = [path("", show_country), path("<int:ms>/", show_country)]

application = get_wsgi_application()

STUDY = "slow-api"
DIFFERS_FROM = {"gunicorn_gthread": "100 greenlets, not 100 threads"}
NEEDS = ["slow_api"]
PORTS = {"port": 8004}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind {host}:{port} --worker-class gevent --workers 1 --worker-connections 100 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = ["-n 300 -c 50 -t 14 -s 60 --expect 'Country: ' /"]
LOAD_FULL = ["--users 100 --spawn-rate 10 -t 30 -k -s 60 --expect 'Country: ' /"]
LEAST_SECONDS = 0.6  # the slowest of the three calls

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
