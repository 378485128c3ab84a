"""Data types: the names a user may write, DuckDB's spelling of them, and what can be stored."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from headrace.base.declarations import Value
from headrace.base.names import near_miss, quote, quote_text

# What the user may write -> DuckDB's canonical spelling. Each comes back from Parquet as it was.
SCALAR_TYPES: dict[str, str] = {
    "boolean": "BOOLEAN",
    "bool": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "utinyint": "UTINYINT",
    "usmallint": "USMALLINT",
    "uinteger": "UINTEGER",
    "ubigint": "UBIGINT",
    "float": "FLOAT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "double precision": "DOUBLE",
    "varchar": "VARCHAR",
    "text": "VARCHAR",
    "string": "VARCHAR",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "datetime": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
    "json": "JSON",
    "blob": "BLOB",
}

SIGNED_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED_TYPES = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
INTEGER_TYPES = frozenset([*SIGNED_TYPES, *UNSIGNED_TYPES])

# What Parquet cannot hold as it is -> what the compiler casts it to. DuckDB writes HUGEINT, the
# type of sum(int), as DOUBLE without a word; a BIGINT cast raises when a sum does not fit.
STORED_AS: dict[str, str] = {
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    '"NULL"': "INTEGER",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
}

# What DuckDB knows and a contract may not ask for, because Parquet changes it (see the engine's
# round-trip test) or an answer in JSON would cut it -> what to write instead.
_INSTEAD = {
    "hugeint": "use `bigint`, or `decimal(38,0)`",
    "uhugeint": "use `ubigint`, or `decimal(38,0)`",
    "interval": "use a number of seconds: `double`, or `bigint`",
    "timetz": "use `time`, or `timestamptz`",
    "time with time zone": "use `time`, or `timestamptz`",
    "timestamp_s": "use `timestamp`",
    "timestamp_ms": "use `timestamp`",
    "timestamp_ns": "use `timestamp`, which holds microseconds",
    "enum": "use `varchar` with the rule `accepted`",
    "map": "write `map(key type, value type)`",
    "struct": "write `struct(name type, …)`",
}

# A type nested 60 deep kept DuckDB busy for minutes; 20 deep takes it milliseconds.
_MOST_LEVELS = 20

_TOKEN = re.compile(r'"(?:[^"]|"")*"|\w+|\S')
_DIGITS = re.compile(r"\d{1,2}", re.ASCII)
_Item = TypeVar("_Item")


def parse_type(text: str) -> str:
    """DuckDB's spelling of a type that a user wrote.

    Scalars, `decimal(p,s)`, lists (`int[]`), `map(key, value)` and `struct(name type, …)` are
    known. The names of a struct's fields are always quoted; DuckDB quotes them only where it must,
    so two spellings of a struct are compared by what `parse_type` makes of them.

    Raises:
        ValueError: the text is no such type; the message has the near miss.
    """
    # Reversed, so that pop() gives the next token.
    tokens: list[str] = _TOKEN.findall(text)[::-1]
    if tokens.count("(") != tokens.count(")"):
        raise ValueError(f"{text!r} is not a type; expected a `)` for each `(`")
    if _levels(tokens) > _MOST_LEVELS:
        raise ValueError(f"{text!r} is not a type; expected at most {_MOST_LEVELS} levels")
    parsed = _type(tokens)
    if tokens:
        raise ValueError(f"{text!r} is not a type; expected nothing after `{parsed.lower()}`")
    return parsed


def _levels(reversed_tokens: list[str]) -> int:
    """How deep a type is nested: each list and each pair of parentheses is a level."""
    deepest = level = lists = 0
    outer: list[int] = []
    for symbol in reversed_tokens:
        if symbol == "]":
            lists += 1
        elif symbol == ")":
            outer.append(level)
            level, lists = level + lists + 1, 0
        elif symbol == "(" and outer:
            level = outer.pop()
        elif symbol != "[":
            lists = 0
        deepest = max(deepest, level + lists)
    return deepest


def _type(tokens: list[str]) -> str:
    words = []
    while tokens and tokens[-1].isidentifier():
        words.append(tokens.pop().lower())
    word = " ".join(words) or _next(tokens)
    parsed = _with_arguments(word, tokens) if tokens[-1:] == ["("] else _scalar(word)
    while tokens[-1:] == ["["]:
        tokens.pop()
        _expect("]", tokens)
        parsed += "[]"
    return parsed


def _scalar(word: str) -> str:
    if word in {"decimal", "numeric"}:
        return "DECIMAL(18,3)"
    if word in SCALAR_TYPES:
        return SCALAR_TYPES[word]
    known = f"known types: {', '.join(sorted([*SCALAR_TYPES, *_NESTED]))}"
    hint = _INSTEAD.get(word) or near_miss(word, [*SCALAR_TYPES, *_NESTED]) or known
    raise ValueError(f"{word!r} is not a type; {hint}")


def _with_arguments(word: str, tokens: list[str]) -> str:
    if word in _NESTED:
        return _NESTED[word](tokens)
    plain = _scalar(word).lower()
    # DuckDB takes varchar(10) and ignores the length: a contract would promise what nobody keeps.
    rule = "; where its length matters, add a rule such as `pattern: '.{0,10}'`"
    hint = f"write `{plain}`{rule if plain == 'varchar' else ''}"
    raise ValueError(f"'{word}(' is not a type; {hint}")


def _decimal(tokens: list[str]) -> str:
    digits = _arguments(tokens, _next)
    if len(digits) <= 2 and all(map(_DIGITS.fullmatch, digits)):
        width, scale = int(digits[0]), int(digits[1]) if digits[1:] else 0
        if 1 <= width <= 38 and scale <= width:
            return f"DECIMAL({width},{scale})"
    found = f"decimal({','.join(digits)})"
    raise ValueError(f"{found!r} is not a decimal; expected 1 <= width <= 38 and scale <= width")


def _map(tokens: list[str]) -> str:
    types = _arguments(tokens, _type)
    if len(types) != 2:
        found = f"map({', '.join(types).lower()})"
        raise ValueError(f"{found!r} is not a map; expected `map(key type, value type)`")
    return f"MAP({', '.join(types)})"


def _struct(tokens: list[str]) -> str:
    fields = _arguments(tokens, _field)
    names = [name.casefold() for name, _ in fields]
    if twice := [name for name, _ in fields if names.count(name.casefold()) > 1]:
        raise ValueError(f"{twice[-1]!r} is not a struct field; expected each name once")
    return f"STRUCT({', '.join(f'{quote(name)} {type_name}' for name, type_name in fields)})"


_NESTED = {"decimal": _decimal, "numeric": _decimal, "map": _map, "struct": _struct}


def _field(tokens: list[str]) -> tuple[str, str]:
    token = _next(tokens)
    quoted = token.startswith('"')
    name = token[1:-1].replace('""', '"') if quoted else token
    named = name.isprintable() if quoted else name.isidentifier()
    if not name or not named or tokens[-1:] in ([], [","], [")"]):
        raise ValueError(f"{name!r} is not a struct field; expected `name type`")
    return name, _type(tokens)


def _arguments(tokens: list[str], read: Callable[[list[str]], _Item]) -> list[_Item]:
    """What `read` makes of each argument of the parentheses that come next."""
    _expect("(", tokens)
    items = [read(tokens)]
    while tokens[-1:] == [","]:
        tokens.pop()
        items.append(read(tokens))
    _expect(")", tokens)
    return items


def _next(tokens: list[str]) -> str:
    return tokens.pop() if tokens else ""


def _expect(token: str, tokens: list[str]) -> None:
    found = _next(tokens) or "the end"
    if found != token:
        raise ValueError(f"{found!r} is not part of a type here; expected `{token}`")


def spelt(value: Value) -> str:
    """A value of a YAML or TOML file as it is written there."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def literal(value: Value, type_name: str) -> str:
    """`value` as a SQL literal of DuckDB type `type_name`."""
    return "NULL" if value is None else f"CAST({quote_text(spelt(value))} AS {type_name})"


def is_numeric(type_name: str) -> bool:
    """Whether values of DuckDB type `type_name` are numbers."""
    if type_name in INTEGER_TYPES | {"FLOAT", "DOUBLE"}:
        return True
    return type_name.startswith("DECIMAL(") and type_name.endswith(")")


def is_moment(type_name: str) -> bool:
    """Whether values of DuckDB type `type_name` are dates or timestamps."""
    return type_name == "DATE" or type_name.startswith("TIMESTAMP")


_COMPARED = (set(SCALAR_TYPES.values()) - {"JSON"}) | INTEGER_TYPES
_COMPARED |= {"TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}


def is_single(type_name: str) -> bool:
    """Whether a value of DuckDB type `type_name` is one thing with an order, as a client writes it.

    Lists, structs, maps and JSON are not, nor what has no spelling of its own.
    """
    return type_name in _COMPARED or is_numeric(type_name)
