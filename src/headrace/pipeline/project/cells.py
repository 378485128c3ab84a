"""What a cell needs: takes `lookback:` and `inputs:` of a model's header, gives both, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from headrace.base.declarations import InputNeed, Partition
from headrace.base.errors import Problem
from headrace.base.partitions import TIME_GRAINS
from headrace.pipeline.project.documents import Entries, Node, Scalar
from headrace.pipeline.project.keys import Fields, Key, Problems, one_of, report, unique_entries

_LOOKBACK = re.compile(r"([1-9][0-9]{0,3})(?:\s+(hour|day|month|year)s?)?")
_NEED = one_of("whole", "latest")


@dataclass(frozen=True, slots=True)
class Lookback:
    """`lookback:` as it is written: a number, and "hour", "day", "month", "year" or ""."""

    count: int
    unit: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What a header says of the cells of a partitioned model."""

    lookback: int = 0
    inputs: tuple[InputNeed, ...] = ()


def lookback(node: Node, problems: Problems) -> Lookback | None:
    """`6 days`, or just `6`: from 1 to 9,999 partitions."""
    match = _LOOKBACK.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
    if match is None:
        report(problems, node, "a number of partitions, such as `6 days`")
        return None
    return Lookback(int(match[1]), match[2] or "")


def input_needs(node: Node, problems: Problems) -> tuple[InputNeed, ...] | None:
    """`{customers: latest}`; whether the tables are there, only the compiler can say."""
    if not isinstance(node, Entries):
        report(problems, node, "a mapping such as `{customers: latest}`")
        return None
    found: list[InputNeed] = []
    for key, value in unique_entries(node, problems):
        need = _NEED(value, problems)
        if need is not None:
            found.append(InputNeed(key.text, cast("Literal['whole', 'latest']", need), key.place))
    return tuple(found)


def read_needs(
    fields: Fields,
    keys: tuple[Key[Partition], Key[Lookback], Key[tuple[InputNeed, ...]]],
    problems: Problems,
) -> Needs:
    """`lookback` and `inputs` of a header, held against its `partition`.

    Args:
        keys: those of `partition`, `lookback` and `inputs`.
    """
    partition, back, inputs = keys
    if partition not in fields:
        for key in (back, inputs):
            if key in fields:
                found = f"`{key.name}` is given without `partition`"
                fix = "it says what a cell of a partitioned table needs: leave it out"
                problems.append(Problem(fields.place_of(key), found, "both", fix))
        return Needs()
    split = fields.optional(partition)
    given = fields.optional(back)
    if split is not None and given is not None:
        _require_unit(fields.node(back), given, split, problems)
    return Needs(given.count if given else 0, fields.get(inputs, ()))


def _require_unit(node: Node, given: Lookback, split: Partition, problems: Problems) -> None:
    if split.by not in TIME_GRAINS:
        fix = "only hours, days, months and years have others before them: leave it out"
        found = "`lookback` is given, and the table is partitioned by value"
        problems.append(Problem(node.place, found, "a partition of time", fix))
    elif given.unit and given.unit != split.by:
        expected = f"a number of {split.by}s, because the table is partitioned by {split.by}"
        report(problems, node, expected)
