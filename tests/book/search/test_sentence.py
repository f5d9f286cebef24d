"""Words of a sentence that a query cannot carry out. Guards `contacts_mcp/book/search/sentence.py`."""

from __future__ import annotations

import pytest

from contacts_mcp.book.search.sentence import filters_said

SAID = {
    "who did we add last week": 'For "last week" give created_after or updated_after.',
    "everyone without an e-mail in Oakland": 'For "without an e-mail" give has_email.',
    "contacts with email addresses": 'For "with email addresses" give has_email.',
    "who opted-out today": 'For "opted-out" give opted_out. For "today" give created_after or updated_after.',
    "people with no tags": 'For "no tags" give tag, "none" for those without.',
    "assigned to Priya": 'For "assigned to" give assignee, "none" for nobody.',
    "the newest contact": 'For "newest" give sort.',
    "Ann but not Anna": '"but", "not" cannot be carried out:',
    "gold or silver": '"or" cannot be carried out:',
}


@pytest.mark.parametrize(("query", "told"), SAID.items(), ids=SAID)
def test_what_no_word_can_find_is_told_with_the_parameter(query: str, told: str) -> None:
    (note,) = filters_said(query, ())
    assert note.startswith(f"The query looks for words alone. {told}")


@pytest.mark.parametrize("query", ["Jordan Rivera", "Noor Notting", "email of Ann", "jo@no-tags.org", "Ann Orr", ""])
def test_other_words_say_nothing_beside(query: str) -> None:
    assert filters_said(query, ()) == []


def test_a_word_that_is_a_name_is_no_filter() -> None:
    assert filters_said("Rosa Not", {"Rosa", "Not"}) == []
    assert filters_said("Mark Tag", {"Mark", "Tag"}) == []
    assert filters_said("not opted out", {"not"})[0].endswith('For "opted out" give opted_out.')
