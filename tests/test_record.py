"""Is every record what docs/record.schema.json says? (The records of all other tests are checked against it too.)"""

import copy
import json

import jsonschema
import pytest

from common.client.outcomes import OUTCOMES
from common.results import files
from common.results.files import PLAN
from common.results.record import ScenarioRun
from common.results.schema import make_schema
from tests.made_up import make_measured, make_run, make_sent, make_steady
from tests.processes import ROOT, SCHEMA, TINY, check_record, copy_tree, records, run


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = copy_tree(tmp_path_factory.mktemp("project"), {"tiny": TINY})
    run(tree, "-m", "common.suite", "tiny")
    return tree


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


def test_it_is_made_of_the_types():
    assert json.loads((ROOT / "docs" / "record.schema.json").read_text()) == json.loads(json.dumps(make_schema()))


def test_every_field_has_its_meaning():
    for name, definition in SCHEMA.schema["$defs"].items():
        fields = definition["properties"].items()
        assert [field for field, about in fields if not {"description", "$ref", "const"} & set(about)] == [], name


def test_it_is_of_this_version_and_knows_every_outcome():
    defined = SCHEMA.schema["$defs"]
    assert defined["ScenarioRun"]["properties"]["version"]["const"] == files.VERSION
    assert defined["Sent"]["properties"]["outcomes"]["propertyNames"]["enum"] == list(OUTCOMES)


def test_the_plan_of_a_suite_is_kept(tree):
    [path] = (tree / "results").rglob(PLAN)
    SCHEMA.validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.pop("status"),
        lambda record: record.update(more=1),
        lambda record: record["loads"][0].pop("cost"),
        lambda record: record["loads"][0]["sent"]["requests"].update(sent=["soon"]),
        lambda record: record["loads"][0]["sent"]["outcomes"].update(fine=1),
        lambda record: record.update(version=1),
    ],
)
def test_another_record_is_refused(tree, spoil):
    record = copy.deepcopy(records(tree)["tiny"])
    spoil(record)
    with pytest.raises(AssertionError):
        check_record(record)


def made_up_run(**more) -> ScenarioRun:
    return make_run("one", make_measured(make_sent(make_steady(9, 1.0))), **more)


@pytest.mark.parametrize("name", ["run.json", "run.json.gz"])
def test_what_is_written_is_read(tmp_path, name):
    path = tmp_path / name
    run = made_up_run(round=3, control=True, seed=7)
    files.write(path, run)
    again = files.read(path, ScenarioRun)
    assert (again.round, again.control, again.seed, again.environment) == (3, True, 7, run.environment)
    [before], [after] = run.loads, again.loads
    assert after.sent.load == before.sent.load
    assert after.metrics.latency(50) == before.metrics.latency(50)
    assert {name: column.tolist() for name, column in vars(after.sent.requests).items() if name == "end"} == {
        "end": before.sent.requests.end.tolist()
    }
    assert [path.name for path in tmp_path.iterdir()] == [name]  # nothing half written is left


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda text: text.replace('"version":4', '"version":3'), "has version 3; this program reads version 4"),
        (lambda text: text.replace('"version":4,', ""), "it has no version"),
        (lambda text: text.replace('"kind":"scenario"', '"kind":"suite"'), "is not a record of a scenario"),
        (lambda text: text.replace('"round":1', '"round":"one"'), "Expected `int`, got `str` - at `$.round`"),
        (lambda text: text.replace('"status":"ok"', '"status":"fine"'), "Invalid enum value 'fine' - at `$.status`"),
        (lambda text: text.replace('"latency_ms":0,', ""), "missing required field `latency_ms` - at `$.loads[0]`"),
        (
            lambda text: text.replace('"status":[200', '"status":["fine"'),
            "Expected a column of whole numbers - at `$.loads[0].sent.requests.status`",
        ),
        (lambda text: text.replace('"status":[200', '"status":[0.5'), "Expected a column of whole numbers"),
        (lambda text: text.replace('"status":[200,', '"status":['), "has columns of different lengths"),
        (
            lambda text: text.replace('"round":1,', ""),
            "or of another state of this program: Object missing required field `round` - at `$`",
        ),
        (lambda text: text.replace('"round":1', '"round":1,"more":1'), "Object has unknown field 'more' - at `$`"),
        (lambda text: text.replace('"status":[200', '"status":[-200'), "Expected a column of numbers of 0 or more"),
        (lambda text: text.replace('"outcomes":{"ok":9}', '"outcomes":{"ok":8}', 1), "The outcomes are not those of the requests"),
        (lambda text: text.replace('"scenario":"one"', r'"scenario":"\u001b[2J"'), "it has control characters in a name"),
        (lambda text: text.replace('"outcome":[0', '"outcome":[99'), "has outcomes that nobody knows"),
        (lambda text: text[:-9], "is not JSON"),
    ],
)
def test_a_damaged_or_foreign_record_is_one_line_that_names_file_and_field(tmp_path, spoil, named):
    path = tmp_path / "run.json"
    files.write(path, made_up_run())
    text = path.read_text()
    assert spoil(text) != text
    path.write_text(spoil(text))
    with pytest.raises(files.RecordError) as caught:
        files.read(path, ScenarioRun)
    assert str(caught.value).startswith(f"{path} ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
