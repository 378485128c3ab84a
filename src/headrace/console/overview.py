"""What somebody may call: takes an edition and a principal, gives endpoints and their data's age.

It lists what the OpenAPI document of the same principal lists, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from headrace.base.access import Principal
from headrace.serve.batch import PATH as BATCH_PATH
from headrace.serve.describing.openapi_paths import stream_path
from headrace.serve.editions.edition import Edition
from headrace.store.snapshots import EndpointContract

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that may be called.

    Attributes:
        methods: "GET", "GET, POST".
        path: with its parameters in braces.
        needs: the parameters that have no default.
        age: how old its data is, "3 h"; "" where nobody knows.
        deprecated: the day from which others should be used; "" for none.
    """

    methods: str
    path: str
    description: str
    needs: tuple[str, ...]
    age: str
    deprecated: str = ""

    @property
    def link(self) -> str:
        """Where a browser can go; "" when it needs more than a click."""
        return "" if self.needs or self.methods != "GET" else self.path


@dataclass(frozen=True, slots=True)
class Overview:
    """What is served to somebody.

    Attributes:
        snapshot: its number; 0 while nothing is published.
        published_at: ISO 8601 UTC; "" likewise.
    """

    project: str
    environment: str
    snapshot: int = 0
    published_at: str = ""
    lines: tuple[Line, ...] = ()


class _Parameter(msgspec.Struct):
    name: str = ""
    required: bool = False


class _Operation(msgspec.Struct):
    summary: str = ""
    description: str = ""
    parameters: list[_Parameter] = []


class _Document(msgspec.Struct):
    paths: dict[str, dict[str, _Operation]]


def overview_of(edition: Edition, principal: Principal, environment: str) -> Overview:
    """What an edition serves to somebody, in the order of its paths."""
    compiled = [
        _line(each.contract, each.age_seconds())
        for each in edition.endpoints.values()
        if each.contract.access.allows(principal)
    ]
    written = _written(edition, principal)
    manifest = edition.reader.snapshot.manifest
    return Overview(
        manifest.project,
        environment,
        edition.ref.number,
        edition.ref.at,
        tuple(sorted([*compiled, *written], key=lambda line: line.path)),
    )


def _written(edition: Edition, principal: Principal) -> Iterator[Line]:
    """What the user's routers answer: what is described, and of no endpoint."""
    described = msgspec.json.decode(edition.descriptions.of(principal).openapi, type=_Document)
    contracts = [each.contract for each in edition.endpoints.values()]
    of_endpoints = {BATCH_PATH, *map(stream_path, contracts), *(each.path for each in contracts)}
    for path, operations in described.paths.items():
        if path in of_endpoints:
            continue
        listed = list(operations.values())
        needs = [
            each.name for operation in listed for each in operation.parameters if each.required
        ]
        said = listed[0].description or listed[0].summary if listed else ""
        methods = ", ".join(sorted(name.upper() for name in operations))
        yield Line(methods, path, said, tuple(dict.fromkeys(needs)), "")


def _line(contract: EndpointContract, age_seconds: int) -> Line:
    return Line(
        "GET",
        contract.path,
        contract.description,
        tuple(each.name for each in contract.parameters if each.required),
        duration(age_seconds) if contract.sources else "",
        contract.deprecated,
    )


def duration(seconds: float) -> str:
    """A time for people, in its largest unit.

    >>> [duration(seconds) for seconds in (3, 61, 7200, 200_000)]
    ['3 s', '1 min', '2 h', '2 days']
    """
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    if seconds < _HOUR:
        return f"{int(seconds / _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{int(seconds / _HOUR)} h"
    return f"{int(seconds / _DAY)} days"
