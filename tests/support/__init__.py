"""The plain classes and functions that tests share. The fixtures that open them are in the `conftest.py` files.

| name | for |
|---|---|
| `Session` | one assistant at work, with the sandbox behind the server to look into |
| `Stage` | one server whose account is replaced again and again, in time that takes no time |
| `Wire` | the way to a sandbox, where a test steps in at every request |
| `bare_book` | a book without a service, for rules that ask the journal only |
| `HURRIED` | the event loop in which time takes no time |
| `Clock` | seconds since 1970, moved by hand |
| `OFFICE`, `names` | the names of the sandbox's office, as a snapshot |
| `effort` | the processor time of a piece of work |
| `kinds` | the kinds of an answer's notes |
| `logging_put_back` | the log of the process, which `serve` and `call` set up as their own |
| `text_of` | the text of an answer |
| `tokens` | the price of a text, as `scripts/tokens.py` counts it |
"""

from tokens import tokens

from .assistant import Assistant, text_of
from .books import bare_book
from .clock import HURRIED, Backend, Clock
from .effort import effort
from .logs import logging_put_back
from .names import OFFICE, names
from .notes import kinds
from .session import OpenSession, Session, open_sessions
from .stage import OpenStage, Server, Stage, open_stages
from .wire import Wire

__all__ = [
    "HURRIED",
    "OFFICE",
    "Assistant",
    "Backend",
    "Clock",
    "OpenSession",
    "OpenStage",
    "Server",
    "Session",
    "Stage",
    "Wire",
    "bare_book",
    "effort",
    "kinds",
    "logging_put_back",
    "names",
    "open_sessions",
    "open_stages",
    "text_of",
    "tokens",
]
