"""Limits: takes the table `[limits]` of headrace.toml, gives LimitSettings."""

from __future__ import annotations

import re

from headrace.base.auth_settings import LimitSettings, Rate
from headrace.base.errors import Problem
from headrace.base.names import near_miss
from headrace.pipeline.project.documents import Node, Scalar
from headrace.pipeline.project.keys import Fields, Key, Problems, flag, report, whole_number

_RATE = re.compile(r"(\d{1,7})\s*/\s*([a-z]+)(?:\s+burst\s+(\d{1,7}))?", re.ASCII)
_UNITS = {"s": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
_UNITS |= {"d": 86_400.0, "day": 86_400.0}
_MOST = 1_000_000
_EXPECTED = (
    f"how many in which time, from 1 to {_MOST}, such as `100/s`, `600/min`, `600/min burst 100`"
)


def rate(node: Node, problems: Problems) -> Rate | None:
    """ "100/s": 100 at once, and 100 a second; "600/min burst 20": 20 at once."""
    written = node.text.strip().lower() if isinstance(node, Scalar) else ""
    found = _RATE.fullmatch(written)
    if found and found[2] in _UNITS:
        count, burst = int(found[1]), int(found[3] or found[1])
        if 1 <= count <= _MOST and 1 <= burst <= _MOST:
            return Rate(count, _UNITS[found[2]], burst)
    unknown = found is not None and found[2] not in _UNITS
    report(problems, node, _EXPECTED, near_miss(found[2], _UNITS) if found and unknown else "")
    return None


CREDENTIAL = Key("credential", rate)
TENANT = Key("tenant", rate)
ADDRESS = Key("address", rate)
EXPORT = Key("export", rate)
SIGN_IN = Key("sign_in", rate)
DAILY = Key("daily", whole_number(0))
SHARED = Key("shared", flag)
LIMIT_KEYS = (CREDENTIAL, TENANT, ADDRESS, EXPORT, SIGN_IN, DAILY, SHARED)


def limit_settings(fields: Fields, problems: Problems, *, has_redis: bool) -> LimitSettings:
    """What the table says, with every default filled in.

    Args:
        fields: of the table, read by `LIMIT_KEYS`.
        problems: takes what is wrong.
        has_redis: whether `[serve]` names one.
    """
    shared = fields.get(SHARED, False)
    if shared and not has_redis:
        found = "`shared` is true, and there is no Redis to share the limits by"
        expected = "`redis` under [serve]"
        fix = 'write `redis = "env:REDIS_URL"` there, or take `shared` out'
        problems.append(Problem(fields.place_of(SHARED), found, expected, fix))
    return LimitSettings(
        credential=fields.optional(CREDENTIAL),
        tenant=fields.optional(TENANT),
        address=fields.optional(ADDRESS),
        export=fields.optional(EXPORT),
        sign_in=fields.get(SIGN_IN, LimitSettings().sign_in),
        daily=fields.get(DAILY, 0),
        shared=shared,
    )
