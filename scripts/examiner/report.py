"""The result of an exam: a row for each task, and the figures people compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb
from typing import Any

from .room import Verdict

POWER = 3
_Trials = Sequence[Verdict]


def table(results: dict[str, list[Verdict]]) -> Iterator[str]:
    """Lines to print."""
    width = max(map(len, results), default=4)
    yield f"{'task':<{width}}  passed  calls (stated)  tokens read  written"
    for name, trials in results.items():
        passed = sum(trial.passed for trial in trials)
        calls = f"{', '.join(str(trial.calls) for trial in trials):>5} ({trials[0].task.calls})"
        tokens = f"{_mean(trials, 'received'):>14,}  {_mean(trials, 'sent'):>7,}"
        yield f"{name:<{width}}  {passed:>2}/{len(trials):<3}  {calls}  {tokens}"
        for trial in trials:
            yield from (f"{'':<{width}}  - {problem}" for problem in trial.problems)
    facts = figures(results)
    yield ""
    yield f"success {facts['success']:.1%} of {facts['attempts']} attempts at {facts['tasks']} tasks"
    if "pass^3" in facts:
        yield f"pass^3  {facts['pass^3']:.1%} (all of three attempts right)"
    within = f"in {facts['within_stated_calls']:.1%} of the attempts no more than stated"
    yield f"calls   {facts['calls']} made, {facts['stated_calls']} stated; {within}"
    yield f"tokens  {facts['tokens_read']:,} read, {facts['tokens_written']:,} written (bytes / 4)"


def figures(results: dict[str, list[Verdict]]) -> dict[str, Any]:
    """The sums, as they go into `--json`."""
    attempts = [trial for trials in results.values() for trial in trials]
    facts: dict[str, Any] = {
        "tasks": len(results),
        "attempts": len(attempts),
        "success": _share([trial.passed for trial in attempts]),
        "calls": sum(trial.calls for trial in attempts),
        "stated_calls": sum(trial.task.calls for trial in attempts),
        "within_stated_calls": _share([trial.calls <= trial.task.calls for trial in attempts]),
        "tokens_read": sum(trial.received for trial in attempts),
        "tokens_written": sum(trial.sent for trial in attempts),
    }
    if results and all(len(trials) >= POWER for trials in results.values()):
        facts["pass^3"] = sum(map(all_of_three, results.values())) / len(results)
    return facts


def all_of_three(trials: _Trials) -> float:
    """How likely three attempts, drawn from these, are all right (the unbiased pass^k of tau-bench)."""
    return comb(sum(trial.passed for trial in trials), POWER) / comb(len(trials), POWER)


def as_json(results: dict[str, list[Verdict]]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "figures": figures(results),
        "tasks": {name: [_facts_of(trial) for trial in trials] for name, trials in results.items()},
    }


def _facts_of(trial: Verdict) -> dict[str, Any]:
    return {
        "passed": trial.passed,
        "problems": trial.problems,
        "calls": trial.calls,
        "stated_calls": trial.task.calls,
        "tokens_read": trial.received,
        "tokens_written": trial.sent,
    }


def _mean(trials: _Trials, what: str) -> int:
    total: int = sum(getattr(trial, what) for trial in trials)
    return round(total / len(trials))


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else 0.0
