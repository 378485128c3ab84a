"""Decorators that users write: each leaves its arguments on the function and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, overload

F = TypeVar("F", bound=Callable[..., object])
MODEL_ATTRIBUTE = "__headrace_model__"


@overload
def model(function: F, /) -> F: ...


@overload
def model(
    *,
    key: str | Sequence[str] = ...,
    columns: Mapping[str, object] = ...,
    checks: Sequence[Mapping[str, object]] = ...,
    partition: Mapping[str, str] = ...,
    volatile: str = ...,
    lookback: str | int = ...,
    inputs: Mapping[str, str] = ...,
    retries: int = ...,
    allow_empty: bool = ...,
    description: str = ...,
    lineage: Mapping[str, str | Sequence[str]] = ...,
    access: str | Sequence[str] | Mapping[str, str | Sequence[str]] = ...,
    rows: str | Mapping[str, str] = ...,
    tolerance: str | int = ...,
) -> Callable[[F], F]: ...


def model(function: F | None = None, /, **arguments: object) -> F | Callable[[F], F]:
    """Mark the one function of a file of models/ that makes the file's table.

    The arguments are the keys of a SQL model's header, and `lineage`: column -> the "table.column"
    names that it is made of. headrace reads them from the file's text,
    so they must be literals. The function stays what it was: call it as it is in tests.

    >>> @model(key="customer_id")
    ... def segments(orders):
    ...     return orders
    >>> segments([1])
    [1]
    """

    def mark(marked: F) -> F:
        setattr(marked, MODEL_ATTRIBUTE, arguments)
        return marked

    return mark if function is None else mark(function)
