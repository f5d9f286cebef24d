"""An answer of the service -> one shape. Everything that `heymarket-api.md` leaves open about bodies is settled here.

- A body may be JSON, a bare string, or empty. A page of HTML is never an answer, whatever the status says.
- A list comes bare or wrapped in an object. A row that cannot be read is counted and named, and the others are read.
- "Not there" is a 404, a 400 or a `null`, and only if the service itself says so (JSON, or X-Request-Id).
- A refusal (4xx) that comes as a web page without X-Request-Id is that of a gateway. It proves nothing.
- A body has limits: in length, also once it is unpacked, and in depth. JSON that Python cannot read whole (nested too
  deep, a number too long, a byte that is not UTF-8) is read with that part replaced. A text that lost a part so is a
  `DamagedText`: it can be shown, and must not be sent back.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from contacts_mcp.errors import BadAnswer
from contacts_mcp.models import TOO_DEEP, Contact, DamagedText, WriteReply, bounded
from contacts_mcp.words.display import quoted

QUOTED = 200  # characters of a foreign body that an error may show
DEEPEST = 40  # levels of lists and objects in an answer that are kept; a contact has three
ROW_DEPTH = 4  # levels that are kept of a row that cannot be read
LONGEST_INT = 100  # digits

Model = TypeVar("Model", bound=BaseModel)


def decode(body: bytes, *, content_type: str, status: int, request_id: str) -> Any:
    """The JSON value of a 2xx body, None for an empty one. Raises BadAnswer for HTML, cut JSON and other text."""
    if not body.strip():
        return None
    try:
        value, is_whole = _loaded(body)
        return value if is_whole and not _MAY_BE_HALF.search(body) else _without_lone_surrogates(value)
    except ValueError:
        what = "a web page" if is_page(body, content_type) else "something that is not JSON"
        raise BadAnswer(f"Heymarket answered {status} with {what}", status=status, request_id=request_id) from None


def _loaded(body: bytes) -> tuple[Any, bool]:
    """The JSON value down to `DEEPEST` levels, NaN and Infinity as texts, and whether the bytes were text as a whole.

    A byte that is not UTF-8 becomes a lone surrogate. Raises ValueError for text that is no JSON.
    """
    try:
        value = _JSON.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        encoding = json.detect_encoding(body)
        text = body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
        return json.loads(_cut(text), parse_int=_int, parse_constant=str), False
    return _shallow(value, DEEPEST) if body.count(b"[") + body.count(b"{") > DEEPEST else value, True


_JSON = json.JSONDecoder(parse_constant=str)


def _shallow(value: Any, levels: int) -> Any:
    if not isinstance(value, dict | list) or not value:
        return value
    if levels == 0:
        return TOO_DEEP
    if isinstance(value, list):
        return [_shallow(item, levels - 1) for item in value]
    return {name: _shallow(item, levels - 1) for name, item in value.items()}


def _cut(text: str) -> str:
    """The same for text that is too deep for the parser. It takes a hundred times as long."""
    kept, depth, start = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[start : token.start()])
        elif token[0] in "]}":
            depth -= 1
            if depth == DEEPEST:
                kept.append(json.dumps(TOO_DEEP))
                start = token.end()
    return "".join([*kept, text[start:]]) if depth <= DEEPEST else ""


_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[][{}]', re.DOTALL)


def _int(digits: str) -> int | str:
    """Python refuses to read a number of thousands of digits."""
    return int(digits) if len(digits) <= LONGEST_INT else f"{digits[:LONGEST_INT]}…"


def is_page(body: bytes, content_type: str) -> bool:
    """Whether a body that is no JSON was written for people."""
    return "html" in content_type or body.lstrip()[:1] == b"<"


def is_json(body: bytes) -> bool:
    """Whether an error's body is one that a program wrote for programs."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


class Unpacked:
    """The body of an answer while it arrives, unpacked up to one byte more than `longest`.

    A small packed body may hold gigabytes.
    """

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

_MAY_BE_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # escaped, or as bytes, which Python reads


def _without_lone_surrogates(value: Any) -> Any:
    """`value` with half characters (a cut emoji) and broken bytes as U+FFFD. They cannot be stored or sent back."""
    if isinstance(value, str):
        text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value if text == value else DamagedText(text)
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(name): _without_lone_surrogates(item) for name, item in value.items()}
    return value


def rows(answer: Any, *names: str) -> list[Any]:
    """The items of a list, bare or under one of `names`, or else under the only list that there is.

    Nothing at all is an empty list. So is an object whose list is null or left out (section 3.1).
    """
    if answer is None or answer == {}:
        return []
    if isinstance(answer, list):
        return answer
    lists = _lists(answer, names) if isinstance(answer, Mapping) else []
    if len(lists) == 1:
        return lists[0]
    raise BadAnswer("Heymarket answered with something that is not a list")


def _lists(answer: Mapping[str, Any], names: tuple[str, ...]) -> list[list[Any]]:
    named = [answer[name] for name in names if isinstance(answer.get(name), list)]
    null: list[list[Any]] = [[] for name in names if name in answer and answer[name] is None]
    return named or [value for value in answer.values() if isinstance(value, list)] or null


class Rows(list[Model]):
    """The rows of a list that could be read, in the service's order.

    `unread` are the others as they came, bounded. A page was as long as both together.
    """

    def __init__(self, rows: Iterable[Model] = (), unread: Iterable[Any] = ()) -> None:
        super().__init__(rows)
        self.unread = tuple(unread)


def many(model: type[Model], answer: Any, *names: str) -> Rows[Model]:
    """The items of a list as models, row by row. Raises BadAnswer for something that is no list of objects."""
    items = rows(answer, *names)
    if items and not any(isinstance(item, Mapping) or item is None for item in items):
        raise BadAnswer(f"Heymarket answered with a list of something other than a {model.__name__}")
    read, unread = [], []
    for item in items:
        try:
            read.append(model.model_validate(item))
        except ValidationError:
            unread.append(bounded(item, depth=ROW_DEPTH))
    return Rows(read, unread)


def parse(model: type[Model], value: Any) -> Model:
    """`value` as a `model`. Raises BadAnswer, which names the member and never its value."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        member = ".".join(map(str, detail["loc"])) or "the whole"
        raise BadAnswer(
            f"Heymarket answered with a {model.__name__} whose member {quoted(member, limit=60)} cannot be read"
        ) from None


def contact(answer: Any) -> Contact | None:
    """The contact of an answer, bare or wrapped. None for `null`, nothing, and an empty list or object."""
    while isinstance(answer, list | Mapping) and answer and "id" not in answer:
        inner = answer if isinstance(answer, list) else list(answer.values())
        if len(inner) != 1:
            break
        answer = inner[0]
    return parse(Contact, answer) if answer else None


def reply(answer: Any) -> WriteReply:
    """The ids that a write answered with, none if it answered with nothing or a bare string."""
    return parse(WriteReply, answer) if isinstance(answer, Mapping) else WriteReply()


def number(answer: Any) -> int | None:
    """A count given as a number, a numeric string or an object that holds one. None if there is no such number."""
    while isinstance(answer, Mapping):
        found = [value for value in answer.values() if isinstance(value, Mapping) or number(value) is not None]
        answer = found[0] if len(found) == 1 else None
    if isinstance(answer, str):
        return int(answer) if re.fullmatch("[0-9]{1,18}", answer) else None
    return answer if isinstance(answer, int) and not isinstance(answer, bool) and answer >= 0 else None


def message(body: bytes, *, hide: Callable[[str], str] = str) -> str:
    """The message of an error body, cut, on one line, with nothing invisible. It is empty for HTML and for no body.

    It is foreign text, to be quoted as such. `hide` takes out secrets. It goes before the cut, which could leave a part
    of a secret that nobody recognizes.
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
