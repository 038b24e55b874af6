"""What do 1000 allowed PostgreSQL connections change for one uvicorn worker that computes, writes and reads posts?

Compare with gunicorn_uvicorn_posts, where PostgreSQL allows 100, and with gunicorn_sync_posts.
"""

import os
import sys
import uuid
from pathlib import Path

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
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


async def cpu(request):
    return JsonResponse({"ct": sum(i * i for i in range(10**7))})


async def io_create(request):
    post = await Post.objects.acreate(title=request.POST["title"], content=request.POST["content"])
    return JsonResponse({"id": post.id, "title": post.title, "content": post.content, "created_at": post.created_at})


async def io_read(request):
    posts = [post async for post in Post.objects.values()[:25]]
    return JsonResponse({"posts": posts, "count": await Post.objects.acount()})


urlpatterns = [path("cpu/", cpu), path("io_create/", io_create), path("io_read/", io_read)]

application = get_asgi_application()

STUDY = "posts"
DIFFERS_FROM = {"gunicorn_uvicorn_posts": "1000 connections allowed, not 100"}
PORTS = {"port": 8012}
# --no-control-socket: two gunicorns would claim the same one
SERVER = (
    "gunicorn {app} --bind {host}:{port} --worker-class uvicorn_worker.UvicornWorker --workers 1 --timeout 180 "
    "--backlog {backlog} --no-control-socket --log-level warning"
)
LOAD = [
    "-c 12 -t 10 -k -s 200 --expect '\"count\": 1000000' /io_read/",
    "-c 150 -t 8 -k -s 200 --expect 'Post abcdefghij' -d 'title=Post abcdefghij&content=Content "
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv' /io_create/",
    "-c 1 -t 8 -k -s 200 --expect 333333283333335000000 /cpu/",
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
LATENCIES_MS = [0, 200]  # added to everything the Django server sends
LATENCIES_MS_FULL = [0, 100, 200]
WARM_UP = 1
COUNT_IN_LOG = {"too many clients": "too many clients already"}

if __name__ == "__main__":
    sys.path.insert(0, str(next(folder for folder in Path(__file__).resolve().parents if (folder / "common").is_dir())))
    from common.bench import main

    main(__file__)
