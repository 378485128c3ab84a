"""The API's own description: takes a manifest and the user's application, gives OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from headrace.base.access import Access
from headrace.base.tables import Column
from headrace.base.types import INTEGER_TYPES
from headrace.serve.asking.listing import SNAPSHOT
from headrace.serve.asking.parameters import paging_parameters
from headrace.serve.asking.scalars import integer_range
from headrace.serve.batch import PATH as BATCH_PATH
from headrace.serve.describing.openapi_paths import (
    LINK,
    PROBLEM,
    batch_operation,
    listing_parameters,
    snapshot_parameter,
    stream_operation,
    stream_path,
)
from headrace.serve.formats.forms import Formats
from headrace.serve.settings import DEFAULT_SETTINGS, ServeSettings
from headrace.store.snapshots import EndpointContract, Manifest, Parameter

Json: TypeAlias = "dict[str, object]"

_STRUCT_FIELD = re.compile(r'\s*("(?:[^"]|"")*"|\S+)\s+(.+)\s*', re.DOTALL)
_LIST = re.compile(r"(.+)\[[0-9]*\]", re.DOTALL)
_PROBLEM_SCHEMA: Json = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["parameter", "found", "expected"],
                "properties": {
                    "parameter": {"type": "string"},
                    "found": {"type": "string"},
                    "expected": {"type": "string"},
                },
            },
        },
    },
}
_HEADERS: Json = {
    "ETag": {"schema": {"type": "string"}, "description": "Names this answer's content."},
    "X-Snapshot": {"schema": {"type": "integer"}, "description": "The snapshot's number."},
    "X-Data-Age": {
        "schema": {"type": "integer"},
        "description": "Seconds since the newest of the data was loaded.",
    },
}
_ENDS: Json = {
    "Deprecation": {
        "schema": {"type": "string"},
        "description": "From when on another should be used: `@` and a Unix time (RFC 9745).",
    },
    "Sunset": {
        "schema": {"type": "string"},
        "description": "From when on it may be gone: an HTTP date (RFC 8594).",
    },
}
_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a token that this API or an issuer it trusts has given.",
    }
}
_SCALARS: Mapping[str, Json] = {
    "BOOLEAN": {"type": "boolean"},
    "FLOAT": {"type": "number"},
    "DOUBLE": {"type": "number"},
    "DATE": {"type": "string", "format": "date"},
    "TIME": {"type": "string", "format": "time"},
    "TIMESTAMP": {"type": "string", "description": "ISO 8601, without a zone."},
    "TIMESTAMP WITH TIME ZONE": {"type": "string", "format": "date-time"},
    "UUID": {"type": "string", "format": "uuid"},
    "BLOB": {"type": "string", "contentEncoding": "base64"},
    "JSON": {},
}


def openapi(
    manifest: Manifest,
    version: str,
    formats: Formats,
    user: Json | None = None,
    settings: ServeSettings = DEFAULT_SETTINGS,
) -> Json:
    """The document for a manifest: its endpoints, then the user's routers.

    Args:
        manifest: the contract.
        version: of the API: the snapshot's number.
        formats: what an answer may be.
        user: what FastAPI says of the user's routers.
        settings: what a request may ask for.
    """
    paths: dict[str, Json] = {}
    for each in manifest.endpoints:
        parameters = _parameters(each, settings)
        paths[each.path] = {"get": _operation(each, parameters, formats)}
        if settings.streams:
            stream = _guarded(each.access, stream_operation(each, parameters))
            paths.setdefault(stream_path(each), {"get": stream})
    # A path of an endpoint's own goes before the stream of another one.
    own = {each.path: each for each in manifest.endpoints}
    for path in own.keys() & {stream_path(each) for each in manifest.endpoints}:
        parameters = _parameters(own[path], settings)
        paths[path] = {"get": _operation(own[path], parameters, formats)}
    if manifest.endpoints:
        paths[BATCH_PATH] = {"post": batch_operation(settings.batch_calls)}
    schemas: Json = {"Problem": _PROBLEM_SCHEMA}
    if user is not None:
        for path, operations in _members(user, "paths").items():
            # A compiled endpoint answers GET first, as it does when it is asked.
            paths[path] = {**_members(operations), **paths.get(path, {})}
        schemas = {**_members(user, "components", "schemas"), **schemas}
    return {
        "openapi": "3.1.0",
        "info": {"title": manifest.project, "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def guarded(access: Access, operations: Json) -> Json:
    """The operations of one path, with the credential that they need."""
    return {method: _guarded(access, _members(each)) for method, each in operations.items()}


def _guarded(access: Access, operation: Json) -> Json:
    if access.kind == "public":
        return operation
    refusal: Json = {"401": {"description": "A credential is needed.", "content": PROBLEM}}
    responses = {**_members(operation, "responses"), **refusal}
    return {**operation, "security": [{"bearer": list(access.scopes)}], "responses": responses}


def _members(value: object, *names: str) -> Json:
    """An object within an object; {} where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _parameters(endpoint: EndpointContract, settings: ServeSettings) -> list[Json]:
    """All parameters of an endpoint: its own, and those that serving gives it."""
    parameters = (*endpoint.parameters, *paging_parameters(endpoint))
    named = {each.name: each for each in reversed(parameters)}
    described = [_parameter(named[each]) for each in reversed(named)]
    described += listing_parameters(endpoint, type_schema)
    if settings.snapshots and SNAPSHOT not in named:
        described.append(snapshot_parameter())
    return described


def _operation(endpoint: EndpointContract, parameters: list[Json], formats: Formats) -> Json:
    paging: Json = {"Link": LINK} if endpoint.max_limit else {}
    ending: Json = {"deprecated": True} if endpoint.deprecated else {}
    headers = _HEADERS | paging | {name: _ENDS[name] for name in _ending_headers(endpoint)}
    operation: Json = {
        **ending,
        "operationId": endpoint.name,
        "summary": endpoint.name.replace("_", " "),
        "description": endpoint.description,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The rows; with `fields`, only those of each.",
                "headers": headers,
                "content": _content(endpoint.columns, formats),
            },
            "304": {"description": "The answer is the one that If-None-Match names."},
            "400": {"description": "The URL cannot be read.", "content": PROBLEM},
            "403": {"description": "That may not be asked here.", "content": PROBLEM},
            "406": {"description": "No format of Accept is served.", "content": PROBLEM},
            "410": {
                "description": "The cursor's snapshot is not kept any more.",
                "content": PROBLEM,
            },
            "422": {"description": "Parameters do not fit.", "content": PROBLEM},
            "503": {"description": "Not now; see Retry-After.", "content": PROBLEM},
        },
    }
    return _guarded(endpoint.access, operation)


def _ending_headers(endpoint: EndpointContract) -> list[str]:
    """The headers that say when an endpoint ends."""
    said = {"Deprecation": endpoint.deprecated, "Sunset": endpoint.sunset}
    return [name for name, day in said.items() if day]


def _parameter(parameter: Parameter) -> Json:
    described: Json = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required or parameter.place == "path",
        "schema": _parameter_schema(parameter),
    }
    if parameter.description:
        described["description"] = parameter.description
    return described


def _parameter_schema(parameter: Parameter) -> Json:
    item = dict(type_schema(parameter.type.removesuffix("[]")))
    rules: Mapping[str, object] = {
        "minimum": parameter.min if _is_number(parameter.min) else None,
        "maximum": parameter.max if _is_number(parameter.max) else None,
        "enum": list(parameter.enum) or None,
        "pattern": f"^(?:{parameter.pattern})$" if parameter.pattern else None,
    }
    item.update({rule: value for rule, value in rules.items() if value is not None})
    schema: Json = {"type": "array", "items": item} if parameter.type.endswith("[]") else item
    if parameter.default is not None:
        is_list = parameter.type.endswith("[]")
        schema["default"] = [parameter.default] if is_list else parameter.default
    return schema


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _content(columns: Iterable[Column], formats: Formats) -> Json:
    row = row_schema(columns)
    by_ending: dict[str, Json] = {"json": {"type": "array", "items": row}, "ndjson": row}
    return {
        each.media_type: {"schema": by_ending.get(each.ending, {"type": "string"})}
        for each in formats.offered
    }


def row_schema(columns: Iterable[Column]) -> Json:
    """The JSON schema of one row."""
    listed = list(columns)
    return {
        "type": "object",
        "required": [column.name for column in listed],
        "properties": {column.name: _nullable(column) for column in listed},
    }


def _nullable(column: Column) -> Json:
    schema = _value_schema(column.type)
    return _any_null(schema) if column.nullable else schema


def _value_schema(type_name: str) -> Json:
    """The JSON schema of a value in an answer: of what a parameter may be, and what it may not."""
    if type_name in ("FLOAT", "DOUBLE"):
        # NaN and the infinities are no numbers in JSON, and are written as text.
        return {"type": ["number", "string"]}
    return type_schema(type_name)


def type_schema(type_name: str) -> Json:
    """The JSON schema of a value of a SQL type, as the formats write it."""
    if match := _LIST.fullmatch(type_name):
        return {"type": "array", "items": _any_null(_value_schema(match[1]))}
    if type_name in INTEGER_TYPES:
        low, high = integer_range(type_name)
        return {"type": "integer", "minimum": low, "maximum": high}
    if type_name.startswith("DECIMAL"):
        return {"type": "number"}
    if type_name.startswith("STRUCT("):
        return {"type": "object", "properties": _struct_fields(type_name[7:-1])}
    if type_name.startswith("MAP("):
        return {"type": "object"}
    return dict(_SCALARS.get(type_name, {"type": "string"}))


def _any_null(schema: Json) -> Json:
    kind = schema.get("type")
    if kind is None:
        return schema
    return {**schema, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}


def _struct_fields(text: str) -> Json:
    fields: Json = {}
    for part in _split(text):
        if match := _STRUCT_FIELD.fullmatch(part):
            name = match[1].strip('"').replace('""', '"')
            fields[name] = _any_null(_value_schema(match[2].strip()))
    return fields


def _split(text: str) -> list[str]:
    """Split at the commas that are outside parentheses and quotes."""
    parts, depth, start, is_quoted = [], 0, 0, False
    for position, character in enumerate(text):
        if character == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (character == "(") - (character == ")")
            if character == "," and depth == 0:
                parts.append(text[start:position])
                start = position + 1
    return [*parts, text[start:]]
