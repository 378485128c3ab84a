"""SQL files: takes a file's text, gives its header's fields and its one statement."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from headrace.base.errors import Place, Problem
from headrace.base.names import listed, near_miss
from headrace.pipeline.project.documents import Entries, Misread, parse_yaml
from headrace.pipeline.project.keys import Fields, Key, Problems, read_fields


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A header's fields, the SQL below it, and the line of the file on which that SQL starts.

    Columns of `text` are columns of the file: what stands before it on its first line is blank.
    """

    fields: Fields
    text: str
    line: int


_BLANK = re.compile(r"(?:\s+|--[^\n]*)*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# What cannot be cut at a `;`: comments, texts, quoted names and dollar-quoted texts.
_PIECE = re.compile(
    r"--[^\n]*|(?<![A-Za-z0-9_])[eE]'(?:[^'\\]|\\.|'')*'|'[^']*(?:''[^']*)*'|\"[^\"]*(?:\"\"[^\"]*)*\""
    r"|(?<![A-Za-z0-9_$])\$((?:[A-Za-z_][A-Za-z0-9_]*)?)\$.*?\$\1\$"
    r"|/\*|;",
    re.DOTALL,
)


def read_sql(text: str, file: str, keys: Iterable[Key[object]], problems: Problems) -> SqlFile:
    """Split a SQL file, read its header by the table of known keys, and check its statement.

    The header is the block comment before the SQL, if it holds a YAML mapping. Line comments may
    stand before it.
    """
    known = tuple(keys)
    start = _end_of_blank(text)
    end = start
    fields = Fields(Place(file, 1, 1), {}, {})
    if text.startswith("/*", start):
        end = _end_of_comment(text, start)
        if end < 0:
            problems.append(_unterminated(text, start, file))
            return SqlFile(fields, "", 1)
        fields = _read_header(text, start, end, file, known, problems) or fields
    return _statement(text, end, fields, file, problems)


def _end_of_blank(text: str, start: int = 0) -> int:
    match = _BLANK.match(text, start)
    return match.end() if match else start


def _end_of_comment(text: str, start: int) -> int:
    """The position after a block comment, which may hold others, as DuckDB reads it; or -1."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return -1


def _unterminated(text: str, start: int, file: str) -> Problem:
    found = "the comment that starts here has no end"
    return Problem(_place(text, start, file), found, "`*/` after the header")


def _place(text: str, position: int, file: str) -> Place:
    line_start = text.rfind("\n", 0, position) + 1
    return Place(file, text.count("\n", 0, position) + 1, position - line_start + 1)


def _read_header(
    text: str, start: int, end: int, file: str, keys: tuple[Key[object], ...], problems: Problems
) -> Fields | None:
    """The fields of a header; None when the comment is an ordinary one."""
    place = _place(text, start, file)
    # Blanks in place of the comment's start keep the columns right.
    yaml_text = " " * (place.column + 1) + text[start + 2 : end - 2]
    try:
        node = parse_yaml(yaml_text, file, place.line)
    except Misread as exc:
        if _looks_like_header(yaml_text, keys):
            problems.append(exc.problem)
        return None
    if not isinstance(node, Entries):
        return None
    if _is_prose(node, keys):
        problems.append(_prose(node, keys))
        return None
    return read_fields(node, keys, place, problems)


def _is_prose(node: Entries, keys: tuple[Key[object], ...]) -> bool:
    """Whether no key is known, nor near to one: "Copyright: somebody"."""
    names = [key.name for key in keys]
    keys_meant = [key for key, _ in node.entries if key.text in names or near_miss(key.text, names)]
    return bool(node.entries) and not keys_meant


def _prose(node: Entries, keys: tuple[Key[object], ...]) -> Problem:
    first = node.entries[0][0].text if node.entries else "{}"
    found = f"this comment is read as a header, and `{first}` is not a key here"
    fix = "write a comment that is no header with `--`"
    return Problem(node.place, found, f"one of {listed(key.name for key in keys)}", fix)


def _looks_like_header(text: str, keys: tuple[Key[object], ...]) -> bool:
    names = "|".join(key.name for key in keys)
    return re.search(rf"^\s*(?:{names})\s*:", text, re.MULTILINE) is not None


def _statement(text: str, start: int, fields: Fields, file: str, problems: Problems) -> SqlFile:
    first = start + len(text[start:]) - len(text[start:].lstrip())
    place = _place(text, first, file)
    end = _end_of_statement(text, first)
    if _is_blank(text, first, end):
        problems.append(Problem(Place(file, place.line), "this file holds no SQL", "one SELECT"))
    elif not _is_blank(text.replace(";", " "), end, len(text)):
        found = "a second statement starts after this `;`"
        problems.append(Problem(_place(text, end, file), found, "one SELECT a file"))
    return SqlFile(fields, " " * (place.column - 1) + text[first:end].rstrip(), place.line)


def _end_of_statement(text: str, start: int) -> int:
    """Where the first `;` outside comments, texts and names stands, or the end."""
    while match := _PIECE.search(text, start):
        if match[0] == ";":
            return match.start()
        start = match.end()
        if match[0] == "/*":
            start = _end_of_comment(text, match.start())
            if start < 0:
                break
    return len(text)


def _is_blank(text: str, start: int, end: int) -> bool:
    """Whether there is nothing but space and comments."""
    while start < end:
        start = _end_of_blank(text, start)
        if not text.startswith("/*", start):
            break
        start = _end_of_comment(text, start)
        if start < 0:
            return False
    return start >= end
