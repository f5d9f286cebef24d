"""How two things are compared: in turns, in one run, by the ratio of their medians.

The noise printed beside a ratio is half the width of its 95 % interval, from resampling the same measurements.
A target is missed only where the ratio is over it by more than the noise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

RESAMPLES = 400

OK = "ok"
CLOSE = "over, but by less than the noise"
MISSED = "MISSED"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    figures: str
    verdict: str = ""  # `OK`, `CLOSE` or `MISSED`, and empty where there is no target

    def __str__(self) -> str:
        return f"{self.what:<50}{self.figures:<64}{self.verdict}".rstrip()


def compared(what: str, ours: Sequence[float], theirs: Sequence[float], *, target: float | None = None) -> Row:
    """The row for seconds measured in turns."""
    ratio = median(ours) / median(theirs)
    noise = _noise(ours, theirs)
    figures = f"{_shown(median(ours)):>9} : {_shown(median(theirs)):<9} = {ratio:5.2f} ± {noise:.2f}"
    if target is None:
        return Row(what, figures)
    verdict = OK if ratio <= target else CLOSE if ratio - noise <= target else MISSED
    return Row(what, f"{figures}   at most {target:.2f}", verdict)


def _noise(ours: Sequence[float], theirs: Sequence[float]) -> float:
    dice = random.Random(0)
    ratios = [
        median(dice.choices(ours, k=len(ours))) / median(dice.choices(theirs, k=len(theirs))) for _ in range(RESAMPLES)
    ]
    cuts = quantiles(ratios, n=40)
    return (cuts[-1] - cuts[0]) / 2


def _shown(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{seconds * 1000:.3f} ms"
