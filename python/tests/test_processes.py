"""What goes to another process, and what says why it does not; and calls that nobody has begun."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import functools
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import POLICY, Server
from portcullis import (
    ApiError,
    ApprovalGate,
    AsyncPortcullis,
    CheckResult,
    Gate,
    NetworkBoundary,
    PathBoundary,
    Policy,
    Portcullis,
    ResourceBoundary,
    SafetyLayer,
    SafetyViolation,
    TimeBoundary,
)
from portcullis.adapters import Calls
from portcullis.adapters.tool_loops import guard_tool_calls


def layer() -> SafetyLayer:
    policies = [Policy.block_pattern(r"rm\s+-rf", "no"), Policy.warn_pattern("sudo", "careful")]
    bounds = [PathBoundary(["/tmp"]), NetworkBoundary(["a.example"]), TimeBoundary(5), ResourceBoundary(100)]
    return SafetyLayer(policies, bounds, agent="bot")


def elsewhere(safety: SafetyLayer) -> list[bool]:
    return [safety.check(it).allowed for it in ("ls", "rm -rf /", "rm --recursive --force /")] + [
        safety.check("read", {"path": it}).allowed for it in ("/tmp/a", "/etc/shadow")
    ]


def refused_there(policy: str) -> str:
    Gate.from_text(policy, agent="bot").tool("users.delete")(lambda: 1)()
    return "it ran"


@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_a_layer_of_plain_policies_goes_to_other_processes(how: str) -> None:
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {how} here")
    context = multiprocessing.get_context(how)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(elsewhere, layer()).result(60) == [True, False, False, True, False]
        with pytest.raises(SafetyViolation) as refused:
            pool.submit(refused_there, POLICY).result(60)
    # What the gate said comes along, as a client would have it.
    assert refused.value.rule == "never" and isinstance(refused.value.decision, CheckResult)
    assert refused.value.decision.decision_id == "dec_1" and not refused.value.decision.allowed


def test_a_layer_that_arrives_has_a_trace_of_its_own() -> None:
    safety = layer()
    safety.guard(lambda: 1)()
    other = pickle.loads(pickle.dumps(safety))
    assert other.get_trace().entry_count == 0 and other.agent == "bot"
    assert [it.name for it in other.policy_set] == [it.name for it in safety.policy_set]
    assert pickle.loads(pickle.dumps(safety.policy_set)).evaluate_all("rm -rf /", {})


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda: Gate.from_text(POLICY), "open it there"),
        (lambda: Portcullis("http://127.0.0.1:9", "pk_secret"), "PORTCULLIS_API_KEY"),
        (lambda: AsyncPortcullis("http://127.0.0.1:9", "pk_secret"), "PORTCULLIS_API_KEY"),
        (lambda: SafetyLayer(approval_gate=ApprovalGate()), "no answer would reach it"),
        (lambda: ApprovalGate(), "no answer would reach"),
        (lambda: SafetyLayer(boundaries=[ResourceBoundary(max_operations=3)]), "max_operations counts"),
        (lambda: SafetyLayer(boundaries=[TimeBoundary(5, max_total_time=9)]), "max_total_time counts"),
    ],
    ids=["gate", "client", "async client", "layer with people", "approvals", "operations", "total time"],
)
def test_what_stays_says_what_to_do(what: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says) as stays:
        pickle.dumps(what())
    assert "pk_secret" not in str(stays.value)


def test_a_decision_is_itself_when_copied_and_an_answer_when_sent() -> None:
    gate = Gate.from_text(POLICY, agent="bot")
    decision = gate.check("stripe.refund", {"amount": 20})
    assert copy.copy(decision) is decision and copy.deepcopy([decision])[0] is decision
    sent = pickle.loads(pickle.dumps(decision))
    assert isinstance(sent, CheckResult) and (sent.allowed, sent.rule, sent.code) == (True, "small", "allowed")
    with pytest.raises(TypeError):
        gate.report(sent, "success")  # type: ignore[arg-type]


def test_errors_arrive() -> None:
    error = pickle.loads(pickle.dumps(ApiError(409, {"detail": "taken", "code": "conflict"})))
    assert (error.status, error.code, str(error)) == (409, "conflict", "taken")


# Calls that are to be awaited.


class Later:
    """Is called like a coroutine function, and is none."""

    def __init__(self) -> None:
        self.ran: list[Any] = []

    async def __call__(self, command: str = "ls") -> str:
        await asyncio.sleep(0)
        self.ran.append(command)
        return f"ran {command}"


def test_what_is_called_like_a_coroutine_is_awaited() -> None:
    gate, later = Gate.from_text(POLICY, agent="bot"), Later()
    call = gate.tool("shell.run")(later)
    assert asyncio.run(call("ls /usr")) == "ran ls /usr"
    with pytest.raises(SafetyViolation):
        asyncio.run(call("rm -rf /"))
    safety = SafetyLayer([Policy.block_pattern(r"rm\s+-rf", "no")])
    assert asyncio.run(safety.guard(later)("ls")) == "ran ls"
    with pytest.raises(SafetyViolation):
        asyncio.run(safety.guard(later)("rm -rf /"))
    assert later.ran == ["ls /usr", "ls"]


def test_a_coroutine_that_nobody_awaited_is_no_success(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/l.db"
    with Gate.from_text(POLICY, store, agent="bot") as gate:
        hidden = gate.tool("shell.run")(lambda command: Later()(command))
        with pytest.raises(TypeError, match="async def"):
            hidden("ls /usr")


def test_time_is_held_of_coroutines_that_come_out_of_functions() -> None:
    async def slow() -> str:
        await asyncio.sleep(2)
        return "DONE"

    safety = SafetyLayer(boundaries=[TimeBoundary(0.05)])

    async def both() -> None:
        with pytest.raises(SafetyViolation):
            await safety.guard(lambda: slow())()
        with safety.session() as session:
            with pytest.raises(SafetyViolation):
                await session.execute("slow", slow)  # type: ignore[misc]

    asyncio.run(both())


def test_a_tool_without_brackets_and_without_a_name() -> None:
    gate, ran = Gate.from_text(POLICY.replace("never, deny: [users.delete]", "never, deny: [erase]"), agent="bot"), []

    @gate.tool
    def erase(x: str) -> None:
        ran.append(x)

    with pytest.raises(SafetyViolation) as refused:
        erase("a")
    assert refused.value.rule == "never" and not ran
    with pytest.raises(TypeError, match="name"):
        gate.tool()(functools.partial(erase, "a"))
    with pytest.raises(TypeError, match="function"):
        gate.tool("x.y")(3)  # type: ignore[type-var]


def test_clients_and_coroutines(server: Server) -> None:
    gate, later = Portcullis(server.url, server.keys["agent"]), Later()
    with pytest.raises(TypeError, match="AsyncPortcullis"):
        gate.execute("bot", "shell.run", later, args={"command": "ls /usr"})
    before = gate.decisions(limit=1)["decisions"]
    with pytest.raises(TypeError, match="async def"):
        gate.execute("bot", "shell.run", lambda command: later(command), args={"command": "ls /usr"})
    newest = gate.decisions(limit=1)["decisions"][0]
    assert newest not in before and newest["outcome"]["status"] == "failed" and not later.ran

    async def plain() -> str:
        async with AsyncPortcullis(server.url, server.keys["agent"]) as other:
            return await other.execute(
                "bot", "shell.run", lambda command: f"ran {command}", args={"command": "ls /usr"}
            )

    assert asyncio.run(plain()) == "ran ls /usr"


def test_tool_loops_of_asyncio() -> None:
    calls, later = Calls(Gate.from_text(POLICY), "bot"), Later()

    def response(command: str) -> dict[str, Any]:
        return {
            "id": "m",
            "content": [{"type": "tool_use", "id": "t", "name": "shell.run", "input": {"command": command}}],
        }

    (call,) = guard_tool_calls(response("ls /usr"), calls)
    told = call.run({"shell.run": later})
    assert told["is_error"] and "TypeError" in told["content"] and not later.ran
    assert asyncio.run(call.arun({"shell.run": later}))["content"] == "ran ls /usr"
    (call,) = guard_tool_calls(response("rm -rf /"), calls)
    assert "refused" in asyncio.run(call.arun({"shell.run": later}))["content"] and call.violation is not None
    assert later.ran == ["ls /usr"]


# The cache of plain allows.


def test_the_cache_is_dropped_by_every_sign_and_keeps_nothing_of_a_session() -> None:
    version, off, asked = ["v1"], [False], list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        said: dict[str, Any] = {
            "decision": "allow",
            "allowed": True,
            "decision_id": "dec_1",
            "reason": "",
            "code": "allowed",
        }
        if off[0]:
            said.update(decision="deny", allowed=False, code="agent_disabled")
        said["policy_version"] = version[0]
        return httpx.Response(200, json={"results": [said]} if request.url.path.endswith("batch") else said)

    gate = Portcullis("http://gate", transport=httpx.MockTransport(answer), cache_s=60)

    def is_kept() -> bool:
        return gate.check("bot", "crm.read").from_cache

    assert not is_kept() and is_kept()
    # An answer of a batch shows that the policy moved.
    version[0] = "v2"
    gate.check_batch([{"agent_id": "bot", "tool": "x"}])
    assert not is_kept() and is_kept()
    # Our own change of the policy, and of an agent.
    gate.put_policy("version: 1")
    assert not is_kept() and is_kept()
    gate.disable_agent("bot", "drill")
    assert not is_kept() and is_kept()
    # Somebody was switched off: whoever it was, nothing is taken from before.
    off[0] = True
    assert gate.check("bot", "other").code == "agent_disabled"
    assert not gate.check("bot", "crm.read").allowed
    off[0] = False
    # Labels of a session may stop what it was allowed before.
    for _ in range(2):
        assert not gate.check("bot", "crm.read", session_id="s-1").from_cache
