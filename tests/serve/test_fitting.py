"""A request that is too large, or compressed, is refused before anything looks into it."""

from __future__ import annotations

import json

import pytest
from starlette.types import Scope

from headrace.serve import ServeSettings
from headrace.serve.answering.problems import Refused
from headrace.serve.fitting import require_fit
from tests.serve.conftest import Serve
from tests.serve.shop import Shop

SETTINGS = ServeSettings()


def found(**given: object) -> tuple[int, str]:
    """Status and detail of the refusal; 200 of none."""
    scope: Scope = {"path": "/sales", "query_string": b"", "headers": [], **given}
    try:
        require_fit(scope, SETTINGS)
    except Refused as refused:
        return refused.answer.status, json.loads(refused.answer.body)["detail"]
    return 200, ""


def headers(*pairs: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return list(pairs)


def test_what_fits_passes() -> None:
    assert found(query_string=b"&" * 199, headers=headers(*[(b"x", b"y" * 162)] * 100)) == (200, "")
    assert found(headers=headers((b"content-length", b"1048576"))) == (200, "")


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"raw_path": b"/" * 8193}, (414, "The URL is over 8192 bytes.")),
        ({"query_string": b"a" * 8192}, (414, "The URL is over 8192 bytes.")),
        ({"query_string": b"&" * 200}, (400, "The URL has more than 200 query parameters.")),
        ({"headers": [(b"x", b"")] * 101}, (431, "There are more than 100 headers.")),
        ({"headers": [(b"x", b"y" * 16_384)]}, (431, "The headers are over 16384 bytes.")),
        (
            {"headers": [(b"content-length", b"1048577")]},
            (413, "The body is over 1048576 bytes."),
        ),
        ({"headers": [(b"content-length", b"9" * 999)]}, (413, "The body is over 1048576 bytes.")),
    ],
)
def test_what_is_too_much_is_refused(given: dict[str, object], refused: tuple[int, str]) -> None:
    assert found(**given) == refused


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"identity, gzip", b"x"])
def test_a_compressed_body_is_refused(coding: bytes) -> None:
    given = headers((b"content-encoding", coding))
    assert found(headers=given) == (415, "A body is taken uncompressed only.")


@pytest.mark.parametrize("coding", [b"", b"identity", b" Identity "])
def test_a_body_as_it_is_may_say_so(coding: bytes) -> None:
    assert found(headers=headers((b"content-encoding", coding))) == (200, "")


def test_a_server_says_what_it_takes(shop: Shop, serve: Serve) -> None:
    """On the quick way, too."""
    shop.publish_sales(rows=10)
    client = serve()
    assert client.get("/sales").status_code == 200
    refused = client.get("/sales", {"Content-Encoding": "gzip"})
    assert (refused.status_code, refused.headers["accept-encoding"]) == (415, "identity")
    many = [(f"x-{number}".encode(), b"") for number in range(101)]
    assert client.raw(path="/sales", raw_path=b"/sales", headers=many)[0] == 431


@pytest.mark.parametrize("ranges", ["bytes=0-1", "bytes=" + ",".join(["0-1"] * 500), "bytes=-5"])
def test_ranges_are_not_served(shop: Shop, serve: Serve, ranges: str) -> None:
    """However many: the answer is the whole one, and does not offer any."""
    shop.publish_sales(rows=10)
    client = serve()
    whole = client.get("/sales")
    for path in ("/sales", "/sales.csv"):
        asked = client.get(path, {"Range": ranges})
        assert asked.status_code == 200
        assert "accept-ranges" not in asked.headers
        assert "content-range" not in asked.headers
        assert path == "/sales.csv" or asked.content == whole.content
