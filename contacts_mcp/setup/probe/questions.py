"""The questions of a probe as a table. The names are those of the profile's lines (`state/profile.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Part = Literal["reads", "writes"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question."""

    name: str
    asks: str
    expected: str  # by the contract
    part: Part = "reads"
    follows: Mapping[str, str] = field(default_factory=dict)  # position -> the consequence; "" for any other

    def consequence(self, position: str) -> str:
        """The consequence of a position for this server, "" where there is none."""
        if not position:
            return "Every way is still tried." if self.follows else ""
        return self.follows.get(position, self.follows.get("", ""))


_READ_EITHER_WAY = {"": "It is read either way."}
_TIES = {
    "ignored": "It is not tried where many contacts share one moment.",
    "refused": "It is not tried where many contacts share one moment.",
    "counts": "Contacts that share one moment are read page by page.",
}

QUESTIONS = (
    Question("lists", "How do lists come?", "bare or wrapped", follows=_READ_EITHER_WAY),
    Question("count_shape", "How does the count come?", "number, string or object", follows=_READ_EITHER_WAY),
    Question("field_ids", "How do ids of custom fields come?", "numbers or strings", follows=_READ_EITHER_WAY),
    Question("field_name", "Where is the name of a custom field?", "title or name", follows=_READ_EITHER_WAY),
    Question("tag_shape", "How do tags of a contact come?", "three shapes", follows=_READ_EITHER_WAY),
    Question("phone_form", "How do phones come?", "digits", follows=_READ_EITHER_WAY),
    Question("timestamps", "How exact are timestamps?", "whole seconds", follows=_READ_EITHER_WAY),
    Question("offset", "Which offset have timestamps?", "Z", follows=_READ_EITHER_WAY),
    Question("empty_members", "Are empty members sent?", "left out", follows=_READ_EITHER_WAY),
    Question("sends_uuid", "Do reads show uuid?", "not relied on"),
    Question(
        "sends_rev",
        "Do reads show rev?",
        "sent",
        follows={"left out": "The age of a look is told by updated.", "sent": "The age of a look is told by rev."},
    ),
    Question("sends_updated", "Do reads show updated?", "sent"),
    Question(
        "sends_opt_out",
        "Do reads show is_opted_out?",
        "may be missing",
        follows={"left out": "Filters by opt-out leave contacts out, and say so."},
    ),
    Question("order", "In which order is the list?", "newest change first"),
    Question(
        "cursor",
        "Is the cursor strict or inclusive?",
        "strict",
        follows={"": "Contacts of the last moment are asked for again, and dropped by id."},
    ),
    Question("page_size", "How long is a page?", "up to 30"),
    Question(
        "limit",
        "Does limit count?",
        "unknown",
        follows={"ignored": "No larger page is tried.", "refused": "No larger page is tried."},
    ),
    Question(
        "largest_page",
        "How long may a page be?",
        "unknown",
        follows={"": "Walks of the whole list ask for pages of that length."},
    ),
    Question("page", "Does page count?", "unknown", follows=_TIES),
    Question("page_beside_date", "Does page count beside a cursor?", "unknown", follows=_TIES),
    Question("not_found", 'How is "not there" said?', "404, 400 or null", follows=_READ_EITHER_WAY),
    Question(
        "error_body", "What is the body of an error?", "unknown", follows={"": "The message is quoted in errors."}
    ),
    Question("search", "May these credentials search by phone?", "they may"),
    Question("request_ids", "Do answers carry X-Request-Id?", "sent"),
    Question("retry_after", "Does a 429 carry Retry-After?", "unknown"),
    Question("latency", "How long does an answer take?", "unknown"),
    Question("create_status", "Which status has a create?", "any 2xx", "writes", _READ_EITHER_WAY),
    Question("display_name", "Which display name has a new contact?", "first and last", "writes"),
    Question(
        "read_after_write",
        "Does a read right after a write show it?",
        "unknown",
        "writes",
        {"behind": "Looks are repeated, as always."},
    ),
    Question(
        "known_phone",
        "What does a create with a known phone?",
        "an error, an update or a double",
        "writes",
        {"": "The phone is looked up before every create."},
    ),
    Question(
        "clear_empty",
        'Does "" empty a text?',
        "unknown",
        "writes",
        {"does nothing": "It is not tried first.", "refused": "It is not tried first.", "empties": "It is sent first."},
    ),
    Question(
        "clear_null",
        "Does null empty a text?",
        "unknown",
        "writes",
        {"does nothing": "It is not tried.", "refused": "It is not tried."},
    ),
    Question("unassign", "Does assignee_id -1 unassign?", "it does", "writes"),
    Question("merge_custom", "Does overwrite=false keep other custom values?", "it does", "writes"),
    Question("overwrite_custom", "Does overwrite=true drop other custom values?", "it does", "writes"),
    Question(
        "put_names",
        "What does a PUT without names do to them?",
        "unknown",
        "writes",
        {"kept": "Names that nobody changes are not sent.", "blanked": "Names are always sent along."},
    ),
    Question(
        "put_tags", "Do tags of a PUT replace or add?", "replaced", "writes", {"": "Tags are read back after a write."}
    ),
    Question(
        "unknown_custom_key",
        "What becomes of an unknown custom key?",
        "dropped",
        "writes",
        {"": "Keys are checked before they are sent."},
    ),
    Question("opt_out", "Does a write set is_opted_out?", "it does", "writes"),
    Question("batch_reply", "What does a batch answer?", "three shapes", "writes", {"": "The reply proves nothing."}),
    Question(
        "batch_creates",
        "Does a batch create contacts with all that was sent?",
        "it does",
        "writes",
        {"yes": "An import begins with larger batches."},
    ),
    Question("batch_existing", "What does a batch do to a known phone?", "skipped", "writes"),
    Question(
        "batch_overwrite",
        "Does a batch with overwrite=true update contacts?",
        "it does",
        "writes",
        {"it does": "Some changes of many go out in batches, if all that is not sent is kept."},
    ),
    Question("batch_names", "... and names that are not sent?", "unknown", "writes"),
    Question("batch_custom", "... and custom values that are not sent?", "unknown", "writes"),
    Question("batch_tags", "... and tags that are not sent?", "unknown", "writes"),
    Question("batch_owner", "... and the owner that is not sent?", "unknown", "writes"),
    Question("batch_opt_out", "... and an opt-out that is not sent?", "unknown", "writes"),
    Question("deleted_look", "What does a look at a deleted contact show?", "404, 400 or null", "writes"),
)
BY_NAME = {question.name: question for question in QUESTIONS}
