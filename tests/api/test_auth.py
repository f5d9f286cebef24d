"""Who we are: the three ways of `heymarket-api.md` section 2, and which of them the settings choose."""

from __future__ import annotations

import base64
from contextlib import closing
from itertools import pairwise
from typing import Any

import httpx
import jwt
import pytest
from support import Clock

from contacts_mcp.api.auth import RENEW_AFTER, TOKEN_LIFETIME, Auth, BasicKey, BearerKey, SignedToken, auth_for
from contacts_mcp.config import Settings
from contacts_mcp.errors import CredentialsMissing
from contacts_mcp.sandbox import Credentials, open_sandbox

SECRET_ID = "11111111-2222-3333-4444-555555555555"
SECRET_KEY = "sandbox-secret-key"
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    ".eyJpc3MiOiIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCJpYXQiOjE3MDAwMDAwMDB9"
    ".VrZLHQO3KbFJfoa0VOvx1M8KSoAXEMMxm9qHMvUBmsU"
)
NOW = 1_700_000_000.0


def signed(clock: Clock) -> SignedToken:
    return SignedToken(SECRET_ID, SECRET_KEY, clock=clock)


def issued_at(auth: SignedToken) -> int:
    claims: dict[str, Any] = jwt.decode(auth.header().removeprefix("Bearer "), options={"verify_signature": False})
    return int(claims["iat"])


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_ID", "SECRET_KEY", "API_KEY", "BASE_URL"):
        monkeypatch.delenv(f"HEYMARKET_{name}", raising=False)


def test_a_bearer_key_is_sent_as_it_is() -> None:
    assert BearerKey("k-1").header() == "Bearer k-1"


def test_a_basic_key_is_the_user_name_with_an_empty_password() -> None:
    assert base64.b64decode(BasicKey("k-1").header().removeprefix("Basic ")) == b"k-1:"


def test_a_signed_token_is_the_contracts_test_vector() -> None:
    assert signed(Clock(NOW)).header() == f"Bearer {VECTOR}"


def test_a_token_is_kept_while_it_is_young() -> None:
    clock = Clock(NOW)
    auth = signed(clock)
    first = auth.header()
    clock.now += RENEW_AFTER - 1
    assert auth.header() == first


def test_no_token_is_ever_sent_near_its_end() -> None:
    """Asked every 7 s for an hour, the token is never older than the renewal age.

    The service refuses a token a minute after that age.
    """
    clock = Clock(NOW)
    auth = signed(clock)
    ages = []
    for _ in range(3600 // 7):
        ages.append(clock.now - issued_at(auth))
        clock.now += 7
    assert max(ages) < RENEW_AFTER <= TOKEN_LIFETIME - 60
    assert sum(later < earlier for earlier, later in pairwise(ages)) == 3600 // 245


def test_a_clock_that_was_set_back_makes_a_new_token() -> None:
    """A token from the future would be refused until the clock has caught up."""
    clock = Clock(NOW)
    auth = signed(clock)
    auth.header()
    clock.now -= 3600
    assert issued_at(auth) == int(clock.now)


def test_a_token_says_nothing_but_who_and_when() -> None:
    claims = jwt.decode(VECTOR, options={"verify_signature": False})
    assert claims == {"iss": SECRET_ID, "iat": 1_700_000_000}


PAIR = {"secret_id": SECRET_ID, "secret_key": SECRET_KEY}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        pytest.param(PAIR, SignedToken, id="pair"),
        pytest.param(PAIR | {"api_key": "k"}, SignedToken, id="pair before key"),
        pytest.param(PAIR | {"api_key": "k", "api_key_scheme": "basic"}, SignedToken, id="pair before basic key"),
        pytest.param({"api_key": "k"}, BearerKey, id="key"),
        pytest.param({"api_key": "k", "api_key_scheme": "basic"}, BasicKey, id="basic key"),
        pytest.param({"api_key": "k", "secret_id": SECRET_ID}, BearerKey, id="key and half a pair"),
    ],
)
def test_the_strongest_complete_proof_is_chosen(given: dict[str, str], kind: type[Auth]) -> None:
    assert type(auth_for(Settings.load(**given))) is kind


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"secret_id": SECRET_ID}, "HEYMARKET_SECRET_KEY"), ({"secret_key": SECRET_KEY}, "HEYMARKET_SECRET_ID")],
)
def test_half_a_pair_names_the_missing_variable(given: dict[str, str], missing: str) -> None:
    with pytest.raises(CredentialsMissing, match=f"^{missing} is not set") as caught:
        auth_for(Settings.load(**given))
    assert SECRET_KEY not in str(caught.value)
    assert SECRET_ID not in str(caught.value)


def test_nothing_set_names_every_way() -> None:
    with pytest.raises(CredentialsMissing) as caught:
        auth_for(Settings.load())
    for name in ("HEYMARKET_SECRET_ID", "HEYMARKET_SECRET_KEY", "HEYMARKET_API_KEY", "CONTACTS_MCP_SANDBOX=1"):
        assert name in str(caught.value)


async def status_of(auth: Auth, clock: Clock) -> int:
    with closing(open_sandbox(contacts=1, clock=clock)) as sandbox:
        async with httpx.AsyncClient(transport=sandbox.transport(), base_url="http://sandbox") as http:
            return (await http.get("/v1/inboxes", headers={"Authorization": auth.header()})).status_code


@pytest.mark.parametrize("method", ["bearer", "basic", "signed"])
async def test_the_sandbox_accepts_every_way_by_its_own_check(method: str) -> None:
    clock = Clock(NOW)
    key = Credentials().api_key
    auth: Auth = {"bearer": BearerKey(key), "basic": BasicKey(key), "signed": signed(clock)}[method]
    assert await status_of(auth, clock) == 200


@pytest.mark.parametrize(
    "auth",
    [BearerKey("wrong"), BasicKey("wrong"), SignedToken(SECRET_ID, "another-key", clock=Clock(NOW))],
    ids=lambda auth: type(auth).__name__,
)
async def test_the_sandbox_refuses_a_wrong_key(auth: Auth) -> None:
    assert await status_of(auth, Clock(NOW)) == 401


async def test_a_kept_token_is_accepted_to_its_last_second() -> None:
    clock = Clock(NOW)
    auth = signed(clock)
    auth.header()
    clock.now += RENEW_AFTER - 0.001
    assert await status_of(auth, clock) == 200
