"""What the service answered -> one shape. Everything `heymarket-api.md` leaves open about bodies is settled here, once.

- A body may be JSON, a bare string, or empty; a page of HTML is never an answer, whatever the status says.
- A list comes bare or wrapped in an object.
- "Not there" is a 404, a 400 or a `null`, and only where the service itself says so (JSON, or X-Request-Id).
- A body has limits: in length, also once it is unpacked, and in depth.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from contacts_mcp.errors import BadAnswer
from contacts_mcp.models import Contact, WriteReply

QUOTED = 200  # characters of a foreign body that an error may show
DEEPEST = 40  # levels of lists and objects that are read of an answer; a contact has three
TOO_DEEP = "(nested too deep)"

Model = TypeVar("Model", bound=BaseModel)


def decode(body: bytes, *, content_type: str, status: int, request_id: str) -> Any:
    """The JSON value of a 2xx body; None for an empty one. Raises BadAnswer for HTML, cut JSON and other text."""
    if not body.strip():
        return None
    try:
        value = _loaded(body)
        return _without_lone_surrogates(value) if _MAY_BE_HALF.search(body) else value
    except (ValueError, RecursionError):
        what = "a web page" if "html" in content_type or body.lstrip()[:1] == b"<" else "something that is not JSON"
        raise BadAnswer(f"Heymarket answered {status} with {what}", status=status, request_id=request_id) from None


def _loaded(body: bytes) -> Any:
    """The JSON value of `body`, cut off below `DEEPEST` levels: a deep member could not be handed on, or not even read."""
    try:
        value = json.loads(body)
    except RecursionError:
        return json.loads(_cut(body))
    return _shallow(value, DEEPEST) if body.count(b"[") + body.count(b"{") > DEEPEST else value


def _shallow(value: Any, levels: int) -> Any:
    if not isinstance(value, dict | list) or not value:
        return value
    if levels == 0:
        return TOO_DEEP
    if isinstance(value, list):
        return [_shallow(item, levels - 1) for item in value]
    return {name: _shallow(item, levels - 1) for name, item in value.items()}


def _cut(body: bytes) -> bytes:
    """The same for text that is too deep for the parser. It takes a hundred times as long."""
    kept, depth, start = [], 0, 0
    for token in _TOKENS.finditer(body):
        if token[0] in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(body[start : token.start()])
        elif token[0] in b"]}":
            depth -= 1
            if depth == DEEPEST:
                kept.append(json.dumps(TOO_DEEP).encode())
                start = token.end()
    return b"".join([*kept, body[start:]])


_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}]')


def is_json(body: bytes) -> bool:
    """Whether an error's body is one that a program wrote for programs."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


class Unpacked:
    """The body of an answer while it arrives, unpacked up to one byte more than `longest`: a small packed one may hold gigabytes."""

    PACKINGS = ("gzip", "x-gzip")

    def __init__(self, packing: str, *, longest: int) -> None:
        self._gzip = zlib.decompressobj(wbits=_GZIP) if packing in self.PACKINGS else None
        self._body = bytearray()
        self._longest = longest

    def add(self, part: bytes) -> None:
        """Raises zlib.error where it is not packed as was said."""
        room = self._longest + 1 - len(self._body)
        self._body += self._gzip.decompress(part, room) if self._gzip else part[:room]

    @property
    def is_too_long(self) -> bool:
        return len(self._body) > self._longest

    def whole(self) -> bytes:
        """All of it. Raises zlib.error where the end is missing."""
        if self._gzip and self._body and not self._gzip.eof and not self.is_too_long:
            raise zlib.error
        return bytes(self._body)


_GZIP = 31  # zlib's number for it

_MAY_BE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def _without_lone_surrogates(value: Any) -> Any:
    """`value` with half characters (a cut emoji) as U+FFFD: they can neither be stored nor sent back."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def rows(answer: Any, *names: str) -> list[Any]:
    """The items of a list, bare or under one of `names` (else under the only list there is).

    Nothing at all is an empty list, and so is an object whose list is null or left out, as empty members may be (section 3.1).
    """
    if answer is None or answer == {}:
        return []
    if isinstance(answer, list):
        return answer
    if isinstance(answer, Mapping):
        lists = [answer[name] for name in names if isinstance(answer.get(name), list)]
        lists = lists or [value for value in answer.values() if isinstance(value, list)]
        lists = lists or [[] for name in names if name in answer and answer[name] is None]
        if len(lists) == 1:
            return list(lists[0])
    raise BadAnswer("Heymarket answered with something that is not a list")


def parse(model: type[Model], value: Any) -> Model:
    """`value` as a `model`. Raises BadAnswer, which names the member and never its value."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        member = (
            ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
            or "the whole"
        )
        raise BadAnswer(f"Heymarket answered with a {model.__name__} whose member {member!r} cannot be read") from None


def contact(answer: Any) -> Contact | None:
    """The contact of an answer, bare or wrapped; None for `null`, nothing, and an empty list or object."""
    while isinstance(answer, list | Mapping) and answer and "id" not in answer:
        inner = answer if isinstance(answer, list) else list(answer.values())
        if len(inner) != 1:
            break
        answer = inner[0]
    return parse(Contact, answer) if answer else None


def reply(answer: Any) -> WriteReply:
    """The ids a write answered with; none where it answered with nothing or a bare string."""
    return parse(WriteReply, answer) if isinstance(answer, Mapping) else WriteReply()


def number(answer: Any) -> int | None:
    """A count given as a number, a numeric string or an object that holds one; None where there is none to be found."""
    while isinstance(answer, Mapping):
        found = [value for value in answer.values() if isinstance(value, Mapping) or number(value) is not None]
        answer = found[0] if len(found) == 1 else None
    if isinstance(answer, str):
        return int(answer) if re.fullmatch("[0-9]{1,18}", answer) else None
    return answer if isinstance(answer, int) and not isinstance(answer, bool) and answer >= 0 else None


def message(body: bytes, *, hide: Callable[[str], str] = str) -> str:
    """What an error body says, cut, on one line and with nothing invisible; empty for HTML and for nothing. Foreign text: quote it as such.

    `hide` takes out what must not be shown, before anything is cut: a part of it would not be recognized.
    """
    text = body[:4096].decode("utf-8-sig", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, Mapping):
        value = " ".join(
            str(value[key]) for key in ("error", "error_code", "code", "message", "detail") if value.get(key)
        )
    said = value if isinstance(value, str) else ""
    shown = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(hide(said).split())[:QUOTED]
    )
    return "" if said.startswith("<") else shown
