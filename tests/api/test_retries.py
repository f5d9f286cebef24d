"""Which requests may be sent again, and when: the whole decision table, and the laws of waits and budget."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp import errors
from contacts_mcp.api.retries import AMBIGUOUS, Budget, Kind, Schedule, may_repeat
from contacts_mcp.errors import ContactsError

READ, WRITE = Kind.READ, Kind.WRITE

TABLE = {
    "InvalidPhone": (),
    "UnknownName": (),
    "ContactNotFound": (),
    "Refused": (),
    "CredentialsMissing": (),
    "CredentialsRefused": (),
    "Forbidden": (),
    "RateLimited": (READ, WRITE),
    "Rejected": (),
    "ServiceFailed": (READ,),
    "Unreachable": (READ, WRITE),
    "AnswerLost": (READ,),
    "NotDone": (),
    "BadAnswer": (READ,),
    "OutcomeUnknown": (),
}


def leaves(base: type[ContactsError]) -> list[type[ContactsError]]:
    below = [leaf for child in base.__subclasses__() if child.__module__ == errors.__name__ for leaf in leaves(child)]
    return below or [base]


def made(kind: type[ContactsError]) -> ContactsError:
    given: dict[type[ContactsError], tuple[Any, ...]] = {
        errors.InvalidPhone: ("short", "too short"),
        errors.UnknownName: ("tags", "nobody"),
    }
    return kind(*given.get(kind, ("failed",)))


LEAVES = leaves(ContactsError)


def test_the_table_has_every_leaf_of_the_tree() -> None:
    assert {leaf.__name__ for leaf in LEAVES} == TABLE.keys()


@pytest.mark.parametrize(
    ("leaf", "kind"), list(product(LEAVES, Kind)), ids=lambda value: getattr(value, "__name__", None) or value.value
)
def test_only_what_cannot_do_harm_goes_out_again(leaf: type[ContactsError], kind: Kind) -> None:
    assert may_repeat(made(leaf), kind) is (kind in TABLE[leaf.__name__])


def test_whatever_may_have_been_carried_out_is_ambiguous_and_never_a_repeated_write() -> None:
    repeated_reads = {leaf for leaf in LEAVES if may_repeat(made(leaf), READ)}
    repeated_writes = {leaf for leaf in LEAVES if may_repeat(made(leaf), WRITE)}
    assert repeated_reads - repeated_writes == set(AMBIGUOUS)


def test_an_error_of_a_kind_nobody_thought_of_is_not_repeated() -> None:
    class Novel(errors.ServiceFailed):
        pass

    assert not may_repeat(Novel("new"), READ)


attempts = st.integers(1, 1000)
draws = st.floats(0, 1, exclude_max=True)
lower_bounds = st.floats(0, 600)


@given(attempt=attempts, draw=draws, at_least=lower_bounds)
def test_a_wait_is_never_shorter_than_asked_nor_longer_than_the_longest_beyond_it(
    attempt: int, draw: float, at_least: float
) -> None:
    wait = Schedule().wait(attempt, at_least=at_least, draw=lambda: draw)
    assert at_least <= wait <= at_least + Schedule().longest


@pytest.mark.parametrize(("attempt", "most"), [(1, 0.4), (2, 0.8), (3, 1.6), (4, 3.2), (5, 6.4), (6, 8.0), (99, 8.0)])
def test_waits_double_up_to_the_longest(attempt: int, most: float) -> None:
    assert Schedule().wait(attempt, at_least=0, draw=lambda: 1.0) == pytest.approx(most)


@given(attempt=attempts, draw=draws)
def test_jitter_is_full(attempt: int, draw: float) -> None:
    """Anything from nothing to the whole step, so that many clients do not come back together."""
    schedule = Schedule()
    step = schedule.wait(attempt, at_least=0, draw=lambda: 1.0)
    assert schedule.wait(attempt, at_least=0, draw=lambda: draw) == pytest.approx(draw * step)


def test_the_reserve_is_for_short_trouble() -> None:
    budget = Budget()
    assert [budget.spend() for _ in range(25)].count(True) == Budget.RESERVE


def test_in_long_trouble_a_tenth_of_the_requests_may_be_retries() -> None:
    budget = Budget()
    allowed = 0
    for _ in range(10_000):
        budget.earn()
        allowed += budget.spend()
    assert allowed == pytest.approx(10_000 * Budget.SHARE + Budget.RESERVE, abs=2)


def test_quiet_times_do_not_save_up_more_than_the_reserve() -> None:
    budget = Budget()
    for _ in range(10_000):
        budget.earn()
    assert [budget.spend() for _ in range(50)].count(True) == Budget.RESERVE
