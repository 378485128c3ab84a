"""What a tenant gets of everybody's data is what it gets of a project that holds its own rows only.

Random schemas, policies, endpoints and questions; the tenant "b" asks the same before, so that its
answers are in every cache. `HEADRACE_SOAK=100000` asks for another number of questions.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.serve import ServeSettings, Service, create_app
from tests.acceptance.tenant_projects import TENANTS, TenantProject
from tests.acceptance.tenant_questions import Question, Seen, ask, difference, draw, leak
from tests.projects import Shop, write_files

QUESTIONS = int(os.environ.get("HEADRACE_SOAK", "2000"))
QUESTIONS_A_PROJECT = 500
ROLES = {"a": {"member"}, "b": {"member"}, "c": {"member"}, "head": {"head"}}


@dataclass(frozen=True)
class Opened:
    """A project, served; `keys` has the API key of each tenant."""

    service: Service
    keys: Mapping[str, str]

    async def ask(self, question: Question, tenant: str) -> list[Seen]:
        """What a tenant gets; of nobody, "" is the name."""
        return await ask(self.service, question, self.keys.get(tenant, ""))


@contextmanager
def opened(root: Path, files: dict[str, str]) -> Iterator[Opened]:
    """Build and serve a project."""
    shop = Shop(write_files(root, files))
    shop.run()
    accounts = Accounts.open(shop.store.accounts_path)
    keys = {name: _key(accounts, name) for name in ROLES}
    accounts.close()
    service = create_app(shop.store, shop.environment, ServeSettings(query_processes=False))
    service.refresh()
    try:
        yield Opened(service, keys)
    finally:
        service.close()


def _key(accounts: Accounts, name: str) -> str:
    claims = {"tenant": name} if name in TENANTS else {}
    accounts.add_account(Account(name, roles=frozenset(ROLES[name]), claims=claims))
    secret, entry = new_key("prod")
    accounts.add_key(replace(entry, account=name))
    return secret.reveal()


async def compare(
    all_data: Opened, own: Opened, project: TenantProject, rng: Random, count: int
) -> Counter[str]:
    """Ask `count` questions of both; what they were like. Fails at the first difference."""
    kinds: Counter[str] = Counter()
    for _ in range(count):
        question = draw(rng, rng.choice(project.endpoints))
        others = await all_data.ask(question, "b")
        question = _with_their_tag(rng, question, others)
        for again in range(rng.choice([1, 1, 2])):
            found, expected = await all_data.ask(question, "a"), await own.ask(question, "a")
            wrong = difference(found, expected) or leak(found)
            assert not wrong, f"{question}: {wrong}\n{project.files()}"
            kinds["again"] += again
        kinds[str(found[0].status)] += 1
        kinds["pages"] += len(found) > 1
        kinds["differs from b's"] += found[0].body != others[0].body
        await _compare_edges(all_data, own, question, kinds, rng)
    return kinds


def _with_their_tag(rng: Random, question: Question, others: list[Seen]) -> Question:
    """Sometimes, the question with the tag of somebody else's answer: it must not be `a`'s."""
    tag = others[0].headers.get("etag")
    if tag is None or rng.random() < 0.8:
        return question
    return replace(question, headers={**question.headers, "if-none-match": tag})


async def _compare_edges(
    all_data: Opened, own: Opened, question: Question, kinds: Counter[str], rng: Random
) -> None:
    """Now and then: its own tag, nobody's question, and what there is not."""
    if rng.random() > 0.1:
        return
    plain = replace(question, follows=False)
    [first] = await all_data.ask(plain, "a")
    if (tag := first.headers.get("etag")) is not None:
        known = replace(plain, headers={**plain.headers, "if-none-match": tag})
        [same] = await all_data.ask(known, "a")
        assert (same.status, same.body) == (304, b""), known
        kinds["304"] += 1
    for each in (all_data, own):
        [nobody] = await each.ask(plain, "")
        assert nobody.status == 401
        [missing] = await each.ask(Question("/no/such/thing"), "a")
        assert missing.status == 404
        assert not leak([nobody, missing])


def test_a_tenant_gets_what_there_would_be_without_the_others(tmp_path: Path) -> None:
    rng = Random(13)
    kinds: Counter[str] = Counter()
    for number in range(0, QUESTIONS, QUESTIONS_A_PROJECT):
        project = TenantProject.of(rng)
        count = min(QUESTIONS_A_PROJECT, QUESTIONS - number)
        with (
            opened(tmp_path / f"all-{number}", project.files()) as all_data,
            opened(tmp_path / f"own-{number}", project.files("a")) as own,
        ):
            kinds += asyncio.run(compare(all_data, own, project, rng, count))
    wanted = ("200", "422", "pages", "again", "304", "differs from b's")
    assert all(kinds[kind] for kind in wanted), kinds
