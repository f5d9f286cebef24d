"""One short method an endpoint, one ladder for sending.

- `_request` repeats a request where that may be done, and `_send_paced` stays under the rate limit.
- `_send_once` bounds one attempt in time and turns every failure into one of our errors.
- An answer is bounded in length. Absence is believed only from the service itself.
- Ids are integers and put into paths here only, so no argument can reach another path.
"""

from __future__ import annotations

import logging
import random
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import httpx
from pydantic import BaseModel

from contacts_mcp.api import answers
from contacts_mcp.api.answers import Rows
from contacts_mcp.api.auth import Auth
from contacts_mcp.api.connection import CONNECTIONS, HEADERS, Proxy, timeouts
from contacts_mcp.api.failures import failure_in_the_answer, failure_on_the_way, without_secrets
from contacts_mcp.api.pace import Pace
from contacts_mcp.api.retries import AMBIGUOUS, Budget, Kind, Schedule, may_repeat
from contacts_mcp.api.tracing import FIRST, Attempt, RequestSpan
from contacts_mcp.errors import BadAnswer, ContactsError, RateLimited
from contacts_mcp.models import Contact, CustomField, Inbox, Tag, Team, WriteReply
from contacts_mcp.state import watching
from contacts_mcp.state.ledger import WINDOW

LONGEST_BODY = 20_000_000  # bytes of an answer, unpacked; a page of a hundred contacts has some hundred thousand
LONGEST_ERROR = 65_536  # bytes that are read of the body of a failure
FAILURES_ON_THE_WAY = (httpx.HTTPError, httpx.StreamError, zlib.error, TimeoutError)
PAGE = 30  # rows a list gives where nobody asks for another number

_log = logging.getLogger(__name__)

on_write: ContextVar[Callable[[], None] | None] = ContextVar("on_write", default=None)
"""Told of every copy of a write, before it goes out."""

Json = Any
Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")


@dataclass(slots=True)
class Trace:
    """The fate of the copies of one write."""

    before_each: Callable[[], Awaitable[None]]  # called right before a copy goes out
    unanswered: int = 0  # copies that may still arrive, or be at work: neither answered nor certainly never sent
    accepted: int = 0

    @property
    def may_be_out(self) -> bool:
        return self.unanswered > 0

    @property
    def may_have_been_carried_out(self) -> bool:
        return self.may_be_out or self.accepted > 0


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make. `missing` are the statuses that mean "not there" rather than a failure."""

    method: str
    path: str
    body: Json = None
    kind: Kind = Kind.READ
    missing: tuple[int, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    trace: Trace | None = None  # of a write

    @property
    def template(self) -> str:
        """The path without ids, which names nobody."""
        return _IDS.sub("/{id}", self.path)

    @property
    def operation(self) -> str:
        """The name of such requests in the log, in spans and in metrics."""
        return f"{self.method} {self.template}"


_IDS = re.compile(r"/[^/a-z][^/]*")


# The requests that a probe makes, too.


def path_of(contact_id: int) -> str:
    return f"/v1/contact/{int(contact_id)}"


def get_call(contact_id: int) -> Call:
    """The contact with that id."""
    return Call("GET", path_of(contact_id), missing=(400, 404))


def find_call(phone: str) -> Call:
    """The contact with exactly those digits."""
    return Call("POST", "/v1/contact/get", {"phone": phone}, missing=(400, 404))


def search_call(*, phones: Sequence[str] = (), emails: Sequence[str] = ()) -> Call:
    """The contacts with one of those phones or e-mails."""
    wanted = (("phone", phones), ("email", emails))
    channels: list[Json] = [{"channel_type": kind, "channel_ids": [*ids]} for kind, ids in wanted if ids]
    return Call("POST", "/v2/contacts/search", {"contact_channels": channels}, missing=(404,))


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx: the decoded body and the id to quote to the vendor's support."""

    value: Json
    request_id: str


NOT_THERE = Answer(None, "")
_NOTHING = httpx.ByteStream(b"")


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it came, whatever its status."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes
    seconds: float

    @property
    def is_own(self) -> bool:
        """Whether the service itself gave it."""
        return _is_own(self.headers.get("X-Request-Id", ""), self.body)


Listener = Callable[[Call, Heard], None]


class HeymarketClient:
    """The endpoints of `heymarket-api.md` section 4.

    Raises the errors below `AccountError` and `UpstreamError`. Reads are repeated where that helps. A write is repeated
    only where it was provably not carried out. So after a `ServiceFailed`, `AnswerLost` or `BadAnswer` from a write,
    the caller has to find out.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        auth: Auth,
        pace: Pace,
        timeout: float,
        proxy: Proxy | None = None,
        schedule: Schedule | None = None,
        hear: Callable[[Mapping[str, str]], None] | None = None,
        learn: Callable[[int], None] | None = None,
        draw: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`url` is the service's address without a path. `proxy` is the one that `transport` goes through.

        `hear` is told the headers of every answer, `learn` the id of the team, once.
        """
        self._url = url
        self._headers = [("Host", httpx.URL(url).netloc.decode("ascii")), *HEADERS]
        self._transport = transport
        self._auth = auth
        self._pace = pace
        self._timeout = timeout
        self._extensions = {"timeout": timeouts(timeout)}
        self._proxy = proxy
        self._hear = hear
        self._learn = learn
        self._schedule = schedule or Schedule()
        self._budget = Budget()
        self._connections = anyio.Semaphore(CONNECTIONS, fast_acquire=True)
        self._draw = draw
        self._sleep = sleep
        self.listeners: list[Listener] = []  # told of every whole answer, also of refusals

    async def aclose(self) -> None:
        await self._transport.aclose()
        await self._pace.aclose()

    # Contacts

    async def get_contact(self, contact_id: int) -> Contact | None:
        """The contact with that id, None where there is none. SEED.

        Raises BadAnswer for another contact. A write that takes it for the one asked for would change a stranger.
        """
        answer = await self._request(get_call(contact_id))
        found = self._one(answer)
        if found and found.id != contact_id:
            text = f"Heymarket answered with contact {found.id}, and contact {contact_id} was asked for"
            raise BadAnswer(text, request_id=answer.request_id)
        return found

    async def find_contact(self, phone: str) -> Contact | None:
        """The contact with exactly those E.164 digits, None if there is none. DOC.

        A contact whose phone cannot be read is believed to be the one that was asked for.
        """
        found = self._one(await self._request(find_call(phone)))
        return found if found and (found.phone == phone or "phone" in found.unread) else None

    async def search_contacts(self, *, phones: Sequence[str] = (), emails: Sequence[str] = ()) -> Rows[Contact]:
        """The contacts with one of those exact phones or e-mails. Without any, nobody, and nothing is asked. DOC."""
        if not phones and not emails:
            return Rows()
        return self._contacts(await self._request(search_call(phones=phones, emails=emails)))

    async def list_contacts(
        self, *, date: str | None = None, limit: int | None = None, page: int | None = None
    ) -> Rows[Contact]:
        """One page, newest `updated` first. `date` is the cursor, exactly as received. SEED.

        The service may ignore `limit` and `page`.
        """
        given = {"date": date, "limit": limit, "page": page}
        body = {name: value for name, value in given.items() if value is not None}
        return self._contacts(await self._request(Call("POST", "/v1/contacts", body)))

    async def count_contacts(self) -> int | None:
        """How many contacts the account has, None where the answer holds no number. DOC."""
        return answers.number((await self._request(Call("POST", "/v1/contacts/count", {}))).value)

    async def create_contact(self, body: dict[str, Json], *, trace: Trace | None = None) -> WriteReply:
        """SEED."""
        return await self._write(Call("POST", "/v1/contact", body, Kind.WRITE, trace=trace))

    async def write_contacts(
        self, bodies: Sequence[dict[str, Json]], *, overwrite: bool = False, trace: Trace | None = None
    ) -> None:
        """Create many at once. A phone that is taken is skipped, or its contact updated with `overwrite`. DOC.

        The answer may be the contacts that failed, "ok" or contacts, and proves nothing: the caller has to look.
        """
        query = (("overwrite", "true" if overwrite else "false"),)
        await self._request(Call("POST", "/v1/batch/contacts", list(bodies), Kind.WRITE, query=query, trace=trace))

    async def update_contact(
        self, contact_id: int, body: dict[str, Json], *, overwrite: bool = False, trace: Trace | None = None
    ) -> WriteReply:
        """`overwrite` replaces the whole `custom` object. `body` must hold `phone`. SEED."""
        query = (("overwrite", "true" if overwrite else "false"),)
        path = path_of(contact_id)
        return await self._write(Call("PUT", path, body, Kind.WRITE, query=query, trace=trace))

    async def delete_contact(self, contact_id: int, *, trace: Trace | None = None) -> None:
        """Permanent, with the conversation. A contact that is not there (404 or `null`) is no error. SEED."""
        path = path_of(contact_id)
        await self._request(Call("DELETE", path, kind=Kind.WRITE, missing=(404,), trace=trace))

    # What the account has

    async def list_custom_fields(self) -> Rows[CustomField]:
        """All custom fields. SEED."""
        return _many(CustomField, await self._request(Call("POST", "/v1/contact-fields")), "fields", "contact_fields")

    async def list_tags(self, *, date: str | None = None) -> Rows[Tag]:
        """One page of tags. `date` is the cursor, as in `list_contacts`. DOC."""
        return _many(Tag, await self._request(Call("POST", "/v1/tags", {"date": date} if date else {})), "tags")

    async def create_tag(self, label: str) -> None:
        """Make a tag. One that exists is refused. DOC."""
        await self._request(Call("POST", "/v1/tag", {"tag": label}, Kind.WRITE))

    async def get_team(self) -> Team:
        """The team and its members. DOC."""
        answer = await self._request(Call("GET", "/v1/team"))
        team = _quoting(answer, lambda: answers.parse(Team, answer.value))
        self._learn_from([team.id])
        return team

    async def list_inboxes(self) -> Rows[Inbox]:
        """The inboxes. Asking for them is a harmless way to check the credentials. DOC."""
        return _many(Inbox, await self._request(Call("GET", "/v1/inboxes")), "inboxes")

    async def exchange(self, call: Call) -> Heard:
        """One copy of `call`, and its answer as it came. Nothing is repeated, and no status but 429 is an error.

        Raises RateLimited, and an UpstreamError where no whole answer came.
        """
        await self._pace.wait()
        note, start = on_write.get(), anyio.current_time()
        if note is not None and call.kind is Kind.WRITE:
            note()
        try:
            async with self._connections:
                response, body = await self._exchange(call, self._auth.header())
        except FAILURES_ON_THE_WAY as error:
            raise failure_on_the_way(error, self._timeout, self._proxy) from None  # the original holds the URL
        heard = self._told(call, response, body, start)
        if heard.status == httpx.codes.TOO_MANY_REQUESTS:
            refused = failure_in_the_answer(response, _request_id(response), said="")
            await self._pace.slow_down(getattr(refused, "retry_after", None))
            raise refused
        self._pace.went_through()
        return heard

    def _told(self, call: Call, response: httpx.Response, body: bytes, start: float) -> Heard:
        """The answer, which every listener has heard."""
        heard = Heard(response.status_code, response.headers, body, anyio.current_time() - start)
        for listener in self.listeners:
            listener(call, heard)
        return heard

    # What an answer holds

    def _one(self, answer: Answer) -> Contact | None:
        found = _quoting(answer, lambda: answers.contact(answer.value))
        self._learn_from([_team_of(found)] if found else [])
        return found

    def _contacts(self, answer: Answer) -> Rows[Contact]:
        found = _many(Contact, answer, "contacts")
        self._learn_from(map(_team_of, found))
        return found

    def _learn_from(self, teams: Iterable[int | None]) -> None:
        """Tell the team's id, where all of an answer names the same."""
        if self._learn is None:
            return
        named = {team for team in teams if team is not None}
        if len(named) == 1:
            self._learn(named.pop())
            self._learn = None

    # The ladder

    async def _write(self, call: Call) -> WriteReply:
        answer = await self._request(call)
        return _quoting(answer, lambda: answers.reply(answer.value))

    async def _request(self, call: Call) -> Answer:
        self._budget.earn()
        attempt = 1
        while True:
            try:
                return await self._send_paced(call, attempt)
            except ContactsError as failure:
                wait = self._wait_before_repeating(call, failure, attempt)
                if wait is None:
                    raise
                _log.debug("%s failed with %s; once more in %.1f s", call.kind.value, type(failure).__name__, wait)
                if watcher := watching.watcher:
                    watcher.repeated(call.operation, kind=failure.kind)
            await self._sleep(wait)
            attempt += 1

    def _wait_before_repeating(self, call: Call, failure: ContactsError, attempt: int) -> float | None:
        """Seconds until the same request may go out again. None where it may not, or not in time.

        After a 429 the pace already holds everybody's requests back, and tells of it. A longer wait that the service
        asked for is added here.
        """
        most = self._schedule.attempts_when_refused if isinstance(failure, RateLimited) else self._schedule.attempts
        if attempt >= most or not may_repeat(failure, call.kind):
            return None
        asked = getattr(failure, "retry_after", None) or 0.0
        held = min(asked, WINDOW) if isinstance(failure, RateLimited) else 0.0
        wait = self._schedule.wait(attempt, at_least=asked - held, draw=self._draw)
        in_time = held + wait < anyio.current_effective_deadline() - anyio.current_time()
        return wait if in_time and self._budget.spend() else None

    async def _send_paced(self, call: Call, number: int) -> Answer:
        attempt = Attempt(number, await self._pace.wait())
        try:
            async with (
                self._connections
            ):  # not in httpx's pool, where waiting would count as an attempt that may have been carried out
                answer = await self._send_traced(call, attempt)
        except RateLimited as refused:
            await self._pace.slow_down(refused.retry_after or None)
            raise
        self._pace.went_through()
        return answer

    async def _send_traced(self, call: Call, attempt: Attempt) -> Answer:
        """One attempt. That of a write is shielded, so that a caller who gives up leaves no copy of unknown fate."""
        trace = call.trace
        if trace is None:
            return await self._send_once(call, attempt)
        await trace.before_each()
        trace.unanswered += 1
        try:
            with anyio.CancelScope(shield=True):
                answer = await self._send_once(call, attempt)
        except ContactsError as failure:
            trace.unanswered -= not isinstance(failure, AMBIGUOUS)
            raise
        trace.unanswered -= 1
        trace.accepted += 1
        return answer

    async def _send_once(self, call: Call, attempt: Attempt = FIRST) -> Answer:
        proof, start = self._auth.header(), anyio.current_time()
        note = on_write.get()
        if note is not None and call.kind is Kind.WRITE:
            note()
        with RequestSpan(call.method, call.template, attempt) as span:
            try:
                response, body = await self._exchange(call, proof)
            except FAILURES_ON_THE_WAY as error:
                _log_request(call, type(error).__name__, start)
                span.failed(type(error).__name__)
                raise failure_on_the_way(error, self._timeout, self._proxy) from None  # the original holds the URL
            request_id = _request_id(response)
            span.answered(response.status_code, request_id)
        _log_request(call, response.status_code, start, request_id)
        if self.listeners:
            self._told(call, response, body, start)
        return _answer(call, response, body, request_id, proof)

    async def _exchange(self, call: Call, proof: str) -> tuple[httpx.Response, bytes]:
        """The answer and its body. Raises the errors of httpx, zlib.error and TimeoutError."""
        request = httpx.Request(
            call.method,
            self._url + call.path,
            params=call.query or None,
            json=call.body,
            headers=[*self._headers, ("Authorization", proof)],
            stream=_NOTHING if call.method == "GET" else None,  # else httpx works out what to say of a body
            extensions=self._extensions,
        )
        # httpx bounds each read, not the whole: a body that drips would keep an attempt alive for ever.
        with anyio.fail_after(self._timeout):
            # The transport alone: a client around it keeps cookies, follows redirects and writes ids to its log.
            response = await self._transport.handle_async_request(request)
            try:
                if self._hear:
                    self._hear(response.headers)
                return response, await _body(response)
            finally:
                await response.aclose()


def _log_request(call: Call, outcome: object, start: float, request_id: str = "") -> None:
    """One line, without the ids in the path and without the query, which may name a person."""
    if not _log.isEnabledFor(logging.INFO):
        return
    took = (anyio.current_time() - start) * 1000
    facts = {"event": "request", "operation": call.operation, "outcome": str(outcome), "ms": round(took)}
    _log.info(
        "request %s: %s, %.0f ms, request %s",
        call.operation,
        outcome,
        took,
        request_id or "-",
        extra={"facts": facts | ({"heymarket_request": request_id} if request_id else {})},
    )


async def _body(response: httpx.Response) -> bytes:
    """The body, unpacked. Of a failure it is the beginning. Raises BadAnswer, and zlib.error where it is broken."""
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    is_ours_to_unpack = packing in ("identity", *answers.Unpacked.PACKINGS)
    body = answers.Unpacked(packing, longest=LONGEST_BODY if response.is_success else LONGEST_ERROR)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for part in response.stream if is_ours_to_unpack else response.aiter_bytes():
        body.add(part)
        if body.is_too_long:
            break
    if body.is_too_long and response.is_success:
        raise BadAnswer(
            f"Heymarket answered {response.status_code} with more than {LONGEST_BODY // 1_000_000} million characters",
            status=response.status_code,
            request_id=_request_id(response),
        )
    return body.whole()


def _request_id(response: httpx.Response) -> str:
    return _UNPRINTED.sub("", response.headers.get("X-Request-Id", ""))[:100]


# An id is what support looks up; whatever else a service puts there is text of its own, which nobody marked as such.
_UNPRINTED = re.compile(r"[^A-Za-z0-9_.:-]")


def _answer(call: Call, response: httpx.Response, body: bytes, request_id: str, proof: str) -> Answer:
    status = response.status_code
    if response.is_success and call.kind is Kind.READ and not body.strip():
        # `null` says that nothing is there; this says nothing.
        raise BadAnswer(f"Heymarket answered {status} with nothing at all", status=status, request_id=request_id)
    if response.is_success:
        content_type = response.headers.get("Content-Type", "")
        value = answers.decode(body, content_type=content_type, status=status, request_id=request_id)
        return Answer(value, request_id)
    if status in call.missing and _is_own(request_id, body):
        return NOT_THERE
    raise _refusal(call, response, body, request_id, proof)


def _refusal(call: Call, response: httpx.Response, body: bytes, request_id: str, proof: str) -> ContactsError:
    """The error that a failure of the service, or of something on the way, means."""
    status = response.status_code
    is_page = status in _REFUSED and answers.is_page(body, response.headers.get("Content-Type", ""))
    if not _is_own(request_id, body) and (status in call.missing or is_page):
        # A gateway or a portal on the way knows nothing about contacts, nor whether a write went through.
        return BadAnswer(f"Something that is not Heymarket answered {status}. Check HEYMARKET_BASE_URL", status=status)
    said = answers.message(body, hide=lambda said: without_secrets(said, proof))
    return failure_in_the_answer(response, request_id, said=said)


def _is_own(request_id: str, body: bytes) -> bool:
    """Whether the service itself gave this answer. Pages of others are not JSON and have no id of a request."""
    return bool(request_id) or answers.is_json(body)


# Refusals, but for those after which a request may go out again.
_REFUSED = frozenset(range(400, 500)) - {408, 429}


def _team_of(contact: Contact) -> int | None:
    team = (contact.model_extra or {}).get("team_id")
    return team if isinstance(team, int) and team > 0 else None


def _many(model: type[Model], answer: Answer, *names: str) -> Rows[Model]:
    return _quoting(answer, lambda: answers.many(model, answer.value, *names))


def _quoting(answer: Answer, read: Callable[[], Read]) -> Read:
    """`read` the answer. An answer that cannot be read is reported with the request's id."""
    try:
        return read()
    except BadAnswer as error:
        raise BadAnswer(str(error), status=error.status, request_id=answer.request_id) from None
