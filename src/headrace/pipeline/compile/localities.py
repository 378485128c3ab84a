"""What a cell of a model needs: takes a model and its inputs, gives its locality, or what is wrong.

For a query it is proved; a function is taken at its word: it is given one partition at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.base.declarations import Model
from headrace.base.errors import Problem
from headrace.base.names import listed, near_miss
from headrace.base.partitions import Split, split_of
from headrace.base.tables import Schema
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.graph import Locality, Need, Relation
from headrace.pipeline.compile.local_values import divides
from headrace.pipeline.compile.queries import Query, Refusal, place_in, sql_of


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A model with partitions, what they are, and the relations that it reads, by name."""

    model: Model
    split: Split
    inputs: Mapping[str, Relation]

    def needs(self) -> dict[str, Need]:
        """What a cell needs of each input, as far as partitions and the header tell."""
        said = {each.table.lower(): each.need for each in self.model.inputs}
        return {
            name: said.get(name.lower(), "same" if self._divides(relation) else "whole")
            for name, relation in self.inputs.items()
        }

    def _divides(self, relation: Relation) -> bool:
        return relation.split is not None and divides(relation.split, relation.schema, self.split)


def model_locality(
    model: Model, inputs: Mapping[str, Relation], query: Query | None, analysis: Analysis
) -> Locality | list[Problem] | None:
    """What a cell of a model needs of its inputs; None for a model without partitions.

    Args:
        model: whose columns are in order.
        inputs: the relations that it reads, by name.
        query: what a SQL model says; None for a Python model.
        analysis: what proves it.
    """
    split = split_of(model.partition)
    if split is None:
        return None
    partitioned = Partitioned(model, split, inputs)
    if problems := list(_unknown(partitioned)):
        return problems
    needs = partitioned.needs()
    if "same" not in needs.values():
        return [_nothing_to_follow(partitioned)]
    if query is not None and (problems := list(_refused(partitioned, needs, query, analysis))):
        return problems
    return Locality(needs, model.lookback)


def keyed_locality(
    model: Model,
    schema: Schema,
    inputs: Mapping[str, Relation],
    query: Query,
    analysis: Analysis,
) -> tuple[Split, Locality] | None:
    """How a model with a key, and without partitions, can be built in parts of its keys.

    That is where its key is that of an input which changes key by key. Where it cannot be proved,
    the model is built whole; that is no mistake.

    Args:
        model: the model.
        schema: its columns.
        inputs: the relations that it reads, by name.
        query: what it says.
        analysis: what proves it.
    """
    if model.partition is not None or not model.key:
        return None
    split = Split(_spelled(model.key, schema), "bucket")
    same = {
        name: relation
        for name, relation in inputs.items()
        if relation.split is not None and _same_keys(split, schema, relation)
    }
    if not same:
        return None
    tables = {name: relation.schema or () for name, relation in inputs.items()}
    splits = {name: relation.split for name, relation in same.items() if relation.split}
    if not analysis.prove(query, tables, splits, split).is_local:
        return None
    needs: dict[str, Need] = {name: "same" if name in same else "whole" for name in inputs}
    return split, Locality(needs)


def _spelled(names: Sequence[str], schema: Schema) -> tuple[str, ...]:
    known = {column.name.lower(): column.name for column in schema}
    return tuple(known.get(name.lower(), name) for name in names)


def _same_keys(split: Split, schema: Schema, relation: Relation) -> bool:
    """Whether the parts of a table's keys are those of a model's, value for value."""
    other = relation.split
    if other is None or other.by != "bucket":
        return False
    return _types(split, schema) == _types(other, relation.schema or ())


def _types(split: Split, schema: Schema) -> list[str | None]:
    types = {column.name.lower(): column.type for column in schema}
    return [types.get(name.lower()) for name in split.columns]


def _unknown(partitioned: Partitioned) -> Iterator[Problem]:
    """Entries of `inputs` that the model does not read."""
    names = sorted(partitioned.inputs)
    folded = {name.lower() for name in names}
    for each in partitioned.model.inputs:
        if each.table.lower() not in folded:
            found = f"`{partitioned.model.name}` does not read `{each.table}`"
            expected = f"one of {listed(names)}" if names else ""
            yield Problem(each.place, found, expected, near_miss(each.table, names))


def _nothing_to_follow(partitioned: Partitioned) -> Problem:
    model, split = partitioned.model, partitioned.split
    others = [
        f"; `{name}` is, by {relation.split.by}"
        for name, relation in partitioned.inputs.items()
        if relation.split is not None and partitioned.needs()[name] == "whole"
    ]
    fitting = f"by {split.by}" + (" or finer" if split.is_time and split.by != "hour" else "")
    found = f"`{model.name}` is partitioned, and no table whose partitions it follows is, {fitting}"
    fix = "give a source that it reads a `partition:`, or take it out of the model's header"
    return Problem(model.place, found + "".join(others), fix=fix)


def _refused(
    partitioned: Partitioned, needs: Mapping[str, Need], query: Query, analysis: Analysis
) -> Iterator[Problem]:
    """Why a query cannot be built cell by cell, at the clauses that stand against it."""
    tables = {name: relation.schema or () for name, relation in partitioned.inputs.items()}
    splits = {
        name: relation.split
        for name, relation in partitioned.inputs.items()
        if relation.split is not None and needs[name] == "same"
    }
    proof = analysis.prove(query, tables, splits, partitioned.split)
    looks_back = partitioned.model.lookback > 0
    refusals = [each for each in proof.refusals if each.always or not looks_back]
    if not refusals and proof.untraced is not None:
        refusals = [proof.untraced]
    for each in refusals:
        yield _problem(partitioned, splits, each)


def _problem(partitioned: Partitioned, splits: Mapping[str, Split], refusal: Refusal) -> Problem:
    model = partitioned.model
    columns = [f"{name}.{column}" for name in refusal.tables for column in splits[name].columns]
    return Problem(
        place_in(sql_of(model), refusal.line, refusal.column),
        f"`{model.name}` cannot be built partition by partition: {refusal.reason}"
        f" ({listed(columns)})",
        fix=_ways_out(partitioned.split, splits, refusal),
    )


def _ways_out(split: Split, splits: Mapping[str, Split], refusal: Refusal) -> str:
    """What the user may do, beside changing the query."""
    said = []
    if split.is_time and not refusal.always:
        said.append(f"`lookback: 6 {split.by}s`")
    if len(splits) > (len(refusal.tables) if refusal.always else 1):
        said.append(f"`inputs: {{{refusal.tables[-1]}: latest}}`")
    if not said:
        return "change it, or take `partition:` out of the header"
    return f"change it, say {' or '.join(said)} in the header, or take `partition:` out of it"
