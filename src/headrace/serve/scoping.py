"""What a query takes from whoever asks: takes a scope and a principal, gives values to bind.

It fails closed: a claim that is missing, or is no value of its type, is NULL, and no case that
needs it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from headrace.base.access import ClaimValue, Principal
from headrace.serve.asking.parameters import Bound, Values
from headrace.serve.asking.scalars import Scalar, Unfit, canonical, reader
from headrace.store.scopes import PREFIX, SALT, case_parameter, claim_parameter, mask_parameter
from headrace.store.snapshots import Claim, Scope

_LIST = "[]"
# Bound scopes of one query that are remembered: one a principal.
_MOST_PRINCIPALS = 5000


class BoundScope(NamedTuple):
    """A scope for one principal.

    Attributes:
        values: parameter -> value, for every parameter of the scope.
        key: one text for all of them: equal for those who get the same answers, and only for those.
        active: the numbers of the cases that hold.
    """

    values: Mapping[str, Bound]
    key: str
    active: frozenset[int]

    def over(self, values: Values) -> Values:
        """The parameters of a request with those of the scope; `key` tells both."""
        # Before the request's own: what all pages have in common is the beginning of a key.
        return values._replace(bound={**values.bound, **self.values}, key=self.key + values.key)


class Scoping:
    """Binds the scope of one query; from any thread."""

    def __init__(self, scope: Scope, salt: str) -> None:
        """Prepare what does not depend on who asks.

        Args:
            scope: of the query.
            salt: what values are hashed with.

        Raises:
            ValueError: a claim has a type that no claim can have.
        """
        self._scope = scope
        self._salt = salt
        self._readers = {each.name: _claim_reader(each) for each in scope.claims}
        self._bound: dict[Principal, BoundScope] = {}

    def bind(self, principal: Principal) -> BoundScope:
        """The scope for somebody."""
        known = self._bound.get(principal)
        if known is None:
            if len(self._bound) >= _MOST_PRINCIPALS:
                self._bound = {}
            known = self._bound[principal] = self._bind(principal)
        return known

    def _bind(self, principal: Principal) -> BoundScope:
        found = {name: read(principal.claims.get(name)) for name, read in self._readers.items()}
        active = frozenset(
            number
            for number, case in enumerate(self._scope.cases)
            if (not case.role or case.role in principal.roles)
            and all(found.get(name) is not None for name in case.claims)
        )
        needed = {name for number in active for name in self._scope.cases[number].claims}
        # What no case needs is bound to nothing: it changes no answer, and must not split the key.
        claims = {name: value if name in needed else None for name, value in found.items()}
        seen = [not principal.roles.isdisjoint(roles) for roles in self._scope.masks]
        values: dict[str, Bound] = {claim_parameter(name): each for name, each in claims.items()}
        values |= {case_parameter(n): n in active for n in range(len(self._scope.cases))}
        values |= {mask_parameter(n): each for n, each in enumerate(seen)}
        if self._scope.salted:
            values[SALT] = self._salt
        return BoundScope(values, _key(sorted(active), claims, seen), active)


def _key(active: list[int], claims: Mapping[str, Bound], seen: list[bool]) -> str:
    texts = [(name, _texts(value)) for name, value in sorted(claims.items())]
    text = repr((active, texts, seen))
    # Its length first: no other key and no parameters together look the same.
    return f"scope {len(text)} {text} "


def _texts(value: Bound) -> list[str] | str | None:
    if value is None:
        return None
    return [canonical(each) for each in value] if isinstance(value, list) else canonical(value)


def _claim_reader(claim: Claim) -> Callable[[ClaimValue | None], Bound]:
    read = reader(claim.type.removesuffix(_LIST))
    is_list = claim.type.endswith(_LIST)

    def value(given: ClaimValue | None) -> Bound:
        if given is None or (isinstance(given, tuple) and not is_list):
            return None
        try:
            if is_list:
                several = given if isinstance(given, tuple) else (given,)
                return [read(_text(each)) for each in several]
            assert not isinstance(given, tuple), "told apart above"
            return read(_text(given))
        except Unfit:
            return None

    return value


def _text(value: str | float | bool) -> str:
    """How a client would write a claim's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def unscoped(bound: Mapping[str, Scalar | list[Scalar] | None]) -> dict[str, Bound]:
    """The parameters that a request has written, without those of a scope."""
    return {name: value for name, value in bound.items() if not name.startswith(PREFIX)}
