"""The positions that a probe saw, with their evidence."""

from __future__ import annotations

from collections.abc import Mapping

from contacts_mcp.setup.probe.questions import BY_NAME, QUESTIONS, Part
from contacts_mcp.state.profile import Seen

NOT_ASKED = "it was not asked"
ONLY_WRITING_TELLS = "only a write can tell; add --write"


class Findings:
    """The answers to each question. Two answers that disagree leave no position, whatever comes later."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._torn: set[str] = set()

    def add(self, name: str, position: str, evidence: str = "") -> None:
        """One answer. An empty position says that this answer could not tell."""
        assert name in BY_NAME, name
        known = self._seen.get(name)
        if name in self._torn or (known and known.position and not position):
            return
        if known and known.position and known.position != position:
            self._torn.add(name)
            both = f"seen both ways: {known.position} ({known.evidence}), {position} ({evidence})"
            self._seen[name] = Seen("", both, is_torn=True)
            return
        if known is None or not known.position:
            self._seen[name] = Seen(position, evidence)

    def note_age(self, *, is_behind: bool) -> None:
        """One read that is behind a write proves that reads may be. Others prove only themselves."""
        if is_behind or not self.position("read_after_write"):
            position = "behind" if is_behind else "at once"
            self._seen["read_after_write"] = Seen(position, "the first look after a write")

    def add_all(self, facts: Mapping[str, Seen]) -> None:
        for name, seen in facts.items():
            self.add(name, seen.position, seen.evidence)

    def position(self, name: str) -> str:
        """The position, "" where it cannot be told."""
        found = self._seen.get(name)
        return found.position if found else ""

    def all(self, *, with_writes: bool) -> dict[str, Seen]:
        """An answer to each question, in the order of the table."""
        missing: dict[Part, str] = {"reads": NOT_ASKED, "writes": NOT_ASKED if with_writes else ONLY_WRITING_TELLS}
        return {one.name: self._seen.get(one.name, Seen("", missing[one.part])) for one in QUESTIONS}
