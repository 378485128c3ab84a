"""stretches.py: a range of partial results is read as the partial results themselves say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from headrace.store.ordered_keys import PartEncoder, after
from headrace.store.rollups import Merger, States
from headrace.store.snapshots import KeyPart, Rollup, RollupField
from headrace.store.stretches import Stretches
from tests.keyed import columns

FIELDS = (
    RollupField("group", 0, "VARCHAR"),
    RollupField("sum", 0, "HUGEINT"),
    RollupField("count", 1, "BIGINT"),
    RollupField("min", 2, "VARCHAR"),
    RollupField("max", 3, "VARCHAR"),
    RollupField("avg", 4, "DOUBLE"),
)
MERGER = Merger.of(
    Rollup((KeyPart("VARCHAR"),), FIELDS, monotone=True),
    columns(a="VARCHAR", b="HUGEINT", c="BIGINT", d="VARCHAR", e="VARCHAR", f="DOUBLE"),
)
SUMS: dict[str, Sequence[int | None]] = {
    "64 bits": (-(2**40), 0, 7, 2**40),
    "with NULL": (None, None, -3, 2**63 - 1, -(2**63)),
    "64 bits, and more in all": (2**63 - 1, 2**62),
    "less than 64 bits in all": (-(2**63), -1),
    "more than 64 bits": (2**63, -(2**63) - 1, 5),
    "more than 64 bits, with NULL": (2**100, None, -(2**64)),
    "all NULL": (None,),
}
RANGED: dict[str, Sequence[Any]] = {
    "UTINYINT": range(256),
    "TINYINT": range(-128, 128),
    "SMALLINT": range(-(2**15), 2**15, 997),
    "INTEGER": [-(2**31), *range(-50, 50), 2**31 - 1],
    "BIGINT": [-(2**63), *range(-50, 50), 2**63 - 1],
    "UBIGINT": [*range(50), 2**63, 2**64 - 1],
    "HUGEINT": [-(2**127), *range(-50, 50), 2**127 - 1],
    "VARCHAR": ["", *map(str, range(40)), "3\0", "é"],
    "DOUBLE": [-1e300, -1.5, 0.0, 0.25, 1e300],
}


def states_of(chance: random.Random, group: str, sums: Sequence[int | None]) -> States:
    text = chance.choice([None, "a", "b"])
    extreme = (None, "null") if text is None else (text.encode(), f'"{text}"')
    count = chance.randint(0, 9)
    return [f'"{group}"', chance.choice(sums), count, *extreme, *extreme, count * 3, count]


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("type_name", RANGED)
def test_a_range_is_merged_as_its_partial_results_are(
    type_name: str, descending: bool, sums: str
) -> None:
    chance = random.Random(f"{type_name} {descending} {sums}")
    encoder = PartEncoder.of(KeyPart(type_name, descending=descending))
    stretches = Stretches(encoder, MERGER)
    every = sorted(encoder.encode_raw(raw) for raw in RANGED[type_name])
    held = sorted(chance.sample(every, min(30, len(every) - 1)))
    parts: dict[bytes, list[tuple[bytes, States]]] = {}
    for ranged in held:
        for group in chance.sample(["x", "y"], chance.randint(1, 2)):
            states = states_of(chance, group, SUMS[sums])
            parts.setdefault(group.encode(), []).append((ranged, states))
    data = stretches.pack(parts)
    bounds = [b"\x01", b"\x02", *every, *map(after, every)]
    for _ in range(60):
        low, high = chance.choice([None, *bounds]), chance.choice([None, *bounds])
        expected = {
            group: MERGER.row(found)
            for group, own in parts.items()
            if (
                found := [
                    states
                    for ranged, states in own
                    if (low is None or ranged >= low) and (high is None or ranged < high)
                ]
            )
        }
        places = [None if bound is None else stretches.place(bound) for bound in (low, high)]
        merged = stretches.merged(data, *places)
        rows = {group: MERGER.finished(states) for group, states in merged}
        assert rows == expected


def test_whole_numbers_are_kept_as_running_totals() -> None:
    encoder = PartEncoder.of(KeyPart("DATE"))
    parts = {b"": [(encoder.encode_raw(day), [day * 1000]) for day in range(19_000, 19_031)]}
    assert len(Stretches(encoder, MERGER).pack(parts)) == 31 * 4 + 32 * 8 + 10
