from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contacts_mcp.sandbox import Credentials, Sandbox, open_sandbox
from contacts_mcp.sandbox.auth import authenticate
from contacts_mcp.sandbox.replies import Unauthorized

OURS = Credentials()
NOW = 1_700_000_000
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    ".eyJpc3MiOiIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCJpYXQiOjE3MDAwMDAwMDB9"
    ".VrZLHQO3KbFJfoa0VOvx1M8KSoAXEMMxm9qHMvUBmsU"
)


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(
    payload: Any, *, header: Any = None, key: str = "11111111-2222-3333-4444-555555555555||sandbox-secret-key"
) -> str:
    parts = [json.dumps(part).encode() for part in (header or {"alg": "HS256", "typ": "JWT"}, payload)]
    message = ".".join(map(segment, parts))
    return f"{message}.{segment(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest())}"


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def payload(**changes: Any) -> dict[str, Any]:
    return {"iss": OURS.secret_id, "iat": NOW, **changes}


@pytest.mark.parametrize(
    ("header", "holder"),
    [
        (f"Bearer {VECTOR}", OURS.secret_id),
        (f"bearer {VECTOR}", OURS.secret_id),
        ("Bearer sandbox-api-key", OURS.api_key),
        (basic("sandbox-api-key:"), OURS.api_key),
    ],
    ids=["the contract's JWT", "scheme in any case", "API key", "basic"],
)
def test_the_three_methods_are_let_in(header: str, holder: str) -> None:
    assert authenticate(header, OURS, now=NOW) == holder


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "Bearer a.b.c",
        "Bearer schlüssel",
        "Digest sandbox-api-key",
        "sandbox-api-key",
        f"Bearer {VECTOR[:-2]}xx",
        basic("sandbox-api-key:password"),
        basic("sandbox-api-key"),
        basic("wrong:"),
        "Basic %%%",
        f"Bearer {signed(payload(), key='sandbox-secret-key')}",
        f"Bearer {signed(payload(), header={'alg': 'none', 'typ': 'JWT'})}",
        f"Bearer {signed(payload(iss='somebody-else'))}",
        f"Bearer {signed(payload(exp=NOW + 60))}",
        f"Bearer {signed(payload(iat=str(NOW)))}",
        f"Bearer {signed(payload(iat=True))}",
        f"Bearer {signed({'iss': OURS.secret_id})}",
        f"Bearer {signed([])}",
    ],
)
def test_everything_else_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthorized):
        authenticate(header, OURS, now=NOW)


@pytest.mark.parametrize(
    ("age", "lives"), [(0, True), (299, True), (300, True), (301, False), (-60, True), (-61, False)], ids=str
)
def test_a_jwt_lives_for_five_minutes_and_may_be_a_minute_early(age: int, *, lives: bool) -> None:
    if lives:
        assert authenticate(f"Bearer {VECTOR}", OURS, now=NOW + age)
    else:
        with pytest.raises(Unauthorized):
            authenticate(f"Bearer {VECTOR}", OURS, now=NOW + age)


def test_credentials_do_not_show_their_secrets() -> None:
    assert "sandbox-api-key" not in repr(OURS)
    assert "sandbox-secret-key" not in repr(OURS)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_app_answers_401_and_does_nothing(sandbox: Sandbox, client: httpx.AsyncClient, method: str) -> None:
    before = sandbox.store.contacts()
    path, body = {"GET": ("/v1/inboxes", None), "POST": ("/v1/contact", {"phone": "15105559999"})}[method]
    response = await client.request(method, path, json=body, headers={"Authorization": "Bearer wrong"})
    assert (response.status_code, response.json()["error"]) == (401, "unauthorized")
    assert sandbox.store.contacts() == before


async def test_credentials_can_be_others(clock: Callable[[], float]) -> None:
    sandbox = open_sandbox(contacts=1, clock=clock, credentials=Credentials(api_key="another"))
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://sandbox", auth=("another", "")
    ) as client:
        assert (await client.get("/v1/team")).status_code == 200
    sandbox.close()
