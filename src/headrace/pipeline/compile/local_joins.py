"""Joins in the locality proof: takes two sides, gives one, or why a cell needs more than its own.

To ask a join for some keys is to ask each side for them. An inner join then gives the pairs whose
keys are all among them; what else a join gives depends on what a row does *not* match, which must
be the same when the other side has fewer rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from headrace.base.partitions import Grain
from headrace.engines.trees import Node
from headrace.pipeline.compile.local_expressions import learned
from headrace.pipeline.compile.local_scopes import Binding, Part, Scope, Side
from headrace.pipeline.compile.local_values import UNKNOWN, Fact, Facts, Value, comparable


@dataclass(frozen=True, slots=True)
class Join:
    """A join's node and what it is of.

    Attributes:
        left, right: its sides, each with what it says of itself.
        around: the scope in which the join stands.
        components: of how many columns a key consists.
        fresh: the number of a new part.
    """

    node: Node
    left: Side
    right: Side
    around: Scope
    by: Grain
    components: int
    fresh: int

    @property
    def kind(self) -> str:
        """INNER, LEFT, RIGHT, FULL, SEMI or ANTI."""
        return str(self.node["join_type"])

    @property
    def name(self) -> str:
        """How a message calls it."""
        styles = [] if self.node["ref_type"] in {"REGULAR", "CROSS"} else [self.node["ref_type"]]
        kinds = [] if self.kind == "INNER" else [self.kind]
        return " ".join([*styles, *kinds, "JOIN"])

    def shared(self) -> list[str]:
        """The columns of USING, or those that NATURAL finds, in lower case."""
        if self.node["ref_type"] != "NATURAL":
            return [name.lower() for name in self.node["using_columns"]]
        sides = [
            [c.name.lower() for b in side.bindings for c in b.rows.columns]
            for side in (self.left, self.right)
        ]
        return [name for name in dict.fromkeys(sides[0]) if name in sides[1]]

    def equated(self) -> list[str]:
        """The columns of USING that are compared for equality: of an ASOF JOIN not the last."""
        return self.shared()[:-1] if self.node["ref_type"] == "ASOF" else self.shared()


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join gives; `reason` says why it is not local, and is "" when it is."""

    side: Side
    reason: str = ""


def joined(join: Join) -> Joined:
    """What a join gives, or why a cell of it needs more than the cells of its sides."""
    left, right = join.left, join.right
    if join.node["ref_type"] == "POSITIONAL" or join.node["ranking_expression"]:
        reason = (
            f"this {join.name} matches rows by their order" if left.parts or right.parts else ""
        )
        return Joined(_beside(join, left, right), reason)
    if join.kind in {"INNER", "SEMI"}:
        return _matching(join)
    if join.node["ref_type"] == "ASOF" and join.kind in {"RIGHT", "FULL"}:
        # A row of the left side goes to the nearest of all rows of the right one.
        reason = _unequal(join) if left.parts or right.parts else ""
        return Joined(_beside(join, left.nulled(), right.nulled()), reason)
    if join.kind == "FULL":
        return _full(join)
    if join.kind == "RIGHT":
        return _preserving(join, right, left)
    return _preserving(join, left, right)


def _beside(join: Join, left: Side, right: Side) -> Side:
    """Both sides' columns as one; USING columns are what the left side says of them."""
    hidden = frozenset(join.shared())
    shown = [replace(b, hidden=b.hidden | hidden) for b in right.bindings]
    merged = {**left.merged, **right.merged}
    for name in join.shared():
        first, second = left.find([name]) or UNKNOWN, right.find([name]) or UNKNOWN
        merged[name] = {"RIGHT": second, "FULL": UNKNOWN}.get(join.kind, first)
    if join.node["ref_type"] == "ASOF":
        merged |= dict.fromkeys(join.shared()[-1:], UNKNOWN)
    parts = (*left.parts, *right.parts)
    return Side((*left.bindings, *shown), merged, parts, left.glue.and_also(right.glue))


def _learned(join: Join) -> tuple[Side, Side]:
    """Both sides, knowing what is equal in the rows that match; all glue is on the left one."""
    left, right = join.left, join.right
    glue = left.glue.and_also(right.glue)
    for name in join.equated():
        values = left.find([name]) or UNKNOWN, right.find([name]) or UNKNOWN
        if comparable(*values, join.by):
            glue = glue.with_equal(values[0].whole(), values[1].whole())
            left = left.taught([name], values[1].whole())
            right = right.taught([name], values[0].whole())
    both = Side((*left.bindings, *right.bindings), {**left.merged, **right.merged}, (), glue)
    scope = learned(join.node["condition"], replace(join.around, side=both), join.by)
    known, count = scope.side, len(left.bindings)
    return (
        replace(left, bindings=known.bindings[:count], glue=known.glue, merged=_kept(left, known)),
        replace(right, bindings=known.bindings[count:], merged=_kept(right, known)),
    )


def _kept(side: Side, known: Side) -> dict[str, Value]:
    return {name: known.merged[name] for name in side.merged}


def _matching(join: Join) -> Joined:
    """INNER and SEMI: only what matches, each pair for itself, unless the nearest is sought."""
    left, right = _learned(join)
    if join.kind == "INNER" and join.node["ref_type"] != "ASOF":
        return Joined(_beside(join, left, right))
    reason = ""
    tied = _tied(right.parts, join.left.parts, left, join)
    # The left rows themselves may tell of which key their matches are.
    if not tied and not _told(left.bindings, right.parts, join.components):
        reason = "" if not right.parts else _unequal(join)
    side = left if join.kind == "SEMI" else _beside(join, left, right)
    if reason:
        return Joined(replace(side, parts=left.parts or right.parts), reason)
    if join.kind == "SEMI" and not tied:
        side = replace(side, parts=(*left.parts, *right.parts))
    return Joined(side, reason)


def _preserving(join: Join, kept: Side, other: Side) -> Joined:
    """LEFT, RIGHT and ANTI: also what matches nothing on the other side."""
    known, _ = _learned(join)
    reason = ""
    if other.parts and not kept.parts:
        reason = _unmatched(join)
    elif not _tied(other.parts, kept.parts, known, join):
        reason = _unequal(join)
    if join.kind == "ANTI":
        return Joined(kept, reason)
    left = join.left if kept is join.left else join.left.nulled()
    right = join.right if kept is join.right else join.right.nulled()
    parts = kept.parts or other.parts
    return Joined(replace(_beside(join, left, right), parts=parts, glue=kept.glue), reason)


def _full(join: Join) -> Joined:
    """FULL: what matches, and what is left over on either side."""
    left, right = join.left, join.right
    if not left.parts and not right.parts:
        return Joined(_beside(join, left.nulled(), right.nulled()))
    reason = ""
    known, _ = _learned(join)
    if not left.parts or not right.parts:
        reason = _unmatched(join)
    elif not (
        _tied(left.parts, left.parts[:1], left, join)
        and _tied(right.parts, right.parts[:1], right, join)
        and _tied(right.parts, left.parts, known, join)
    ):
        reason = _unequal(join)
    tables = frozenset[str]().union(*(part.tables for part in (*left.parts, *right.parts)))
    part = Part(join.fresh, tables, join.node)
    halves = [_halved(left, part.id, part.id), _halved(right, part.id, -part.id)]
    side = _beside(join, *halves)
    merged = dict(side.merged)
    for name in join.equated():
        values = left.find([name]) or UNKNOWN, right.find([name]) or UNKNOWN
        merged[name] = _whole(values, part.id, join.by)
    return Joined(replace(side, merged=merged, parts=(part,)), reason)


def _halved(side: Side, part: int, half: int) -> Side:
    """A side of a FULL JOIN: what told a key tells it in the rows that the side has a part in."""
    live = {each.id for each in side.parts}

    def change(facts: Facts) -> Facts:
        return frozenset(
            Fact(part, f.component, half) for f in facts if f.part in live and not f.half
        )

    return side.mapped(change)


def _whole(values: tuple[Value, Value], part: int, by: Grain) -> Value:
    """What the merged column of a FULL JOIN tells."""
    told = [{fact.component for fact in value.whole()} for value in values]
    if not comparable(*values, by):
        return UNKNOWN
    kind = values[0].type if values[0].type == values[1].type else "TIMESTAMP"
    return Value(kind, frozenset(Fact(part, each) for each in told[0] & told[1]))


def _tied(parts: Iterable[Part], to: Iterable[Part], known: Side, join: Join) -> bool:
    """Whether each part has the key of one of the others."""
    glue = known.glue.and_also(join.around.glue())
    others = [each.id for each in to]
    return all(glue.glued(part.id, others, join.components) for part in parts)


def _told(bindings: Iterable[Binding], parts: Iterable[Part], components: int) -> bool:
    """Whether columns of the bindings tell the whole key of every part."""
    facts = {
        (fact.part, fact.component)
        for binding in bindings
        for column in binding.rows.columns
        for fact in column.value.whole()
    }
    return all((part.id, each) in facts for part in parts for each in range(components))


def _unequal(join: Join) -> str:
    return f"this {join.name} does not equate the partitions of both sides"


def _unmatched(join: Join) -> str:
    without = join.right if join.left.parts else join.left
    named = ", ".join(f"`{binding.alias}`" for binding in without.bindings if binding.alias)
    subject = f"rows of {named or 'a side'} that match nothing"
    return f"this {join.name} keeps {subject}, and these are of no partition"
