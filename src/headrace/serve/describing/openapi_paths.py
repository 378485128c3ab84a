"""What of an API's description follows from serving itself: takes an endpoint, gives the parameters
that every endpoint has; and the operations that are no endpoint's own, streams and batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from headrace.serve.asking.listing import CURSOR, FIELDS, RESERVED, SNAPSHOT, SORT
from headrace.serve.formats.forms import form_options
from headrace.serve.streams import STREAM_ENDING
from headrace.store.snapshots import EndpointContract

Json: TypeAlias = "dict[str, object]"

PROBLEM: Json = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
LINK: Json = {
    "schema": {"type": "string"},
    "description": 'The URL of the next page, `rel="next"`; only when there are further rows.',
}
_LIST: Json = {"style": "form", "explode": False}


def listing_parameters(
    endpoint: EndpointContract, schema_of: Callable[[str], Json]
) -> Iterator[Json]:
    """The parameters by which a client chooses among an endpoint's rows and fields.

    Args:
        endpoint: what is described.
        schema_of: from a SQL type, the JSON schema of its values.
    """
    own = {each.name for each in endpoint.parameters}
    names = [column.name for column in endpoint.columns]
    if FIELDS not in own:
        yield _names(FIELDS, names, "The fields of the answer; all of them by default.")
    if endpoint.sorts and SORT not in own:
        marked = [mark + name for name in endpoint.sorts for mark in ("", "-")]
        yield _names(SORT, marked, "The order of the rows; `-` is from the greatest on.")
    yield from _filters(endpoint, own, schema_of)
    for name, choices in form_options().items():
        if name not in own:
            schema: Json = {"type": "string", "enum": list(choices), "default": choices[0]}
            yield _filter(name, schema, "How JSON is written.")
    if endpoint.max_limit and CURSOR not in own:
        yield _text(CURSOR, "Where a page begins, from the `Link` header of the one before.")


def snapshot_parameter() -> Json:
    """The parameter by which a request names an older snapshot, where that is allowed."""
    return {
        "name": SNAPSHOT,
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1},
        "description": "The number of the snapshot to answer from; the newest by default.",
    }


def stream_operation(endpoint: EndpointContract, parameters: list[Json]) -> Json:
    """The operation of an endpoint's event stream."""
    left_out = {CURSOR, SNAPSHOT}
    return {
        "operationId": f"{endpoint.name}_stream",
        "summary": f"{endpoint.name.replace('_', ' ')}, as it changes",
        "description": "Server-sent events: `answer` with the rows as they are, and again whenever "
        "a publish changes them; `problem` when there is no answer any more.",
        "parameters": [
            *(each for each in parameters if each["name"] not in left_out),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "The id of the newest event that the client has.",
            },
        ],
        "responses": {
            "200": {
                "description": "Events, until either side closes the connection.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "403": {"description": "The page's origin may not read.", "content": PROBLEM},
            "422": {"description": "Parameters do not fit.", "content": PROBLEM},
            "503": {"description": "Not now; see Retry-After.", "content": PROBLEM},
        },
    }


def stream_path(endpoint: EndpointContract) -> str:
    """The path of an endpoint's event stream."""
    return endpoint.path + STREAM_ENDING


def batch_operation(most_calls: int) -> Json:
    """The operation that answers several questions from one snapshot."""
    call: Json = {
        "type": "object",
        "required": ["path"],
        "additionalProperties": False,
        "properties": {
            "path": {
                "type": "string",
                "pattern": "^/",
                "description": "The path of an endpoint with its query, as in a URL.",
            }
        },
    }
    return {
        "operationId": "batch",
        "summary": "several calls at once",
        "description": "Answers all calls from one snapshot, each with its own status.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["calls"],
                        "additionalProperties": False,
                        "properties": {
                            "calls": {
                                "type": "array",
                                "items": call,
                                "minItems": 1,
                                "maxItems": most_calls,
                            }
                        },
                    }
                }
            },
        },
        "responses": {
            "200": {
                "description": "One answer for each call, in their order.",
                "content": {"application/json": {"schema": _BATCH_ANSWER}},
            },
            "413": {"description": "The body is too long.", "content": PROBLEM},
            "415": {"description": "The body is not application/json.", "content": PROBLEM},
            "422": {"description": "The body is no batch.", "content": PROBLEM},
            "503": {"description": "Not now; see Retry-After.", "content": PROBLEM},
        },
    }


_BATCH_ANSWER: Json = {
    "type": "object",
    "required": ["snapshot", "answers"],
    "properties": {
        "snapshot": {"type": "integer"},
        "answers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["status", "headers", "body"],
                "properties": {
                    "status": {"type": "integer"},
                    "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                    "body": {"description": "What the call alone would be answered with."},
                },
            },
        },
    },
}


def _filters(
    endpoint: EndpointContract, own: set[str], schema_of: Callable[[str], Json]
) -> Iterator[Json]:
    types = {column.name: column.type for column in endpoint.columns}
    for field in endpoint.filters:
        value = schema_of(types[field])
        if field not in own and field not in RESERVED | {"limit", "offset"}:
            yield _filter(field, value, f"Rows with this {field} only.")
        yield _filter(f"{field}[ne]", value, f"Rows with any other {field}, or none.")
        for word, said in _ORDERED.items():
            yield _filter(f"{field}[{word}]", value, f"Rows whose {field} is {said}.")
        several: Json = {"type": "array", "items": value, "minItems": 1, "maxItems": 100}
        yield {**_filter(f"{field}[in]", several, f"Rows with one of these {field}."), **_LIST}
        flag: Json = {"type": "boolean"}
        yield _filter(f"{field}[null]", flag, f"Rows without {field}, or with one.")


_ORDERED = {"gt": "greater", "gte": "greater or equal", "lt": "less", "lte": "less or equal"}


def _filter(name: str, schema: Json, description: str) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "description": description,
    }


def _names(name: str, allowed: list[str], description: str) -> Json:
    items: Json = {"type": "string", "enum": allowed}
    schema: Json = {"type": "array", "items": items, "uniqueItems": True, "minItems": 1}
    return {**_filter(name, schema, description), **_LIST}


def _text(name: str, description: str) -> Json:
    return _filter(name, {"type": "string", "minLength": 1}, description)
