"""What can be read in an answer, whatever its format: takes an answer, gives its text."""

from __future__ import annotations

import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from tests.acceptance.asgi import Answered


def seen_in(answer: Answered) -> str:
    """Everything that whoever gets the answer can read in its body."""
    kind = answer.header("content-type").partition(";")[0]
    if answer.status != 200 or not answer.body:
        return answer.body.decode("latin-1")
    if kind.endswith("arrow.stream"):
        return str(pa.ipc.open_stream(answer.body).read_all().to_pydict())
    if kind.endswith("parquet"):
        return str(pq.read_table(io.BytesIO(answer.body)).to_pydict())
    if kind.endswith("spreadsheetml.sheet"):
        with zipfile.ZipFile(io.BytesIO(answer.body)) as book:
            return "".join(book.read(each).decode() for each in book.namelist())
    return answer.body.decode("latin-1")
