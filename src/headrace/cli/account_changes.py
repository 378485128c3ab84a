"""What the commands on accounts and keys share: opens the accounts of a project, reads what is
written of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from headrace.auth.accounts.accounts import Accounts, no_account
from headrace.auth.accounts.directory import EMPTY, Account, Directory
from headrace.base.access import ClaimValue
from headrace.base.errors import UsageError
from headrace.cli.opening import Opened, open_project
from headrace.store.audit.entries import Action, AuditEvent
from headrace.store.audit.log import Audit, operator

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([mhdw])")


@dataclass(frozen=True, slots=True)
class OpenedAccounts:
    """The accounts of a project, to be changed, and what is put on record of it."""

    opened: Opened
    accounts: Accounts
    audit: Audit

    def account(self, name: str) -> Account:
        """An account as it is now.

        Raises:
            NotFound: there is none of this name.
        """
        known = self.accounts.directory().accounts
        if name not in known:
            raise no_account(name, known)
        return known[name]

    def note(self, action: Action, target: str, **detail: str) -> None:
        """Put on record what whoever runs this has done.

        Raises:
            StoreError: the audit log is broken.
        """
        self.audit.append(AuditEvent(action, operator(), target=target, detail=detail))


@contextmanager
def open_accounts(folder: Path) -> Iterator[OpenedAccounts]:
    """The accounts of the project that `folder` is in; their file is made if there is none.

    Raises:
        StoreError: the audit log takes no entries: nothing must be changed unrecorded.
    """
    opened = open_project(folder)
    store = opened.store
    with (
        closing(Audit.open(store.root, clock=store.clock)) as audit,
        closing(Accounts.open(store.accounts_path, clock=store.clock)) as accounts,
    ):
        audit.require_usable()
        yield OpenedAccounts(opened, accounts, audit)


def read_directory(opened: Opened) -> Directory:
    """The accounts and keys of a project; makes no file where there is none."""
    path = opened.store.accounts_path
    if not path.exists():
        return EMPTY
    with closing(Accounts.open(path)) as accounts:
        return accounts.directory()


def hand_down(ctx: click.Context, folder: Path) -> None:
    """Let the commands of a group take the folder that was given before them."""
    assert isinstance(ctx.command, click.Group)
    ctx.default_map = {name: {"folder": folder} for name in ctx.command.commands}


def read_claims(texts: Iterable[str]) -> dict[str, ClaimValue]:
    """Claims as they are written.

    >>> read_claims(["store_id=7", "stores=[1, 2]", "tenant=south", 'zip="04109"', "code=007"])
    {'store_id': 7, 'stores': (1, 2), 'tenant': 'south', 'zip': '04109', 'code': '007'}

    Raises:
        UsageError: one has no name, or is there twice.
    """
    claims: dict[str, ClaimValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in claims:
            raise UsageError(
                f"--claim {text!r} is no claim, or another one of its name is there; expected a"
                " name and a value, as in `--claim store_id=7`"
            )
        claims[name] = _claim_value(value)
    return claims


def read_span(text: str) -> int:
    """Seconds of a length of time.

    >>> read_span("90d"), read_span("12h")
    (7776000, 43200)

    Raises:
        UsageError: it is none.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--expires {text!r} is no length of time; expected minutes, hours, days or weeks,"
            " as in `12h`, `90d` or `4w`"
        )
    return int(found[1]) * _UNITS[found[2]]


def claim_text(value: ClaimValue) -> str:
    """A claim's value as `read_claims` reads it.

    >>> claim_text((1, 2)), claim_text("south"), claim_text("7")
    ('[1, 2]', 'south', '"7"')
    """
    if isinstance(value, str) and _claim_value(value) == value:
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def listed_or_dash(names: Iterable[str]) -> str:
    """Names in alphabetical order; "-" without any."""
    return ", ".join(sorted(names)) or "-"


def _claim_value(text: str) -> ClaimValue:
    try:
        value = json.loads(text, parse_constant=_no_number)
    except ValueError:
        return text
    if isinstance(value, list) and all(map(_is_element, value)):
        return tuple(value)
    return value if isinstance(value, bool) or _is_element(value) else text


def _is_element(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _no_number(text: str) -> object:
    """`NaN` and `Infinity` are texts here."""
    raise ValueError(text)
