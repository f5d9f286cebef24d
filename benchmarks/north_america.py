"""The quick lane for phones of the North American plan against the library: on all pairs of area and exchange.

    python benchmarks/north_america.py             all 640,000 pairs, some minutes
    python benchmarks/north_america.py 5000        so many of them, spread evenly

It also says what a phone costs on each way. The exit status is 1 if the two ways disagree on one pair.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice

import phonenumbers

from contacts_mcp.words import north_america
from contacts_mcp.words.phones import parse_phone

PAIRS = 800 * 800
LINE = "0123"


def nationals(step: int = 1) -> Iterator[str]:
    """The national numbers of every `step`-th pair of area and exchange."""
    return (f"{200 + pair // 800}{200 + pair % 800}{LINE}" for pair in range(0, PAIRS, step))


def disagreements(step: int = 1) -> list[str]:
    """The national numbers on which the lane and the library say otherwise."""
    return [
        national
        for national in nationals(step)
        if (north_america.read(national, "US") is not None)
        != phonenumbers.is_valid_number(phonenumbers.PhoneNumber(country_code=1, national_number=int(national)))
    ]


def costs(count: int = 5_000) -> tuple[float, float]:
    """CPU microseconds a phone: on the lane, and on the long way. Numbers of New York and Oakland."""
    numbers = [f"({area}) 555-{line:04}" for area in (212, 510) for line in range(count // 2)]
    started = time.process_time()
    for number in numbers:
        parse_phone(number)
    lane = time.process_time() - started
    started = time.process_time()
    for number in islice(numbers, count // 10):
        parse_phone(f"{number}.")  # a full stop behind takes the long way
    long_way = time.process_time() - started
    return 1e6 * lane / count, 1e7 * long_way / count


def main() -> int:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    step = max(PAIRS // wanted, 1)
    found = disagreements(step)
    lane, long_way = costs()
    print(f"{-(-PAIRS // step):,} pairs, {len(found)} disagreements: {found[:5]}")
    print(f"{lane:.1f} us a phone on the lane, {long_way:.1f} us on the long way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
