"""Confirmations that bind: each way in which a token can be wrong is refused with its reason."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import Clock, OpenSession

from contacts_mcp.book.confirmations import LIFETIME, REASONS, Confirmations, Deed, digest_of

KEY = b"shared"
DEED = Deed("delete", {7: "3 2026-01-01T00:00:00Z"}, {"wanted": {"first": "Jo"}})
SEVERAL = Deed("merge", {7: "3", 9: "1"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def confirmations(clock: Clock) -> Confirmations:
    return Confirmations("account", key=KEY, clock=clock)


def test_a_token_permits_what_it_was_made_for(confirmations: Confirmations) -> None:
    assert confirmations.refusal(confirmations.token_for(DEED), DEED) == ""


def test_the_order_of_contacts_and_arguments_means_nothing(confirmations: Confirmations) -> None:
    token = confirmations.token_for(replace(SEVERAL, arguments={"a": 1, "b": 2}))
    assert confirmations.refusal(token, Deed("merge", {9: "1", 7: "3"}, {"b": 2, "a": 1})) == ""


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param(replace(DEED, action="opt in"), "action", id="another action"),
        pytest.param(replace(DEED, contacts={8: DEED.contacts[7]}), "contacts", id="another contact"),
        pytest.param(replace(DEED, contacts={7: "3", 9: "1"}), "contacts", id="one contact more"),
        pytest.param(replace(DEED, contacts={}), "contacts", id="no contact"),
        pytest.param(replace(DEED, arguments={"wanted": {"first": "Joe"}}), "arguments", id="another value"),
        pytest.param(replace(DEED, arguments={}), "arguments", id="no arguments"),
        pytest.param(replace(DEED, contacts={7: "4 2026-01-01T00:00:00Z"}), "states", id="a rev moved"),
        pytest.param(replace(DEED, contacts={7: "3 2026-01-01T00:00:01Z"}), "states", id="updated moved"),
        pytest.param(replace(DEED, action="opt in", contacts={8: ""}), "action", id="the first difference is told"),
    ],
)
def test_another_deed_is_refused_with_what_differs(confirmations: Confirmations, other: Deed, reason: str) -> None:
    assert confirmations.refusal(confirmations.token_for(DEED), other) == REASONS[reason]


def test_another_account_is_refused_even_with_the_same_key(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DEED)
    assert Confirmations("another", key=KEY, clock=clock).refusal(token, DEED) == REASONS["account"]


def test_another_key_is_refused_as_not_ours(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DEED)
    for stranger in (Confirmations("account", key=b"another", clock=clock), Confirmations("account", clock=clock)):
        assert stranger.refusal(token, DEED) == REASONS["form"]


def test_a_server_with_the_same_key_accepts_it(confirmations: Confirmations, clock: Clock) -> None:
    """Nothing is stored when a token is made, so a second server, or the same one after a start, can check it."""
    assert Confirmations("account", key=KEY, clock=clock).refusal(confirmations.token_for(DEED), DEED) == ""


def test_without_a_key_each_server_has_its_own(clock: Clock) -> None:
    one, other = Confirmations("account", clock=clock), Confirmations("account", clock=clock)
    assert one.refusal(one.token_for(DEED), DEED) == ""
    assert other.refusal(one.token_for(DEED), DEED) == REASONS["form"]


def test_a_token_lives_for_15_minutes(confirmations: Confirmations, clock: Clock) -> None:
    token = confirmations.token_for(DEED)
    clock.now += LIFETIME
    assert confirmations.refusal(token, DEED) == ""
    clock.now += 1
    assert confirmations.refusal(token, DEED) == REASONS["expired"]


def test_a_token_is_good_once(confirmations: Confirmations) -> None:
    token, other = confirmations.token_for(DEED), confirmations.token_for(DEED)
    confirmations.use(token)
    assert confirmations.refusal(token, DEED) == REASONS["used"]
    assert confirmations.refusal(f" {token}\n", DEED) == REASONS["used"]
    assert confirmations.refusal(other, DEED) == ""


def test_used_tokens_are_forgotten_once_they_have_expired(confirmations: Confirmations, clock: Clock) -> None:
    for _ in range(3):
        confirmations.use(confirmations.token_for(DEED))
        clock.now += LIFETIME + 1
    assert len(confirmations._used) == 1


@pytest.mark.parametrize(
    "token",
    ["", "x", "AAAA", "A" * 75, "A" * 76, "ä" * 75, "=" * 75, "\x00", "A" * 100_000],
    ids=lambda token: token[:5],
)
def test_what_is_no_token_is_refused_and_never_fails(confirmations: Confirmations, token: str) -> None:
    assert confirmations.refusal(token, DEED) == REASONS["form"]
    confirmations.use(token)


def test_a_token_may_be_copied_with_spaces_around_it(confirmations: Confirmations) -> None:
    assert confirmations.refusal(f" {confirmations.token_for(DEED)}\n", DEED) == ""


def test_a_token_is_short_and_says_nothing(confirmations: Confirmations) -> None:
    token = confirmations.token_for(DEED)
    assert len(token) == 75
    assert token.isascii()
    assert b"delete" not in decoded(token)
    assert confirmations.token_for(DEED) != token


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TOKEN = Confirmations("account", key=KEY, clock=Clock()).token_for(DEED)


def decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


@given(place=st.integers(0, len(TOKEN) - 1), char=st.one_of(st.sampled_from(ALPHABET), st.characters()))
@example(
    place=len(TOKEN) - 1,
    char=next(char for char in ALPHABET if char != TOKEN[-1] and decoded(TOKEN[:-1] + char) == decoded(TOKEN)),
)
def test_an_altered_character_is_refused_even_where_it_means_the_same_bytes(place: int, char: str) -> None:
    altered = TOKEN[:place] + char + TOKEN[place + 1 :]
    refusal = Confirmations("account", key=KEY, clock=Clock()).refusal(altered, DEED)
    assert refusal == ("" if altered.strip() == TOKEN else REASONS["form"])


@given(st.binary(min_size=56, max_size=56))
def test_made_up_bytes_are_refused(raw: bytes) -> None:
    forged = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert Confirmations("account", key=KEY, clock=Clock()).refusal(forged, DEED) == REASONS["form"]


def test_the_digest_recognizes_a_token_and_does_not_give_it_away() -> None:
    assert digest_of(TOKEN) == digest_of(f" {TOKEN} ") != digest_of(TOKEN[:-1])
    assert len(digest_of(TOKEN)) == 16
    assert digest_of("") == ""


async def test_two_servers_with_one_signing_key_share_confirmations(open_session: OpenSession, tmp_path: Path) -> None:
    """The token of one permits the deed at the other; used there, the moved state refuses it here."""
    async with open_session(signing_key="a sandbox signing key") as one:
        token = (await one.ok("delete_contact", contact_id=1001))["confirm_token"]
        async with open_session(
            sandbox=one.sandbox, signing_key="a sandbox signing key", data_dir=tmp_path / "other"
        ) as other:
            stranger_token = (await other.ok("delete_contact", contact_id=1002))["confirm_token"]
            assert (await other.ok("delete_contact", contact_id=1001, confirm_token=token))["status"] == "deleted"
        assert (await one.ok("delete_contact", contact_id=1002, confirm_token=stranger_token))["status"] == "deleted"
        assert "No contact has the id 1001" in await one.refused("delete_contact", contact_id=1001, confirm_token="x")
