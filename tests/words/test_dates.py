"""A date is stored as YYYY-MM-DD if it can be read in one way only, and refused with its readings otherwise."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import effort

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.words.cleaning import Cleaned
from contacts_mcp.words.dates import FIRST_YEAR, LAST_YEAR, looks_like_date_field, read_date

DAY = "2027-01-15"  # a Friday

ONE_WAY = {
    "article": "the 15th of January 2027",
    "preposition": "on 2027-01-15",
    "korean": "2027년 1월 15일",
    "month-first": "January 15, 2027",
    "month-first-without-comma": "January 15 2027",
    "month-first-short": "Jan 15, 2027",
    "month-first-short-dot": "Jan. 15, 2027",
    "month-first-ordinal": "January 15th, 2027",
    "month-first-small": "january 15, 2027",
    "month-first-capitals": "JAN 15 2027",
    "day-first": "15 January 2027",
    "day-first-ordinal": "15th January 2027",
    "day-first-of": "15th of January, 2027",
    "day-first-hyphens": "15-Jan-2027",
    "day-first-slashes": "15/Jan/2027",
    "day-first-glued": "15Jan2027",
    "year-first-name": "2027 January 15",
    "year-first-name-hyphens": "2027-Jan-15",
    "year-first-slashes": "2027/01/15",
    "year-first-dots": "2027.01.15",
    "year-first-one-digit": "2027-1-15",
    "year-first-spaces": "2027 - 01 - 15",
    "day-over-twelve": "15/01/2027",
    "day-over-twelve-american": "01/15/2027",
    "day-over-twelve-dots": "15.01.2027",
    "day-over-twelve-hyphens": "15-1-2027",
    "day-over-twelve-spaces": "15 01 2027",
    "eight-digits": "20270115",
    "eight-digits-american": "01152027",
    "weekday": "Friday, January 15, 2027",
    "weekday-short": "Fri 15 Jan 2027",
    "weekday-the": "Friday the 15th of January 2027",
    "sentence": "January 15, 2027.",
    "full-width": "２０２７／０１／１５",
    "other-digits": "٢٠٢٧-٠١-١٥",
    "other-dashes": "2027\u201301\u201315",
    "german": "15. Januar 2027",
    "german-weekday": "Freitag, den 15. Januar 2027",
    "austrian": "15. Jänner 2027",
    "french": "15 janvier 2027",
    "spanish": "15 de enero de 2027",
    "portuguese": "15 de janeiro de 2027",
    "italian": "15 gennaio 2027",
    "dutch": "15 januari 2027",
    "chinese": "2027年1月15日",
}

WITH_TIME = {
    "midnight": "2027-01-15T00:00:00Z",
    "offset": "2027-01-15T09:30:00-08:00",
    "fraction": "2027-01-15T09:30:00.000Z",
    "space": "2027-01-15 09:30",
    "clock": "January 15, 2027 9:30 AM",
    "at": "15 January 2027 at 9:30 p.m.",
    "american": "01/15/2027 9:30",
}

# id: (given, what the refusal says)
REFUSED = {
    "polish": ("15 stycznia 2027", "is a date in a form that is not read for certain"),
    "russian": ("15 января 2027", "is a date in a form that is not read for certain"),
    "arabic": ("١٥ يناير ٢٠٢٧", "is a date in a form that is not read for certain"),
    "buddhist-year": ("15 มกราคม 2570", "is a date in a form that is not read for certain"),
    "vietnamese": ("15 tháng 1 năm 2027", "is a date in a form that is not read for certain"),
    "japanese-era": ("令和9年1月15日", "is a date in a form that is not read for certain"),
    "roman-month": ("15/I/2027", "is a date in a form that is not read for certain"),
    "of-a-program": ("Fri Jan 15 00:00:00 PST 2027", "is a date in a form that is not read for certain"),
    "day-in-words": ("January fifteenth 2027", "is a date in a form that is not read for certain"),
    "part-of-a-month": ("mid January 2027", "is a date in a form that is not read for certain"),
    "two-days": ("2027-01-15 or 2027-02-15", "is a date in a form that is not read for certain"),
    "span": ("2027-01-15 - 2027-02-15", "is a date in a form that is not read for certain"),
    "more-than-a-day": ("2027-01-15 (renewed)", "is a date in a form that is not read for certain"),
    "limit": ("before January 15, 2027", "is a date in a form that is not read for certain"),
    "two-ways": ("03/04/2027", "can be 2027-03-04 or 2027-04-03"),
    "two-ways-dots": ("3.4.2027", "can be 2027-03-04 or 2027-04-03"),
    "two-ways-hyphens": ("03-04-2027", "can be 2027-03-04 or 2027-04-03"),
    "two-ways-eight-digits": ("10112012", "can be 2012-10-11 or 2012-11-10"),
    "two-ways-with-time": ("03/04/2027 9:30", "can be 2027-03-04 or 2027-04-03"),
    "thirtieth-of-february": ("2027-02-30", "is a day that does not exist"),
    "no-leap-day": ("Feb 29, 2027", "is a day that does not exist"),
    "thirty-first-of-april": ("31/04/2027", "is a day that does not exist"),
    "thirteenth-month": ("2027-13-01", "is a day that does not exist"),
    "month-zero": ("2027-00-10", "is a day that does not exist"),
    "day-zero": ("January 0, 2027", "is a day that does not exist"),
    "both-over-twelve": ("13/14/2027", "is a day that does not exist"),
    "year-of-a-typo": ("0227-01-15", "is a day that does not exist"),
    "another-weekday": ("Monday, January 15, 2027", "is another day of the week"),
    "two-digits": ("1/15/27", "has a year of two digits"),
    "two-digits-name": ("Jan 15, 27", "has a year of two digits"),
    "two-digits-apostrophe": ("Jan 15th, '27", "has a year of two digits"),
    "two-digits-hyphens": ("15-Jan-27", "has a year of two digits"),
    "two-digits-german": ("15.01.27", "has a year of two digits"),
    "no-year": ("January 15", "has no year"),
    "no-year-day-first": ("15 January", "has no year"),
    "no-year-numbers": ("1/15", "has no year"),
    "no-year-weekday": ("Friday, January 15", "has no year"),
    "no-day": ("January 2027", "has no day"),
    "no-day-numbers": ("01/2027", "has no day"),
    "no-day-year-first": ("2027-01", "has no day"),
    "year-alone": ("2027", "has no day"),
    "month-alone": ("January", "has no day"),
    "quarter": ("Q1 2027", "has no day"),
    "week": ("2027-W03-5", "has no day"),
    "day-of-the-year": ("2027-015", "is the number of a day in its year"),
    "spreadsheet": ("46402", "is the number that a spreadsheet has for a day"),
    "spreadsheet-time": ("46402.5", "is the number that a spreadsheet has for a day"),
    "seconds": ("1799971200", "is a moment of a computer's clock"),
    "milliseconds": ("1799971200000", "is a moment of a computer's clock"),
    "tomorrow": ("Tomorrow", "depends on today"),
    "weekday-alone": ("Friday", "depends on today"),
    "next-weekday": ("next Friday", "depends on today"),
    "next-month": ("next month", "depends on today"),
    "in-weeks": ("in 3 weeks", "depends on today"),
    "ago": ("2 days ago", "depends on today"),
    "end-of-month": ("end of the month", "depends on today"),
    "end-of-a-month": ("end of January 2027", "depends on today"),
}

NO_DATES = [
    "never",
    "n/a",
    "see notes",
    "TBD",
    "Premium",
    "5",
    "12345",
    "(510) 555-3344",
    "last resort",
    "one day",
    "cancelled in 2024",
    "2 of 3",
    "x" * 5_000,
]


@pytest.mark.parametrize("given", ONE_WAY.values(), ids=ONE_WAY.keys())
def test_a_date_with_one_reading_is_converted_and_the_note_says_so(given: str) -> None:
    read = read_date(given, argument="custom_fields", field="Renewal Date")
    assert read == Cleaned(DAY, [f'Renewal Date: "{given}" was read as {DAY}.'])
    assert [note.kind for note in read.notes] == ["date_converted"]


@pytest.mark.parametrize("given", WITH_TIME.values(), ids=WITH_TIME.keys())
def test_a_time_is_left_out_and_the_note_says_so(given: str) -> None:
    assert read_date(given, argument="custom_fields") == Cleaned(
        DAY, [f'custom_fields: "{given}" was read as {DAY}, without its time.']
    )


@pytest.mark.parametrize(("given", "fault"), REFUSED.values(), ids=REFUSED.keys())
def test_a_date_that_cannot_be_read_in_one_way_is_refused(given: str, fault: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_date(given, argument="custom_fields", field="Renewal Date")
    assert str(caught.value) == f'custom_fields: "{given}" for Renewal Date {fault}. Write it as YYYY-MM-DD.'


@pytest.mark.parametrize("given", NO_DATES, ids=lambda given: given[:12])
def test_a_text_that_is_no_date_stays_as_it_is(given: str) -> None:
    assert read_date(given, argument="custom_fields") == (given, [])


@pytest.mark.parametrize("given", [DAY, "1985-12-31", "2024-02-29", f" {DAY}\n"])
def test_a_date_in_the_right_form_stays_without_a_note(given: str) -> None:
    assert read_date(given, argument="custom_fields") == (given.strip(), [])


@pytest.mark.parametrize(
    ("name", "known", "is_one"),
    [
        ("Plan", ["2027-01-15", "2026-12-31"], True),
        ("Renewal Date", ["Gold", "Premium"], False),
        ("Renewal Date", ["01/15/2027"], False),
        ("Plan", ["2027-01-15"] * 8 + ["never", "TBD"], True),
        ("Plan", ["2027-01-15"] * 7 + ["never", "TBD", "x"], False),
        ("Plan", ["", " ", "2027-01-15"], True),
        ("Renewal Date", [], True),
        ("renewal_date", [], True),
        ("renewalDate", ["", " "], True),
        ("Date of Birth", [], True),
        ("DOB", [], True),
        ("Birthday", [], True),
        ("Policy renewal", [], True),
        ("Fecha de nacimiento", [], True),
        ("Geburtstag", [], True),
        ("Customer since", [], True),
        ("Renewal fee", [], False),
        ("Due amount", [], False),
        ("Last update", [], False),
        ("Plan", [], False),
        ("Candidate", [], False),
        ("", [], False),
    ],
)
def test_a_field_holds_dates_by_its_values_or_else_by_its_name(name: str, known: list[str], is_one: bool) -> None:
    assert looks_like_date_field(name, known) is is_one


DAYS = st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31))


@given(
    DAYS,
    st.sampled_from(["%B %d, %Y", "%d %b %Y", "%Y/%m/%d", "%A, %B %d, %Y", "%Y%m%d", "%d-%b-%Y", "%Y-%m-%dT%H:%M:%SZ"]),
)
def test_every_day_is_read_from_every_form_with_one_reading(day: date, form: str) -> None:
    assert read_date(day.strftime(form), argument="x").text == day.isoformat()


@given(DAYS, st.sampled_from("/.-"))
def test_numbers_with_the_year_behind_are_read_if_one_order_is_possible(day: date, sign: str) -> None:
    for form in (f"%d{sign}%m{sign}%Y", f"%m{sign}%d{sign}%Y"):
        if day.day > 12 or day.day == day.month:
            assert read_date(day.strftime(form), argument="x").text == day.isoformat()
        else:
            with pytest.raises(InvalidArgument, match=f"{day}"):
                read_date(day.strftime(form), argument="x")


@given(st.text(max_size=40) | st.text("0123456789-/. janfebmrTZ:,'", max_size=25))
def test_any_text_is_a_day_or_is_refused_or_stays(given: str) -> None:
    try:
        text, notes = read_date(given, argument="x")
    except InvalidArgument:
        return
    if notes:
        assert date.fromisoformat(text)
    else:
        assert text == given.strip()
    assert read_date(text, argument="x") == (text, [])


@pytest.mark.parametrize("piece", ["1", "1/", "jan ", "fri ", "1 ", "of ", "'", "monday,"])
def test_a_long_text_is_read_quickly(piece: str) -> None:
    def read(length: int) -> None:
        with suppress(InvalidArgument):
            read_date((piece * length)[:length], argument="x")

    for length in (60, 10_000):
        assert effort(partial(read, length)) < 0.1
