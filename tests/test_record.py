"""Is every record what docs/record.schema.json says? (The records of all other tests are checked against it too.)"""

import copy
import json

import jsonschema
import pytest

from common.client.outcomes import OUTCOMES
from common.results.files import VERSION
from common.running.rounds import FILE
from tests.processes import SCHEMA, TINY, check_record, copy_tree, records, run


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = copy_tree(tmp_path_factory.mktemp("project"), {"tiny": TINY})
    run(tree, "-m", "common.suite", "tiny")
    return tree


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


def test_it_is_of_this_version_and_knows_every_outcome():
    defined = SCHEMA.schema["$defs"]
    assert defined["version"]["const"] == VERSION
    assert defined["generator"]["properties"]["outcomes"]["propertyNames"]["enum"] == list(OUTCOMES)


def test_the_plan_of_a_suite_is_kept(tree):
    [path] = (tree / "results").rglob(FILE)
    SCHEMA.validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.pop("status"),
        lambda record: record.update(more=1),
        lambda record: record["loads"][0].pop("server_cost"),
        lambda record: record["loads"][0]["requests"].update(sent=["soon"]),
        lambda record: record["loads"][0]["outcomes"].update(fine=1),
        lambda record: record.update(version=1),
    ],
)
def test_another_record_is_refused(tree, spoil):
    record = copy.deepcopy(records(tree)["tiny"])
    spoil(record)
    with pytest.raises(AssertionError):
        check_record(record)
