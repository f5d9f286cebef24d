"""The forms of the log's lines, and the watcher's view of waits, searches and calls that were given up.

Guards `contacts_mcp/server/logs.py` and `contacts_mcp/state/watching.py`.
"""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from support import OpenSession

import contacts_mcp
from contacts_mcp.api.pace import Pace, bulk_work
from contacts_mcp.server.boundary import under_way
from contacts_mcp.server.logs import Discreet, JsonLines, fingerprint
from contacts_mcp.server.telemetry import Meters
from contacts_mcp.state import acting, watching
from contacts_mcp.state.ledger import SqliteLedger
from contacts_mcp.state.watching import watch

PERSON = "https://login.example.com/ planted|15105557777"
KEY = b"a key that signs confirmations"


@pytest.fixture
def lines() -> Iterator[Any]:
    """`lines(formatter, logger)` lets the logger write through the formatter, and gives the text so far."""
    added = []

    def through(formatter: logging.Formatter, name: str) -> Any:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        added.append((logger, handler))
        logger.setLevel(logging.DEBUG)
        logger.propagate = False  # pytest has a handler of its own
        return logger, stream.getvalue

    yield through
    for logger, handler in added:
        logger.removeHandler(handler)
        logger.propagate = True


def test_a_json_line_tells_whose_request_it_was_and_names_nobody(lines: Any) -> None:
    logger, text = lines(JsonLines(lambda: KEY), "contacts_mcp.test")
    tokens = acting.subject.set(PERSON), acting.account.set("9f86d081884c7d65"), acting.request.set("ab" * 16)
    who = acting.who.set("planted@example.com")
    logger.warning("hello")
    acting.who.reset(who)
    for variable, token in zip((acting.subject, acting.account, acting.request), tokens, strict=True):
        variable.reset(token)
    line = json.loads(text())
    assert (line["account"], line["request"], line["message"]) == ("9f86d081884c7d65", "ab" * 16, "hello")
    assert len(line["subject"]) == 16
    assert "planted" not in text()
    assert "15105557777" not in text()


def digest_of(subject: str, key: bytes, lines: Any) -> str:
    logger, text = lines(JsonLines(lambda: key), "contacts_mcp.test")
    token = acting.subject.set(subject)
    logger.warning("hello")
    acting.subject.reset(token)
    return str(json.loads(text().splitlines()[-1])["subject"])


def test_the_digest_of_a_person_is_the_same_in_each_line_and_another_under_another_key(lines: Any) -> None:
    first = digest_of(PERSON, KEY, lines)
    assert digest_of(PERSON, KEY, lines) == first
    assert digest_of(f"{PERSON}8", KEY, lines) != first
    assert digest_of(PERSON, KEY + b"!", lines) != first


def test_the_key_is_asked_for_only_where_there_is_a_person(lines: Any) -> None:
    """It may be a file that has to be made."""

    def key() -> bytes:
        raise AssertionError

    logger, text = lines(JsonLines(key), "contacts_mcp.test")
    logger.warning("hello")
    assert json.loads(text())["message"] == "hello"


@pytest.mark.parametrize("name", ["oakland", "Plantedfirst's office", "9f86d081884c7d65x", ""])
def test_an_account_is_a_fingerprint_whatever_it_is_called(name: str) -> None:
    assert len(fingerprint(name)) == 16
    assert "lanted" not in fingerprint(name)


@pytest.mark.parametrize("formatter", [JsonLines(bytes), Discreet()], ids=["json", "text"])
def test_a_strangers_text_stays_one_line_and_only_its_constant_is_said(
    formatter: logging.Formatter, lines: Any
) -> None:
    logger, text = lines(formatter, "somebody.else")
    planted = "Plantedfirst\n\u2028 Plantedlast"
    logger.warning("a constant with %s", planted)
    logger.warning(f"not constant {planted}")  # noqa: G004 -- as others do
    logger.warning(planted)
    logger.warning("%d", planted)  # an ordinary formatter fails here, and prints the arguments
    written = text().splitlines()
    assert len(written) == 4
    assert "lanted" not in text()
    assert "a constant with %s" in written[0]
    assert all("test_telemetry_logs" in line for line in written[1:3])


def test_a_short_text_that_happens_to_stand_in_the_source_is_no_constant(lines: Any) -> None:
    logger, text = lines(Discreet(), "somebody.else")
    logger_of_jordan = "warning"
    logger.warning(logger_of_jordan)
    assert text().startswith("somebody.else: said something at ")


def test_a_text_without_its_source_is_not_said(lines: Any) -> None:
    logger, text = lines(Discreet(), "somebody.else")
    exec(compile('logger.warning("a constant")', "<nowhere>", "exec"), {"logger": logger})
    assert "a constant" not in text()


def test_an_error_is_its_type_and_place_with_those_behind_it(lines: Any) -> None:
    logger, text = lines(JsonLines(bytes), "contacts_mcp.test")
    try:
        try:
            {}["planted"]
        except KeyError as error:
            raise ValueError("planted") from error
    except ValueError:
        logger.exception("went wrong")
    line = json.loads(text())
    assert (line["message"], line["error"]) == ("went wrong", "ValueError")
    assert "after KeyError at test_an_error" in line["place"]
    assert "planted" not in text()


def test_the_record_is_left_as_it_was_for_other_handlers(lines: Any) -> None:
    logger, text = lines(Discreet(), "somebody.else")
    seen = logging.LogRecord("somebody.else", logging.ERROR, "/nowhere.py", 1, "about %s", ("me",), None)
    seen.exc_text = "kept"
    logger.handle(seen)
    assert seen.getMessage() == "about me"
    assert seen.exc_text == "kept"
    assert "about me" not in text()


def test_no_line_of_ours_is_given_an_error_itself() -> None:
    """Its text may name people. The type and the place are ours to say."""
    for path in Path(contacts_mcp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler) or not node.name:
                continue
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func).startswith(("_log.", "logger.", "logging.")):
                    given = [ast.unparse(one) for one in call.args]
                    assert not {node.name, f"str({node.name})", f"repr({node.name})"} & {*given}, f"{path}: {given}"


# The watcher


@pytest.fixture
def measured() -> Iterator[Any]:
    """`measured()` gives the points of our metrics: (name, labels) -> the number, or the count of a histogram."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    before = watch(Meters(provider.get_meter("test")))

    def points() -> dict[tuple[str, tuple[Any, ...]], tuple[float, float]]:
        found = {}
        for resource in reader.get_metrics_data().resource_metrics:
            for metric in resource.scope_metrics[0].metrics:
                for point in metric.data.data_points:
                    number = getattr(point, "value", None)
                    value = (point.count, point.sum) if number is None else (number, number)
                    found[metric.name, tuple(sorted((point.attributes or {}).values()))] = value
        return found

    yield points
    watch(before)
    provider.shutdown()


async def test_waits_for_the_limit_are_counted_with_their_seconds(measured: Any) -> None:
    now = [1_000.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = Pace(SqliteLedger(None, "a"), limit=2, clock=lambda: now[0], sleep=sleep)
    waits = [await pace.wait() for _ in range(3)]
    token = bulk_work.set(True)
    waits.append(await pace.wait())
    bulk_work.reset(token)
    await pace.aclose()
    assert waits[:2] == [0.0, 0.0]
    assert measured()["contacts_mcp.limit.wait", ("call",)] == (1, pytest.approx(waits[2]))
    assert measured()["contacts_mcp.limit.wait", ("bulk",)] == (1, pytest.approx(waits[3]))
    assert waits[2] > 50


async def test_a_call_that_its_caller_gives_up_is_counted_and_is_not_under_way(measured: Any) -> None:
    with anyio.move_on_after(0.01), under_way("lookup_contact"):
        await anyio.sleep_forever()
    points = measured()
    assert points["contacts_mcp.calls", ("cancelled", "error", "lookup_contact")] == (1, 1)
    assert points["contacts_mcp.calls.active", ()] == (0, 0)


async def test_while_a_call_is_under_way_it_counts_as_that(measured: Any) -> None:
    with under_way("lookup_contact") as note:
        assert measured()["contacts_mcp.calls.active", ()] == (1, 1)
        note(None)
    assert measured()["contacts_mcp.calls.active", ()] == (0, 0)


async def test_the_first_use_of_a_list_fetches_it_and_the_next_does_not(
    measured: Any, open_session: OpenSession
) -> None:
    async with open_session() as session:
        await session.call("list_contact_fields")
        await session.call("lookup_contact", contact_id=1001)
        await session.call("lookup_contact", contact_id=1001)
    points = measured()
    assert points["contacts_mcp.names.reads", ("custom_field", "fetched")] == (1, 1)
    assert points["contacts_mcp.names.reads", ("custom_field", "hit")][0] >= 2


async def test_each_search_tells_the_age_of_the_index(measured: Any, open_session: OpenSession) -> None:
    async with open_session(index="memory") as session:
        for _ in range(3):
            await session.call("search_contacts", query="nobody at all")
    count, total = measured()["contacts_mcp.mirror.age", ()]
    assert count == 3
    assert 0 <= total < 30


def test_the_docs_list_every_metric_and_its_labels(measured: Any) -> None:
    watcher = watching.watcher
    assert watcher is not None
    watcher.called("lookup_contact", kind="answered", is_error=False, seconds=1)
    watcher.sent("GET /v1/team", outcome="200", seconds=1)
    watcher.repeated("GET /v1/team", kind="service_failed")
    watcher.waited(1, is_bulk=False)
    watcher.named("tag", is_hit=True)
    watcher.searched(age=1)
    watcher.answered(200)
    docs = (Path(__file__).parents[2] / "docs/telemetry.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `contacts_mcp_(\w+)` \|(.*?)\|", docs, re.MULTILINE)
    bare = [(name.removesuffix("_total").removesuffix("_seconds"), labels) for name, labels in rows]
    told = {name: labels.count("`") // 2 for name, labels in bare}
    known = {name.removeprefix("contacts_mcp.").replace(".", "_"): len(labels) for name, labels in measured()}
    assert told == known


@pytest.mark.parametrize("formatter", [JsonLines(bytes), Discreet()], ids=["json", "text"])
def test_real_errors_of_the_shared_database_tell_no_values(
    formatter: logging.Formatter, postgres: str, lines: Any, request: pytest.FixtureRequest
) -> None:
    """PostgreSQL's own texts quote rows and names of users."""
    import psycopg
    import psycopg_pool

    for name in ("psycopg", "psycopg.pool"):  # a server with a shared database quiets them
        quiet = logging.getLogger(name)
        request.addfinalizer(partial(quiet.setLevel, quiet.level))
        quiet.setLevel(logging.NOTSET)
    logger, text = lines(formatter, "psycopg")
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TEMP TABLE people (name text PRIMARY KEY)")
        connection.execute("INSERT INTO people VALUES ('Plantedfirst')")
        with pytest.raises(psycopg.Error, match="Plantedfirst") as caught:
            connection.execute("INSERT INTO people VALUES ('Plantedfirst')")
        logger.error("a write failed", exc_info=caught.value)
        logger.error("a write failed: %s", caught.value)
    wrong = psycopg.conninfo.make_conninfo(postgres, dbname="planted_base")
    with psycopg_pool.ConnectionPool(wrong, open=False) as pool, pytest.raises(psycopg_pool.PoolTimeout):
        pool.wait(timeout=1)
    assert "psycopg.pool" in text()
    assert "UniqueViolation" in text()
    assert "lanted" not in text()
