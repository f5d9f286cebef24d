"""The batches of a run: which rows go out in them, and how many at a time.

1. New contacts go out in batches. The first has one contact. Batches grow while every look shows every field as it was
   sent. On any difference the rest of that kind goes out singly. A profile that knows creates skips the first steps.
2. `POST /v1/batch/contacts?overwrite=true` updates by phone. It replaces all custom values, and its effect on members
   that are not sent is unknown (`heymarket-api.md` 4). So updates go out in batches only if a probe saw tags, owner and
   opt-out kept. Names, e-mail and custom values are always sent along.
3. An opt-out, another number and an emptied value go out singly. So do tags that are taken away, because tags of a
   batch may be added.
4. Reads must show `rev`: it tells whether somebody else wrote between the look and the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contacts_mcp.book.transfer.outcomes import Sent
from contacts_mcp.book.transfer.verdicts import ACTIONS, Go
from contacts_mcp.book.values import body_for, differences, is_empty
from contacts_mcp.book.writing.plan import Plan
from contacts_mcp.models import Value, Values
from contacts_mcp.state.imports import StoredRow
from contacts_mcp.state.journal import Action
from contacts_mcp.state.profile import Profile

CHUNKS = (1, 5, 25, 100, 500)  # rows, while every look shows what was sent
_KNOWN_TO_WORK = CHUNKS.index(25)  # the first chunk where the profile knows how a batch creates

_CREATES, _UPDATES = "batch_creates", "batch_overwrite"  # lines of the profile
_KEPT = ("batch_tags", "batch_owner", "batch_opt_out")
_NEVER = frozenset(["phone", "is_opted_out"])


@dataclass(slots=True)
class Batches:
    """The batches of one run."""

    profile: Profile
    kinds: set[Action]  # of writes that go out in batches
    place: int = 0  # in CHUNKS

    @classmethod
    def of_run(cls, profile: Profile, decisions: Iterable[str]) -> Batches:
        """Updates in batches begin with one row in every run."""
        kinds: set[Action] = {"create", "update"} if are_known(profile) else {"create"}
        has_updates = "update" in kinds and any(ACTIONS.get(name) == "update" for name in decisions)
        is_known = profile.position(_CREATES) == "yes" and not has_updates
        return cls(profile, kinds, _KNOWN_TO_WORK if is_known else 0)

    @property
    def size(self) -> int:
        """The most rows of the next batch."""
        return CHUNKS[self.place]

    def take(self, row: StoredRow) -> bool:
        """Whether a row is meant for a batch."""
        action = ACTIONS[row.decision]
        is_allowed = action in self.kinds and not row.shown.get("single")
        return is_allowed and (action == "create" or may_carry(row.before, row.wanted))

    def take_now(self, row: StoredRow, go: Go) -> bool:
        """Whether a row goes into a batch, by the contact as it is now. A batch could drop values that are unread."""
        if go.plan.action == "create" or not self.take(row):
            return self.take(row)
        is_dated = go.plan.rev_before > 0 and go.contact is not None and not go.contact.unread
        return is_dated and may_carry(go.plan.before, go.plan.wanted)

    def learn_from(self, sent: Sequence[Sent]) -> None:
        """Go on with more rows if everything of a batch is there as it was sent. Otherwise its kind is over."""
        in_batch = [one for one in sent if one.by_batch]
        wrong = [one for one in in_batch if one.result is None or one.result.state != "done"]
        if in_batch and not wrong:
            self.place = min(self.place + 1, len(CHUNKS) - 1)
        for one in wrong:
            self.kinds.discard(one.plan.action)
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
    return _NEVER.isdisjoint(asked) and all(_is_filled(*pair) for pair in asked.values())


def body_of(plan: Plan) -> dict[str, Any]:
    """The body of a write in a batch. An update has everything that the batch may take away."""
    if plan.action == "create":
        return plan.body()
    changed = {key: wanted for key, (_, wanted) in plan.asked.items()}
    kept = {"email": plan.wanted["email"]} if plan.wanted.get("email") else {}
    return body_for(plan.wanted, kept | changed, overwrite=True)


def _is_filled(before: Value, wanted: Value) -> bool:
    if isinstance(wanted, list) and isinstance(before, list) and not {*before} <= {*wanted}:
        return False
    return not is_empty(wanted)
