"""The official OnceOnly client, unmodified, against the gate: every method of it, and the errors it maps."""

import asyncio
import hashlib
import hmac
import inspect
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from onceonly import OnceOnly
from onceonly.ai import AiClient
from onceonly.decorators import idempotent, idempotent_ai
from onceonly.exceptions import ApiError, RateLimitError, UnauthorizedError, ValidationError
from onceonly.governance import GovernanceClient

BIN = os.environ["PORTCULLIS_BIN"]

POLICY = """
version: 1
tools:
  crm.read: {}
  mail.send: {url: "http://127.0.0.1:%PORT%/mail", allow_private: true, signing: both, undeclared_args: allow, max_retries: 0, auth: {hmac_sha256: {env: MAIL_SECRET}}}
agents:
  support-bot:
    rules:
      - {name: everyday, allow: [crm.read, mail.send]}
      - {name: careful, allow: [stripe.refund], approval: true}
"""


class Tool(BaseHTTPRequestHandler):
    """A tool endpoint that checks the signature as OnceOnly's documents show it."""

    seen: list = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = hmac.new(b"mail-secret", body, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(signature, self.headers.get("X-OnceOnly-Signature", ""))
        good = good and self.headers.get("X-OnceOnly-Signature-Alg") == "hmac_sha256"
        Tool.seen.append(json.loads(body))
        answer = json.dumps({"sent": good}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    tool = ThreadingHTTPServer(("127.0.0.1", 0), Tool)
    threading.Thread(target=tool.serve_forever, daemon=True).start()
    (folder / "policy.yaml").write_text(POLICY.replace("%PORT%", str(tool.server_port)))
    store = f"sqlite:{folder / 'ledger.db'}"
    environment = {**os.environ, "MAIL_SECRET": "mail-secret", "PORTCULLIS_SECRETS_KEY": "5a" * 32}
    process = subprocess.Popen(
        [BIN, "serve", "--policy", str(folder / "policy.yaml"), "--store", store, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    line = process.stdout.readline()
    assert "ready at" in line, line
    url = line.split(" at ")[1].strip()

    def key(role: str, *more: str) -> str:
        made = subprocess.run(
            [BIN, "keys", "create", "--role", role, "--name", f"{role}@example.com", "--store", store, "--json", *more],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(made.stdout)["secret"]

    yield {"url": url, "admin": key("admin"), "agent": key("agent")}
    process.terminate()
    assert process.wait(20) == 0
    tool.shutdown()


def client(gate, role: str = "admin", **more) -> OnceOnly:
    return OnceOnly(gate[role], base_url=f"{gate['url']}/onceonly/v1", fail_open=False, **more)


def test_every_method_is_tried():
    """What this file does not call is not held to. A new method of the client shows up here."""
    text = open(__file__).read()
    for cls, calls in [(OnceOnly, "c."), (AiClient, "c.ai."), (GovernanceClient, "c.gov.")]:
        for name, _ in inspect.getmembers(cls, inspect.isfunction):
            if not name.startswith("_"):
                assert f"{calls}{name}(" in text, f"{cls.__name__}.{name} is not tried"


def test_locks(gate):
    with client(gate, "agent") as c:
        first = c.check_lock("order-1", ttl=60, meta={"n": 1}, request_id="r1")
        assert first.locked and not first.duplicate and first.should_proceed() and first.ttl == 60
        assert first.request_id == "r1" and first.first_seen_at is None
        again = c.check_lock("order-1", ttl=60, request_id="r1")
        assert again.locked, "a retry with the same request id gets its first answer"
        second = c.check_lock("order-1", request_id="r2")
        assert second.duplicate and second.first_seen_at and second.status_code == 200
        assert c.check_lock("order-1", request_id="r2").duplicate
        # What failed can be taken again.
        released = httpx.post(
            f"{gate['url']}/onceonly/v1/release",
            json={"key": "order-1"},
            headers={"Authorization": f"Bearer {gate['agent']}", "X-Request-Id": "r1"},
        )
        assert released.status_code == 200, released.text
        assert c.check_lock("order-1", request_id="r3").locked
        c.close()


def test_of_64_threads_one_wins_each_round(gate):
    c = client(gate, "agent", timeout=30.0)
    for n in range(20):
        barrier = threading.Barrier(64)
        won = []

        def race():
            barrier.wait()
            won.append(c.check_lock(f"race-{n}").locked)

        threads = [threading.Thread(target=race) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won.count(True) == 1 and len(won) == 64, n


def test_tasks(gate):
    with client(gate, "agent") as c:
        lease = c.ai.lease("t", ttl=30, metadata={"run_id": "r"})
        assert lease["status"] == "acquired" and lease["charged"] == 1
        assert c.ai.lease("t")["status"] == "in_progress"
        assert c.ai.status("t").status == "in_progress" and isinstance(c.ai.status("t").retry_after_sec, int)
        assert c.ai.extend("t", lease["lease_id"], ttl=60)["status"] == "extended"
        assert c.ai.complete("t", lease["lease_id"], result={"n": 1})["status"] == "completed"
        assert c.ai.result("t").result == {"n": 1} and c.ai.result("t").ok
        assert c.ai.wait("t", timeout=5).result == {"n": 1}
        failing = c.ai.lease("f")
        c.ai.fail("f", failing["lease_id"], error_code="boom")
        assert c.ai.status("f").error_code == "boom"
        taken = c.ai.lease("f")
        assert taken["status"] == "acquired" and taken["version"] == 2
        c.ai.cancel("f", taken["lease_id"], reason="not needed")
        assert c.ai.wait("f", timeout=5).status == "failed"
        assert c.ai.wait("never", timeout=5).status == "failed", "nobody polls for what is not there"
        with pytest.raises(ApiError) as lost:
            c.ai.complete("f", taken["lease_id"], result={})
        assert lost.value.status_code == 409

        done = c.ai.run_fn("fn", lambda: {"made": True})
        assert done.ok and done.result == {"made": True}
        assert c.ai.run_fn("fn", lambda: pytest.fail("it ran twice")).result == {"made": True}
        with pytest.raises(ZeroDivisionError):
            c.ai.run_fn("bad", lambda: 1 / 0)
        assert c.ai.run_fn("bad", lambda: {"second": True}).result == {"second": True}

        run = c.ai.run(key="job", ttl=60, run_id="r")
        assert run.status == "acquired"
        finish = threading.Timer(0.5, lambda: c.ai.complete("job", run.lease_id, result={"late": True}))
        finish.start()
        assert c.ai.run_and_wait(key="job", timeout=20).result == {"late": True}
        assert c.ai_run(key="job").status == "completed"
        assert c.ai_run_and_wait(key="job").result == {"late": True}


def test_a_governed_tool_is_called_signed_and_recorded(gate):
    with client(gate) as c:
        Tool.seen.clear()
        sent = c.ai.run_tool(agent_id="support-bot", tool="mail.send", args={"to": "ann"}, spend_usd=0.01, run_id="run-1")
        assert sent.ok and sent.allowed and sent.decision == "executed" and sent.result == {"sent": True}
        assert Tool.seen[0]["args"] == {"to": "ann"} and Tool.seen[0]["agent_id"] == "support-bot"
        again = c.ai.run_tool(agent_id="support-bot", tool="mail.send", args={"to": "ann"}, run_id="run-1")
        assert not again.allowed and again.decision == "dedup" and again.result == {"sent": True}
        assert len(Tool.seen) == 1, "a repeated call runs once"
        assert c.ai.run_tool(agent_id="support-bot", tool="mail.send", args={"to": "ann"}, run_id="run-2").ok
        assert c.ai.run_tool(agent_id="support-bot", tool="mail.send", args={"to": "bob"}, run_id="run-1").ok
        assert len(Tool.seen) == 3
        blocked = c.ai.run_tool(agent_id="support-bot", tool="users.delete")
        assert not blocked.allowed and blocked.decision == "blocked" and blocked.policy_reason
        asked = c.ai.run_tool(agent_id="support-bot", tool="stripe.refund", args={"amount": 5})
        assert not asked.allowed and "apr_" in asked.policy_reason
        assert not c.ai.run_tool(agent_id="nobody", tool="mail.send").allowed
        logs = c.gov.agent_logs("support-bot", limit=10)
        assert [log.decision for log in logs[:6]] == ["blocked", "blocked", "executed", "executed", "dedup", "executed"]
        assert logs[2].tool == "mail.send" and len(logs[2].args_hash) == 8
        metrics = c.gov.agent_metrics("support-bot", period="hour")
        assert metrics.total_actions >= 3 and metrics.blocked_actions >= 2 and metrics.top_tools


def test_policies(gate):
    with client(gate) as c:
        wanted = {
            "agent_id": "billing-bot",
            "allowed_tools": ["crm.read"],
            "blocked_tools": ["delete_user"],
            "max_actions_per_hour": 2,
            "max_spend_usd_per_day": 50.5,
            "max_calls_per_tool": {"crm.read": 5},
            "pricing_rules": [{"tool": "crm.read", "price_usd": 0.01}],
        }
        put = c.gov.upsert_policy(wanted)
        assert put.agent_id == "billing-bot" and put.max_spend_usd_per_day == 50.5
        got = c.gov.get_policy("billing-bot")
        assert got.policy == {name: value for name, value in wanted.items() if name != "agent_id"}
        assert any(it.agent_id == "billing-bot" for it in c.gov.list_policies())
        decisions = [c.ai.run_tool(agent_id="billing-bot", tool="crm.read").allowed for _ in range(3)]
        assert decisions == [True, True, False], "two an hour"
        moderate = c.gov.policy_from_template("new-bot", "moderate", overrides={"max_actions_per_hour": 300})
        assert moderate.max_actions_per_hour == 300 and "delete_user" in moderate.blocked_tools
        assert c.gov.get_policy("new-bot").policy == moderate.policy
        with pytest.raises(ValidationError):
            c.gov.upsert_policy({"agent_id": "billing-bot", "max_tokens_per_day": 5})
        versions = httpx.get(f"{gate['url']}/v1/policy/versions", headers={"X-API-Key": gate["admin"]}).json()
        assert versions["versions"][0]["by"] == "admin@example.com"


def test_tools(gate):
    with client(gate) as c:
        auth = {"type": "hmac_sha256", "secret": "a-very-secret-key"}
        tool = {"name": "send_email", "scope_id": "global", "url": "https://tools.example.com/send", "auth": auth}
        made = c.gov.create_tool({**tool, "timeout_ms": 15000, "max_retries": 2, "enabled": True, "description": "Mail"})
        assert made["has_secret"] and "secret" not in json.dumps(made["auth"]).replace("hmac_sha256", "")
        assert [it["name"] for it in c.gov.list_tools() if it["name"] == "send_email"] == ["send_email"]
        assert c.gov.get_tool("send_email")["timeout_ms"] == 15000
        assert c.gov.toggle_tool("send_email", enabled=False)["enabled"] is False
        assert c.gov.delete_tool("send_email") == {"ok": True, "deleted": "send_email"}
        with pytest.raises(ApiError) as gone:
            c.gov.get_tool("send_email")
        assert gone.value.status_code == 404


def test_kill_switch(gate):
    with client(gate) as c:
        off = c.gov.disable_agent("billing-bot", reason="odd mails")
        assert not off.enabled and off.disabled_reason == "odd mails" and off.disabled_at
        assert not c.ai.run_tool(agent_id="billing-bot", tool="crm.read").allowed
        assert c.gov.enable_agent("billing-bot").enabled
        with pytest.raises(ApiError):
            c.gov.disable_agent("../tools/x")


def test_account_events_and_runs(gate):
    with client(gate) as c:
        assert c.me()["plan"] == "self-hosted"
        assert c.update_notifications(email_notifications_enabled=True)["email_notifications_enabled"] is True
        assert {"plan", "month", "usage", "limit"} <= set(c.usage())
        assert {"make", "ai"} <= set(c.usage_all())
        posted = c.post_event(run_id="run/é 1", type="step", ts=5, status="ok", duration_ms=3, step="1", data={"a": 1}, extra=2)
        assert posted["ok"] and isinstance(posted["event_id"], int)
        timeline = c.get_run_timeline("run/é 1")
        assert timeline["total"] == 1 and timeline["events"][0]["extra"] == 2 and timeline["events"][0]["ts"] == 5
        assert c.events(limit=1)["data"][0]["run_id"] == "run/é 1"
        assert c.metrics("2020-01-01", "2100-01-01")["data"][-1]["requests"] > 0


def test_the_same_without_blocking(gate):
    async def go():
        c = client(gate)
        async with c:
            assert (await c.check_lock_async("async-1")).locked
            assert (await c.check_lock_async("async-1")).duplicate
            lease = await c.ai.lease_async("ta")
            await c.ai.extend_async("ta", lease["lease_id"], ttl=30)
            assert (await c.ai.status_async("ta")).status == "in_progress"
            await c.ai.complete_async("ta", lease["lease_id"], result={"n": 2})
            assert (await c.ai.result_async("ta")).result == {"n": 2}
            assert (await c.ai.wait_async("ta", timeout=5)).ok
            for name, end in [("fa", "fail"), ("ca", "cancel")]:
                lease = await c.ai.lease_async(name)
                if end == "fail":
                    await c.ai.fail_async(name, lease["lease_id"], error_code="boom")
                else:
                    await c.ai.cancel_async(name, lease["lease_id"])
                assert (await c.ai.status_async(name)).status == "failed"
            # This version of the client cancels its own heartbeat and does not catch what that raises: the work is done
            # and told all the same.
            with pytest.raises(asyncio.CancelledError):
                await c.ai.run_fn_async("fna", lambda: {"x": 1})
            assert (await c.ai.run_fn_async("fna", lambda: pytest.fail("it ran twice"))).result == {"x": 1}
            assert (await c.ai.run_async(key="fna")).status == "completed"
            assert (await c.ai.run_and_wait_async(key="fna")).result == {"x": 1}
            assert (await c.ai_run_async(key="fna")).status == "completed"
            assert (await c.ai_run_and_wait_async(key="fna")).result == {"x": 1}
            assert (await c.ai.run_tool_async(agent_id="support-bot", tool="crm.read")).allowed
            assert (await c.me_async())["plan"]
            await c.update_notifications_async(run_failure_notifications_enabled=True)
            assert (await c.usage_async(kind="ai"))["usage"] > 0
            assert await c.usage_all_async()
            await c.post_event_async(run_id="ra", type="start")
            assert (await c.get_run_timeline_async("ra"))["total"] == 1
            assert (await c.events_async())["data"]
            assert (await c.metrics_async("2020-01-01", "2100-01-01"))["data"]
            await c.gov.upsert_policy_async({"agent_id": "async-bot", "allowed_tools": ["crm.read"]})
            await c.gov.policy_from_template_async("async-bot", "read_only")
            assert (await c.gov.get_policy_async("async-bot")).max_actions_per_hour == 500
            assert await c.gov.list_policies_async()
            assert not (await c.gov.disable_agent_async("async-bot")).enabled
            assert (await c.gov.enable_agent_async("async-bot")).enabled
            assert isinstance(await c.gov.agent_logs_async("async-bot"), list)
            assert (await c.gov.agent_metrics_async("async-bot")).total_actions == 0
            tool = {"name": "async_tool", "scope_id": "global", "url": "https://tools.example.com/a"}
            await c.gov.create_tool_async(tool)
            assert await c.gov.list_tools_async()
            assert (await c.gov.get_tool_async("async_tool"))["enabled"]
            await c.gov.toggle_tool_async("async_tool", enabled=False)
            assert (await c.gov.delete_tool_async("async_tool"))["ok"]
            await c.aclose()

    asyncio.run(go())


def test_decorators(gate):
    c = client(gate)
    ran = []

    @idempotent(c, key_prefix="pay")
    def pay(order: str, amount: int):
        ran.append((order, amount))
        return "paid"

    assert pay("o-1", 5) == "paid" and pay("o-1", 5) is None and pay("o-1", 6) == "paid"
    assert ran == [("o-1", 5), ("o-1", 6)]

    @idempotent_ai(c, key_fn=lambda order: f"ai:{order}")
    def work(order: str):
        ran.append(order)
        return {"order": order}

    assert work("w").result == {"order": "w"} and work("w").result == {"order": "w"}
    assert ran.count("w") == 1


def test_errors_are_those_of_the_client(gate):
    wrong = OnceOnly("pk_live_wrong", base_url=f"{gate['url']}/onceonly/v1")
    for call in [lambda: wrong.check_lock("k"), wrong.me, lambda: wrong.ai.lease("k"), wrong.gov.list_policies]:
        with pytest.raises(UnauthorizedError):
            call()
    with client(gate, "agent") as c:
        for call in [lambda: c.check_lock("x" * 257), lambda: c.check_lock("k", ttl=0), lambda: c.ai.lease("")]:
            with pytest.raises(ValidationError):
                call()
        with pytest.raises(UnauthorizedError):
            c.gov.disable_agent("support-bot")
        with pytest.raises(ValidationError):
            c.usage(kind="none")
        with pytest.raises(ApiError) as none:
            c.get_run_timeline("none")
        assert none.value.status_code == 404


def test_a_gate_that_cannot_write_never_says_go():
    """The client takes a server's failure for a yes. A gate whose disk is gone answers 429."""
    # Held by the unit tests of the dialect for every way to fail; here the client's own reading of a 429.
    transport = httpx.MockTransport(lambda _: httpx.Response(429, json={"detail": {"error": "rate_limited"}}, headers={"Retry-After": "1"}))
    c = OnceOnly("k", base_url="http://gate/onceonly/v1", sync_client=httpx.Client(base_url="http://gate", transport=transport))
    with pytest.raises(RateLimitError) as limited:
        c.check_lock("k")
    assert limited.value.retry_after_sec == 1.0
