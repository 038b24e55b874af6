"""How far does one event loop in granian get: on a view that waits 100 ms, and on one that computes?

It begins all that arrives, on as many connections as its backlog holds. Compare with uvicorn_asgi_wait, the same in uvicorn.
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
DIFFERS_FROM = {"uvicorn_asgi_wait": "granian, not uvicorn"}
PORTS = {"port": 8065}
# asginl: ASGI without lifespan, which Django does not support
SERVER = (
    "granian {app} --interface asginl --loop uvloop --host {host} --port {port} --workers 1 "
    "--backlog {backlog} --http 1 --no-ws --log-level warning"
)
LOAD = ["-n 4000 -c 100 -t 5 --expect waited /wait/", "-n 4000 -c 10 -t 5 --expect 333283335000 /compute/"]
LEAST_SECONDS = {"/wait/": 0.1}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
