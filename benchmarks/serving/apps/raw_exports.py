"""DuckDB alone: for each line `FORMAT ROWS PIPE` on stdin, writes an export into the pipe.

Its arguments are a SELECT over `orders`, and the files of that table; one thread, as a query that
is served has.
"""

from __future__ import annotations

import sys

import duckdb
import pyarrow.ipc

# As much as a row group has: smaller ones take longer.
_BATCH_ROWS = 122_880
_COPIED = {"ndjson": "json", "csv": "csv", "parquet": "parquet"}


def _write(connection: duckdb.DuckDBPyConnection, sql: str, form: str, pipe: str) -> None:
    if form in _COPIED:
        connection.execute(f"COPY ({sql}) TO '{pipe}' (FORMAT {_COPIED[form]})")
        return
    reader = connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
    with open(pipe, "wb") as sink, pyarrow.ipc.new_stream(sink, reader.schema) as writer:  # noqa: PTH123
        for batch in reader:
            writer.write_batch(batch)


def _main(sql: str, files: list[str]) -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"CREATE VIEW orders AS FROM read_parquet({files!r})")
    for line in sys.stdin:
        form, rows, pipe = line.split()
        _write(connection, f"{sql} LIMIT {rows}", form, pipe)
        print("done", flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
