"""Does the slow API wait as long as it is asked to, and answer with a country?"""

import json
import time
from contextlib import ExitStack

import pytest

from common.serving import services
from common.serving.ports import free_port
from common.serving.slow_api import COUNTRIES
from tests.processes import get


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    port = free_port(set())
    with ExitStack() as running:
        services.start("slow_api", port, tmp_path_factory.mktemp("logs"), running)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("path", "least_ms"), [("/", 300), ("/0/", 0), ("/150/", 150), ("/150", 150), ("/600/", 600)])
def test_waits_at_least_so_long_and_names_a_country(api, path, least_ms):
    began = time.perf_counter()
    status, body = get(api + path)
    milliseconds = (time.perf_counter() - began) * 1000
    assert status == 200
    assert milliseconds >= least_ms
    country = json.loads(body)
    assert set(country) == {"name", "code"}
    assert country in [json.loads(known) for known in COUNTRIES]


@pytest.mark.parametrize("path", ["/nowhere/", "/-1/", "/1.5/", "/60001/", "/1/2/", "/%C2%B2/", "/" + "9" * 5000 + "/"])
def test_other_paths_are_not_found_at_once(api, path):
    status, body = get(api + path, seconds=5)
    assert status == 404
    assert "/<ms>/" in json.loads(body)["error"]


def test_the_countries():
    known = [json.loads(country) for country in COUNTRIES]
    assert len({country["code"] for country in known}) == len(known) > 190
    assert all(len(country["code"]) == 2 and country["code"].isupper() and country["name"].strip() for country in known)
