"""The price of a text, as `scripts/tokens.py` counts it."""

from __future__ import annotations

import json


def tokens(value: object) -> int:
    """About how many tokens a text costs, or anything else once it is JSON: four bytes each, rounded up."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return -(-len(text.encode()) // 4)
