"""The batches of a run: which rows go out in them, and how many at a time.

1. New contacts go out in batches. The first has one contact. Batches grow while every look shows every field as it was
   sent. On any difference the rest of that kind goes out singly. A profile that knows creates skips the first steps.
2. `POST /v1/batch/contacts?overwrite=true` updates by phone. Its effect on members that are not sent is unknown
   (`heymarket-api.md` 4). So updates go out in batches only if a probe saw names, custom values, tags, owner and
   opt-out kept. It does not see the e-mail. The first batch, of one contact, shows what else changes. A batch holds
   the phone and the changed values, and writes nothing back as it was read.
3. A batch finds its contact by the phone, and makes one where nobody has it. So a contact goes out singly if another
   one has its phone, or if it is opted out: made anew, it would not be.
4. An opt-out, another number and an emptied value go out singly. So do custom values, because a batch replaces them
   all, and tags that are taken away, because tags of a batch may be added. Reads must show `rev`, which tells whether
   somebody else wrote in between.
5. A batch of updates is small. If the service behaves otherwise by now, no more contacts than that are disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contacts_mcp.book.transfer.outcomes import Sent
from contacts_mcp.book.transfer.verdicts import ACTIONS, Go
from contacts_mcp.book.values import differences, field_id, is_empty
from contacts_mcp.book.writing.plan import Plan
from contacts_mcp.models import Value, Values
from contacts_mcp.state.imports import StoredRow
from contacts_mcp.state.journal import Action
from contacts_mcp.state.profile import Profile

CHUNKS = (1, 5, 25, 100, 500)  # rows, while every look shows what was sent
_KNOWN_TO_WORK = CHUNKS.index(25)  # the first chunk where the profile knows how a batch creates

_MOST_UPDATES = CHUNKS.index(25)  # the largest batch of updates
_CREATES, _UPDATES = "batch_creates", "batch_overwrite"  # lines of the profile
_KEPT = ("batch_names", "batch_custom", "batch_tags", "batch_owner", "batch_opt_out")
_NEVER = frozenset(["phone", "is_opted_out"])


@dataclass(slots=True)
class Batches:
    """The batches of one run."""

    profile: Profile
    places: dict[Action, int]  # of the writes that go out in batches, their place in CHUNKS

    @classmethod
    def of_run(cls, profile: Profile) -> Batches:
        """Updates begin with one row in every run."""
        places: dict[Action, int] = {"create": _KNOWN_TO_WORK if profile.position(_CREATES) == "yes" else 0}
        return cls(profile, places | ({"update": 0} if are_known(profile) else {}))

    def size(self, action: Action) -> int:
        """The most rows of the next batch of that kind."""
        return CHUNKS[self.places.get(action, 0)]

    @property
    def largest(self) -> int:
        """The most rows of any next batch."""
        return max(map(self.size, self.places), default=1)

    def take(self, row: StoredRow) -> bool:
        """Whether a row is meant for a batch."""
        action = ACTIONS[row.decision]
        is_allowed = action in self.places and not row.shown.get("single")
        return is_allowed and (action == "create" or may_carry(row.before, row.wanted))

    def take_now(self, row: StoredRow, go: Go, *, is_alone: bool) -> bool:
        """Whether a row goes into a batch, by the contact as it is now. `is_alone` says that no other has its phone."""
        if go.plan.action == "create" or not self.take(row):
            return self.take(row)
        plan = go.plan
        is_fit = plan.rev_before > 0 and not plan.overwrite and may_carry(plan.before, plan.wanted)
        return is_fit and is_alone and are_known(self.profile)

    def learn_from(self, sent: Sequence[Sent]) -> None:
        """Go on with more rows if everything of a batch is there as it was sent. Otherwise its kind is over."""
        in_batch = [one for one in sent if one.by_batch]
        wrong = [one for one in in_batch if one.result is None or one.result.state != "done"]
        for action in {one.plan.action for one in in_batch} & self.places.keys():
            most = _MOST_UPDATES if action == "update" else len(CHUNKS) - 1
            self.places[action] = min(self.places[action] + 1, most)
        for one in wrong:
            self.places.pop(one.plan.action, None)
            self._distrust(one.plan.action, {*one.result.shown} if one.result else set())

    def _distrust(self, action: Action, remarks: set[str]) -> None:
        """Compare the profile with the remarks on a row."""
        if action == "create" and "not_kept" in remarks:
            self.profile.distrust(_CREATES, "a batch did not keep all that was sent")
        if action == "update" and remarks & {"not_kept", "disturbed"} and "someone_else" not in remarks:
            self.profile.distrust(_UPDATES, "a batch with overwrite=true did not leave contacts as they were sent")


def are_known(profile: Profile) -> bool:
    """Whether batches that update are known to leave everything else alone."""
    return profile.position(_UPDATES) == "it does" and all(profile.position(line) == "kept" for line in _KEPT)


def may_carry(before: Values, wanted: Values) -> bool:
    """Whether an update does the same in a batch as singly."""
    asked = differences(before, wanted)
    is_plain = all(field_id(key) is None and _is_filled(*pair) for key, pair in asked.items())
    return before.get("is_opted_out") is False and _NEVER.isdisjoint(asked) and is_plain


def body_of(plan: Plan) -> dict[str, Any]:
    """The body of a write in a batch. An update has the phone, and nothing else that stays as it is."""
    if plan.action == "create":
        return plan.body()
    return plan.body(keeps_names=True)


def _is_filled(before: Value, wanted: Value) -> bool:
    if isinstance(wanted, list) and isinstance(before, list) and not {*before} <= {*wanted}:
        return False
    return not is_empty(wanted)
