"""The list of `scripts/mutate.py` names modules and tests that exist. A module that moves takes its line along."""

from __future__ import annotations

from pathlib import Path

import mutate
import pytest

import contacts_mcp

ABOVE_THE_PACKAGE = Path(contacts_mcp.__file__).parents[1]


@pytest.mark.parametrize("name", mutate.MODULES)
def test_a_module_and_its_tests_exist(name: str) -> None:
    guarded = mutate.MODULES[name]
    assert (ABOVE_THE_PACKAGE / guarded.module).is_file()
    assert [path for path in guarded.tests if not (mutate.ROOT / path).exists()] == []


def test_no_two_modules_share_a_copy_of_the_project() -> None:
    assert len({guarded.work for guarded in mutate.MODULES.values()}) == len(mutate.MODULES)
