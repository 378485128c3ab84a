"""Endpoints: takes a file of endpoints/ that ends in .sql, gives what it declares."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.base.declarations import Endpoint, ParameterRules, Value
from headrace.base.errors import Place, Problem
from headrace.base.names import is_name, is_own_path
from headrace.pipeline.project.access_keys import ACCESS
from headrace.pipeline.project.documents import Items, Node, Scalar, describe
from headrace.pipeline.project.headers import read_sql
from headrace.pipeline.project.keys import (
    Fields,
    Key,
    Problems,
    nested,
    one_of,
    read_fields,
    report,
    text,
    unique_entries,
    whole_number,
)
from headrace.pipeline.project.values import (
    MAX,
    MIN,
    PATTERN,
    column_type,
    is_above,
    read_limits,
    require_fit,
    scalars,
    spelt,
    typed,
)

_SEGMENT = re.compile(r"[A-Za-z0-9_~-]+", re.ASCII)
_PARAMETER = re.compile(r"\{([^{}]*)\}")
DEFAULT_LIMIT = 1000
DEFAULT_MAX_LIMIT = 10_000


def path(node: Node, problems: Problems) -> str | None:
    """A route such as `/stores/{store_id}/revenue`."""
    written = node.text if isinstance(node, Scalar) else ""
    fault = _path_fault(written)
    if fault:
        fix = fault if written else ""
        report(problems, node, "a path such as `/stores/{store_id}/revenue`", fix)
        return None
    return written


def _path_fault(written: str) -> str:
    if not written.startswith("/"):
        return "begin it with `/`"
    for segment in written[1:].split("/"):
        parameter = _PARAMETER.fullmatch(segment)
        if not segment:
            return "leave out the empty segment"
        if parameter and not is_name(parameter[1]):
            return f"`{parameter[1]}` is not a name of letters, digits and underscores"
        if not parameter and not _SEGMENT.fullmatch(segment):
            return (
                f"the segment `{segment}` is neither letters, digits, `_`, `-`, `~` nor `{{name}}`"
            )
    names = path_parameters(written)
    if len(set(names)) < len(names):
        return "name each parameter once"
    return f"headrace answers `{written}` itself" if is_own_path(written) else ""


def path_parameters(written: str) -> list[str]:
    """The parameters of a path, in order."""
    return _PARAMETER.findall(written)


def day(node: Node, problems: Problems) -> str | None:
    """A date, as it goes into a header of every answer."""
    if isinstance(node, Scalar) and typed(node, "DATE") is not None:
        return node.text
    report(problems, node, "a date such as 2026-12-01")
    return None


def default_values(node: Node, problems: Problems) -> dict[str, Scalar] | None:
    """A mapping of parameters to one value each; an empty value is NULL."""
    found: dict[str, Scalar] = {}
    for key, value in parameter_entries(node, problems):
        if isinstance(value, Scalar):
            found[key.text] = value
        else:
            report(problems, value, "one value")
    return found


def field_names(node: Node, problems: Problems) -> tuple[tuple[str, Place], ...] | None:
    """Names of fields, each once, with their places; they are looked for when it is compiled."""
    items = node.items if isinstance(node, Items) else (node,)
    found: dict[str, Place] = {}
    for item in items:
        name = text(item, problems)
        if name in found:
            problems.append(Problem(item.place, f"`{name}` is named twice", "each field once"))
        elif name is not None:
            found[name] = item.place
    return tuple(found.items())


def parameter_entries(node: Node, problems: Problems) -> Iterator[tuple[Scalar, Node]]:
    """The entries of a mapping whose keys can name parameters."""
    for key, value in unique_entries(node, problems):
        if is_name(key.text):
            yield key, value
        else:
            found = f"{key.text!r} cannot name a parameter"
            problems.append(Problem(key.place, found, "letters, digits and underscores"))


PATH = Key("path", path)
DEFAULTS = Key("defaults", default_values)
PARAMS: Key[Node] = Key("params", nested)
LIMIT = Key("limit", whole_number(1))
MAX_LIMIT = Key("max_limit", whole_number(1))
DESCRIPTION = Key("description", text)
VERSION = Key("version", whole_number(1, 999))
DEPRECATED = Key("deprecated", day)
SUNSET = Key("sunset", day)
FILTERS = Key("filters", field_names)
SORT = Key("sort", field_names)
SERVE = Key("serve", one_of("keyed", "columnar"))
ENDPOINT_KEYS = (
    *(PATH, VERSION, DEFAULTS, PARAMS, LIMIT, MAX_LIMIT, FILTERS, SORT),
    *(DEPRECATED, SUNSET, ACCESS, SERVE, DESCRIPTION),
)

TYPE = Key("type", column_type)
ENUM = Key("enum", scalars)
PARAMETER_KEYS = (TYPE, MIN, MAX, ENUM, PATTERN, DESCRIPTION)


def read_endpoint(name: str, file: str, text: str, problems: Problems) -> Endpoint:
    """A SQL file of endpoints/ as a declaration."""
    sql = read_sql(text, file, ENDPOINT_KEYS, problems)
    fields = sql.fields
    version = fields.get(VERSION, 1)
    route = fields.get(PATH, f"/{name}")
    if version > 1:
        route = f"/v{version}{route}"
    if PATH not in fields and is_own_path(route):
        fix = "give it another `path`"
        problems.append(Problem(Place(file, 1), f"headrace answers `{route}` itself", "", fix))
    defaults = fields.get(DEFAULTS, {})
    _refuse_path_defaults(route, defaults, problems)
    limit, max_limit = _limits(fields, problems)
    deprecated, sunset = _end(fields, problems)
    return Endpoint(
        name=name,
        place=Place(file, 1),
        path=route,
        sql=sql.text,
        sql_line=sql.line,
        defaults={key: _default(value) for key, value in defaults.items()},
        params=tuple(_params(fields, defaults, problems)),
        limit=limit,
        max_limit=max_limit,
        description=fields.get(DESCRIPTION, ""),
        version=version,
        deprecated=deprecated,
        sunset=sunset,
        serve=fields.get(SERVE, ""),
        filters=fields.get(FILTERS, ()),
        sort=fields.get(SORT, ()),
        access=fields.optional(ACCESS),
    )


def _end(fields: Fields, problems: Problems) -> tuple[str, str]:
    """From when on others should be used, and from when on it may be gone."""
    deprecated, sunset = fields.get(DEPRECATED, ""), fields.get(SUNSET, "")
    if sunset and sunset < deprecated:
        found = f"`sunset` is {sunset} and `deprecated` is {deprecated}"
        problems.append(
            Problem(fields.place_of(SUNSET), found, "`sunset` at or after `deprecated`")
        )
    return deprecated, sunset


def _default(node: Scalar) -> Value:
    return None if node.value is None else spelt(node)


def _refuse_path_defaults(route: str, defaults: dict[str, Scalar], problems: Problems) -> None:
    for name in path_parameters(route):
        if name in defaults:
            found = f"`{name}` is a part of the path and has a default"
            expected = "defaults for the other parameters only"
            problems.append(Problem(defaults[name].place, found, expected, "leave it out"))


def _limits(fields: Fields, problems: Problems) -> tuple[int, int]:
    most = fields.get(MAX_LIMIT, DEFAULT_MAX_LIMIT)
    limit = fields.get(LIMIT, min(DEFAULT_LIMIT, most))
    if limit > most:
        found = f"`limit` is {limit} and `max_limit` is {most}"
        fix = "" if MAX_LIMIT in fields else "give a `max_limit`, too"
        problems.append(
            Problem(fields.place_of(LIMIT), found, "`limit` at or below `max_limit`", fix)
        )
    return limit, most


def _params(
    fields: Fields, defaults: dict[str, Scalar], problems: Problems
) -> Iterator[ParameterRules]:
    node = fields.optional(PARAMS)
    for key, rules in parameter_entries(node, problems) if node is not None else ():
        made = _parameter(key, rules, problems)
        default = defaults.get(key.text)
        if default is not None and default.value is not None:
            _check_default(default, made, problems)
        yield made


def _parameter(key: Scalar, node: Node, problems: Problems) -> ParameterRules:
    if isinstance(node, Scalar):
        return ParameterRules(key.text, key.place, type=column_type(node, problems) or "")
    fields = read_fields(node, PARAMETER_KEYS, key.place, problems)
    type_name = fields.get(TYPE, "")
    limits = read_limits(fields, ENUM, type_name, problems)
    return ParameterRules(
        name=key.text,
        place=key.place,
        type=type_name,
        min=limits.min,
        max=limits.max,
        enum=limits.accepted,
        pattern=limits.pattern,
        description=fields.get(DESCRIPTION, ""),
    )


def _check_default(default: Scalar, rules: ParameterRules, problems: Problems) -> None:
    require_fit(default, rules.type, problems)
    if rules.enum and spelt(default) not in rules.enum:
        found = f"the default of `{rules.name}` is {describe(default)}"
        allowed = ", ".join(str(value) for value in rules.enum)
        problems.append(Problem(default.place, found, f"one of its `enum`: {allowed}"))
    _check_bounds(default, rules, problems)


def _check_bounds(default: Scalar, rules: ParameterRules, problems: Problems) -> None:
    found = f"the default of `{rules.name}` is {describe(default)}"
    low, high = _bound(rules, rules.min), _bound(rules, rules.max)
    if low is not None and is_above(low, default, rules.type):
        problems.append(Problem(default.place, found, f"a value at or above its `min`: {low.text}"))
    if high is not None and is_above(default, high, rules.type):
        problems.append(
            Problem(default.place, found, f"a value at or below its `max`: {high.text}")
        )


def _bound(rules: ParameterRules, value: Value) -> Scalar | None:
    return None if value is None else Scalar("", rules.place, value, str(value))
