"""The keys under which contacts are put side by side, so that not everybody is compared with everybody. Pure.

A key that is empty puts nobody side by side: contacts without phone, mailbox or name have none in common.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

from contacts_mcp.state.word_index import Facts
from contacts_mcp.words.emails import mailbox
from contacts_mcp.words.folding import unaccented
from contacts_mcp.words.renumbering import other_forms

PHONE, MAILBOX, NUMBER = 1, 2, 3
_PHONE_SLIP, _PHONE_END, _MAILBOX_SLIP, _LOCAL_PART, _NAME, _NAME_AND_VALUE = 4, 5, 6, 7, 8, 9

SURE_KINDS = (PHONE, MAILBOX, NUMBER)
_HOME = "1"  # numbers of North America, which have one form
_END = 8  # digits
_SHORTEST_LOCAL = 5
_LONGEST_SLIP = 40  # characters of the local part of a mailbox

Entry = tuple[int, int, int]  # kind, key, id
Keys = Callable[[Facts, Collection[int]], Iterator[Entry]]


def sure_keys(facts: Facts, numbers: Collection[int]) -> Iterator[Entry]:
    """Keys that one person alone has. `numbers` are the custom fields that tell contacts apart."""
    if facts.phone:
        yield PHONE, hash(_one_form(facts.phone)), facts.id
    if facts.email:
        yield MAILBOX, hash(_mailbox(facts.email)), facts.id
    if numbers and facts.custom:
        for number, text in facts.values.items():
            if number in numbers and (plain := unaccented(text)):
                yield NUMBER, hash((number, plain)), facts.id


def possible_keys(facts: Facts, numbers: Collection[int]) -> Iterator[Entry]:
    """The sure keys, and those that survive a slip: a digit, a letter, a missing country, a new phone."""
    yield from sure_keys(facts, numbers)
    phone, contact = facts.phone, facts.id
    if phone:
        yield _PHONE_END, hash(phone[-_END:]), contact
        for at in range(len(phone) - 1):
            # Two numbers that differ in one digit, or in the order of two neighbours, are the same without these two.
            yield _PHONE_SLIP, hash((at, phone[:at], phone[at + 2 :])), contact
    if facts.email:
        local, _, domain = _mailbox(facts.email).rpartition("@")
        if len(local) >= _SHORTEST_LOCAL:
            yield _LOCAL_PART, hash(local), contact
        # Two words that are one slip apart are the same with a letter left out of one, or of each.
        yield _MAILBOX_SLIP, hash((local, domain)), contact
        for at in range(min(len(local), _LONGEST_SLIP)):
            yield _MAILBOX_SLIP, hash((local[:at] + local[at + 1 :], domain)), contact
    yield from _names(facts, numbers)


def _names(facts: Facts, numbers: Collection[int]) -> Iterator[Entry]:
    for name in {facts.name_key, facts.display_key} - {None}:
        yield _NAME, hash(name), facts.id
        for number, text in facts.values.items():
            if number not in numbers:
                yield _NAME_AND_VALUE, hash((name, number, text)), facts.id


def _one_form(phone: str) -> str:
    return phone if phone.startswith(_HOME) else min((phone, *other_forms(phone)))


@lru_cache(maxsize=1024)
def _mailbox(address: str) -> str:
    return mailbox(address)
