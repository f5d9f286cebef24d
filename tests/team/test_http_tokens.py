"""Who may come in: the table of bad tokens, in both eras. Guards `contacts_mcp/server/identity.py` and `gate.py`."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.hosting import ADDRESS, ERAS, Team, holder, hosted
from support.issuer import ALL_SCOPES, AUDIENCE, Issuer

from contacts_mcp.server import hosting, identity

STATIC = "cmcp_of-the-front-desk"
METADATA = f'resource_metadata="{ADDRESS}/.well-known/oauth-protected-resource/mcp"'


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().serving() as serving:
        yield serving


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def accounts_of(issuer: Issuer) -> str:
    return f"""
{issuer.table}
[accounts.oakland]
sandbox = true
subjects = ["{issuer.url} ada"]
groups = ["{issuer.url} oakland-office"]
{holder("oakland", "Front desk", STATIC, "read", "write")}
"""


@pytest.fixture
async def team(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Team]:
    async with hosted(tmp_path, accounts_of(issuer)) as opened:
        yield opened


async def status_of(team: Team, era: str, token: str | None) -> int:
    return (await team.post(era, "tools/list", token=token)).status_code


GOOD: dict[str, Callable[[Issuer], str]] = {
    "of a subject": lambda issuer: issuer.signed(),
    "of a group": lambda issuer: issuer.signed(sub="ben", groups=["all", "oakland-office"]),
    "an audience among several": lambda issuer: issuer.signed(aud=["https://other.example.com", AUDIENCE]),
    "scopes as a list": lambda issuer: issuer.signed(scope=ALL_SCOPES.split()),
    "scopes as scp": lambda issuer: issuer.signed(scope=None, scp=ALL_SCOPES),
    "ended within the leeway": lambda issuer: issuer.signed(exp=int(time.time()) - 5),
    "static": lambda _: STATIC,
}


def _written(held: bytes) -> str:
    return base64.urlsafe_b64encode(held).decode().rstrip("=")


def _part(held: dict[str, Any]) -> str:
    return _written(json.dumps(held).encode())


def unsigned(issuer: Issuer) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': 'first'})}.{_part(issuer.claims())}."


def by_public_key(issuer: Issuer) -> str:
    """Signed with HMAC, and the public key as its secret. PyJWT would not sign so."""
    head = _part({"alg": "HS256", "typ": "JWT", "kid": "first"})
    signed = f"{head}.{_part(issuer.claims())}"
    secret = issuer.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{signed}.{_written(hmac.digest(secret, signed.encode(), 'sha256'))}"


def altered(issuer: Issuer) -> str:
    """The claims of one token with the signature of another."""
    first, second = issuer.signed(), issuer.signed(sub="eve")
    return ".".join([*second.split(".")[:2], first.split(".")[2]])


BAD: dict[str, Callable[[Issuer], str]] = {
    "foreign audience": lambda issuer: issuer.signed(aud="https://other.example.com/mcp"),
    "no audience": lambda issuer: issuer.signed(aud=None),
    "audience with more behind": lambda issuer: issuer.signed(aud=f"{AUDIENCE}/x"),
    "expired": lambda issuer: issuer.signed(exp=int(time.time()) - 60),
    "no end": lambda issuer: issuer.signed(exp=None),
    "not yet": lambda issuer: issuer.signed(nbf=int(time.time()) + 120),
    "foreign issuer": lambda issuer: issuer.signed(iss="https://evil.example.com/"),
    "issuer without its slash": lambda issuer: issuer.signed(iss=issuer.url.rstrip("/")),
    "no issuer": lambda issuer: issuer.signed(iss=None),
    "no subject": lambda issuer: issuer.signed(sub=None),
    "subject that is no text": lambda issuer: issuer.signed(sub=7),
    "alg none": unsigned,
    "HMAC with the public key": by_public_key,
    "unknown key": lambda issuer: issuer.signed(kid="other"),
    "no key named": lambda issuer: issuer.signed(kid=None),
    "right name, other key": lambda issuer: issuer.signed(key=ec.generate_private_key(ec.SECP256R1())),
    "altered": altered,
    "garbage": lambda _: "garbage",
    "garbage of three parts": lambda _: "a.b.c",
    "static with more behind": lambda _: f"{STATIC}x",
    "far too long": lambda issuer: issuer.signed(junk="x" * 20_000),
    "empty": lambda _: "",
    "deeper than a parser goes": lambda _: f"{_part({'alg': 'ES256', 'kid': 'first'})}.{_written(b'[' * 9_000)}.x",
    "an end without end": lambda issuer: issuer.signed(exp=float("inf")),
    "an end beyond all numbers": lambda issuer: issuer.signed(exp=10**400),
    "a blank subject": lambda issuer: issuer.signed(sub=" ", groups=["oakland-office"]),
    "a subject that no database holds": lambda issuer: issuer.signed(sub="a\0b", groups=["oakland-office"]),
    "a subject with half a character": lambda issuer: issuer.signed(sub="a\ud800b", groups=["oakland-office"]),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_token_comes_in(name: str, era: str, team: Team, issuer: Issuer) -> None:
    response = await team.post(era, "tools/list", token=GOOD[name](issuer))
    assert response.status_code == 200, response.text


# The log tells some apart, for whoever runs the server.
WHY = {
    "foreign audience": "it is for another audience",
    "expired": "it is over",
    "no end": "exp, iss, aud or sub is missing",
    "not yet": "it is not good yet",
    "foreign issuer": "its issuer is not in the file of accounts, or does not have its key",
    "unknown key": "its issuer is not in the file of accounts, or does not have its key",
    "altered": "its key did not sign it",
    "garbage": "it is no static token of the file of accounts, and no JWT that can be read",
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_is_refused(
    name: str, era: str, team: Team, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "contacts_mcp")
    response = await team.post(era, "tools/list", token=BAD[name](issuer))
    told = [record.getMessage() for record in caplog.records if record.name == identity.__name__]
    if name in WHY:
        assert told == [f"a token was refused: {WHY[name]}"]
    assert not any("ada" in line for line in told)
    assert response.status_code == 401, response.text
    assert response.json()["error"] == "invalid_token"
    told = response.headers["www-authenticate"]
    assert 'error="invalid_token"' in told
    assert METADATA in told
    assert f'scope="{ALL_SCOPES}"' in told


async def test_without_a_token_the_way_in_is_told(era: str, team: Team) -> None:
    response = await team.post(era, "tools/list")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == f'Bearer scope="{ALL_SCOPES}", {METADATA}'


@pytest.mark.parametrize("given", ["Basic YTpi", "bearer", "Token x"])
async def test_another_kind_of_authorization_is_refused(given: str, era: str, team: Team) -> None:
    assert (await team.post(era, "tools/list", Authorization=given)).status_code == 401


async def test_two_authorization_headers_are_refused(era: str, team: Team, issuer: Issuer) -> None:
    both = [("Authorization", f"Bearer {issuer.signed()}"), ("Authorization", "Bearer garbage")]
    for headers in (both, both[::-1]):
        response = await team.client.post("/mcp", json={}, headers=headers)
        assert response.status_code == 400


async def test_a_person_without_an_account_is_told_so_and_gets_no_default(era: str, team: Team, issuer: Issuer) -> None:
    for token in (issuer.signed(sub="eve"), issuer.signed(sub="eve", groups=["oakland"]), issuer.signed(sub="Ada")):
        response = await team.post(era, "tools/list", token=token)
        assert response.status_code == 403
        assert response.json()["error"] == "no_account"
        assert "www-authenticate" not in response.headers


def keys_in(*rows: dict[str, Any]) -> dict[str, identity.Key]:
    return identity._keys_in(json.dumps({"keys": rows}).encode())


async def test_a_symmetric_key_among_the_keys_of_an_issuer_is_none(team: Team) -> None:
    secret = base64.urlsafe_b64encode(b"k" * 64).decode().rstrip("=")
    row = {"kty": "oct", "kid": "shared", "alg": "HS256", "k": secret, "use": "sig"}
    assert keys_in(row) == {}
    assert keys_in(row | {"kty": "RSA"}) == {}


async def test_a_key_that_names_its_algorithm_counts_for_no_other(issuer: Issuer) -> None:
    issuer_of_rsa = Issuer()
    issuer_of_rsa.add_key("rsa", rsa_key=True)
    row = next(row for row in issuer_of_rsa.document()["keys"] if row["kid"] == "rsa")
    assert keys_in(row)["rsa"].algorithms == identity._ALGORITHMS["RSA"]
    assert keys_in(row | {"alg": "PS256"})["rsa"].algorithms == ("PS256",)
    assert keys_in(row | {"alg": None})["rsa"].algorithms == identity._ALGORITHMS["RSA"]
    assert keys_in(row | {"use": "enc"}) == {}
    issuer_of_rsa._server.server_close()


@pytest.mark.parametrize("odd", [{"kty": ["RSA"]}, {"kty": {}}, {"alg": "none"}, {"alg": ["ES256"]}], ids=str)
def test_an_odd_key_costs_an_issuer_no_other_key(odd: dict[str, Any], issuer: Issuer) -> None:
    (row,) = issuer.document()["keys"]
    assert keys_in(row | {"kid": "odd"} | odd, row).keys() == {"first"}


class TestKeys:
    """The keys of an issuer that changes them, or cannot be reached."""

    @pytest.fixture
    def own(self) -> Iterator[Issuer]:
        with Issuer().serving() as serving:
            yield serving

    @pytest.fixture
    async def at_work(self, own: Issuer, tmp_path: Path) -> AsyncIterator[Team]:
        async with hosted(tmp_path, accounts_of(own)) as opened:
            yield opened

    async def test_keys_are_fetched_once(self, own: Issuer, at_work: Team, era: str) -> None:
        assert [await status_of(at_work, era, own.signed(jti=str(at))) for at in range(5)] == [200] * 5
        assert own.fetches == 1

    async def test_unknown_keys_cost_one_fetch_in_the_pause(self, own: Issuer, at_work: Team) -> None:
        await status_of(at_work, ERAS[0], own.signed())
        for number in range(30):
            assert await status_of(at_work, ERAS[0], own.signed(kid=f"unknown {number}")) == 401
        assert own.fetches == 1

    async def test_a_new_key_is_taken_up_after_the_pause(
        self, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await status_of(at_work, ERAS[0], own.signed())
        own.add_key("second")
        assert await status_of(at_work, ERAS[0], own.signed(kid="second")) == 401
        monkeypatch.setattr(identity, "PAUSE", 0.0)
        assert await status_of(at_work, ERAS[0], own.signed(kid="second")) == 200
        assert await status_of(at_work, ERAS[0], own.signed(jti="again")) == 200

    async def test_a_key_that_was_taken_back_counts_no_more_once_keys_are_renewed(
        self, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await status_of(at_work, ERAS[0], own.signed())
        late = own.signed(jti="late")
        own.add_key("second")
        del own.keys["first"]
        monkeypatch.setattr(identity, "FRESH", 0.0)
        monkeypatch.setattr(identity, "PAUSE", 0.0)
        assert await status_of(at_work, ERAS[0], late) == 401

    @pytest.mark.parametrize("status", [500, 404, 302])
    async def test_an_issuer_that_was_never_reached_means_later(
        self, status: int, own: Issuer, at_work: Team, era: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        own.status = status
        response = await at_work.post(era, "tools/list", token=own.signed())
        assert response.status_code == 503
        assert 1 <= int(response.headers["retry-after"]) <= 5
        assert own.signed() not in response.text
        for _ in range(10):
            assert await status_of(at_work, era, own.signed()) == 503
        assert own.fetches == 1, "each bad token would cost a thread"
        assert (await at_work.client.get("/readyz")).status_code == 503
        assert await status_of(at_work, era, STATIC) == 200
        why = f"the keys of {own.url} cannot be fetched: the answer has the status {status}"
        assert [record.getMessage() for record in caplog.records if "keys" in record.getMessage()] == [why]

    async def test_the_last_keys_count_while_the_issuer_cannot_be_reached(
        self, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await status_of(at_work, ERAS[0], own.signed())
        own.status = 500
        monkeypatch.setattr(identity, "FRESH", 0.0)
        monkeypatch.setattr(identity, "PAUSE", 0.0)
        assert await status_of(at_work, ERAS[0], own.signed(jti="old key")) == 200
        own.add_key("second")
        assert await status_of(at_work, ERAS[0], own.signed(kid="second")) == 503, "it may be a new key"
        monkeypatch.setattr(identity, "KEPT", 0.0)
        assert await status_of(at_work, ERAS[0], own.signed(jti="a day later")) == 503

    async def test_nobody_waits_for_a_slow_issuer_whose_keys_are_known(
        self, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await status_of(at_work, ERAS[0], own.signed())
        own.delay = 1.0
        monkeypatch.setattr(identity, "PAUSE", 0.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(status_of, at_work, ERAS[0], own.signed(kid="unknown"))
            await anyio.sleep(0.2)
            monkeypatch.setattr(identity, "FRESH", 0.0)
            with anyio.fail_after(0.7):
                assert await status_of(at_work, ERAS[0], own.signed(jti="meanwhile")) == 200

    @pytest.mark.parametrize("misbehaviour", ["endless", "packed", "drips a body", "drips a head"])
    async def test_an_answer_without_end_costs_neither_memory_nor_time(
        self, misbehaviour: str, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(identity, "FETCH_WITHIN", 0.4)
        own.misbehaves = _misbehaviour(misbehaviour)
        begun = time.monotonic()
        assert await status_of(at_work, ERAS[0], own.signed()) == 503
        assert time.monotonic() - begun < 2, "the issuer decides how long that takes"
        gone_after = own.sent
        await anyio.sleep(0.3)
        assert own.sent - gone_after < LARGE, "somebody still reads it"
        assert own.sent < 16 * LARGE

    async def test_unknown_keys_make_the_pause_no_longer(
        self, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert identity.PAUSE <= 10
        monkeypatch.setattr(identity, "PAUSE", 0.5)
        await status_of(at_work, ERAS[0], own.signed())
        own.add_key("second")
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < 0.8:
            assert await status_of(at_work, ERAS[0], own.signed(kid=f"unknown {(number := number + 1)}")) == 401
        assert await status_of(at_work, ERAS[0], own.signed(kid="second")) == 200
        assert own.fetches == 2

    async def test_ready_means_that_the_keys_are_there(self, own: Issuer, at_work: Team) -> None:
        response = await at_work.client.get("/readyz")
        assert (response.status_code, response.json()["keys"]) == (200, "ok")
        assert own.fetches == 1

    async def test_a_look_at_readiness_cuts_no_fetch_of_keys(
        self, own: Issuer, at_work: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert hosting.CHECK_WITHIN < identity.FETCH_WITHIN, "or this asks nothing"
        monkeypatch.setattr(hosting, "CHECK_WITHIN", 0.1)
        monkeypatch.setattr(hosting, "CHECKED_AGAIN", 0.0)
        own.delay = 0.3
        await at_work.client.get("/readyz")
        assert (await at_work.client.get("/readyz")).status_code == 200
        assert own.fetches == 1


LARGE = 1_000_000  # bytes, more than the sockets of two processes hold


def _misbehaviour(name: str) -> Iterator[bytes]:
    """An answer that has no end, or none soon."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    if name == "endless":
        yield head + b"\r\n" + b'{"keys": ['
        while True:
            yield b" " * 65_536
    if name == "packed":  # a good set of keys after 32 MB of blanks, in 32 KB
        packed = gzip.compress(b" " * (32 * LARGE) + b'{"keys": []}')
        yield head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        return
    yield head if name == "drips a head" else head + b"\r\n"
    for number in range(100):
        time.sleep(0.05)
        yield b"X-More: %d\r\n" % number if name == "drips a head" else b" "


class TestMemory:
    """Checked tokens are remembered, for a short time and not beyond their end."""

    @pytest.fixture
    def verifier(self, issuer: Issuer, team: Team) -> identity.Verifier:
        assert team.hosting.accounts
        return identity.Verifier(team.hosting.accounts, clock=lambda: self.now)

    now = 0.0

    @pytest.fixture(autouse=True)
    def counted(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        self.now = time.time()
        decoded: list[str] = []
        decode = jwt.decode

        def counting(token: str, *args: Any, **options: Any) -> Any:
            decoded.append(token)
            return decode(token, *args, **options)

        monkeypatch.setattr(jwt, "decode", counting)
        return decoded

    async def test_a_token_is_checked_once(self, verifier: Any, issuer: Issuer, counted: list[str]) -> None:
        token = issuer.signed()
        first = await verifier.verify_token(token)
        checks = len(counted)
        assert await verifier.verify_token(token) is first
        assert len(counted) == checks
        assert token not in repr(vars(verifier))
        assert first.token == ""

    async def test_it_is_checked_again_after_a_minute(
        self, verifier: Any, issuer: Issuer, counted: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = issuer.signed()
        await verifier.verify_token(token)
        checks = len(counted)
        later = time.monotonic() + identity.REMEMBERED + 0.1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert await verifier.verify_token(token)
        assert len(counted) > checks

    async def test_it_is_never_remembered_beyond_its_end(
        self, verifier: Any, issuer: Issuer, counted: list[str]
    ) -> None:
        token = issuer.signed(exp=int(self.now) + 20)
        await verifier.verify_token(token)
        checks = len(counted)
        self.now += 21
        await verifier.verify_token(token)
        assert len(counted) > checks

    async def test_no_more_than_so_many_are_remembered(
        self, verifier: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(identity, "MOST_REMEMBERED", 5)
        for number in range(20):
            await verifier.verify_token(issuer.signed(jti=str(number)))
        assert len(verifier._remembered) == 5

    async def test_a_bad_token_is_not_remembered(self, verifier: Any, issuer: Issuer) -> None:
        assert await verifier.verify_token(issuer.signed(aud="x")) is None
        assert verifier._remembered == {}


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "ada"),
        ({"email": "ada@example.com"}, "ada@example.com"),
        ({"email": "ada@example.com", "email_verified": False, "name": "Ada"}, "Ada"),
        ({"preferred_username": "ada.l", "name": "Ada"}, "ada.l"),
        ({"email": "ada@example.com", "email_verified": "false"}, "ada"),
        ({"email": " ", "name": 7}, "ada"),
        ({"name": "A\u202eda\n"}, "A\\u{202e}da"),
    ],
    ids=str,
)
def test_the_name_of_a_person_is_one_that_people_know(claims: dict[str, Any], name: str) -> None:
    assert identity._name_in({"sub": "ada"} | claims) == name
