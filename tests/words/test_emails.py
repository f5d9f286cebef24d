"""An e-mail address is taken out of its wrapping if that is certain, and refused otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import effort

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.words.emails import is_role, letters_apart, mailbox, read_email, same_email, spellings

JO = "jo@x.org"

WRAPPED = {
    "emphasis": "**jo@x.org**",
    "emphasis-underscores": "_jo@x.org_",
    "spreadsheet": '="jo@x.org"',
    "twice-in-other-case": "jo@x.org <JO@X.ORG>",
    "mailto": "mailto:jo@x.org",
    "mailto-capital": "MAILTO:jo@x.org",
    "mailto-slashes": "mailto://jo@x.org",
    "mailto-subject": "mailto:jo@x.org?subject=Hello%20you&body=x",
    "mailto-encoded": "mailto:jo%40x.org",
    "subject-alone": "jo@x.org?subject=Hello",
    "smtp": "SMTP:jo@x.org",
    "label": "E-mail: jo@x.org",
    "label-address": "email address: jo@x.org",
    "angles": "<jo@x.org>",
    "angles-spaced": "< jo@x.org >",
    "angles-mailto": "<mailto:jo@x.org>",
    "angles-escaped": "&lt;jo@x.org&gt;",
    "angle-lost": "jo@x.org>",
    "name": "Jo <jo@x.org>",
    "name-glued": "Jo<jo@x.org>",
    "name-quoted": '"Rivera, Jo" <jo@x.org>',
    "name-with-accents": "José Ñuñez <jo@x.org>",
    "name-mailto": "Jo Rivera <mailto:jo@x.org>",
    "name-is-the-address": "jo@x.org <jo@x.org>",
    "name-is-the-address-quoted": '"jo@x.org" <jo@x.org>',
    "name-behind": "jo@x.org (Jo Rivera)",
    "markdown": "[jo@x.org](mailto:jo@x.org)",
    "markdown-text": "[Write to Jo](mailto:jo@x.org)",
    "html": '<a href="mailto:jo@x.org">jo@x.org</a>',
    "html-with-class": "<a class='x' href='mailto:jo@x.org' target=_blank>Jo</a>",
    "quotes": '"jo@x.org"',
    "apostrophes": "'jo@x.org'",
    "apostrophe-of-a-spreadsheet": "'jo@x.org",
    "backticks": "`jo@x.org`",
    "curly-quotes": "“jo@x.org”",
    "guillemets": "«jo@x.org»",
    "parentheses": "(jo@x.org)",
    "brackets": "[jo@x.org]",
    "comma": "jo@x.org,",
    "dot": "jo@x.org.",
    "semicolon": "jo@x.org;",
    "exclamation": "jo@x.org!",
    "several-signs": "<jo@x.org>.,",
    "full-width-at": "jo＠x.org",
    "full-width": "ｊｏ＠ｘ．ｏｒｇ",
    "chinese-full-stop": "jo@x。org",
    "everything": '"Jo" <mailto:jo@x.org?subject=x>;',
}

# The notes are about characters that nobody sees.
UNSEEN = {
    "zero-width": "jo@\u200bx.org",
    "byte-order-mark": "\ufeffjo@x.org",
    "soft-hyphen": "jo@x\u00ad.org",
}

AS_IT_IS = {
    "plain": JO,
    "spaces-around": "  jo@x.org \n",
    "capitals": "Jo.Rivera@Example.COM",
    "plus": "jo+news@x.org",
    "apostrophe": "o'brien@x.org",
    "signs": "a!#$%&*/=?^_{|}~-b@x.org",
    "digits": "123@456.org",
    "sub-domain": "jo@mail.office.x.co.uk",
    "hyphen": "jo@my-office.org",
    "accents": "josé@münchen.de",
    "punycode": "jo@xn--mnchen-3ya.xn--p1ai",
    "chinese": "用户@例子.中国",
    "hindi": "अजय@डाटा.भारत",
    "one-letter": "j@x.org",
    "long": "j" * 64 + "@x.org",
}

# id: (given, what is wrong, the address that is offered)
REFUSED = {
    "word": ("Jo", "is not an e-mail address", ""),
    "no-domain": ("jo@", "is not an e-mail address", ""),
    "no-local": ("@x.org", "is not an e-mail address", ""),
    "no-top": ("jo@localhost", "is not an e-mail address", ""),
    "short-top": ("jo@x.c", "is not an e-mail address", ""),
    "number-of-a-machine": ("jo@192.168.0.1", "is not an e-mail address", ""),
    "literal": ("jo@[192.168.0.1]", "is not an e-mail address", ""),
    "two-dots": ("jo..rivera@x.org", "has two dots in a row", ""),
    "two-dots-in-the-domain": ("jo@x..org", "has two dots in a row", ""),
    "two-dots-in-angles": ("<jo@x..org>", "has two dots in a row", ""),
    "leading-dot": (".jo@x.org", "is not an e-mail address", ""),
    "trailing-dot-of-the-local-part": ("jo.@x.org", "is not an e-mail address", ""),
    "leading-dot-of-the-domain": ("jo@.x.org", "is not an e-mail address", ""),
    "two-ats": ("jo@@x.org", "has more than one @", ""),
    "two-ats-apart": ("jo@x@y.org", "has more than one @", ""),
    "space-before-the-at": ("jo @x.org", "has a space inside", JO),
    "spaces-around-the-at": ("jo @ x.org", "has a space inside", JO),
    "space-in-the-domain": ("jo@x. org", "has a space inside", JO),
    "space-in-the-local-part": ("jo rivera@x.org", "has a space inside", ""),
    "line-break": ("jo@x.\norg", "has a space inside", JO),
    "at-in-words": ("jo at x dot org", "is not an e-mail address", JO),
    "at-in-brackets": ("jo[at]x[dot]org", "is not an e-mail address", JO),
    "name-without-angles": ("Jo Rivera jo@x.org", "has a space inside", JO),
    "comma-for-a-dot": ("jo@x,org", "is not an e-mail address", ""),
    "hyphen-at-the-end": ("jo@x-.org", "is not an e-mail address", ""),
    "underscore": ("jo@my_office.org", "is not an e-mail address", ""),
    "web-address": ("https://x.org/jo", "is not an e-mail address", ""),
    "slash": ("jo@x.org/", "is not an e-mail address", JO),
    "several-comma": ("jo@x.org, al@y.org", "holds several e-mail addresses", ""),
    "several-space": ("jo@x.org al@y.org", "holds several e-mail addresses", ""),
    "several-mailto": ("mailto:jo@x.org,al@y.org", "holds several e-mail addresses", ""),
    "several-copy": ("mailto:jo@x.org?cc=al@y.org", "holds several e-mail addresses", ""),
    "several-names": ("Jo <jo@x.org>; Al <al@y.org>", "holds several e-mail addresses", ""),
    "a-name-that-is-another": ('"al@y.org" <jo@x.org>', "holds several e-mail addresses", ""),
    "a-link-to-another": ("[al@y.org](mailto:jo@x.org)", "holds several e-mail addresses", ""),
    "too-long": ("jo@" + "x" * 260 + ".org", "is too long for an e-mail address", ""),
    "too-long-local": ("j" * 65 + "@x.org", "is not an e-mail address", ""),
    "phone": ("(510) 555-3344", "is not an e-mail address", ""),
}


@pytest.mark.parametrize("given", WRAPPED.values(), ids=WRAPPED.keys())
def test_an_address_is_taken_out_of_its_wrapping_and_the_note_says_so(given: str) -> None:
    address, notes = read_email(given)
    assert address == JO
    assert [(note.kind, note) for note in notes] == [("email_unwrapped", "email: read as jo@x.org.")]


def test_the_percent_signs_of_a_link_are_read_and_those_of_an_address_are_kept() -> None:
    assert read_email("mailto:jo%2Bwork@x.org").text == "jo+work@x.org"
    assert read_email("jo%2Bwork@x.org").text == "jo%2Bwork@x.org"


@pytest.mark.parametrize("given", UNSEEN.values(), ids=UNSEEN.keys())
def test_characters_that_nobody_sees_go_from_addresses_too(given: str) -> None:
    address, notes = read_email(given)
    assert (address, [note.kind for note in notes]) == (JO, ["cleaned_text"])


@pytest.mark.parametrize("given", AS_IT_IS.values(), ids=AS_IT_IS.keys())
def test_an_address_is_kept_as_it_is_written(given: str) -> None:
    assert read_email(given) == (given.strip(), [])


@pytest.mark.parametrize(("given", "fault", "offered"), REFUSED.values(), ids=REFUSED.keys())
def test_every_other_text_is_refused_with_the_address_that_may_be_meant(given: str, fault: str, offered: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^email: ") as caught:
        read_email(given)
    assert f"{fault}." in caught.value.problem
    assert caught.value.expected == (
        f"Write {offered} if that is meant."
        if offered
        else "Write one."
        if "several" in fault
        else "Expected one such as jordan@example.com."
    )


@pytest.mark.parametrize("given", ["", " ", "\u200b", "Jos\ufffd@x.org"])
def test_a_text_that_cannot_be_stored_is_refused(given: str) -> None:
    with pytest.raises(InvalidArgument):
        read_email(given)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("jo@x.org", "Jo@X.org", True),
        (" jo@x.org", "jo@x.org ", True),
        ("JOSÉ@x.org", "josé@x.org", True),
        ("jo＠x.org", "jo@x.org", True),
        ("jo@Bücher.de", "jo@xn--bcher-kva.de", True),
        ("jo@xn--bcher-kva.de", "jo@xn--bcher-kvb.de", False),
        ("jo@x.org", "jo@x.com", False),
        ("jo@x.org", "j.o@x.org", False),
        ("", "", True),
    ],
)
def test_addresses_are_compared_without_case(one: str, other: str, same: bool) -> None:
    assert same_email(one, other) is same
    assert same_email(other, one) is same


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("jo@x.org", ("jo@x.org",)),
        ("Jo@X.org", ("Jo@X.org", "jo@x.org")),
        ("mailto:Jo@x.org", ("Jo@x.org", "jo@x.org", "mailto:Jo@x.org", "mailto:jo@x.org")),
        ("jo@@x.org", ("jo@@x.org",)),
        (" ", ()),
        ("jo@bücher.de", ("jo@bücher.de", "jo@xn--bcher-kva.de")),
        ("jo@xn--bcher-kva.de", ("jo@xn--bcher-kva.de", "jo@bücher.de")),
        ("jo@xn--.xn--\u00e9.de", ("jo@xn--.xn--\u00e9.de",)),
    ],
    ids=["plain", "capitals", "wrapped", "none-that-could-be-stored", "blank", "letters", "encoded", "broken"],
)
def test_an_address_is_looked_for_as_it_may_be_stored(given: str, texts: tuple[str, ...]) -> None:
    assert spellings(given)[: len(texts)] == texts


def test_an_address_is_looked_for_in_the_usual_cases_each_once() -> None:
    found = spellings("priya.patel@Example.com")
    assert len(found) == len({*found}) <= 20
    for usual in ("Priya.Patel@example.com", "Priya.patel@Example.com", "PRIYA.PATEL@EXAMPLE.COM"):
        assert usual in found


ADDRESSES = st.builds(
    "{}@{}.{}".format,
    st.from_regex(r"[a-zA-Z0-9_+-]{1,12}(\.[a-z0-9]{1,5}){0,2}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,10}(-[a-z0-9]{1,4})?", fullmatch=True),
    st.sampled_from(["org", "com", "co.uk", "de", "museum"]),
)
AROUND = st.sampled_from(
    ["{}", "<{}>", "mailto:{}", "Jo <{}>", "'{}'", "{},", "({})", "[{}](mailto:{})", "{} <{}>", "“{}”."]
)


@given(ADDRESSES, AROUND)
def test_every_address_survives_every_wrapping(address: str, around: str) -> None:
    assert read_email(around.format(address, address)).text == address


@given(
    st.text(st.characters(exclude_categories=[]), max_size=60) | st.text("jo@x.org <>()[]\"'mailto:,;.?", max_size=40)
)
def test_any_text_is_an_address_or_is_refused(given: str) -> None:
    try:
        address = read_email(given).text
    except InvalidArgument:
        return
    assert read_email(address) == (address, [])
    assert address.count("@") == 1
    assert ".." not in address


@pytest.mark.parametrize("piece", ["<", "a", "a@", "@a.", "(a)", "jo@x.org ", "mailto:", '"', "a.", " "])
def test_a_long_text_is_refused_quickly(piece: str) -> None:
    def read() -> None:
        with pytest.raises(InvalidArgument):
            read_email(piece * (10_000 // len(piece)))

    assert effort(read) < 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jo.Lee@Gmail.com", "jolee@googlemail.com"),
        ("jo+shop@x.org", "JO@x.org"),
        ("jo.lee@x.org", "jo.lee@X.ORG"),
    ],
    ids=["dots-of-gmail", "alias", "case"],
)
def test_addresses_of_one_mailbox_are_one(one: str, other: str) -> None:
    assert mailbox(one) == mailbox(other)


@pytest.mark.parametrize(
    ("one", "other"), [("jo.lee@x.org", "jolee@x.org"), ("+jo@x.org", "@x.org"), ("jo@x.org", "jo@y.org")]
)
def test_other_mailboxes_stay_apart(one: str, other: str) -> None:
    assert mailbox(one) != mailbox(other)


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("info@x.org", True),
        ("sales-eu@x.org", True),
        ("Info+a@x.org", True),
        ("jo@x.org", False),
        ("infante@x.org", False),
    ],
)
def test_a_mailbox_of_a_role_is_told_from_that_of_a_person(address: str, shared: bool) -> None:
    assert is_role(address) is shared


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("jordan.rivera@x.org", "jordan.rivrea@x.org", 1),
        ("jordan.rivera@gmail.com", "jordan.rivera@gmial.com", 1),
        ("jordan.rivera@x.org", "jordn.rivra@x.org", 2),
        ("jordan.rivera@x.org", "jordan.lee@x.org", None),
        ("jordan7@x.org", "jordan8@x.org", None),
        ("jordan.rivera@x.org", "jordan_rivera@x.org", None),
        ("jordan.a@x.org", "jordan.b@x.org", None),
        ("jrivera@x.org", "mrivera@x.org", None),
        ("jordan@x.org", "jordan@x.org", None),
    ],
)
def test_a_slip_in_an_address_is_none_of_the_signs_by_which_namesakes_differ(
    one: str, other: str, slips: int | None
) -> None:
    assert letters_apart(one, other) == letters_apart(other, one) == slips
