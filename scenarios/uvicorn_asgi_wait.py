"""How far does one event loop get: on a view that waits 100 ms, and on one that computes?

It has no cap: all that arrives is begun. Compare with gunicorn_gthread_wait: the same views, sync, in a hundred threads.
"""

import asyncio
import sys
from pathlib import Path

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it sends Content-Length: without it answers come in chunks
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE)


async def wait(request):
    await asyncio.sleep(0.1)
    return HttpResponse("waited")


async def compute(request):
    return JsonResponse({"sum": sum(number * number for number in range(10_000))})


urlpatterns = [path("wait/", wait), path("compute/", compute)]

application = get_asgi_application()

STUDY = "wait"
DIFFERS_FROM = {"gunicorn_gthread_wait": "async in uvicorn, not threads in gunicorn"}
PORTS = {"port": 8063}
# --lifespan off: Django does not support it
SERVER = "uvicorn {app} --host {host} --port {port} --workers 1 --backlog {backlog} --lifespan off --no-access-log --log-level warning"
LOAD = ["-n 4000 -c 100 -t 5 --expect waited /wait/", "-n 4000 -c 10 -t 5 --expect 333283335000 /compute/"]
LEAST_SECONDS = {"/wait/": 0.1}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
