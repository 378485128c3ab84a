"""docs/project.md: every known key has its line, and every line is a known key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from headrace.pipeline.project.auth_settings import AUTH_KEYS, ISSUER_KEYS
from headrace.pipeline.project.checks import CHECK_KINDS, FILE_KEYS
from headrace.pipeline.project.columns import COLUMN_KEYS
from headrace.pipeline.project.endpoints import ENDPOINT_KEYS, PARAMETER_KEYS
from headrace.pipeline.project.keys import Key
from headrace.pipeline.project.python_models import FRAMES, PYTHON_MODEL_KEYS
from headrace.pipeline.project.settings import RUN_KEYS, SERVE_KEYS, STORE_KEYS
from headrace.pipeline.project.sources import SOURCE_KEYS

from .conftest import Load

PAGE = Path(__file__).parents[3] / "docs" / "project.md"


def names(keys: Iterable[Key[object]]) -> list[str]:
    return [key.name for key in keys]


SECTIONS = {
    "headrace.toml": ["name"],
    "[store]": names(STORE_KEYS),
    "[run]": names(RUN_KEYS),
    "[serve]": names(SERVE_KEYS),
    "[auth]": [name for name in names(AUTH_KEYS) if name != "issuers"],
    "[auth.issuers.NAME]": names(ISSUER_KEYS),
    "Sources": names(SOURCE_KEYS),
    "Models": names(PYTHON_MODEL_KEYS),
    "Columns": names(COLUMN_KEYS),
    "Checks in a header": list(CHECK_KINDS),
    "Checks": names(FILE_KEYS),
    "Endpoints": names(ENDPOINT_KEYS),
    "Parameters": names(PARAMETER_KEYS),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_lists_exactly_the_known_keys(section: str) -> None:
    title = rf"^##+ {re.escape(section)}$"
    _, text = re.split(title, PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = re.findall(
        r"^\| `(\w+)` \|", re.split(r"^##", text, flags=re.MULTILINE)[0], re.MULTILINE
    )
    assert sorted(listed) == sorted(SECTIONS[section])


def test_the_page_names_every_frame() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [frame for frame in FRAMES if f"`{frame}`" not in page] == []


def test_the_examples_of_the_page_load(load: Load) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(yaml|sql|python)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    [source, model, function, _, endpoint] = [text for _, text in blocks]
    project = load(
        {
            "sources/orders.yaml": source,
            "models/daily_revenue.sql": model,
            "models/customer_segments.py": function,
            "endpoints/store_revenue.sql": endpoint,
        }
    )
    assert [model.name for model in project.models] == ["customer_segments", "daily_revenue"]
    assert project.endpoints[0].defaults == {"since": "2024-01-01"}
