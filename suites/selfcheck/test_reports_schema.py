"""The committed JSON schema is the one that the models have."""

from __future__ import annotations

import json

from reports.__main__ import SCHEMA_FILE, schema_text
from reports.schema import Record, Run


def test_the_committed_schema_is_up_to_date() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == json.loads(schema_text()), (
        "run `python -m reports schema`, commit the file"
    )


def test_the_schema_describes_runs_and_records() -> None:
    definitions = json.loads(SCHEMA_FILE.read_text())["$defs"]
    assert set(definitions["Record"]["properties"]) == set(Record.model_fields)
    assert set(definitions["Run"]["properties"]) == set(Run.model_fields)
