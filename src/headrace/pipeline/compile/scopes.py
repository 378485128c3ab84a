"""What a FROM clause makes visible, as nouns: columns by name, and what each derives from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

Origins: TypeAlias = frozenset[str]
"""Names of stored columns, "table.column"."""

NOTHING: Origins = frozenset()


@dataclass(frozen=True, slots=True)
class Output:
    """One column that a query or table gives; `name` is "" where only the engine knows it."""

    name: str
    origins: Origins


@dataclass(frozen=True, slots=True)
class Binding:
    """One entry of a FROM clause.

    Attributes:
        alias: in lower case; "" for what cannot be named.
        outputs: its columns, in order; None when their number is not known here.
        rest: what a column derives from that is not among `outputs` by name.
        hidden: columns, in lower case, that `*` shows only once: a join's USING columns.
    """

    alias: str
    outputs: tuple[Output, ...] | None
    rest: Origins | None = None
    hidden: frozenset[str] = frozenset()

    def find(self, name: str) -> Origins | None:
        """What the column of that name (in lower case) derives from; None: none is known."""
        for output in self.outputs or ():
            if output.name.lower() == name:
                return output.origins
        return None

    def everything(self) -> Origins:
        """What all of its columns together derive from."""
        return union([*(each.origins for each in self.outputs or ()), self.rest or NOTHING])

    def starred(self) -> list[Output] | None:
        """What `*` shows of it; None when that is not known."""
        if self.outputs is None:
            return None
        return [each for each in self.outputs if each.name.lower() not in self.hidden]

    def named(self, alias: str, columns: Sequence[str]) -> Binding:
        """The same under an alias and with its first columns renamed, as `AS a(x, y)` does."""
        outputs = self.outputs
        if outputs is None:
            outputs = tuple(Output(name, self.rest or NOTHING) for name in columns) or None
        else:
            renamed = [replace(o, name=n) for o, n in zip(outputs, columns, strict=False)]
            outputs = (*renamed, *outputs[len(columns) :])
        return replace(self, alias=alias.lower() or self.alias, outputs=outputs)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a name may mean at one point of a query.

    Attributes:
        bindings: of the FROM clause, in order.
        ctes: the WITH queries in reach, by name in lower case.
        aliases: columns of the select list so far: DuckDB lets later ones use them.
        parent: the query around, for correlated subqueries.
        bound: names that a lambda binds.
    """

    bindings: tuple[Binding, ...] = ()
    ctes: Mapping[str, Binding] = field(default_factory=dict)
    aliases: Mapping[str, Origins] = field(default_factory=dict)
    parent: Scope | None = None
    bound: frozenset[str] = frozenset()

    def resolve(self, names: Sequence[str]) -> Origins | None:
        """What a dotted name derives from; None when nothing visible has that name."""
        parts = [name.lower() for name in names]
        found = self._own(parts)
        if found is None and self.parent is not None:
            found = self.parent.resolve(parts)
        return found

    def _own(self, parts: Sequence[str]) -> Origins | None:
        if parts[0] in self.bound:
            return NOTHING
        found = self._qualified(parts) if len(parts) > 1 else None
        if found is None:
            found = self._unqualified(parts[0])
        return found

    def _qualified(self, parts: Sequence[str]) -> Origins | None:
        if parts[0] == "main" and len(parts) > 2:
            parts = parts[1:]
        for binding in self.bindings:
            if binding.alias == parts[0]:
                found = binding.find(parts[1])
                return binding.rest if found is None else found
        return None

    def _unqualified(self, name: str) -> Origins | None:
        matches = [each for b in self.bindings if (each := b.find(name)) is not None]
        if matches:
            # More than one: a USING column, which the engine takes from both sides.
            return union(matches)
        if name in self.aliases:
            return self.aliases[name]
        whole = [b.everything() for b in self.bindings if b.alias == name]
        open_ended = [b.rest for b in self.bindings if b.rest is not None]
        return union(whole or open_ended) if whole or open_ended else None

    def everything(self) -> Origins:
        """What all visible columns together derive from."""
        return union(binding.everything() for binding in self.bindings)


def union(parts: Iterable[Origins]) -> Origins:
    """All of them together."""
    return frozenset().union(*parts)
