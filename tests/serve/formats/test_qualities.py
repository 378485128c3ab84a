"""What a client likes is read from its header, whatever else stands there."""

from __future__ import annotations

import pytest

from headrace.serve.formats.qualities import qualities


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("gzip", {"gzip": 1.0}),
        ("GZIP; q=0.5 , zstd", {"gzip": 0.5, "zstd": 1.0}),
        ("x-gzip;q=0", {"gzip": 0.0}),
        ("text/html;level=1;q=0.7, */*;q=0.1", {"text/html": 0.7, "*/*": 0.1}),
        ("gzip;q=2, zstd;q=much, br;q=nan", {"gzip": 0.0, "zstd": 0.0, "br": 0.0}),
    ],
)
def test_each_name_has_its_quality(header: str, found: dict[str, float]) -> None:
    assert qualities(header, {"x-gzip": "gzip"}) == found
