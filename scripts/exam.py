"""The assistant's exam: runs any agent that speaks JSON lines over the tasks in `tests/exam/tasks`, and grades it.

`docs/exam.md` describes it. Exits 0 only when every attempt passed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import anyio
from examiner.agents import OpenAgent, child_of
from examiner.report import as_json, table
from examiner.room import Verdict, examine
from examiner.tasks import BadTask, Task, chosen, load


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/exam", description="Examine an assistant on the sentences of an office."
    )
    parser.add_argument("--agent", metavar="CMD", help="the command that is examined, started once a conversation")
    parser.add_argument(
        "--task", action="extend", nargs="+", default=[], metavar="ID", help="only these tasks or themes"
    )
    parser.add_argument(
        "--trials", type=int, default=1, metavar="N", help="attempts at each task; from 3 on, pass^3 is reported"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="conversations at the same time")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="for each line of the agent")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument("--list", action="store_true", help="show the tasks and end")
    return parser.parse_args()


async def run(
    tasks: list[Task],
    open_agent: OpenAgent,
    *,
    trials: int,
    jobs: int,
    timeout: float,  # noqa: ASYNC109 -- of the agent, a process of its own
) -> dict[str, list[Verdict]]:
    """Every attempt at every task. Each prints a dot on stderr."""
    verdicts: dict[str, list[Verdict]] = {task.id: [] for task in tasks}
    seats = anyio.CapacityLimiter(jobs)

    async def attempt(task: Task, trial: int) -> None:
        async with seats:
            verdict = await examine(task, open_agent, trial=trial, timeout=timeout)
        verdicts[task.id].append(verdict)
        print("." if verdict.passed else "F", end="", file=sys.stderr, flush=True)

    async with anyio.create_task_group() as group:
        for task in tasks:
            for trial in range(1, trials + 1):
                group.start_soon(attempt, task, trial)
    print(file=sys.stderr)
    return verdicts


def main() -> int:
    given = arguments()
    try:
        tasks = chosen(load(), given.task)
    except BadTask as problem:
        sys.exit(f"exam: {problem}")
    if given.list or not given.agent:
        for task in tasks:
            print(f"{task.theme:<14}{task.id:<34}{task.calls:>3}  {task.say}")
        return 0 if given.list else 2
    results = anyio.run(
        lambda: run(tasks, child_of(given.agent), trials=given.trials, jobs=given.jobs, timeout=given.timeout)
    )
    print("\n".join(table(results)))
    if given.json:
        given.json.write_text(json.dumps(as_json(results), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(not all(trial.passed for trials in results.values() for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
