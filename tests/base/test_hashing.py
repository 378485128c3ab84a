"""Equal content has one address; different content never shares one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.hashing import Part, address, hash_bytes, hash_file

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())  # lone surrogates included: file names may hold them
)
parts: st.SearchStrategy[Part] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def told_apart(part: Part) -> object:
    """A part as something that equals another only when both are the same to a reader.

    Python itself says True == 1 == 1.0.
    """
    if isinstance(part, Mapping):
        return "mapping", frozenset((key, told_apart(value)) for key, value in part.items())
    if isinstance(part, Sequence) and not isinstance(part, str):
        return "list", tuple(told_apart(each) for each in part)
    return type(part).__name__, repr(part)


def in_other_order(part: Part) -> Part:
    if isinstance(part, Mapping):
        return {key: in_other_order(part[key]) for key in reversed(list(part))}
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [in_other_order(each) for each in part]
    return part


@given(parts, parts)
def test_different_parts_have_different_addresses(left: Part, right: Part) -> None:
    same = told_apart(left) == told_apart(right)
    assert (address("part", left) == address("part", right)) == same


@given(st.lists(parts, max_size=3), st.lists(parts, max_size=3))
def test_where_one_part_ends_and_the_next_begins_counts(
    left: list[Part], right: list[Part]
) -> None:
    same = told_apart(left) == told_apart(right)
    assert (address("part", *left) == address("part", *right)) == same


@given(parts)
def test_the_order_of_a_mapping_does_not_count(part: Part) -> None:
    assert address("part", part) == address("part", in_other_order(part))


@given(st.lists(parts, max_size=3))
def test_the_kind_keeps_equal_parts_apart(several: list[Part]) -> None:
    assert address("cell", *several) != address("version", *several)
    assert address("cell", *several) != address("cell", "cell", *several)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", 1),
        (1, True),
        (0, False),
        (1, 1.0),
        (0.0, -0.0),
        (None, "null"),
        (None, ""),
        ([], {}),
        ([], [[]]),
        (["a", "b"], ["a,b"]),
        (["a", ["b"]], [["a"], "b"]),
        ({"a": {"b": 1}}, {"a": 1, "b": 1}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ("é", "e\u0301"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_parts_that_are_easily_confused_have_different_addresses(left: Part, right: Part) -> None:
    assert address("part", left) != address("part", right)


def test_any_sequence_and_any_mapping_may_be_a_part() -> None:
    assert address("part", MappingProxyType({"a": (1, 2)})) == address("part", {"a": [1, 2]})
    assert address("part", range(3)) == address("part", [0, 1, 2])


@pytest.mark.parametrize(("part", "kind"), [({1}, "set"), (Path("a"), "PosixPath")])
def test_what_has_no_order_or_no_fixed_text_cannot_be_a_part(part: Part, kind: str) -> None:
    with pytest.raises(TypeError, match=f"^{kind} cannot be part of an address$"):
        address("part", part)


def test_addresses_stay_what_they_are_from_release_to_release() -> None:
    """A change here orphans every cell in every store."""
    expected = hashlib.sha256('["cell",{"a":[1,null],"é":true}]'.encode()).hexdigest()
    assert address("cell", {"é": True, "a": (1, None)}) == expected


def test_addresses_do_not_depend_on_the_hash_seed() -> None:
    code = "from headrace.base.hashing import address; print(address('x', {'b': 1, 'a': [2]}))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {address("x", {"a": [2], "b": 1})}


@given(st.binary(max_size=200))
def test_bytes_hash_as_sha256sum_does(data: bytes) -> None:
    assert hash_bytes(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_hashes_as_its_bytes_do_whatever_its_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "raw.bin"
    path.write_bytes(b"\x00\xff" * (size // 2) + b"a" * (size % 2))
    assert hash_file(path) == hash_bytes(path.read_bytes())


def test_an_address_is_not_the_hash_of_text_that_looks_like_it() -> None:
    text = json.dumps(["a", "b"], separators=(",", ":"))
    assert address("a", "b") == hash_bytes(text.encode())
    assert address(text) != hash_bytes(text.encode())
