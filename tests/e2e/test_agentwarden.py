"""The official AgentWarden client, unmodified, against the gate: every method of it, and the errors it maps."""

import inspect
import json
import os
import subprocess

import httpx
import pytest
from agentwarden import (
    AgentNotFoundError,
    AgentWarden,
    APIError,
    ApprovalRequiredError,
    AuthenticationError,
    PermissionDeniedError,
)

BIN = os.environ["PORTCULLIS_BIN"]


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    (folder / "policy.yaml").write_text("version: 1\n# kept\nagents:\n  other-bot: {rules: []}\n")
    store = f"sqlite:{folder / 'ledger.db'}"
    process = subprocess.Popen(
        [BIN, "serve", "--policy", str(folder / "policy.yaml"), "--store", store, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    line = process.stdout.readline()
    assert "ready at" in line, line

    def key(role: str, name: str) -> str:
        made = subprocess.run(
            [BIN, "keys", "create", "--role", role, "--name", name, "--store", store, "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(made.stdout)["secret"]

    url = f"{line.split(' at ')[1].strip()}/agentwarden"
    admin = httpx.Client(base_url=url, headers={"X-API-Key": key("admin", "root@example.com")})
    yield {"url": url, "admin": admin, "key": key("agent", "app")}
    process.terminate()
    assert process.wait(20) == 0


@pytest.fixture(scope="module")
def agent(gate) -> str:
    """An agent with permissions, made as the product's own documents make one."""
    made = gate["admin"].post("/api/agents", json={"name": "support-bot", "description": "Answers"})
    assert made.status_code == 201, made.text
    for permission in [
        {"action": "stripe.refund", "max_amount": 100},
        {"action": "deploy.production", "requires_approval": True},
        {"action": "crm.read"},
    ]:
        answer = gate["admin"].post(f"/api/agents/{made.json()['id']}/permissions", json=permission)
        assert answer.status_code == 201, answer.text
    return made.json()["id"]


def warden(gate) -> AgentWarden:
    return AgentWarden(api_key=gate["key"], base_url=gate["url"])


def test_every_method_is_tried():
    text = open(__file__).read()
    for name, _ in inspect.getmembers(AgentWarden, inspect.isfunction):
        if not name.startswith("_"):
            assert f"w.{name}(" in text, f"{name} is not tried"


def test_check(gate, agent):
    with warden(gate) as w:
        for who in ["support-bot", agent]:
            assert w.check(who, "stripe.refund", {"amount": 50})
            refused = w.check(who, "stripe.refund", {"amount": 150})
            assert not refused and refused.reason == "Amount 150.00 exceeds maximum allowed 100.00"
            assert refused.allowed is False and refused.requires_approval is False
        for odd in [{"amount": "50"}, {"amount": -1}, {"amount": None}, {}, None]:
            denied = w.check("support-bot", "stripe.refund", odd)
            assert denied.allowed is False and denied.reason, odd
        assert w.check("support-bot", "crm.read").allowed is True
        assert not w.check("support-bot", "users.delete")
        with pytest.raises((APIError, ValueError)):
            w.check("support-bot", "stripe.refund", {"amount": float("nan")})


def test_log(gate, agent):
    with warden(gate) as w:
        for status in ["success", "failed", "pending", "denied", "blocked", "pending_approval", "allowed", "error"]:
            entry = w.log("support-bot", "crm.read", status, {"n": 1})
            assert entry.status == status and entry.context == {"n": 1} and entry.id and entry.organization_id
        assert w.log(agent, "crm.read", "success").context is None
    logs = gate["admin"].get("/api/logs", params={"agent_id": agent, "limit": 3}).json()
    assert len(logs) == 3 and logs[0]["status"] == "success"


def test_execute(gate, agent):
    with warden(gate) as w:
        assert w.execute("support-bot", "stripe.refund", lambda: "done", {"amount": 7}) == "done"
        with pytest.raises(PermissionDeniedError) as denied:
            w.execute("support-bot", "stripe.refund", lambda: pytest.fail("it ran"), {"amount": 700})
        assert "exceeds maximum allowed 100.00" in str(denied.value)
        with pytest.raises(ZeroDivisionError):
            w.execute("support-bot", "crm.read", lambda: 1 / 0, {"id": 1})
        with pytest.raises(ApprovalRequiredError):
            w.execute("support-bot", "deploy.production", lambda: pytest.fail("it ran"), {"build": 1})
        question = gate["admin"].get("/api/approvals").json()[0]
        assert question["action"] == "deploy.production" and question["context"] == {"build": 1}
        yes = gate["admin"].post(f"/api/approvals/{question['id']}/approve", json={"comment": "go"})
        assert yes.json()["status"] == "approved", yes.text
        assert w.execute("support-bot", "deploy.production", lambda: "out", {"build": 1}) == "out"
        with pytest.raises(ApprovalRequiredError):
            w.execute("support-bot", "deploy.production", lambda: pytest.fail("it ran twice"), {"build": 1})
        again = gate["admin"].get("/api/approvals").json()[0]
        no = gate["admin"].post(f"/api/approvals/{again['id']}/reject")
        assert no.json()["status"] == "rejected"


def test_errors_are_those_of_the_client(gate, agent):
    wrong = AgentWarden(api_key="pk_live_wrong", base_url=gate["url"])
    for call in [lambda: wrong.check("support-bot", "a"), lambda: wrong.log("support-bot", "a", "success")]:
        with pytest.raises(AuthenticationError):
            call()
    with warden(gate) as w:
        with pytest.raises(AgentNotFoundError):
            w.check("nobody", "a")
        with pytest.raises(APIError):
            w.log("nobody", "a", "success")
        with pytest.raises(APIError):
            w.log("support-bot", "a", "done")


def test_what_is_managed_is_the_policy(gate, agent):
    admin = gate["admin"]
    assert {it["name"] for it in admin.get("/api/agents").json()} == {"support-bot", "other-bot"}
    permissions = admin.get(f"/api/agents/{agent}/permissions").json()
    assert {it["action"] for it in permissions} == {"stripe.refund", "deploy.production", "crm.read"}
    policy = httpx.get(f"{gate['url']}/../v1/policy", headers=admin.headers).json()["text"]
    assert "# kept" in policy and "agentwarden: stripe.refund" in policy
    read = next(it["id"] for it in permissions if it["action"] == "crm.read")
    assert admin.delete(f"/api/permissions/{read}").status_code == 204
    with warden(gate) as w:
        assert not w.check("support-bot", "crm.read")
        assert admin.put(f"/api/agents/{agent}", json={"status": "inactive"}).json()["status"] == "inactive"
        assert not w.check("support-bot", "stripe.refund", {"amount": 1})
        assert admin.put(f"/api/agents/{agent}", json={"status": "active"}).json()["status"] == "active"
        assert w.check("support-bot", "stripe.refund", {"amount": 1})
    login = httpx.post(
        f"{gate['url']}/auth/login", json={"email": "root@example.com", "password": admin.headers["X-API-Key"]}
    ).json()
    me = httpx.get(f"{gate['url']}/auth/me", headers={"Authorization": f"Bearer {login['access_token']}"}).json()
    assert me["email"] == "root@example.com" and me["id"] == login["user"]["id"]
    assert admin.delete(f"/api/agents/{agent}").status_code == 204
    with warden(gate) as w, pytest.raises(AgentNotFoundError):
        w.check("support-bot", "crm.read")
