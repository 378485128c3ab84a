"""Reads who asks in a unit test: takes `as:` as written, gives a principal without any proof."""

from __future__ import annotations

from headrace.base.access import ANONYMOUS, ClaimValue, Principal
from headrace.pipeline.project.access_keys import ROLES, SCOPES
from headrace.pipeline.project.documents import Entries, Items, Node, Scalar
from headrace.pipeline.project.keys import (
    Key,
    Problems,
    nested,
    read_fields,
    report,
    unique_entries,
)

NOBODY = "nobody"
ID = "test"
_FORMS = "`nobody`, or `{roles: […], scopes: […], claims: {…}}`"
_VALUE = "a text, a number, `true`, `false`, or a list of texts and numbers"

CLAIMS: Key[Node] = Key("claims", nested)


def principal(node: Node, problems: Problems) -> Principal | None:
    """Somebody with these roles, scopes and claims; `nobody` has shown no credential.

    None when anything in it is wrong: half of what was meant would be somebody else.
    """
    if isinstance(node, Scalar) and node.value == NOBODY:
        return ANONYMOUS
    if not isinstance(node, Entries):
        report(problems, node, _FORMS)
        return None
    before = len(problems)
    fields = read_fields(node, (ROLES, SCOPES, CLAIMS), node.place, problems)
    claims = _claims(fields.optional(CLAIMS), problems)
    if len(problems) > before:
        return None
    scopes = frozenset(fields.get(SCOPES, ())) if SCOPES in fields else None
    return Principal(ID, frozenset(fields.get(ROLES, ())), scopes, claims)


def _claims(node: Node | None, problems: Problems) -> dict[str, ClaimValue]:
    entries = unique_entries(node, problems) if node is not None else []
    read = {name.text: _claim(value, problems) for name, value in entries}
    return {name: value for name, value in read.items() if value is not None}


def _claim(node: Node, problems: Problems) -> ClaimValue | None:
    if isinstance(node, Items):
        found = tuple(map(_element, node.items))
        elements = tuple(each for each in found if each is not None)
        if len(elements) == len(found):
            return elements
    elif isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    elif (value := _element(node)) is not None:
        return value
    report(problems, node, _VALUE)
    return None


def _element(node: Node) -> str | int | float | None:
    value = node.value if isinstance(node, Scalar) else None
    return None if isinstance(value, bool) else value
