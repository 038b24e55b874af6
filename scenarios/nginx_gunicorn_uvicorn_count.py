"""How does a uvicorn worker behind nginx answer many requests at once that count a million rows?

Each request has a thread and a connection of its own. Compare with nginx_uwsgi_count,
and with nginx_gunicorn_uvicorn_count_remote for a slow database.
"""

import os
import sys
from pathlib import Path

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import models
from django.http import HttpResponse
from django.urls import path

DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ.get("PGDATABASE", "count")}
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it sends Content-Length: without it uWSGI can stall
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE, DATABASES={"default": DATABASE})
django.setup()


class Foo(models.Model):
    id = models.IntegerField(primary_key=True)

    class Meta:
        app_label = "polls"
        managed = False


async def count_foos(request):
    return HttpResponse(await sync_to_async(Foo.objects.filter(id__gte=50).count, thread_sensitive=True)())


urlpatterns = [path("polls/", count_foos)]

application = get_asgi_application()

STUDY = "count"
PORTS = {"port": 8031}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind unix:{socket} --worker-class uvicorn_worker.UvicornWorker --workers 1 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = ["-n 100 -c 100 -s 200 --expect 999951 /polls/"]
LOAD_FULL = ["-n 300 -c 300 -s 200 --expect 999951 /polls/"]
NGINX = "proxy_pass http://unix:{socket};"
MAX_CONNECTIONS = 400  # each request in flight may hold one
TABLES = """
    CREATE TABLE polls_foo (id integer);
    INSERT INTO polls_foo SELECT generate_series(1, 1000000);
"""
WARM_UP = 2

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
