"""Names and ids of fields, tags and members find each other. A shown name reads back. None is chosen among several."""

from __future__ import annotations

import random
import subprocess
import sys
from difflib import SequenceMatcher
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import effort

from contacts_mcp.errors import UnknownName
from contacts_mcp.words.folding import fold
from contacts_mcp.words.names import NEAREST, Named, Names

HINT = "Call list_contact_fields to see all."

AWKWARD = Names(
    "custom field",
    [
        Named(31, "Plan"),
        Named(32, "Renewal Date"),
        Named(33, "Été"),
        Named(37, "Region"),
        Named(38, "Notes"),
        Named(39, "notes  "),
        Named(40, "REGION"),
        Named(41, "Region (37)"),
        Named(42, ""),
        Named(43, "field 42"),
        Named(44, "31"),
        Named(45, "Customer"),
        Named(46, "Customer #"),
        Named(47, "#"),
        Named(48, "%"),
        Named(49, "100"),
        Named(50, "a\u202eb"),
        Named(51, " \u200b"),
        Named(52, "x" * 500),
        Named(53, "Lead Source"),
        Named(54, "Lead  Source "),
        Named(55, "生日"),
        Named(56, "Straße"),
        Named(57, "🔥"),
    ],
    hint=HINT,
)

TEAM = Names(
    "team member",
    [
        Named(7, "Sam Lee", ("sam@example.com",)),
        Named(8, "Sam Lee", ("s.lee@example.com",)),
        Named(9, "Ana Gómez", ("ana@example.com", "Ana")),
        Named(10, "ana", ("slee@example.com",)),
    ],
)

# --- from text to item ------------------------------------------------------------------------------------------------

RESOLVED: dict[str, tuple[str | int, int]] = {
    "exact": ("Plan", 31),
    "case": ("pLAN", 31),
    "spaces-around": ("  Plan\n", 31),
    "folded": ("renewal_date", 32),
    "accents": ("ete", 33),
    "number": (37, 37),
    "digits": ("32", 32),
    "digits-of-other-scripts": ("٣٢", 32),
    "kind-and-digits": ("field 37", 37),
    "whole-kind-and-digits": ("Custom Field 37", 37),
    "number-that-is-a-name-too": (31, 31),
    "name-that-is-no-id": ("100", 49),
    "label": ("Plan (31)", 31),
    "label-folded": ("renewal_date (32)", 32),
    "label-of-a-shared-name": ("region (40)", 40),
    "label-before-a-name-like-it": ("Region (37)", 37),
    "name-like-a-label": ("Region (37) (41)", 41),
    "nameless-by-label": ("field 42 (42)", 42),
    "called-like-nameless": ("field 42 (43)", 43),
    "blank-name": ("field 51", 51),
    "exact-before-folded": ("Notes", 38),
    "exact-before-other-case": ("REGION", 40),
    "exact-before-punctuation": ("Customer #", 46),
    "case-before-punctuation": ("customer", 45),
    "only-a-symbol": ("%", 48),
    "as-shown": (r"a\u{202e}b", 50),
    "as-stored": ("a\u202eb", 50),
    "long-as-stored": ("x" * 500, 52),
    "long-as-shown": ("x" * 60 + "… (+440 characters)", 52),
    "cjk": ("生日", 55),
    "sharp-s": ("STRASSE", 56),
    "emoji": ("🔥", 57),
}


@pytest.mark.parametrize(("text", "item_id"), RESOLVED.values(), ids=RESOLVED.keys())
def test_a_name_an_id_or_a_label_finds_its_item(text: str | int, item_id: int) -> None:
    assert AWKWARD.resolve(text, argument="custom_fields").id == item_id


SEVERAL = {
    "other-case": ("NOTES", ["Notes (38)", "notes (39)"]),
    "id-and-name": ("31", ["Plan (31)", "31 (44)"]),
    "nameless-and-name": ("field 42", ["field 42 (42)", "field 42 (43)"]),
    "same-but-for-spaces": ("lead source", ["Lead Source (53)", "Lead Source (54)"]),
}


@pytest.mark.parametrize(("text", "candidates"), SEVERAL.values(), ids=SEVERAL.keys())
def test_nothing_is_chosen_among_several(text: str, candidates: list[str]) -> None:
    refused = _refusal(AWKWARD, text)
    assert list(refused.candidates) == candidates
    assert all(AWKWARD.resolve(label, argument="custom_fields") for label in candidates)


def test_the_several_are_named_with_their_numbers() -> None:
    assert str(_refusal(AWKWARD, "NOTES")) == (
        'custom_fields: "NOTES" may be any of 2 custom fields: "Notes (38)", "notes (39)". '
        "Write the one that is meant like that, with its number."
    )


def test_of_very_many_only_some_are_listed() -> None:
    refused = _refusal(Names("tag", [Named(number, "VIP") for number in range(1, 31)]), "vip")
    assert str(refused).count('"VIP (') == 10
    assert "and 20 more" in str(refused)


MEMBERS = {
    "e-mail": ("sam@example.com", 7),
    "e-mail-other-case": ("SAM@Example.com", 7),
    "e-mail-with-dot": ("s.lee@example.com", 8),
    "e-mail-without-dot": ("slee@example.com", 10),
    "name-before-alias": ("Ana", 10),
    "accents": ("ana gomez", 9),
    "kind": ("member 8", 8),
}


@pytest.mark.parametrize(("text", "item_id"), MEMBERS.values(), ids=MEMBERS.keys())
def test_members_are_found_by_name_or_e_mail(text: str, item_id: int) -> None:
    assert TEAM.resolve(text, argument="assignee").id == item_id


# --- near misses ------------------------------------------------------------------------------------------------------

NEAR = {
    "typo": ("Plam", "Plan"),
    "first-word": ("renewal", "Renewal Date"),
    "last-word": ("date", "Renewal Date"),
    "a-word-more": ("plan type", "Plan"),
    "letters-swapped": ("Regoin (5)", "Region (37)"),
}


@pytest.mark.parametrize(("text", "label"), NEAR.values(), ids=NEAR.keys())
def test_a_near_miss_is_offered(text: str, label: str) -> None:
    assert label in _refusal(AWKWARD, text).candidates


PEOPLE = [
    *("Jordan Rivera", "Jordan Byrne", "Priya Patel", "Hiroshi Rossi", "Samantha Lee", "Sam Gómez", "Ana Gómez"),
    *("Luis García", "Chloé Dupont", "Mohammed Haddad", "Katarzyna Kowalska", "Wei Chen", "Fatima Haddad"),
    *("Aoife Byrne", "Siobhán Murphy", "Björk Guðmundsdóttir", "Dmitri Ivanov", "Thomas Müller", "Thomas Miller"),
    *("Hannah Johnson", "Anna Johnston", "Steven Smith", "Stephen Smyth", "Catherine Nguyen", "Kathryn Tran"),
]
TYPED = {
    "letter-missing": ("Jordan Rivra", "Jordan Rivera"),
    "letter-doubled": ("Priyya Patel", "Priya Patel"),
    "letter-wrong": ("Hiroshi Rosso", "Hiroshi Rossi"),
    "letters-swapped": ("Smaantha Lee", "Samantha Lee"),
    "another-spelling": ("Muhammad Hadad", "Mohammed Haddad"),
    "as-it-sounds": ("Shivaun Murphy", "Siobhán Murphy"),
    "without-accents": ("Bjork Gudmundsdotir", "Björk Guðmundsdóttir"),
    "umlaut-written-out": ("Thomas Mueller", "Thomas Müller"),
    "first-name-alone": ("Katarzyna", "Katarzyna Kowalska"),
    "last-name-alone": ("Ivanov", "Dmitri Ivanov"),
    "two-names-mixed": ("Stefen Smith", "Steven Smith"),
    "double-s": ("Anna Jonston", "Anna Johnston"),
    "c-for-k": ("Catryn Tran", "Kathryn Tran"),
    "everything-in-one": ("chloedupond", "Chloé Dupont"),
    "initial": ("W Chen", "Wei Chen"),
}


@pytest.mark.parametrize(("text", "meant"), TYPED.values(), ids=TYPED.keys())
def test_whoever_was_meant_is_as_near_as_the_standard_library_puts_them_or_nearer(text: str, meant: str) -> None:
    names = [item.name for item in Names("contact", map(Named, range(100), PEOPLE)).nearest(text)]
    by_standard_library = [name for _, name in sorted((-_ratio(text, name), name) for name in PEOPLE)]
    assert meant in names
    assert names.index(meant) <= by_standard_library.index(meant)


def _ratio(text: str, name: str) -> float:
    return SequenceMatcher(None, fold(name), fold(text), autojunk=False).ratio()


@pytest.mark.parametrize(("text", "is_needed"), [("Plan", False), ("Plam", True)], ids=["hit", "miss"])
def test_the_library_for_likeness_is_imported_on_the_first_miss_only(text: str, is_needed: bool) -> None:
    code = (
        "import sys\nfrom contacts_mcp.errors import UnknownName\nfrom contacts_mcp.words.names import Named, Names\n"
        f"try:\n    Names('tag', [Named(1, 'Plan')]).resolve({text!r}, argument='tag')\nexcept UnknownName:\n    pass\n"
        "print('rapidfuzz' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == str(is_needed)


@pytest.mark.parametrize("ids", [(1, 2, 3), (3, 2, 1), (2, 3, 1)], ids=str)
def test_equally_near_misses_are_offered_in_the_order_of_their_ids(ids: tuple[int, ...]) -> None:
    names = Names("tag", [Named(number, f"Plan {'ABC'[number - 1]}") for number in ids])
    assert _refusal(names, "plan").candidates == ("Plan A", "Plan B", "Plan C")


def test_a_miss_says_what_is_near_and_where_to_look() -> None:
    assert str(_refusal(AWKWARD, "Plam")) == (
        'custom_fields: there is no custom field "Plam". Nearest: "Plan". Call list_contact_fields to see all.'
    )


def test_a_miss_with_nothing_near_says_only_where_to_look() -> None:
    assert str(_refusal(AWKWARD, "zzzz")) == f'custom_fields: there is no custom field "zzzz". {HINT}'


@pytest.mark.parametrize("text", ["Plan", "", 31], ids=["name", "nothing", "id"])
def test_an_account_without_any_says_so(text: str | int) -> None:
    assert str(_refusal(Names("custom field", []), text)) == "custom_fields: the account has no custom fields."


@pytest.mark.parametrize("text", ["", "  \n"], ids=["empty", "blank"])
def test_a_missing_name_is_asked_for(text: str) -> None:
    assert "one of the names is empty. Leave it out." in str(_refusal(AWKWARD, text))


@pytest.mark.parametrize("text", [99, "99", "field 99", "Plan (99)", "Plan (32)", -1], ids=str)
def test_an_id_that_is_not_there_finds_nothing(text: str | int) -> None:
    assert "there is no custom field" in str(_refusal(AWKWARD, text))


def test_an_error_shows_what_is_hidden_and_cuts_what_is_long() -> None:
    text = str(_refusal(AWKWARD, "\u202eevil\x1b[0m" + "y" * 1000))
    assert "\\u{202e}evil\\u{1b}[0m" in text
    assert text.isprintable()
    assert len(text) < 300


# --- from item to text ------------------------------------------------------------------------------------------------

LABELS = {
    "plain": (31, "Plan"),
    "shared": (37, "Region (37)"),
    "shared-other-case": (40, "REGION (40)"),
    "looks-like-a-label": (41, "Region (37) (41)"),
    "nameless-shared": (42, "field 42 (42)"),
    "called-like-nameless": (43, "field 42 (43)"),
    "number-that-is-an-id": (44, "31 (44)"),
    "number-that-is-no-id": (49, "100"),
    "symbol-shares-the-folded-name": (46, "Customer # (46)"),
    "symbol-alone": (47, "#"),
    "hidden": (50, r"a\u{202e}b"),
    "blank": (51, "field 51"),
    "long": (52, "x" * 60 + "… (+440 characters)"),
    "spaces": (54, "Lead Source (54)"),
    "unknown-id": (99, "field 99"),
}


@pytest.mark.parametrize(("item_id", "label"), LABELS.values(), ids=LABELS.keys())
def test_an_item_is_shown_by_its_name_or_by_name_and_id(item_id: int, label: str) -> None:
    assert AWKWARD.label(item_id) == label


@pytest.mark.parametrize(
    ("kind", "label"),
    [("custom field", "field 5"), ("tag", "tag 5"), ("team member", "member 5")],
    ids=["field", "tag", "member"],
)
def test_an_unknown_id_is_shown_with_its_kind(kind: str, label: str) -> None:
    assert Names(kind, []).label(5) == label


# --- looking around ---------------------------------------------------------------------------------------------------

MATCHING = {
    "part": ("reg", [37, 40, 41]),
    "folded-part": ("NEWAL_D", [32]),
    "symbol": ("#", [46, 47]),
    "id": ("33", [33]),
    "near-miss": ("plann", [31]),
    "nothing": ("qqqq", []),
}


@pytest.mark.parametrize(("query", "ids"), MATCHING.values(), ids=MATCHING.keys())
def test_a_query_finds_the_names_that_hold_it_or_the_nearest(query: str, ids: list[int]) -> None:
    assert [item.id for item in AWKWARD.matching(query)] == ids


def test_a_query_finds_members_by_e_mail_too() -> None:
    assert [item.id for item in TEAM.matching("s.lee")] == [8]


@pytest.mark.parametrize("query", ["", " "], ids=["empty", "blank"])
def test_no_query_is_all_in_upstream_order(query: str) -> None:
    assert AWKWARD.matching(query) == list(AWKWARD.items)


def test_of_items_with_one_id_the_first_counts() -> None:
    names = Names("tag", [Named(1, "VIP"), Named(1, "Very important"), Named(2, "New")])
    assert names.items == (Named(1, "VIP"), Named(2, "New"))


# --- laws -------------------------------------------------------------------------------------------------------------

IDS = st.integers(0, 12) | st.integers(0, 10**17)
HARD_NAMES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", " ", "field ", "Field ", "custom field ", "Region ", "region", "#", "é", "\u200b", "x" * 70]),
    st.sampled_from(["", "(", " (0"]) | st.integers(0, 12).map(str) | st.integers(0, 12).map("({})".format),
    st.sampled_from(["", ")", " (3)", " (3) (4)", " ", "…", " (+10 characters)", "\n"]),
)
NAMES = st.one_of(HARD_NAMES, st.text(max_size=8), st.text(st.characters(exclude_categories=[]), max_size=80))
ITEMS = st.lists(
    st.builds(Named, IDS, NAMES, st.lists(NAMES, max_size=2).map(tuple)),
    max_size=12,
    unique_by=lambda item: item.id,
)
INDEXES = ITEMS.map(lambda items: Names("custom field", items))


@given(INDEXES)
def test_every_label_reads_back_as_its_item(names: Names) -> None:
    for item in names.items:
        assert names.resolve(names.label(item.id), argument="x") is item


@given(INDEXES)
def test_no_two_items_are_shown_alike(names: Names) -> None:
    labels = [names.label(item.id) for item in names.items]
    assert len(set(labels)) == len(labels)
    assert all(label.strip() and "\n" not in label for label in labels)


@given(INDEXES)
def test_every_item_is_found_by_its_id(names: Names) -> None:
    assert all(names.resolve(item.id, argument="x") is item for item in names.items)


@given(INDEXES, NAMES)
def test_nothing_is_found_that_does_not_match(names: Names, text: str) -> None:
    """The found item has that folded name, that alias or that id.

    No other item has exactly that name, unless an id was written.
    """
    found = _found(names, text)
    if found is None:
        return
    folds = {fold(word) for word in (found.name, *found.aliases, names.label(found.id))}
    assert fold(text) in folds or str(found.id) in text
    same = {item.id for item in names.items if item.name == text and text.strip()}
    assert not same or found.id in same or text.endswith(f"({found.id})") or not found.name.strip()


@given(ITEMS, NAMES, st.randoms(use_true_random=False))
def test_the_order_of_the_items_changes_no_answer(items: list[Named], text: str, shuffle: random.Random) -> None:
    shuffled = items.copy()
    shuffle.shuffle(shuffled)
    one, other = Names("tag", items), Names("tag", shuffled)
    assert _found(one, text) == _found(other, text)
    assert [one.label(item.id) for item in items] == [other.label(item.id) for item in items]
    assert [_error(one, text)] == [_error(other, text)]


@given(INDEXES, st.text(max_size=30))
def test_near_misses_are_few_and_exist(names: Names, text: str) -> None:
    if _found(names, text) is not None or not text.strip():
        return
    refused = _refusal(names, text)
    assert len(refused.candidates) <= (
        2 * NEAREST if refused.is_ambiguous else NEAREST
    )  # the several that are meant are not near misses
    assert all(names.resolve(label, argument="x") in names.items for label in refused.candidates)


def test_an_error_says_whether_it_is_for_want_of_one_or_for_too_many() -> None:
    assert _refusal(AWKWARD, "region").is_ambiguous is True
    assert _refusal(AWKWARD, "nothing like it").is_ambiguous is False


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_missing_name_is_said_with_its_argument(text: str) -> None:
    assert str(_refusal(AWKWARD, text)) == "custom_fields: one of the names is empty. Leave it out."


def test_where_there_is_nothing_to_choose_from_it_says_where_to_look() -> None:
    assert str(_refusal(Names("tag", [], hint=HINT), "VIP")) == f"custom_fields: the account has no tags. {HINT}"


def test_the_likeliest_comes_first_and_what_holds_the_text_before_what_is_only_like_it() -> None:
    names = Names(
        "tag",
        [
            Named(1, "Newsletters 2026 for everybody"),
            Named(2, "Newslettr"),
            Named(3, "Newsletters"),
            Named(4, "Newsletterz"),
        ],
    )
    assert list(_refusal(names, "Newsletter").candidates) == [
        "Newsletters",
        "Newsletterz",
        "Newslettr",
        "Newsletters 2026 for everybody",
    ]


def test_three_letters_of_a_name_are_enough_to_find_it() -> None:
    assert list(_refusal(Names("tag", [Named(1, "Newsletter of the month")]), "new").candidates) == [
        "Newsletter of the month"
    ]


@pytest.mark.parametrize(("many", "more"), [(10, ""), (11, " and 1 more")])
def test_of_many_that_may_be_meant_ten_are_listed(many: int, more: str) -> None:
    text = str(_refusal(Names("tag", [Named(number, "VIP") for number in range(1, many + 1)]), "VIP"))
    assert f'"VIP (10)"{more}. Write' in text


def test_five_thousand_names_are_searched_quickly() -> None:
    words = [
        "renewal",
        "date",
        "plan",
        "type",
        "region",
        "customer",
        "number",
        "owner",
        "status",
        "score",
        "notes",
        "city",
    ]
    pick = random.Random(1)
    items = [Named(at, f"{' '.join(pick.choices(words, k=pick.randint(1, 3)))} {at}") for at in range(5_000)]
    names = Names("tag", items)
    for text in ("renewl datte 12", "q", "x" * 1_000_000, "(1) " * 250_000, "a" + " " * 900 + "("):
        assert len(_refusal(names, text).candidates) <= NEAREST
        assert effort(partial(_refusal, names, text)) < 0.3  # a tenth of a second, and room for a busy machine


# --- helpers ----------------------------------------------------------------------------------------------------------


def _refusal(names: Names, text: str | int) -> UnknownName:
    with pytest.raises(UnknownName) as caught:
        names.resolve(text, argument="custom_fields")
    return caught.value


def _found(names: Names, text: str) -> Named | None:
    try:
        return names.resolve(text, argument="x")
    except UnknownName:
        return None


def _error(names: Names, text: str) -> str:
    return "" if _found(names, text) else str(_refusal(names, text))


@pytest.mark.parametrize("text", ["-VIP", " -VIP", "!VIP", "! VIP", "\u2212vip", "\u2260 VIP", "<>VIP", "~VIP", "-7"])
def test_a_name_with_a_sign_of_all_but_is_not_taken_for_the_name(text: str) -> None:
    names = Names("tag", [Named(7, "VIP"), Named(8, "Lead")])
    with pytest.raises(UnknownName):
        names.resolve(text, argument="tag")
    assert names.resolve("- VIP", argument="tag").id == names.resolve("#VIP", argument="tag").id == 7
    assert Names("tag", [Named(9, text.strip())]).resolve(text.strip(), argument="tag").id == 9
