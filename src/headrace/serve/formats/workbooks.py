"""Excel workbooks: takes a SELECT, gives the pieces of an .xlsx file while the query runs.

DuckDB writes the cells of each row as XML; here, they are put into sheets, and the sheets into the
file. Text is text in a cell: no spreadsheet takes it for a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from headrace.base.types import INTEGER_TYPES
from headrace.engines.json_values import text_sql
from headrace.engines.sql_types import SqlType, sql_type
from headrace.engines.text_rows import Field
from headrace.engines.text_values import decimal_digits
from headrace.serve.formats.selection import Selection
from headrace.serve.formats.sinks import Sink
from headrace.serve.formats.text_pieces import sized

# What a sheet holds at most, in Excel's words; what is more goes to another sheet.
_SHEET_ROWS = 1_048_576
# And what a file without ZIP64 does, which Excel does not read from a stream.
_SHEET_BYTES = 1_500_000_000
_CELL_CHARACTERS = 32_767
# More digits than these are cut by a spreadsheet: such numbers are written as text.
_NUMBER_DIGITS = 15
_EXACT = 10**_NUMBER_DIGITS
# Dates are numbers of days; before this one, spreadsheets do not agree on which.
_FIRST_DAY, _LAST_DAY, _DAY_ZERO = "1900-03-01", "9999-12-31", "1899-12-30"
_DATE_STYLE, _TIME_STYLE = 1, 2

_ESCAPED = re.compile(rb"_(?=x[0-9A-Fa-f]{4}_)")
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b-\x1f]|\xef\xbf[\xbe\xbf]")


def workbook(selection: Selection) -> Iterator[bytes]:
    """An .xlsx file; each million rows begin a sheet of their own, with the header again."""
    return sized(_workbook(selection))


def _workbook(selection: Selection) -> Iterator[bytes]:
    sink = Sink()
    rows = _Rows(selection)
    start = _SHEET_START + _header(selection)
    sheets = 0
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=1) as file:
        while rows.more or not sheets:
            sheets += 1
            with file.open(_entry(f"xl/worksheets/sheet{sheets}.xml"), "w") as sheet:
                for part in chain([start], _sheet(rows), [_SHEET_END]):
                    sheet.write(part)
                    yield from sink.taken()
        for name, text in _frame(sheets).items():
            file.writestr(_entry(name), text)
    yield from sink.taken()


def _sheet(rows: _Rows) -> Iterator[bytes]:
    """As many rows as one sheet has room for."""
    room, room_bytes = _SHEET_ROWS - 1, _SHEET_BYTES
    while room and room_bytes > 0 and (texts := rows.take(room)):
        part = _legal(b"".join(texts))
        room, room_bytes = room - len(texts), room_bytes - len(part)
        yield part


class _Rows:
    """The rows of a SELECT, to be taken some at a time."""

    def __init__(self, selection: Selection) -> None:
        self._batches = selection.batches(_row_sql)
        self._rest = [text for (text,) in next(self._batches)]

    @property
    def more(self) -> bool:
        return bool(self._rest)

    def take(self, count: int) -> list[bytes]:
        """At most `count` of the next rows; none at the end."""
        taken, self._rest = self._rest[:count], self._rest[count:]
        if not self._rest:
            self._rest = [text for (text,) in next(self._batches, [])]
        return taken


def _entry(name: str) -> ZipInfo:
    # With a time of its own, the same answer would have other bytes each time.
    entry = ZipInfo(name)
    entry.compress_type = ZIP_DEFLATED
    return entry


def _header(selection: Selection) -> bytes:
    names = (escape(each.name)[:_CELL_CHARACTERS] for each in selection.columns)
    cells = "".join(f"{_TEXT_START}{name}{_TEXT_END}" for name in names)
    return _legal(f"<row>{cells}</row>".encode())


def _legal(xml: bytes) -> bytes:
    """XML as workbooks have it: characters that XML has not are `_x0000_` there."""
    xml = _ESCAPED.sub(b"_x005F_", xml) if b"_x" in xml else xml
    return _ILLEGAL.sub(_spelt, xml)


def _spelt(match: re.Match[bytes]) -> bytes:
    return b"_x%04X_" % ord(match[0].decode())


# Cells


def _row_sql(fields: Sequence[Field]) -> list[str]:
    cells = [f"coalesce({_cell(each.expression, sql_type(each.type))}, '<c/>')" for each in fields]
    return [f"concat('<row>', {', '.join(cells)}, '</row>')"]


def _cell(x: str, type_: SqlType) -> str:
    """The expression of a cell; NULL for NULL."""
    kind, text = type_.kind, _text(x, type_)
    if kind == "BOOLEAN":
        return f"'<c t=\"b\"><v>' || {x}::INTEGER || '</v></c>'"
    if kind in INTEGER_TYPES:
        return (
            f"CASE WHEN {x} BETWEEN {1 - _EXACT} AND {_EXACT - 1} THEN {_number(x)} ELSE {text} END"
        )
    if kind == "DECIMAL":
        digits = max(0, _NUMBER_DIGITS - decimal_digits(type_)[1])
        return f"CASE WHEN abs({x}) < {10**digits} THEN {_number(x)} ELSE {text} END"
    if kind in ("FLOAT", "DOUBLE"):
        number = _number(text_sql(x, type_))
        return f"CASE WHEN isfinite({x}) THEN {number} ELSE {text} END"
    if kind == "DATE":
        days = f"({x} - DATE '{_DAY_ZERO}')"
        return _day_cell(x, days, _DATE_STYLE, text)
    if kind.startswith("TIMESTAMP"):
        us = f"(epoch_us({x}) - epoch_us(TIMESTAMP '{_DAY_ZERO}'))"
        return _day_cell(f"{x}::DATE", f"to_json({us} / 86400e6)", _TIME_STYLE, text)
    return text


def _number(text: str, style: int = 0) -> str:
    attribute = f' s="{style}"' if style else ""
    return f"'<c{attribute}><v>' || {text} || '</v></c>'"


def _day_cell(day: str, days: str, style: int, text: str) -> str:
    within = f"{day} BETWEEN DATE '{_FIRST_DAY}' AND DATE '{_LAST_DAY}'"
    return f"CASE WHEN {within} THEN {_number(days, style)} ELSE {text} END"


def _text(x: str, type_: SqlType) -> str:
    text = f"left({text_sql(x, type_)}, {_CELL_CHARACTERS})"
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = f"replace({text}, '{character}', '{entity}')"
    return f"'{_TEXT_START}' || {text} || '{_TEXT_END}'"


_TEXT_START, _TEXT_END = '<c t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>"

# The file around the cells

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "http://schemas.openxmlformats.org"
_MAIN = f"{_OFFICE}/spreadsheetml/2006/main"
_RELATIONS = f"{_OFFICE}/officeDocument/2006/relationships"
_PACKAGE = f"{_OFFICE}/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_SHEET_START = f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode()
_SHEET_END = b"</sheetData></worksheet>"
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    "<fonts><font/></fonts>"
    '<fills><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    "<borders><border><left/><right/><top/><bottom/><diagonal/></border></borders>"
    '<cellStyleXfs><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs>'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


def _frame(sheets: int) -> dict[str, str]:
    """The other files of a workbook: name -> text."""
    numbers = range(1, sheets + 1)
    listed = "".join(
        f'<sheet name="rows{number if number > 1 else ""}" sheetId="{number}" r:id="rId{number}"/>'
        for number in numbers
    )
    relations = "".join(_relation(n, "worksheet", f"worksheets/sheet{n}.xml") for n in numbers)
    relations += _relation(sheets + 1, "styles", "styles.xml")
    types = "".join(_part(f"worksheets/sheet{number}", "worksheet") for number in numbers)
    return {
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(relations),
        "xl/styles.xml": _STYLES,
        "_rels/.rels": _relations(_relation(1, "officeDocument", "xl/workbook.xml")),
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{_part('workbook', 'sheet.main')}{_part('styles', 'styles')}{types}</Types>",
    }


def _relations(listed: str) -> str:
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _relation(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'


def _part(name: str, kind: str) -> str:
    return f'<Override PartName="/xl/{name}.xml" ContentType="{_TYPE}.{kind}+xml"/>'
