"""The scripted session of `scripts/team --check`: one line for each rule, through nginx with TLS.

All people in it are invented.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from topology.caller import ERAS, LEGACY, MODERN, Answer, Caller
from topology.parts import NotStarted
from topology.team import SCOPES, Replica, Team, is_ready

PHONES = {MODERN: "+15105553301", LEGACY: "+15105553302"}
NAME, MAIL = "Wilhelmina", "wilhelmina.p@example.com"
LIMIT = 60  # requests a minute of the account whose limit is tried
OFFICE, OTHERS = "oakland", "portland"
DRAINED_WITHIN = 20  # seconds; nothing slow is under way


class RuleBroken(Exception):
    """A rule does not hold."""


class Session:
    """The rules, in the order of `RULES`. Each is a method, and its docstring is its line."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.passed = self.failed = 0

    def run(self) -> None:
        """Tries all, and counts how many hold."""
        for rule in RULES:
            begun = time.monotonic()
            said = (rule.__doc__ or "").strip()
            try:
                rule(self)
            except (RuleBroken, NotStarted, httpx.HTTPError, LookupError, subprocess.TimeoutExpired) as broken:
                self.failed += 1
                print(f"FAILED: {said}\n    {type(broken).__name__}: {broken}", flush=True)
            else:
                self.passed += 1
                print(f"ok  {said} ({time.monotonic() - begun:.1f} s)", flush=True)

    # People

    def person(self, office: str = OFFICE, *scopes: str, era: str = MODERN, at: Replica | None = None) -> Caller:
        """Somebody of an office with a token of the issuer, through nginx or at one replica."""
        token = self.team.token(office, scopes or SCOPES, email=f"sam@{office}.example")
        return self.caller(token, era=era, at=at)

    def caller(self, token: str, *, era: str = MODERN, at: Replica | None = None) -> Caller:
        if at is not None:
            return Caller(at.url, token, era)
        return Caller(self.team.url, token, era, trust=self.team.trust)

    # Rules

    def speaks_both_eras(self) -> None:
        """Both eras shake hands, list the tools, add, change and take back, through nginx."""
        for era in ERAS:
            sam = self.person(era=era)
            if era == LEGACY:
                must(sam.initialize().result.get("serverInfo"), "the handshake names the server")
            tools = {tool["name"] for tool in sam.ask("tools/list").result["tools"]}
            must({"create_contact", "undo_change"} <= tools, "the tools are listed")
            made = done(sam.call("create_contact", phone=PHONES[era], first=NAME, email=MAIL))
            number = made["contact"]["contact_id"]
            changed = done(sam.call("update_contact", contact_id=number, last="Okafor"))
            must(changed["contact"]["last"] == "Okafor", "the change is seen")
            done(sam.call("undo_change", change_id=changed["change_id"]))
            seen = done(sam.call("lookup_contact", phone=PHONES[era]))["contacts"][0]
            must((seen["first"], seen.get("last") or "") == (NAME, ""), "the change is taken back, and no more")

    def knows_who(self) -> None:
        """The list of changes says who made each, by token of the issuer and by static token."""
        desk = self.caller(self.team.accounts[OFFICE].token)
        done(desk.call("update_contact", phone=PHONES[MODERN], last="Adeyemi"))
        changes = done(desk.call("list_changes"))["changes"]
        who = [change.get("who", "") for change in changes]
        must(who[0] == f"Front desk of {OFFICE}", f"the front desk made the last change, not {who[0]!r}")
        must(any("sam" in name for name in who), f"Sam made changes before: {who[:5]}")

    def confirms_elsewhere(self) -> None:
        """A confirmation shown by one replica is carried out by another, once."""
        first, second = self.team.replicas[:2]
        shown = done(self.person(at=first).call("delete_contact", phone=PHONES[LEGACY]))
        must(shown["status"] == "needs_confirmation", "the first call asks")
        arguments = {"phone": PHONES[LEGACY], "confirm_token": shown["confirm_token"]}
        must(done(self.person(at=second).call("delete_contact", **arguments))["status"] == "deleted", "it is deleted")
        sent = self.deletions_of(OFFICE)
        again = done(self.person(at=first).call("delete_contact", **arguments))
        must("done_before" in again["note_kinds"], "the first replica knows that it was done already")
        must(self.deletions_of(OFFICE) == sent, "nothing is sent again")

    def asks_for_scopes(self) -> None:
        """A missing scope answers 403 with its name, and hides the tool."""
        for era in ERAS:
            reader = self.person(OFFICE, "contacts:read", era=era)
            refused = reader.call("create_contact", phone="+15105553399", first="Nobody")
            must(refused.status == httpx.codes.FORBIDDEN, f"a write with a scope to read is refused: {refused}")
            must("contacts:write" in refused.headers.get("www-authenticate", ""), "the missing scope is named")
            tools = {tool["name"] for tool in reader.ask("tools/list").result["tools"]}
            must("lookup_contact" in tools and not tools & {"create_contact", "delete_contact"}, "tools are hidden")

    def lets_nobody_in_without_a_token(self) -> None:
        """No token, a foreign audience and an expired one answer 401. Somebody without an account gets 403."""
        old = int(time.time()) - 3600
        for era in ERAS:
            tokens = {
                "": "no token",
                "x" * 43: "a made-up token",
                self.team.token(OFFICE, audience="https://elsewhere.example/mcp"): "a foreign audience",
                self.team.issuer.token("sam", audience=self.team.audience, scopes=(), exp=old): "an expired token",
            }
            for token, kind in tokens.items():
                answer = self.caller(token, era=era).call("lookup_contact", contact_id=1001)
                must(answer.status == httpx.codes.UNAUTHORIZED, f"{kind} is refused: {answer}")
                must("resource_metadata" in answer.headers.get("www-authenticate", ""), f"{kind}: the way is shown")
            stranger = self.person("seattle", era=era).call("lookup_contact", contact_id=1001)
            must(stranger.status == httpx.codes.FORBIDDEN, f"there is no default account: {stranger}")

    def tells_where_to_log_in(self) -> None:
        """The metadata document names the issuer and all scopes."""
        document = Caller(self.team.url, trust=self.team.trust).get("/.well-known/oauth-protected-resource/mcp").json()
        must(document["authorization_servers"] == [self.team.issuer.url], "the issuer is named")
        must(len(document["scopes_supported"]) == len({"read", "write", "delete", "bulk"}), "all scopes are named")
        must(document["resource"] == self.team.audience, "the audience is named")

    def keeps_accounts_apart(self) -> None:
        """Somebody of another account sees nothing, and finds no handle of it."""
        others, sam = self.person(OTHERS), self.person(OFFICE)
        change = done(sam.call("list_changes"))["changes"][0]["change_id"]
        shown = done(sam.call("delete_contact", phone=PHONES[MODERN]))
        must(not done(others.call("lookup_contact", phone=PHONES[MODERN]))["found"], "the contact is not there")
        must(not done(others.call("list_changes"))["changes"], "no change is there")
        theirs, nobodys = (others.call("undo_change", change_id=number) for number in (change, 987_654_321))
        same = str(theirs).replace(str(change), "N") == str(nobodys).replace("987654321", "N")
        must(same, f"a change of others is as one that there is not: {theirs} / {nobodys}")
        crossed = others.call("delete_contact", phone=PHONES[MODERN], confirm_token=shown["confirm_token"])
        must(crossed.facts.get("status") != "deleted", "a confirmation of others counts for nothing")
        must(done(sam.call("lookup_contact", phone=PHONES[MODERN]))["found"], "the contact is still there")

    def hides_what_is_inside(self) -> None:
        """nginx lets /metrics and /readyz through to nobody, and refuses a large body."""
        outside = Caller(self.team.url, self.team.accounts[OFFICE].token, trust=self.team.trust)
        must(outside.get("/healthz").status_code == httpx.codes.OK, "/healthz is open")
        for path in ("/metrics", "/readyz", "/", "/mcp/../metrics"):
            must(outside.get(path).status_code == httpx.codes.NOT_FOUND, f"{path} is not there")
        must(outside.get("/mcp?token=x").status_code == httpx.codes.BAD_REQUEST, "no token travels in an address")
        large = outside.call("lookup_contact", name="x" * 300_000)
        must(large.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE, f"300 KB are refused: {large}")

    def survives_a_kill(self) -> None:
        """A replica is killed between two calls, and the next ones are answered by the other."""
        sam, victim = self.person(), self.team.replicas[0]
        changed = done(sam.call("update_contact", phone=PHONES[MODERN], last="Mensah"))
        with self.ended(victim):
            victim.part.kill()
            for _ in range(4):
                must(done(sam.call("lookup_contact", phone=PHONES[MODERN]))["found"], "a call is answered")
            done(sam.call("undo_change", change_id=changed["change_id"]))

    def drains(self) -> None:
        """A replica that gets SIGTERM under load loses no call, and exits 0."""
        victim = self.team.replicas[1]
        with self.ended(victim), self.load() as outcomes:
            time.sleep(1)
            victim.part.tell(signal.SIGTERM)
            assert victim.part.process is not None
            code = victim.part.process.wait(DRAINED_WITHIN)
            time.sleep(0.5)
        must(code == 0, f"it exits 0, and not {code}")
        must({*outcomes} == {"200"}, f"every call is answered: {dict(outcomes)}")

    def goes_on_without_redis(self) -> None:
        """Redis is killed and comes back empty, and every call is answered."""
        sam, redis = self.person(), self.team.redis
        for replica in self.team.replicas:  # one that has not asked for this account knows nothing, and waits a minute
            done(self.person(at=replica).call("lookup_contact", phone=PHONES[MODERN]))
        redis.kill()
        try:
            must(done(sam.call("lookup_contact", phone=PHONES[MODERN]))["found"], "a lookup goes on")
            changed = done(sam.call("update_contact", phone=PHONES[MODERN], last="Castillo"))
            done(sam.call("undo_change", change_id=changed["change_id"]))
        finally:
            redis.start()
            redis.wait_until_ready()
        must(done(sam.call("lookup_contact", phone=PHONES[MODERN]))["found"], "a lookup goes on after it is back")

    def sends_nothing_without_postgres(self) -> None:
        """While PostgreSQL is away, lookups go on and a change is refused unsent. It comes back by itself."""
        sam, postgres = self.person(), self.team.postgres
        before = self.writes_of(OFFICE)
        postgres.end()
        try:
            must(done(sam.call("lookup_contact", phone=PHONES[MODERN]))["found"], "a lookup goes on")
            refused = sam.call("update_contact", phone=PHONES[MODERN], last="Castillo")
            must(not refused.is_carried_out, f"a change is refused: {refused}")
            must(self.writes_of(OFFICE) == before, "nothing was sent")
            must(not any(is_ready(replica.url) for replica in self.team.replicas), "no replica is ready")
        finally:
            postgres.start()
            postgres.wait_until_ready()
        for replica in self.team.replicas:
            self.team.until_ready(replica)
        changed = done(sam.call("update_contact", phone=PHONES[MODERN], last="Castillo"))
        done(sam.call("undo_change", change_id=changed["change_id"]))

    def shares_the_limit(self) -> None:
        """The limit of requests holds for both replicas together."""
        account = self.team.accounts[OTHERS]
        callers = [self.caller(account.token, at=replica) for replica in self.team.replicas]
        before = self.requests_of(OTHERS)
        pool = ThreadPoolExecutor(2 * LIMIT)
        for number in range(2 * LIMIT):
            pool.submit(callers[number % len(callers)].call, "lookup_contact", phone=f"+1510555{4000 + number}")
        time.sleep(4)
        sent = self.requests_of(OTHERS) - before
        pool.shutdown(wait=False, cancel_futures=True)
        must(sent <= LIMIT, f"{sent} requests were sent in a minute, and {LIMIT} are allowed")
        # Places that are promised to the other replica, for a loss of Redis, wait until the minute has gone on.
        must(before + sent >= LIMIT // 2, f"only {sent} of {LIMIT} requests were sent")

    def says_nothing_personal(self) -> None:
        """No log has a phone, a name, an e-mail or a token in it."""
        logs = self.team.logs()
        planted = [NAME, MAIL, "sam@", *(phone[1:] for phone in PHONES.values()), "Adeyemi", "eyJ"]
        planted += [account.token for account in self.team.accounts.values()]
        found = [next(line for line in logs.splitlines() if word in line) for word in planted if word in logs]
        must(not found, f"personal: {found[:3]}")

    # Help

    def requests_of(self, account: str) -> int:
        """How many requests the sandbox of an account got."""
        return len(httpx.get(f"{self.team.accounts[account].address}/_sandbox/requests", trust_env=False).json())

    def deletions_of(self, account: str) -> int:
        """How many of those deleted a contact."""
        requests = httpx.get(f"{self.team.accounts[account].address}/_sandbox/requests", trust_env=False).json()
        return sum(request["method"] == "DELETE" for request in requests)

    def writes_of(self, account: str) -> int:
        """How many changes the sandbox of an account was asked for."""
        asked = httpx.get(f"{self.team.accounts[account].address}/_sandbox/requests", trust_env=False).json()
        return sum(one["method"] in {"PUT", "DELETE"} for one in asked)

    @contextmanager
    def ended(self, victim: Replica) -> Iterator[None]:
        """Starts a replica again that the body ends."""
        try:
            yield
        finally:
            victim.part.kill()
            victim.part.start()
            self.team.until_ready(victim)

    @contextmanager
    def load(self) -> Iterator[Counter[str]]:
        """Lookups by eight people at once, while the body runs. Counts how they ended."""
        outcomes: Counter[str] = Counter()
        stop = threading.Event()

        def work(caller: Caller) -> None:
            while not stop.is_set():
                outcomes[_outcome(lambda: caller.call("lookup_contact", contact_id=1001))] += 1
                time.sleep(0.1)

        with ThreadPoolExecutor(8) as pool:
            for number in range(8):
                pool.submit(work, self.person(era=ERAS[number % 2]))
            try:
                yield outcomes
            finally:
                stop.set()


def _outcome(call: Callable[[], Answer]) -> str:
    try:
        return str(call().status)
    except httpx.HTTPError as error:
        return type(error).__name__


def must(holds: object, rule: str) -> None:
    if not holds:
        raise RuleBroken(rule)


def done(answer: Answer) -> dict[str, Any]:
    """The facts of a call that was carried out."""
    must(answer.is_carried_out, f"the call is carried out: {answer}")
    return answer.facts


RULES: tuple[Callable[[Session], None], ...] = (
    Session.speaks_both_eras,
    Session.knows_who,
    Session.confirms_elsewhere,
    Session.asks_for_scopes,
    Session.lets_nobody_in_without_a_token,
    Session.tells_where_to_log_in,
    Session.keeps_accounts_apart,
    Session.hides_what_is_inside,
    Session.survives_a_kill,
    Session.drains,
    Session.goes_on_without_redis,
    Session.sends_nothing_without_postgres,
    Session.shares_the_limit,
    Session.says_nothing_personal,
)
