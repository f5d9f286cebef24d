"""Who calls: bearer tokens -> persons.

- A static token is known by its SHA-256. Any other is a JWT of one of the issuers, and its signature, issuer, audience
  and times are checked. Only asymmetric algorithms count.
- A person belongs to one account, or to none. There is no account for everybody.
- A token that was checked is remembered for a minute by its hash, and never beyond its end. A key that is taken back
  therefore counts a minute longer.
- Nothing keeps a token or passes it on.
- Keys are fetched from their issuer only where a key is not known or old, and at most once in `PAUSE`. Tokens of
  unknown keys make that pause no longer, so a new key counts after it at the latest.
- While an issuer cannot be reached, its last keys count for a day. A token of another key is then answered with
  "later", and not with "no".
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import jwt
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken

from contacts_mcp.accounts import LONGEST_NAME, SCOPES, TOKENS_OF_OURS, Accounts, Issuer, StaticToken, is_plain
from contacts_mcp.api.document import DocumentAway, fetched
from contacts_mcp.words.display import visible

LEEWAY = 30.0  # seconds by which the clocks of an issuer and of this machine may differ
REMEMBERED = 60.0  # seconds that a checked token is remembered
MOST_REMEMBERED = 10_000
LONGEST_TOKEN = 16_384  # characters

FETCH_WITHIN = 3.0  # seconds
LARGEST_KEYS = 256 * 1024  # bytes of the keys of one issuer
FRESH = 300.0  # seconds after which keys are fetched again
KEPT = 86_400.0  # seconds that the last keys count while their issuer cannot be reached
PAUSE = 10.0  # seconds between two fetches
PAUSE_AFTER_FAILURE = 5.0

_ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
_NAMES = ("email", "preferred_username", "name")  # claims by which people know somebody, the best first


# For the log. Who came is not told, and whoever sent the token hears nothing of it.
_WHY_REFUSED: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "it is over"),
    (jwt.ImmatureSignatureError, "it is not good yet"),
    (jwt.InvalidAudienceError, "it is for another audience"),
    (jwt.MissingRequiredClaimError, "exp, iss, aud or sub is missing"),
    (jwt.InvalidSignatureError, "its key did not sign it"),
    (LookupError, "its issuer is not in the file of accounts, or does not have its key"),
)
_UNKNOWN = "it is no static token of the file of accounts, and no JWT that can be read"
_log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """The keys of an issuer are not known, and it cannot be asked now. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("The keys of the issuer cannot be fetched.")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Person:
    """One who calls."""

    subject: str  # unique for its issuer
    issuer: str
    client: str  # the program that was given the token
    name: str  # by which people know them
    scopes: frozenset[str]
    account: str  # "" for nobody of ours


class Admitted(AccessToken):
    """A token that was checked, without the token."""

    person: Person


def person_calling() -> Person | None:
    """The person of the call at hand, None where nobody has to say who they are."""
    token = get_access_token()
    return token.person if isinstance(token, Admitted) else None


class Verifier:
    """Checks bearer tokens, as the SDK's `TokenVerifier`."""

    def __init__(self, accounts: Accounts, *, clock: Callable[[], float] = time.time) -> None:
        self._accounts = accounts
        self._clock = clock
        self._issuers = {issuer.url: (issuer, Keys(issuer)) for issuer in accounts.issuers}
        self._remembered: dict[bytes, tuple[Admitted, float, float]] = {}  # by hash: until (uptime, time of day)

    async def verify_token(self, token: str) -> Admitted | None:
        """The holder of a token, None for one that is not good. Raises KeysUnavailable."""
        if len(token) > LONGEST_TOKEN:
            return None
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass"))
        if known := self._recalled(digest.digest()):
            return known
        static = self._accounts.tokens.get(digest.hexdigest())
        if static is not None:
            return _of_static(static)
        try:
            claims, issuer = await self._checked(token)
            admitted, expiry = self._of_claims(claims, issuer), float(claims["exp"])
        except (PyJWTError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            # Other forms than PyJWT has errors for are among them.
            why = next((why for kind, why in _WHY_REFUSED if isinstance(error, kind)), _UNKNOWN)
            _log.info("a token was refused: %s", why)
            return None
        self._remember(digest.digest(), admitted, expiry)
        return admitted

    async def has_keys(self) -> bool:
        """Whether the keys of every issuer were fetched once. Those that are missing are fetched now."""
        return all([await keys.are_known() for _, keys in self._issuers.values()])

    async def _checked(self, token: str) -> tuple[dict[str, Any], Issuer]:
        """The claims of a JWT and its issuer. Raises KeysUnavailable, and other errors for one that is not good."""
        head = jwt.get_unverified_header(token)
        said = jwt.decode(token, options={"verify_signature": False})
        issuer, keys = self._issuers[said["iss"]]
        key = await keys.of(head["kid"])
        claims = jwt.decode(
            token,
            key.key,
            algorithms=key.algorithms,
            audience=issuer.audience,
            issuer=issuer.url,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims, issuer

    def _of_claims(self, claims: Mapping[str, Any], issuer: Issuer) -> Admitted:
        subject = claims["sub"]
        if not subject.strip() or not is_plain(subject):
            raise ValueError
        groups = _listed(claims.get(issuer.groups))
        held = claims.get(issuer.scopes) if issuer.scopes else claims.get("scope", claims.get("scp"))
        client = claims.get("azp") or claims.get("client_id") or ""
        person = Person(
            subject=subject,
            issuer=issuer.url,
            client=client if isinstance(client, str) and is_plain(client) else "",
            name=_name_in(claims),
            scopes=frozenset(_listed(held, apart=True)) & {*SCOPES},
            account=self._accounts.account_of(issuer.url, subject, groups),
        )
        return _admitted(person, resource=issuer.audience)

    def _recalled(self, digest: bytes) -> Admitted | None:
        found = self._remembered.get(digest)
        if found is None:
            return None
        admitted, until, expiry = found
        if time.monotonic() < until and self._clock() < expiry:
            return admitted
        del self._remembered[digest]
        return None

    def _remember(self, digest: bytes, admitted: Admitted, expiry: float) -> None:
        while len(self._remembered) >= MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]  # the oldest
        self._remembered[digest] = admitted, time.monotonic() + REMEMBERED, expiry


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and the algorithms that it may be used with."""

    key: Any
    algorithms: tuple[str, ...]


class Keys:
    """The public keys of one issuer (JWKS), by their ids."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.problem = ""  # of the last fetch
        self._keys: dict[str, Key] = {}
        self._fetched_at = -KEPT
        self._asked_at = -KEPT
        self._is_failing = False
        self._turn = anyio.Lock()

    async def of(self, kid: str) -> Key:
        """The key of that id. Raises KeyError for one that the issuer does not have, and KeysUnavailable."""
        key = self._known(kid)
        if key is not None and (self._is_fresh or self._turn.locked()):  # nobody waits for a renewal of known keys
            return key
        await self._renew(kid)
        key = self._known(kid)
        if key is not None:
            return key
        if self._is_failing:
            raise KeysUnavailable(max(1.0, self._pause_left))
        raise KeyError(kid)

    async def are_known(self) -> bool:
        """Whether they were fetched once. They are fetched now if they were not."""
        if not self._keys:
            await self._renew("")
        return bool(self._keys)

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._fetched_at < FRESH

    @property
    def _pause_left(self) -> float:
        return self._asked_at + (PAUSE_AFTER_FAILURE if self._is_failing else PAUSE) - time.monotonic()

    def _known(self, kid: str) -> Key | None:
        return self._keys.get(kid) if time.monotonic() - self._fetched_at < KEPT else None

    async def _renew(self, kid: str) -> None:
        """Fetch the keys, unless somebody did while this waited, or a short time ago."""
        async with self._turn:
            is_needed = self._known(kid) is None or not self._is_fresh
            if not is_needed or self._pause_left > 0:
                return
            self._asked_at, self._is_failing = time.monotonic(), True  # until it has succeeded
            with anyio.CancelScope(shield=True):  # a look at readiness ends sooner, and would cut each fetch
                keys = await self._fetch()
            if keys:
                self._keys, self._fetched_at, self._is_failing = keys, time.monotonic(), False

    async def _fetch(self) -> dict[str, Key]:
        """The keys as the issuer has them now, none where they cannot be had. The log says why, once."""
        keys: dict[str, Key] = {}
        problem = "the answer holds no key for signatures"
        try:
            keys = _keys_in(await fetched(self._issuer.jwks_url, within=FETCH_WITHIN, largest=LARGEST_KEYS))
        except DocumentAway as away:
            problem = str(away)
        before, self.problem = self.problem, "" if keys else problem
        if self.problem not in ("", before):
            _log.warning("the keys of %s cannot be fetched: %s", self._issuer.url, self.problem)
        elif before and keys:
            _log.warning("the keys of %s are fetched again", self._issuer.url)
        return keys


def _keys_in(document: bytes) -> dict[str, Key]:
    """The keys for signatures in a set (RFC 7517). A key of another kind is left out."""
    try:
        held = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    rows = held.get("keys") if isinstance(held, dict) else None
    found = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("kid"), str) and row.get("use", "sig") == "sig":
            key = _key_of(row)
            if key is not None:
                found[row["kid"]] = key
    return found


def _key_of(row: dict[str, Any]) -> Key | None:
    kind, said = row.get("kty"), row.get("alg")
    usual = _ALGORITHMS.get(kind, ()) if isinstance(kind, str) else ()
    if said is not None and said not in usual:
        return None
    try:
        key = PyJWK.from_dict(row)
    except (PyJWTError, LookupError, TypeError, ValueError):
        return None
    algorithms = usual if kind == "RSA" and said is None else (key.algorithm_name,)
    return Key(key.key, algorithms) if {*algorithms} <= {*usual} else None


def _of_static(token: StaticToken) -> Admitted:
    # A subject of its own for each: the SDK ties questions and their replies to issuer and subject.
    subject = f"{token.account}/{token.name}"
    name = visible(token.name, limit=LONGEST_NAME)
    return _admitted(Person(subject, TOKENS_OF_OURS, "static", name, token.scopes, token.account))


def _admitted(person: Person, *, resource: str | None = None) -> Admitted:
    return Admitted(  # its end was checked, with a leeway that the SDK does not have
        token="",  # nobody behind this needs it, and what is not held cannot be passed on
        client_id=person.client,
        scopes=sorted(person.scopes),
        resource=resource,
        subject=person.subject,
        claims={"iss": person.issuer},
        person=person,
    )


def _name_in(claims: Mapping[str, Any]) -> str:
    """The name by which people know the holder: an e-mail address that the issuer does not doubt, or another."""
    named = {name: claims[name] for name in _NAMES if isinstance(claims.get(name), str) and claims[name].strip()}
    if claims.get("email_verified") in (False, "false"):  # some issuers write a text
        named.pop("email", None)
    return visible(next(iter(named.values()), claims["sub"]).strip(), limit=LONGEST_NAME)


def _listed(claim: Any, *, apart: bool = False) -> list[str]:
    """A claim that is a list, or one text. `apart` is for a text of several words."""
    if isinstance(claim, str):
        return claim.split() if apart else [claim]
    return [item for item in claim if isinstance(item, str)] if isinstance(claim, list) else []
