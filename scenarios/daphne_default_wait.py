"""How far does daphne get as its documentation starts it, with a backlog of 50: on a view that waits 100 ms, and on one that computes?

Where more connect at once than the backlog holds, the others try again after a second. Compare with daphne_asgi_wait.
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
DIFFERS_FROM = {"daphne_asgi_wait": "the default backlog of 50"}
PORTS = {"port": 8075}
# -v 0: no access log
SERVER = "daphne {app} -v 0 -b {host} -p {port}"
LOAD = ["-n 4000 -c 100 -t 5 --expect waited /wait/", "-n 4000 -c 10 -t 5 --expect 333283335000 /compute/"]
LEAST_SECONDS = {"/wait/": 0.1}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
