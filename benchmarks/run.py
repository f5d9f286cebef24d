"""Prints the table of measurements. Exits 1 when a target is missed by more than the noise.

Arguments choose among the measurements: start, lookup, requests, trip.
"""

from __future__ import annotations

import sys

import counting
import lookup
import start
import trip
from measuring import MISSED

MEASUREMENTS = {
    "start": start.measure,
    "lookup": lookup.measure,
    "requests": counting.measure,
    "trip": trip.measure,
}


def main(chosen: list[str]) -> int:
    unknown = [name for name in chosen if name not in MEASUREMENTS]
    if unknown:
        print(f"There is no measurement {unknown[0]}; there are: {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    missed = 0
    for name in chosen or MEASUREMENTS:
        for row in MEASUREMENTS[name]():
            print(row, flush=True)
            missed += row.verdict == MISSED
    print(f"targets missed: {missed}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
