"""Settings: takes headrace.toml, gives Settings with every default filled in."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.base.declarations import Settings
from headrace.base.errors import Place, Problem
from headrace.base.names import is_environment, is_origin
from headrace.pipeline.project.access_keys import access
from headrace.pipeline.project.auth_settings import AUTH_KEYS, read_auth
from headrace.pipeline.project.documents import Items, Misread, Node, Scalar, parse_toml
from headrace.pipeline.project.keys import (
    RETRIES,
    Fields,
    Key,
    Problems,
    flag,
    nested,
    read_fields,
    report,
    text,
    whole_number,
)
from headrace.pipeline.project.limit_settings import LIMIT_KEYS, limit_settings

SETTINGS_FILE = "headrace.toml"
DEFAULT_COPY_LIMIT_BYTES = 4_000_000_000
DEFAULT_STORE = ".headrace/store"
# Neither `user:password@` nor `?password=`: this file is committed.
_REDIS = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\n]+|(rediss?|unix)://[^@?\s]+", re.ASCII)
_MEMORY = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?)?B", re.ASCII | re.IGNORECASE)

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])?(i)?B", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def environment(node: Node, problems: Problems) -> str | None:
    """The name of an environment."""
    if isinstance(node, Scalar) and is_environment(node.text):
        return node.text
    report(problems, node, "a name of letters, digits, underscores and hyphens, such as `prod`")
    return None


def memory(node: Node, problems: Problems) -> str | None:
    """An amount of memory with its unit."""
    if isinstance(node, Scalar) and _MEMORY.fullmatch(node.text.strip()):
        return node.text.strip()
    report(problems, node, "an amount with its unit, such as `4GB`")
    return None


def size_bytes(node: Node, problems: Problems) -> int | None:
    """A size with its unit, in bytes."""
    found = _SIZE.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
    if found:
        base = 1024 if found[3] else 1000
        return int(float(found[1]) * base ** _POWERS[(found[2] or "").upper()])
    report(problems, node, "a size with its unit, such as `4GB`")
    return None


def seconds(node: Node, problems: Problems) -> float | None:
    """A number of seconds above zero."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86_400:
        return float(value)
    report(problems, node, "a number of seconds above 0 and at most 86400")
    return None


def typed_text(node: Node, problems: Problems) -> str | None:
    """A text in quotes, as TOML has it."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return text(node, problems)
    report(problems, node, "a text")
    return None


def origins(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """Origins of pages, spelt as browsers spell them: each is compared as a whole."""
    items = node.items if isinstance(node, Items) else (node,)
    found: list[str] = []
    for item in items:
        if isinstance(item, Scalar) and isinstance(item.value, str) and is_origin(item.value):
            found.append(item.value)
        else:
            expected = "an origin such as `https://app.example` or `http://localhost:3000`"
            fix = "name each origin: `*` would let every page of the web read"
            is_any = isinstance(item, Scalar) and item.text in ("*", "null")
            report(problems, item, expected, fix if is_any else "")
    return tuple(dict.fromkeys(found))


def redis_reference(node: Node, problems: Problems) -> str | None:
    """Where the address of a Redis is: in a variable, in a file, or here, without a password."""
    written = node.value.strip() if isinstance(node, Scalar) and isinstance(node.value, str) else ""
    if _REDIS.fullmatch(written):
        return written
    # Not what was found: it may be a password.
    problems.append(
        Problem(
            node.place,
            "`redis` is no reference to a Redis, or holds a password",
            "`env:NAME`, `file:PATH`, or an address without a password, such as"
            " `redis://localhost:6379/0`",
            'write `redis = "env:REDIS_URL"` and put the address into that environment variable',
        )
    )
    return None


NAME = Key("name", typed_text)
STORE: Key[Node] = Key("store", nested)
RUN: Key[Node] = Key("run", nested)
SERVE: Key[Node] = Key("serve", nested)
AUTH: Key[Node] = Key("auth", nested)
LIMITS: Key[Node] = Key("limits", nested)
SETTINGS_KEYS = (NAME, STORE, RUN, SERVE, AUTH, LIMITS)

STORE_PATH = Key("path", typed_text)
STORE_KEYS = (STORE_PATH,)

ENVIRONMENT = Key("environment", environment)
THREADS = Key("threads", whole_number(0, 4096))
MEMORY_LIMIT = Key("memory_limit", memory)
WORKERS = Key("workers", whole_number(0, 4096))
RETRY_WAIT_SECONDS = Key("retry_wait_seconds", seconds)
RUN_KEYS = (ENVIRONMENT, THREADS, MEMORY_LIMIT, WORKERS, RETRIES, RETRY_WAIT_SECONDS)

HOST = Key("host", typed_text)
PORT = Key("port", whole_number(0, 65_535))
DEADLINE_SECONDS = Key("deadline_seconds", seconds)
PROCESSES = Key("processes", whole_number(1, 1024))
COPY_LIMIT = Key("copy_limit", size_bytes)
REDIS = Key("redis", redis_reference)
CORS = Key("cors", origins)
SNAPSHOTS = Key("snapshots", flag)
STREAMS = Key("streams", whole_number(0, 100_000))
DEFAULT_ACCESS = Key("default_access", access)
SERVE_KEYS = (
    *(HOST, PORT, PROCESSES, DEADLINE_SECONDS, COPY_LIMIT, REDIS),
    *(CORS, SNAPSHOTS, STREAMS, DEFAULT_ACCESS),
)


def read_settings(root: Path, text: str, problems: Problems) -> Settings:
    """The settings of the project in `root`, which is absolute."""
    fields = _fields(text, problems)
    store = _table(fields, STORE, STORE_KEYS, problems)
    run = _table(fields, RUN, RUN_KEYS, problems)
    serve = _table(fields, SERVE, SERVE_KEYS, problems)
    limits = _table(fields, LIMITS, LIMIT_KEYS, problems)
    return Settings(
        name=fields.get(NAME, ""),
        store=root / Path(store.get(STORE_PATH, DEFAULT_STORE)).expanduser(),
        environment=run.get(ENVIRONMENT, "prod"),
        threads=run.get(THREADS, 0),
        memory_limit=run.get(MEMORY_LIMIT, ""),
        workers=run.get(WORKERS, 0),
        retries=run.get(RETRIES, 2),
        retry_wait_seconds=run.get(RETRY_WAIT_SECONDS, 1.0),
        host=serve.get(HOST, "127.0.0.1"),
        port=serve.get(PORT, 8000),
        processes=serve.get(PROCESSES, 1),
        deadline_seconds=serve.get(DEADLINE_SECONDS, 10.0),
        copy_limit_bytes=serve.get(COPY_LIMIT, DEFAULT_COPY_LIMIT_BYTES),
        redis=_absolute(root, serve.get(REDIS, "")),
        cors=serve.get(CORS, ()),
        snapshots=serve.get(SNAPSHOTS, False),
        streams=serve.get(STREAMS, 100),
        default_access=serve.optional(DEFAULT_ACCESS),
        auth=read_auth(_table(fields, AUTH, AUTH_KEYS, problems), root, problems),
        limits=limit_settings(limits, problems, has_redis=REDIS in serve),
    )


def _absolute(root: Path, reference: str) -> str:
    """A reference whose file, if it names one, is found from wherever the process was started."""
    kind, _, name = reference.partition(":")
    return f"file:{root / Path(name).expanduser()}" if kind == "file" else reference


def _fields(text: str, problems: Problems) -> Fields:
    place = Place(SETTINGS_FILE, 1)
    try:
        document = parse_toml(text, SETTINGS_FILE)
    except Misread as exc:
        problems.append(exc.problem)
        return Fields(place, {}, {})
    fields = read_fields(document, SETTINGS_KEYS, place, problems)
    if NAME not in fields:
        problems.append(Problem(place, "this project has no `name`", '`name = "shop"`'))
    return fields


def _table(
    fields: Fields, key: Key[Node], keys: tuple[Key[object], ...], problems: Problems
) -> Fields:
    return read_fields(fields.optional(key), keys, fields.place, problems)
