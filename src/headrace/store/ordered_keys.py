"""Keys in order: takes the parts of a key, gives bytes that sort as ORDER BY sorts the parts.

Each part is a byte that says whether it is NULL, then its value: a number with its most
significant byte first, a text with an end that sorts before every other character. Whatever may
follow a part begins with a byte below 0xFF, so that `after` is a bound behind all of it.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from typing import Any, TypeAlias
from uuid import UUID

from headrace.base.errors import StoreError
from headrace.base.types import SIGNED_TYPES, UNSIGNED_TYPES
from headrace.store.snapshots import KeyPart

# A part as SQL hands it over: a number, bytes or a text; Python never sees a date.
Raw: TypeAlias = Any
Encode: TypeAlias = Callable[[Any], bytes]

_PRESENT = b"\x01"
_NULLS = {True: b"\x00", False: b"\x02"}
_DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_INVERTED = bytes(range(255, -1, -1))
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - SQL's TIMESTAMP has no zone
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# Wide enough for every DECIMAL times every power of ten: nothing is ever rounded.
_EXACT = Context(prec=120)
_BIGGEST = 2**63 - 1


class NoOrder(StoreError):
    """Keys of a type have no order in bytes here."""


class Inexact(ValueError):
    """No value of the part's type is equal to the one given."""


def after(key: bytes) -> bytes:
    """The bound behind every key that begins with `key`, and before all that come later."""
    return key + b"\xff"


def turned(part: bytes) -> bytes:
    """The bytes of a part that is not NULL as they are in the opposite order."""
    return part[:1] + part[1:].translate(_INVERTED)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A type whose values are numbers of so many bytes, the least of which is `low`.

    Attributes:
        size: bytes of a value.
        low: the least number that they hold.
        sql: what gives the number of a column, `{0}`.
        floor: the greatest number that is not greater than a value, and whether it is equal.
    """

    size: int
    low: int
    sql: str
    floor: Callable[[Any], tuple[int, bool]]

    @property
    def high(self) -> int:
        """The greatest number."""
        return self.low + (1 << (8 * self.size)) - 1

    def raw_encoder(self, *, descending: bool) -> Encode:
        """Bytes of a number."""
        low, high = self.low, self.high
        code = _CODES.get(self.size)
        if code is None:
            size = self.size
            if descending:
                return lambda raw: _PRESENT + (high - raw).to_bytes(size, "big")
            return lambda raw: _PRESENT + (raw - low).to_bytes(size, "big")
        pack = struct.Struct(f">B{code}").pack
        if descending:
            return lambda raw: pack(1, high - raw)
        return lambda raw: pack(1, raw - low)

    def exact(self, value: Any) -> int:  # noqa: ANN401 - whatever a client's reader gives
        """The number of a value.

        Raises:
            Inexact: there is none.
        """
        raw, is_equal = self.floor(value)
        if is_equal and self.low <= raw <= self.high:
            return raw
        raise Inexact


@dataclass(frozen=True, slots=True)
class PartEncoder:
    """One part of a key.

    Attributes:
        part: what is encoded.
        encode: bytes of a Python value, as a parameter's reader gives it; raises Inexact, or
            another ValueError or struct.error, when no value of the part's type is equal to it.
        encode_raw: bytes of what `raw_sql` gives, NULL as None.
        null: bytes of NULL.
    """

    part: KeyPart
    encode: Encode
    encode_raw: Encode
    null: bytes
    _sql: str
    _numbers: _Numbers | None

    @classmethod
    def of(cls, part: KeyPart) -> PartEncoder:
        """The encoder of a part.

        Raises:
            NoOrder: it is of a type that keys cannot have.
        """
        null = _NULLS[part.nulls_first]
        numbers = _numbers(part.type)
        if numbers is not None:
            raw = numbers.raw_encoder(descending=part.descending)
            quick = _QUICK.get(part.type)
            encode: Encode = _composed(raw, quick or numbers.exact)
            if part.type in INTEGERS:
                encode = _integers(raw, numbers.exact)
            return cls(part, encode, _nullable(raw, null), null, numbers.sql, numbers)
        if part.type not in _OTHERS:
            raise NoOrder(
                f"a key of type {part.type} cannot be kept in order; expected a boolean, a number, "
                "a text, a date, a time or a UUID"
            )
        sql, encoder = _OTHERS[part.type]
        plain = _inverted(encoder) if part.descending else encoder
        raw = _marked(plain)
        encode = _composed(raw, _uuid_bytes) if part.type == "UUID" else raw
        return cls(part, encode, _nullable(raw, null), null, sql, None)

    @property
    def size(self) -> int | None:
        """Bytes of every number after the mark that it is not NULL; None of what is no number."""
        return None if self._numbers is None else self._numbers.size

    def raw_sql(self, column: str) -> str:
        """The SQL that gives `encode_raw` its argument, of a column as it is quoted."""
        return self._sql.format(column)

    def order_sql(self, raw: str) -> str:
        """What stands in ORDER BY to sort what `raw_sql` gives as the bytes are."""
        direction = "DESC" if self.part.descending else "ASC"
        return f"{raw} {direction} NULLS {'FIRST' if self.part.nulls_first else 'LAST'}"

    def floor(self, value: object) -> tuple[bytes | None, bool]:
        """The bytes of the greatest value of the type that is not above `value`.

        Returns:
            Those bytes, None when every value of the type is above; and whether it is equal.
        """
        numbers = self._numbers
        if numbers is None:
            return self.encode(value), True
        raw, is_equal = numbers.floor(value)
        if raw > numbers.high:
            return self.encode_raw(numbers.high), False
        return (self.encode_raw(raw), is_equal) if raw >= numbers.low else (None, False)


def _composed(raw: Encode, convert: Callable[[Any], Raw]) -> Encode:
    return lambda value: raw(convert(value))


def _integers(raw: Encode, exact: Callable[[Any], int]) -> Encode:
    """Integers as they are; what else compares with them by its value."""

    def encode(value: Any) -> bytes:  # noqa: ANN401
        return raw(value) if type(value) is int else raw(exact(value))

    return encode


def _nullable(raw: Encode, null: bytes) -> Encode:
    return lambda value: null if value is None else raw(value)


def _marked(encode: Encode) -> Encode:
    return lambda value: _PRESENT + encode(value)


def _inverted(encode: Encode) -> Encode:
    return lambda value: encode(value).translate(_INVERTED)


def _text(value: str) -> bytes:
    # NUL is escaped, so that the end cannot be taken for a character; the end sorts before both.
    return value.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x01"


def _blob(value: bytes) -> bytes:
    return value.replace(b"\x00", b"\x00\xff") + b"\x00\x01"


def _uuid_bytes(value: UUID) -> bytes:
    return value.bytes


def _double(value: float) -> bytes:
    if math.isnan(value):
        return b"\xff\xf8" + bytes(6)  # greater than infinity, as in SQL
    return _float_bits(struct.pack(">d", value + 0.0))


def _float(value: float) -> bytes:
    if math.isnan(value):
        return b"\xff\xc0" + bytes(2)
    return _float_bits(struct.pack(">f", value + 0.0))


def _float_bits(data: bytes) -> bytes:
    """IEEE's bytes in the order of the numbers: negative ones count down."""
    if data[0] & 0x80:
        return data.translate(_INVERTED)
    return bytes((data[0] | 0x80,)) + data[1:]


_OTHERS: dict[str, tuple[str, Encode]] = {
    "VARCHAR": ("{0}", _text),
    "BLOB": ("{0}", _blob),
    "UUID": ("unhex(replace(CAST({0} AS VARCHAR), '-', ''))", bytes),
    "DOUBLE": ("{0}", _double),
    "FLOAT": ("{0}", _float),
}


def _days(value: date) -> int:
    return value.toordinal() - _EPOCH_DAY


def _microseconds(value: datetime) -> int:
    since = value - (_EPOCH if value.tzinfo is None else _EPOCH_UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _time_of_day(value: time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


# What needs no look at whether the type can hold it.
_QUICK: dict[str, Callable[[Any], int]] = {
    "DATE": _days,
    "TIME": _time_of_day,
    "TIMESTAMP": _microseconds,
    "TIMESTAMP WITH TIME ZONE": _microseconds,
}


def _exactly(convert: Callable[[Any], int]) -> Callable[[Any], tuple[int, bool]]:
    return lambda value: (convert(value), True)


def _scaled_time(numerator: int, denominator: int) -> Callable[[Any], tuple[int, bool]]:
    def floor(value: datetime) -> tuple[int, bool]:
        whole, rest = divmod(_microseconds(value) * numerator, denominator)
        return whole, not rest

    return floor


def _unscaled(scale: int) -> Callable[[Any], tuple[int, bool]]:
    def floor(value: Any) -> tuple[int, bool]:  # noqa: ANN401
        number = _EXACT.scaleb(Decimal(value), scale)
        whole = math.floor(number)
        return whole, whole == number

    return floor


def _moment_sql(function: str, divided: int = 1) -> str:
    """The number of a timestamp; infinities, which `epoch_…` does not know, are the ends."""
    number = f"{function}({{0}})" if divided == 1 else f"{function}({{0}}) // {divided}"
    return (
        f"CASE WHEN NOT isinf({{0}}) THEN {number}"
        f" WHEN {{0}} > TIMESTAMP '1970-01-01' THEN {_BIGGEST}"
        f" WHEN {{0}} IS NOT NULL THEN {-_BIGGEST} END"
    )


INTEGERS: dict[str, _Numbers] = {}
for _size, _signed, _unsigned in zip((1, 2, 4, 8, 16), SIGNED_TYPES, UNSIGNED_TYPES, strict=True):
    INTEGERS[_signed] = _Numbers(_size, -(256**_size) // 2, "{0}", _unscaled(0))
    INTEGERS[_unsigned] = _Numbers(_size, 0, "{0}", _unscaled(0))

_MICROSECONDS = _Numbers(8, -(2**63), _moment_sql("epoch_us"), _exactly(_microseconds))
_NUMBERS: dict[str, _Numbers] = INTEGERS | {
    "BOOLEAN": _Numbers(1, 0, "CAST({0} AS UTINYINT)", _exactly(int)),
    "DATE": _Numbers(4, -(2**31), "({0} - DATE '1970-01-01')", _exactly(_days)),
    "TIME": _Numbers(8, 0, "epoch_us({0})", _exactly(_time_of_day)),
    "TIMESTAMP": _MICROSECONDS,
    "TIMESTAMP WITH TIME ZONE": _MICROSECONDS,
    "TIMESTAMP_S": _Numbers(
        8, -(2**63), _moment_sql("epoch_us", 1_000_000), _scaled_time(1, 10**6)
    ),
    "TIMESTAMP_MS": _Numbers(8, -(2**63), _moment_sql("epoch_ms"), _scaled_time(1, 1000)),
    "TIMESTAMP_NS": _Numbers(8, -(2**63), _moment_sql("epoch_ns"), _scaled_time(1000, 1)),
}


def _numbers(type_name: str) -> _Numbers | None:
    if match := _DECIMAL.fullmatch(type_name):
        return _decimals(int(match[1]), int(match[2]))
    return _NUMBERS.get(type_name)


def _decimals(width: int, scale: int) -> _Numbers:
    size = next(size for digits, size in ((4, 2), (9, 4), (18, 8), (38, 16)) if width <= digits)
    integer = "BIGINT" if width <= 18 else "HUGEINT"
    sql = f"CAST(replace(CAST({{0}} AS VARCHAR), '.', '') AS {integer})"
    return _Numbers(size, -(256**size) // 2, sql, _unscaled(scale))
