"""The second level of the exact cache: takes what the settings say of it, gives one, or none.

It is asked for what this process has not kept. It only ever saves work: whatever is wrong with it,
the answer is made as if it were not there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from headrace.base.errors import UsageError
from headrace.base.secrets import Secret
from headrace.serve.caching.cache import SecondLevel

# Never with the value: it may hold a password.
_WHERE = "headrace.toml: `redis` under [serve]"
_SCHEMES = ("redis", "rediss", "unix")


def open_second_level(reference: str, project: str, environment: str) -> SecondLevel | None:
    """The cache that `[serve] redis` refers to; None when it is "". Connects to nothing yet.

    Raises:
        UsageError: the reference leads nowhere, what it leads to is no address of a Redis, or the
            extra is not installed. The message never has the address: it may hold a password.
    """
    if not reference:
        return None
    url = redis_url(reference, os.environ)
    try:
        # Only now: serving without a Redis must not need, nor load, its client.
        redis_cache = import_module("headrace.serve.caching.redis_cache")
    except ModuleNotFoundError as exc:
        raise UsageError(
            f"{_WHERE}: the client of Redis is not installed; expected the package `{exc.name}`; "
            "install it: pip install 'headrace[redis]'"
        ) from exc
    cache: SecondLevel = redis_cache.RedisCache(url, project, environment)
    return cache


def redis_url(reference: str, variables: Mapping[str, str]) -> Secret:
    """The address that a reference leads to: `env:NAME`, `file:PATH`, or an address itself.

    Raises:
        UsageError: there is no such variable or file, or it holds no address of a Redis.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        url = variables.get(name, "")
        missing = f"the environment variable `{name}`"
    elif kind == "file":
        url = _file_text(Path(name))
        missing = f"the file {name}"
    else:
        url, missing = reference, "it"
    if not url:
        raise UsageError(
            f"{_WHERE}: {missing} is missing or empty; expected an address such as "
            "redis://localhost:6379/0 there; set it, or take `redis` out of headrace.toml"
        )
    if not _is_address(url.strip()):
        raise UsageError(
            f"{_WHERE}: {missing} holds no address of a Redis; expected redis://HOST:PORT/NUMBER, "
            "rediss:// of the same form, or unix://PATH; `%` and `/` in a password are written "
            "`%25` and `%2F`"
        )
    return Secret(url.strip())


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what raises when it is none.
        return parts.scheme in _SCHEMES and parts.port != 0
    except ValueError:
        return False
