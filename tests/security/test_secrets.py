"""Planted secrets are nowhere but where they belong: in no log, answer, error, plan or stored file.

Each is looked for as it is, and as base64, URL-encoded and hexadecimal, in everything that commands
print, that a server answers and logs, and that lies in the project's folder afterwards.
"""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.bootstrap import new_bootstrap_token
from headrace.auth.accounts.directory import Account
from headrace.auth.signing_in.passwords import Passwords
from headrace.base.secrets import Secret
from headrace.cli.opening import open_project
from headrace.serve import ServeSettings, create_app
from headrace.serve.gate import COOKIE
from headrace.store.audit.log import Audit
from headrace.store.sealing import unseal
from headrace.store.store import Store
from tests.cli.shops import call
from tests.projects import SHOP, write_files
from tests.serve.shop import Client

# Of letters that no encoding needs to change, and of some that all do.
PLANTED = {
    name: f"{name[:3].upper()}s3cret/{number:02}+Zq9&ü~{name}=="
    for number, name in enumerate(
        (
            "client_secret",
            "environment_value",
            "model_value",
            "password",
            "old_password",
            "access_token",
            "refresh_token",
            "session_cookie",
            "other_cookie",
            "basic_password",
            "proxy_authorization",
            "key_in_the_address",
            "token_in_a_stream",
            "header_key",
            "body_password",
            "csrf_token",
            "forwarded",
        )
    )
}
REDIS_PASSWORD = "REDs3cret17Zq9redis"

PROJECT = {
    **SHOP,
    "headrace.toml": """\
        name = "shop"
        [serve]
        default_access = "public"
        redis = "env:PLANTED_REDIS"
        [auth.issuers.corp]
        url = "https://id.invalid"
        audience = "shop"
        client_id = "console"
        client_secret = "env:PLANTED_CLIENT_SECRET"
        """,
    "models/told.py": """\
        import os

        import duckdb

        import headrace


        @headrace.model(columns={"n": "int"})
        def told(stores: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            key = os.environ["PLANTED_MODEL_VALUE"]
            return stores.project(f"CAST({len(key)} AS INTEGER) AS n").limit(1)
        """,
    "endpoints/payroll.sql": "/* access: boss */\nSELECT store_id FROM stores\n",
}


PUBLIC_URL = "https://shop.example"
PATHS = (
    "/",
    "/openapi.json",
    "/stores/10/revenue",
    "/stores/x/revenue",
    "/stores/10/revenue.csv",
    "/payroll",
    "/nowhere",
    "/readyz",
    "/manage/me",
    "/manage/keys",
    "/manage/audit",
    "/console",
    "/console/sign-in",
)


def forms(secret: str) -> dict[str, bytes]:
    """What a secret looks like wherever it has been written out."""
    data = secret.encode()
    found = {
        "plain": data,
        "json": json.dumps(secret)[1:-1].encode(),
        "url": quote(secret, safe="").encode(),
        "url with slashes": quote(secret).encode(),
        "form": quote_plus(secret).encode(),
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        "repr": repr(secret)[1:-1].encode(),
        "latin-1": secret.encode("latin-1", "replace"),
        "utf-16": secret.encode("utf-16-le"),
    }
    for shift in range(3):
        # What is before it in a text moves the boundaries of base64.
        whole = base64.b64encode(b"x" * shift + data)
        inner = whole[4 if shift else 0 :][: (len(data) - 3) // 3 * 4]
        found[f"base64+{shift}"] = inner
        found[f"base64url+{shift}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


def leaks(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """Which secrets are in which places, and how."""
    return [
        f"{name} as {form} in {place}"
        for name, secret in secrets.items()
        for form, looked_for in forms(secret).items()
        for place, data in places.items()
        if looked_for in data
    ]


def dumped(path: Path) -> bytes:
    """Every row of a SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode("utf-8", "surrogatepass")


def files_below(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, of a database its rows as well; not the one that holds the store's secret."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or name.endswith("store/secret"):
            continue
        data = path.read_bytes()
        yield name, data
        if data.startswith(b"SQLite format 3"):
            yield f"{name} (rows)", dumped(path)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLANTED_REDIS", f"redis://user:{REDIS_PASSWORD}@127.0.0.1:1/0")
    monkeypatch.setenv("PLANTED_CLIENT_SECRET", PLANTED["client_secret"])
    monkeypatch.setenv("PLANTED_ENVIRONMENT_VALUE", PLANTED["environment_value"])
    monkeypatch.setenv("PLANTED_MODEL_VALUE", PLANTED["model_value"])
    return write_files(tmp_path / "shop", PROJECT)


def test_the_search_finds_what_is_there() -> None:
    secret = PLANTED["password"]
    basic = base64.b64encode(f"anna:{secret}".encode())
    places = {"basic": basic, "url": quote(secret).encode(), "text": f"<{secret}>".encode()}
    found = {each.rpartition(" in ")[2] for each in leaks({"password": secret}, places)}
    assert found == {"basic", "url", "text"}
    assert leaks({"password": secret}, {"none": b"nothing of it"}) == []


def test_no_secret_is_anywhere_but_where_it_belongs(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    places: dict[str, bytes] = {}
    project = ("--project", str(root))
    commands = [
        ("plan",),
        ("run",),
        ("plan", "--json"),
        ("status",),
        ("status", "--json"),
        ("explain", "payroll"),
        ("doctor",),
        ("doctor", "--json"),
        ("query", "SELECT * FROM told"),
        ("query", "SELECT getenv('PLANTED_ENVIRONMENT_VALUE')"),
        ("lineage", "told.n"),
        ("audit", "--json"),
    ]
    for command in commands:
        result = call(*command, *project)
        places[f"output of {' '.join(command)}"] = (result.stdout + result.stderr).encode()
    assert b"published snapshot 1" in places["output of run"]

    opened = open_project(root)
    secrets = {**PLANTED, "redis_password": REDIS_PASSWORD, **_accounts(opened.store)}
    for name, answer in _answers(root, secrets):
        places[f"answer to {name}"] = answer
    assert secrets.keys() >= {"issued_access_token", "issued_refresh_token", "session"}
    # The test's own client logs what it asks for.
    records = [record for record in caplog.records if record.name != "httpx"]
    log = "\n".join(map(logging.Formatter().format, records))
    places["log"] = log.encode("utf-8", "surrogatepass")
    places |= dict(files_below(root))
    assert b"denied" in places[".headrace/store/audit.db (rows)"]
    assert leaks(secrets, places) == []


def _accounts(store: Store) -> dict[str, str]:
    """An account with a password and a key, and what nobody may see of them."""
    passwords = Passwords()
    with closing(Accounts.open(store.accounts_path)) as accounts:
        token = new_bootstrap_token(accounts)
        assert token is not None
        old, new = (Secret(PLANTED[name]) for name in ("old_password", "password"))
        accounts.add_account(Account("anna"), passwords.hash(old))
        accounts.set_password_hash("anna", passwords.hash(new))
        key, entry = new_key("prod")
        accounts.add_key(replace(entry, account="anna"))
    sealed = store.root / "secret"
    return {
        "bootstrap_token": token.reveal(),
        "api_key": key.reveal(),
        # The part of it that proves something, without the name of the key before it.
        "api_key_proof": key.reveal().rsplit("_", 2)[1],
        "store_secret": unseal(sealed.read_bytes(), sealed).decode(),
    }


def _answers(root: Path, secrets: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Ask a server for what there is and for what there is not, with every secret at hand.

    What it gives to whoever signs in is added to the secrets.
    """
    opened = open_project(root)
    known = opened.settings
    # Where browsers keep a session's cookie.
    auth = replace(known.auth, public_url=PUBLIC_URL)
    settings = ServeSettings(
        query_processes=False, redis=known.redis, project=known.name, auth=auth
    )
    service = create_app(opened.store, "prod", settings)
    service.refresh()
    client = Client(service)
    try:
        secrets |= _signed_in(client, secrets)
        for path in PATHS:
            for name, headers in _credentials(secrets).items():
                answer = client.get(path, headers)
                yield f"{path} with {name}", _whole(answer.headers, answer.content)
        in_the_address = f"/payroll?token={quote(secrets['key_in_the_address'])}"
        answer = client.get(in_the_address)
        yield "an address with a key", _whole(answer.headers, answer.content)
        body = json.dumps({"password": secrets["body_password"]}).encode()
        for path in ("/manage/users", "/batch", "/payroll"):
            answer = client.request("POST", path, content=body)
            yield f"POST {path}", _whole(answer.headers, answer.content)
    finally:
        service.close()


def _signed_in(client: Client, secrets: Mapping[str, str]) -> dict[str, str]:
    """Sign in as anna, as a program and as a browser; what only she may have of it."""
    given = {"name": "anna", "password": secrets["password"]}
    tokens = client.request(
        "POST", "/auth/token", headers=_JSON, content=json.dumps(given).encode()
    ).json()
    wrong = json.dumps({**given, "password": secrets["body_password"]}).encode()
    assert client.request("POST", "/auth/token", headers=_JSON, content=wrong).status_code == 401
    form = urlencode({"name": "anna", "password": secrets["password"]}).encode()
    browser = client.request("POST", "/auth/sign-in", headers=_FORM, content=form)
    return {
        "issued_access_token": tokens["access_token"],
        "issued_refresh_token": tokens["refresh_token"],
        "session": SimpleCookie(browser.headers["set-cookie"])[COOKIE].value,
    }


_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": PUBLIC_URL}


def _credentials(secrets: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Headers that hold a secret, of every kind that there is."""

    basic = base64.b64encode(f"anna:{secrets['basic_password']}".encode()).decode()
    return {
        "nothing": {},
        "a key": {"Authorization": f"Bearer {secrets['api_key']}"},
        "a wrong key": {"Authorization": f"Bearer {secrets['api_key']}x"},
        "an access token": {"Authorization": f"Bearer {quote(secrets['access_token'])}"},
        "a refresh token": {"Authorization": f"Bearer {quote(secrets['refresh_token'])}"},
        "an issued token": {"Authorization": f"Bearer {secrets['issued_access_token']}"},
        "a live session": {"Cookie": f"{COOKIE}={secrets['session']}"},
        "a password": {"Authorization": f"Basic {basic}"},
        "a session": {"Cookie": f"{COOKIE}={quote(secrets['session_cookie'])}"},
        "a cookie": {"Cookie": f"other={quote(secrets['other_cookie'])}"},
        "a proxy's": {"Proxy-Authorization": f"Basic {quote(secrets['proxy_authorization'])}"},
        "a header": {"X-Api-Key": quote(secrets["header_key"])},
        "a page's token": {"X-CSRF-Token": quote(secrets["csrf_token"])},
        "a proxy's word": {"X-Forwarded-For": quote(secrets["forwarded"])},
        "a stream's": {"Last-Event-ID": quote(secrets["token_in_a_stream"])},
    }


def _whole(headers: Mapping[str, str], body: bytes) -> bytes:
    return "\n".join(f"{name}: {value}" for name, value in headers.items()).encode() + body


def test_a_setting_that_is_a_secret_itself_is_refused_without_repeating_it(root: Path) -> None:
    secret = PLANTED["client_secret"].replace('"', "")
    for line, into in (
        (f'redis = "redis://user:{REDIS_PASSWORD}@localhost/0"', 'redis = "env:PLANTED_REDIS"'),
        (f'redis = "redis://localhost/0?password={REDIS_PASSWORD}"', 'redis = "env:PLANTED_REDIS"'),
        (f'redis = "redis://:{REDIS_PASSWORD}@localhost"', 'redis = "env:PLANTED_REDIS"'),
        (f'redis = "{REDIS_PASSWORD}"', 'redis = "env:PLANTED_REDIS"'),
        (f'client_secret = "{secret}"', 'client_secret = "env:PLANTED_CLIENT_SECRET"'),
    ):
        path = root / "headrace.toml"
        before = path.read_text(encoding="utf-8")
        path.write_text(before.replace(into, line), encoding="utf-8")
        for command in ("plan", "status", "serve"):
            result = call(command, "--project", str(root))
            assert result.exit_code == 2, (command, line, result.output)
            output = {"output": (result.stdout + result.stderr).encode()}
            assert leaks({"redis": REDIS_PASSWORD, "client": secret}, output) == []
        path.write_text(before, encoding="utf-8")


def test_files_that_hold_what_is_secret_are_for_their_owner_alone(root: Path) -> None:
    call("run", "--project", str(root))
    store = open_project(root).store
    _accounts(store)
    with closing(Audit.open(store.root)):
        pass
    private = ("accounts.db", "audit.db", "audit.lock", "secret")
    assert {name: oct((store.root / name).stat().st_mode & 0o777) for name in private} == (
        dict.fromkeys(private, "0o600")
    )
    [file] = (store.root / "audit").iterdir()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    folders = [path for path in [store.root, *store.root.rglob("*")] if path.is_dir()]
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}
