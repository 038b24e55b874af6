"""What do a blocking and a non-blocking wait of 2 s cost in one gunicorn sync worker?

Compare with gunicorn_uvicorn_sleep, which serves the same two views under ASGI.
"""

import asyncio
import logging
import secrets
import sys
import threading
import time
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY=secrets.token_hex(),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
logging.basicConfig(level=logging.INFO, format="%(message)s")


def block(request):
    logging.info("starting sync")
    time.sleep(2)
    logging.info("resuming sync - Running in thread: %s", threading.get_native_id())
    return HttpResponse("slept")


async def wait(request):
    logging.info("starting async")
    await asyncio.sleep(2)
    logging.info("resuming async - Running in thread: %s", threading.get_native_id())
    return HttpResponse("slept")


def compute(request):
    times = 10
    while times > 0:
        times -= 1
    return HttpResponse("counted")


urlpatterns = [path("sync/blocking/", block), path("async/non-blocking/", wait), path("computation/", compute)]

application = get_wsgi_application()

STUDY = "sleep"
PORTS = {"port": 8021}
SERVER = "gunicorn {app} --bind {host}:{port} --worker-class sync --workers 1 --backlog {backlog} --no-control-socket --log-level warning"
LOAD = [
    "-c 10 -t 3 -k --expect counted /computation/",
    "-n 10 -c 10 -k --expect slept /async/non-blocking/",
    "-n 10 -c 10 -k --expect slept /sync/blocking/",
]
WARM_UP = 1
COUNT_IN_LOG = {"threads that resumed": r"resuming .* thread: (\d+)"}
PUBLISHED = [
    {"path": "/async/non-blocking/", "seconds": 20.076, "mean ms": 11036.4, "threads that resumed": 10},
    {"path": "/sync/blocking/", "seconds": 20.035, "mean ms": 11018.5, "threads that resumed": 1},
    {"path": "/computation/", "requests/s": 323, "mean ms": 6.7},
]

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
