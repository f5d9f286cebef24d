"""A recorded service: plays the answers of a file that `contacts-mcp probe --record` wrote."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx


class Replay(httpx.AsyncBaseTransport):
    """Answers a request as the recorded service answered the same one, in order, and then as it did last.

    It takes the place of an open sandbox. `unknown` are requests that nobody recorded. They get a 501.
    """

    def __init__(self, file: Path) -> None:
        held = json.loads(file.read_text(encoding="utf-8"))
        self.run: str = held["run"]
        self.positions: dict[str, str] = held["positions"]
        self.unknown: list[str] = []
        self._answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in held["exchanges"]:
            self._answers[_key(**one["request"])].append(one)

    def transport(self) -> httpx.AsyncBaseTransport:
        return self

    def close(self) -> None:
        """Nothing is open."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        query = dict(request.url.params)
        asked = _key(request.method, request.url.path, query, json.loads(body) if body else None)
        answers = self._answers.get(asked)
        if not answers:
            self.unknown.append(asked)
            return httpx.Response(501, json={"error": "not recorded"})
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return httpx.Response(answer["status"], headers=answer["headers"], content=answer["body"].encode())


def _key(method: str, path: str, query: dict[str, str], body: Any) -> str:
    return json.dumps([method, path, query, body], sort_keys=True)
