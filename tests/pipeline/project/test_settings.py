"""Settings: defaults, and mistakes with the line that tomllib does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.access import Access
from headrace.base.declarations import Settings

from .conftest import Load, ProblemsOf


def test_a_name_is_enough(load: Load, tmp_path: Path) -> None:
    settings = load({}).settings
    assert settings == Settings("shop", tmp_path / ".headrace" / "store")


def test_every_setting_is_read(load: Load) -> None:
    text = (
        'name = "shop"\n[store]\npath = "/srv/shop"\n'
        '[run]\nenvironment = "dev"\nthreads = 2\nmemory_limit = "4GB"\nworkers = 3\n'
        "retries = 5\nretry_wait_seconds = 0.5\n"
        '[serve]\nhost = "0.0.0.0"\nport = 80\ndeadline_seconds = 2.5\n'
        'copy_limit = "1.5 GB"\n'
        'redis = "env:REDIS_URL"\nprocesses = 4\n'
        'cors = ["https://app.example", "http://[::1]:3000"]\nsnapshots = true\nstreams = 5\n'
        'default_access = ["crm", "analyst"]\n'
    )
    assert load({"headrace.toml": text}).settings == Settings(
        *("shop", Path("/srv/shop"), "dev", 2, "4GB", 3, 5, 0.5, "0.0.0.0", 80, 2.5, 1_500_000_000),
        redis="env:REDIS_URL",
        processes=4,
        cors=("https://app.example", "http://[::1]:3000"),
        snapshots=True,
        streams=5,
        default_access=Access("granted", roles=("analyst", "crm")),
    )


AN_ORIGIN = "expected an origin such as `https://app.example` or `http://localhost:3000`"
NO_STAR = "name each origin: `*` would let every page of the web read"
MISTAKES = [
    (
        "nam = 'x'",
        (
            "2:1: `nam` is not a key here; expected one of `name`, `store`, `run`, `serve`, "
            "`auth`, `limits`; did you mean `name`?"
        ),
    ),
    (
        "[serve]\n\nprot = 1",
        (
            "4:1: `prot` is not a key here; expected one of `host`, `port`, "
            "`processes`, `deadline_seconds`, `copy_limit`, `redis`, `cors`, `snapshots`, "
            "`streams`, `default_access`; did you mean `port`?"
        ),
    ),
    (
        "[serve.default_access]\nscopes = []",
        "3:1: `scopes` is a list; expected at least one scope",
    ),
    (
        "serve.port = 'x'",
        "2:1: `port` is 'x'; expected a whole number of at least 0 and at most 65535",
    ),
    (
        "serve = {port = -1}",
        "2:1: `port` is -1; expected a whole number of at least 0 and at most 65535",
    ),
    ("serve = 5", "2:1: `serve` is 5; expected a mapping (`key: value`)"),
    (
        "[run]\nthreads = true",
        "3:1: `threads` is true; expected a whole number of at least 0 and at most 4096",
    ),
    (
        "[run]\nmemory_limit = 4",
        "3:1: `memory_limit` is 4; expected an amount with its unit, such as `4GB`",
    ),
    (
        "[run]\nenvironment = 'pr 41'",
        (
            "3:1: `environment` is 'pr 41'; expected a name of letters, digits, "
            "underscores and hyphens, such as `prod`"
        ),
    ),
    (
        "[serve]\ndeadline_seconds = 0",
        "3:1: `deadline_seconds` is 0; expected a number of seconds above 0 and at most 86400",
    ),
    (
        "[serve]\ncopy_limit = 5",
        "3:1: `copy_limit` is 5; expected a size with its unit, such as `4GB`",
    ),
    (
        "[serve]\nprocesses = 0",
        "3:1: `processes` is 0; expected a whole number of at least 1 and at most 1024",
    ),
    (
        "[serve]\ncors = ['*']",
        f"3:1: `cors` is '*'; {AN_ORIGIN}; {NO_STAR}",
    ),
    ("[serve]\ncors = 'null'", f"3:1: `cors` is 'null'; {AN_ORIGIN}; {NO_STAR}"),
    (
        "[serve]\ncors = ['https://app.example/']",
        f"3:1: `cors` is 'https://app.example/'; {AN_ORIGIN}",
    ),
    ("[serve]\nsnapshots = 1", "3:1: `snapshots` is 1; expected `true` or `false`"),
    ("[store]\npath = 2024-01-01", "3:1: `path` is 2024-01-01; expected a text"),
    ("[serve]\nhost = []", "3:1: `host` is a list; expected a text"),
    ("a = ", "2:5: this is not TOML: Invalid value"),
    ("a = 1\na = 2", "3:6: this is not TOML: Cannot overwrite a value"),
]


@pytest.mark.parametrize(("lines", "problem"), MISTAKES)
def test_a_mistake_in_the_settings_is_told(
    problems_of: ProblemsOf, lines: str, problem: str
) -> None:
    found = problems_of({"headrace.toml": f'name = "shop"\n{lines}\n'})
    assert found.splitlines()[-1] == f"headrace.toml:{problem}"


def test_a_project_needs_a_name(problems_of: ProblemsOf) -> None:
    assert problems_of({"headrace.toml": ""}) == (
        'headrace.toml:1: this project has no `name`; expected `name = "shop"`'
    )


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [("0B", 0), ("500 mb", 500_000_000), ("2GiB", 2 << 30), ("1.5kB", 1500), ("4TB", 4 * 10**12)],
)
def test_a_size_is_read_in_bytes(load: Load, written: str, size_bytes: int) -> None:
    text = f'name = "shop"\nserve.copy_limit = "{written}"\n'
    assert load({"headrace.toml": text}).settings.copy_limit_bytes == size_bytes


@pytest.mark.parametrize(
    "redis",
    [
        "redis://:s3cret@db:6379/0",
        "redis://db/0?password=s3cret",
        "s3cret",
        "http://s3cret",
        "env:",
        "env:$S3CRET",
    ],
)
def test_a_password_has_no_place_in_the_settings_and_is_not_repeated(
    problems_of: ProblemsOf, redis: str
) -> None:
    found = problems_of({"headrace.toml": f'name = "shop"\n[serve]\nredis = "{redis}"\n'})
    assert found == (
        "headrace.toml:3:1: `redis` is no reference to a Redis, or holds a password; expected"
        " `env:NAME`, `file:PATH`, or an address without a password, such as"
        ' `redis://localhost:6379/0`; write `redis = "env:REDIS_URL"` and put the address into'
        " that environment variable"
    )


def test_a_file_with_an_address_is_found_from_anywhere(load: Load, tmp_path: Path) -> None:
    text = 'name = "shop"\n[serve]\nredis = "file:secrets/redis"\n'
    assert load({"headrace.toml": text}).settings.redis == f"file:{tmp_path}/secrets/redis"
