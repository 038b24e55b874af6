"""What does a second process gain where each page takes a few milliseconds of Python?

Only the number of workers differs from gunicorn_sync_compute. Two cores are needed to see it.
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
DIFFERS_FROM = {"gunicorn_sync_compute": "two processes, not one"}
PORTS = {"port": 8071}
# --no-control-socket: two gunicorns would claim the same one
SERVER = "gunicorn {app} --bind {host}:{port} --worker-class sync --workers 2 --backlog {backlog} --no-control-socket --log-level warning"
LOAD = ["-n 800 -c 8 -t 8 --expect 333328333350000 /"]

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
