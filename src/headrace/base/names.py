"""Names: which ones a user may give, how they are quoted in SQL, and what a misspelt one meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Names become folder names and SQL identifiers: letters, digits and underscores are safe in both.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def is_name(text: str) -> bool:
    """Whether `text` may name a table, column, endpoint or check."""
    return _NAME.fullmatch(text) is not None


def is_environment(text: str) -> bool:
    """Whether `text` may name an environment: a name that may also hold "-", as in "pr-41"."""
    return is_name(text.replace("-", "_"))


OWN_PATHS = frozenset({"/openapi", "/livez", "/readyz", "/docs", "/batch"})
"""Paths that the server answers itself, without the ending of a format."""
OWN_PREFIXES = frozenset({"auth", "manage", "console"})
"""The first segments of paths below which all is the server's own."""


def is_own_path(path: str) -> bool:
    """Whether the server answers a path itself, so that no endpoint can have it."""
    return path in OWN_PATHS or path[1:].partition("/")[0] in OWN_PREFIXES


# What issuers call them: "crm", "head-office", "realm.admin", "orders:read". No commas, no spaces:
# they stand in lists of words.
_ROLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}")


def is_role(text: str) -> bool:
    """Whether `text` may name a role, or a scope."""
    return _ROLE.fullmatch(text) is not None


# As a browser sends it: no path, lower case, no port that the scheme has anyway.
_ORIGIN = re.compile(
    r"(https?)://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
)
_USUAL_PORTS = {"http": "80", "https": "443"}


def is_origin(text: str) -> bool:
    """Whether `text` is the origin of web pages, as browsers spell it: "https://app.example"."""
    match = _ORIGIN.fullmatch(text)
    return match is not None and match[2] != _USUAL_PORTS[match[1]]


def quote(identifier: str) -> str:
    """`identifier` as a SQL identifier, always in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """`text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def near_miss(word: str, allowed: Iterable[str]) -> str:
    """ "did you mean `x`?" when a name in `allowed` is close to `word`, else ""."""
    by_lower = {name.lower(): name for name in allowed}
    matches = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean `{by_lower[matches[0]]}`?" if matches else ""


def listed(names: Iterable[str]) -> str:
    """Names for an error message: "`a`, `b`, `c`", or "none"."""
    return ", ".join(f"`{name}`" for name in names) or "none"
