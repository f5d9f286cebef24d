"""Confirmations that bind: each way in which a token can be wrong is refused with its reason."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import OFFICE, Clock, OpenSession, bare_book, kinds

from contacts_mcp.book.book import Book, confirmed, risky
from contacts_mcp.book.cards import card_of
from contacts_mcp.book.confirmations import LIFETIME, REASONS, SKEW, Confirmations, RiskyAction, digest_of
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Journal

KEY = b"shared"
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
DELETE = RiskyAction("delete", {7: "3 2026-01-01T00:00:00Z"}, {"wanted": {"first": "Jo"}})
SEVERAL = RiskyAction("merge", {7: "3", 9: "1"})
TOKEN_LENGTH = 51  # 38 bytes: expiry 4, nonce 8, hints 10, MAC 16


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def confirmations(clock: Clock) -> Confirmations:
    return Confirmations("account", keys=[KEY], clock=clock)


def test_a_token_permits_what_it_was_made_for(confirmations: Confirmations) -> None:
    assert confirmations.refusal(confirmations.token_for(DELETE), DELETE) == ""


def test_the_order_of_contacts_and_arguments_means_nothing(confirmations: Confirmations) -> None:
    token = confirmations.token_for(replace(SEVERAL, arguments={"a": 1, "b": 2}))
    assert confirmations.refusal(token, RiskyAction("merge", {9: "1", 7: "3"}, {"b": 2, "a": 1})) == ""


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param(replace(DELETE, name="opt in"), "action", id="another action"),
        pytest.param(replace(DELETE, contacts={8: DELETE.contacts[7]}), "contacts", id="another contact"),
        pytest.param(replace(DELETE, contacts={7: "3", 9: "1"}), "contacts", id="one contact more"),
        pytest.param(replace(DELETE, contacts={}), "contacts", id="no contact"),
        pytest.param(replace(DELETE, arguments={"wanted": {"first": "Joe"}}), "arguments", id="another value"),
        pytest.param(replace(DELETE, arguments={}), "arguments", id="no arguments"),
        pytest.param(replace(DELETE, contacts={7: "4 2026-01-01T00:00:00Z"}), "states", id="a rev moved"),
        pytest.param(replace(DELETE, contacts={7: "3 2026-01-01T00:00:01Z"}), "states", id="updated moved"),
        pytest.param(replace(DELETE, name="opt in", contacts={8: ""}), "action", id="the first difference is told"),
    ],
)
def test_another_action_is_refused_with_what_differs(
    confirmations: Confirmations, other: RiskyAction, reason: str
) -> None:
    assert confirmations.refusal(confirmations.token_for(DELETE), other) == REASONS[reason]


def test_another_account_is_refused_even_with_the_same_key(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DELETE)
    assert Confirmations("another", keys=[KEY], clock=clock).refusal(token, DELETE) == REASONS["form"]


def test_another_key_is_refused_as_not_ours(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DELETE)
    for stranger in (Confirmations("account", keys=[b"another"], clock=clock), Confirmations("account", clock=clock)):
        assert stranger.refusal(token, DELETE) == REASONS["form"]


def test_a_server_with_the_same_key_accepts_it(confirmations: Confirmations, clock: Clock) -> None:
    """Nothing is stored when a token is made, so a second server, or the same one after a start, can check it."""
    assert Confirmations("account", keys=[KEY], clock=clock).refusal(confirmations.token_for(DELETE), DELETE) == ""


def test_without_a_key_each_server_has_its_own(clock: Clock) -> None:
    one, other = Confirmations("account", clock=clock), Confirmations("account", clock=clock)
    assert one.refusal(one.token_for(DELETE), DELETE) == ""
    assert other.refusal(one.token_for(DELETE), DELETE) == REASONS["form"]


def test_a_token_lives_for_15_minutes(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DELETE)
    clock.now += LIFETIME
    assert confirmations.refusal(token, DELETE) == ""
    clock.now += 1
    assert confirmations.refusal(token, DELETE) == REASONS["expired"]


def test_a_token_with_a_longer_life_says_how_long_that_was(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DELETE, lifetime=3600.0)
    clock.now += 3600
    assert confirmations.refusal(token, DELETE, lifetime=3600.0) == ""
    clock.now += 1
    assert confirmations.refusal(token, DELETE, lifetime=3600.0) == "the confirm_token has expired (60 minutes)"


def test_a_token_of_a_clock_that_was_ahead_does_not_live_longer(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DELETE)
    clock.now -= SKEW  # another server's clock
    assert confirmations.refusal(token, DELETE) == ""
    clock.now -= 2  # a token holds whole seconds
    assert confirmations.refusal(token, DELETE) == REASONS["expired"]


@pytest.mark.parametrize(
    "token",
    ["", "x", "AAAA", "A" * 50, "A" * 52, "A" * 75, "ä" * 51, "=" * 51, "\x00", "A" * 100_000],
    ids=lambda token: f"{token[:5]} {len(token)}",
)
def test_text_that_is_no_token_is_refused_and_never_fails(confirmations: Confirmations, token: str) -> None:
    assert confirmations.refusal(token, DELETE) == REASONS["form"]


def test_a_token_may_be_copied_with_spaces_around_it(confirmations: Confirmations) -> None:
    assert confirmations.refusal(f" {confirmations.token_for(DELETE)}\n", DELETE) == ""


def test_a_token_is_short_and_says_nothing(confirmations: Confirmations) -> None:
    token = confirmations.token_for(DELETE)
    assert len(token) == TOKEN_LENGTH
    assert token.isascii()
    assert b"delete" not in decoded(token)
    assert confirmations.token_for(DELETE) != token


# Forgery

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def ours() -> Confirmations:
    return Confirmations("account", keys=[KEY], clock=Clock())


TOKEN = ours().token_for(DELETE)


def decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_a_token_with_any_bit_altered_is_refused() -> None:
    """The reason may be wrong, because an altered hint may name a part that does not differ. It permits nothing."""
    for bit in range(len(decoded(TOKEN)) * 8):
        raw = bytearray(decoded(TOKEN))
        raw[bit // 8] ^= 1 << bit % 8
        assert ours().refusal(encoded(bytes(raw)), DELETE) in REASONS.values(), bit


def test_the_expiry_cannot_be_moved(clock: Clock) -> None:
    raw = decoded(TOKEN)
    later = (int.from_bytes(raw[:4]) + 3600).to_bytes(4)
    clock.now += LIFETIME + 1
    late = Confirmations("account", keys=[KEY], clock=clock)
    assert late.refusal(TOKEN, DELETE) == REASONS["expired"]
    assert late.refusal(encoded(later + raw[4:]), DELETE) == REASONS["form"]


@PATIENT
@given(place=st.integers(0, len(TOKEN) - 1), char=st.one_of(st.sampled_from(ALPHABET), st.characters()))
@example(
    place=len(TOKEN) - 1,
    char=next(char for char in ALPHABET if char != TOKEN[-1] and decoded(TOKEN[:-1] + char) == decoded(TOKEN)),
)
def test_an_altered_character_is_refused_even_where_it_means_the_same_bytes(place: int, char: str) -> None:
    altered = TOKEN[:place] + char + TOKEN[place + 1 :]
    refusal = ours().refusal(altered, DELETE)
    assert refusal == "" if altered.strip() == TOKEN else refusal in REASONS.values()


@PATIENT
@given(st.binary(min_size=38, max_size=38))
def test_made_up_bytes_are_refused(raw: bytes) -> None:
    assert ours().refusal(encoded(raw), DELETE) in REASONS.values()


def test_other_words_of_consent_are_another_action_even_if_their_hints_are_equal() -> None:
    """A hint of 16 bits is collided in no time. The MAC covers the words whole, so the collision permits nothing."""
    said = replace(DELETE, arguments={"consent": "Said yes by phone on 2026-03-04"})
    collided = replace(DELETE, arguments={"consent": "Said yes in letter 477"})
    own = ours()
    token = own.token_for(said)
    assert decoded(token)[12:22] == decoded(own.token_for(collided))[12:22], "another pair of equal hints is needed"
    assert own.refusal(token, said) == ""
    assert own.refusal(token, collided) == REASONS["form"]


PARTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["delete", "opt in", "move"]),
        "contacts": st.dictionaries(st.integers(1, 3), st.sampled_from(["", "1", "2", "12"]), max_size=3),
        "arguments": st.dictionaries(st.sampled_from("ab"), st.one_of(st.none(), st.booleans(), st.text(max_size=3))),
    }
)


@PATIENT
@given(one=PARTS, other=PARTS)
def test_a_token_permits_another_action_only_if_nothing_differs(one: Any, other: Any) -> None:
    own = ours()
    is_permitted = own.refusal(own.token_for(RiskyAction(**one)), RiskyAction(**other)) == ""
    assert is_permitted is (one == other)


@pytest.mark.parametrize("said", ["Said yes \ud83d", "é", date(2026, 3, 4)], ids=["half an emoji", "accent", "date"])
def test_any_argument_can_be_confirmed(confirmations: Confirmations, said: Any) -> None:
    action = replace(DELETE, arguments={"said": said})
    token = confirmations.token_for(action)
    assert confirmations.refusal(token, action) == ""
    assert confirmations.refusal(token, replace(DELETE, arguments={"said": "no"})) == REASONS["arguments"]


def test_the_digest_recognizes_a_token_and_does_not_give_it_away() -> None:
    assert digest_of(TOKEN) == digest_of(f" {TOKEN} ") != digest_of(TOKEN[:-1])
    assert digest_of(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()[:32]  # 128 bits
    assert digest_of("") == ""


# The one door: `confirmed`

PERSON = Contact(id=7, first="Jo", phone="15105550100", rev=3, updated="2026-01-01T00:00:00Z")


def book_on(path: Path, clock: Clock, **settings: Any) -> Book:
    return bare_book(Journal(path, "account", clock=clock), clock, **settings)


@pytest.fixture
async def book(tmp_path: Path, clock: Clock) -> Any:
    opened = book_on(tmp_path / "journal.sqlite3", clock)
    yield opened
    await opened.journal.aclose()


async def ask(book: Book, token: str = "", contact: Contact = PERSON) -> Any:
    return await confirmed(
        book, risky("delete", contact), token, card=card_of(contact, OFFICE), question="Delete Jo?", notes=["before"]
    )


async def test_the_answer_holds_the_question_a_token_and_the_notes(book: Book) -> None:
    asked = await ask(book)
    assert (asked.status, asked.question, asked.notes) == ("needs_confirmation", "Delete Jo?", ["before"])
    assert (asked.card.contact_id, asked.change_id) == (7, None)
    assert await ask(book, asked.confirm_token) is None


async def test_a_token_is_good_once(book: Book) -> None:
    first, other = (await ask(book)).confirm_token, (await ask(book)).confirm_token
    assert await ask(book, first) is None
    for written in (first, f" {first}\n"):
        again = await ask(book, written)
        assert kinds(again.notes[1:]) == ["token_refused"]
        assert REASONS["used"] in again.notes[1]
    assert await ask(book, other) is None


async def test_a_token_is_used_up_in_every_process_that_shares_the_journal(
    book: Book, tmp_path: Path, clock: Clock
) -> None:
    other = book_on(tmp_path / "journal.sqlite3", clock)
    token = (await ask(book)).confirm_token
    assert await ask(other, token) is None
    assert REASONS["used"] in (await ask(book, token)).notes[-1]
    await other.journal.aclose()


async def test_a_token_stays_used_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "journal.sqlite3"
    first = book_on(path, clock)
    token = (await ask(first)).confirm_token
    assert await ask(first, token) is None
    await first.journal.aclose()
    second = book_on(path, clock)
    assert REASONS["used"] in (await ask(second, token)).notes[-1]
    await second.journal.aclose()


async def test_a_refused_token_is_not_used_up(book: Book) -> None:
    """A call with a wrong contact must not cost the right one its token."""
    token = (await ask(book)).confirm_token
    moved = PERSON.model_copy(update={"rev": 4})
    assert REASONS["states"] in (await ask(book, token, moved)).notes[-1]
    assert await ask(book, token) is None


@pytest.mark.parametrize("reason", ["expired", "states"])
async def test_a_refused_token_comes_back_with_a_good_one(book: Book, clock: Clock, reason: str) -> None:
    token = (await ask(book)).confirm_token
    contact = PERSON
    if reason == "expired":
        clock.now += LIFETIME + 1
    else:
        contact = PERSON.model_copy(update={"first": "Joe"})
    again = await ask(book, token, contact)
    assert REASONS[reason] in again.notes[-1]
    assert again.confirm_token != token
    assert await ask(book, again.confirm_token, contact) is None


@pytest.mark.parametrize(
    "moved",
    [
        {"rev": 4},
        {"updated": "2026-01-01T00:00:01Z"},
        {"first": "Joe"},
        {"is_opted_out": True},
        {"custom": {31: "Gold"}},
    ],
    ids=str,
)
async def test_anything_that_moved_since_is_another_state(book: Book, moved: Any) -> None:
    """Reads without `rev` and `updated` still have their values."""
    assert (
        REASONS["states"]
        in (await ask(book, (await ask(book)).confirm_token, PERSON.model_copy(update=moved))).notes[-1]
    )


async def test_without_confirmations_nothing_is_asked_and_nothing_used_up(tmp_path: Path, clock: Clock) -> None:
    book = book_on(tmp_path / "journal.sqlite3", clock, confirms=False)
    assert await ask(book) is None
    assert await ask(book, "anything") is None
    await book.journal.aclose()


async def test_two_servers_with_one_signing_key_share_confirmations(open_session: OpenSession, tmp_path: Path) -> None:
    """The token of one permits the action at the other. Once it was used there, the moved state refuses it here."""
    async with open_session(signing_key="a sandbox signing key") as one:
        token = (await one.ok("delete_contact", contact_id=1001))["confirm_token"]
        async with open_session(
            sandbox=one.sandbox, signing_key="a sandbox signing key", data_dir=tmp_path / "other"
        ) as other:
            stranger_token = (await other.ok("delete_contact", contact_id=1002))["confirm_token"]
            assert (await other.ok("delete_contact", contact_id=1001, confirm_token=token))["status"] == "deleted"
        assert (await one.ok("delete_contact", contact_id=1002, confirm_token=stranger_token))["status"] == "deleted"
        assert "No contact has the id 1001" in await one.refused("delete_contact", contact_id=1001, confirm_token="x")
