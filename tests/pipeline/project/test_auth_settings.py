"""Authentication in headrace.toml: what is read, and mistakes that would let somebody in."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.auth_settings import AuthSettings, Issuer

from .conftest import Load, ProblemsOf

HEAD = 'name = "shop"\n'


def test_without_the_table_nobody_else_is_believed(load: Load) -> None:
    assert load({"headrace.toml": HEAD}).settings.auth == AuthSettings()


def test_an_issuer_needs_a_url_and_an_audience(load: Load) -> None:
    text = '[auth.issuers.corp]\nurl = "https://login.example"\naudience = "shop"\n'
    assert load({"headrace.toml": HEAD + text}).settings.auth.issuers == (
        Issuer("corp", "https://login.example", "shop"),
    )


def test_every_setting_is_read(load: Load, tmp_path: Path) -> None:
    text = (
        "[auth]\naccess_token_seconds = 300\nrefresh_token_seconds = 86400\n"
        "session_seconds = 7200\nsession_idle_seconds = 600\n"
        'public_url = "https://data.example"\n'
        'trusted_proxies = ["10.0.0.7", "192.168.0.0/16", "fd12::/64"]\n'
        "[auth.issuers.corp]\n"
        'url = "https://login.intranet/realms/Shop"\naudience = "shop"\nprivate = true\n'
        'jwks = "file:keys/corp.json"\nalgorithms = ["ES256", "PS512"]\n'
        'roles_claim = "realm_access.roles"\n'
        'roles = {"grp-7" = "analyst", "grp-8" = "admin"}\n'
        'claims = {tenant = "org.id", store_id = "https://shop.example/store"}\n'
        'client_id = "headrace"\nclient_secret = "file:secrets/corp"\n'
        'scopes = ["openid", "groups"]\n'
        "[auth.issuers.partner]\n"
        'url = "http://localhost:9000"\naudience = "api"\nclient_secret = "env:PARTNER"\n'
        'client_id = "c"\njwks = "http://localhost:9000/keys"\nalgorithms = "EdDSA"\n'
    )
    assert load({"headrace.toml": HEAD + text}).settings.auth == AuthSettings(
        issuers=(
            Issuer(
                "corp",
                "https://login.intranet/realms/Shop",
                "shop",
                jwks=f"file:{tmp_path}/keys/corp.json",
                algorithms=("ES256", "PS512"),
                roles_claim="realm_access.roles",
                roles={"grp-7": "analyst", "grp-8": "admin"},
                claims={"tenant": "org.id", "store_id": "https://shop.example/store"},
                client_id="headrace",
                client_secret=f"file:{tmp_path}/secrets/corp",
                scopes=("openid", "groups"),
                private=True,
            ),
            Issuer(
                "partner",
                "http://localhost:9000",
                "api",
                jwks="http://localhost:9000/keys",
                algorithms=("EdDSA",),
                client_id="c",
                client_secret="env:PARTNER",
            ),
        ),
        access_token_seconds=300,
        refresh_token_seconds=86_400,
        session_seconds=7200,
        session_idle_seconds=600,
        public_url="https://data.example",
        trusted_proxies=("10.0.0.7/32", "192.168.0.0/16", "fd12::/64"),
    )


ISSUER = '[auth.issuers.corp]\nurl = "https://login.example"\naudience = "shop"\n'
HTTPS = "expected `https://`; `http://` is for `localhost` and addresses of loopback"
ALL = (
    "expected one or more of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`,"
    " `ES384`, `ES512`, `EdDSA`"
)
SHARED = "with a shared secret, whoever verifies tokens could make them, too"
NETWORK = "expected an address or a network, such as `10.0.0.7` or `10.0.0.0/8`"
SECRET = (
    "5:1: `client_secret` is no reference to a secret; expected `env:NAME` or `file:PATH`, never"
    ' the secret itself; write `client_secret = "env:CLIENT_SECRET"` and put it into that'
    " environment variable"
)
MISTAKES = [
    (
        '[auth.issuers.corp]\nurl = "http://login.example"\naudience = "shop"',
        f"3:1: `url` is no URL to ask; {HTTPS}",
    ),
    (
        '[auth.issuers.corp]\nurl = "http://10.0.0.1"\naudience = "shop"',
        f"3:1: `url` is no URL to ask; {HTTPS}",
    ),
    (
        '[auth.issuers.corp]\nurl = "https://me:s3cret@login.example"\naudience = "shop"',
        (
            "3:1: `url` is no URL to ask; expected a URL such as `https://login.example/keys`,"
            " without a user in it"
        ),
    ),
    (
        '[auth.issuers.corp]\nurl = "https://login.example?a=b"\naudience = "shop"',
        (
            "3:1: `url` is 'https://login.example?a=b'; expected a URL without `?`, exactly the"
            " `iss` of its tokens"
        ),
    ),
    (
        '[auth.issuers.corp]\nurl = "https://login.example"',
        "2:1: issuer `corp` has no `audience`; expected what the `aud` of its tokens must contain",
    ),
    (
        '[auth.issuers.corp]\naudience = "shop"',
        "2:1: issuer `corp` has no `url`; expected exactly the `iss` of its tokens",
    ),
    (
        '[auth.issuers.corp]\nurl = "https://login.example"\naudience = ""',
        "4:1: `audience` is ''; expected a text",
    ),
    (
        f'{ISSUER}jwks = "keys.json"',
        (
            "5:1: `jwks` is 'keys.json'; expected a URL, or a file of the project, as in"
            " `file:keys.json`"
        ),
    ),
    (f'{ISSUER}jwks = "http://login.example/keys"', f"5:1: `jwks` is no URL to ask; {HTTPS}"),
    (f'{ISSUER}algorithms = ["RS256", "HS256"]', f"5:1: `algorithms` is 'HS256'; {ALL}; {SHARED}"),
    (f'{ISSUER}algorithms = "hs512"', f"5:1: `algorithms` is 'hs512'; {ALL}; {SHARED}"),
    (
        f'{ISSUER}algorithms = ["none"]',
        f"5:1: `algorithms` is 'none'; {ALL}; a token without a signature proves nothing",
    ),
    (
        f'{ISSUER}algorithms = ["ES265"]',
        f"5:1: `algorithms` is 'ES265'; {ALL}; did you mean `ES256`?",
    ),
    (f"{ISSUER}algorithms = []", f"5:1: `algorithms` is a list; {ALL}"),
    (f"{ISSUER}algorithms = [[]]", f"5:1: `algorithms` is a list; {ALL}"),
    (f'{ISSUER}client_id = "c"\nclient_secret = "s3cret"', SECRET.replace("5:", "6:", 1)),
    (f'{ISSUER}client_id = "c"\nclient_secret = "env:"', SECRET.replace("5:", "6:", 1)),
    (f"{ISSUER}client_secret = []\nclient_id = 'c'", SECRET),
    (
        f'{ISSUER}client_secret = "env:S"',
        "5:1: `client_secret` is given without a `client_id`; expected both, or none",
    ),
    (
        f'{ISSUER}scopes = ["email"]',
        "5:1: `scopes` do not name `openid`; expected what a sign-in must ask for",
    ),
    (
        f"{ISSUER}roles = {{grp = 'two roles'}}",
        (
            "5:1: `grp` is 'two roles'; expected the name of a role: letters, digits, `_`, `-`, `.`"
            " and `:`"
        ),
    ),
    (f"{ISSUER}roles = {{grp = ['a', 'b']}}", "5:1: `grp` is a list; expected one role"),
    (
        f"{ISSUER}claims = {{'store id' = 'sid'}}",
        "5:1: this key is 'store id'; expected a name of letters, digits and underscores",
    ),
    (
        f"{ISSUER}audiences = 'a'",
        (
            "5:1: `audiences` is not a key here; expected one of `url`, `audience`, `jwks`,"
            " `private`, `algorithms`, `roles_claim`, `roles`, `claims`, `client_id`,"
            " `client_secret`, `scopes`; did you mean `audience`?"
        ),
    ),
    (
        ISSUER.replace("corp", "headrace"),
        (
            "2:1: this key is 'headrace'; expected a name of letters, digits and underscores; "
            "headrace's own tokens have this name"
        ),
    ),
    (
        ISSUER.replace("corp", '"a|b"'),
        "2:1: this key is 'a|b'; expected a name of letters, digits and underscores",
    ),
    (
        ISSUER + ISSUER.replace("corp", "other"),
        "5:1: issuers `corp` and `other` have the same `url`; expected each issuer once",
    ),
    (
        "[auth]\naccess_token_seconds = 901",
        (
            "3:1: `access_token_seconds` is 901; expected a whole number of at least 60 and at most"
            " 900"
        ),
    ),
    (
        '[auth]\npublic_url = "http://data.example"',
        f"3:1: `public_url` is no URL to ask; {HTTPS}",
    ),
    (
        '[auth]\npublic_url = "https://data.example/api"',
        (
            "3:1: `public_url` is 'https://data.example/api'; expected an address without a path,"
            " such as `https://data.example`"
        ),
    ),
    (
        '[auth]\ntrusted_proxies = ["10.0.0.300"]',
        f"3:1: `trusted_proxies` is '10.0.0.300'; {NETWORK}",
    ),
    (
        '[auth]\ntrusted_proxies = "10.0.0.1/8"',
        f"3:1: `trusted_proxies` is '10.0.0.1/8'; {NETWORK}",
    ),
    ('[auth]\ntrusted_proxies = ["proxy"]', f"3:1: `trusted_proxies` is 'proxy'; {NETWORK}"),
    (
        '[auth]\ntrusted_proxies = ["0.0.0.0/0"]',
        (
            f"3:1: `trusted_proxies` is '0.0.0.0/0'; {NETWORK}; name your proxies: anybody could"
            " pretend to be one"
        ),
    ),
    ("[auth]\nissuers = 5", "3:1: `issuers` is 5; expected a mapping (`key: value`)"),
]


@pytest.mark.parametrize(("lines", "problem"), MISTAKES)
def test_a_mistake_is_told(problems_of: ProblemsOf, lines: str, problem: str) -> None:
    found = problems_of({"headrace.toml": f"{HEAD}{lines}\n"})
    assert found == f"headrace.toml:{problem}"
    # What was written where a secret belongs is not repeated.
    assert "s3cret" not in found
