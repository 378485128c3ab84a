"""Promises of reading: what fits is loaded, what does not is set aside, and nothing is lost."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.base.errors import SourceError
from headrace.base.tables import RawFile
from headrace.engines.duckdb import DuckDBEngine
from headrace.sources.csv_files import inspect_csv, read_exactly
from headrace.sources.reading import read_files
from tests.sources.reading_files import contract, load, source

AB = (contract("a", "int"), contract("b"))


def test_rows_that_fit_are_loaded_and_the_others_set_aside_with_line_raw_text_and_reason(
    tmp_path: Path,
) -> None:
    orders = source(
        contract("id", "int", not_null=True),
        contract("amount", "decimal(12,2)", min=0, max=100),
        contract("status", accepted=("new", "paid")),
        contract("email", pattern="[^@]+@[^@]+"),
    )
    text = (
        "id,amount,status,email\n"
        "1,9.50,new,a@b\n"
        "x,9.50,new,a@b\n"
        ",9.50,new,a@b\n"
        '2,"-1",lost,a\n'
        "3,100.01,,\n"
        "4,1.239,new,a@b\n"
        "5,1\n"
        "6,1,new,a@b,more\n"
        "7,,,\n"
    )
    loaded = load(tmp_path, orders, {"o.csv": text})
    assert [row[0] for row in loaded.rows] == [1, 7]
    assert loaded.quarantine[0] == (
        "o.csv", 3, "x,9.50,new,a@b", "id", "id: 'x' is not an INTEGER",
    )  # fmt: skip
    assert loaded.reasons[1:] == [
        (4, "id", "id: it is empty, and must not be"),
        (
            5,
            "amount",
            (
                "amount: '-1' is less than 0; status: 'lost' is none of the accepted values:"
                " new, paid; email: 'a' does not match [^@]+@[^@]+"
            ),
        ),
        (6, "amount", "amount: '100.01' is more than 100"),
        (7, "amount", "amount: '1.239' is not a DECIMAL(12,2)"),
        (8, None, "2 fields, expected 4"),
        (9, None, "5 fields, expected 4"),
    ]
    [outcome] = loaded.outcomes
    assert (outcome.rows_in, outcome.rows, outcome.quarantined) == (9, 2, 7)


def test_each_file_carries_its_own_part_and_its_own_counts(tmp_path: Path) -> None:
    files = {"1.csv": "a,b\n1,x\n2,y\n", "2.csv": "b,a\nz,3\nz,no\n", "3.csv": "a,b\n"}
    loaded = load(tmp_path, source(*AB), files)
    assert loaded.rows == [(1, "x"), (2, "y"), (3, "z")]
    counts = [(o.file.path, o.part, o.rows_in, o.rows, o.quarantined) for o in loaded.outcomes]
    assert counts == [("1.csv", 0, 2, 2, 0), ("2.csv", 1, 2, 1, 1), ("3.csv", 2, 0, 0, 0)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv.gz", gzip.compress(b"a,b\n1,x\n2,y", mtime=0)),
        ("a.csv.bz2", bz2.compress(b"a,b\n1,x\n2,y")),
        ("a.csv.zst", zstandard.compress(b"a,b\n1,x\n") + zstandard.compress(b"2,y")),
    ],
)
def test_compressed_files_load_and_torn_ones_are_refused(
    tmp_path: Path, name: str, data: bytes
) -> None:
    kind = {"gz": "gzip", "bz2": "bz2", "zst": "zstd"}[name.rpartition(".")[2]]
    compressed = source(*AB, files="a.*", compression=kind)
    assert load(tmp_path, compressed, {name: data}).rows == [(1, "x"), (2, "y")]
    with pytest.raises(SourceError, match=r"it cannot be decompressed \(.*\); expected a complete"):
        load(tmp_path, compressed, {name: data[:-3]})


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("latin-1", "latin-1"),
        ("windows-1251", "windows-1251"),
    ],
)
def test_every_encoding_gives_the_same_cells(tmp_path: Path, encoding: str, written: str) -> None:
    text = "Москва" if encoding == "windows-1251" else "Málaga"
    declared = source(*AB, encoding=encoding)
    loaded = load(tmp_path, declared, {"a.csv": f"a,b\n1,{text}\n".encode(written)})
    assert loaded.rows == [(1, text)]


def test_a_utf_16_file_may_start_with_its_mark_although_the_byte_order_is_declared(
    tmp_path: Path,
) -> None:
    data = "\ufeffa,b\n1,é\n".encode("utf-16-le")
    assert load(tmp_path, source(*AB, encoding="utf-16-le"), {"a.csv": data}).rows == [(1, "é")]


def test_a_line_that_is_not_utf_8_is_set_aside_alone(tmp_path: Path) -> None:
    loaded = load(tmp_path, source(*AB), {"a.csv": b"a,b\n1,caf\xe9\n2,x\n"})
    assert loaded.rows == [(2, "x")]
    assert loaded.quarantine == [
        (
            "a.csv", 2, "1,caf\\xe9", None,
            "byte 6 of the row, 0xE9, is not text in its encoding",
        )
    ]  # fmt: skip


def test_a_nul_byte_is_set_aside(tmp_path: Path) -> None:
    loaded = load(tmp_path, source(*AB), {"a.csv": b"a,b\n1,x\0y\n2,x\n"})
    assert loaded.rows == [(2, "x")]
    assert loaded.reasons == [(2, None, "character 4 of the row is NUL")]


HEADERS = [
    (
        "a;b\n1;x\n",
        (
            "a.csv:1: the header lacks `a`, `b` and the header has `a;b`, which the contract does"
            " not know; expected the columns `a`, `b`; the line has 1 `;`: set `delimiter: ';'`"
        ),
    ),
    (
        "a\tb\n",
        (
            "a.csv:1: the header lacks `a`, `b` and the header has `a\tb`, which the contract does"
            ' not know; expected the columns `a`, `b`; the line has 1 tabs: set `delimiter: "\\t"`'
        ),
    ),
    (
        "A,b\n",
        (
            "a.csv:1: the header lacks `a` and the header has `A`, which the contract does not"
            " know; expected the columns `a`, `b`; 'A': did you mean `a`? Names must be spelt"
            " alike, spaces and letter case too"
        ),
    ),
    (
        "a,b,c\n",
        (
            "a.csv:1: the header has `c`, which the contract does not know; expected the columns"
            " `a`, `b`; correct the file, or `columns:` of the source"
        ),
    ),
    (
        "a,b,a\n",
        (
            "a.csv:1: the header has `a` more than once; expected the columns `a`, `b`;"
            " correct the file, or `columns:` of the source"
        ),
    ),
    (
        ",a,b\n",
        (
            "a.csv:1: the header has ``, which the contract does not know; expected the columns"
            " `a`, `b`; to read columns without a name, say `header: false` and `skip: 1`"
        ),
    ),
    (
        "",
        (
            "a.csv: the file is empty; expected a header with the columns `a`, `b`;"
            " write the header even if there are no rows, or remove the file"
        ),
    ),
    (
        '"a,b\n1,2\n',
        (
            "a.csv:1: the quote that opens on line 1 is never closed; expected a header with the"
            " names of the columns; correct the file"
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), HEADERS)
def test_a_header_that_is_not_the_contracts_refuses_the_file(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SourceError) as caught:
        load(tmp_path, source(*AB), {"a.csv": text})
    assert str(caught.value) == message


def test_every_file_that_is_refused_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load(tmp_path, source(*AB), {"1.csv": "a\n", "2.csv": "a,b\n", "3.csv": "b\n"})
    assert [line[:6] for line in str(caught.value).splitlines()] == ["1.csv:", "3.csv:"]


@pytest.mark.parametrize(
    ("start", "hint"),
    [
        (
            gzip.compress(b"a,b\n", mtime=0),
            "the file is compressed by gzip: say `compression: gzip`",
        ),
        ("a,b\n".encode("utf-16"), "the file is UTF-16 text: say `encoding: utf-16`"),
        (b"PAR1....", "the file is a Parquet file: say `format: parquet`"),
    ],
)
def test_a_file_that_is_something_else_is_recognised(
    tmp_path: Path, start: bytes, hint: str
) -> None:
    with pytest.raises(SourceError) as caught:
        load(tmp_path, source(*AB), {"a.csv": start})
    assert str(caught.value).endswith(f"; {hint}")


def test_without_a_header_another_delimiter_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load(tmp_path, source(*AB, header=False), {"a.csv": "1;x\n2;y\n"})
    assert str(caught.value) == (
        "a.csv:1: the first row has 1 field; expected 2; the line has 1 `;`: set `delimiter: ';'`"
    )


def test_skip_and_header_false_read_columns_by_order(tmp_path: Path) -> None:
    declared = source(*AB, header=False, skip=2)
    loaded = load(tmp_path, declared, {"a.csv": "export\n\n1,x\nno,y\n"})
    assert loaded.rows == [(1, "x")]
    assert loaded.reasons == [(4, "a", "a: 'no' is not an INTEGER")]


def test_an_unquoted_empty_field_is_null_and_a_quoted_one_is_so_only_where_it_is_not_text(
    tmp_path: Path,
) -> None:
    assert load(tmp_path, source(*AB), {"a.csv": 'a,b\n,\n"",""\n'}).rows == [
        (None, None),
        (None, ""),
    ]


def test_nulls_are_texts_that_mean_null_in_every_column_quoted_or_not(tmp_path: Path) -> None:
    declared = source(*AB, nulls=("NA", ""))
    assert load(tmp_path, declared, {"a.csv": 'a,b\nNA,"NA"\n1,""\n'}).rows == [
        (None, None),
        (1, None),
    ]


def test_a_bad_record_over_several_lines_sets_each_of_them_aside(tmp_path: Path) -> None:
    text = 'a,b\n1,"x\ny"z\n2,y\n3,"open\n4,y\n'
    loaded = load(tmp_path, source(*AB), {"a.csv": text})
    assert loaded.rows == [(2, "y")]
    assert loaded.reasons == [
        (2, None, "'z' follows the closing quote of a field"),
        (3, None, "'z' follows the closing quote of a field"),
        (5, None, "the quote that opens on line 5 is never closed"),
        (6, None, "the quote that opens on line 5 is never closed"),
    ]
    assert loaded.outcomes[0].rows_in == 5


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    text = 'a,b\r\n1,"x\r\ny"\r\n\r\nno,y\r\n'
    loaded = load(tmp_path, source(*AB), {"a.csv": text})
    assert loaded.rows == [(1, "x\r\ny")]
    assert loaded.reasons == [(5, "a", "a: 'no' is not an INTEGER")]


def test_line_ends_of_old_macs_are_read(tmp_path: Path) -> None:
    assert load(tmp_path, source(*AB), {"a.csv": "a,b\r1,x\r2,y"}).rows == [(1, "x"), (2, "y")]


def test_an_empty_line_is_a_row_only_where_there_is_one_column(tmp_path: Path) -> None:
    one = source(contract("a", "int"))
    assert load(tmp_path, one, {"a.csv": "a\n1\n\n2\n"}).rows == [(1,), (None,), (2,)]
    assert load(tmp_path, source(*AB), {"a.csv": "a,b\n\n1,x\n\n"}).rows == [(1, "x")]


def test_names_of_files_are_taken_literally(tmp_path: Path) -> None:
    declared = source(*AB, files="[[]*.csv")
    assert load(tmp_path, declared, {"[1]*?'.csv": "a,b\n1,x\n"}).rows == [(1, "x")]


def test_a_file_that_changed_since_it_was_found_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    with pytest.raises(SourceError) as caught:
        read_files(DuckDBEngine(), tmp_path, source(*AB), [RawFile("a.csv", 8, "0" * 64)], "r", "q")
    assert str(caught.value) == (
        "a.csv: the file changed while it was read; expected a file that is complete;"
        " write it under another name, rename it when it is complete, and run again"
    )


def test_nothing_but_the_two_tables_is_left_in_the_engine(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\nno,y\n")
    engine = DuckDBEngine()
    from_disk = load(tmp_path, source(*AB)).outcomes[0].file
    read_files(engine, tmp_path, source(*AB), [from_disk], "rows", "aside")
    tables = engine.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
    views = engine.cursor().execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    assert sorted(tables) == [("aside",), ("rows",)]
    assert views.fetchall() == []


FIELD = st.text(alphabet='ab",\n\r \t;é\u2028\x1a\\', max_size=6)
TABLE = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=8)
)


@settings(max_examples=150, deadline=None)
@given(rows=TABLE, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_what_a_writer_quotes_right_comes_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], end: str, last: bool
) -> None:
    """Whichever way a file takes: quoted fields come back exactly."""
    root = tmp_path_factory.mktemp("quoted")
    width = len(rows[0]) if rows else 1
    declared = source(*(contract(f"c{index}") for index in range(width)))
    lines = [",".join(f"c{index}" for index in range(width))]
    lines += [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    text = end.join(lines) + (end if last else "")
    assert load(root, declared, {"a.csv": text}).rows == [tuple(row) for row in rows]


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='ab",\n\r é\x1a\\', max_size=40), width=st.integers(1, 3))
def test_the_fast_way_gives_what_the_exact_way_gives_or_is_not_taken(
    tmp_path_factory: pytest.TempPathFactory, text: str, width: int
) -> None:
    """For any text at all, well-formed or not."""
    root = tmp_path_factory.mktemp("any")
    declared = source(*(contract(f"c{index}") for index in range(width)), header=False)
    loaded = load(root, declared, {"a.csv": text})
    file = loaded.outcomes[0].file
    exact = list(read_exactly(declared, inspect_csv(root, declared, file, 0)))
    assert loaded.rows == [tuple(row.fields) for row in exact if not row.problem]
    assert [line for _, line, *_ in loaded.quarantine] == [row.line for row in exact if row.problem]


def test_a_folder_named_like_a_partition_changes_no_row(tmp_path: Path) -> None:
    declaration = source(contract("store", "bigint"), files="*/*.csv")
    loaded = load(tmp_path, declaration, {"store=7/a.csv": "store\n3\n"})
    assert (loaded.rows, loaded.quarantine) == ([(3,)], [])
