"""What a scope's parameters are called: takes a scope, gives the names in the SQL of its query."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.store.snapshots import Scope

PREFIX = "auth_"
SALT = f"{PREFIX}salt"


def claim_parameter(name: str) -> str:
    """The parameter that is a claim."""
    return f"{PREFIX}{name}"


def case_parameter(number: int) -> str:
    """The parameter that says whether a case holds."""
    return f"{PREFIX}case_{number}"


def mask_parameter(number: int) -> str:
    """The parameter that says whether a masked value may be seen."""
    return f"{PREFIX}mask_{number}"


def scope_parameters(scope: Scope | None) -> Iterator[str]:
    """All parameters that a query takes from whoever asks; of no scope, none."""
    if scope is None:
        return
    yield from (claim_parameter(claim.name) for claim in scope.claims)
    yield from (case_parameter(number) for number, _ in enumerate(scope.cases))
    yield from (mask_parameter(number) for number, _ in enumerate(scope.masks))
    if scope.salted:
        yield SALT
