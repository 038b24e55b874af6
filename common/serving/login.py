"""Visits a site before its load, as a browser does: logs in and fetches a CSRF token, which the load's requests then carry."""

import http.client
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from common.cli import Failed
from common.client.load import Load
from common.client.options import FORM_CONTENT_TYPE
from common.client.request import Request
from common.client.site_headers import Headers
from common.serving.scenario import Scenario
from common.serving.single_request import Answer, exchange, why_silent

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")  # Django asks for no token
TOKEN_FIELD, TOKEN_COOKIE, TOKEN_HEADER = "csrfmiddlewaretoken", "csrftoken", "X-CSRFToken"  # Django's defaults
ONE_TIME = ("otp", "one-time", "totp", "2fa", "mfa", "two_factor", "two-factor")  # in a second factor's paths and fields
MOST_REDIRECTS = 3
TYPED = ("text", "email", "tel", "number")  # fields that a person types a name into


class NotVisited(Failed):
    """The site cannot be visited as the scenario says."""


@dataclass
class Form:
    action: str
    fields: list[dict[str, str]] = field(default_factory=list)  # the attributes of each

    def first(self, *types: str) -> str:
        """The name of its first field of such a type; '' if it has none."""
        return next((one.get("name", "") for one in self.fields if one.get("type", "text").lower() in types), "")

    def filled_in(self) -> dict[str, str]:
        """What a browser would send if nobody typed anything."""
        unchecked = [one for one in self.fields if one.get("type") in ("checkbox", "radio") and "checked" not in one]
        return {one["name"]: one.get("value", "") for one in self.fields if one.get("name") and one not in unchecked}


class FormReader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms = [Form("")]  # the first is for fields outside any form
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(said.get("action", "")))
        elif tag == "input":
            self.forms[-1].fields.append(said)


def pages_to_visit(scenario: Scenario, load: Load) -> list[Load]:
    """The pages that must be there before a visit."""
    paths = [scenario.login_path] if scenario.login is not None else []
    paths += [scenario.csrf] if scenario.csrf is not None and load.method not in SAFE_METHODS and scenario.login is None else []
    return [visitors(load, path) for path in paths]


def visitors(load: Load, path: str) -> Load:
    """A GET of this path that arrives as the load does: the same Host, the same proxy."""
    without = ("cookie", "content-type", "content-length")
    return Load(path, timeout=load.timeout, headers=tuple((name, value) for name, value in load.headers if name.lower() not in without))


def named(scenario: Scenario, constant: str) -> str:
    """As the reader gave it: to their own project, by an option."""
    return f"--{constant.lower().replace('_', '-')}" if scenario.project else constant


def visit(scenario: Scenario, load: Load, site: str) -> Headers:
    """What each request of the load must carry; nothing if the scenario has neither LOGIN nor CSRF."""
    visitor = Visitor(site, load)
    headers: list[tuple[str, str]] = []
    try:
        if scenario.login is not None:
            log_in(visitor, scenario)
        if scenario.csrf is not None and load.method not in SAFE_METHODS:
            token = find_token(visitor, scenario.csrf, named(scenario, "CSRF"))
            headers += [(TOKEN_HEADER, token), ("Referer", visitor.seen_at(scenario.csrf))]
    except NotVisited as error:
        raise NotVisited(f"{scenario.name}: {error}") from None
    if scenario.login is not None or headers:
        headers.append(("Cookie", visitor.cookie))
    return tuple(headers)


class Visitor:
    """Keeps the cookies that the site gives it, and those of the load."""

    def __init__(self, site: str, load: Load) -> None:
        self._site = site
        self._load = load
        said = {name.lower(): value for name, value in load.headers}
        self._origin = f"https://{said.get('host', urlsplit(site).netloc)}"  # Django checks the Referer of https alone, by whatever header
        pairs = (pair.strip().partition("=") for pair in said.get("cookie", "").split(";"))
        self.cookies = {name: value for name, _, value in pairs if name}

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def seen_at(self, path: str) -> str:
        """The address of a page, as a Referer."""
        return self._origin + path

    def get(self, path: str) -> Answer:
        return self._ask(visitors(self._load, path), ())

    def post(self, path: str, fields: dict[str, str], referer: str) -> Answer:
        form = replace(visitors(self._load, path), method="POST", form=urlencode(fields), content_type=FORM_CONTENT_TYPE)
        return self._ask(form, (("Referer", self.seen_at(referer)),))

    def path_of(self, path: str, reference: str) -> str:
        """Where a link or a redirect on this page leads; '' if to another site."""
        to = urlsplit(urljoin(self.seen_at(path), reference))
        here = (urlsplit(self._origin).netloc, urlsplit(self._site).netloc)
        return (to.path or "/") + (f"?{to.query}" if to.query else "") if to.netloc in here else ""

    def _ask(self, load: Load, headers: Headers) -> Answer:
        cookie = (("Cookie", self.cookie),) if self.cookies else ()
        try:
            answer = exchange(Request(self._site + load.target, load, (*headers, *cookie)), load.timeout)
        except (OSError, http.client.HTTPException) as error:
            raise NotVisited(f"{load.method} {load.target}: {why_silent(error)}") from None
        for line in answer.cookies:
            name, _, value = line.partition(";")[0].strip().partition("=")
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)  # so does Django delete one
        return answer


def log_in(visitor: Visitor, scenario: Scenario) -> None:
    option, path = named(scenario, "LOGIN"), scenario.login_path
    login = os.path.expandvars(scenario.login or "")
    name, colon, password = login.partition(":")
    if not colon:
        raise NotVisited(f"{option} is not NAME:PASSWORD: is the variable of {login} set?")
    form = next((form for form in FormReader(visitor.get(path).text).forms if form.first("password")), None)
    if form is None:
        raise NotVisited(f"{option}: {path} has no form with a password: which page has it? ({named(scenario, 'LOGIN_PATH')})")
    fields = {**form.filled_in(), form.first(*TYPED): name, form.first("password"): password}
    to = visitor.path_of(path, form.action)
    if not to:
        raise NotVisited(f"{option}: the form on {path} goes to {form.action}, another site: send a Cookie instead (-H)")
    before = dict(visitor.cookies)
    answer = visitor.post(to, fields, path)
    if answer.status >= 400:
        raise NotVisited(f"{option}: POST {to} is answered with status {answer.status}: {answer.excerpt}")
    page, answer = follow(visitor, to, answer)
    if asks_for_code(page, answer):
        raise NotVisited(f"{option}: {page} asks {name!r} for a second factor: use a user without one")
    if urlsplit(page).path in (urlsplit(path).path, urlsplit(to).path) and any(
        form.first("password") for form in FormReader(answer.text).forms
    ):
        raise NotVisited(f"{option}: {path} shows its form again: is the password of {name!r} wrong?")
    if visitor.cookies == before:
        raise NotVisited(f"{option}: POST {to} sets no cookie, so no request can be known as one of {name!r}")


def follow(visitor: Visitor, path: str, answer: Answer) -> tuple[str, Answer]:
    """The page where the redirects of an answer end; pages that fail are none of ours."""
    with suppress(NotVisited):
        for _ in range(MOST_REDIRECTS):
            to = visitor.path_of(path, answer.location) if answer.location else ""
            if not to:
                break
            path, answer = to, visitor.get(to)
    return path, answer


def asks_for_code(path: str, answer: Answer) -> bool:
    fields = [one for form in FormReader(answer.text).forms for one in form.fields if one.get("type", "text").lower() in TYPED]
    said = [f"{one.get('name', '')} {one.get('autocomplete', '')}".lower() for one in fields]
    if any(word in text for text in said for word in ONE_TIME):
        return True
    return bool(fields) and any(word in urlsplit(path).path.lower() for word in ONE_TIME)


def find_token(visitor: Visitor, path: str, option: str) -> str:
    answer = visitor.get(path)
    fields = [one for form in FormReader(answer.text).forms for one in form.fields]
    token = next((one.get("value", "") for one in fields if one.get("name") == TOKEN_FIELD), visitor.cookies.get(TOKEN_COOKIE, ""))
    if not token:
        seen = f"GET {path} (status {answer.status})"
        raise NotVisited(f"{option}: {seen} shows no form with a {TOKEN_FIELD} and sets no {TOKEN_COOKIE} cookie")
    return token
