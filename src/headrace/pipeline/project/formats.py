"""File formats: takes a source's globs and read options, gives how its files are read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from typing import Literal, TypeAlias, cast

from headrace.base.declarations import FileFormat
from headrace.base.errors import Problem
from headrace.base.names import listed
from headrace.pipeline.project.documents import Node, Scalar
from headrace.pipeline.project.keys import (
    Fields,
    Key,
    Problems,
    any_texts,
    flag,
    one_of,
    report,
    text,
    whole_number,
)

Kind: TypeAlias = Literal["csv", "json", "ndjson", "parquet", "excel"]
Compression: TypeAlias = Literal["none", "gzip", "zstd", "bz2"]

# What the user may write, and what files end in -> (kind, delimiter).
FORMATS: dict[str, tuple[Kind, str]] = {
    "csv": ("csv", ","),
    "tsv": ("csv", "\t"),
    "json": ("json", ","),
    "ndjson": ("ndjson", ","),
    "jsonl": ("ndjson", ","),
    "parquet": ("parquet", ","),
    "xlsx": ("excel", ","),
    "excel": ("excel", ","),
}
COMPRESSIONS: dict[str, Compression] = {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}
_CODEC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


def character(node: Node, problems: Problems) -> str | None:
    """One character that can stand between fields or around them."""
    if isinstance(node, Scalar) and len(node.text) == 1 and node.text not in "\r\n\0":
        return node.text
    report(problems, node, "one character, in quotes", r'a tab is "\t"')
    return None


def encoding(node: Node, problems: Problems) -> str | None:
    """The name of a text encoding that Python knows."""
    if isinstance(node, Scalar) and _CODEC.fullmatch(node.text):
        try:
            "a".encode(node.text)
            return codecs.lookup(node.text).name
        except (LookupError, UnicodeError):
            pass
    report(problems, node, "an encoding such as `utf-8`, `utf-16`, `latin-1` or `windows-1251`")
    return None


FORMAT = Key("format", one_of(*FORMATS))
COMPRESSION = Key("compression", one_of("none", "gzip", "zstd", "bz2"))
ENCODING = Key("encoding", encoding)
DELIMITER = Key("delimiter", character)
QUOTE = Key("quote", character)
HEADER = Key("header", flag)
SKIP = Key("skip", whole_number(0))
NULLS = Key("nulls", any_texts)
SHEET = Key("sheet", text)

FORMAT_KEYS = (
    FORMAT, COMPRESSION, ENCODING, DELIMITER, QUOTE, HEADER, SKIP, NULLS, SHEET,
)  # fmt: skip

# Options that say something about some kinds of files only.
_OPTIONS: tuple[tuple[Key[object], frozenset[Kind]], ...] = (
    (ENCODING, frozenset({"csv", "json", "ndjson"})),
    (DELIMITER, frozenset({"csv"})),
    (QUOTE, frozenset({"csv"})),
    (HEADER, frozenset({"csv", "excel"})),
    (SKIP, frozenset({"csv", "excel"})),
    (NULLS, frozenset({"csv", "excel"})),
    (SHEET, frozenset({"excel"})),
    (COMPRESSION, frozenset({"csv", "json", "ndjson"})),
)


def read_format(
    files: tuple[str, ...], fields: Fields, files_node: Node, problems: Problems
) -> FileFormat:
    """How the files of a source are read: what the user says, else what the files end in."""
    name = fields.get(FORMAT, "") or _format_of(files, files_node, problems)
    kind, delimiter = FORMATS.get(name, ("csv", ","))
    _refuse_options(kind, fields, problems)
    compression = fields.optional(COMPRESSION) or _compression_of(files, kind, files_node, problems)
    made = FileFormat(
        kind=kind,
        encoding=fields.get(ENCODING, "utf-8"),
        delimiter=fields.get(DELIMITER, delimiter),
        quote=fields.get(QUOTE, '"'),
        header=fields.get(HEADER, True),
        skip=fields.get(SKIP, 0),
        nulls=fields.get(NULLS, ()),
        sheet=fields.get(SHEET, ""),
        compression=cast("Compression", compression),
    )
    if kind == "csv" and made.delimiter == made.quote:
        found = f"`delimiter` and `quote` are both {made.quote!r}"
        problems.append(Problem(fields.place, found, "two different characters"))
    return made


def _format_of(files: Iterable[str], node: Node, problems: Problems) -> str:
    endings = {_endings(file)[0] for file in files}
    fix = f"say it: `format:` and one of {listed(FORMATS)}"
    if "" in endings:
        found = "the format cannot be told from the file endings"
        problems.append(Problem(node.place, found, f"files that end in {_known_endings()}", fix))
        return ""
    kinds = {FORMATS[ending] for ending in endings}
    if len(kinds) > 1:
        found = f"the files end in {listed(sorted(endings))}"
        problems.append(Problem(node.place, found, "files of one format", fix))
        return ""
    return min(endings, default="")


def _compression_of(files: Iterable[str], kind: Kind, node: Node, problems: Problems) -> str:
    found = {_endings(file)[1] for file in files}
    if len(found) > 1:
        fix = "make two sources, or say it: `compression:`"
        what = f"the files are compressed by {listed(sorted(found))}"
        problems.append(Problem(node.place, what, "files that are compressed alike", fix))
    compression = min(found, default="none")
    if compression != "none" and kind in {"parquet", "excel"}:
        what = f"files of {kind} are compressed inside, not by {compression}"
        problems.append(Problem(node.place, what, "files as they were written", "decompress them"))
    return compression


def _endings(file: str) -> tuple[str, str]:
    """The format and the compression that a glob's ending tells; "" and "none" if it does not."""
    *_, name = file.rpartition("/")
    parts = name.lower().split(".")[1:]
    compression = COMPRESSIONS.get(parts[-1], "none") if parts else "none"
    if compression != "none":
        parts.pop()
    ending = parts[-1] if parts else ""
    return (ending if ending in _ENDINGS else ""), compression


_ENDINGS = frozenset(FORMATS) - {"excel"}


def _known_endings() -> str:
    return ", ".join(f".{ending}" for ending in FORMATS if ending in _ENDINGS)


def _refuse_options(kind: Kind, fields: Fields, problems: Problems) -> None:
    for key, kinds in _OPTIONS:
        if key in fields and kind not in kinds:
            node = fields.node(key)
            found = f"`{key.name}` says nothing about files of {kind}"
            expected = f"it with {listed(sorted(kinds))} only"
            problems.append(Problem(node.place, found, expected, "leave it out"))
