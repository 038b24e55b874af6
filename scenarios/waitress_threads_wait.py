"""How far do a hundred threads of waitress get: on a view that waits 100 ms, and on one that computes?

Compare with gunicorn_gthread_wait, the same in gunicorn, and with waitress_default_wait, which leaves waitress its 4 threads.
"""

import sys
import time
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it sends Content-Length: without it answers come in chunks
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE)


def wait(request):
    time.sleep(0.1)
    return HttpResponse("waited")


def compute(request):
    return JsonResponse({"sum": sum(number * number for number in range(10_000))})


urlpatterns = [path("wait/", wait), path("compute/", compute)]

application = get_wsgi_application()

STUDY = "wait"
DIFFERS_FROM = {"gunicorn_gthread_wait": "waitress, not gunicorn"}
PORTS = {"port": 8072}
# --connection-limit: the most connections that it accepts; --no-clear-...: it would drop X-Forwarded-Proto, by which a site knows https
SERVER = (
    "waitress-serve --listen={host}:{port} --threads=100 --connection-limit=1000 --backlog={backlog} "
    "--no-clear-untrusted-proxy-headers {app}"
)
LOAD = ["-n 4000 -c 100 -t 5 --expect waited /wait/", "-n 4000 -c 10 -t 5 --expect 333283335000 /compute/"]
LEAST_SECONDS = {"/wait/": 0.1}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
