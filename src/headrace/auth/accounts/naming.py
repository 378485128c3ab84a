"""What accounts, roles, groups, claims and keys may be called: takes a name, refuses what is none.

Accounts are lower case, and everything is ASCII: two names that look alike are one name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from headrace.base.access import ClaimValue
from headrace.base.errors import UsageError
from headrace.base.names import is_name, is_role

_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
# In `access:` and `rows:` these stand for everybody, so no role may be called so.
_NOT_ROLES = frozenset(["public", "authenticated", "nobody"])
# Half a character: it can be neither stored nor compared.
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LABEL_CHARACTERS = 100
_LIST_VALUES = 1000
_TEXT_CHARACTERS = 1000
_INTEGERS = range(-(2**63), 2**63)


def require_account_name(name: str) -> None:
    """Raises UsageError: an account cannot be called so."""
    if _ACCOUNT.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be an account's name; expected at most 100 lower-case letters, digits"
            " and `.`, `_`, `@`, `+`, `-`, beginning with a letter or digit"
        )


def require_roles(names: Iterable[str], what: str = "role") -> None:
    """Raises UsageError: one of the names cannot be a role's, a scope's or a group's (`what`)."""
    for name in names:
        if not is_role(name):
            raise UsageError(
                f"{name!r} cannot be a {what}'s name; expected at most 100 letters, digits and"
                " `_`, `-`, `.`, `:`, beginning with a letter, a digit or `_`"
            )
        if what == "role" and name in _NOT_ROLES:
            raise UsageError(
                f"{name!r} cannot be a role's name: `access: {name}` means something else;"
                " expected another name"
            )


def require_claims(claims: Mapping[str, ClaimValue]) -> None:
    """Raises UsageError: one of the claims has a name or a value that no policy could use."""
    for name, value in claims.items():
        if not is_name(name):
            raise UsageError(
                f"{name!r} cannot be a claim's name; expected at most 100 letters, digits and `_`,"
                " not beginning with a digit, as in `store_id`"
            )
        values = value if isinstance(value, tuple) else (value,)
        if len(values) > _LIST_VALUES or not all(map(_is_value, values)):
            raise UsageError(
                f"the claim `{name}` has a value that cannot be kept; expected a text of at most"
                f" {_TEXT_CHARACTERS} characters, a number of 64 bits, true or false, or a list of"
                f" at most {_LIST_VALUES} texts or numbers"
            )


def require_label(text: str) -> None:
    """Raises UsageError: a key cannot have this remark."""
    if len(text) > _LABEL_CHARACTERS or not text.isprintable():
        raise UsageError(
            f"{text[:_LABEL_CHARACTERS]!r} cannot be a key's name; expected at most"
            f" {_LABEL_CHARACTERS} characters on one line"
        )


def _is_value(value: str | float) -> bool:
    if isinstance(value, str):
        return len(value) <= _TEXT_CHARACTERS and "\0" not in value and not _SURROGATE.search(value)
    return value in _INTEGERS if isinstance(value, int) else math.isfinite(value)
