"""The contract to publish holds the endpoints, and the code of routers with all that it imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.access import PUBLIC
from headrace.base.errors import ProjectError
from headrace.base.hashing import hash_bytes
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.plan.manifests import make_contract
from tests.projects import SHOP, Shop, built, write_files

ROUTER = """\
    from fastapi import APIRouter
    from ..lib.prices import rounded
    router = APIRouter()
    """


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def test_a_manifest_names_the_project_and_its_endpoints(shop: Shop) -> None:
    contract = make_contract(shop.plan().graph, CompileCache())
    assert contract.manifest.project == "shop"
    assert [endpoint.name for endpoint in contract.manifest.endpoints] == ["revenue"]
    assert (contract.manifest.modules, contract.modules) == ((), {})


def test_a_routers_text_is_published_with_what_it_imports_and_nothing_else(shop: Shop) -> None:
    shop.write("endpoints/quotes.py", ROUTER)
    shop.write("lib/prices.py", "from .money import CENTS\ndef rounded(x): return x\n")
    shop.write("lib/money.py", "CENTS = 100\n")
    shop.write("lib/unused.py", "1 / 0\n")
    contract = make_contract(shop.plan().graph, CompileCache())
    assert [(module.path, module.router) for module in contract.manifest.modules] == [
        ("endpoints/quotes.py", True),
        ("lib/money.py", False),
        ("lib/prices.py", False),
    ]
    for module in contract.manifest.modules:
        text = (shop.root / module.path).read_bytes()
        assert contract.modules[module.object] == text
        assert module.object == hash_bytes(text)


def test_what_nobody_may_call_is_compiled_and_in_no_manifest(shop: Shop) -> None:
    shop.write("headrace.toml", 'name = "shop"\n')
    shop.write("endpoints/cities.sql", "/* access: [crm, analyst] */ SELECT city FROM cities")
    shop.write("endpoints/quotes.py", ROUTER)
    shop.write(
        "endpoints/public.py", "from fastapi import APIRouter as router\naccess = 'public'\n"
    )
    shop.write("lib/prices.py", "def rounded(x): return x\n")
    plan = shop.plan()
    assert [each.name for each in plan.graph.endpoints] == ["cities", "revenue"]
    assert [each.place.file for each in plan.not_served] == [
        "endpoints/quotes.py",
        "endpoints/revenue.sql",
    ]
    [cities] = plan.manifest.endpoints
    assert (cities.name, str(cities.access)) == ("cities", "analyst, crm")
    [module] = plan.manifest.modules
    assert (module.path, module.router, module.access) == ("endpoints/public.py", True, PUBLIC)
    assert len(plan.modules) == 1


def test_the_settings_say_who_may_call_what_says_nothing(shop: Shop) -> None:
    shop.write("headrace.toml", 'name = "shop"\nserve.default_access = "authenticated"\n')
    shop.write("endpoints/cities.sql", "/* access: crm */ SELECT city FROM cities")
    shop.write("endpoints/quotes.py", ROUTER)
    shop.write("lib/prices.py", "def rounded(x): return x\n")
    plan = shop.plan()
    assert plan.not_served == ()
    assert [(each.name, str(each.access)) for each in plan.manifest.endpoints] == [
        ("cities", "crm"),
        ("revenue", "authenticated"),
    ]
    assert [(each.path, str(each.access)) for each in plan.manifest.modules] == [
        ("endpoints/quotes.py", "authenticated"),
        ("lib/prices.py", "nobody"),
    ]


def test_another_access_publishes_and_builds_nothing(shop: Shop) -> None:
    shop.run()
    shop.write("headrace.toml", 'name = "shop"\n')
    shop.write("endpoints/revenue.sql", "/* access: crm */ SELECT day, revenue FROM daily_revenue")
    shop.run(accepted=("revenue",))
    shop.write(
        "endpoints/revenue.sql", "/* access: public */ SELECT day, revenue FROM daily_revenue"
    )
    plan = shop.plan()
    assert (plan.steps, plan.reasons) == ((), ("the API's contract changed: revenue",))
    assert [each.detail for each in plan.changes] == ["now public (was crm)"]
    report = shop.run()
    assert (report.outcome, built(report)) == ("published", [])
    [endpoint] = shop.published().manifest.endpoints
    assert endpoint.access == PUBLIC


def test_an_edit_of_what_a_router_imports_publishes_and_builds_nothing(shop: Shop) -> None:
    shop.write("endpoints/quotes.py", ROUTER)
    shop.write("lib/prices.py", "def rounded(x): return x\n")
    shop.run()
    shop.write("lib/prices.py", "def rounded(x): return round(x)\n")
    assert shop.plan().reasons == ("the API's contract changed: lib/prices.py",)
    report = shop.run()
    assert (report.outcome, built(report)) == ("published", [])
    [module] = [each for each in shop.published().manifest.modules if each.path == "lib/prices.py"]
    assert shop.store.get_object(module.object) == b"def rounded(x): return round(x)\n"


def test_a_file_that_is_not_python_is_named_with_who_imports_it(shop: Shop) -> None:
    shop.write("endpoints/quotes.py", ROUTER)
    shop.write("lib/prices.py", "CENTS = 100\n  ROUNDED = 1\n")
    # The column is Python's, and another in each version of it.
    message = r"^lib/prices\.py:2:\d+: unexpected indent; `quotes` needs this file to run$"
    with pytest.raises(ProjectError, match=message):
        shop.plan()
