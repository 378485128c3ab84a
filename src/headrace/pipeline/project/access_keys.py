"""Who may see what: takes `access:` and `rows:` as written, gives Access and RowsDeclaration."""

from __future__ import annotations

from collections.abc import Callable

from headrace.base.access import AUTHENTICATED, PUBLIC, Access
from headrace.base.declarations import RowRule, RowsDeclaration
from headrace.base.errors import Problem
from headrace.base.names import is_role
from headrace.pipeline.project.documents import Entries, Items, Node, Scalar
from headrace.pipeline.project.keys import (
    Key,
    Problems,
    one_of,
    read_fields,
    report,
    unique_entries,
)

_WORDS = {"public": PUBLIC, "authenticated": AUTHENTICATED}
_FORMS = "`public`, `authenticated`, a role, a list of roles or `{roles: […], scopes: […]}`"
_A_NAME = "letters, digits, `_`, `-`, `.` and `:`"
_REASONED = "`rows: {public: totals of the whole chain}`"
_CONDITION = "a condition over its columns, such as `store_id = $auth.store_id`"


def access(node: Node, problems: Problems) -> Access | None:
    """Who may ask: `public`, `authenticated`, a role, a list of roles, or roles and scopes."""
    if isinstance(node, Scalar) and node.text in _WORDS and isinstance(node.value, str):
        return _WORDS[node.text]
    if isinstance(node, Entries):
        return _roles_and_scopes(node, problems)
    if isinstance(node, Items) and not node.items:
        report(problems, node, _FORMS, "leave it out where nobody may ask")
        return None
    if isinstance(node, Scalar) and (node.value is None or isinstance(node.value, bool)):
        report(problems, node, _FORMS)
        return None
    roles = role_names(node, problems)
    return None if roles is None else Access("granted", roles=roles)


def column_access(node: Node, problems: Problems) -> Access | None:
    """Who sees the values of a column: a role or a list of roles; or `public`, which has to be said
    of a column that is made from a hidden one.
    """
    allowed = access(node, problems)
    if allowed is None or allowed == PUBLIC or (allowed.roles and not allowed.scopes):
        return allowed
    report(problems, node, "a role, a list of roles, or `public`")
    return None


def _roles_and_scopes(node: Entries, problems: Problems) -> Access | None:
    """`{roles: […], scopes: […]}`, one of them at least; None when anything in it is wrong."""
    if not node.entries:
        report(problems, node, _FORMS)
        return None
    fields = read_fields(node, (ROLES, SCOPES), node.place, problems)
    # Half of what was meant would let in more than was meant.
    if len(fields.values) < len(node.entries):
        return None
    return Access("granted", roles=fields.get(ROLES, ()), scopes=fields.get(SCOPES, ()))


def role_names(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """A role or a list of different roles, sorted; None when one of them is wrong."""
    return _names(node, "role", _role_fault, problems)


def scope_names(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """A scope or a list of different scopes, sorted; None when one of them is wrong."""
    return _names(node, "scope", lambda _: "", problems)


def _role_fault(name: str) -> str:
    """Why a word that says who may ask is no role among others."""
    if name not in _WORDS:
        return ""
    meaning = "everybody" if name == "public" else "everybody with a credential"
    return f"`access: {name}` on its own is {meaning}"


def _names(
    node: Node, kind: str, fault_of: Callable[[str], str], problems: Problems
) -> tuple[str, ...] | None:
    items = node.items if isinstance(node, Items) else (node,)
    found: list[str] = []
    for item in items:
        name = item.text if isinstance(item, Scalar) else ""
        fault = fault_of(name)
        if not _is_written_name(item) or fault:
            report(problems, item, f"the name of a {kind}: {_A_NAME}", fault)
        elif name in found:
            problems.append(Problem(item.place, f"`{name}` is named twice", f"each {kind} once"))
        else:
            found.append(name)
    if not items:
        report(problems, node, f"at least one {kind}")
    return tuple(sorted(found)) if found and len(found) == len(items) else None


def _is_written_name(node: Node) -> bool:
    """Whether a node is a name; `true` and an empty value are none, a number may be one."""
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        return False
    return is_role(node.text)


def rows(node: Node, problems: Problems) -> RowsDeclaration | None:
    """Who sees which rows: a condition for everybody, one for each role, or a public reason."""
    if isinstance(node, Entries):
        return _rows_by_role(node, problems)
    word = node.text.strip().lower() if isinstance(node, Scalar) else ""
    if word in {"public", "all"}:
        report(problems, node, f"the reason, too, as in {_REASONED}")
        return None
    if word == "authenticated":
        fix = "`access:` says who may ask, `rows:` which rows they see"
        report(problems, node, _CONDITION, fix)
        return None
    sql = condition(node, problems)
    return None if sql is None else RowsDeclaration(node.place, (RowRule("", sql, node.place),))


def _rows_by_role(node: Entries, problems: Problems) -> RowsDeclaration | None:
    entries = unique_entries(node, problems)
    if not entries:
        report(problems, node, f"{_CONDITION}, or one for each role, or {_REASONED}")
        return None
    if any(key.text == "public" for key, _ in entries):
        return _public(node, entries, problems)
    rules = [_rule(key, value, problems) for key, value in entries]
    whole = [rule for rule in rules if rule is not None]
    return RowsDeclaration(node.place, tuple(whole)) if len(whole) == len(node.entries) else None


def _public(
    node: Entries, entries: list[tuple[Scalar, Node]], problems: Problems
) -> RowsDeclaration | None:
    """All rows for everybody: on its own, and for a reason that a reader can judge."""
    if len(entries) > 1:
        found = f"{node.label} is public, and has rules for roles"
        fix = "`public` shows everybody all rows"
        problems.append(Problem(node.place, found, "one of them", fix))
        return None
    [(_, reason)] = entries
    if (
        not isinstance(reason, Scalar)
        or not isinstance(reason.value, str)
        or not reason.text.strip()
    ):
        report(problems, reason, f"the reason why everybody may see all rows, as in {_REASONED}")
        return None
    return RowsDeclaration(node.place, public=reason.text.strip())


def _rule(key: Scalar, value: Node, problems: Problems) -> RowRule | None:
    """What one role sees."""
    if not is_role(key.text) or key.text in _WORDS:
        in_quotes = "put a condition that holds a comma or a colon into quotes"
        fix = _role_fault(key.text) or in_quotes
        found = f"{key.text!r} cannot name a role"
        problems.append(Problem(key.place, found, _A_NAME, fix))
        return None
    if isinstance(value, Scalar) and value.text.strip() == "all":
        return RowRule(key.text, "", value.place)
    sql = condition(value, problems, "all")
    return None if sql is None else RowRule(key.text, sql, value.place)


def condition(node: Node, problems: Problems, or_word: str = "") -> str | None:
    """A predicate in SQL; whether it is one, only the compiler can say."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.text.strip():
        return node.text.strip()
    report(problems, node, _CONDITION + (f", or `{or_word}`" if or_word else ""))
    return None


ROLES = Key("roles", role_names)
SCOPES = Key("scopes", scope_names)
ACCESS = Key("access", access)
ROWS = Key("rows", rows)
COLUMN_ACCESS = Key("access", column_access)
HIDE = Key("hide", one_of("masked", "hashed", "absent"))
