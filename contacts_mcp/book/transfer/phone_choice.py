"""The one phone of a row, out of all of its columns.

1. A mobile comes before an unlabelled one, before work, before home, before others. A fax or pager is never taken.
2. The first that reads is taken. Only " ::: " and a list mean several numbers in one cell.
3. A column for the person's country places a number that lacks one. If it does not read there, it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from typing import NamedTuple

from contacts_mcp.book.transfer.cells import PhoneCell, one_phone_of_several, phone_of, plain, region_of, says_phone
from contacts_mcp.book.transfer.columns import Column, kind_of_label, rank
from contacts_mcp.book.transfer.mapping import Mapping
from contacts_mcp.words.phones import Phone, trunk_prefix

_NONE = PhoneCell(None, "no_phone", "has no phone.")


class PhoneChoice(NamedTuple):
    """The phone of a row, or the reason why there is none."""

    phone: Phone | None
    header: str = ""  # of its column
    rest: str = ""  # the other numbers of its cell
    failed: PhoneCell = _NONE
    failed_text: str = ""
    notes: tuple[str, ...] = ()  # kinds


def chosen_phone(cells: Table[str, str], mapping: Mapping, region: str) -> PhoneChoice:
    """The phone of a row. A number without a country is read in that of the row, else in `region`."""
    country = plain(mapping.said("country", cells)[1])
    written = region_of(country) if country else ""
    notes = ["country_unreadable"] if country and not written else []
    candidates = _candidates(cells, mapping)
    failed: list[tuple[PhoneCell, str]] = []
    for column, text, others in _texts(candidates):
        found = phone_of(text, written or region)
        if not found.phone:
            failed.append((found, text))
            continue
        notes += _notes_on(found.phone, text, mapping, written, region)
        notes += ["first_choice_unreadable"] if failed else []
        notes += ["more_numbers"] if others or column != candidates[-1][0] else []
        return PhoneChoice(found.phone, column.header, " ::: ".join(others), notes=tuple(notes))
    reason, text = failed[0] if failed else (_NONE, "")
    return PhoneChoice(None, failed=reason, failed_text=plain(text), notes=tuple(notes))


def _candidates(cells: Table[str, str], mapping: Mapping) -> list[tuple[Column, str]]:
    """The cells that may hold the phone, the likeliest first."""
    columns = _in_order_of(cells, mapping.phones) if mapping.is_cards else mapping.phones
    filled = [(column, cell) for column in columns if says_phone(cell := cells.get(column.header, ""))]
    kinds = [kind_of_label(cells.get(column.label, "")) if column.label else column.kind for column, _ in filled]
    found = [(rank(kind), at) for at, kind in enumerate(kinds) if kind != "never"]
    return [filled[at] for _, at in sorted(found)]


def _in_order_of(cells: Table[str, str], columns: Sequence[Column]) -> list[Column]:
    """The columns of a card, in which preferred values come first."""
    by_header = {column.header: column for column in columns}
    return [by_header[header] for header in cells if header in by_header]


def _texts(candidates: Sequence[tuple[Column, str]]) -> Iterator[tuple[Column, str, list[str]]]:
    """Each single text, with the other ones of its cell."""
    for column, cell in candidates:
        texts = one_phone_of_several(cell)
        for at, text in enumerate(texts):
            yield column, text, texts[:at] + texts[at + 1 :]


def _notes_on(phone: Phone, text: str, mapping: Mapping, written: str, region: str) -> list[str]:
    kinds = [kind for kind in phone.note_kinds if kind != "spreadsheet_number"]
    if not phone.assumed_region:
        return kinds
    if written and written != region:
        kinds = ["country_from_column" if kind == "assumed_country" else kind for kind in kinds]
    if plain(text).isdecimal():
        kinds += _notes_on_bare(plain(text), phone, () if written else mapping.regions)
    return kinds


def _notes_on_bare(digits: str, phone: Phone, regions: Sequence[str]) -> list[str]:
    """Bare digits may have lost their zero, and may be a number of another country that the file speaks of."""
    lost = trunk_prefix(phone.assumed_region) == "0" and not digits.startswith("0")
    elsewhere = [other for region in regions if (other := phone_of(digits, region).phone)]
    is_suspicious = any(other.digits != phone.digits and other.verified for other in elsewhere)
    return [*(["lost_zero"] if lost else []), *(["suspicious_country"] if is_suspicious else [])]
