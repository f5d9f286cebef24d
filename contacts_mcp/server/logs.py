"""The log of a process that serves. It goes to stderr, and to a file where one is named. It holds no personal data.

- A line of ours was written for the log.
- A line of anybody else may hold an address, an argument or a whole answer. Only its constant text is written: a text
  that stands in the program's source, with its `%s` left open. Of any other text the log names the place.
- An exception is its type and its place in the code, never its text.
- A JSON line also says whose request it was: the account's fingerprint, and a keyed digest of the person.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import linecache
import logging
import os
import re
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from contacts_mcp.errors import AccountError
from contacts_mcp.state import acting

# Below WARNING these write a line for each step of each request.
TALKATIVE = ("httpx", "httpcore", "mcp", "sse_starlette", "uvicorn", "psycopg", "redis", "opentelemetry")

LINES_OF_A_CALL = 4  # within which the text of a logging call stands
MOST_CAUSES = 3
MOST_OF_A_GROUP = 3
DIGEST = 16  # hexadecimal digits of a person's digest, and of an account's fingerprint

Form = Literal["text", "json"]


def set_up_logging(
    level: str, file: Path | None = None, *, form: Form = "text", key: Callable[[], bytes] = lambda: b""
) -> None:
    """Write this package's log to stderr from `level` on, and everybody else's from WARNING on, or from `level`.

    A `file` gets this package's log from INFO on. `key` is asked for the key of the digests of people, where a line
    needs one. For a process of our own, once: a library leaves that to the program it is part of.
    Raises AccountError where the file cannot be written.
    """
    own = logging.getLevelNamesMapping()[level]
    others = max(logging.WARNING, own)
    on_stderr = logging.StreamHandler()
    on_stderr.setFormatter(_formatter(form, key, is_file=False))
    logging.basicConfig(handlers=[on_stderr], level=others)
    if logging.lastResort:  # it has the warnings of loggers that lead nowhere, such as uvicorn's of accesses
        logging.lastResort.setFormatter(on_stderr.formatter)
    logger = logging.getLogger("contacts_mcp")
    logger.setLevel(own)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(others)
    if file is None:
        return
    for handler in logging.getLogger().handlers:
        handler.setLevel(own)
    logger.setLevel(min(own, logging.INFO))
    in_file = _private(file)
    in_file.setFormatter(_formatter(form, key, is_file=True))
    logger.addHandler(in_file)


def announcement(text: str, form: Form) -> str:
    """A line for stderr that is said at any level."""
    if form == "text":
        return text
    return JsonLines(bytes).format(logging.makeLogRecord({"name": "contacts_mcp", "levelname": "INFO", "msg": text}))


def log_all_that_is_unhandled() -> None:
    """Let the log have what Python would print with its text: errors that nobody caught, and warnings.

    For a process that serves, once, after `set_up_logging`.
    """
    logger = logging.getLogger("contacts_mcp.unhandled")

    def in_a_thread(args: threading.ExceptHookArgs) -> None:
        logger.error("a thread ended with an error", exc_info=args.exc_value or True)

    def at_the_top(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            logger.critical("the server ended with an error", exc_info=error)

    sys.excepthook = at_the_top
    sys.unraisablehook = lambda args: logger.error("an error at the end of an object", exc_info=args.exc_value or True)
    threading.excepthook = in_a_thread
    logging.captureWarnings(capture=True)


def _formatter(form: Form, key: Callable[[], bytes], *, is_file: bool) -> logging.Formatter:
    if form == "json":
        return JsonLines(key)
    return Discreet("%(asctime)s %(levelname)s %(message)s" if is_file else "%(message)s")


class Discreet(logging.Formatter):
    """Lines of text, without the data of people."""

    def format(self, record: logging.LogRecord) -> str:
        record = logging.makeLogRecord(record.__dict__)  # others may write the record, too
        record.msg, record.args = line_of(record), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return super().format(record)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        super().__init__()
        self._key = key
        self._derived = b""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        facts = getattr(record, "facts", None) if is_ours(record) else None
        line: dict[str, Any] = {"time": moment, "level": record.levelname}
        line |= facts if isinstance(facts, dict) else {"event": "log", "logger": record.name, "message": said(record)}
        if error := _error_of(record):
            line |= {"error": type(error).__name__, "place": told(error)}
        return json.dumps(line | self._whose())

    def _whose(self) -> dict[str, str]:
        """The request, the trace, the account and the person that this moment belongs to, where there are such."""
        account, subject = acting.account.get(), acting.subject.get()
        known = {
            "request": acting.request.get(),
            "trace": _trace_id(),
            "account": fingerprint(account) if account else "",
            "subject": self._digest(subject) if subject else "",
        }
        return {name: value for name, value in known.items() if value}

    def _digest(self, subject: str) -> str:
        if not self._derived:  # the signing key signs nothing but what it is for
            self._derived = hmac.digest(self._key(), b"contacts-mcp: people in the log", "sha256")
        return hmac.digest(self._derived, subject.encode(), "sha256").hex()[:DIGEST]


def fingerprint(account: str) -> str:
    """An account as the log names it. A fingerprint stays as it is, and any other name becomes one."""
    if re.fullmatch(rf"[0-9a-f]{{{DIGEST}}}", account):
        return account
    return hashlib.sha256(account.encode()).hexdigest()[:DIGEST]


def _trace_id() -> str:
    trace = sys.modules.get("opentelemetry.trace")
    context = trace.get_current_span().get_span_context() if trace else None
    return f"{context.trace_id:032x}" if context and context.is_valid else ""


def is_ours(record: logging.LogRecord) -> bool:
    return record.name == "contacts_mcp" or record.name.startswith("contacts_mcp.")


def line_of(record: logging.LogRecord) -> str:
    """The text of a record, and its exception, without the data of people."""
    text = said(record) if is_ours(record) else f"{record.name}: {said(record)}"
    error = _error_of(record)
    return f"{text}: {told(error)}" if error else text


def said(record: logging.LogRecord) -> str:
    """The text of a record: of ours the whole, of others the constant text or its place."""
    if is_ours(record):
        return record.getMessage()
    text = record.msg if isinstance(record.msg, str) else ""
    if text and _stands_in_source(record.pathname, record.lineno, text):
        return text
    return f"said something at {Path(record.pathname).stem}.{record.funcName}:{record.lineno}"


@lru_cache(maxsize=1_000)
def _stands_in_source(path: str, line: int, text: str) -> bool:
    """Whether a logging call at that line has this very text in quotes. Then it holds nobody's data."""
    call = "".join(linecache.getlines(path)[line - 1 : line - 1 + LINES_OF_A_CALL])
    return f'"{text}"' in call or f"'{text}'" in call


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if isinstance(record.exc_info, tuple) else None


def told(error: BaseException, *, causes: int = MOST_CAUSES) -> str:
    """An error, and the errors behind it, by their types and places."""
    text = f"{type(error).__name__} at {place_of(error)}"
    if causes == 0:
        return text
    if isinstance(error, BaseExceptionGroup):
        inner = "; ".join(told(one, causes=causes - 1) for one in error.exceptions[:MOST_OF_A_GROUP])
        text = f"{text} ({inner})"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{text}, after {told(cause, causes=causes - 1)}" if cause else text


def place_of(error: BaseException) -> str:
    """The place in the code where an error was raised, the innermost function first."""
    return " < ".join(_frames(error)) or "no place"


def _frames(error: BaseException) -> Iterator[str]:
    for frame in reversed(traceback.extract_tb(error.__traceback__)[-4:]):
        yield f"{frame.name}:{frame.lineno}"


def _private(file: Path) -> logging.Handler:
    """A handler that adds to a file for its owner only."""
    try:
        opened = os.open(file.expanduser(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        is_file = stat.S_ISREG(os.fstat(opened).st_mode)  # and not /dev/null, which all others need as well
        if is_file and hasattr(os, "fchmod"):  # not on every Windows
            os.fchmod(opened, 0o600)
    except (OSError, RuntimeError) as error:
        raise AccountError(f"CONTACTS_MCP_LOG_FILE cannot be written ({type(error).__name__}).") from None
    return logging.StreamHandler(os.fdopen(opened, "a", encoding="utf-8"))
