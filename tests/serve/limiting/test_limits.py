"""What anybody may ask: whose limits a request meets, what is said of them, and who is refused."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import dataclass, field, replace

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from headrace.base.access import ANONYMOUS, Principal
from headrace.base.auth_settings import LimitSettings, Rate
from headrace.base.clock import SetClock
from headrace.base.errors import UsageError
from headrace.serve import ServeSettings
from headrace.serve.answering.answers import Answer, Head, Headers, send_answer
from headrace.serve.answering.problems import Refused
from headrace.serve.limiting.limits import Limits, RouteClass
from headrace.serve.limiting.quotas import DailyQuotas
from headrace.serve.settings import shared
from tests.serve.load import Ledger, ask

SECOND = 1_000_000_000
ANNA = Principal("user:anna", credential="key:1", claims={"tenant": "north"})
BEN = Principal("user:ben", credential="key:2", claims={"tenant": "north"})
CARL = Principal("user:carl", credential="key:3", claims={"tenant": "south"})
ONE = Rate(1, 60.0, 1)
TWO = Rate(2, 60.0, 2)


@dataclass
class Asking:
    """Limits with a clock of a test's choice."""

    settings: LimitSettings
    processes: int = 1
    quotas: DailyQuotas | None = None
    now: int = 0
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        settings = shared(ServeSettings(limits=self.settings), self.processes)
        self.limits = Limits(settings, self.quotas, monotonic=lambda: self.now)

    def ask(
        self, who: Principal, address: str = "192.0.2.1", route_class: RouteClass = "data"
    ) -> dict[str, str] | Refused | None:
        found = self.limits.quick(who, address, route_class)
        if isinstance(found, list):
            return {name.decode(): value.decode() for name, value in found}
        return found

    def let_through(self, *asked: tuple[Principal, str, RouteClass]) -> list[bool]:
        return [not isinstance(self.ask(*each), Refused) for each in asked]


def test_without_limits_nothing_is_asked_or_said() -> None:
    asking = Asking(LimitSettings())
    assert not asking.limits.applies
    assert asking.ask(ANNA) is None


def test_every_limited_answer_says_what_is_left() -> None:
    asking = Asking(LimitSettings(credential=Rate(100, 1.0, 50), tenant=Rate(600, 60.0, 600)))
    assert asking.ask(ANNA) == {
        "ratelimit-policy": '"credential";q=100;w=1, "tenant";q=600;w=60',
        "ratelimit": '"credential";r=49;t=1, "tenant";r=599;t=1',
    }


def test_a_refusal_says_when_to_come_back() -> None:
    asking = Asking(LimitSettings(credential=ONE))
    asking.ask(ANNA)
    asking.now = 10 * SECOND
    refused = asking.ask(ANNA)
    assert isinstance(refused, Refused)
    body = json.loads(refused.answer.body)
    instance = body.pop("instance")
    assert body == {
        "type": "urn:headrace:problem:rate-limit",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many requests of this credential; try again in 50 s.",
    }
    assert refused.answer.headers == {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "X-Request-Id": instance.removeprefix("urn:uuid:"),
        "Retry-After": "50",
        "ratelimit-policy": '"credential";q=1;w=60',
        "ratelimit": '"credential";r=0;t=50',
    }
    asking.now = 60 * SECOND
    assert not isinstance(asking.ask(ANNA), Refused)


def test_a_credential_has_its_own_limit_wherever_it_comes_from() -> None:
    asking = Asking(LimitSettings(credential=ONE, address=ONE))
    asked = [(ANNA, "192.0.2.1"), (ANNA, "192.0.2.2"), (BEN, "192.0.2.1")]
    assert asking.let_through(*((who, at, "data") for who, at in asked)) == [True, False, True]


def test_two_subjects_of_one_issuer_are_two_credentials() -> None:
    asking = Asking(LimitSettings(credential=ONE))
    one = Principal("https://idp|1", credential="token:https://idp")
    two = Principal("https://idp|2", credential="token:https://idp")
    asked: list[tuple[Principal, str, RouteClass]] = [(who, "", "data") for who in (one, two, one)]
    assert asking.let_through(*asked) == [True, True, False]


def test_a_tenant_has_one_limit_for_all_of_its_credentials() -> None:
    asking = Asking(LimitSettings(tenant=TWO))
    asked: list[tuple[Principal, str, RouteClass]] = [
        (who, "", "data") for who in (ANNA, BEN, CARL, ANNA)
    ]
    assert asking.let_through(*asked) == [True, True, True, False]


def test_nobody_known_is_limited_by_address() -> None:
    asking = Asking(LimitSettings(credential=TWO, address=ONE))
    addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]
    assert asking.let_through(*((ANONYMOUS, each, "data") for each in addresses)) == [
        *(True, False, True, True, False)
    ]


def test_exports_have_a_limit_beside_the_others() -> None:
    asking = Asking(LimitSettings(credential=Rate(9, 60.0, 9), export=ONE))
    classes: list[RouteClass] = ["data", "export", "export", "data"]
    asked = [(ANNA, "", each) for each in classes]
    assert asking.let_through(*asked) == [True, True, False, True]
    assert Asking(LimitSettings(export=ONE)).ask(ANNA) is None
    anonymous = Asking(LimitSettings(export=ONE))
    at = [(ANONYMOUS, each, classes[1]) for each in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert anonymous.let_through(*at) == [True, False, True]


def test_what_one_limit_refuses_is_taken_from_no_other() -> None:
    asking = Asking(LimitSettings(credential=TWO, tenant=ONE))
    assert asking.let_through((ANNA, "", "data"), (BEN, "", "data")) == [True, False]
    asking.now = 60 * SECOND
    found = asking.ask(BEN)
    assert isinstance(found, dict)
    assert found["ratelimit"] == '"credential";r=1;t=30, "tenant";r=0;t=60'


def test_processes_share_what_is_meant_for_all_of_them() -> None:
    settings = LimitSettings(credential=Rate(100, 1.0, 100))
    own = [Asking(settings, processes=4) for _ in range(4)]
    through = sum(not isinstance(each.ask(ANNA), Refused) for each in own for _ in range(100))
    assert through == 100
    for each in own:
        each.now = 10 * SECOND
    for now in range(10 * SECOND, 20 * SECOND + 1, SECOND // 200):
        for each in own:
            each.now = now
            through += not isinstance(each.ask(ANNA), Refused)
    assert through == 100 + 100 + 1000


@pytest.fixture
def quotas(clock: SetClock) -> DailyQuotas:
    return DailyQuotas(None, clock, 3, flush_seconds=60)


def test_a_day_has_so_many_requests(quotas: DailyQuotas) -> None:
    asking = Asking(LimitSettings(daily=3), quotas=quotas)
    assert asking.ask(ANNA) == {
        "ratelimit-policy": '"daily";q=3;w=86400',
        "ratelimit": '"daily";r=2;t=43200',
    }
    asked: list[tuple[Principal, str, RouteClass]] = [(ANNA, "", "data")] * 3
    assert asking.let_through(*asked) == [True, True, False]
    refused = asking.ask(ANNA)
    assert isinstance(refused, Refused)
    assert (refused.answer.status, refused.answer.headers["Retry-After"]) == (429, "43200")
    assert json.loads(refused.answer.body)["detail"] == (
        "The requests of this credential for this UTC day are used up; try again in 43200 s."
    )
    assert asking.ask(ANONYMOUS) is None


def test_what_a_rate_refuses_is_not_of_the_day(quotas: DailyQuotas) -> None:
    asking = Asking(LimitSettings(credential=ONE, daily=3), quotas=quotas)
    asked: list[tuple[Principal, str, RouteClass]] = [(ANNA, "", "data")] * 9
    assert sum(asking.let_through(*asked)) == 1
    assert quotas.left("key:1 user:anna")[0] == 2


def test_the_slow_path_says_the_same(quotas: DailyQuotas) -> None:
    settings = LimitSettings(credential=TWO, export=ONE, daily=3)
    quick, slow = Asking(settings, quotas=quotas), Asking(settings)
    slow.limits = Limits(
        ServeSettings(limits=settings),
        DailyQuotas(None, quotas._clock, 3, flush_seconds=60),
        monotonic=lambda: 0,
    )

    async def checked(route_class: RouteClass) -> object:
        try:
            return await slow.limits.check(ANNA, "", route_class)
        except Refused as refused:
            return refused.answer.headers["ratelimit"]

    classes: list[RouteClass] = ["export", "export", "data", "data"]
    for route_class in classes:
        found = quick.limits.quick(ANNA, "", route_class)
        expected = found.answer.headers["ratelimit"] if isinstance(found, Refused) else found
        assert asyncio.run(checked(route_class)) == expected


# Signing in


def signed_in(asking: Asking, address: str, account: str) -> str:
    """When to try again; "" for an attempt that may be made."""
    try:
        asyncio.run(asking.limits.sign_in(address, account))
    except Refused as refused:
        return refused.answer.headers["Retry-After"]
    return ""


def test_attempts_to_sign_in_are_limited_without_any_settings() -> None:
    asking = Asking(LimitSettings())
    found = [signed_in(asking, "192.0.2.1", f"user{number}") for number in range(11)]
    assert found == [""] * 10 + ["6"]


def test_an_account_is_guarded_against_many_addresses() -> None:
    """However its name is written."""
    asking = Asking(LimitSettings(sign_in=TWO))
    names = ["anna", "Anna", "ANNA"]
    found = [signed_in(asking, f"192.0.2.{number}", name) for number, name in enumerate(names)]
    assert found == ["", "", "30"]
    assert signed_in(asking, "192.0.2.2", "ben") == ""


def test_a_refused_attempt_locks_nobody_out_for_longer() -> None:
    asking = Asking(LimitSettings(sign_in=ONE))
    signed_in(asking, "192.0.2.1", "anna")
    assert [signed_in(asking, "192.0.2.1", "ben") for _ in range(9)] == ["60"] * 9
    assert signed_in(asking, "192.0.2.2", "ben") == ""


def test_a_refusal_to_sign_in_does_not_say_whether_there_is_an_account() -> None:
    asking = Asking(LimitSettings(sign_in=ONE))
    signed_in(asking, "192.0.2.1", "anna")

    async def detail(address: str, account: str) -> str:
        with pytest.raises(Refused) as caught:
            await asking.limits.sign_in(address, account)
        found: str = json.loads(caught.value.answer.body)["detail"]
        return found

    texts = {
        asyncio.run(detail("192.0.2.1", "nobody")),
        asyncio.run(detail("192.0.2.9", "anna")),
    }
    assert texts == {"Too many attempts to sign in; try again in 60 s."}


def test_shared_limits_need_a_redis(clock: SetClock) -> None:
    settings = ServeSettings(limits=LimitSettings(shared=True))
    with pytest.raises(UsageError) as caught:
        Limits.of(settings, clock)
    assert str(caught.value) == (
        "headrace.toml: `shared` under [limits] is true, and there is no `redis` under [serve]; "
        "expected one to share the limits by; add it, or take `shared` out"
    )


def test_many_clients_of_a_real_server_get_the_burst_and_the_rate_and_no_more() -> None:
    """Twenty connections, as fast as they can."""
    rate, let_through = Rate(200, 1.0, 100), list[float]()
    limits = Limits(ServeSettings(limits=LimitSettings(address=rate)))

    async def application(scope: Scope, _: Receive, send: Send) -> None:
        try:
            headers = await limits.check(ANONYMOUS, scope["client"][0], "data")
            let_through.append(time.monotonic())
            answer = Answer(200)
        except Refused as refused:
            headers, answer = [], refused.answer
        await send_answer(replace(answer, head=_head(headers)), scope["method"], send)

    async def main(listener: socket.socket) -> Ledger:
        config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none")
        server, ledger = uvicorn.Server(config), Ledger()
        serving = asyncio.create_task(server.serve([listener]))
        end = time.monotonic() + 1.5
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await ask(ledger, url, "/", 20, lambda: time.monotonic() > end)
        server.should_exit = True
        await serving
        return ledger

    with socket.create_server(("127.0.0.1", 0)) as listener:
        ledger = asyncio.run(main(listener))
    most = rate.burst + rate.count * (let_through[-1] - let_through[0])
    assert 0.9 * most <= len(let_through) <= most + 1
    assert ledger.statuses.keys() == {200, 429}
    assert ledger.statuses[200] == len(let_through)
    assert ledger.failures == []


def _head(headers: Headers) -> Head:
    return Head({name.decode(): value.decode() for name, value in headers})
