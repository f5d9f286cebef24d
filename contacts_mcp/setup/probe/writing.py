"""The questions that only writing answers, asked with contacts of the probe's own.

- Every write sets a new mark (an e-mail that no other write sets). A look that shows the mark proves that this write
  was carried out, all of it. Where reads show `rev`, it must have grown by one, so nobody else wrote in between.
- The journal has an entry before each copy goes out, and the outcome after it.
- A write without a proof is tried again with another mark. Where reads show no `rev`, writing ends then, because the
  first copy may still arrive.
- A refusal counts if it comes twice. A 403 ends the writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import anyio

from contacts_mcp.api.client import Call, find_call, get_call, path_of, search_call
from contacts_mcp.api.facts import Row, contact_facts, list_shape, rows_of
from contacts_mcp.api.retries import Kind
from contacts_mcp.book.book import Book
from contacts_mcp.book.values import values_of
from contacts_mcp.errors import AccountError, RateLimited, UpstreamError
from contacts_mcp.models import Contact, Values
from contacts_mcp.setup.probe.asking import KEPT_PER_CONTACT, LONGEST_PAUSE, Asker, OutOfRequests, Told, told_by
from contacts_mcp.setup.probe.findings import Findings
from contacts_mcp.setup.probe.reading import Account, contacts_in
from contacts_mcp.state.journal import Entry

LOOK_PAUSES = (0.0, 0.3, 0.9, 1.5)  # seconds before each look
TRIES = 3  # copies of one write
MARK = "contacts-mcp-probe"
NAMES = {"first": "Contacts-MCP", "last": "Probe", "display_name": "Contacts-MCP probe"}
DEFAULT_NAME = "Contacts-MCP Probe"  # first and last
UNKNOWN_KEY = "999999999"  # of no custom field
_FORBIDDEN = 403
_LOOKS_AFTER_REFUSAL = 2  # of a batch, because every look is one of the run's few requests

Outcome = Literal["seen", "refused", "unclear"]
Age = Literal["at once", "behind", ""]  # of a look after a write; "" where an answer to it was lost


class WritingEnds(Exception):
    """No further write can be made or judged. The text is for people."""


@dataclass(frozen=True, slots=True)
class Step:
    """One write, and the contact before and after it. Both are empty where it was not seen."""

    outcome: Outcome
    before: Row
    after: Row
    told: Told | None = None  # the answer, where one came that counts

    def had(self, name: str) -> Any:
        return self.before.get(name) or ""

    def has(self, name: str) -> Any:
        return self.after.get(name) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """The parts that every write needs."""

    book: Book
    asker: Asker
    findings: Findings
    run: str  # the name of this run

    def mark(self, number: int, letter: str = "") -> str:
        return f"{MARK}-{self.run}-{number}{letter}@example.com"


class Writer:
    """The writing part of one run."""

    def __init__(self, pen: Pen, account: Account, phones: tuple[str, str], *, may_opt_out: bool) -> None:
        """`phones` are two numbers that nobody has: of the contact, and of a second one that a batch makes."""
        self._pen = pen
        self._account = account
        self._phone, self._other_phone = phones
        self._may_opt_out = may_opt_out
        self._number = 0
        self._shown: Row = {}  # the contact as the last look showed it
        self._shows_rev = True
        self.made: dict[int, Row] = {}  # the contacts of this run, as the last look showed them
        self._skipped: Entry | None = None  # of a batch that should leave a known phone alone

    async def run(self) -> None:
        """Ask everything. Raises WritingEnds, CredentialsRefused, RateLimited, OutOfRequests."""
        await self._create()
        await self._create_again()
        await self._clear_with_nothing()
        await self._refill()
        await self._clear_with_null()
        await self._leave_names_out()
        await self._send_unknown_key()
        await self._overwrite()
        await self._batches()

    # Single writes

    async def _create(self) -> None:
        names = {name: NAMES[name] for name in ("first", "last")}
        extras = self._extras()
        for extra in (extras, {}) if extras else ({},):
            mark = self._next_mark()
            body = {"phone": self._phone, "email": mark, **names, **extra}
            step = await self._send(Call("POST", "/v1/contact", body, Kind.WRITE), None, mark)
            if step.outcome == "unclear":
                raise WritingEnds("it is not known whether the contact was made")
            if step.outcome == "seen":
                break
        else:
            raise WritingEnds("no contact could be made: the service refused the create twice")
        _end_if_there_before(step.after)
        findings = self._pen.findings
        findings.add_all(contact_facts([step.after]))
        self._shows_rev = bool(step.after.get("rev"))
        if step.told and isinstance(step.told.value, Mapping) and step.told.value.get("id"):
            findings.add("create_status", str(step.told.status), "the status of a create that a look proved")
        name = step.has("display_name")
        position = {DEFAULT_NAME: "first and last", "": "empty"}.get(name, "another")
        findings.add("display_name", position, "a create without display_name was read back")

    def _extras(self) -> dict[str, Any]:
        fields, tags, members = self._account.fields, self._account.tags, self._account.members
        extras: dict[str, Any] = {}
        if fields:
            extras["custom"] = {str(number): f"probe {number}" for number in fields[:2]}
        if tags:
            extras["tags"] = [{"tag_id": tags[0]}]
        if members:
            extras["assignee_id"] = members[0]
        return extras

    async def _create_again(self) -> None:
        """A second create with the same phone."""
        mark, before = self._next_mark(), self._shown
        names = {name: NAMES[name] for name in ("first", "last")}
        call = Call("POST", "/v1/contact", {"phone": self._phone, "email": mark, **names}, Kind.WRITE)
        step = await self._send(call, None, mark, besides=before)
        findings, own = self._pen.findings, before.get("id")
        if step.outcome == "refused":
            findings.add("known_phone", "refused", "a create with the phone of the probe's contact was refused twice")
        elif step.outcome == "seen" and step.after.get("id") == own:
            findings.add("known_phone", "updated", "a create with a known phone changed the contact that was there")
            self._shown = step.after
        elif step.outcome == "seen":
            findings.add("known_phone", "doubled", "a create with a known phone made a second contact")
            self._shown = before
        else:
            findings.add("known_phone", "", "no look showed the result")
            self._end_if_undated()

    async def _clear_with_nothing(self) -> None:
        step = await self._put(self._cleared(""))
        self._judge_clearing("clear_empty", '""', step)
        if step.outcome != "seen":
            return
        fields, before = self._account.fields, step.before
        kept = [str(number) for number in fields[1:2] if _custom(before).get(str(number))]
        if kept:
            is_kept = _custom(step.after).get(kept[0]) == _custom(before)[kept[0]]
            evidence = "another custom value was not sent"
            self._pen.findings.add("merge_custom", "kept" if is_kept else "lost", evidence)
        if before.get("assigned_user_id"):
            is_gone = step.after.get("assigned_user_id") in (None, 0, -1, "")
            self._pen.findings.add("unassign", "unassigns" if is_gone else "does nothing", "assignee_id -1 was sent")

    def _cleared(self, nothing: str | None) -> dict[str, Any]:
        fields = self._account.fields
        changes: dict[str, Any] = {"last": nothing}
        if fields and _custom(self._shown).get(str(fields[0])):
            changes["custom"] = {str(fields[0]): nothing}
        if nothing == "" and self._shown.get("assigned_user_id"):
            changes["assignee_id"] = -1
        return changes

    def _judge_clearing(self, name: str, sent: str, step: Step) -> None:
        findings = self._pen.findings
        if step.outcome == "refused":
            findings.add(name, "refused", f"a PUT with {sent} was refused twice")
            return
        pairs = [(step.had("last"), step.has("last"))]
        if self._account.fields:
            key = str(self._account.fields[0])
            pairs += [(_custom(step.before).get(key), _custom(step.after).get(key))]
        pairs = [pair for pair in pairs if pair[0]]
        text = f"{len(pairs)} texts were sent as {sent} and read back"
        if pairs and not any(after for _, after in pairs):
            findings.add(name, "empties", text)
        elif pairs and _are_equal(pairs):
            findings.add(name, "does nothing", text)
        else:
            findings.add(name, "", "texts differ in it" if pairs else "no look showed the result")

    async def _refill(self) -> None:
        """Fill what was emptied, with another tag, and an opt-out."""
        fields, tags, members = self._account.fields, self._account.tags, self._account.members
        changes: dict[str, Any] = {"assignee_id": members[0]} if members else {}
        if fields:
            changes["custom"] = {str(fields[0]): f"probe {fields[0]}"}
        if len(tags) > 1:
            changes["tags"] = [{"tag_id": tags[1]}]
        if self._may_opt_out:
            changes["is_opted_out"] = True
        step = await self._put(changes)
        if step.outcome != "seen":
            return
        if len(tags) > 1:
            self._judge_tags(step, tags)
        else:
            self._pen.findings.add("put_tags", "", "the account has fewer than two tags")
        if self._may_opt_out:
            await self._judge_opt_out(step)
        else:
            self._pen.findings.add("opt_out", "", "it was not tried on a phone of somebody's own")

    def _judge_tags(self, step: Step, tags: Sequence[int]) -> None:
        before, after = _tag_ids(step.before), _tag_ids(step.after)
        text = "a PUT with another tag was read back"
        if before == {tags[0]} and after == {tags[1]}:
            self._pen.findings.add("put_tags", "replace", text)
        elif before == {tags[0]} and after == {tags[0], tags[1]}:
            self._pen.findings.add("put_tags", "add", text)
        else:
            self._pen.findings.add("put_tags", "", "the tags cannot be read, or were not kept")

    async def _judge_opt_out(self, step: Step) -> None:
        """A contact that is opted out for certain also tells whether reads show it."""
        findings = self._pen.findings
        if step.after.get("is_opted_out") is True:
            findings.add("opt_out", "it does", "is_opted_out was written and read back")
            return
        told = await self._pen.asker.read(Call("POST", "/v1/contact/status", {"id": str(step.after.get("id"))}))
        value = told.value if told and isinstance(told.value, Mapping) else {}
        if value.get("unsubscribed") is True and "is_opted_out" not in step.after:
            findings.add("opt_out", "it does", "is_opted_out was written, and the status shows it")
            findings.add("sends_opt_out", "left out", "a contact that is opted out was read")
        elif value.get("unsubscribed") is False:
            findings.add("opt_out", "it does not", "is_opted_out was written, and the status does not show it")

    async def _clear_with_null(self) -> None:
        self._judge_clearing("clear_null", "null", await self._put(self._cleared(None)))

    async def _leave_names_out(self) -> None:
        step = await self._put({}, with_names=False)
        pairs = [(step.had(name), step.has(name)) for name in NAMES if step.had(name)]
        findings, text = self._pen.findings, f"{len(pairs)} names were left out of a PUT"
        if pairs and not any(after for _, after in pairs):
            findings.add("put_names", "blanked", text)
        elif pairs and _are_equal(pairs):
            findings.add("put_names", "kept", text)
        elif step.outcome == "refused":
            findings.add("put_names", "refused", "a PUT without names was refused twice")
        else:
            findings.add("put_names", "", "names differ in it" if pairs else "no look showed the result")

    async def _send_unknown_key(self) -> None:
        findings = self._pen.findings
        if int(UNKNOWN_KEY) in self._account.fields or "fields" in self._account.unread:
            findings.add("unknown_custom_key", "", "the custom fields are not known")
            return
        step = await self._put({"custom": {UNKNOWN_KEY: "probe"}})
        if step.outcome == "refused":
            findings.add("unknown_custom_key", "refused", "a PUT with an unknown key was refused twice")
        elif step.outcome == "seen":
            is_kept = UNKNOWN_KEY in _custom(step.after)
            findings.add("unknown_custom_key", "kept" if is_kept else "dropped", "a PUT with one was read back")

    async def _overwrite(self) -> None:
        """All custom values replaced by one, and the names filled again."""
        fields = self._account.fields
        changes = {"custom": {str(fields[0]): f"probe {fields[0]}"}} if fields else {}
        step = await self._put(changes, overwrite=True)
        if step.outcome != "seen" or len(fields) < 2:  # noqa: PLR2004 -- one that is sent, and one that is not
            self._pen.findings.add("overwrite_custom", "", "the account has fewer than two custom fields")
            return
        key = str(fields[1])
        before, after = _custom(step.before).get(key), _custom(step.after).get(key)
        if before:
            text = "another custom value was not sent"
            self._pen.findings.add("overwrite_custom", "kept" if after == before else "lost", text)

    # Batches

    async def _batches(self) -> None:
        old, known = self._shown, await self._batch_with_new()
        await self._batch_without_the_rest(old if known else {})
        if known:
            await self._batch_of_two(known)

    async def _batch_with_new(self) -> Row:
        """A batch of the contact that is there and of a new one. Returns the new one, {} where it was not made."""
        marks = self._next_mark("a"), self._next_mark("b")
        custom = {"custom": {str(number): f"probe {number}" for number in self._account.fields[:1]}}
        filled = NAMES | (custom if self._account.fields else {})
        bodies: list[dict[str, Any]] = [
            {"phone": self._phone, "email": marks[0], **NAMES},
            {"phone": self._other_phone, "email": marks[1], **filled},
        ]
        entries = [
            await self._begun("update", self._shown, marks[0]),
            await self._begun("create", {}, marks[1], phone=bodies[1]["phone"]),
        ]
        told = await self._batch(bodies, entries, overwrite=False)
        is_refused = told is not None and told.is_refused
        looks = _LOOKS_AFTER_REFUSAL if is_refused else len(LOOK_PAUSES)  # the reply of a batch proves nothing
        made, _ = await self._look_for(self._other_phone, marks[1], tries=looks)
        if not made and told is not None and is_refused:
            await self._finish_all(entries, "not_done")
            self._pen.findings.add("batch_creates", "", f"a batch of two was refused ({told.status})")
            return {}
        if not made:
            await self._finish_all(entries, "unknown")
            raise WritingEnds("no look showed the contact that a batch should have made")
        await self._finish(entries[1], "done", made)
        own, _ = await self._look_for(self._phone, marks[0], tries=1)
        await self._finish(entries[0], "done" if own else "unknown", own)
        _end_if_there_before(made)
        self._judge_batch(told, made, bodies[1])
        if own:
            self._pen.findings.add("batch_existing", "updated", "a batch changed a contact with a known phone")
            self._shown = own
        self._skipped = None if own else entries[0]
        return made

    async def _batch(
        self, bodies: Sequence[Mapping[str, Any]], entries: Sequence[Entry], *, overwrite: bool
    ) -> Told | None:
        """A batch, which is sent again if it is refused."""
        query = (("overwrite", "true" if overwrite else "false"),)
        call = Call("POST", "/v1/batch/contacts", list(bodies), Kind.WRITE, query=query)
        told = await self._copied(call, *entries)
        return await self._copied(call, *entries) if told is not None and told.is_refused else told

    def _judge_batch(self, told: Told | None, made: Row, sent: Mapping[str, Any]) -> None:
        findings = self._pen.findings
        position = "yes" if _is_as_sent(made, sent) else "in part"
        findings.add("batch_creates", position, "a contact of a batch was read back")
        if told is not None and (position := _reply_of_batch(told.value, made)):
            findings.add("batch_reply", position, "the reply of a batch that made a contact")

    async def _batch_without_the_rest(self, old: Row) -> None:
        """A batch of one, with overwrite. `old` is the contact before an earlier batch that should have skipped it."""
        mark, before = self._next_mark(), self._shown
        entry = await self._begun("update", before, mark)
        bodies = [{"phone": self._phone, "email": mark}]
        told = await self._batch(bodies, [entry], overwrite=True)
        after = await self._after_batch(told, entry, self._phone, mark)
        findings = self._pen.findings
        if told and told.is_refused:
            findings.add("batch_overwrite", "refused", f"a batch with overwrite was refused ({told.status})")
        if not after or after.get("id") != before.get("id"):
            return
        self._shown = after
        if self._is_next(before, after):
            await self._judge_batch_without_the_rest(old, before, after)

    async def _after_batch(self, told: Told | None, entry: Entry, phone: str, mark: str) -> Row:
        """The contact as a batch left it, {} where no look shows the mark. The entry is finished."""
        if told is not None and told.is_refused:
            await self._finish(entry, "not_done", {})
            return {}
        after, _ = await self._look_for(phone, mark)
        await self._finish(entry, "done" if after else "unknown", after)
        return after

    async def _judge_batch_without_the_rest(self, old: Row, before: Row, after: Row) -> None:
        findings = self._pen.findings
        findings.add("batch_overwrite", "it does", "a batch of one with overwrite=true was read back")
        if self._skipped and old.get("rev") and old.get("rev") == before.get("rev"):
            findings.add("batch_existing", "skipped", "a batch left a contact with a known phone as it was")
            await self._finish(self._skipped, "not_done", {})
        for name, had, has in (
            ("batch_names", before.get("first"), after.get("first")),
            ("batch_custom", _custom(before), _custom(after)),
            ("batch_tags", _tag_ids(before), _tag_ids(after)),
            ("batch_owner", before.get("assigned_user_id"), after.get("assigned_user_id")),
            ("batch_opt_out", before.get("is_opted_out"), after.get("is_opted_out")),
        ):
            if had:
                findings.add(name, "kept" if has == had else "lost" if not has else "changed", "they were not sent")

    async def _batch_of_two(self, other: Row) -> None:
        """A batch of two that are there, with overwrite."""
        marks, befores = (self._next_mark("a"), self._next_mark("b")), (self._shown, other)
        phones = (self._phone, self._other_phone)
        entries = [await self._begun("update", before, mark) for before, mark in zip(befores, marks, strict=True)]
        custom = {str(number): f"probe {number}" for number in self._account.fields[:1]}
        filled = NAMES | ({"custom": custom} if custom else {})
        bodies = [{"phone": phone, "email": mark, **filled} for phone, mark in zip(phones, marks, strict=True)]
        told = await self._batch(bodies, entries, overwrite=True)
        triples = zip(entries, phones, marks, strict=True)
        afters = [await self._after_batch(told, *each) for each in triples]
        if all(afters):
            is_whole = all(_is_as_sent(after, filled) for after in afters)
            text = "a batch of two with overwrite=true was read back"
            self._pen.findings.add("batch_overwrite", "it does" if is_whole else "in part", text)

    # One write

    async def _put(self, changes: dict[str, Any], *, overwrite: bool = False, with_names: bool = True) -> Step:
        query = (("overwrite", "true" if overwrite else "false"),)
        for _ in range(TRIES):
            mark, before = self._next_mark(), self._shown
            body = {"phone": self._phone, "email": mark, **(NAMES if with_names else {}), **changes}
            call = Call("PUT", path_of(before["id"]), body, Kind.WRITE, query=query)
            step = await self._send(call, before, mark)
            if step.outcome != "unclear":
                return step
            self._end_if_undated()
            await self._look_again()
        return step

    async def _look_again(self) -> None:
        """The contact as it is now, whatever came of the last write."""
        told = await self._pen.asker.read(get_call(self._shown["id"]))
        if told and isinstance(told.value, Mapping) and self._is_ours(told.value):
            self._shown = told.value

    async def _send(self, call: Call, before: Row | None, mark: str, *, besides: Row | None = None) -> Step:
        """One write with its entry, and a look. A refusal is asked for twice. `before` is None for a create."""
        told, entry = await self._sent(call, before, mark)
        if entry is None:
            return Step("refused", {}, {}, told)
        at = before.get("id") if before is not None else _id_of(told)
        after, age = await self._look_for(self._phone, mark, contact_id=at)
        await self._finish(entry, "done" if after else "unknown", after)
        if after:
            self._shown = after
        if not after or (before is not None and not self._is_next(before, after)):
            return Step("unclear", {}, {}, told)
        if told is not None and age:
            self._pen.findings.note_age(is_behind=age == "behind")
        return Step("seen", besides or before or {}, after, told)

    async def _sent(self, call: Call, before: Row | None, mark: str) -> tuple[Told | None, Entry | None]:
        """The answer to a write, and its entry. No entry where it was refused twice."""
        told: Told | None = None
        for _ in range(2):
            entry = await self._begun("create" if before is None else "update", before or {}, mark, phone=self._phone)
            told = await self._copied(call, entry)
            if told is None or not told.is_refused:
                return told, entry
            await self._finish(entry, "not_done", {})
        return told, None

    def _is_next(self, before: Row, after: Row) -> bool:
        """Whether exactly one write lies between the two, as far as `rev` tells."""
        old, new = before.get("rev"), after.get("rev")
        return new == old + 1 if isinstance(old, int) and isinstance(new, int) else not old and not new

    async def _copied(self, call: Call, *entries: Entry) -> Told | None:
        """As `_copy`. Every error of it proves that nothing was carried out, and the entries are told."""
        try:
            return await self._copy(call)
        except (AccountError, OutOfRequests, WritingEnds):
            await self._finish_all(entries, "not_done")
            raise

    async def _copy(self, call: Call) -> Told | None:
        """One copy of a write. None where no answer came that counts. Raises WritingEnds where it is forbidden."""
        for _ in range(TRIES):
            try:
                told = told_by(await self._pen.asker.once(call))
            except RateLimited as refused:  # not carried out; the pace holds the next copy back
                if (refused.retry_after or 0) > LONGEST_PAUSE:
                    raise
                continue
            except UpstreamError:
                return None
            if told is not None and told.status == _FORBIDDEN:
                raise WritingEnds("these credentials may not write (403)")
            return told
        raise WritingEnds("the service kept refusing for rate")

    async def _look_for(
        self, phone: str, mark: str, *, contact_id: Any = None, tries: int = len(LOOK_PAUSES)
    ) -> tuple[Row, Age]:
        """The contact that shows `mark`, {} where no look does, and whether a look was behind."""
        age: Age = ""
        for number, pause in enumerate(LOOK_PAUSES[:tries]):
            await anyio.sleep(pause)
            used = self._pen.asker.used
            shown = await self._looked(phone, contact_id)
            is_prompt = number == 0 and self._pen.asker.used == used + 1
            found = next((row for row in shown or () if row.get("email") == mark), None)
            if found is not None:
                return found, "at once" if is_prompt else age
            age = "behind" if shown is not None else age
        return {}, ""

    async def _looked(self, phone: str, contact_id: Any) -> list[Row] | None:
        """The contact with that id, or those with that phone. None where no clear answer came."""
        if contact_id is not None:
            call = get_call(contact_id)
        elif self._pen.findings.position("search") == "they may":
            call = search_call(phones=[phone])
        else:
            call = find_call(phone)
        told = await self._pen.asker.read(call, believes=True)
        return None if told is None else contacts_in(told)

    # The journal

    async def _begun(self, action: Literal["create", "update"], before: Row, mark: str, *, phone: str = "") -> Entry:
        creations = len(await self._pen.book.journal.made_by_probe()) + (action == "create")
        self._pen.asker.hold_back(KEPT_PER_CONTACT * creations)
        if self._pen.asker.left < 1 + len(LOOK_PAUSES):
            raise OutOfRequests
        values = values_of(Contact.model_validate(before)) if before else {}
        wanted: Values = values | {"phone": phone or values.get("phone", ""), "email": mark}
        return await self._pen.book.journal.begin(
            Entry(
                action=action,
                contact_id=int(before["id"]) if before else None,
                before=values,
                wanted=wanted,
                rev_before=int(before.get("rev") or 0),
                updated_before=str(before.get("updated") or ""),
                record={"probe": self._pen.run},
            )
        )

    async def _finish(self, entry: Entry, state: Literal["done", "not_done", "unknown"], after: Row) -> None:
        journal = self._pen.book.journal
        if state == "unknown":
            await journal.finish(replace(journal.given_up(entry), state=state))
            return
        contact = Contact.model_validate(after) if after else None
        if contact is not None:
            self.made[contact.id] = after
        found: dict[str, Any] = (
            {
                "contact_id": contact.id,
                "after": values_of(contact),
                "rev_after": contact.rev,
                "updated_after": contact.updated,
            }
            if contact
            else {}
        )
        await journal.finish(replace(entry, state=state, **found))

    async def _finish_all(self, entries: Sequence[Entry], state: Literal["not_done", "unknown"]) -> None:
        for entry in entries:
            await self._finish(entry, state, {})

    def _next_mark(self, letter: str = "") -> str:
        self._number += 1
        return self._pen.mark(self._number, letter)

    def _is_ours(self, row: Row) -> bool:
        return is_mark(row.get("email"), self._pen.run)

    def _end_if_undated(self) -> None:
        """After a write of unknown outcome, only `rev` tells whether it arrived between two looks."""
        if not self._shows_rev:
            raise WritingEnds("a change without a clear answer may still arrive, and reads show no rev to tell it by")


def _end_if_there_before(made: Row) -> None:
    """Raises WritingEnds where a create seems to have gone into a contact that was there."""
    rev = made.get("rev")
    if isinstance(rev, int) and rev > 1:
        raise WritingEnds("the contact that was to be made may have been there before")


def is_mark(email: Any, run: str) -> bool:
    """Whether an e-mail is a mark of that run."""
    return isinstance(email, str) and email.startswith(f"{MARK}-{run}-") and email.endswith("@example.com")


def _are_equal(pairs: Sequence[tuple[Any, Any]]) -> bool:
    return all(before == after for before, after in pairs)


def _is_as_sent(row: Row, sent: Mapping[str, Any]) -> bool:
    """Whether a contact has the names and the custom values of a batch, and no other."""
    return all(row.get(name) == sent[name] for name in NAMES) and _custom(row) == sent.get("custom", {})


def _reply_of_batch(value: Any, made: Row) -> str:
    """How a batch that made a contact was answered, "" where that is none of the known ways."""
    rows = rows_of("/v1/contacts", value) if list_shape(value) else []
    if value == "ok":
        return "ok"
    if any(row.get("id") == made.get("id") for row in rows):
        return "contacts"
    return "the failed ones" if value == [] or (rows and all("id" not in row for row in rows)) else ""


def _custom(row: Row) -> dict[str, Any]:
    """The custom values that are not empty."""
    held = row.get("custom")
    return {str(key): value for key, value in held.items() if value} if isinstance(held, Mapping) else {}


def _tag_ids(row: Row) -> set[int]:
    return {*Contact.model_validate(row).tags} if row else set()


def _id_of(told: Told | None) -> int | None:
    value = told.value.get("id") if told and isinstance(told.value, Mapping) else None
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None
