"""`headrace doctor` finds what is wrong with an installation or a store, and says what to do."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.base.clock import SetClock
from headrace.cli.doctor import examine, file_system
from headrace.store.audit.entries import AuditEvent
from headrace.store.audit.log import Audit
from tests.cli.shops import Shop, call, spread_out

TABLES = {"orders": "SELECT 1 AS id"}


def statuses(shop: Shop, *, verify: bool = False) -> dict[str, list[str]]:
    """Name -> how each of its examinations ended."""
    found: dict[str, list[str]] = {}
    for finding in examine(shop.root, verify=verify):
        found.setdefault(finding.name, []).append(finding.status)
    return found


def test_a_healthy_project_has_no_failure(shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("doctor", "--verify")
    assert result.exit_code == 0
    assert "fail" not in result.stdout
    assert "1 data file whole, by their hashes" in result.stdout


def test_json_is_one_list(shop: Shop) -> None:
    findings = json.loads(shop.call("doctor", "--json").stdout)
    assert {finding["name"] for finding in findings} >= {"headrace", "DuckDB", "SQLite", "writing"}


def test_a_missing_data_file_is_a_failure_with_its_remedy(shop: Shop) -> None:
    shop.publish(TABLES)
    [path] = shop.store.data_root.rglob("*.parquet")
    path.unlink()
    result = shop.call("doctor")
    assert result.exit_code == 1
    assert f"1 data file missing or damaged: orders/{path.name}\n" in result.stdout
    assert f"remove {path}, then `headrace run` builds it again\n" in result.stdout


def test_only_verify_sees_a_changed_byte(shop: Shop) -> None:
    shop.publish(TABLES)
    [path] = shop.store.data_root.rglob("*.parquet")
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert statuses(shop)["prod"] == ["ok", "ok"]
    assert statuses(shop, verify=True)["prod"] == ["ok", "fail"]


def test_a_table_in_many_files_is_a_warning_with_its_remedy(shop: Shop) -> None:
    spread_out(shop, 51)
    result = shop.call("doctor")
    assert result.exit_code == 0
    assert re.search(r"warn  prod        orders: 51 data files, \d+\.\d kB\n", result.stdout)
    assert "`headrace gc` compacts them\n" in result.stdout
    assert statuses(shop)["prod"] == ["ok", "ok", "warn"]


@pytest.mark.parametrize("folder", ["refs", "objects"])
def test_a_damaged_snapshot_is_a_failure(folder: str, shop: Shop) -> None:
    shop.publish(TABLES)
    [path] = [each for each in (shop.store.root / folder).rglob("*") if each.is_file()]
    path.chmod(0o644)
    path.write_bytes(b"{}")
    assert statuses(shop)["prod"] == ["fail"]


def test_mistakes_in_the_project_are_counted(shop: Shop) -> None:
    (shop.root / "models").mkdir()
    (shop.root / "models" / "a.sql").write_text("/*\nkeys: a\n*/\nSELECT 1")
    result = shop.call("doctor")
    assert result.exit_code == 1
    assert f"1 problem in {shop.root}\n" in result.stdout


def test_outside_a_project_the_installation_is_examined_all_the_same(tmp_path: Path) -> None:
    result = call("doctor", "-C", str(tmp_path))
    assert result.exit_code == 1
    assert "DuckDB" in result.stdout
    assert "run it inside a project, or give -C" in result.stdout


@pytest.mark.parametrize(
    ("folder", "kind"), [("/srv/data/x", "nfs4"), ("/srv/database", "ext4"), ("/srv/data", "nfs4")]
)
def test_the_file_system_is_that_of_the_nearest_mount(
    folder: str, kind: str, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/data /srv/data nfs4 rw 0 0\n")
    assert file_system(Path(folder), mounts) == kind


def test_without_the_kernels_table_the_file_system_is_unknown(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "mounts") == ""


def examined(shop: Shop, name: str, *options: str) -> list[tuple[str, str]]:
    report = json.loads(shop.call("doctor", "--json", *options).stdout)
    return [(each["status"], each["detail"]) for each in report if each["name"] == name]


def test_accounts_that_others_may_read_are_warned_of(shop: Shop) -> None:
    assert examined(shop, "accounts") == []
    path = shop.store.accounts_path
    Accounts.open(path).close()
    assert examined(shop, "accounts") == [("ok", "0 accounts, 0 keys")]
    path.chmod(0o640)
    assert examined(shop, "accounts")[0] == ("warn", f"{path}: others may read it")


def test_an_audit_log_that_was_changed_is_told(shop: Shop) -> None:
    assert examined(shop, "audit") == []
    with closing(Audit.open(shop.store.root)) as audit:
        audit.append(AuditEvent("setup", "os:anna"), AuditEvent("sign_in", "user:anna"))
    assert examined(shop, "audit") == [("ok", "takes entries")]
    assert examined(shop, "audit", "--verify") == [("ok", "2 entries, unchanged")]
    [file] = (shop.store.root / "audit").glob("*.ndjson")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"os:anna", b"os:evil"))
    [(status, detail)] = examined(shop, "audit", "--verify")
    assert (status, detail) == (
        "fail",
        f"entry 1: its line in {file.name} is not what was put on record",
    )
    file.write_bytes(whole.splitlines(keepends=True)[0])
    [(status, detail)] = examined(shop, "audit")
    assert status == "fail"
    assert "the files end with entry 1; expected 2" in detail


def test_keys_that_nobody_would_miss_are_named(shop: Shop) -> None:
    clock = SetClock(datetime.now(UTC) - timedelta(days=40))
    with closing(Accounts.open(shop.store.accounts_path, clock=clock)) as accounts:
        accounts.add_account(Account("loader", "service"))
        entries = [new_key("prod")[1] for _ in range(4)]
        expired, idle, used, revoked = entries
        for entry in entries:
            expires_at = accounts.now() + 60 if entry is expired else 0
            accounts.add_key(replace(entry, account="loader", expires_at=expires_at))
        accounts.revoke_key(revoked.id)
        accounts.note_uses({used.id: datetime.now(UTC).timestamp()})
    assert examined(shop, "accounts") == [("ok", "1 account, 3 keys")]
    assert examined(shop, "keys") == [
        ("warn", f"1 key expired: {expired.id}"),
        ("warn", f"1 key not used in 30 days: {idle.id}"),
    ]


def test_an_accounts_file_that_is_none_is_a_failure(shop: Shop) -> None:
    path = shop.store.accounts_path
    path.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    path.chmod(0o600)
    [(status, detail)] = examined(shop, "accounts")
    assert status == "fail"
    assert detail.startswith(f"{path}: the accounts file cannot be used")
