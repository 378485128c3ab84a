"""Guesses how a raw file must be read: takes its first bytes, gives encoding, delimiter, header."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.sources.delimited import Record, Tokenizer

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 200
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,:/-]*")


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, and how a reader comes by them."""

    names: tuple[str, ...]
    header: bool
    skip: int = 0


def sniff_encoding(data: bytes) -> str:
    """The encoding of a file's bytes: all of them, for a letter may come late."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    runs = len(re.findall(rb"[\xc0-\xff]{2,}", data))
    single = len(re.findall(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])", data))
    # Latin letters with accents stand between plain ones; Cyrillic words have no plain letters.
    return "windows-1251" if runs > single else "latin-1"


def sniff_delimiter(text: str) -> str:
    """The delimiter that splits the rows of a text most evenly; a comma if none splits any."""
    return max(DELIMITERS, key=lambda delimiter: _evenness(text, delimiter))


def _evenness(text: str, delimiter: str) -> tuple[float, int]:
    """The share of rows that have the most frequent number of fields, and that number."""
    counts = Counter(len(record.fields) for record in sample_records(text, delimiter))
    if not counts:
        return 0.0, 0
    fields, rows = max(counts.items(), key=lambda item: (item[1], item[0]))
    return (rows / counts.total(), fields) if fields > 1 else (0.0, 1)


def sample_records(text: str, delimiter: str) -> list[Record]:
    """The first records of a text, without the last: it may be cut off."""
    lines = io.StringIO(text, newline="")
    records = []
    for record in Tokenizer(delimiter, '"', "").records(lines):
        records.append(record)
        if len(records) > _SAMPLE_ROWS:
            break
    return records[:-1] if len(records) > 2 else records


def sniff_header(first: Sequence[str | None]) -> Header:
    """Whether a first row holds names, and which names the columns get.

    A row of which a field is a number has no names. Names that are empty or occur twice cannot
    be matched: that row is skipped, and the columns go by order.
    """
    texts = [field or "" for field in first]
    if any(_NUMBER.fullmatch(text) for text in texts):
        return Header(tuple(f"column_{index}" for index in range(1, len(texts) + 1)), header=False)
    folded = [text.lower() for text in texts]
    if all(text.strip() for text in texts) and len(set(folded)) == len(folded):
        return Header(tuple(texts), header=True)
    return Header(_distinct(texts), header=False, skip=1)


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for index, text in enumerate(texts, 1):
        name = text.strip() or f"column_{index}"
        taken = {each.lower() for each in names}
        names.append(name if name.lower() not in taken else f"{name}_{index}")
    return tuple(names)
