"""The one judge of whether a write was carried out: the table in the header of `plan.py`, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts_mcp.book.values import nothing_for, values_of
from contacts_mcp.book.writing.plan import Circumstances, LastChange, Plan, Report, Sight, is_as_created
from contacts_mcp.models import Contact, Values, WriteReply

T1, T2, T3 = ("2026-03-01T12:00:01Z", "2026-03-01T12:00:02Z", "2026-03-01T12:00:03Z")
PHONE = "15105550101"
ADA: Values = {"phone": PHONE, "first": "Ada", "last": "Example", "is_opted_out": False, "tags": [101], "custom:31": ""}
GRACE: Values = ADA | {"first": "Grace"}
OVER = Circumstances(is_over=True)
NOTHING = Circumstances()

UPDATE = Plan(action="update", contact_id=7, before=ADA, wanted=GRACE, rev_before=3, updated_before=T2)
CREATE = Plan(action="create", before={}, wanted={"phone": PHONE, "first": "Ada", "tags": [101]})
DELETE = Plan(action="delete", contact_id=7, before=ADA, wanted={}, rev_before=3, updated_before=T2)


def sight(values: Values | None, *, rev: int = 0, updated: str = "", contact_id: int | None = 7) -> Sight:
    return Sight(values=values, contact_id=contact_id, rev=rev, updated=updated)


# An update. Each age of a look in every form that it takes: (the sight's rev and updated, the plan's rev and updated).

LAST_CHANGE = LastChange(before=ADA | {"last": "Old"}, after=ADA, rev=3, updated=T2)


class Look(NamedTuple):
    """The dates of a sight, and of the state that the write started from."""

    rev: int
    updated: str
    rev_before: int = 3
    updated_before: str = T2
    last: str = ""  # the last name that shows, "Old" for a state before our last change


AGES: dict[str, list[Look]] = {
    "older": [
        Look(2, T1),
        Look(2, T2),
        Look(2, T3),  # a rev tells more than a clock
        Look(2, ""),
        Look(0, T1),
        Look(2, T1, rev_before=0),
        Look(0, "", last="Old"),
        Look(0, "", rev_before=0, updated_before="", last="Old"),
        Look(0, T2, last="Old"),  # within the second of the state before, an old value tells
    ],
    "same rev": [Look(3, T2), Look(3, T1), Look(3, T3), Look(3, "")],
    "same updated": [Look(0, T2), Look(0, T2, rev_before=0), Look(0, "2026-03-01T13:00:02+01:00")],
    "newer rev": [Look(4, T3), Look(4, T2), Look(4, T1), Look(4, "")],
    "newer updated": [Look(0, T3), Look(0, T3, rev_before=0)],
    "newer updated, and a rev": [Look(4, T3, rev_before=0)],
    "undated": [
        Look(0, ""),
        Look(4, "", rev_before=0),
        Look(0, T3, updated_before=""),
        Look(0, "a while ago"),
        Look(0, "", rev_before=0, updated_before=""),
    ],
}
REPLIES: dict[str, WriteReply | None] = {
    "no reply": None,
    "a reply without rev": WriteReply(),
    "a reply that says moved": WriteReply(id=7, rev=4),
    "a reply that says unmoved": WriteReply(id=7, rev=3),
    "a reply ahead of the sight": WriteReply(id=7, rev=9),
}
SHOWN = {"shown": True, "not shown": False}
ENDS = {"over": True, "not over": False}
ANY = "any"

# The table: the first row that fits decides. Columns: age, asked value, reply, end -> outcome.
TABLE = (
    ("older", ANY, ANY, ANY, "unknown"),
    ("behind the reply", ANY, ANY, ANY, "unknown"),
    # An asked value is so.
    ("same rev", "shown", ANY, ANY, "done"),
    ("newer rev", "shown", ANY, ANY, "done"),
    ("newer updated", "shown", ANY, ANY, "done"),
    ("newer updated, and a rev", "shown", ANY, ANY, "done"),
    ("undated", "shown", ANY, ANY, "done"),
    ("same updated", "shown", ANY, ANY, "done"),
    # Moved, and no asked value is so: somebody may have moved it before, or set it back.
    ("newer rev", "not shown", "a reply that says moved", ANY, "done"),
    ("newer rev", "not shown", ANY, ANY, "unknown"),
    ("newer updated, and a rev", "not shown", "a reply that says moved", ANY, "done"),
    ("newer updated, and a rev", "not shown", ANY, ANY, "unknown"),
    ("newer updated", "not shown", ANY, ANY, "unknown"),
    # Unmoved.
    ("same rev", "not shown", ANY, "over", "not_done"),
    ("same updated", "not shown", ANY, "over", "not_done"),
    ("same rev", "not shown", "a reply that says unmoved", "not over", "not_done"),
    ("same updated", "not shown", "a reply that says unmoved", "not over", "not_done"),
    ("same rev", "not shown", ANY, "not over", "unknown"),
    ("same updated", "not shown", ANY, "not over", "unknown"),
    ("undated", "not shown", ANY, ANY, "unknown"),
)


def fits(row: tuple[str, ...], case: tuple[str, ...]) -> bool:
    return all(cell in (ANY, said) for cell, said in zip(row, case, strict=False))


def outcome_of(*case: str) -> str:
    return next(row[-1] for row in TABLE if fits(row, case))


def is_behind(look: Look, reply: WriteReply | None, *, is_over: bool) -> bool:
    """Whether the look is older than the reply. Once it is over, an unmoved `rev` tells that the reply was wrong."""
    return 0 < look.rev < (reply.rev or 0 if reply else 0) and not (is_over and look.rev == look.rev_before)


def shifted(looks: list[Look], reply: WriteReply | None) -> Iterator[tuple[Look, WriteReply | None]]:
    """The looks at a contact of rev 3, and the same at a new one of rev 1. Nothing is older by rev than that."""
    for look in looks:
        yield look, reply
        if look.rev != 2:
            young = look._replace(rev=max(0, look.rev - 2), rev_before=max(0, look.rev_before - 2))
            yield young, reply and WriteReply(id=reply.id, rev=reply.rev and reply.rev - 2)


@pytest.mark.parametrize(
    ("age", "shown", "reply", "end"), [*product(AGES, SHOWN, REPLIES, ENDS)], ids=lambda part: part.replace(" ", "_")
)
def test_an_update_is_judged_by_the_age_of_the_look_and_by_its_values(
    age: str, shown: str, reply: str, end: str
) -> None:
    for look, answer in shifted(AGES[age], REPLIES[reply]):
        if reply == "a reply that says unmoved" and not look.rev_before:
            continue  # nothing to be unmoved from
        plan = replace(UPDATE, rev_before=look.rev_before, updated_before=look.updated_before)
        values = ADA | {"first": "Grace" if SHOWN[shown] else "Ada"} | ({"last": look.last} if look.last else {})
        given = Circumstances(reply=answer, is_over=ENDS[end], last_change=LAST_CHANGE if look.last else None)
        seen = sight(values, rev=look.rev, updated=look.updated)
        real_age = "behind the reply" if is_behind(look, answer, is_over=ENDS[end]) else age
        assert plan.proof(seen, given) == outcome_of(real_age, shown, reply, end), (look, answer)


def test_every_row_of_the_table_decides_something() -> None:
    cases = [*product([*AGES, "behind the reply"], SHOWN, REPLIES, ENDS)]
    deciding = {next(row for row in TABLE if fits(row, case)) for case in cases}
    assert [row for row in TABLE if row not in deciding] == []


@pytest.mark.parametrize("given", [NOTHING, OVER, Circumstances(reply=WriteReply(rev=4), is_over=True)], ids=str)
def test_an_update_of_a_contact_that_is_gone_is_unknown(given: Circumstances) -> None:
    """Somebody deleted it, before the write or after."""
    assert UPDATE.proof(sight(None), given) == "unknown"


def test_an_update_that_was_set_back_by_somebody_else_is_unknown() -> None:
    """Ada -> Grace is carried out, the server dies, a colleague sets it back: rev 1 -> 3 with the old value."""
    plan = replace(UPDATE, rev_before=1)
    for case in (NOTHING, OVER):
        assert plan.proof(sight(ADA, rev=3, updated=T3), case) == "unknown"
        assert plan.proof(sight(ADA, rev=0, updated=T3), case) == "unknown"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"first": "Grace", "last": "Hopper", "tags": [102]}, "done"),
        ({"first": "Grace"}, "done"),
        ({"last": "Hopper"}, "done"),
        ({"tags": [102]}, "done"),
        ({"first": "Grete"}, "unknown"),
        ({}, "unknown"),
    ],
    ids=str,
)
def test_a_single_asked_value_proves_the_whole_write(values: Values, outcome: str) -> None:
    plan = replace(UPDATE, wanted=ADA | {"first": "Grace", "last": "Hopper", "tags": [102]})
    assert plan.proof(sight(ADA | values, rev=4), NOTHING) == outcome


@pytest.mark.parametrize(
    ("look", "reply", "outcome"),
    [
        (Look(4, T3), None, "done"),  # one write came, and a write is carried out whole
        (Look(5, T3), None, "unknown"),  # two came, and one is somebody else's
        (Look(0, T3), None, "unknown"),
        (Look(0, ""), None, "unknown"),
        (Look(4, "", rev_before=0), None, "unknown"),
        (Look(5, T3), WriteReply(rev=4), "done"),
        (Look(0, ""), WriteReply(), "done"),
    ],
    ids=str,
)
def test_a_part_of_the_asked_values_may_be_somebody_elses_where_the_service_did_not_answer(
    look: Look, reply: WriteReply | None, outcome: str
) -> None:
    wanted = ADA | {"first": "Grace", "last": "Hopper"}
    plan = replace(UPDATE, wanted=wanted, rev_before=look.rev_before)
    seen = sight(ADA | {"first": "Grace"}, rev=look.rev, updated=look.updated)
    assert plan.proof(seen, Circumstances(reply=reply)) == outcome
    assert plan.proof(replace(seen, values=wanted), Circumstances(reply=reply)) == "done"


def test_an_opt_out_alone_may_be_a_stop_of_the_person() -> None:
    plan = replace(UPDATE, wanted=GRACE | {"is_opted_out": True})
    stopped = sight(ADA | {"is_opted_out": True}, rev=4)
    assert plan.proof(stopped, NOTHING) == "unknown"
    assert plan.proof(stopped, Circumstances(reply=WriteReply(rev=4))) == "done"
    assert plan.proof(sight(GRACE, rev=4), NOTHING) == "done"
    assert replace(plan, wanted=ADA | {"is_opted_out": True}).proof(stopped, NOTHING) == "done"


def test_a_text_that_the_service_did_not_empty_is_no_sign_of_somebody_else() -> None:
    """The service may want null where "" did nothing."""
    plan = replace(UPDATE, before=ADA | {"email": "a@example.com"}, wanted=GRACE | {"email": ""})
    assert plan.proof(sight(GRACE | {"email": "a@example.com"}, updated=T3), NOTHING) == "done"


@pytest.mark.parametrize(
    ("key", "had", "wanted"),
    [("custom:31", "Gold", ""), ("assignee", 502, None), ("tags", [101], []), ("email", "a@example.com", "")],
)
def test_an_emptied_value_that_the_service_leaves_out_is_so(key: str, had: Any, wanted: Any) -> None:
    plan = replace(UPDATE, before=ADA | {key: had}, wanted=ADA | {key: wanted})
    left_out = {name: value for name, value in ADA.items() if name != key}
    assert plan.proof(sight(left_out, rev=4), NOTHING) == "done"


# ... of an opt-out that the service does not show

HIDDEN = ADA | {"is_opted_out": None}
OPT_OUT = replace(UPDATE, before=HIDDEN, wanted=HIDDEN | {"is_opted_out": True})


@pytest.mark.parametrize(
    ("look", "given", "outcome"),
    [
        (Look(4, T3), Circumstances(reply=WriteReply(rev=4)), "done"),
        (Look(4, T3), NOTHING, "unknown"),
        (Look(4, T3), OVER, "unknown"),
        (Look(3, T2), OVER, "not_done"),
        (Look(3, T2), NOTHING, "unknown"),
        (Look(0, ""), OVER, "unknown"),
        (Look(0, ""), Circumstances(reply=WriteReply(rev=4), is_over=True), "unknown"),
    ],
)
def test_a_hidden_opt_out_is_judged_by_the_age_of_the_look_alone(
    look: Look, given: Circumstances, outcome: str
) -> None:
    """A value that cannot be seen is no proof."""
    assert OPT_OUT.proof(sight(HIDDEN, rev=look.rev, updated=look.updated), given) == outcome


def test_a_hidden_opt_out_is_proven_by_the_other_values_of_its_write() -> None:
    plan = replace(OPT_OUT, wanted=HIDDEN | {"is_opted_out": True, "first": "Grace"})
    assert plan.proof(sight(HIDDEN | {"first": "Grace"}, rev=4), NOTHING) == "done"


# The newest change of our own


CHANGE = LastChange(before=ADA | {"first": "Adele"}, after=ADA, rev=3, updated=T2)


@pytest.mark.parametrize(
    ("change", "seen", "is_newer"),
    [
        (CHANGE, sight(ADA, rev=2), True),
        (CHANGE, sight(ADA | {"first": "Adele"}, rev=3), False),
        (CHANGE, sight(ADA | {"first": "Adele"}, rev=4), False),
        (CHANGE, sight(ADA, updated=T1), True),
        (CHANGE, sight(ADA | {"first": "Adele"}, updated=T3), False),
        (CHANGE, sight(ADA | {"first": "Adele"}, updated=T2), True),
        (CHANGE, sight(ADA, updated=T2), False),
        (CHANGE, sight(ADA | {"first": "Adele"}), True),
        (CHANGE, sight(ADA), False),
        (replace(CHANGE, is_recent=False), sight(ADA | {"first": "Adele"}), False),
        (CHANGE, sight(ADA | {"first": "Somebody"}), False),
        (replace(CHANGE, before=ADA | {"first": "Adele", "last": "Old"}), sight(ADA | {"first": "Adele"}), False),
        (replace(CHANGE, before=ADA), sight(ADA), False),
        (replace(CHANGE, rev=0), sight(ADA | {"first": "Adele"}, rev=9, updated=T1), True),
        (CHANGE, sight(None), False),
        (replace(CHANGE, before=HIDDEN, after=HIDDEN | {"is_opted_out": True}), sight(HIDDEN), False),
    ],
    ids=str,
)
def test_a_look_from_before_our_last_change_is_known_by_rev_then_updated_then_values(
    change: LastChange, seen: Sight, is_newer: bool
) -> None:
    assert change.is_newer_than(seen) is is_newer


@pytest.mark.parametrize("given", [Circumstances(last_change=CHANGE), Circumstances(last_change=CHANGE, is_over=True)])
def test_an_undated_look_from_before_our_last_change_proves_nothing(given: Circumstances) -> None:
    """Opt-in, then opt-out, lost: a lagging look shows the state before the opt-in, which looks like the opt-out."""
    back = Plan(action="update", contact_id=7, before=ADA, wanted=ADA | {"first": "Adele"})
    assert back.proof(sight(ADA | {"first": "Adele"}), given) == "unknown"
    assert back.proof(sight(ADA | {"first": "Adele"}), replace(given, last_change=None)) == "done"


def test_a_copy_without_an_answer_may_have_moved_the_rev_and_is_nobody_else() -> None:
    reply = WriteReply(rev=4)
    assert not UPDATE.report(sight(GRACE, rev=5), reply, unanswered=1).someone_else
    assert UPDATE.report(sight(GRACE, rev=6), reply, unanswered=1).someone_else


def test_values_that_a_copy_without_an_answer_may_still_set_are_told_as_such() -> None:
    plan = replace(UPDATE, wanted=GRACE | {"last": "Hopper"})
    assert plan.report(sight(GRACE, rev=4), None, is_out=True).may_still_come
    assert not plan.report(sight(GRACE, rev=4), None).may_still_come
    assert not UPDATE.report(sight(GRACE, rev=4), None, is_out=True).may_still_come


# A create


OURS: Values = {"phone": PHONE, "first": "Ada", "tags": [101], "last": "", "email": "", "is_opted_out": False}


def merged_into(*, rev: int) -> Circumstances:
    """A service that puts a create into the contact that has the phone."""
    return Circumstances(reply=WriteReply(id=7, rev=rev))


@pytest.mark.parametrize(
    ("seen", "given", "outcome"),
    [
        pytest.param(sight(None), NOTHING, "unknown", id="nobody"),
        pytest.param(sight(None), OVER, "not_done", id="nobody, over"),
        pytest.param(sight(None), Circumstances(reply=WriteReply(id=7)), "unknown", id="nobody, accepted"),
        pytest.param(
            sight(None), Circumstances(reply=WriteReply(id=7), is_over=True), "not_done", id="nobody, accepted, over"
        ),
        pytest.param(sight(OURS), Circumstances(explained=frozenset({7})), "unknown", id="explained"),
        pytest.param(
            sight(OURS), Circumstances(explained=frozenset({7}), is_over=True), "not_done", id="explained, over"
        ),
        pytest.param(sight(OURS), Circumstances(explained=frozenset({8})), "done", id="another is explained"),
        pytest.param(sight(OURS), NOTHING, "done", id="ours"),
        pytest.param(sight(OURS), OVER, "done", id="ours, over"),
        pytest.param(
            sight(OURS | {"display_name": "Ada", "avatar": "https://x.example/a.png"}),
            NOTHING,
            "done",
            id="what the service adds",
        ),
        pytest.param(sight(OURS | {"is_opted_out": None}), NOTHING, "done", id="a hidden opt-out"),
        pytest.param(sight(OURS | {"last": "Example"}), NOTHING, "unknown", id="a name besides"),
        pytest.param(sight(OURS | {"email": "a@example.com"}), NOTHING, "unknown", id="an e-mail besides"),
        pytest.param(sight(OURS | {"tags": [101, 102]}), NOTHING, "unknown", id="a tag besides"),
        pytest.param(sight(OURS | {"custom:31": "Gold"}), NOTHING, "unknown", id="a custom value besides"),
        pytest.param(sight(OURS | {"custom:31": ""}), NOTHING, "done", id="an empty custom value besides"),
        pytest.param(sight(OURS | {"first": "Ad"}), NOTHING, "unknown", id="another value"),
        pytest.param(sight(OURS | {"tags": []}), NOTHING, "unknown", id="a value less"),
        pytest.param(sight(OURS | {"first": "Ad"}), OVER, "unknown", id="another value, over"),
        pytest.param(
            sight(OURS | {"first": "Ad"}),
            Circumstances(reply=WriteReply(id=7, rev=1)),
            "done",
            id="another value, the id of the reply",
        ),
        pytest.param(
            sight(OURS | {"phone": "15105550199"}),
            Circumstances(reply=WriteReply(id=7, rev=1)),
            "unknown",
            id="another phone, the id of the reply",
        ),
        pytest.param(
            sight(OURS | {"first": "Ad"}),
            Circumstances(reply=WriteReply(id=8, rev=1)),
            "unknown",
            id="another value, another id",
        ),
        pytest.param(
            sight(OURS | {"first": "Ad"}), Circumstances(reply=WriteReply(rev=1)), "unknown", id="another value, no id"
        ),
        pytest.param(
            sight(OURS | {"first": "Ad"}, rev=2), merged_into(rev=2), "done", id="there before, as new as the reply"
        ),
        pytest.param(sight(OURS | {"first": "Ad"}, rev=3), merged_into(rev=2), "done", id="there before, and newer"),
        pytest.param(sight(OURS, rev=1), merged_into(rev=2), "unknown", id="there before, and older"),
        pytest.param(sight(OURS), merged_into(rev=2), "done", id="there before, undated, all that was sent"),
        pytest.param(
            sight(OURS | {"last": "Example", "email": "a@example.com"}),
            merged_into(rev=2),
            "done",
            id="there before, undated, all that was sent and more",
        ),
        pytest.param(
            sight(OURS | {"first": "Ad"}), merged_into(rev=2), "unknown", id="there before, undated, another value"
        ),
        pytest.param(sight(OURS, contact_id=8), merged_into(rev=2), "unknown", id="there before, another id"),
    ],
)
def test_a_create_is_judged_by_who_has_the_phone(seen: Sight, given: Circumstances, outcome: str) -> None:
    assert CREATE.proof(seen, given) == outcome


def test_a_created_contact_may_have_its_phone_in_another_form() -> None:
    plan = replace(CREATE, wanted=CREATE.wanted | {"phone": "5215512345678"})
    given = Circumstances(reply=WriteReply(id=7, rev=1))
    assert plan.proof(sight(OURS | {"phone": "525512345678"}), given) == "done"


def test_a_create_put_into_a_contact_that_was_there_is_not_judged_by_a_hidden_opt_out() -> None:
    plan = replace(CREATE, wanted=CREATE.wanted | {"is_opted_out": True})
    assert plan.proof(sight(OURS | {"is_opted_out": None}), merged_into(rev=2)) == "done"
    assert plan.proof(sight(OURS), merged_into(rev=2)) == "unknown"


@pytest.mark.parametrize(
    ("found", "is_ours"),
    [
        ({"first": "Ada"}, False),
        ({"last": "Example"}, False),
        ({"email": "a@example.com"}, False),
        ({"tags": [101]}, False),
        ({"custom:31": "Gold"}, False),
        ({"first": "", "last": "", "email": "", "tags": [], "custom:31": ""}, True),
        ({"display_name": "+15105550101", "avatar": "https://x.example/a.png", "assignee": 502}, True),
        ({"is_opted_out": True}, True),
    ],
    ids=str,
)
def test_a_contact_created_with_its_phone_alone_has_nothing_that_only_a_person_gives(
    found: Values, is_ours: bool
) -> None:
    """The service may fill in a display name, a picture, an owner and an opt-out of its own."""
    assert is_as_created({"phone": PHONE}, {"phone": PHONE} | found) is is_ours


def test_a_contact_as_created_has_an_asked_opt_out() -> None:
    wanted = CREATE.wanted | {"is_opted_out": True}
    assert is_as_created(wanted, OURS | {"is_opted_out": True})
    assert is_as_created(wanted, OURS | {"is_opted_out": None})
    assert not is_as_created(wanted, OURS)


# A deletion


YOUNG = Circumstances(is_young=True)


@pytest.mark.parametrize(
    ("seen", "given", "outcome"),
    [
        pytest.param(sight(None), NOTHING, "done", id="gone"),
        pytest.param(sight(None), OVER, "done", id="gone, over"),
        pytest.param(sight(None), YOUNG, "unknown", id="gone, young"),
        pytest.param(sight(None), replace(YOUNG, reply=WriteReply()), "done", id="gone, young, accepted"),
        pytest.param(sight(None), replace(YOUNG, is_over=True), "done", id="gone, young, over"),
        pytest.param(sight(ADA, rev=3), NOTHING, "unknown", id="there"),
        pytest.param(sight(ADA, rev=3), Circumstances(reply=WriteReply()), "unknown", id="there, accepted"),
        pytest.param(sight(ADA, rev=3), OVER, "not_done", id="there, over"),
        pytest.param(sight(ADA, rev=9), OVER, "not_done", id="there and changed, over"),
        pytest.param(sight(ADA), OVER, "not_done", id="there, undated, over"),
        pytest.param(sight(ADA, updated=T2), OVER, "not_done", id="there, unmoved by updated, over"),
        pytest.param(sight(ADA, rev=2), OVER, "unknown", id="there by an old look, over"),
        pytest.param(sight(ADA, updated=T1), OVER, "unknown", id="there by an old look without rev, over"),
    ],
)
def test_a_deletion_is_judged_by_whether_the_contact_is_there(seen: Sight, given: Circumstances, outcome: str) -> None:
    assert DELETE.proof(seen, given) == outcome


# A second copy


@pytest.mark.parametrize("seen", [sight(None), sight(OURS)], ids=["nobody", "somebody"])
@pytest.mark.parametrize("given", [NOTHING, OVER], ids=["not over", "over"])
def test_a_create_is_never_sent_again(seen: Sight, given: Circumstances) -> None:
    assert not CREATE.may_be_sent_again(seen, given)


def opt_in(before: bool | None) -> Plan:
    return replace(UPDATE, before=ADA | {"is_opted_out": before}, wanted=ADA | {"is_opted_out": False, "first": "Jo"})


@pytest.mark.parametrize(
    ("plan", "opts_in"),
    [
        (opt_in(True), True),
        (opt_in(None), True),
        (opt_in(False), False),
        (OPT_OUT, False),
        (replace(UPDATE, before=HIDDEN, wanted=HIDDEN | {"first": "Jo"}), False),
        (replace(CREATE, wanted=CREATE.wanted | {"is_opted_out": False}), False),
        (DELETE, False),
        (UPDATE, False),
    ],
    ids=["opted out", "unknown", "not opted out", "opt-out", "untouched", "create", "delete", "another field"],
)
def test_a_write_opts_in_where_it_lets_texts_reach_somebody_again(plan: Plan, opts_in: bool) -> None:
    assert plan.opts_in is opts_in


@pytest.mark.parametrize("before", [True, None])
@pytest.mark.parametrize("look", [look for looks in AGES.values() for look in looks], ids=str)
def test_an_opt_in_is_never_sent_again(before: bool | None, look: Look) -> None:
    """Its second copy could land after a later STOP."""
    seen = sight(ADA | {"is_opted_out": before}, rev=look.rev, updated=look.updated)
    assert not opt_in(before).may_be_sent_again(seen, NOTHING)


@pytest.mark.parametrize("age", AGES)
def test_an_update_is_sent_again_only_where_nobody_wrote_since(age: str) -> None:
    for look in AGES[age]:
        plan = replace(UPDATE, rev_before=look.rev_before, updated_before=look.updated_before)
        values = ADA | ({"last": look.last} if look.last else {})
        given = Circumstances(last_change=LAST_CHANGE if look.last else None)
        seen = sight(values, rev=look.rev, updated=look.updated)
        assert plan.may_be_sent_again(seen, given) is (age in ("same rev", "same updated", "undated")), look


def test_a_deletion_may_be_sent_again_and_nothing_to_a_contact_that_is_gone() -> None:
    for rev in (0, 2, 3, 4):
        assert DELETE.may_be_sent_again(sight(ADA, rev=rev), NOTHING)
    assert not DELETE.may_be_sent_again(sight(None), NOTHING)
    assert not UPDATE.may_be_sent_again(sight(None), NOTHING)


# Laws

PATIENT = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.sampled_from(["Ada", "Grace", "Jo", ""])
OPT_OUTS = st.sampled_from([None, True, False])
TABLES = st.fixed_dictionaries(
    {"phone": st.just(PHONE), "first": NAMES, "last": NAMES, "is_opted_out": OPT_OUTS},
    optional={"tags": st.sampled_from([[], [101], [101, 102]]), "custom:31": st.sampled_from(["", "Gold"])},
)
REVS = st.integers(0, 5)
MOMENTS = st.sampled_from(["", T1, T2, T3, "2026-03-01T13:00:02+01:00", "soon"])
PLANS = st.builds(
    Plan,
    action=st.sampled_from(["create", "update", "delete"]),
    contact_id=st.just(7),
    before=TABLES,
    wanted=TABLES,
    rev_before=REVS,
    updated_before=MOMENTS,
)
SIGHTS = st.builds(
    Sight, values=st.one_of(st.none(), TABLES), contact_id=st.sampled_from([7, 8]), rev=REVS, updated=MOMENTS
)
GIVEN = st.builds(
    Circumstances,
    reply=st.one_of(st.none(), st.builds(WriteReply, id=st.sampled_from([None, 7, 8]), rev=st.one_of(st.none(), REVS))),
    is_over=st.booleans(),
    is_young=st.booleans(),
    explained=st.sets(st.sampled_from([7, 8])).map(frozenset),
    last_change=st.one_of(st.none(), st.builds(LastChange, before=TABLES, after=TABLES, rev=REVS, updated=MOMENTS)),
)


@PATIENT
@given(plan=PLANS, seen=SIGHTS, values=TABLES, given=GIVEN)
def test_a_look_that_is_older_by_rev_proves_nothing(
    plan: Plan, seen: Sight, values: Values, given: Circumstances
) -> None:
    """A create starts from nobody, so there is no state that a look could be older than."""
    started = replace(plan, action="delete" if plan.action == "delete" else "update", rev_before=2 + plan.rev_before)
    older = replace(seen, values=values, rev=1 + seen.rev % (started.rev_before - 1))
    assert started.proof(older, given) == "unknown"


@PATIENT
@given(plan=PLANS, seen=SIGHTS, given=GIVEN)
def test_nothing_is_not_done_before_it_is_over_unless_the_service_says_so(
    plan: Plan, seen: Sight, given: Circumstances
) -> None:
    if plan.proof(seen, given) == "not_done":
        says_so = plan.action == "update" and given.reply and given.reply.rev and given.reply.rev == plan.rev_before
        assert given.is_over or says_so


@PATIENT
@given(plan=PLANS, seen=SIGHTS, given=GIVEN)
def test_a_moved_rev_without_an_asked_value_and_without_a_reply_is_unknown(
    plan: Plan, seen: Sight, given: Circumstances
) -> None:
    plan = replace(plan, action="update", rev_before=1 + plan.rev_before)
    shown = seen.values or {}
    unasked = {key: value for key, value in shown.items() if key not in plan.asked}
    old = {key: before for key, (before, _) in plan.asked.items()}
    set_back = replace(seen, values=unasked | old, rev=plan.rev_before + 1 + seen.rev)
    assert plan.proof(set_back, replace(given, reply=None)) == "unknown"


@PATIENT
@given(plan=PLANS, seen=SIGHTS, given=GIVEN)
def test_waiting_longer_takes_no_done_back(plan: Plan, seen: Sight, given: Circumstances) -> None:
    """Settling judges the same look again when the write is over. That may settle it, and never turns it round."""
    before, after = (plan.proof(seen, replace(given, is_over=is_over)) for is_over in (False, True))
    assert before in (after, "unknown")


@PATIENT
@given(plan=PLANS, seen=SIGHTS, given=GIVEN)
def test_done_is_never_said_of_an_update_whose_look_shows_only_the_old_values_and_no_reply(
    plan: Plan, seen: Sight, given: Circumstances
) -> None:
    plan = replace(plan, action="update")
    old = replace(seen, values=dict(plan.before))
    assert plan.proof(old, replace(given, reply=None)) != "done"


# What is reported


@pytest.mark.parametrize(
    ("plan", "seen", "reply", "report"),
    [
        pytest.param(UPDATE, sight(GRACE, rev=4), WriteReply(rev=4), Report(kept=("first",)), id="as asked"),
        pytest.param(
            UPDATE, sight(ADA, rev=4), WriteReply(rev=4), Report(unkept={"first": ("Grace", "Ada")}), id="not kept"
        ),
        pytest.param(
            UPDATE,
            sight(GRACE | {"last": "X"}, rev=4),
            WriteReply(rev=4),
            Report(kept=("first",), disturbed={"last": ("Example", "X")}),
            id="disturbed",
        ),
        pytest.param(
            UPDATE,
            sight(GRACE, rev=5),
            WriteReply(rev=4),
            Report(kept=("first",), someone_else=True),
            id="somebody else, afterwards",
        ),
        pytest.param(
            UPDATE,
            sight(GRACE, rev=5),
            WriteReply(rev=5),
            Report(kept=("first",), someone_else=True, may_have_set_back=True),
            id="somebody else, before",
        ),
        pytest.param(UPDATE, sight(GRACE, rev=4), None, Report(kept=("first",)), id="answer lost"),
        pytest.param(
            UPDATE,
            sight(GRACE, rev=5),
            None,
            Report(kept=("first",), someone_else=True),
            id="answer lost, somebody else",
        ),
        pytest.param(
            replace(UPDATE, rev_before=0),
            sight(GRACE, rev=5),
            WriteReply(rev=4),
            Report(kept=("first",), someone_else=True),
            id="no rev before",
        ),
        pytest.param(
            replace(UPDATE, rev_before=0), sight(GRACE, rev=5), None, Report(kept=("first",)), id="no rev to go by"
        ),
        pytest.param(
            replace(UPDATE, rev_before=0),
            sight(GRACE, rev=5),
            WriteReply(),
            Report(kept=("first",)),
            id="a reply without rev",
        ),
        pytest.param(
            replace(UPDATE, rev_before=1),
            sight(GRACE, rev=3),
            WriteReply(rev=3),
            Report(kept=("first",), someone_else=True, may_have_set_back=True),
            id="somebody else, right after the contact was made",
        ),
        pytest.param(UPDATE, sight(GRACE), WriteReply(rev=4), Report(kept=("first",)), id="no rev in the sight"),
        pytest.param(
            UPDATE,
            sight(GRACE | {"is_opted_out": None}, rev=4),
            WriteReply(rev=4),
            Report(kept=("first",)),
            id="an opt-out that hides is no difference",
        ),
        pytest.param(OPT_OUT, sight(HIDDEN, rev=4), WriteReply(rev=4), Report(unseen=("is_opted_out",)), id="unseen"),
        pytest.param(
            CREATE,
            sight(OURS | {"display_name": "Ada"}, rev=1),
            WriteReply(id=7, rev=1),
            Report(kept=("phone", "first", "tags")),
            id="a create disturbs nothing",
        ),
        pytest.param(
            CREATE, sight(OURS, rev=2), WriteReply(id=7, rev=2), Report(kept=("phone", "first", "tags")), id="merged"
        ),
        pytest.param(
            CREATE,
            sight(OURS, rev=2),
            WriteReply(id=7, rev=1),
            Report(kept=("phone", "first", "tags"), someone_else=True),
            id="created, then edited",
        ),
    ],
)
def test_a_report_tells_how_the_asked_values_came_out(
    plan: Plan, seen: Sight, reply: WriteReply | None, report: Report
) -> None:
    assert plan.report(seen, reply) == report


@pytest.mark.parametrize(
    ("reply_rev", "rev", "someone_else", "set_back"),
    [(4, 5, False, False), (4, 6, True, False), (5, 6, True, True)],
    ids=["only we", "somebody after", "somebody before"],
)
def test_our_own_second_write_is_not_somebody_else(
    reply_rev: int, rev: int, someone_else: bool, set_back: bool
) -> None:
    """A text that "" did not clear is cleared with null. The reply is that of the first of the two."""
    report = UPDATE.report(sight(GRACE, rev=rev), WriteReply(rev=reply_rev), writes=2)
    assert (report.someone_else, report.may_have_set_back) == (someone_else, set_back)


def test_a_report_on_a_deletion_asks_nothing_of_the_contact() -> None:
    assert not DELETE.report(sight(None), WriteReply()).someone_else


@pytest.mark.parametrize(
    ("wanted", "now", "left"),
    [
        ({"last": ""}, {}, ["last"]),
        ({"last": ""}, {"last": ""}, []),
        ({"custom:31": ""}, {"custom:31": "Gold"}, ["custom:31"]),
        ({"custom:31": ""}, {"custom:31": ""}, []),
        ({"tags": []}, {}, []),
        ({"last": "Hopper"}, {}, []),
        ({"email": ""}, {"email": "a@example.com"}, []),
    ],
    ids=str,
)
def test_texts_that_should_be_empty_and_are_not_are_found(wanted: Values, now: Values, left: list[str]) -> None:
    before = ADA | {"custom:31": "Gold"}
    plan = replace(UPDATE, before=before, wanted=before | wanted)
    assert plan.left_standing(before | now) == left


# Where plans come from


def test_a_sight_is_all_that_a_look_showed() -> None:
    contact = Contact(id=7, phone=PHONE, first="Ada", rev=3, updated=T2)
    assert Sight.of(contact) == Sight(values=values_of(contact), contact_id=7, rev=3, updated=T2)
    assert Sight.of(None) == Sight(values=None)


def test_a_plan_asks_for_what_differs_and_works_it_out_once() -> None:
    plan = replace(UPDATE, wanted=ADA | {"first": "Grace", "email": "", "tags": [101], "custom:40": "x"})
    assert plan.asked == {"first": ("Ada", "Grace"), "custom:40": (nothing_for("custom:40"), "x")}
    assert plan.asked is plan.asked
