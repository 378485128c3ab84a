"""The table `[limits]`: rates as people write them, and mistakes with their lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headrace.base.auth_settings import LimitSettings, Rate
from headrace.pipeline.project.limit_settings import LIMIT_KEYS

from .conftest import Load, ProblemsOf

PAGE = (Path(__file__).parents[3] / "docs" / "project.md").read_text(encoding="utf-8")


def test_without_the_table_only_signing_in_is_limited(load: Load) -> None:
    assert load({}).settings.limits == LimitSettings(sign_in=Rate(10, 60.0, 10))


def test_every_limit_is_read(load: Load) -> None:
    text = (
        'name = "shop"\n[serve]\nredis = "env:REDIS_URL"\n'
        '[limits]\ncredential = "100/s"\ntenant = "600/min burst 20"\naddress = "1/h"\n'
        'export = "5 / day"\nsign_in = "3/minute burst 1"\ndaily = 100000\nshared = true\n'
    )
    assert load({"headrace.toml": text}).settings.limits == LimitSettings(
        credential=Rate(100, 1.0, 100),
        tenant=Rate(600, 60.0, 20),
        address=Rate(1, 3600.0, 1),
        export=Rate(5, 86_400.0, 5),
        sign_in=Rate(3, 60.0, 1),
        daily=100_000,
        shared=True,
    )


EXPECTED = (
    "expected how many in which time, from 1 to 1000000, such as `100/s`, `600/min`, "
    "`600/min burst 100`"
)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("credential = 100", f"`credential` is 100; {EXPECTED}"),
        ("tenant = '0/s'", f"`tenant` is '0/s'; {EXPECTED}"),
        ("address = '5/s burst 0'", f"`address` is '5/s burst 0'; {EXPECTED}"),
        ("export = '2000000/s'", f"`export` is '2000000/s'; {EXPECTED}"),
        ("sign_in = '5/minutes'", f"`sign_in` is '5/minutes'; {EXPECTED}; did you mean `minute`?"),
        ("sign_in = false", f"`sign_in` is false; {EXPECTED}"),
        ("daily = -1", "`daily` is -1; expected a whole number of at least 0"),
        (
            "shared = true",
            (
                "`shared` is true, and there is no Redis to share the limits by; expected "
                '`redis` under [serve]; write `redis = "env:REDIS_URL"` there, or take `shared` out'
            ),
        ),
        (
            "credentials = '1/s'",
            (
                "`credentials` is not a key here; expected one of `credential`, `tenant`, "
                "`address`, `export`, `sign_in`, `daily`, `shared`; did you mean `credential`?"
            ),
        ),
    ],
)
def test_a_mistake_is_told(problems_of: ProblemsOf, line: str, problem: str) -> None:
    text = f'name = "shop"\n[limits]\n{line}\n'
    assert problems_of({"headrace.toml": text}) == f"headrace.toml:3:1: {problem}"


def test_every_key_is_in_the_docs() -> None:
    section = PAGE[PAGE.index("### [limits]") : PAGE.index("## Sources")]
    assert re.findall(r"^\| `(\w+)` ", section, re.MULTILINE) == [key.name for key in LIMIT_KEYS]
