"""Is a site that asks who one is loaded as somebody, and is it said plainly when it does not let us in?"""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from common.cli import UsageError
from common.client.options import parse_line
from common.client.progress import silent
from common.client.request import Request
from common.client.site_headers import hand_over, handed_over
from common.serving import postgres, scenario
from common.serving.login import FormReader, NotVisited, asks_for_code, visit
from common.serving.process import surroundings
from common.serving.single_request import Answer, exchange
from common.serving.site import Serving
from tests.processes import ROOT, TAIL, changed, copy_tree, records, run

# As startproject makes it, in one file: sessions, users, CSRF; the user is made where the site starts.
SITE = (
    '''"""Is it answered to who is logged in?"""

import json
import os
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path

FORM = "<form method=post><input name=username><input type=password name=password>{% csrf_token %}{{ form.errors }}</form>"
PAGES = {"registration/login.html": FORM, "page.html": "<form>{% csrf_token %}</form>"}
OPTIONS = {"loaders": [("django.template.loaders.locmem.Loader", PAGES)]}
settings.configure(
    ALLOWED_HOSTS=["shop.example", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": OPTIONS}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).with_suffix(".sqlite3")}},
    SESSION_ENGINE="django.contrib.sessions.backends.db",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)
django.setup()

from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.management import call_command
from django.shortcuts import render

call_command("migrate", verbosity=0)
if not User.objects.filter(username="anna").exists():
    User.objects.create_user("anna", password="pass:word&")


@login_required
def greet(request):
    return HttpResponse(f"Good morning, {request.user.username}")


def page(request):
    return render(request, "page.html")


def order(request):
    return HttpResponse(f"ordered {request.POST['what']}", status=302, headers={"Location": "/"})


def first_step(request):
    return HttpResponseRedirect("/account/two_factor/") if request.method == "POST" else render(request, "registration/login.html")


def second_step(request):
    return HttpResponse("<form><input name=code></form>")


urlpatterns = [
    path("", greet),
    path("page/", page),
    path("order/", order),
    path("first/", first_step),
    path("account/two_factor/", second_step),
    path("accounts/login/", views.LoginView.as_view()),
    path("accounts/profile/", lambda request: HttpResponse("", status=404)),
]

application = get_wsgi_application()

STUDY = "tests"
PORTS = {"port": 8097}
SERVER = "gunicorn {app} --bind {host}:{port} --worker-class gthread --threads 4 --no-control-socket --log-level warning"
LOAD = [
    "-n 20 -c 4 -H 'Host: shop.example' --expect 'Good morning, anna' /",
    "-n 8 -c 4 -H 'Host: shop.example' -H 'X-Forwarded-Proto: https' -d what=tea --expect-status 302 --expect 'ordered tea' /order/",
]
LOGIN = "anna:pass:word&"
CSRF = "/page/"
'''
    + TAIL
)
FIRST = """    "-n 20 -c 4 -H 'Host: shop.example' --expect 'Good morning, anna' /",
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_tree(
        tmp_path_factory.mktemp("project"),
        {"site": SITE, "order": changed((FIRST, ""), source=SITE), "greet": changed(("-H 'Host: shop.example' ", ""), source=SITE)},
    )


@pytest.fixture(scope="module")
def site(tree, tmp_path_factory):
    declared = scenario.read(tree / "scenarios" / "site.py", tree)
    with postgres.server(silent) as database, Serving(tmp_path_factory.mktemp("logs"), database) as started:
        yield started.start(declared, declared.loads[0])


def test_each_load_is_sent_by_who_is_logged_in(tree):
    program = run(tree, "scenarios/site.py")
    assert program.process.returncode == 0, program.stderr
    saved = records(tree)["site"]
    assert [load["sent"]["outcomes"] for load in saved["loads"]] == [{"ok": 20}, {"ok": 8}]
    assert {load["sent"]["requests"]["status"][0] for load in saved["loads"]} == {200, 302}


def test_no_session_and_no_token_is_left_behind(tree, site):
    """Each server had a session of its own, and its database knows them all."""
    program = run(tree, "scenarios/order.py", "-n", "2", "-c", "1", "--target", site.url)
    assert program.process.returncode == 0, program.stderr
    with sqlite3.connect(tree / "scenarios" / "site.sqlite3") as database:
        keys = [key for (key,) in database.execute("SELECT session_key FROM django_session")]
    assert len(keys) > 3
    left = [path for path in (tree / "results").rglob("*") if path.is_file()]
    texts = [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in left]
    said = b"".join(texts).decode() + program.stdout + program.stderr
    assert "ordered tea" in said
    assert [word for word in (*keys, "csrftoken=", "sessionid=") if word in said] == []


def test_locust_is_logged_in_too(tree):
    program = run(tree, "scenarios/greet.py", "--locust", "--run-time", "3s", "--users", "1")
    assert program.process.returncode == 0, program.stdout + program.stderr
    [table] = (tree / "results").glob("*-greet*/locust_stats.csv")
    name, requests, failures = table.read_text().splitlines()[-1].split(",")[1:4]
    assert (name, int(requests) > 0, int(failures)) == ("Aggregated", True, 0)


def test_a_session_is_known_to_one_site_alone(monkeypatch):
    headers = (("Cookie", "sessionid=a"), ("X-CSRFToken", "b"))
    for name, value in hand_over({"http://127.0.0.1:8001": headers, "http://127.0.0.1:8002": ()}).items():
        monkeypatch.setenv(name, value)
    assert handed_over("http://127.0.0.1:8001/a/?b") == headers
    assert handed_over("http://127.0.0.1:8002/a/") == handed_over("http://127.0.0.1:80/") == ()
    assert hand_over({"http://127.0.0.1:8001": ()}) == {}


@pytest.mark.parametrize(
    "text",
    ["x", "3", "[]", '{"a": 3}', '{"a": [3]}', '{"a": [["A"]]}', r'{"a": [["A", "b\r\nC: d"]]}', r'{"a": [["A", "\u20ac"]]}', "\udcff"],
)
def test_what_was_not_handed_over_by_us_is_not_sent(text, monkeypatch):
    monkeypatch.setenv("CARRIED_HEADERS", text)
    with pytest.raises(UsageError, match=r"CARRIED_HEADERS in the environment is not like .*: unset it$"):
        handed_over("http://127.0.0.1:8001/")
    assert "CARRIED_HEADERS" not in surroundings()


def test_no_session_is_like_none(monkeypatch):
    monkeypatch.setenv("CARRIED_HEADERS", "")
    assert handed_over("http://127.0.0.1:8001/") == ()


def test_what_is_carried_replaces_what_the_load_says():
    load = parse_line("-H 'Cookie: theirs=1' -H 'X-One: 1' /")
    head = Request("http://127.0.0.1:80/", load, (("Cookie", "theirs=1; ours=2"),)).bytes
    assert head.count(b"Cookie: ") == 1
    assert b"\r\nX-One: 1\r\nCookie: theirs=1; ours=2\r\n" in head


def test_two_asked_in_turn_have_a_session_each(site, tmp_path):
    """As the driver starts it; without what is handed over nothing is answered rightly."""
    load, failed = site.scenario.loads[0], {}
    for carried in (site.carried, ()):
        saved = tmp_path / "slices.json"
        words = ["--seconds", "0.2", "--most", "60", "--first", "0", "--roots", str(os.getpid()), str(os.getpid()), "--json", str(saved)]
        command = [sys.executable, "-m", "common.running.in_turn", site.url + "/", site.url + "/", *words, "--load", load.identity]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **hand_over({site.url: carried})}, check=True, timeout=60)
        slices = json.loads(saved.read_text())["slices"]
        failed[bool(carried)] = {(one["failed"] > 0, one["answers"] > 0) for one in slices}
    assert failed == {True: {(False, True)}, False: {(True, False)}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"login": "anna:wrong"}, "site: LOGIN: /accounts/login/ shows its form again: is the password of 'anna' wrong?"),
        ({"login": "$NOT_SET_ANYWHERE"}, "site: LOGIN is not NAME:PASSWORD: is the variable of $NOT_SET_ANYWHERE set?"),
        ({"login_path": "/page/"}, "site: LOGIN: /page/ has no form with a password: which page has it? (LOGIN_PATH)"),
        ({"login_path": "/first/"}, "site: LOGIN: /account/two_factor/ asks 'anna' for a second factor: use a user without one"),
        ({"login": None, "csrf": "/nowhere/"}, "site: CSRF: GET /nowhere/ (status 404) shows no form with a csrfmiddlewaretoken"),
    ],
)
def test_what_does_not_let_us_in_is_named(site, changes, said):
    asked = replace(site.scenario, **changes)
    with pytest.raises(NotVisited) as refused:
        visit(asked, asked.loads[1], site.url)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_password_may_be_in_the_environment(site, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "pass:word&")
    asked = replace(site.scenario, login="anna:$SHOP_PASSWORD")
    assert [name for name, _ in visit(asked, asked.loads[0], site.url)] == ["Cookie"]


def test_who_logs_in_has_a_token_already(site):
    """On whichever page: it is in a cookie."""
    asked = replace(site.scenario, csrf="/")
    assert exchange(Request(f"{site.url}/order/", asked.loads[1], visit(asked, asked.loads[1], site.url)), 10).status == 302


def test_a_token_without_a_session(site):
    """The token's page is all that a visitor without a name needs."""
    asked, load = replace(site.scenario, login=None), site.scenario.loads[1]
    carried = visit(asked, load, site.url)
    assert [name for name, _ in carried] == ["X-CSRFToken", "Referer", "Cookie"]
    assert dict(carried)["Referer"] == "https://shop.example/page/"
    url = site.url + load.target
    assert exchange(Request(url, load, carried), 10).body == b"ordered tea"
    assert exchange(Request(url, load), 10).status == 403
    assert visit(replace(asked, csrf=None), load, site.url) == ()


def test_a_form_is_filled_in_as_a_browser_does():
    text = """<form action=/search><input name=q></form>
        <form action="/in/" method=post><input type=hidden name=next value="/a?b&amp;c"><input name=user value="you">
        <input type=password name=secret><input type=checkbox name=stay><input type=checkbox name=terms value=on checked><input></form>"""
    _, search, form = FormReader(text).forms
    assert (search.first("password"), form.first("password"), form.first("text"), form.action) == ("", "secret", "user", "/in/")
    assert form.filled_in() == {"next": "/a?b&c", "user": "you", "secret": "", "terms": "on"}


@pytest.mark.parametrize(
    ("path", "page", "asks"),
    [
        ("/in/", "<form><input type=hidden name=current_step value=token><input type=number name=token-otp_token></form>", True),
        ("/in/", "<input type=text autocomplete=one-time-code name=x>", True),
        ("/accounts/2fa/authenticate/", "<form><input name=code></form>", True),
        ("/accounts/2fa/", "<p>Two factors are on</p>", False),
        ("/", "<form><input name=code><input type=hidden name=otp></form>", False),
    ],
)
def test_a_second_factor_is_known_by_its_fields(path, page, asks):
    assert asks_for_code(path, Answer(200, "", [], page.encode())) is asks


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        ('LOGIN = "anna"', "LOGIN must be 'NAME:PASSWORD', or '$VARIABLE' that holds it"),
        ('LOGIN = ":secret"', "LOGIN must be 'NAME:PASSWORD'"),
        ('LOGIN_PATH = "login"', "LOGIN_PATH must be a path that begins with '/'"),
        ("CSRF = True", "CSRF must be a path that begins with '/'"),
    ],
)
def test_constants_are_checked(tmp_path, constant, said):
    tree = copy_tree(tmp_path, {"tiny": changed(("STUDY = ", f"{constant}\nSTUDY = "))})
    with pytest.raises(UsageError) as refused:
        scenario.read(tree / "scenarios" / "tiny.py", tree)
    assert said in str(refused.value)
