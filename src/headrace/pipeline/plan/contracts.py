"""Compares two manifests: gives what changes for the users of the API, and what breaks them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from headrace.base.access import Access
from headrace.base.changes import ContractChange, Part
from headrace.base.declarations import Endpoint, Value
from headrace.base.tables import Column
from headrace.pipeline.plan.compatibility import (
    NULL_ANYWAY,
    keeps_access,
    keeps_field,
    keeps_parameter,
)
from headrace.store.snapshots import EndpointContract, Manifest, Parameter, PythonModule

_PAGING = ("limit", "offset")


def contract_changes(
    before: Manifest, after: Manifest, *, today: str = "", pending: Iterable[Endpoint] = ()
) -> tuple[ContractChange, ...]:
    """What a user of the API will see when `after` replaces `before`, by endpoint.

    Args:
        before: what is deployed.
        after: what will be.
        today: the UTC date, ISO 8601: an endpoint that goes after its sunset breaks nobody. "" is
            before every sunset.
        pending: endpoints whose contract is not known yet: `after` lacks them, and nothing is said.
    """
    waiting = list(pending)
    names = {each.name for each in waiting}
    routes = {route(each.path) for each in waiting}
    old = [
        each
        for each in before.endpoints
        if each.name not in names and route(each.path) not in routes
    ]
    changes: list[ContractChange] = []
    for was, becomes in sorted(_pairs(old, after.endpoints), key=_shown_name):
        if was is not None and becomes is not None:
            changes.extend(_Change(was, becomes, today).all())
        elif was is not None:
            changes.append(_removed(was, today))
        elif becomes is not None:
            changes.append(_added(becomes))
    return (*changes, *_module_changes(before, after))


def route(path: str) -> str:
    """A path as its users see it: they do not see what its parameters are called."""
    return re.sub(r"\{[^{}]*\}", "{}", path)


# What was deployed, and what it becomes; one side at least is there.
_Pair: TypeAlias = "tuple[EndpointContract | None, EndpointContract | None]"


def _pairs(old: Iterable[EndpointContract], new: Iterable[EndpointContract]) -> Iterator[_Pair]:
    """Each endpoint with what it becomes: users know it by its route, its authors by its name."""
    by_route = {route(each.path): each for each in new}
    moved: list[EndpointContract] = []
    for was in old:
        becomes = by_route.pop(route(was.path), None)
        if becomes is None:
            moved.append(was)
        else:
            yield was, becomes
    by_name = {each.name: each for each in by_route.values()}
    for was in moved:
        yield was, by_name.pop(was.name, None)
    for becomes in by_name.values():
        yield None, becomes


def _shown_name(pair: _Pair) -> tuple[str, str]:
    was, becomes = pair
    shown = becomes or was
    assert shown is not None, "a pair has one side at least"
    return shown.name, shown.path


def _added(becomes: EndpointContract) -> ContractChange:
    path = becomes.path
    return ContractChange(becomes.name, "added", f"GET {path}", after=path, path=path)


def _removed(was: EndpointContract, today: str) -> ContractChange:
    passed = _sunset_passed(was, today)
    note = f" (its sunset, {was.sunset}, has passed)" if passed else ""
    return ContractChange(
        was.name,
        "removed",
        f"GET {was.path}{note}",
        before=was.path,
        path=was.path,
        breaking=not passed,
    )


def _sunset_passed(endpoint: EndpointContract, today: str) -> bool:
    return bool(endpoint.sunset) and endpoint.sunset <= today


@dataclass(frozen=True, slots=True)
class _Change:
    """One endpoint that was deployed and will be."""

    old: EndpointContract
    new: EndpointContract
    today: str

    def all(self) -> Iterator[ContractChange]:
        """Everything that differs for its users."""
        yield from self._route()
        yield from self._access()
        yield from self._fields(_by_name(self.old.columns), _by_name(self.new.columns))
        yield from self._parameters()
        yield from self._limits()
        yield from self._access_path()
        yield from self._opened("filter", self.old.filters, self.new.filters)
        yield from self._opened("sort", self.old.sorts, self.new.sorts)
        yield from self._end()

    def _say(
        self,
        detail: str,
        what: Part,
        *,
        name: str = "",
        before: str = "",
        after: str = "",
        breaking: bool = False,
    ) -> ContractChange:
        return ContractChange(
            self.new.name, "changed", detail, what, name, before, after, self.old.path, breaking
        )

    def _route(self) -> Iterator[ContractChange]:
        old, new = self.old, self.new
        if old.name != new.name:
            detail = f"name {old.name} becomes {new.name}"
            yield self._say(detail, "name", before=old.name, after=new.name)
        if old.path != new.path:
            yield self._say(
                f"path {old.path} becomes {new.path}",
                "path",
                before=old.path,
                after=new.path,
                breaking=route(old.path) != route(new.path) and not _sunset_passed(old, self.today),
            )

    def _access(self) -> Iterator[ContractChange]:
        old, new = self.old.access, self.new.access
        if old != new:
            was, becomes = str(old), str(new)
            detail, breaks = _access_change(old, new), not keeps_access(old, new)
            yield self._say(detail, "access", before=was, after=becomes, breaking=breaks)

    def _fields(
        self, old: Mapping[str, Column], new: Mapping[str, Column]
    ) -> Iterator[ContractChange]:
        for name in sorted(old.keys() - new.keys()):
            kind = old[name].type
            detail = f"field {name} ({kind}) removed"
            yield self._say(detail, "field", name=name, before=kind, breaking=True)
        for name in sorted(new.keys() - old.keys()):
            kind = new[name].type
            yield self._say(f"field {name} ({kind}) added", "field", name=name, after=kind)
        for name in sorted(old.keys() & new.keys()):
            yield from self._field(old[name], new[name])

    def _field(self, old: Column, new: Column) -> Iterator[ContractChange]:
        name = old.name
        if old.type != new.type:
            yield self._say(
                f"field {name}: {old.type} becomes {new.type}",
                "field",
                name=name,
                before=old.type,
                after=new.type,
                breaking=not keeps_field(old.type, new.type),
            )
        if old.nullable != new.nullable and not {old.type, new.type} & NULL_ANYWAY:
            detail = f"field {name} {'may be null now' if new.nullable else 'is never null now'}"
            shown = [f"{each.type}{'' if each.nullable else ' NOT NULL'}" for each in (old, new)]
            yield self._say(
                detail, "field", name=name, before=shown[0], after=shown[1], breaking=new.nullable
            )

    def _parameters(self) -> Iterator[ContractChange]:
        old, new = self._by_place()
        for name in sorted(old.keys() - new.keys()):
            described = _described(old[name])
            detail = f"parameter {name} removed"
            yield self._say(detail, "parameter", name=name, before=described, breaking=True)
        for name in sorted(new.keys() - old.keys()):
            added = new[name]
            needed = "required" if added.required else "optional"
            detail = f"parameter {name} ({added.type}, {needed}) added"
            described = _described(added)
            yield self._say(
                detail, "parameter", name=name, after=described, breaking=added.required
            )
        for name in sorted(old.keys() & new.keys()):
            yield from self._parameter(old[name], new[name])

    def _by_place(self) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
        """The parameters of both by name; those of the path by where they stand in it."""
        old = {each.name: each for each in self.old.parameters}
        new = {each.name: each for each in self.new.parameters}
        if route(self.old.path) == route(self.new.path):
            names = zip(_in_path(self.old), _in_path(self.new), strict=True)
            old |= {becomes: old.pop(was) for was, becomes in list(names) if was in old}
        if self._pages_otherwise:
            for each in (old, new):
                for name in _PAGING:
                    each.pop(name, None)
        return old, new

    def _parameter(self, old: Parameter, new: Parameter) -> Iterator[ContractChange]:
        was, becomes = _described(old), _described(new)
        if was != becomes:
            yield self._say(
                f"parameter {new.name}: {was} becomes {becomes}",
                "parameter",
                name=new.name,
                before=was,
                after=becomes,
                breaking=not keeps_parameter(old, new),
            )

    @property
    def _pages_otherwise(self) -> bool:
        """Whether only one of both pages by the `limit` that every query without one has."""
        return bool(self.old.max_limit) != bool(self.new.max_limit)

    def _limits(self) -> Iterator[ContractChange]:
        old, new = self.old, self.new
        if (old.limit, old.max_limit) != (new.limit, new.max_limit):
            was, becomes = _paging(old), _paging(new)
            yield self._say(
                f"limit {was} becomes {becomes}",
                "limit",
                before=was,
                after=becomes,
                breaking=self._pages_otherwise
                or new.limit < old.limit
                or new.max_limit < old.max_limit,
            )

    def _opened(
        self, what: Part, old: Iterable[str], new: Iterable[str]
    ) -> Iterator[ContractChange]:
        """Fields that requests may filter or sort by no more, or now."""
        before, after = set(old), set(new)
        for name in sorted(before - after):
            detail = f"{what} by {name} removed"
            yield self._say(detail, what, name=name, before=name, breaking=True)
        for name in sorted(after - before):
            yield self._say(f"{what} by {name} added", what, name=name, after=name)

    def _access_path(self) -> Iterator[ContractChange]:
        """Another way to find the rows: the same answer, sooner or later."""
        old, new = self.old, self.new
        if old.access_path != new.access_path:
            detail = f"access path {old.access_path} becomes {new.access_path}: {new.reason}"
            yield self._say(detail, "access path", before=old.access_path, after=new.access_path)

    def _end(self) -> Iterator[ContractChange]:
        old, new = self.old, self.new
        if old.deprecated != new.deprecated:
            yield self._say(
                f"deprecated from {new.deprecated}" if new.deprecated else "no longer deprecated",
                "deprecated",
                before=old.deprecated,
                after=new.deprecated,
            )
        if old.sunset != new.sunset:
            # Whoever was told a later day, or none, has until then: not less.
            sooner = bool(new.sunset) and new.sunset < (old.sunset or self.today)
            yield self._say(
                f"sunset {new.sunset}{f' instead of {old.sunset}' if old.sunset else ''}"
                if new.sunset
                else "no longer has a sunset",
                "sunset",
                before=old.sunset,
                after=new.sunset,
                breaking=sooner,
            )


def _access_change(old: Access, new: Access) -> str:
    """Who may ask now, in words, and who might before."""
    if keeps_access(old, new):
        return f"now {new} (was {old})"
    return f"only {new} now (was {old})"


def _by_name(columns: Iterable[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def _in_path(endpoint: EndpointContract) -> list[str]:
    return re.findall(r"\{([^{}]*)\}", endpoint.path)


def _paging(endpoint: EndpointContract) -> str:
    if not endpoint.max_limit:
        return "as the query has it"
    return f"{endpoint.limit} (at most {endpoint.max_limit})"


def _described(parameter: Parameter) -> str:
    default = "required" if parameter.required else f"default {_shown(parameter.default)}"
    rules = {
        "min": parameter.min,
        "max": parameter.max,
        "enum": parameter.enum or None,
        "pattern": parameter.pattern or None,
    }
    said = [f"{rule} {_shown(value)}" for rule, value in rules.items() if value is not None]
    return ", ".join([parameter.type, default, *said])


def _shown(value: Value | tuple[Value, ...]) -> str:
    """A value as JSON, as in a request: "" and null are told from the text "None"."""
    return json.dumps(value, ensure_ascii=False)


def _module_changes(before: Manifest, after: Manifest) -> Iterator[ContractChange]:
    old = {module.path: module for module in before.modules if module.router}
    new = {module.path: module for module in after.modules if module.router}
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            yield ContractChange(path, "removed", "router", "router", breaking=True)
        elif path not in old:
            yield ContractChange(path, "added", "router", "router")
        else:
            yield from _module_change(old[path], new[path])


def _module_change(old: PythonModule, new: PythonModule) -> Iterator[ContractChange]:
    if old.object != new.object:
        detail = "the router's code changed: whether that breaks anybody cannot be told"
        yield ContractChange(new.path, "changed", detail, "router")
    if old.access != new.access:
        yield ContractChange(
            new.path,
            "changed",
            _access_change(old.access, new.access),
            "access",
            before=str(old.access),
            after=str(new.access),
            breaking=not keeps_access(old.access, new.access),
        )
