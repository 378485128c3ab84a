"""How much anybody may ask: takes who asks for what, gives headers that say what is left, or a
refusal.

Ask once for each request, whether it is answered the quick way or the slow way, and for each call
of a batch: what is let through is counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Literal, NamedTuple, Protocol, TypeAlias

from headrace.auth.limits import Limiter, Pace, Verdict, address_key, shared_out
from headrace.base.access import Principal
from headrace.base.auth_settings import Rate
from headrace.base.clock import Clock
from headrace.base.errors import UsageError
from headrace.serve.answering.answers import Headers
from headrace.serve.answering.problems import Refused, problem
from headrace.serve.caching.second_level import redis_url
from headrace.serve.formats.forms import Form
from headrace.serve.limiting.quotas import DailyQuotas
from headrace.serve.settings import ServeSettings
from headrace.store.store import Store

RouteClass: TypeAlias = Literal["data", "export"]
"""What is asked for: "export" is an answer in a file format, "data" everything else."""


def route_class(form: Form) -> RouteClass:
    """What an answer in a format counts as."""
    return "export" if form.is_file else "data"


_DAY_SECONDS = 86_400
_DIGEST_BYTES = 16


class Shared(Protocol):
    """Limits that several servers share: see `limiting_redis`."""

    @property
    def is_away(self) -> bool:
        """Whether there is no verdict to be had now."""
        ...

    async def take(self, asked: Sequence[tuple[str, Pace]]) -> list[Verdict] | None:
        """Take one request of every key, if it fits all of them; None for no verdict."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class Limit:
    """One limit by its name: for all servers together, and what this process may let through."""

    __slots__ = ("name", "own", "own_policy", "pace", "policy", "said", "state")

    def __init__(self, name: str, said: str, rate: Rate, processes: int) -> None:
        """Nobody has asked yet; `said` is whose limit it is, for people."""
        own = shared_out(rate, processes)
        self.name = name
        self.said = said
        self.pace = Pace.of(rate)
        self.own = Limiter(own)
        self.policy = _policy(name, rate)
        self.own_policy = _policy(name, own)
        self.state = _state(name)


class _Asked(NamedTuple):
    """One limit that a request meets, and whose it is."""

    limit: Limit
    key: str


class Limits:
    """All limits of a server process; one event loop uses it.

    Attributes:
        applies: whether any request to data is limited; when not, ask nothing.
        by_address: whether one without a credential is.
    """

    def __init__(
        self,
        settings: ServeSettings,
        quotas: DailyQuotas | None = None,
        shared: Shared | None = None,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Use `of`; `monotonic` gives nanoseconds of a clock that never goes back."""
        given = settings.limits

        def limit(name: str, said: str, rate: Rate | None) -> Limit | None:
            return Limit(name, said, rate, settings.processes) if rate is not None else None

        self._credential = limit("credential", "this credential", given.credential)
        self._tenant = limit("tenant", "this tenant", given.tenant)
        self._address = limit("address", "this address", given.address)
        self._export = limit("export", "exports", given.export)
        self._sign_in = (
            Limit("sign-in-address", "signing in", given.sign_in, settings.processes),
            Limit("sign-in-account", "signing in", given.sign_in, settings.processes),
        )
        self._quotas = quotas
        self._shared = shared
        self._monotonic = monotonic
        rated = (self._credential, self._tenant, self._address, self._export)
        self.by_address = self._address is not None or self._export is not None
        self.applies = quotas is not None or any(each is not None for each in rated)

    @classmethod
    def of(cls, settings: ServeSettings, clock: Clock, store: Store | None = None) -> Limits:
        """The limits that the settings ask for. Connects to nothing yet: see `start`.

        Args:
            settings: of one server process; `processes` says how many share.
            clock: tells the day.
            store: whose operations record keeps what daily limits have counted.

        Raises:
            UsageError: limits are to be shared, and there is no Redis, or no client of it.
        """
        most = settings.limits.daily
        quotas = DailyQuotas(store, clock, most, settings.count_seconds) if most else None
        return cls(settings, quotas, _shared(settings) if settings.limits.shared else None)

    @property
    def is_quick(self) -> bool:
        """Whether `quick` may be asked; else only `check`: other servers are to be asked."""
        return self._shared is None or self._shared.is_away

    def start(self) -> None:
        """Read what daily limits have counted; blocks."""
        if self._quotas is not None:
            self._quotas.start()

    async def close(self) -> None:
        """Record what was counted, and give everything back."""
        if self._quotas is not None:
            await asyncio.to_thread(self._quotas.close)
        if self._shared is not None:
            await self._shared.close()

    def quick(
        self, principal: Principal, address: str, route_class: RouteClass
    ) -> Headers | Refused | None:
        """Take one request by what this process knows.

        Args:
            principal: who asks.
            address: of the client, as far as trusted proxies say.
            route_class: what is asked for.

        Returns:
            Headers of the answer; None when no limit is met; Refused, to be raised or answered.
        """
        credential = _credential(principal)
        asked = self._asked(principal, credential, address, route_class)
        if not asked and not (self._quotas and credential):
            return None
        if refused := self._over_quota(credential):
            return refused
        return self._settled(asked, self._own(asked), credential, shared=False)

    async def check(self, principal: Principal, address: str, route_class: RouteClass) -> Headers:
        """Take one request, with all servers that share the limits; arguments as of `quick`.

        Raises:
            Refused: 429, with Retry-After.
        """
        if self._shared is None or self._shared.is_away or not self.applies:
            found = self.quick(principal, address, route_class)
        else:
            found = await self._checked(self._shared, principal, address, route_class)
        if isinstance(found, Refused):
            raise found
        return found or []

    async def sign_in(self, address: str, account: str) -> None:
        """Take one attempt to sign in; ask before anything costly, whether or not there is one.

        Args:
            address: of the client.
            account: whose name was given, as it was given.

        Raises:
            Refused: 429, with Retry-After: too many from the address, or for the account.
        """
        # A name may be as long as a body.
        name = hashlib.blake2b(
            account.casefold().encode("utf-8", "replace"), digest_size=_DIGEST_BYTES
        )
        keys = (address_key(address), name.hexdigest())
        asked = [_Asked(limit, key) for limit, key in zip(self._sign_in, keys, strict=True)]
        verdicts = None if self._shared is None else await self._take(self._shared, asked)
        verdicts = verdicts or self._own(asked)
        if not all(each.allowed for each in verdicts):
            wait = max(1, math.ceil(max(each.retry_after_seconds for each in verdicts)))
            detail = f"Too many attempts to sign in; try again in {wait} s."
            headers = {"Retry-After": str(wait)}
            raise Refused(problem(429, detail, kind="sign-in-limit", headers=headers))

    def _asked(
        self, principal: Principal, who: str, address: str, route_class: RouteClass
    ) -> list[_Asked]:
        """The limits that a request meets; `who` is its credential, "" for none."""
        asked: list[_Asked] = []
        if not who:
            who = address_key(address)
            if self._address is not None:
                asked.append(_Asked(self._address, who))
        else:
            if self._credential is not None:
                asked.append(_Asked(self._credential, who))
            if self._tenant is not None and (tenant := principal.tenant):
                asked.append(_Asked(self._tenant, tenant))
        if route_class == "export" and self._export is not None:
            asked.append(_Asked(self._export, who))
        return asked

    def _own(self, asked: list[_Asked]) -> list[Verdict]:
        """Take one request of this process's part of every limit, if it fits all of them."""
        now = self._monotonic()
        if len(asked) > 1:
            looked = [each.limit.own.look(each.key, now) for each in asked]
            if not all(each.allowed for each in looked):
                return looked
        return [each.limit.own.take(each.key, now) for each in asked]

    async def _checked(
        self, shared: Shared, principal: Principal, address: str, route_class: RouteClass
    ) -> Headers | Refused | None:
        credential = _credential(principal)
        asked = self._asked(principal, credential, address, route_class)
        if refused := self._over_quota(credential):
            return refused
        verdicts = await self._take(shared, asked)
        if verdicts is None:
            return self._settled(asked, self._own(asked), credential, shared=False)
        # Others of this credential may have been let through meanwhile.
        return self._over_quota(credential) or self._settled(
            asked, verdicts, credential, shared=True
        )

    async def _take(self, shared: Shared, asked: list[_Asked]) -> list[Verdict] | None:
        """Take it from all servers together; None for no verdict."""
        if not asked:
            return []
        keys = [(f"{each.limit.name} {each.key}", each.limit.pace) for each in asked]
        verdicts = await shared.take(keys)
        if verdicts is not None and all(each.allowed for each in verdicts):
            # So that nobody has a fresh burst when the others can be asked no more.
            self._own(asked)
        return verdicts

    def _settled(
        self, asked: list[_Asked], verdicts: list[Verdict], credential: str, *, shared: bool
    ) -> Headers | Refused | None:
        """The headers that say what is left, and the refusal where there is nothing."""
        policies = [each.limit.policy if shared else each.limit.own_policy for each in asked]
        states = [
            each.limit.state % (verdict.remaining, math.ceil(verdict.reset_seconds))
            for each, verdict in zip(asked, verdicts, strict=True)
        ]
        over = [each for each, verdict in zip(asked, verdicts, strict=True) if not verdict.allowed]
        if self._quotas is not None and credential:
            policies.append(_daily_policy(self._quotas))
            left, seconds = self._quotas.left(credential)
            if not over:
                self._quotas.take(credential)
                left -= 1
            states.append(_DAILY_STATE % (left, math.ceil(seconds)))
        if not policies:
            return None
        headers = [
            (b"ratelimit-policy", b", ".join(policies)),
            (b"ratelimit", b", ".join(states)),
        ]
        if over:
            wait = max(verdict.retry_after_seconds for verdict in verdicts)
            return _refused(
                f"Too many requests of {over[0].limit.said}", "rate-limit", wait, headers
            )
        return headers

    def _over_quota(self, credential: str) -> Refused | None:
        quotas = self._quotas
        if quotas is None or not credential:
            return None
        left, seconds = quotas.left(credential)
        if left:
            return None
        headers = [
            (b"ratelimit-policy", _daily_policy(quotas)),
            (b"ratelimit", _DAILY_STATE % (0, math.ceil(seconds))),
        ]
        said = "The requests of this credential for this UTC day are used up"
        return _refused(said, "daily-limit", seconds, headers)


def _credential(principal: Principal) -> str:
    """What a limit of a credential is for: of a token, its subject; "" for nobody known."""
    return f"{principal.credential} {principal.id}" if principal.id else ""


def _refused(said: str, kind: str, wait_seconds: float, headers: Headers) -> Refused:
    wait = max(1, math.ceil(wait_seconds))
    shown = {name.decode(): value.decode() for name, value in headers}
    detail = f"{said}; try again in {wait} s."
    return Refused(problem(429, detail, kind=kind, headers={"Retry-After": str(wait), **shown}))


def _policy(name: str, rate: Rate) -> bytes:
    """A limit as the header RateLimit-Policy has it (draft-ietf-httpapi-ratelimit-headers-11)."""
    return b'"%s";q=%d;w=%d' % (name.encode(), rate.count, max(1, round(rate.seconds)))


def _daily_policy(quotas: DailyQuotas) -> bytes:
    return b'"daily";q=%d;w=%d' % (quotas.most, _DAY_SECONDS)


def _state(name: str) -> bytes:
    """What is left of a limit, as the header RateLimit has it: with room for both numbers."""
    return b'"%s";r=%%d;t=%%d' % name.encode()


_DAILY_STATE = _state("daily")


def _shared(settings: ServeSettings) -> Shared:
    if not settings.redis:
        raise UsageError(
            "headrace.toml: `shared` under [limits] is true, and there is no `redis` under [serve];"
            " expected one to share the limits by; add it, or take `shared` out"
        )
    url = redis_url(settings.redis, os.environ)
    try:
        # Only now: serving without a Redis must not need, nor load, its client.
        limiting_redis = import_module("headrace.serve.limiting.shared")
    except ModuleNotFoundError as exc:
        raise UsageError(
            f"headrace.toml: `shared` under [limits]: the client of Redis is not installed; "
            f"expected the package `{exc.name}`; install it: pip install 'headrace[redis]'"
        ) from exc
    shared: Shared = limiting_redis.SharedLimits(url, settings.project)
    return shared
