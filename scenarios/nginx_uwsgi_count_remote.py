"""What does a database that answers a second later do to uWSGI behind nginx and many requests at once?

Only the table differs from nginx_uwsgi_count: here it is a database view
that waits. Compare with nginx_gunicorn_uvicorn_count_remote.
"""

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
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


def count_foos(request):
    return HttpResponse(Foo.objects.filter(id__gte=50).count())


urlpatterns = [path("polls/", count_foos)]

application = get_wsgi_application()

STUDY = "count"
PORTS = {"port": 8032}
# --die-on-term: else SIGTERM reloads it; --need-app: no site, no start
SERVER = "uwsgi --socket {socket} --module {app} --master --die-on-term --need-app --disable-logging --processes 1 --listen {backlog}"
LOAD = ["-c 10 -t 8 -s 400 --expect 999951 /polls/"]
LOAD_FULL = ["-n 300 -c 300 -s 400 --expect 999951 /polls/"]
LEAST_SECONDS = 1.0  # what the database waits
NGINX = "uwsgi_pass unix:{socket};"
MAX_CONNECTIONS = 400
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
