"""What does a database that answers a second later do to a uvicorn worker behind nginx and many requests at once?

Only the table differs from nginx_gunicorn_uvicorn_count: here it is a database
view that waits. Compare with nginx_uwsgi_count_remote.
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
PORTS = {"port": 8033}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind unix:{socket} --worker-class uvicorn_worker.UvicornWorker --workers 1 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = ["-c 10 -t 8 -s 400 --expect 999951 /polls/"]
LOAD_FULL = ["-n 300 -c 300 -s 400 --expect 999951 /polls/"]
LEAST_SECONDS = 1.0  # what the database waits
NGINX = "proxy_pass http://unix:{socket};"
MAX_CONNECTIONS = 400  # each request in flight may hold one
TABLES = """
    CREATE TABLE polls_rows (id integer);
    INSERT INTO polls_rows SELECT generate_series(1, 1000000);
    CREATE VIEW polls_foo AS SELECT id FROM (SELECT pg_sleep(1)) AS far_away, polls_rows;
"""
WARM_UP = 2

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
