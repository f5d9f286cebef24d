"""Three real processes press on one limit. It holds in any window, and is used.

`scripts/bench pace` does the same for longer, with the product's rhythm. Guards `contacts_mcp/state/redis_ledger.py`.
"""

from __future__ import annotations

import time

import pytest
from pace import LIMIT, pressures, run, server, use_of_a_minute
from pressing import fullest_window
from support.missing import needs

from contacts_mcp.state.redis import Rhythm

QUICK = Rhythm(beat=0.2, silence=0.1, settle=1.1)
WINDOW = 2.0


@pytest.fixture(autouse=True)
def installed() -> None:
    needs(programs=("redis-server",), packages=("redis",))


def test_the_limit_is_used_and_kept_where_a_clock_is_two_seconds_behind() -> None:
    with server(QUICK) as redis:
        before = redis.scripts_run()
        outcome = run(pressures(redis, WINDOW, 2.2 * WINDOW, skew=-2.0, rhythm=QUICK))
        calls = redis.scripts_run() - before
    assert fullest_window(outcome.times, WINDOW) <= LIMIT
    assert use_of_a_minute(outcome.times, WINDOW) >= 0.94  # a busy machine wakes late; the benchmark asks for 0.97
    assert calls / len(outcome.times) <= 0.5
    assert all(outcome.by_process)


def test_the_limit_is_kept_while_redis_is_killed_emptied_and_frozen() -> None:
    with server(QUICK) as redis:

        def harm() -> None:
            time.sleep(0.3 * WINDOW)
            redis.kill()
            redis.start()
            time.sleep(1.4 * WINDOW)
            redis.freeze()
            time.sleep(0.5 * WINDOW)
            redis.thaw()

        outcome = run(pressures(redis, WINDOW, 3.2 * WINDOW, skew=-2.0, rhythm=QUICK), harm)
    assert fullest_window(outcome.times, WINDOW) <= LIMIT
    assert len(outcome.times) > 2 * LIMIT
