"""The clients, against a real gate."""

from __future__ import annotations

import asyncio
import http.server
import inspect
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import POLICY, Server, serve
from portcullis import (
    ApiError,
    ApprovalDenied,
    AsyncPortcullis,
    GateUnavailable,
    LimitExceeded,
    Portcullis,
    SafetyViolation,
)

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def gate(server: Server) -> Portcullis:
    return Portcullis(server.url, server.keys["agent"])


@pytest.fixture
def alice(server: Server) -> Portcullis:
    return Portcullis(server.url, server.keys["approver"])


@pytest.fixture
def root(server: Server) -> Portcullis:
    return Portcullis(server.url, server.keys["admin"])


def test_check(gate: Portcullis) -> None:
    small = gate.check("bot", "stripe.refund", {"amount": 20}, user="carol", context={"ticket": 7})
    assert (small.allowed, small.rule, small.code) == (True, "small", "allowed")
    assert gate.check("bot", "users.delete").code in ("denied_by_rule", "unknown_tool")
    for odd in (float("nan"), b"x", 2**70, "\ud800"):
        assert gate.check("bot", "stripe.refund", {"amount": odd}).code == "invalid_action"
    assert gate.check("b/ot", "crm.read").code == "invalid_action"
    with pytest.raises(TypeError):
        bool(small)


def test_execute_runs_what_was_checked(gate: Portcullis) -> None:
    ran: list[Any] = []

    def refund(amount: float) -> str:
        ran.append(amount)
        return f"refunded {amount}"

    assert gate.execute("bot", "stripe.refund", refund, args={"amount": 5}, user="carol") == "refunded 5"
    with pytest.raises(SafetyViolation) as refused:
        gate.execute("bot", "stripe.refund", refund, args={"amount": 5000})
    assert refused.value.code == "no_matching_rule" and ran == [5]
    with pytest.raises(ZeroDivisionError):
        gate.execute("bot", "crm.read", lambda: 1 / 0)
    newest = gate.decisions(tool="crm.read", limit=1)["decisions"][0]
    assert newest["outcome"]["status"] == "failed"


def test_results_are_screened(gate: Portcullis) -> None:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    assert key not in str(gate.execute("bot", "crm.read", lambda: {"note": key}))
    same = object()
    assert gate.execute("bot", "crm.read", lambda: same) is same


def answering(alice: Portcullis, yes: bool, amount: int) -> threading.Thread:
    def run() -> None:
        for _ in range(200):
            asked = alice.approvals("pending")["approvals"]
            # Other tests ask the same gate.
            for approval in (it for it in asked if it["args"] == {"amount": amount}):
                (alice.approve if yes else alice.deny)(approval["id"], "not on a Friday")
                return
            time.sleep(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_execute_waits_for_people(gate: Portcullis, alice: Portcullis) -> None:
    thread = answering(alice, True, 501)
    assert gate.execute("bot", "stripe.refund", lambda amount: amount, args={"amount": 501}) == 501
    thread.join()
    thread = answering(alice, False, 502)
    with pytest.raises(ApprovalDenied, match="not on a Friday"):
        gate.execute("bot", "stripe.refund", lambda amount: amount, args={"amount": 502})
    thread.join()
    start = time.monotonic()
    with pytest.raises(SafetyViolation) as over:
        gate.execute("bot", "stripe.refund", lambda amount: amount, args={"amount": 503}, wait_s=0.2)
    assert over.value.code == "approval_required" and time.monotonic() - start < 3
    assert gate.approval(over.value.decision.approval_id)["status"] == "pending"
    alice.deny(over.value.decision.approval_id)


def test_limits(gate: Portcullis) -> None:
    for n in range(3):
        if n < 2:
            assert gate.execute("bot", "limited", lambda: 1) == 1
        else:
            with pytest.raises(LimitExceeded):
                gate.execute("bot", "limited", lambda: 1)


def test_a_gate_that_is_not_there_denies() -> None:
    gate = Portcullis(NOWHERE, "pk", retries=1, fail_open=["crm.read"])
    denied = gate.check("bot", "stripe.refund", {"amount": 1})
    assert (denied.allowed, denied.code) == (False, "unavailable")
    with pytest.raises(GateUnavailable):
        gate.execute("bot", "stripe.refund", lambda: 1)
    opened = gate.check("bot", "crm.read")
    assert (opened.allowed, opened.code, opened.mode) == (True, "unavailable", "fail_open")
    assert gate.execute("bot", "crm.read", lambda: 7) == 7
    assert [it.allowed for it in gate.check_batch([{"tool": "crm.read"}, {"tool": "x"}])] == [True, False]
    assert not gate.health() and not gate.ready()
    with pytest.raises(GateUnavailable):
        gate.decisions()


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{}", b'{"decision": "allow"}', b'{"decision": "ALLOW", "allowed": true}', b"\xff", b"<html>",
     b'{"allowed": true}', b'{"decision": "deny", "allowed": true}', b'{"decision": "allow", "allowed": "yes"}'],
)  # fmt: skip
def test_what_is_no_answer_is_a_denial(content: bytes) -> None:
    for kind in ("application/json", "text/html"):
        transport = httpx.MockTransport(
            lambda _, kind=kind: httpx.Response(200, content=content, headers={"content-type": kind})
        )
        gate = Portcullis("http://gate", transport=transport)
        assert not gate.check("bot", "crm.read").allowed
        with pytest.raises(SafetyViolation):
            gate.execute("bot", "crm.read", lambda: pytest.fail("it ran"))


def test_only_what_is_safe_is_repeated() -> None:
    seen: list[str] = []

    def lost(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.path}")
        raise httpx.ReadTimeout("the answer was lost")

    gate = Portcullis("http://gate", transport=httpx.MockTransport(lost), retries=2)
    assert gate.check("bot", "crm.read", idempotency_key="k").code == "unavailable"
    assert seen == ["POST /v1/check"]
    seen.clear()
    with pytest.raises(GateUnavailable):
        gate.report("dec_1", "success")
    assert len(seen) == 3
    seen.clear()
    with pytest.raises(GateUnavailable):
        gate.approve("apr_1")
    with pytest.raises(GateUnavailable):
        gate.decisions()
    assert len(seen) == 4


def test_what_was_done_and_not_reported_says_so() -> None:
    answer = {"decision": "allow", "allowed": True, "decision_id": "dec_1", "reason": "", "code": "allowed"}

    def gone(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/check":
            return httpx.Response(200, json=answer)
        raise httpx.ConnectError("gone")

    gate = Portcullis("http://gate", transport=httpx.MockTransport(gone), retries=0)
    with pytest.raises(GateUnavailable, match="it was done"):
        gate.execute("bot", "crm.read", lambda: 1)
    with pytest.raises(ZeroDivisionError):
        gate.execute("bot", "crm.read", lambda: 1 / 0)


def test_the_cache_keeps_plain_allows_until_the_policy_moves(tmp_path: Path) -> None:
    served = serve(tmp_path)
    try:
        gate = Portcullis(served.url, served.keys["agent"], cache_s=60)
        root = Portcullis(served.url, served.keys["admin"])
        files = {"path": "/srv/data/a"}
        assert not gate.check("bot", "files.read", files).from_cache
        kept = gate.check("bot", "files.read", files)
        assert kept.from_cache and kept.allowed and kept.decision_id is None
        assert not gate.check("bot", "files.read", {"path": "/srv/data/b"}).from_cache
        for _ in range(2):
            assert not gate.check("bot", "limited").from_cache
            assert not gate.check("bot", "stripe.refund", {"amount": 500}).from_cache
            assert not gate.check("bot", "users.delete").from_cache
        for n in range(2):
            assert gate.check("bot", "crm.read", idempotency_key="k").allowed is (n == 0)
        root.put_policy(POLICY.replace("crm.read, files.read", "crm.read"))
        assert gate.check("bot", "crm.read", {"other": 1}).allowed
        assert not gate.check("bot", "files.read", files).allowed
    finally:
        served.process.terminate()
        served.process.wait(10)


def test_a_gate_that_stops_denies(tmp_path: Path) -> None:
    served = serve(tmp_path)
    gate = Portcullis(served.url, served.keys["agent"], retries=0)
    assert gate.check("bot", "crm.read").allowed
    served.process.kill()
    served.process.wait(10)
    assert gate.check("bot", "crm.read").code == "unavailable"


def test_every_call(gate: Portcullis, root: Portcullis) -> None:
    decision = gate.check("bot", "crm.read")
    assert root.decision(decision.decision_id or "")["decision_id"] == decision.decision_id
    assert gate.report(decision.decision_id or "", "success", result=[1])["status"] == "success"
    assert gate.report(decision.decision_id or "", "success", result=[1])["status"] == "success"
    with pytest.raises(ApiError) as twice:
        gate.report(decision.decision_id or "", "failed")
    assert twice.value.status == 409
    with pytest.raises(ApiError) as forbidden:
        gate.keys()
    assert forbidden.value.status == 403
    made = root.create_key("temp", "auditor")
    assert root.key(made["id"])["name"] == "temp" and root.revoke_key(made["id"]) is not None
    root.put_agent("other", notes="x")
    root.disable_agent("other", "drill")
    assert root.agent("other")["enabled"] is False
    root.enable_agent("other")
    assert any(it["id"] == "other" for it in root.agents()["agents"])
    assert "version" in str(root.policy()) and root.policy_versions()["versions"]
    assert root.ledger(0, 2)["records"] and root.checkpoint() and root.proof(0)
    assert root.tools() is not None and root.keys()["keys"] and root.openapi()["openapi"]
    assert root.health() and root.ready() and "portcullis" in root.metrics()
    assert root.decisions(agent_id="bot", limit=1)["decisions"] and "approvals" in root.approvals()
    asked = {
        "subject": {"type": "agent", "id": "bot"},
        "action": {"name": "crm.read"},
        "resource": {"type": "x", "id": "y"},
    }
    assert gate.evaluate(asked)["decision"] is True
    assert len(gate.evaluate_all({"evaluations": [asked, asked]})["evaluations"]) == 2


def test_many_at_once(gate: Portcullis) -> None:
    asked: list[dict[str, Any]] = [{"agent_id": "bot", "tool": "crm.read"}] * 1_001 + [
        {"agent_id": "b/ot", "tool": "x"}
    ]
    results = gate.check_batch(asked)
    assert len(results) == 1_002 and all(it.allowed for it in results[:-1])
    assert (results[-1].allowed, results[-1].code) == (False, "invalid_action")
    assert [it.code for it in gate.check_batch([{"agent_id": "bot", "tool": "../x"}])] == ["invalid_action"]


def test_the_environment_names_the_gate(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTCULLIS_URL", server.url)
    monkeypatch.setenv("PORTCULLIS_API_KEY", server.keys["agent"])
    gate = Portcullis()
    assert gate.check("bot", "crm.read").allowed
    assert server.keys["agent"] not in repr(gate) + repr(vars(gate))
    with pytest.raises(ValueError):
        Portcullis("ftp://x")


def test_asyncio(server: Server) -> None:
    async def every() -> None:
        async with AsyncPortcullis(server.url, server.keys["agent"]) as gate:
            assert (await gate.check("bot", "crm.read")).allowed

            async def refund(amount: int) -> int:
                return amount

            assert await gate.execute("bot", "stripe.refund", refund, args={"amount": 7}) == 7
            with pytest.raises(SafetyViolation):
                await gate.execute("bot", "stripe.refund", refund, args={"amount": 7000})
            many = await asyncio.gather(*(gate.check("bot", "crm.read") for _ in range(20)))
            assert all(it.allowed for it in many)
        async with AsyncPortcullis(NOWHERE, retries=0) as gone:
            assert (await gone.check("bot", "crm.read")).code == "unavailable"

    asyncio.run(every())


def test_both_clients_have_the_same_calls() -> None:
    def calls(of: type) -> dict[str, list[str]]:
        found = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(it).parameters) for name, it in found if not name.startswith("_")}

    sync, later = calls(Portcullis), calls(AsyncPortcullis)
    sync["aclose"] = sync.pop("close")
    assert sync == later
    assert all(inspect.iscoroutinefunction(getattr(AsyncPortcullis, name)) for name in later)


class Upstream(http.server.BaseHTTPRequestHandler):
    """Says what it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"said": json.loads(body), "by": self.headers.get("Authorization")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    """A gate that may keep secrets, and a server of tools."""
    monkeypatch.setenv("PORTCULLIS_SECRETS_KEY", "ab" * 32)
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    served = serve(tmp_path, POLICY.replace("allow: [crm.read,", "allow: [echo.say, crm.read,"))
    yield served, f"http://127.0.0.1:{upstream.server_address[1]}/say"
    served.process.terminate()
    served.process.wait(10)
    upstream.shutdown()
    upstream.server_close()


def test_the_gate_carries_a_registered_tool_out(carrier: tuple[Server, str]) -> None:
    served, url = carrier
    gate, root = Portcullis(served.url, served.keys["agent"]), Portcullis(served.url, served.keys["admin"])
    assert "hidden" in root.put_secret("hidden", "s3cret-s3cret")["secrets"]
    schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    declared: dict[str, Any] = {"schema": schema, "allow_private": True, "auth": {"bearer": {"stored": "hidden"}}}
    assert root.register_tool("echo.say", url, method="POST", **declared)["policy_version"]
    assert root.tool("echo.say")["name"] == "echo.say"
    done = gate.call_tool("bot", "echo.say", {"word": "hi"}, idempotency_key="k1")
    assert (done["decision"], done["result"]["said"]) == ("allow", {"word": "hi"}), done
    assert done["attempts"] == 1 and "s3cret" not in str(done), "a tool that repeats its secret does not give it away"
    wrong = gate.call_tool("bot", "echo.say", {"word": 7})
    assert (wrong["decision"], wrong["code"]) == ("deny", "invalid_action"), wrong
    with pytest.raises(ApiError) as forbidden:
        gate.register_tool("x.y", url)
    assert forbidden.value.status == 403
    event = {"hook_event_name": "PreToolUse", "tool_name": "Nothing", "tool_input": {}, "session_id": "s"}
    assert "deny" in str(gate.hook("claude-code", "bot", event))
    root.remove_tool("echo.say")
    with pytest.raises(ApiError):
        root.tool("echo.say")
    assert root.remove_secret("hidden")["secrets"] == [] and root.secrets()["secrets"] == []


def test_every_call_of_the_api_has_a_method(root: Portcullis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clients are called by their own signatures, and what they would send is held beside the API's own list."""
    described = root.openapi()["paths"]
    wanted = {
        (method.upper(), re.sub(r"\{[^}]*\}", "x", path))
        for path, methods in described.items()
        for method in methods
        if not path.startswith(("/onceonly/", "/agentwarden/", "/mcp")) and path not in ("/", "/openapi.json")
    }
    for client in (Portcullis, AsyncPortcullis):
        sent: set[tuple[str, str]] = set()

        def note(_: Any, request: Any, sent: set[tuple[str, str]] = sent) -> Any:
            sent.add((request.method, request.path.split("?")[0]))
            raise GateUnavailable("only looking")

        monkeypatch.setattr(client, "_send", note)
        one = client(NOWHERE, "key")
        for name, method in inspect.getmembers(one, callable):
            if name.startswith("_") or name in ("close", "aclose", "execute", "wait_for_approval"):
                continue
            required = [
                it
                for it in inspect.signature(method).parameters.values()
                if it.default is it.empty and it.kind in (it.POSITIONAL_ONLY, it.POSITIONAL_OR_KEYWORD)
            ]
            given = [_given(it.name) for it in required]
            try:
                answer = method(*given)
                if inspect.isawaitable(answer):
                    asyncio.run(_awaited(answer))
            except GateUnavailable:
                pass
        missing = {it for it in wanted if it not in sent}
        assert not missing, f"{client.__name__}: {missing}"


def _given(name: str) -> Any:
    return {"checks": [{"agent_id": "bot", "tool": "x"}], "request": {}, "index": "x", "event": {}}.get(name, "x")


async def _awaited(answer: Any) -> Any:
    return await answer
