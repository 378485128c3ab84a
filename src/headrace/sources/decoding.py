"""Opens raw files: takes a path, compression and encoding, gives plain bytes or text as a stream.

Bytes that are no UTF-8 survive as lone surrogates, so that one bad line is one bad line; the
encodings in which a character has two bytes or more give an error for the whole file.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import zstandard

from headrace.base.declarations import FileFormat
from headrace.base.errors import SourceError

_CHUNK_BYTES = 1 << 20
_WIDE = ("utf_16", "utf_32")

# How a file starts -> what it is, and what to do when it is read as something else.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "compressed by gzip", "say `compression: gzip`"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "say `compression: zstd`"),
    (b"BZh", "compressed by bzip2", "say `compression: bz2`"),
    (b"PAR1", "a Parquet file", "say `format: parquet`"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "say `format: xlsx`, or unzip it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as .xlsx or .csv"),
    (b"\xff\xfe", "UTF-16 text", "say `encoding: utf-16`"),
    (b"\xfe\xff", "UTF-16 text", "say `encoding: utf-16`"),
)


class _ZstdFile(io.RawIOBase):
    """A zstd file as plain bytes. zstandard's own reader ends quietly at a torn frame."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""
        self._started = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        while not self._ready and (chunk := self._next_chunk()):
            self._started = True
            self._ready = self._frame.decompress(chunk)
        if not self._ready and self._started and not self._frame.eof:
            raise EOFError("the last frame is not complete")
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next_chunk(self) -> bytes:
        if not self._frame.eof:
            return self._file.read(_CHUNK_BYTES // 8)
        chunk = self._frame.unused_data or self._file.read(_CHUNK_BYTES // 8)
        if chunk:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        return chunk

    def close(self) -> None:
        self._file.close()
        super().close()


_OPENERS: dict[str, Callable[[Path], BinaryIO]] = {
    "none": lambda path: path.open("rb"),
    "gzip": lambda path: cast("BinaryIO", gzip.GzipFile(path)),
    "bz2": lambda path: cast("BinaryIO", bz2.BZ2File(path)),
    "zstd": lambda path: cast("BinaryIO", io.BufferedReader(_ZstdFile(path), _CHUNK_BYTES)),
}


@contextmanager
def open_bytes(path: Path, label: str, compression: str) -> Generator[BinaryIO]:
    """The decompressed bytes of a raw file.

    Raises:
        SourceError: it is not compressed so, or is torn; also while it is read in the block.
    """
    try:
        with _OPENERS[compression](path) as file:
            yield file
    except (EOFError, zlib.error, zstandard.ZstdError, OSError) as exc:
        if compression == "none":
            raise SourceError(f"{label}: it cannot be read: {exc}") from exc
        raise SourceError(
            f"{label}: it cannot be decompressed ({exc}); expected a complete file"
            f" compressed by {compression}; write it again, or say `compression:`"
        ) from exc


@contextmanager
def open_text(path: Path, label: str, format_: FileFormat) -> Generator[TextIO]:
    """The text of a raw file, without byte order mark, its line ends as they are.

    Raises:
        SourceError: see `open_bytes`; or the text is not in the encoding, and that cannot be put
            down to single lines.
    """
    codec = codec_name(format_.encoding)
    errors = "strict" if codec.startswith(_WIDE) else "surrogateescape"
    with open_bytes(path, label, format_.compression) as file:
        text = io.TextIOWrapper(file, encoding=codec, errors=errors, newline="")
        try:
            _skip_mark(text, codec)
            yield text
        except UnicodeError as exc:
            raise undecodable(label, format_.encoding, exc) from exc
        finally:
            text.detach()


def codec_name(encoding: str) -> str:
    """Python's name of an encoding; UTF-8 takes a byte order mark, if there is one."""
    name = codecs.lookup(encoding).name.replace("-", "_")
    return "utf_8_sig" if name == "utf_8" else name


def _skip_mark(text: TextIO, codec: str) -> None:
    if codec.endswith(("_le", "_be")) and text.read(1) != "\ufeff":
        text.seek(0)


def undecodable(label: str, encoding: str, exc: UnicodeError) -> SourceError:
    """The error for a file whose bytes are not text of its encoding."""
    return SourceError(
        f"{label}: it cannot be read as text ({exc}); expected {encoding};"
        " say the right `encoding:`, such as `utf-8`, `utf-16` or `latin-1`"
    )


def true_nature(path: Path) -> tuple[str, str]:
    """What a file is by its first bytes, and what to do about it; two "" for plain text."""
    with path.open("rb") as file:
        start = file.read(4)
    for magic, what, fix in _MAGIC:
        if start.startswith(magic):
            return what, fix
    return "", ""


def undecoded_byte(text: str) -> str:
    """The first byte of `text` that was no text in its encoding, as a reason; "" if there is none.

    Its position counts bytes from 1, within the row.
    """
    for index, character in enumerate(text):
        if "\udc80" <= character <= "\udcff":
            before = text[:index].encode("utf-8", "surrogateescape")
            byte = ord(character) - 0xDC00
            return f"byte {len(before) + 1} of the row, 0x{byte:02X}, is not text in its encoding"
    return ""


def printable(text: str) -> str:
    r"""`text` with what cannot be stored as UTF-8 written as `\xE9`."""
    data = text.encode("utf-8", "surrogateescape" if undecoded_byte(text) else "backslashreplace")
    return data.decode("utf-8", "backslashreplace")
