"""Authentication: takes the table `[auth]` of headrace.toml, gives AuthSettings."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

from headrace.auth.outbound.addresses import destination_of
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.errors import Problem
from headrace.base.names import is_name, is_origin, listed, near_miss
from headrace.pipeline.project.access_keys import role_names
from headrace.pipeline.project.documents import Items, Node, Scalar
from headrace.pipeline.project.keys import (
    Fields,
    Key,
    Problems,
    Reader,
    flag,
    nested,
    read_fields,
    report,
    texts,
    unique_entries,
    whole_number,
)

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
OWN_ISSUER = "headrace"
_DEFAULT = AuthSettings()
_LONGEST_ACCESS = 900
_YEAR = 366 * 86_400
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\n]+", re.ASCII)
_CLIENT_SECRETS = "`env:NAME` or `file:PATH`, never the secret itself"


def typed_text(node: Node, problems: Problems) -> str | None:
    """A text in quotes, as TOML has it, that is not empty."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
        return node.value
    report(problems, node, "a text")
    return None


def url(node: Node, problems: Problems) -> str | None:
    """A URL that headrace may ask; what is written is not repeated: it may hold a password."""
    written = typed_text(node, problems)
    if written is None:
        return None
    try:
        destination_of(written)
    except ValueError as exc:
        problems.append(Problem(node.place, f"{node.label} is no URL to ask", str(exc)))
        return None
    return written


def issuer_url(node: Node, problems: Problems) -> str | None:
    """A URL without a query: that of the OpenID configuration follows from it."""
    written = url(node, problems)
    if written is not None and "?" in written:
        report(problems, node, "a URL without `?`, exactly the `iss` of its tokens")
        return None
    return written


def key_place(node: Node, problems: Problems) -> str | None:
    """Where keys are: a URL or `file:PATH`."""
    if isinstance(node, Scalar) and node.text.startswith("file:") and len(node.text) > 5:
        return node.text
    if isinstance(node, Scalar) and "://" not in node.text:
        report(problems, node, "a URL, or a file of the project, as in `file:keys.json`")
        return None
    return url(node, problems)


def origin(node: Node, problems: Problems) -> str | None:
    """Where browsers find this server; https, but on this machine itself."""
    written = typed_text(node, problems)
    if written is None:
        return None
    if not is_origin(written):
        report(problems, node, "an address without a path, such as `https://data.example`")
        return None
    return url(node, problems)


def secret_reference(node: Node, problems: Problems) -> str | None:
    """Where a secret is; what is written instead is not repeated."""
    if isinstance(node, Scalar) and _REFERENCE.fullmatch(node.text.strip()):
        return node.text.strip()
    fix = 'write `client_secret = "env:CLIENT_SECRET"` and put it into that environment variable'
    found = f"{node.label} is no reference to a secret"
    problems.append(Problem(node.place, found, _CLIENT_SECRETS, fix))
    return None


def algorithms(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """Algorithms by which anybody can verify, and only the issuer can sign."""
    items = node.items if isinstance(node, Items) else (node,)
    if not items:
        report(problems, node, f"one or more of {listed(ALGORITHMS)}")
    for item in items:
        name = item.text if isinstance(item, Scalar) else ""
        if name not in ALGORITHMS:
            report(problems, item, f"one or more of {listed(ALGORITHMS)}", _why_not(name))
    found = tuple(item.text for item in items if isinstance(item, Scalar))
    return tuple(dict.fromkeys(found)) if found else None


def _why_not(name: str) -> str:
    if name.lower() == "none":
        return "a token without a signature proves nothing"
    if name.upper().startswith("HS"):
        return "with a shared secret, whoever verifies tokens could make them, too"
    return near_miss(name, ALGORITHMS)


def networks(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """Addresses or networks, but not all of them."""
    items = node.items if isinstance(node, Items) else (node,)
    expected = "an address or a network, such as `10.0.0.7` or `10.0.0.0/8`"
    found: list[str] = []
    for item in items:
        try:
            network = ip_network(item.text if isinstance(item, Scalar) else "")
        except ValueError:
            report(problems, item, expected)
            continue
        if network.prefixlen == 0:
            report(problems, item, expected, "name your proxies: anybody could pretend to be one")
        found.append(str(network))
    return tuple(dict.fromkeys(found))


def mapping(read: Reader[str], is_left: Callable[[str], bool], what: str) -> Reader[dict[str, str]]:
    """A reader of a table from texts to texts; `what` says what is expected on the left."""

    def reader(node: Node, problems: Problems) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for key, value_node in unique_entries(node, problems):
            value = read(value_node, problems)
            if not is_left(key.text):
                report(problems, key, what)
            elif value is not None:
                found[key.text] = value
        return found

    return reader


def role(node: Node, problems: Problems) -> str | None:
    """The name of one role."""
    found = role_names(node, problems)
    if found is None or len(found) == 1:
        return None if found is None else found[0]
    report(problems, node, "one role")
    return None


URL = Key("url", issuer_url)
AUDIENCE = Key("audience", typed_text)
JWKS = Key("jwks", key_place)
PRIVATE = Key("private", flag)
SIGNING = Key("algorithms", algorithms)
ROLES_CLAIM = Key("roles_claim", typed_text)
ROLES = Key("roles", mapping(role, bool, "a value of the claim"))
CLAIMS = Key("claims", mapping(typed_text, is_name, "a name of letters, digits and underscores"))
CLIENT_ID = Key("client_id", typed_text)
CLIENT_SECRET = Key("client_secret", secret_reference)
SCOPES = Key("scopes", texts)
ISSUER_KEYS = (
    *(URL, AUDIENCE, JWKS, PRIVATE, SIGNING, ROLES_CLAIM, ROLES, CLAIMS),
    *(CLIENT_ID, CLIENT_SECRET, SCOPES),
)

ISSUERS: Key[Node] = Key("issuers", nested)
ACCESS_TOKEN_SECONDS = Key("access_token_seconds", whole_number(60, _LONGEST_ACCESS))
REFRESH_TOKEN_SECONDS = Key("refresh_token_seconds", whole_number(60, _YEAR))
SESSION_SECONDS = Key("session_seconds", whole_number(60, 30 * 86_400))
SESSION_IDLE_SECONDS = Key("session_idle_seconds", whole_number(60, 30 * 86_400))
PUBLIC_URL = Key("public_url", origin)
TRUSTED_PROXIES = Key("trusted_proxies", networks)
AUTH_KEYS = (
    *(ACCESS_TOKEN_SECONDS, REFRESH_TOKEN_SECONDS, SESSION_SECONDS, SESSION_IDLE_SECONDS),
    *(PUBLIC_URL, TRUSTED_PROXIES, ISSUERS),
)


def read_auth(fields: Fields, root: Path, problems: Problems) -> AuthSettings:
    """What the table says, with every default filled in.

    Args:
        fields: of the table, read by `AUTH_KEYS`.
        root: the absolute folder that the paths of files start in.
        problems: takes what is wrong.
    """
    return AuthSettings(
        issuers=_issuers(fields.optional(ISSUERS), root, problems),
        access_token_seconds=fields.get(ACCESS_TOKEN_SECONDS, _DEFAULT.access_token_seconds),
        refresh_token_seconds=fields.get(REFRESH_TOKEN_SECONDS, _DEFAULT.refresh_token_seconds),
        session_seconds=fields.get(SESSION_SECONDS, _DEFAULT.session_seconds),
        session_idle_seconds=fields.get(SESSION_IDLE_SECONDS, _DEFAULT.session_idle_seconds),
        public_url=fields.get(PUBLIC_URL, ""),
        trusted_proxies=fields.get(TRUSTED_PROXIES, ()),
    )


def _issuers(node: Node | None, root: Path, problems: Problems) -> tuple[Issuer, ...]:
    found: dict[str, Issuer] = {}
    for name, table in unique_entries(node, problems):
        if not is_name(name.text) or name.text == OWN_ISSUER:
            fix = "headrace's own tokens have this name" if name.text == OWN_ISSUER else ""
            report(problems, name, "a name of letters, digits and underscores", fix)
        issuer = _issuer(name, table, root, problems)
        if issuer.url and issuer.url in found:
            other = found[issuer.url].name
            what = f"issuers `{other}` and `{issuer.name}` have the same `url`"
            problems.append(Problem(table.place, what, "each issuer once"))
        found[issuer.url] = issuer
    return tuple(found.values())


def _issuer(name: Scalar, table: Node, root: Path, problems: Problems) -> Issuer:
    fields = read_fields(table, ISSUER_KEYS, name.place, problems)
    _require(fields, URL, name, "exactly the `iss` of its tokens", problems)
    _require(fields, AUDIENCE, name, "what the `aud` of its tokens must contain", problems)
    _check_sign_in(fields, problems)
    default = Issuer(name.text, "", "")
    return Issuer(
        name=name.text,
        url=fields.get(URL, ""),
        audience=fields.get(AUDIENCE, ""),
        jwks=_absolute(root, fields.get(JWKS, "")),
        algorithms=fields.get(SIGNING, default.algorithms),
        roles_claim=fields.get(ROLES_CLAIM, default.roles_claim),
        roles=fields.get(ROLES, {}),
        claims=fields.get(CLAIMS, {}),
        client_id=fields.get(CLIENT_ID, ""),
        client_secret=_absolute(root, fields.get(CLIENT_SECRET, "")),
        scopes=fields.get(SCOPES, default.scopes),
        private=fields.get(PRIVATE, False),
    )


def _require(fields: Fields, key: Key[str], name: Scalar, meaning: str, problems: Problems) -> None:
    if key not in fields:
        found = f"issuer `{name.text}` has no `{key.name}`"
        problems.append(Problem(fields.place, found, meaning))


def _check_sign_in(fields: Fields, problems: Problems) -> None:
    if CLIENT_SECRET in fields and CLIENT_ID not in fields:
        found = "`client_secret` is given without a `client_id`"
        problems.append(Problem(fields.place_of(CLIENT_SECRET), found, "both, or none"))
    if SCOPES in fields and "openid" not in fields.get(SCOPES, ("openid",)):
        found = "`scopes` do not name `openid`"
        problems.append(Problem(fields.place_of(SCOPES), found, "what a sign-in must ask for"))


def _absolute(root: Path, reference: str) -> str:
    """A reference whose file, if it names one, is found from wherever the process was started."""
    kind, _, path = reference.partition(":")
    return f"file:{root / Path(path).expanduser()}" if kind == "file" else reference
