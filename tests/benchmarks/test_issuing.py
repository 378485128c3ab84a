"""The issuer of a run is one that is believed: by its key set, and by nothing else."""

from __future__ import annotations

import json

import pytest

from benchmarks.issuing import ALGORITHMS, Signer
from headrace.auth.tokens.key_sets import read_key_set
from headrace.auth.tokens.verifying import BadToken, StaticKeys, TokenVerifier


def verifier(signer: Signer) -> TokenVerifier:
    issuer = signer.issuer("bench")
    keys = read_key_set(json.loads(signer.key_set()), ALGORITHMS)
    return TokenVerifier([issuer], {issuer.name: StaticKeys(keys)})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_says_who_it_is_with_roles_and_tenant(algorithm: str) -> None:
    signer = Signer.make(algorithm)
    found = verifier(signer).verify(signer.token("anna", ("reader",), "north"))
    assert (found.id, found.tenant) == ("bench|anna", "north")
    assert found.roles == {"reader"}


def test_another_runs_token_is_refused() -> None:
    signer, other = Signer.make("ES256"), Signer.make("ES256")
    with pytest.raises(BadToken, match=r"^signature$"):
        verifier(signer).verify(other.token("anna", ("reader",), "north"))


def test_a_signer_does_not_show_its_key() -> None:
    assert repr(Signer.make("EdDSA")) == "Signer(algorithm='EdDSA')"
