"""How far does one uWSGI process with 100 threads get on a view that makes three slow API calls?

Compare with uwsgi_2_threads for what the threads gain, with gunicorn_gthread for
what the server does, and with uvicorn_asgi, which needs no thread for each request.
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
DIFFERS_FROM = {"uwsgi_2_threads": "100 threads, not 2"}
NEEDS = ["slow_api"]
PORTS = {"port": 8001, "stats": 3031}
# --http-keepalive: else it closes every connection; --die-on-term: else SIGTERM reloads it; --need-app: no site, no start
SERVER = (
    "uwsgi --http {host}:{port} --http-keepalive=75 --module {app} --master --die-on-term --need-app --disable-logging "
    "--processes 1 --threads 100 --listen {backlog} --stats {host}:{stats}"
)
LOAD = ["-n 300 -c 50 -t 14 -s 60 --expect 'Country: ' /"]
LOAD_FULL = ["--users 100 --spawn-rate 10 -t 30 -k -s 60 --expect 'Country: ' /"]
LEAST_SECONDS = 0.6  # the slowest of the three calls

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
