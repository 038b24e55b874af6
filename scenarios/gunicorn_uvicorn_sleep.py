"""What do a blocking and a non-blocking wait of 2 s cost in one uvicorn worker?

Compare with gunicorn_sync_sleep, which serves the same two views under WSGI.
"""

import asyncio
import logging
import sys
import threading
import time
from pathlib import Path

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it sends Content-Length: without it answers come in chunks
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE)
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


async def compute(request):
    times = 10
    while times > 0:
        times -= 1
    return HttpResponse("counted")


urlpatterns = [path("sync/blocking/", block), path("async/non-blocking/", wait), path("computation/", compute)]

application = get_asgi_application()

STUDY = "sleep"
DIFFERS_FROM = {"gunicorn_sync_sleep": "a uvicorn worker, not a sync one"}
PORTS = {"port": 8020}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind {host}:{port} --worker-class uvicorn_worker.UvicornWorker --workers 1 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = [
    "-c 10 -t 2 -k --expect counted /computation/",
    "-n 10 -c 10 -k --expect slept /async/non-blocking/",
    "-n 10 -c 10 -k --expect slept /sync/blocking/",
]
LEAST_SECONDS = {"/async/non-blocking/": 2.0, "/sync/blocking/": 2.0}
WARM_UP = 1
COUNT_IN_LOG = {"threads that resumed": r"resuming .* thread: (\d+)"}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
