"""What is worth rewriting is known from the snapshots alone, and settled files are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from headrace.base.partitions import Split
from headrace.base.tables import Cell, Column, DataFile, Version
from headrace.pipeline.plan.compaction import Limits, compaction_of, live_rows

LIMITS = Limits(small_files=3, superseded_bytes=10, file_bytes=1000, file_rows=100)


def version(*files: tuple[int, int, int], column: str = "day", prefix: str = "") -> Version:
    """A table of files, each given as (bytes, rows, rows of its one cell)."""
    kept = tuple(
        DataFile(f"orders/{i}.parquet", rows, size, "") for i, (size, rows, _) in enumerate(files)
    )
    cells = tuple(
        Cell(f"{prefix}{i}", "", file.path, 0, own, own, "", f"{i:03}")
        for i, (file, (_, _, own)) in enumerate(zip(kept, files, strict=True))
    )
    schema = (Column(column, "VARCHAR"),)
    return Version("orders", "model", "r", schema, cells, kept, Split(("day",), "value"))


def rewritten(table: Version, *others: Version, limits: Limits = LIMITS) -> list[str]:
    """The files that are to be rewritten, by their number."""
    found = compaction_of(table, live_rows([table, *others]), limits)
    return [file.path[7:-8] for file in found.files] if found else []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param([(10, 1, 1)] * 3, [], id="as many small files as there may be"),
        pytest.param([(10, 1, 1)] * 4, ["0", "1", "2", "3"], id="one more"),
        pytest.param([(500, 1, 1)] * 9, [], id="files that are half full by bytes"),
        pytest.param([(10, 50, 50)] * 9, [], id="files that are half full by rows"),
        pytest.param([(990, 1, 1), *[(10, 1, 1)] * 4], ["1", "2", "3", "4"], id="a full one stays"),
        pytest.param([(900, 9, 4), (10, 1, 1)], ["0", "1"], id="half superseded"),
        pytest.param([(900, 10, 5)], [], id="just half in use"),
        pytest.param([(18, 9, 4)], [], id="superseded, but not worth a snapshot"),
        pytest.param([(900, 9, 4), (499, 9, 9), (499, 9, 9)], [], id="more is kept than is gained"),
        pytest.param([], [], id="no file"),
    ],
)
def test_what_is_rewritten(files: Sequence[tuple[int, int, int]], expected: list[str]) -> None:
    assert rewritten(version(*files)) == expected


def test_what_another_environment_shows_is_not_superseded() -> None:
    files = [(900, 10, 4)]
    assert rewritten(version(*files)) == ["0"]
    assert rewritten(version(*files), version(*files)) == ["0"]  # these are the same rows
    assert rewritten(version(*files), version(*files, prefix="other-")) == []


def test_superseded_bytes_are_told() -> None:
    table = version((900, 9, 3))
    found = compaction_of(table, live_rows([table]), LIMITS)
    assert found is not None
    assert (found.size_bytes, found.superseded_bytes) == (900, 600)


def test_cells_are_packed_in_their_order_until_a_file_is_full() -> None:
    table = version(*[(400, 10, 10)] * 5)
    found = compaction_of(table, {}, LIMITS)
    assert found is not None
    assert [[cell.address for cell in group] for group in found.groups] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]


def test_a_cell_larger_than_a_file_gets_one_to_itself() -> None:
    table = version((10, 1, 1), (5000, 100, 40), (10, 1, 1))
    found = compaction_of(table, live_rows([table]), LIMITS)
    assert found is not None
    assert [[cell.address for cell in group] for group in found.groups] == [["0"], ["1"], ["2"]]


def test_a_large_table_gets_larger_files_so_that_there_are_not_too_many() -> None:
    """25 full ones, and so at most 50 that are half full; then it is settled."""
    table = version(*[(500, 10, 10)] * 200)
    found = compaction_of(table, {}, LIMITS)
    assert found is not None
    assert len(found.groups) == 25
    assert compaction_of(version(*[(4000, 80, 80)] * 25), {}, LIMITS) is None


def test_a_table_with_a_column_that_would_tell_cells_apart_is_left_alone() -> None:
    assert rewritten(version(*[(10, 1, 1)] * 9, column="__CELL")) == []
