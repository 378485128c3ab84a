"""What serving knows of accounts follows the file, and is nothing when the file stays away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.auth.accounts import Accounts
from headrace.auth.api_keys import new_key
from headrace.auth.directory import Account
from headrace.auth.key_proofs import KeyProofs
from headrace.auth.picture import STALE_SECONDS, Picture
from headrace.auth.proofs import BadCredential
from headrace.base.errors import StoreError


@dataclass
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.db"


def test_changes_are_seen_at_the_next_look(path: Path) -> None:
    picture = Picture(path, Time())
    assert not picture.refresh()
    assert not path.exists()
    accounts = Accounts.open(path)
    assert not picture.refresh()
    accounts.add_account(Account("anna", roles=frozenset({"analyst"})))
    assert picture.refresh()
    assert not picture.refresh()
    assert list(picture.directory.accounts) == ["anna"]
    accounts.disable("anna")
    assert picture.refresh()
    assert picture.directory.principal_of("anna", credential="x") is None
    picture.close()
    accounts.close()


def test_a_key_is_a_proof_until_it_is_revoked(path: Path) -> None:
    accounts = Accounts.open(path)
    accounts.add_account(Account("loader", "service"))
    secret, entry = new_key("prod")
    accounts.add_key(entry.__class__(entry.id, "loader", entry.digest, "prod"))
    proofs, elsewhere = (KeyProofs(Picture(path, Time()), name) for name in ("prod", "dev"))
    shown = secret.reveal().encode()
    assert proofs.takes(shown)
    assert not proofs.takes(b"eyJ.e30.x")
    with pytest.raises(BadCredential):
        proofs.verify(shown, 0.0)
    assert proofs.refresh()
    assert elsewhere.refresh()
    found = proofs.verify(shown, 0.0)
    assert (found.id, found.credential) == ("service:loader", f"key:{entry.id}")
    with pytest.raises(BadCredential):
        elsewhere.verify(shown, 0.0)
    proofs.note_uses({found.credential: 6000.0, "token:x": 7000.0})
    assert accounts.directory().keys[entry.id].last_used_at == 6000
    accounts.revoke_key(entry.id)
    assert proofs.refresh()
    with pytest.raises(BadCredential, match=r"^a key that lets nobody in$"):
        proofs.verify(shown, 0.0)
    for each in (proofs.picture, elsewhere.picture, accounts):
        each.close()


def test_nobody_is_known_when_the_file_stays_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts, time = Accounts.open(path), Time()
    accounts.add_account(Account("anna"))
    picture = Picture(path, time)
    assert picture.refresh()

    def fails(self: Accounts) -> int:
        raise StoreError(f"{self}: gone")

    monkeypatch.setattr(Accounts, "revision", fails)
    time.now += STALE_SECONDS - 0.1
    assert not picture.refresh()
    assert picture.directory.accounts
    time.now += 0.2
    assert picture.refresh()
    assert not picture.directory.accounts
    assert not picture.refresh()
    monkeypatch.undo()
    assert picture.refresh()
    assert picture.directory.accounts
    picture.close()
    accounts.close()


def test_a_file_that_is_no_database_lets_nobody_in(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    picture = Picture(path, Time())
    assert not picture.refresh()
    assert not picture.directory.accounts
    picture.close()
