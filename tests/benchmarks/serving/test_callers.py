"""Those who show who they are ask for the same, of endpoints that are there for them."""

from __future__ import annotations

from benchmarks.serving.callers import NOBODY, Caller
from benchmarks.serving.load import get
from benchmarks.serving.ours import guarded
from benchmarks.serving.questions import Question

_KEY = "Authorization: Bearer key"
_QUESTION = Question("A", 3, "2025-01-01", "2025-02-28")
_TARGET = "stores/3/months?since=2025-01-01&until=2025-02-28"


def test_a_question_differs_in_its_place_and_in_what_is_shown() -> None:
    assert NOBODY.request(_QUESTION) == get(f"/{_TARGET}")
    reader = Caller("reader", (_KEY,), "readers_")
    assert reader.request(_QUESTION) == get(f"/readers_{_TARGET}", _KEY)
    assert reader.get("/a", "If-None-Match: x") == get("/readers_a", _KEY, "If-None-Match: x")


def test_what_somebody_shows_is_not_shown() -> None:
    assert "Bearer" not in repr(Caller("reader", (_KEY,)))


def test_an_endpoint_for_readers_has_the_same_query() -> None:
    text = "/*\npath: /customers\n*/\nSELECT 1 AS one\n"
    assert guarded(text, "readers_") == (
        "/*\naccess: [reader]\npath: /readers_customers\n*/\nSELECT 1 AS one\n"
    )
