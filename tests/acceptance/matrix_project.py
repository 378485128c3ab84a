"""A project with every kind of access, and everybody who asks for it: gives a published store, and
what each sends to prove who they are.

Each order has a mark, `mark-1` to `mark-4`: whoever has it in an answer has seen the row. The rows
of the franchise `south` hold a canary besides, and e-mail addresses are for analysts alone.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import jwt

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account
from headrace.auth.signing_in.passwords import Passwords
from headrace.base.secrets import Secret
from headrace.console import Console
from headrace.serve import ServeSettings, create_app
from headrace.serve.app import Service
from headrace.serve.editions.watching import Watcher
from headrace.serve.gate import COOKIE
from headrace.serve.signing_in.face import SigningIn
from headrace.store.store import Store
from tests.acceptance import credentials
from tests.acceptance.asgi import ask
from tests.acceptance.credentials import Headers, Named, bearer, key_id
from tests.projects import Shop
from tests.tenants import CANARY, TENANTS, write_files

_SELLERS = "access: [analyst, store_manager, franchisee]"
_ROWS = """\
rows:
  store_manager: store_id = $auth.store_id
  franchisee: franchise = $auth.tenant
  analyst: all
"""
FILES = TENANTS | {
    "data/orders.csv": f"""\
        order_id,store_id,franchise,day,amount,email,mark
        1,10,north,2024-01-01,4.50,a@north.example,mark-1
        2,10,north,2024-01-02,3.00,b@north.example,mark-2
        3,11,south,2024-01-02,7.25,c@south.example,mark-3 {CANARY}
        4,12,north,2024-01-03,1.00,d@north.example,mark-4
        """,
    "data/secrets.csv": "secret\nfirst\nsecond\n",
    "sources/secrets.yaml": "files: data/secrets.csv\nrows: {public: the vault is the lock}\n"
    "columns: {secret: text}\n",
    "sources/orders.yaml": f"""\
files: data/orders.csv
{_ROWS}
columns:
  order_id: bigint
  store_id: int
  franchise: text
  day: date
  amount: {{type: "decimal(12,2)", min: 0}}
  email: {{type: text, access: [analyst], hide: masked}}
  mark: text
""",
    "models/daily.sql": f"""\
/*
key: [store_id, day]
{_ROWS}*/
SELECT store_id, franchise, day, sum(amount) AS revenue, min(mark) AS mark
FROM orders GROUP BY ALL
""",
    "endpoints/revenue.sql": f"""\
        /*
        path: /stores/{{store_id}}/revenue
        {_SELLERS}
        */
        SELECT day, revenue, mark FROM daily WHERE store_id = $store_id ORDER BY day
        """,
    "endpoints/orders.sql": f"""\
        /*
        {_SELLERS}
        filters: [store_id]
        sort: [order_id]
        */
        SELECT order_id, store_id, email, mark FROM orders ORDER BY order_id
        """,
    "endpoints/own.sql": "/* access: authenticated */\nSELECT mark FROM orders ORDER BY mark\n",
    "endpoints/reports.sql": "/* access: {roles: [analyst], scopes: [reports:read]} */\n"
    "SELECT mark FROM orders ORDER BY mark\n",
    "endpoints/scoped.sql": "/* access: {scopes: [reports:read]} */\n"
    "SELECT mark FROM orders ORDER BY mark\n",
    "endpoints/vault.sql": "/* access: [auditor] */\nSELECT secret FROM secrets ORDER BY secret\n",
    "endpoints/mine.py": """\
        from fastapi import APIRouter
        from headrace.serve import PrincipalDep, SnapshotDep

        access = ["store_manager", "analyst"]
        router = APIRouter()

        @router.get("/mine")
        def mine(data: SnapshotDep, who: PrincipalDep) -> dict[str, object]:
            return {"who": who.id, "orders": data.query("SELECT mark, email FROM orders")}

        @router.post("/mine")
        def post() -> dict[str, object]:
            return {}
        """,
    # Of two routers with one path, the first and the second is the more open one.
    "endpoints/shared_1.py": """\
        from fastapi import APIRouter

        access = "public"
        router = APIRouter()

        @router.post("/shared")
        def post() -> dict[str, object]:
            return {}
        """,
    "endpoints/shared_2.py": """\
        from fastapi import APIRouter

        access = ["auditor"]
        router = APIRouter()

        @router.get("/shared")
        def shared() -> dict[str, object]:
            return {}

        @router.get("/split")
        def split() -> dict[str, object]:
            return {}

        @router.post("/orders")
        def order() -> dict[str, object]:
            return {}
        """,
    "endpoints/shared_3.py": """\
        from fastapi import APIRouter

        access = "public"
        router = APIRouter()

        @router.post("/split")
        def post() -> dict[str, object]:
            return {}
        """,
}
"""As it is published first; `NEWER` is what changes afterwards."""

NEWER = {
    "data/secrets.csv": "secret\nfirst\nsecond\nthird\n",
    "endpoints/vault.sql": "/* access: [auditor, analyst] */\n"
    "SELECT secret FROM secrets ORDER BY secret\n",
    "sources/orders.yaml": FILES["sources/orders.yaml"].replace(
        "store_id = $auth.store_id", "store_id = $auth.store_id AND amount > 0"
    ),
}

PASSWORD = "ferry copper lantern ridge"
# What a page of ours sends.
OWN_PAGE: Headers = [("sec-fetch-site", "same-origin")]
_JSON: Headers = [("content-type", "application/json")]
_FORM: Headers = [*OWN_PAGE, ("content-type", "application/x-www-form-urlencoded")]

_PEOPLE = (
    Account("ada", roles=frozenset({"analyst"})),
    Account("gina", groups=frozenset({"analysts"})),
    Account("maria", roles=frozenset({"store_manager"}), claims={"store_id": 10}),
    Account("sven", roles=frozenset({"store_manager"}), claims={"store_id": 11}),
    Account("nora", roles=frozenset({"franchisee"}), claims={"tenant": "north"}),
    Account("sofia", roles=frozenset({"franchisee"}), claims={"tenant": "south"}),
    Account("vera", roles=frozenset({"auditor"})),
    Account("root", roles=frozenset({"admin"})),
    Account("plain"),
    Account("loader", "service", roles=frozenset({"analyst"})),
    # Those who do not stay.
    *(
        Account(name, roles=frozenset({"analyst", "admin"}))
        for name in ("gone", "left", "moved", "late", "leaving", "leftout", "demoted")
    ),
)


@dataclass(frozen=True)
class Matrix:
    """A published store and everybody who asks; `read` finds it again beside the store.

    Attributes:
        root: of the project.
        known: name -> headers of those who are somebody.
        nobody: of those who are nobody, and may have what is public.
        bad: of those whose credential proves nothing.
        late: of those whose credential ends while it is served.
        cursors: endpoint's path -> a cursor of the snapshot before the newest.
    """

    root: Path
    known: Named
    nobody: Named
    bad: Named
    late: Named
    cursors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Matrix:
        """What `build` has left in a folder, or in the one that this is a copy of."""
        return cls(root, **json.loads((root / "matrix.json").read_text()))

    def copied(self, to: Path) -> Matrix:
        """A copy, which may be changed."""
        return Matrix.read(Path(shutil.copytree(self.root, to)))

    @property
    def store(self) -> Store:
        """The project's store."""
        return Shop(self.root).store

    def serve(self) -> Service:
        """A service over the store, with every face of headrace."""
        settings = ServeSettings(
            auth=credentials.issuers(self.root),
            query_processes=False,
            count_calls=False,
            project="matrix",
        )
        service = create_app(self.store, "prod", settings, _pages)
        service.refresh()
        return service

    def asked(self, question: Callable[[Service], Awaitable[None]]) -> None:
        """Serve, and ask."""
        service = self.serve()
        try:
            asyncio.run(_awaited(question(service)))
        finally:
            service.close()


def build(root: Path) -> Matrix:
    """Publish the project twice, let in whoever may be let in, and take it from some of them."""
    shop = Shop(write_files(root, FILES))
    shop.run()
    _add_people(shop.store)
    credentials.publish_keys(root)
    known, bad, late = credentials.keys(shop.store)
    matrix = Matrix(root, known | credentials.tokens(), {"nothing": []}, bad, late)
    matrix.asked(lambda service: _sign_in(service, matrix))
    matrix.asked(lambda service: _forge(service, matrix))
    _take_away(shop.store, late.pop("of a program"))
    matrix.asked(lambda service: _turn_pages(service, matrix))
    bad |= credentials.bad_tokens() | credentials.bad_forms(matrix.known)
    write_files(root, NEWER)
    shop.run()
    state = asdict(matrix)
    del state["root"]
    (root / "matrix.json").write_text(json.dumps(state))
    return matrix


def _pages(signing_in: SigningIn, watcher: Watcher) -> Console:
    return Console(signing_in, watcher, "matrix")


async def _awaited(question: Awaitable[None]) -> None:
    await question


def _add_people(store: Store) -> None:
    hashed = Passwords().hash(Secret(PASSWORD))
    with closing(Accounts.open(store.accounts_path)) as accounts:
        for each in _PEOPLE:
            accounts.add_account(each, "" if each.kind == "service" else hashed)
        accounts.set_group("analysts", ["analyst"])


async def _sign_in(service: Service, matrix: Matrix) -> None:
    """Have what headrace gives to those who sign in."""

    async def own(headers: Headers, **body: str) -> Headers:
        answer = await ask(
            service, "POST", "/auth/token", [*headers, *_JSON], json.dumps(body).encode()
        )
        assert answer.status == 200, answer
        return bearer(json.loads(answer.body)["access_token"])

    async def session(name: str) -> Headers:
        form = urlencode({"name": name, "password": PASSWORD}).encode()
        answer = await ask(service, "POST", "/auth/sign-in", _FORM, form)
        cookie = answer.header("set-cookie").partition(";")[0]
        assert cookie.startswith(f"{COOKIE}="), answer
        return [("cookie", cookie)]

    program = {"grant_type": "client_credentials"}
    matrix.known["own token of ada"] = await own([], name="ada", password=PASSWORD)
    matrix.known["own token of loader"] = await own(matrix.known["loader"], **program)
    matrix.known["session of ada"] = await session("ada")
    matrix.known["session of root"] = await session("root")
    matrix.bad["own token of the disabled"] = await own([], name="left", password=PASSWORD)
    matrix.bad["own token of who has changed"] = await own([], name="moved", password=PASSWORD)
    matrix.bad["own token of a revoked key"] = await own(matrix.late["of a program"], **program)
    matrix.nobody["session of the disabled"] = await session("left")
    matrix.nobody["session of who has changed"] = await session("moved")
    matrix.nobody["no session"] = [("cookie", "__Host-headrace=" + "x" * 43)]
    matrix.nobody["two sessions"] = matrix.known["session of ada"] * 2


async def _forge(service: Service, matrix: Matrix) -> None:
    """Tokens that nobody was given, by the key of headrace itself."""
    tokens = next(each for each in service._doors.faces if isinstance(each, SigningIn)).tokens
    accounts = tokens.directory.now.accounts
    now = int(tokens.clock.now().timestamp())

    def forged(account: str, sub: str, key: str = "", kid: str = "") -> Headers:
        about = {"iss": tokens.name, "aud": tokens.name, "iat": now, "exp": now + 900}
        claims = {**about, "sub": sub, "epoch": accounts[account].epoch}
        signing = tokens.keys.signing()
        headers = {"typ": "at+jwt", "kid": kid or signing.kid}
        text = jwt.encode(
            {**claims, "key": key} if key else claims, signing.private(), "EdDSA", headers
        )
        return bearer(text)

    matrix.bad["own token of another kind"] = forged("ada", "service:ada")
    matrix.bad["own token of a stranger"] = forged("ada", "user:stranger")
    matrix.bad["own token of no key"] = forged("loader", "service:loader", "x" * 12)
    matrix.bad["own token of no signing key"] = forged("ada", "user:ada", kid="none")
    of_ada = key_id(matrix.known["ada"])
    matrix.bad["own token of another's key"] = forged("loader", "service:loader", of_ada)


async def _turn_pages(service: Service, matrix: Matrix) -> None:
    """Have cursors that lead on in what is published now."""
    for path, who in (("/orders", "ada"), ("/vault", "vera")):
        answer = await ask(service, "GET", f"{path}?limit=1", matrix.known[who])
        matrix.cursors[path] = answer.header("link").partition("cursor=")[2].partition(">")[0]
        assert matrix.cursors[path], answer


def _take_away(store: Store, program: Headers) -> None:
    with closing(Accounts.open(store.accounts_path)) as accounts:
        accounts.disable("gone")
        accounts.disable("left")
        accounts.change_account("moved", roles=["analyst"])
        accounts.revoke_key(key_id(program))
