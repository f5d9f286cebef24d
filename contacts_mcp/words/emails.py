"""E-mail addresses as people paste them -> the address alone, or a refusal.

1. Certain wrappings come off: `mailto:jo@x.org?subject=Hello`, `<jo@x.org>`, `Jo <jo@x.org>`, `jo@x.org (Jo)`, a link
   of Markdown or HTML. So do quotes and brackets around, punctuation behind, a label in front ("e-mail: ") and full
   width.
2. Everything else that is no address is refused: spaces inside, two dots, two addresses, "at" in words. If only one
   address can be meant, the refusal offers it.
3. The address is kept as it is written, capitals too. `same_email` compares without case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from html import unescape
from urllib.parse import unquote

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.words.cleaning import Cleaned, clean_line
from contacts_mcp.words.display import quoted
from contacts_mcp.words.note import Note

LONGEST = 254  # RFC 5321
LONGEST_LOCAL = 64
LONGEST_WRAPPED = 1_000  # a longer text is no address in a wrapping

_BEYOND_ASCII = "\u00c0-\u1fff\u2070-\u2fff\u3040-\ud7ff\uf900-\ufdcf\uff00-\uffef\U00010000-\U0003fffd"  # no quotes
_ATOM = rf"[\w!#$%&'*+/=?^`{{|}}~{_BEYOND_ASCII}-]+"
_LABEL = rf"[A-Za-z0-9{_BEYOND_ASCII}](?:[A-Za-z0-9{_BEYOND_ASCII}-]*[A-Za-z0-9{_BEYOND_ASCII}])?"
_TOP = rf"(?:xn--[A-Za-z0-9-]+|[A-Za-z{_BEYOND_ASCII}]{{2,}})"
_ADDRESS = rf"(?!['`]){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}"
_QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\u2039\u203a"

# Each leaves the address, or a text with one wrapping less, in `inner`.
_WRAPPINGS = (
    r"(?i:<a\s[^<>]*href=)[\"']?(?P<inner>(?i:mailto):[^\"'<>\s]+)[\"']?[^<>]*>[^<>]*</(?i:a)>",
    r"\[[^\[\]]*\]\((?P<inner>[^()\s]+)\)",  # [text](mailto:jo@x.org)
    r"(?i:mailto|smtp):(?://)?(?P<inner>[^?]+)(?:\?.*)?",
    r"(?i:e-?mail|mail|to|from)(?i:\s+address)?\s*:\s*(?P<inner>.+)",
    r"[^<>@]*<\s*(?P<inner>[^<>]+?)\s*>",  # Jo <jo@x.org>
    r"\"[^\"<>]*\"\s*<\s*(?P<inner>[^<>]+?)\s*>",  # "Rivera, Jo (jo@x.org)" <jo@x.org>
    rf"(?P<inner>{_ADDRESS})\s*\([^()@]*\)",
    rf"(?P<inner>{_ADDRESS})\s*<\s*(?i:mailto:)?(?i:(?P=inner))\s*>",
    r"(?P<sign>[*_]{1,3})(?P<inner>[^*_].*)(?P=sign)",  # emphasis of Markdown
    r"=\s*\"(?P<inner>[^\"]+)\"",  # a spreadsheet's text
    rf"(?P<inner>{_ADDRESS})\?\w+=.*",
    r"(?P<inner>.+?)\s*[.,;:!?]+",
    rf"(?P<inner>.+?)\s*[>)\]}}{_QUOTES}]+",
    rf"[<(\[{{{_QUOTES}]+\s*(?P<inner>.+)",
)
_EVERY = rf"(?<![^\s<>()\[\],;:\"'“”=]){_ADDRESS}(?![\w-])"
_WORDS = ((r"\s*[\[({<]\s*at\s*[\])}>]\s*|\s+at\s+", "@"), (r"\s*[\[({<]\s*dot\s*[\])}>]\s*|\s+dot\s+", "."))


_MOST_SLIPS = 2
_ENCODED = "xn--"
_DOTLESS = ("gmail.com", "googlemail.com")
_ROLE_WORDS = """
accounting accounts admin billing booking bookings contact desk enquiries family frontdesk hello help hr info inquiries
invoices kontakt mail noreply office orders post reception reservations sales service shop support team webmaster
"""
_ROLES = frozenset(_ROLE_WORDS.split())


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """Compiled on the first address that needs it: the letters of all scripts make it slow."""
    return re.compile(pattern)


def read_email(text: str, *, argument: str = "email") -> Cleaned:
    """The address of a text, and a note if it came in a wrapping. Raises InvalidArgument for every other text."""
    line, notes = clean_line(text, argument=argument)
    if line.isascii() and "&" not in line and _is_address(line):  # nearly all there are
        return Cleaned(line, notes)
    address = _unwrapped(line)
    if len(_addresses(line)) > 1:
        problem = f"{quoted(line, limit=60)} holds several e-mail addresses."
        raise InvalidArgument(argument, problem, expected="Write one.")
    if not _is_address(address):
        problem = f"{quoted(line, limit=60)} {_fault(address)}."
        raise InvalidArgument(argument, problem, expected=_expected(address))
    if address != line:
        notes = [*notes, Note("email_unwrapped", f"{argument}: read as {address}.")]
    return Cleaned(address, notes)


def same_email(one: str, other: str) -> bool:
    """Whether two addresses are the same, case and width aside."""
    return _key(one) == _key(other)


def mailbox(address: str) -> str:
    """The address of the box that a mail to `address` lands in, case, a "+alias", and the dots of Gmail aside."""
    local, at, domain = _key(address).rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[0]
    return f"{local}{at}{domain}"


def letters_apart(one: str, other: str) -> int | None:
    """How many slips of the pen are between two mailboxes, 1 or 2. None where they are no slips of one address.

    Namesakes tell their mailboxes apart by a digit, a sign or an initial: jo7@ and jo8@, jo.lee@ and jo_lee@, jo.a@ and
    jo.b@. So a difference in these alone is none, nor is another first letter.
    """
    from rapidfuzz.distance import OSA  # it takes 30 ms to load

    edits = OSA.distance(one, other, score_cutoff=_MOST_SLIPS)
    if edits > _MOST_SLIPS or one[:1] != other[:1]:
        return None
    words, its_words = (re.findall(r"[^\W\d_]+", each) for each in (one, other))
    initials = [sorted(word for word in each if len(word) == 1) for each in (words, its_words)]
    return edits if "".join(words) != "".join(its_words) and initials[0] == initials[1] else None


def is_role(address: str) -> bool:
    """Whether several people may read the mail of that address: "info", "sales-eu"."""
    local = _key(address).rpartition("@")[0].partition("+")[0]
    return bool(_ROLES & {*re.split(r"[._-]", local)})


def spellings(text: str) -> tuple[str, ...]:
    """The texts under which the service may know a given address: unwrapped and as given, each in the usual cases.

    The usual cases are small letters, capitals, and a capital at the start of the first or of each word, before and
    behind the @. The service compares exactly, and may hold an address that could not be stored today. A domain of
    other letters has two forms: "münchen.de" is "xn--mnchen-3ya.de", too.
    """
    given = text.strip()
    address = _unwrapped(given)
    local, _, domain = address.rpartition("@")
    usual = [f"{before}@{behind}" for before in _usual_cases(local) for behind in _usual_cases(domain)]
    others = [_with_domain(address, _in_letters), _with_domain(address, _encoded)]
    return tuple(dict.fromkeys(filter(None, (address, address.lower(), given, given.lower(), *others, *usual))))


def _usual_cases(text: str) -> tuple[str, ...]:
    return (
        text,
        text.lower(),
        text[:1].upper() + text[1:].lower(),
        _pattern(r"[^\W\d_]+").sub(_capital, text),
        text.upper(),
    )


def _capital(letters: re.Match[str]) -> str:
    return letters[0][:1].upper() + letters[0][1:].lower()


def _key(text: str) -> str:
    return _with_domain(unicodedata.normalize("NFKC", text.strip()).casefold(), _in_letters)


def _with_domain(address: str, written: Callable[[str], str]) -> str:
    """The address with each label of its domain as `written` has it, in small letters."""
    local, at, domain = address.rpartition("@")
    if domain.isascii() and _ENCODED not in domain.lower():  # nearly all there are
        return address
    return f"{local}{at}{'.'.join(map(written, unicodedata.normalize('NFC', domain.lower()).split('.')))}"


def _in_letters(label: str) -> str:
    """A label of a domain as people read it: "münchen" of "xn--mnchen-3ya"."""
    try:
        return label[4:].encode().decode("punycode") if label.startswith(_ENCODED) else label
    except UnicodeError:
        return label


def _encoded(label: str) -> str:
    return label if label.isascii() else f"{_ENCODED}{label.encode('punycode').decode()}"


def _is_address(text: str) -> bool:
    local = text.rpartition("@")[0]
    return bool(_pattern(_ADDRESS).fullmatch(text)) and len(text) <= LONGEST and len(local) <= LONGEST_LOCAL


def _unwrapped(text: str) -> str:
    """The text with every wrapping off, as long as there is one."""
    inner = _in_ascii(unescape(text.strip()))
    while len(inner) <= LONGEST_WRAPPED and not _is_address(inner):
        matches = (_pattern(wrapping).fullmatch(inner) for wrapping in _WRAPPINGS)
        less = next((match["inner"].strip() for match in matches if match), "")
        if not less:
            return inner
        is_link = inner[:7].lower() == "mailto:"  # its signs may be percent-encoded: "jo%2Bwork@x.org"
        inner = unquote(less) if is_link or "%40" in less else less
    return inner


def _in_ascii(text: str) -> str:
    """The text with ASCII for full-width characters, and a dot for the full stop of Chinese."""
    return "".join(
        unicodedata.normalize("NFKC", char) if "\uff01" <= char <= "\uff5e" else "." if char in "\u3002\uff61" else char
        for char in text
    )


def _addresses(text: str) -> dict[str, str]:
    """Every address in the text, the first of those that differ in case only."""
    found: dict[str, str] = {}
    for match in _pattern(_EVERY).finditer(_in_ascii(text[:LONGEST_WRAPPED])):
        found.setdefault(match[0].casefold(), match[0])
    return found


def _fault(text: str) -> str:
    faults = (
        (len(text) > LONGEST, "is too long for an e-mail address"),
        ("@" in text and ".." in text, "has two dots in a row"),
        (text.count("@") > 1, "has more than one @"),
        ("@" in text and re.search(r"\s", text), "has a space inside"),
    )
    return next((fault for applies, fault in faults if applies), "is not an e-mail address")


def _expected(text: str) -> str:
    """The one address that may be meant, else an example."""
    meant = text[:LONGEST_WRAPPED]
    for words, sign in _WORDS:
        meant = re.sub(words, sign, meant, flags=re.IGNORECASE)
    meant = re.sub(r"\s*([@.])\s*", r"\1", meant)
    is_part = re.search(r"^\S+\s+\S+@", text) is not None  # "jo rivera@x.org" is not rivera's
    found = [meant] if _is_address(meant) else [each for each in _addresses(text).values() if not is_part]
    found = list(filter(_is_address, found))
    return f"Write {found[0]} if that is meant." if len(found) == 1 else "Expected one such as jordan@example.com."
