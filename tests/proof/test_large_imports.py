"""Short versions of the measurements of large imports. They look at the figures that a busy machine cannot change.

`benchmarks/plan.py` and `benchmarks/importing.py` measure 100,000 rows and 10,000 contacts.

Guards `contacts_mcp/book/transfer/planning.py`, `contacts_mcp/book/transfer/running.py` and `contacts_mcp/api/pace.py`.
"""

from __future__ import annotations

from pathlib import Path

import importing
import plan
import pytest


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_plan_of_many_rows_has_its_decisions_and_asks_for_a_hundred_at_once(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"list.{ending}"
    (plan.write_csv if ending == "csv" else plan.write_xlsx)(path, 3_000)
    found = plan.planned(path, 3_000)
    assert found.counts == {"new": 2_670, "fill": 300, "duplicate": 30}
    assert found.requests <= 32
    assert found.cpu > 0


def test_new_contacts_cost_few_requests(tmp_path: Path) -> None:
    report = plan.Report()
    importing.in_hurry(importing.count_requests, 2_000, tmp_path, report)
    assert report.missed == 0


@pytest.mark.parametrize("is_asked", [False, True], ids=["alone", "asked"])
def test_an_import_uses_the_limit_and_nobody_waits_for_it(tmp_path: Path, *, is_asked: bool) -> None:
    report = plan.Report()
    importing.in_hurry(importing.use_limit, 650, tmp_path, report, limit=500, is_asked=is_asked)
    assert report.missed == 0
