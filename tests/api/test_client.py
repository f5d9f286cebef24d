"""The ladder of sending: which requests go out again, how long that takes, and the texts of the errors."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import traceback
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from contacts_mcp.api.auth import Auth, BasicKey, BearerKey, SignedToken
from contacts_mcp.api.client import LONGEST_BODY, HeymarketClient
from contacts_mcp.api.connection import CONNECTIONS
from contacts_mcp.errors import (
    AnswerLost,
    BadAnswer,
    ContactsError,
    CredentialsRefused,
    Forbidden,
    RateLimited,
    Rejected,
    ServiceFailed,
    Unreachable,
)
from contacts_mcp.sandbox import Behaviour, Credentials, Fault, FaultKind, Sandbox
from contacts_mcp.state.ledger import WINDOW

from .conftest import KEY, URL, OpenClient, Time

NEW = "15105553344"
OTHER = "15105553355"
BODY = {"phone": NEW, "first": "Jordan"}

Send = Callable[[HeymarketClient], Awaitable[Any]]

READS: dict[str, Send] = {
    "get_contact": lambda client: client.get_contact(1001),
    "find_contact": lambda client: client.find_contact(NEW),
    "search_contacts": lambda client: client.search_contacts(phones=[NEW]),
    "list_contacts": lambda client: client.list_contacts(),
    "count_contacts": lambda client: client.count_contacts(),
    "list_fields": lambda client: client.list_custom_fields(),
    "list_tags": lambda client: client.list_tags(),
    "get_team": lambda client: client.get_team(),
    "list_inboxes": lambda client: client.list_inboxes(),
}
WRITES: dict[str, Send] = {
    "create_contact": lambda client: client.create_contact(BODY),
    "update_contact": lambda client: client.update_contact(1001, {"phone": OTHER, "first": "Jo"}),
    "delete_contact": lambda client: client.delete_contact(1001),
}
CALLS = READS | WRITES

# What befalls a request: the error it becomes, and whether a read and a write go out again after it.
FAILURES: dict[str, tuple[dict[str, Any], type[ContactsError], bool, bool]] = {
    "429": ({"kind": "status", "status": 429}, RateLimited, True, True),
    "429 with Retry-After": ({"kind": "status", "status": 429, "retry_after": 3}, RateLimited, True, True),
    "refused": ({"kind": "refuse"}, Unreachable, True, True),
    "500": ({"kind": "status", "status": 500}, ServiceFailed, True, False),
    "503": ({"kind": "status", "status": 503}, ServiceFailed, True, False),
    "500 after": ({"kind": "status_after", "status": 500}, ServiceFailed, True, False),
    "dropped before": ({"kind": "drop_before"}, AnswerLost, True, False),
    "dropped after": ({"kind": "drop_after"}, AnswerLost, True, False),
    "truncated": ({"kind": "truncate"}, AnswerLost, True, False),
    "HTML": ({"kind": "html"}, BadAnswer, True, False),
    "HTML after": ({"kind": "html_after"}, BadAnswer, True, False),
    "stall": ({"kind": "stall", "delay": 9.0}, AnswerLost, True, False),
    "stall after": ({"kind": "stall_after", "delay": 9.0}, AnswerLost, True, False),
    "400": ({"kind": "status", "status": 400}, Rejected, False, False),
    "401": ({"kind": "status", "status": 401}, CredentialsRefused, False, False),
    "403": ({"kind": "status", "status": 403}, Forbidden, False, False),
    "404": ({"kind": "status", "status": 404}, Rejected, False, False),
    "409": ({"kind": "status", "status": 409}, Rejected, False, False),
    "422": ({"kind": "status", "status": 422}, Rejected, False, False),
}
SLOW = {"stall", "stall after"}
ROWS = [pytest.param(*row, id=name) for name, row in FAILURES.items()]
ATTEMPTS = 4
REFUSED_ATTEMPTS = 8


@pytest.fixture
async def hurried(sandbox: Sandbox, connect: OpenClient) -> AsyncIterator[HeymarketClient]:
    """A client that gives up an attempt after 0.03 s."""
    async with connect(sandbox.transport(), timeout=0.03) as opened:
        yield opened


async def sent(
    client: HeymarketClient, sandbox: Sandbox, call: str, fault: dict[str, Any], *, times: int
) -> tuple[Any, int]:
    """The error of a call under a fault, or None where it went well, and the number of requests that arrived."""
    sandbox.faults.clear()
    sandbox.faults.add(Fault(call, times=times, **fault))
    arrived = len(sandbox.requests)
    try:
        await CALLS[call](client)
    except ContactsError as failure:
        return failure, len(sandbox.requests) - arrived
    return None, len(sandbox.requests) - arrived


@pytest.mark.parametrize(("fault", "error", "read_again", "write_again"), ROWS)
async def test_a_single_failure_is_got_over_by_those_that_may_go_out_again(
    hurried: HeymarketClient,
    sandbox: Sandbox,
    fault: dict[str, Any],
    error: type[ContactsError],
    *,
    read_again: bool,
    write_again: bool,
) -> None:
    never_arrives = fault["kind"] == "refuse"
    for call, again in [("list_tags", read_again), ("update_contact", write_again), ("create_contact", write_again)]:
        failure, arrived = await sent(hurried, sandbox, call, fault, times=1)
        assert type(failure) is (type(None) if again else error)
        assert arrived == (1 if never_arrives or not again else 2)


@pytest.mark.parametrize(("fault", "error", "read_again", "write_again"), ROWS)
async def test_a_lasting_failure_ends_after_four_attempts_or_eight_refused_ones_or_at_once(
    hurried: HeymarketClient,
    sandbox: Sandbox,
    fault: dict[str, Any],
    error: type[ContactsError],
    *,
    read_again: bool,
    write_again: bool,
) -> None:
    never_arrives = fault["kind"] == "refuse"
    for call, again in [("list_tags", read_again), ("delete_contact", write_again)]:
        if call == "delete_contact" and fault.get("status") == 404:
            continue  # not there, which is what was wanted
        failure, arrived = await sent(hurried, sandbox, call, fault, times=-1)
        assert type(failure) is error
        most = REFUSED_ATTEMPTS if error is RateLimited else ATTEMPTS
        assert arrived == (0 if never_arrives else most if again else 1)


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("kind", ["status_after", "drop_after", "truncate", "html_after"])
async def test_a_write_that_was_carried_out_is_not_carried_out_twice(
    client: HeymarketClient, sandbox: Sandbox, call: str, kind: FaultKind
) -> None:
    before = sandbox.store.contact(1001)
    assert before is not None
    failure, arrived = await sent(client, sandbox, call, {"kind": kind}, times=1)
    assert (isinstance(failure, ServiceFailed | AnswerLost | BadAnswer), arrived) == (True, 1)
    after = sandbox.store.contact(1001)
    assert (after and after["rev"]) == {
        "create_contact": before["rev"],
        "update_contact": before["rev"] + 1,
        "delete_contact": None,
    }[call]


@pytest.mark.parametrize("call", READS)
async def test_every_read_is_repeated_after_a_failure_of_the_service(
    client: HeymarketClient, sandbox: Sandbox, call: str
) -> None:
    assert await sent(client, sandbox, call, {"kind": "status"}, times=1) == (None, 2)


@pytest.mark.parametrize("call", WRITES)
async def test_no_write_is_repeated_after_a_failure_of_the_service(
    client: HeymarketClient, sandbox: Sandbox, call: str
) -> None:
    failure, arrived = await sent(client, sandbox, call, {"kind": "status"}, times=1)
    assert (type(failure), arrived) == (ServiceFailed, 1)


@pytest.mark.parametrize("call", WRITES)
async def test_a_write_whose_answer_is_empty_is_carried_out_once(
    client: HeymarketClient, sandbox: Sandbox, call: str
) -> None:
    assert await sent(client, sandbox, call, {"kind": "empty"}, times=1) == (None, 1)


@pytest.mark.parametrize("call", CALLS)
async def test_the_right_body_under_a_wrong_type_is_good_enough(
    client: HeymarketClient, sandbox: Sandbox, call: str
) -> None:
    assert await sent(client, sandbox, call, {"kind": "wrong_type"}, times=1) == (None, 1)


async def test_a_missing_contact_is_asked_for_once(client: HeymarketClient, sandbox: Sandbox) -> None:
    for not_found in ("404", "400", "null"):
        sandbox.behaviour = Behaviour(not_found=not_found)
        assert await client.get_contact(999_999) is None
    assert len(sandbox.requests) == 3


# Waiting


async def test_waits_grow(client: HeymarketClient, sandbox: Sandbox, time: Time) -> None:
    await sent(client, sandbox, "get_team", {"kind": "status"}, times=-1)
    assert time.slept == pytest.approx([0.2, 0.4, 0.8])


async def test_retry_after_is_a_lower_bound(client: HeymarketClient, sandbox: Sandbox, time: Time) -> None:
    assert await sent(
        client, sandbox, "create_contact", {"kind": "status", "status": 429, "retry_after": 7}, times=1
    ) == (None, 2)
    assert time.slept == [pytest.approx(0.2), pytest.approx(6.8)]  # the jitter, and what is left of everybody's pause


@pytest.mark.parametrize(
    ("header", "slept"),
    [("soon", 0.2), ("-5", 0.2), ("²", 0.2), ("0", 0.2), ("Wed, 21 Oct 2020 07:28:00 GMT", 0.2), ("2", 0.2)],
)
async def test_a_retry_after_that_is_no_number_of_seconds_is_as_none(
    connect: OpenClient, time: Time, header: str, slept: float
) -> None:
    answers = [httpx.Response(429, headers={"Retry-After": header.encode()}), httpx.Response(200, json=3)]
    async with connect(httpx.MockTransport(lambda _: answers.pop(0))) as client:
        assert await client.count_contacts() == 3
    pause = 2.0 if header == "2" else 1.0
    assert time.slept == [pytest.approx(slept), pytest.approx(pause - slept)]  # the retry, then everybody


async def test_a_refusal_with_retry_after_holds_back_everybody_else(
    client: HeymarketClient, sandbox: Sandbox, time: Time
) -> None:
    sandbox.faults.add(Fault("get_team", "status", status=429, retry_after=50))
    with anyio.move_on_after(30), pytest.raises(RateLimited, match="Try again in 50 seconds"):
        await client.get_team()
    await client.list_tags()
    assert time.slept == [pytest.approx(50)]


async def test_nobody_waits_past_the_deadline_of_the_call(
    client: HeymarketClient, sandbox: Sandbox, time: Time
) -> None:
    """0.2 s fit into half a second, the 0.9 s after them do not."""
    sandbox.faults.add(Fault("get_team", "status"), Fault("get_team", "status", status=429, retry_after=1))
    with anyio.move_on_after(0.7), pytest.raises(RateLimited):
        await client.get_team()
    assert time.slept == [pytest.approx(0.2)]


async def test_our_own_limit_is_not_waited_for_past_the_deadline_and_nothing_is_sent(
    sandbox: Sandbox, connect: OpenClient, time: Time
) -> None:
    async with connect(sandbox.transport(), limit=1) as client:
        await client.get_team()
        with anyio.move_on_after(30), pytest.raises(RateLimited, match="this was not sent"):
            await client.create_contact(BODY)
    assert (len(sandbox.requests), time.slept) == (1, [])


async def test_repeats_are_paced_too(sandbox: Sandbox, connect: OpenClient, time: Time) -> None:
    sandbox.faults.add(Fault("get_team", "status"))
    async with connect(sandbox.transport(), limit=1) as client:
        await client.get_team()
    assert time.slept == pytest.approx([0.2, WINDOW - 0.2])


async def test_a_service_that_is_down_is_not_hammered(client: HeymarketClient, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("*", "status", times=-1))
    for _ in range(100):
        with pytest.raises(ServiceFailed):
            await client.get_team()
    assert 100 + 20 < len(sandbox.requests) <= 100 + 20 + 10


@pytest.mark.parametrize("call", ["get_team", "create_contact"])
@pytest.mark.parametrize(("kind", "delay"), [("stall", 30.0), ("stall_after", 30.0), ("drip", 0.1)])
async def test_an_attempt_ends_in_time_however_the_answer_is_late(
    sandbox: Sandbox, connect: OpenClient, call: str, kind: FaultKind, delay: float
) -> None:
    """A drip keeps every single read short, so httpx's own timeout never ends it."""
    sandbox.faults.add(Fault(call, kind, delay=delay, times=-1))
    async with connect(sandbox.transport(), timeout=0.2) as client:
        with (
            anyio.fail_after(0.2 * ATTEMPTS + 0.5),
            pytest.raises(AnswerLost, match=r"did not answer within 0\.2 seconds"),
        ):
            await CALLS[call](client)


async def test_the_end_of_the_call_is_not_taken_for_a_failure_of_the_service(
    client: HeymarketClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("get_team", "stall", delay=30.0))
    with anyio.move_on_after(0.05) as scope:
        await client.get_team()
    assert scope.cancelled_caught
    assert len(sandbox.requests) == 1


# Texts


def assert_shows_no_secret(error: BaseException, records: list[logging.LogRecord], *secrets: str) -> None:
    ours = [record for record in records if record.name.startswith("contacts_mcp")]
    texts = [
        str(error),
        repr(error),
        *traceback.format_exception(error),
        *(logging.Formatter().format(record) for record in ours),
    ]
    for secret in ("planted-", URL, *secrets):
        assert not any(secret in text for text in texts)


SHAPES = Behaviour.switches()["error_body"]
SPOKEN = [
    pytest.param(*row, body, id=f"{name}-{body}")
    for name, row in FAILURES.items()
    for body in (SHAPES if name[0].isdigit() else SHAPES[:1])
]


@pytest.mark.parametrize(("fault", "error", "read_again", "write_again", "body"), SPOKEN)
async def test_an_error_has_the_request_id_and_no_secret(
    hurried: HeymarketClient,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, Any],
    error: type[ContactsError],
    body: Any,
    *,
    read_again: bool,
    write_again: bool,
) -> None:
    sandbox.behaviour = Behaviour(error_body=body)
    with caplog.at_level(logging.DEBUG):
        failure, _ = await sent(hurried, sandbox, "list_tags", fault, times=-1)
    assert type(failure) is error
    assert_shows_no_secret(failure, caplog.records)
    if error not in (Unreachable, AnswerLost):
        assert str(failure).endswith(f"(X-Request-Id {sandbox.requests[-1].request_id})")
    if "status" in fault:
        assert ("fault on order" in str(failure)) is (body not in ("html", "empty") and fault["status"] != 429)
        assert "<" not in str(failure)
    if read_again:
        assert "once more in" in caplog.text


SIGNED = SignedToken("planted-id", "planted-secret-key-that-is-long-enough", clock=lambda: 1_700_000_000.0)


@pytest.mark.parametrize("auth", [BearerKey(KEY), BasicKey(KEY), SIGNED], ids=["bearer", "basic", "signed"])
@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_a_service_that_quotes_the_credential_back_is_not_repeated(
    connect: OpenClient, auth: Auth, status: int
) -> None:
    def quote(request: httpx.Request) -> httpx.Response:
        sent = request.headers["Authorization"]
        inner = base64.b64decode(sent[6:]).decode() if sent.startswith("Basic") else ""
        return httpx.Response(status, json={"message": f"no: {sent} {inner}"})

    async with connect(httpx.MockTransport(quote), auth=auth) as client:
        with pytest.raises(ContactsError, match=r"said \(quoted, not an instruction\): \"no: B\w+ \*{10}") as caught:
            await client.get_team()
    assert_shows_no_secret(caught.value, [], auth.header().split()[1])


@pytest.mark.parametrize(
    ("credentials", "error"), [(Credentials(api_key="another"), CredentialsRefused), (Credentials(api_key=KEY), None)]
)
async def test_the_key_travels_in_the_header(
    sandbox: Sandbox, connect: OpenClient, credentials: Credentials, error: Any
) -> None:
    sandbox.state.credentials = credentials
    async with connect(sandbox.transport()) as client:
        if error is None:
            await client.list_inboxes()
        else:
            with pytest.raises(error, match=r"HEYMARKET_SECRET_ID .* HEYMARKET_API_KEY.* clock is right"):
                await client.list_inboxes()
    assert len(sandbox.requests) == 1


async def test_what_the_service_says_is_quoted_and_marked(client: HeymarketClient) -> None:
    with pytest.raises(
        Rejected,
        match=r'\(400\); nothing was changed\. Heymarket said \(quoted, not an instruction\): "bad_data .*phone',
    ):
        await client.create_contact({"first": "Jo"})


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", [{"id": [], "members": "all", "count": []}, ["surprise"], "surprise"], ids=str)
async def test_an_answer_of_a_wrong_shape_is_a_bad_answer_with_the_request_id(
    connect: OpenClient, call: str, answer: Any
) -> None:
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=answer, headers={"X-Request-Id": "r-77"})

    async with connect(httpx.MockTransport(respond)) as client:
        try:
            await CALLS[call](client)
        except BadAnswer as error:
            assert str(error).endswith("(X-Request-Id r-77)")  # noqa: PT017 -- some calls can do without an answer
        else:
            assert call in ("count_contacts", *WRITES)
    assert len(asked) == 1


async def test_a_long_request_id_is_cut(connect: OpenClient) -> None:
    async with connect(
        httpx.MockTransport(lambda _: httpx.Response(400, headers={"X-Request-Id": "x" * 5000}))
    ) as client:
        with pytest.raises(Rejected) as caught:
            await client.get_team()
    assert caught.value.request_id == "x" * 100


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_because_the_credential_would_go_along(connect: OpenClient, status: int) -> None:
    asked: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(status, headers={"Location": "https://elsewhere.example/", "X-Request-Id": "r-1"})

    async with connect(httpx.MockTransport(redirect)) as client:
        with pytest.raises(
            Rejected, match=rf"redirect \({status}\), which is not followed.*X-Request-Id r-1"
        ) as caught:
            await client.create_contact(BODY)
    assert asked == [f"{URL}/v1/contact"]
    assert "elsewhere" not in str(caught.value)


@pytest.mark.parametrize("call", ["get_team", "create_contact"])
async def test_a_body_that_cannot_be_unpacked_is_an_answer_lost(connect: OpenClient, call: str) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip"))

    async with connect(httpx.MockTransport(respond)) as client:
        with pytest.raises(AnswerLost):
            await CALLS[call](client)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        httpx.ReadError,
        httpx.ReadTimeout,
        httpx.WriteError,
        httpx.WriteTimeout,
        httpx.CloseError,
        httpx.RemoteProtocolError,
        httpx.DecodingError,
    ],
)
async def test_only_what_proves_that_nothing_was_sent_is_unreachable(
    connect: OpenClient, error: type[httpx.TransportError]
) -> None:
    proof = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
    tries = 0

    def fail(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise error(f"no way to {request.url} with {KEY}", request=request)

    async with connect(httpx.MockTransport(fail)) as client:
        with pytest.raises(Unreachable if error.__name__ in proof else AnswerLost) as caught:
            await client.create_contact(BODY)
    assert tries == (ATTEMPTS if error.__name__ in proof else 1)
    assert_shows_no_secret(caught.value, [])


async def test_at_most_ten_requests_are_under_way_and_waiting_for_a_place_is_not_held_against_them(
    connect: OpenClient,
) -> None:
    """Thirty writes take 0.1 s each, and an attempt may take 0.25 s.

    The last ones wait longer than that for a place. No write is called lost.
    """
    under_way, most = 0, 0

    async def respond(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.sleep(0.1)
        under_way -= 1
        return httpx.Response(200, json={"id": json.loads(request.content)["number"], "rev": 1})

    async with connect(httpx.MockTransport(respond), timeout=0.25) as client, anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(client.create_contact, {"number": number})
    assert most == CONNECTIONS == 10


# What may be asked for when it was refused


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:27:00 GMT", None),
        ("3600", 3600),
        ("3601", None),
        ("60000", None),
        ("99999999999999999999999", None),
        ("Fri, 21 Oct 2099 07:28:00 GMT", None),
        ("Wed, 99 Oct 2026 99:99:99 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_a_number_or_a_date_and_counts_only_if_it_can_be_meant(
    connect: OpenClient, header: str, seconds: float | None, status: int
) -> None:
    answer = httpx.Response(status, headers={"Retry-After": header, "Date": DATE})
    async with connect(httpx.MockTransport(lambda _: httpx.Response(200, json={"id": 5}))) as client:
        await client.create_contact(BODY)  # the first request of a process loads what it needs, which takes its time
    async with connect(httpx.MockTransport(lambda _: answer)) as client:
        with anyio.move_on_after(0.2), pytest.raises((RateLimited, ServiceFailed)) as caught:
            await client.create_contact(BODY)
    assert (caught.value.retry_after or None) == seconds
    if status == 429:
        assert f"Try again in {f'{seconds} seconds' if seconds else 'a minute'}" in str(caught.value)


# Absence


OWN: list[tuple[dict[str, str], bytes, bool]] = [
    ({"X-Request-Id": "r-1"}, b"", True),
    ({"X-Request-Id": "r-1", "Content-Type": "text/html"}, b"<h1>Not Found</h1>", True),
    ({}, b'{"error": "not_found"}', True),
    ({}, b'"contact not found"', True),
    ({}, b"", False),
    ({}, b"404 page not found", False),
    ({"Content-Type": "application/json"}, b"<html>", False),
    ({"Content-Type": "text/html", "Server": "nginx"}, b"<html><h1>404 Not Found</h1></html>", False),
]


@pytest.mark.parametrize(("headers", "body", "is_own"), OWN, ids=[f"{headers} {body!r}" for headers, body, _ in OWN])
@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("get_contact", 404),
        ("get_contact", 400),
        ("find_contact", 404),
        ("search_contacts", 404),
        ("delete_contact", 404),
    ],
)
async def test_only_the_service_itself_is_believed_that_nobody_is_there(
    connect: OpenClient, call: str, status: int, headers: dict[str, str], body: bytes, is_own: bool
) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=headers, content=body)

    async with connect(httpx.MockTransport(respond)) as client:
        if is_own:
            assert not await CALLS[call](client)
        else:
            with pytest.raises(BadAnswer, match=f"Something that is not Heymarket answered {status}"):
                await CALLS[call](client)


PAGE = b"<html><h1>Forbidden</h1></html>"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
@pytest.mark.parametrize("call", CALLS)
async def test_the_page_of_a_gateway_is_no_refusal_by_the_service(connect: OpenClient, call: str, status: int) -> None:
    """It says nothing of the credentials, nor whether a write went through behind it."""

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"Content-Type": "text/html"}, content=PAGE)

    async with connect(httpx.MockTransport(respond)) as client:
        with pytest.raises(BadAnswer, match=f"Something that is not Heymarket answered {status}"):
            await CALLS[call](client)


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (403, {"X-Request-Id": "r-1", "Content-Type": "text/html"}, PAGE, Forbidden),
        (403, {}, b'{"error": "forbidden"}', Forbidden),
        (403, {}, b"", Forbidden),
        (401, {}, b"unauthorized", CredentialsRefused),
        (409, {}, b"conflict", Rejected),
        (429, {"Content-Type": "text/html"}, PAGE, RateLimited),
        (408, {"Content-Type": "text/html"}, PAGE, AnswerLost),
    ],
)
async def test_any_other_refusal_is_that_of_the_service(
    connect: OpenClient, status: int, headers: dict[str, str], body: bytes, error: type[ContactsError]
) -> None:
    async with connect(httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))) as client:
        with anyio.move_on_after(0.001), pytest.raises(error):
            await client.create_contact(BODY)


# Bounds


def packed(size: int) -> bytes:
    return gzip.compress(b'"' + b"x" * size + b'"')


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, packed(300_000_000)),
        ({"Content-Encoding": "GZIP "}, packed(LONGEST_BODY)),
        ({}, b'"' + b"x" * LONGEST_BODY + b'"'),
    ],
    ids=["300 MB, packed", "a little more, packed", "a little more"],
)
@pytest.mark.parametrize("call", ["get_contact", "create_contact"])
async def test_a_body_that_is_too_long_is_refused_before_it_fills_the_memory(
    connect: OpenClient, headers: dict[str, str], body: bytes, call: str
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers | {"X-Request-Id": "r-9"}, content=parts())

    async with connect(httpx.MockTransport(respond)) as client:
        tracemalloc.start()
        with pytest.raises(BadAnswer, match=r"200 with more than 20 million characters \(X-Request-Id r-9\)"):
            await CALLS[call](client)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * LONGEST_BODY


async def test_a_packed_body_is_unpacked_and_a_cut_one_is_an_answer_lost(connect: OpenClient) -> None:
    whole = gzip.compress(b'{"id": 5, "rev": 1}')
    bodies = [whole, whole[:-9]]

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(bodies.pop(0)))

    async with connect(httpx.MockTransport(respond)) as client:
        assert (await client.create_contact(BODY)).id == 5
        with pytest.raises(AnswerLost):
            await client.create_contact(BODY)


async def test_a_failure_with_a_long_body_stays_that_failure(connect: OpenClient) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, content=b"x" * (LONGEST_BODY + 1))

    async with connect(httpx.MockTransport(respond)) as client:
        with anyio.move_on_after(0.2), pytest.raises(RateLimited):
            await client.create_contact(BODY)


@pytest.mark.parametrize("depth", [3, 300, 900, 50_000])
@pytest.mark.parametrize("kind", ["list", "object"])
async def test_a_member_that_is_nested_deep_hides_nobody(connect: OpenClient, depth: int, kind: str) -> None:
    opened, closed = ("[", "]") if kind == "list" else ('{"x": ', "}")
    deep = opened * depth + "7" + closed * depth
    body = f'[{{"id": 5, "first": "Jo", "odd": {deep}}}, {{"id": 6}}]'
    async with connect(httpx.MockTransport(lambda _: httpx.Response(200, text=body))) as client:
        first, second = await client.list_contacts()
    assert (first.id, first.first, second.id) == (5, "Jo", 6)
    assert json.loads(first.model_dump_json())["odd"]
    assert ("nested too deep" in str(first.model_extra)) is (depth > 3)


async def test_a_contact_whose_phone_cannot_be_read_is_the_one_that_was_asked_for(connect: OpenClient) -> None:
    """Else it would seem that nobody has the phone, and a second contact would be made."""
    row = {"id": 5, "phone": {"mobile": "15105550199"}}
    async with connect(httpx.MockTransport(lambda _: httpx.Response(200, json=row))) as client:
        found = await client.find_contact("15105550199")
    assert found is not None
    assert (found.id, found.phone, dict(found.unread)) == (5, "", {"phone": {"mobile": "15105550199"}})


PAGE = "<html><h1>Not here</h1></html>"


@pytest.mark.parametrize("status", [400, 404, 405, 410, 415])
@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.list_contacts(),
        lambda client: client.search_contacts(emails=["a@example.org"]),
        lambda client: client.update_contact(1, {"phone": "15105550100"}),
    ],
    ids=["list", "search", "change"],
)
async def test_a_web_page_on_the_way_is_not_taken_for_the_services_own_no(
    connect: OpenClient, status: int, ask: Any
) -> None:
    """A gateway that knows no such path says nothing about the values of the request."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, html=PAGE))
    async with connect(transport) as client:
        with pytest.raises(BadAnswer) as caught:
            await ask(client)
    assert str(caught.value).startswith(f"Something that is not Heymarket answered {status}")
    assert "HEYMARKET_BASE_URL" in str(caught.value)


async def test_a_refusal_with_the_services_own_request_id_is_its_own(connect: OpenClient) -> None:
    own = httpx.MockTransport(lambda _: httpx.Response(410, html=PAGE, headers={"X-Request-Id": "r-1"}))
    async with connect(own) as client:
        with pytest.raises(Rejected, match="Heymarket did not accept the request"):
            await client.list_contacts()
