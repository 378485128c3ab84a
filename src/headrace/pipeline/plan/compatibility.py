"""What breaks a user of the API: takes two types, parameters, accesses, says if one stands in.

A field may give what was given before, written the same way. A parameter must take whatever it
took before, and mean the same by it. What cannot be told is called breaking.
"""

from __future__ import annotations

import re

from headrace.base.access import Access
from headrace.pipeline.compile.values import within
from headrace.store.snapshots import Parameter

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_FLOATS = ("FLOAT", "DOUBLE")
# NaN is written as null: of such a field nobody could ever rely on a number.
NULL_ANYWAY = frozenset(_FLOATS)


def keeps_field(before: str, after: str) -> bool:
    """Whether readers of a field of type `before` can read it as one of type `after`.

    It must stay the same kind of JSON: an integer of at most 64 bits, a decimal of as many
    places, a floating-point number. BIGINT -> DECIMAL gets places that an integer's reader
    refuses, DATE -> TIMESTAMP another text.
    """
    if before == after:
        return True
    if before.endswith("[]") and after.endswith("[]"):
        return keeps_field(before[:-2], after[:-2])
    if before in _FLOATS and after in _FLOATS:
        return True
    if (old := _DECIMAL.fullmatch(before)) and (new := _DECIMAL.fullmatch(after)):
        return old[2] == new[2]
    return 0 < _bits(before) <= 64 and 0 < _bits(after) <= 64


def takes_type(before: str, after: str) -> bool:
    """Whether a parameter of type `after` takes every value of type `before`, as the same value."""
    if before == after:
        return True
    if before.endswith("[]") and after.endswith("[]"):
        return takes_type(before[:-2], after[:-2])
    if (old := _DECIMAL.fullmatch(before)) and (new := _DECIMAL.fullmatch(after)):
        places, more_places = int(old[2]), int(new[2])
        return places <= more_places and int(old[1]) - places <= int(new[1]) - more_places
    if (old_range := _range(before)) and (new_range := _range(after)):
        return new_range[0] <= old_range[0] and old_range[1] <= new_range[1]
    return (before, after) == _FLOATS


def keeps_parameter(before: Parameter, after: Parameter) -> bool:
    """Whether every request that was right is right still, and asks for the same.

    Another default is another answer to a request that leaves the parameter out.
    """
    return (
        takes_type(before.type, after.type)
        and (not after.required or before.required)
        and (before.required or before.default == after.default)
        and _keeps_bounds(before, after)
        and _keeps_enum(before, after)
        and after.pattern in ("", before.pattern)
    )


def keeps_access(before: Access, after: Access) -> bool:
    """Whether everybody who might ask still may."""
    if after == before or after.kind == "public" or before.kind == "nobody":
        return True
    if before.kind == "public" or after.kind == "nobody":
        return False
    if after.kind == "authenticated":
        return True
    any_role = not after.roles
    keeps_roles = any_role or (bool(before.roles) and set(before.roles) <= set(after.roles))
    return keeps_roles and set(after.scopes) <= set(before.scopes)


def _keeps_bounds(before: Parameter, after: Parameter) -> bool:
    low = after.min is None or (before.min is not None and within(before.min, after.min, None))
    high = after.max is None or (before.max is not None and within(before.max, None, after.max))
    return low and high


def _keeps_enum(before: Parameter, after: Parameter) -> bool:
    return not after.enum or (bool(before.enum) and set(before.enum) <= set(after.enum))


def _bits(type_name: str) -> int:
    """The width of an integer type; 0 for others."""
    return _BITS.get(type_name, _BITS.get(type_name.removeprefix("U"), 0))


def _range(type_name: str) -> tuple[int, int] | None:
    bits = _bits(type_name)
    if not bits:
        return None
    if type_name.startswith("U"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
