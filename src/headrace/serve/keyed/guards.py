"""Who is answered by a keyed copy: takes what a request binds, says whether its rows may match.

What somebody may see is either all that their request asks for, or nothing of it. Whoever has no
case of the copy is answered by the query, which holds the policies itself.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TypeAlias

from headrace.serve.keyed.limits import NotByKey
from headrace.serve.keyed.ranges import Values
from headrace.store.scopes import case_parameter, claim_parameter
from headrace.store.snapshots import EndpointContract, KeyedCase, KeyedQuery, Scope

Admits: TypeAlias = Callable[[Values], bool]


def case_of(query: KeyedQuery, active: frozenset[int]) -> KeyedCase | None:
    """The case of somebody for whom just these cases of the scope hold; None for none."""
    return next((case for case in query.cases if frozenset(case.cases) == active), None)


def admission(contract: EndpointContract) -> Admits | None:
    """What tells whether rows that a request's key finds are its answer; None when all are.

    The function raises NotByKey for whom the copy does not answer.
    """
    query, scope = contract.keyed, contract.scope
    assert query is not None, f"{contract.name} has no keyed query"
    if scope is None and not query.cases:
        return None
    if scope is None or not scope.cases or scope.masks or scope.salted:
        # A copy holds what is in a column, whoever may see it.
        return _nobody
    return _admits(query, scope)


def _nobody(values: Values) -> bool:  # noqa: ARG001 - as the others
    raise NotByKey("the copy answers nobody")


def _admits(query: KeyedQuery, scope: Scope) -> Admits:
    names = [case_parameter(number) for number, _ in enumerate(scope.cases)]
    active = itemgetter(*names)
    guards = {_holding(case, len(names)): _guards(case) for case in query.cases}

    def admits(values: Values) -> bool:
        own = guards.get(active(values))
        if own is None:
            raise NotByKey("the copy does not answer these cases")
        for name, claim in own:  # noqa: SIM110 - a generator costs as much as all the rest
            if not is_equal(values[name], values[claim]):
                return False
        return True

    return admits


def _holding(case: KeyedCase, count: int) -> object:
    """What `itemgetter` gives of somebody with a case: one value is no tuple."""
    found = tuple(number in case.cases for number in range(count))
    return found if count > 1 else found[0]


def _guards(case: KeyedCase) -> tuple[tuple[str, str], ...]:
    return tuple((name, claim_parameter(claim)) for name, claim in case.guards)


def is_equal(value: object, claim: object) -> bool:
    """Whether two values of one SQL type are equal in SQL, where NULL is equal to nothing.

    Raises:
        NotByKey: they are of two Python types: what that means is the query's to say.
    """
    if value is None or claim is None:
        return False
    if type(value) is not type(claim):
        raise NotByKey(f"{type(value).__name__} is compared with {type(claim).__name__}")
    return value == claim
