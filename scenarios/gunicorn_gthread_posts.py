"""Do 500 threads do for a sync view what async/await does, when the network to the database is slow?

The published comparison gives async a thread for each request and sync one in all. Only the threads
differ from gunicorn_sync_posts, and the connections that they need; compare with gunicorn_uvicorn_posts_unlimited.
"""

import os
import sys
import uuid
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import JsonResponse
from django.urls import path

DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ.get("PGDATABASE", "posts")}
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it sends Content-Length: without it answers come in chunks
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE, DATABASES={"default": DATABASE})
django.setup()


class Post(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100)
    content = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "posts"


def cpu(request):
    return JsonResponse({"ct": sum(i * i for i in range(10**7))})


def io_create(request):
    post = Post.objects.create(title=request.POST["title"], content=request.POST["content"])
    return JsonResponse({"id": post.id, "title": post.title, "content": post.content, "created_at": post.created_at})


def io_read(request):
    return JsonResponse({"posts": list(Post.objects.values()[:25]), "count": Post.objects.count()})


urlpatterns = [path("cpu/", cpu), path("io_create/", io_create), path("io_read/", io_read)]

application = get_wsgi_application()

STUDY = "posts"
DIFFERS_FROM = {"gunicorn_sync_posts": "500 threads, not one", "gunicorn_uvicorn_posts_unlimited": "threads, not async"}
PORTS = {"port": 8013}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind {host}:{port} --worker-class gthread --workers 1 --threads 500 --timeout 180 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = [
    "-c 150 -t 8 -k -s 200 --expect 'Post abcdefghij' -d 'title=Post abcdefghij&content=Content "
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv' /io_create/",
]
LOAD_FULL = [
    "--users 500 --spawn-rate 5 -t 180 -k -s 200 --expect '\"count\": 1000000' /io_read/",
    "--users 500 --spawn-rate 5 -t 180 -k -s 200 --expect 'Post abcdefghij' -d 'title=Post abcdefghij&content=Content "
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv' /io_create/",
    "--users 500 --spawn-rate 5 -t 180 -k -s 200 --expect 333333283333335000000 /cpu/",
]
MAX_CONNECTIONS = 1000
TABLES = """
    CREATE TABLE posts_post (
        id uuid PRIMARY KEY, title varchar(100) NOT NULL, content text NOT NULL,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
    INSERT INTO posts_post
        SELECT gen_random_uuid(), 'Post ' || n, 'Content ' || repeat('x', 100), now(), now() FROM generate_series(1, 1000000) AS n;
"""
LATENCIES_MS = [200]  # added to everything the Django server sends
WARM_UP = 1
COUNT_IN_LOG = {"too many clients": "too many clients already"}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
