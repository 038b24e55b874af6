"""How many pages does one sync worker serve when each takes a few milliseconds of Python?

Compare with gunicorn_sync_2_workers_compute, which has a second process.
"""

import sys
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it sends Content-Length: without it answers come in chunks
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE)


def compute(request):
    return JsonResponse({"sum": sum(number * number for number in range(100_000))})


urlpatterns = [path("", compute)]

application = get_wsgi_application()

STUDY = "processes"
PORTS = {"port": 8070}
# --no-control-socket: two gunicorns would claim the same one
SERVER = "gunicorn {app} --bind {host}:{port} --worker-class sync --workers 1 --backlog {backlog} --no-control-socket --log-level warning"
LOAD = ["-n 800 -c 8 -t 8 --expect 333328333350000 /"]

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
