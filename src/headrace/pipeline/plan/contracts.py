"""Compares two manifests: gives what changes for the users of the API, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from headrace.base.declarations import Value
from headrace.base.tables import Column
from headrace.pipeline.plan.plans import ContractChange
from headrace.store.snapshots import EndpointContract, Manifest, Parameter


def contract_changes(before: Manifest, after: Manifest) -> tuple[ContractChange, ...]:
    """What a user of the API will see when `after` replaces `before`, by endpoint."""
    old = {endpoint.name: endpoint for endpoint in before.endpoints}
    new = {endpoint.name: endpoint for endpoint in after.endpoints}
    # Its users know an endpoint by its path: under another name it is still there.
    renamed = {old[name].path: name for name in old.keys() - new.keys()}
    for name in new.keys() - old.keys():
        if new[name].path in renamed:
            old[name] = old.pop(renamed.pop(new[name].path))
    changes: list[ContractChange] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            changes.append(ContractChange(name, "removed", f"GET {old[name].path}"))
        elif name not in old:
            changes.append(ContractChange(name, "added", f"GET {new[name].path}"))
        else:
            details = _endpoint_changes(old[name], new[name])
            changes.extend(ContractChange(name, "changed", detail) for detail in details)
    return (*changes, *_module_changes(before, after))


def _endpoint_changes(old: EndpointContract, new: EndpointContract) -> Iterator[str]:
    if old.name != new.name:
        yield f"name {old.name} becomes {new.name}"
    if old.path != new.path:
        yield f"path {old.path} becomes {new.path}"
    yield from _field_changes(
        {column.name: column for column in old.columns},
        {column.name: column for column in new.columns},
    )
    yield from _parameter_changes(
        {parameter.name: parameter for parameter in old.parameters},
        {parameter.name: parameter for parameter in new.parameters},
    )
    if (old.limit, old.max_limit) != (new.limit, new.max_limit):
        yield (
            f"limit {old.limit} (at most {old.max_limit})"
            f" becomes {new.limit} (at most {new.max_limit})"
        )


def _field_changes(old: dict[str, Column], new: dict[str, Column]) -> Iterator[str]:
    for name in sorted(old.keys() - new.keys()):
        yield f"field {name} ({old[name].type}) removed"
    for name in sorted(new.keys() - old.keys()):
        yield f"field {name} ({new[name].type}) added"
    for name in sorted(old.keys() & new.keys()):
        if old[name].type != new[name].type:
            yield f"field {name}: {old[name].type} becomes {new[name].type}"


def _parameter_changes(old: dict[str, Parameter], new: dict[str, Parameter]) -> Iterator[str]:
    for name in sorted(old.keys() - new.keys()):
        yield f"parameter {name} removed"
    for name in sorted(new.keys() - old.keys()):
        needed = "required" if new[name].required else "optional"
        yield f"parameter {name} ({new[name].type}, {needed}) added"
    for name in sorted(old.keys() & new.keys()):
        was, becomes = _described(old[name]), _described(new[name])
        if was != becomes:
            yield f"parameter {name}: {was} becomes {becomes}"


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
    old = {module.path: module.object for module in before.modules if module.router}
    new = {module.path: module.object for module in after.modules if module.router}
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            yield ContractChange(path, "removed", "router")
        elif path not in old:
            yield ContractChange(path, "added", "router")
        elif old[path] != new[path]:
            yield ContractChange(path, "changed", "the router's code changed")
