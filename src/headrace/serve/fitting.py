"""What a request may be at most: takes it before anything looks into it, refuses what is too much.

How large its body is in the end, and how long its client takes, is seen by whoever reads it.
"""

from __future__ import annotations

from starlette.types import Scope

from headrace.serve.answering.answers import request_header
from headrace.serve.answering.problems import Refused, problem
from headrace.serve.asking.parameters import MOST_FIELDS, too_many_fields
from headrace.serve.settings import ServeSettings

# Of a Content-Length that anybody means; longer ones are above every limit anyway.
_DIGITS = 20


def require_fit(scope: Scope, settings: ServeSettings) -> None:
    """Make sure that a request is no larger than it may be, and as it was sent.

    Raises:
        Refused: 400, it has too many query parameters; 413, its body is too long; 414, its URL is;
            415, it is compressed; 431, its headers are too long, or too many.
    """
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    query: bytes = scope["query_string"]
    if len(path) + len(query) > settings.max_url_bytes:
        raise Refused(problem(414, f"The URL is over {settings.max_url_bytes} bytes."))
    if query.count(b"&") >= MOST_FIELDS:
        raise too_many_fields()
    headers = scope["headers"]
    if len(headers) > settings.max_headers:
        raise Refused(problem(431, f"There are more than {settings.max_headers} headers."))
    if sum(len(name) + len(value) for name, value in headers) > settings.max_header_bytes:
        raise Refused(problem(431, f"The headers are over {settings.max_header_bytes} bytes."))
    length = request_header(scope, b"content-length")
    if length.isdecimal() and int(length[:_DIGITS]) > settings.max_body_bytes:
        raise Refused(problem(413, f"The body is over {settings.max_body_bytes} bytes."))
    # A few bytes may stand for gigabytes.
    coding = request_header(scope, b"content-encoding").strip().lower()
    if coding not in ("", "identity"):
        detail = "A body is taken uncompressed only."
        raise Refused(problem(415, detail, headers={"Accept-Encoding": "identity"}))
