"""The JSON Schema of records, made from their types: python -m common.results.schema > docs/record.schema.json

The comment behind a field in the type's source is its description.
"""

import inspect
import json
import re
import sys
from typing import Any

import msgspec

from common.client.load import Load, Sizes
from common.client.outcomes import OUTCOMES
from common.client.sent import ClientCost, Requests, Sent
from common.client.turns import Slice
from common.results import circumstances
from common.results.files import KINDS, VERSION
from common.results.pairs import Restart
from common.results.record import Measured, Probe

PARTS = (
    Load,
    Sizes,
    Requests,
    ClientCost,
    circumstances.Cost,
    circumstances.Pinned,
    circumstances.WarmUp,
    circumstances.Noise,
    circumstances.Environment,
    Measured,
    Probe,
    Restart,
    Slice,
)
COLUMN = {"type": "array", "items": {"type": "integer", "minimum": 0}}
TITLE = "A record of Django: sync or async?"


def make_schema() -> dict[str, Any]:
    _, definitions = msgspec.json.schema_components(KINDS, schema_hook=lambda kind: dict(COLUMN))
    for kind in (*KINDS, *PARTS):
        describe(kind, definitions[kind.__name__])
    for kind, name in KINDS.items():
        definition = definitions[kind.__name__]
        if kind is Sent:  # other records contain it too, without these
            definition = definitions["SavedLoad"] = json.loads(json.dumps(definition))
        definition["properties"] = {"version": {"const": VERSION}, "kind": {"const": name}, **definition["properties"]}
        definition["required"] = ["version", "kind", *definition["required"]]
    saved = [{"$ref": f"#/$defs/{'SavedLoad' if kind is Sent else kind.__name__}"} for kind in KINDS]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLE, "oneOf": saved, "$defs": definitions}


def describe(kind: type, definition: dict[str, Any]) -> None:
    """Require all its fields and no others, and describe each by its comment."""
    comments = dict(re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(kind), re.MULTILINE))
    definition["additionalProperties"] = False
    definition["required"] = list(definition["properties"])
    for field, about in definition["properties"].items():
        if field in comments:
            about["description"] = comments[field]
        if field == "outcomes":
            about["propertyNames"] = {"enum": list(OUTCOMES)}


if __name__ == "__main__":
    json.dump(make_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
