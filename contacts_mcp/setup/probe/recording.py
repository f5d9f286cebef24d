"""The exchange of a probe as a file: every request and answer, without a value of a person.

- Names of members that the API has (`KEPT_NAMES`) and the words of its own answers stay. Every other text is replaced,
  the same one by the same replacement, in requests and answers alike.
- A phone, an e-mail and a number keep their shape. Ids become small numbers, in the order in which they come.
- Timestamps keep their shape, ties and distances. All are moved by the same time, so that the newest is `NEWEST`.
- The texts of the probe itself stay, so that a probe that is played the file asks the very same.
- Headers that tell nothing about the service's behaviour are left out, and so are the credentials.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contacts_mcp import __version__
from contacts_mcp.api.client import Call, Heard
from contacts_mcp.errors import AccountError
from contacts_mcp.models import instant
from contacts_mcp.setup.probe.reading import NOBODY
from contacts_mcp.setup.probe.writing import DEFAULT_NAME, MARK, NAMES, UNKNOWN_KEY

FORMAT = 1
NOBODY_ASSIGNED = -1
NEWEST = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEPT_HEADERS = ("content-type", "retry-after", "x-request-id")
KEPT_NAMES = frozenset(
    [
        "id",
        "uuid",
        "first",
        "last",
        "display_name",
        "email",
        "phone",
        "avatar",
        "custom",
        "tags",
        "tag_id",
        "tag",
        "assigned_user_id",
        "assignee_id",
        "is_opted_out",
        "team_id",
        "creator_id",
        "inbox_id",
        "parent_id",
        "shared",
        "created",
        "updated",
        "rev",
        "op",
        "type",
        "external_id",
        "external_ref",
        "note",
        "date",
        "name",
        "text",
        "user_id",
        "title",
        "color",
        "members",
        "role",
        "list_size",
        "unsubscribed",
        "blocked",
        "status",
        "limit",
        "page",
        "contact_channels",
        "channel_type",
        "channel_ids",
        "contacts",
        "fields",
        "contact_fields",
        "inboxes",
        "count",
        "duplicate",
        "overwrite",
        "error",
        "error_code",
        "errors",
        "code",
        "message",
        "detail",
        "details",
        "email_suppressions",
    ]
)
KEPT_WORDS = frozenset(["", "ok", "success", "phone", "email", "bad_data", "not_found", "contact", "true", "false"])
IDS = frozenset(
    ["id", "tag_id", "assigned_user_id", "assignee_id", "team_id", "creator_id", "inbox_id", "parent_id", "user_id"]
)
NUMBERS = frozenset(["rev", "limit", "page", "count", "list_size"])  # they tell nothing about anybody
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)((?:\.\d+)?)([Zz]|[+-]\d\d:\d\d)")
_DIGITS = re.compile(r"\+?\d{8,15}")
_WHOLE = re.compile(r"\d{1,18}")
_PROBES_OWN = re.compile(rf"{MARK}-[0-9a-f]+-\d+[ab]?@example\.com|probe(?: \d+)?")


class Recording:
    """The exchange of one run. `own` are texts of the probe that stay, such as its phones."""

    def __init__(self, *, run: str, own: frozenset[str] = frozenset()) -> None:
        self._run = run
        self._own = own | {*NAMES.values(), DEFAULT_NAME, UNKNOWN_KEY, str(NOBODY)}
        self._heard: list[tuple[Call, Heard]] = []

    def hear(self, call: Call, heard: Heard) -> None:
        """Keep one exchange."""
        self._heard.append((call, heard))

    def text(self, positions: Mapping[str, str]) -> str:
        """The file. `positions` are those that the probe named, which a test compares."""
        redaction = _Redaction(self._own, _newest_in(self._heard))
        exchanges = [redaction.exchange(call, heard) for call, heard in self._heard]
        head = {"format": FORMAT, "version": __version__, "run": self._run, "positions": dict(positions)}
        lines = ",\n  ".join(json.dumps(exchange, ensure_ascii=False) for exchange in exchanges)
        return f'{json.dumps(head, ensure_ascii=False)[:-1]},\n "exchanges": [\n  {lines}\n]}}\n'

    def save(self, file: Path, positions: Mapping[str, str]) -> None:
        """Write the file. Raises AccountError."""
        try:
            file.write_text(self.text(positions), encoding="utf-8", newline="\n")
        except OSError as error:
            raise AccountError(f"The record could not be written ({type(error).__name__}).") from None


def _newest_in(heard: list[tuple[Call, Heard]]) -> datetime:
    texts = (match[0] for _, one in heard for match in _TIME.finditer(one.body.decode("utf-8", "replace")))
    return max(filter(None, map(instant, texts)), default=NEWEST)


class _Redaction:
    """Replaces texts and ids, the same by the same."""

    def __init__(self, own: frozenset[str], newest: datetime) -> None:
        self._own = own
        self._moved_by = timedelta(seconds=round((NEWEST - newest).total_seconds()))
        self._texts: dict[tuple[str, str], str] = {}
        self._ids: dict[int, int] = {}

    def exchange(self, call: Call, heard: Heard) -> dict[str, Any]:
        """One request and its answer."""
        path = re.sub(r"/(\d+)(?=$|/)", lambda match: f"/{self._id(int(match[1]))}", call.path)
        request = {"method": call.method, "path": path, "query": dict(call.query), "body": self._value(call.body, "")}
        headers = {name: heard.headers[name] for name in KEPT_HEADERS if name in heard.headers}
        if "x-request-id" in headers:
            headers["x-request-id"] = "replaced"
        body = self._body(heard, "count" if path.endswith("/count") else "")
        return {"request": request, "status": heard.status, "headers": headers, "body": body}

    def _body(self, heard: Heard, name: str) -> str:
        """The body as text. One that is no JSON keeps its kind and its length. `name` says what a bare number is."""
        text = heard.body.decode("utf-8", "replace")
        if not text.strip():
            return ""
        try:
            return json.dumps(self._value(json.loads(text), name), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            return (
                f"<html>{len(text)} characters</html>" if text.lstrip().startswith("<") else f"({len(text)} characters)"
            )

    def _value(self, value: Any, name: str) -> Any:
        """A JSON value under the member `name`."""
        if isinstance(value, Mapping):
            return {self._name(key, inside=name): self._value(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, name) for item in value]
        if isinstance(value, str):
            return self._text(value, name)
        return self._number(value, name)

    def _number(self, value: Any, name: str) -> Any:
        """A number, which stays where it tells nothing about anybody. So do null, true and false."""
        if isinstance(value, bool) or value is None or name in NUMBERS or value == NOBODY_ASSIGNED:
            return value
        return self._id(value) if isinstance(value, int) and name in (*IDS, "tags", "") else 0

    def _name(self, name: str, *, inside: str) -> str:
        if (name in KEPT_NAMES and inside != "custom") or name in self._own:
            return name
        return str(self._id(int(name))) if _WHOLE.fullmatch(name) else self._replaced(name, "member")

    def _text(self, text: str, name: str) -> str:
        if text in KEPT_WORDS or text.removeprefix("+") in self._own or _PROBES_OWN.fullmatch(text):
            return self._probes(text)
        if _TIME.fullmatch(text):
            return self._time(text)
        if name in IDS and _WHOLE.fullmatch(text):
            return str(self._id(int(text)))
        if name == "count" and _WHOLE.fullmatch(text):
            return text
        return self._replaced(text, name)

    def _probes(self, text: str) -> str:
        """A text of the probe, which may name the id of a custom field."""
        head, _, number = text.partition(" ")
        return f"{head} {self._id(int(number))}" if head == "probe" and number.isdecimal() else text

    def _time(self, text: str) -> str:
        """The timestamp, moved. Its fraction and its offset stay."""
        match = _TIME.fullmatch(text)
        assert match
        try:
            moved = datetime.fromisoformat(match[1].upper()) + self._moved_by
        except (ValueError, OverflowError):
            return "2000-01-01T00:00:00Z"
        return f"{moved:%Y-%m-%dT%H:%M:%S}{match[2]}{match[3]}"

    def _replaced(self, text: str, name: str) -> str:
        kind = "phone" if _DIGITS.fullmatch(text) else "email" if "@" in text else "uuid" if name == "uuid" else "text"
        plus = "+" if text.startswith("+") else ""
        key = (kind, text.lstrip("+") if kind == "phone" else text)
        if key not in self._texts:
            number = sum(known == kind for known, _ in self._texts) + 1
            self._texts[key] = _SHAPES[kind].format(number)
        return (plus if kind == "phone" else "") + self._texts[key]

    def _id(self, number: int) -> int:
        if str(number) in self._own:
            return number
        return self._ids.setdefault(number, len(self._ids) + 1)


_SHAPES = {
    "phone": "1500555{:04d}",
    "email": "person{}@example.org",
    "uuid": "00000000-0000-4000-8000-{:012d}",
    "text": "Text {}",
}
