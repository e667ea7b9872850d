"""The gate inside a process: decisions, records, people, and arguments of every shape."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import portcullis
from conftest import POLICY, program
from portcullis import (
    ApprovalDenied,
    ApprovalRequired,
    BudgetExceeded,
    Gate,
    GateUnavailable,
    LimitExceeded,
    PolicyError,
    SafetyViolation,
)


@pytest.fixture
def gate() -> Gate:
    return Gate.from_text(POLICY, agent="bot")


def test_a_decision_says_why(gate: Gate) -> None:
    small = gate.check("stripe.refund", {"amount": 20})
    assert (small.decision, small.allowed, small.rule, small.code) == ("allow", True, "small", "allowed")
    large = gate.check("stripe.refund", {"amount": 500})
    assert (large.decision, large.requires_approval, large.code) == ("pending", True, "approval_required")
    huge = gate.check("stripe.refund", {"amount": 5000})
    assert (huge.decision, huge.code) == ("deny", "no_matching_rule")
    never = gate.check("users.delete", {})
    assert not never.allowed and never.reason
    assert small.to_dict()["policy_version"] == gate.policy_version
    with pytest.raises(TypeError):
        bool(never)


def test_a_policy_with_mistakes_says_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as odd:
        Gate.from_text("version: 1\nagents: {a: {rulez: [], limits: [{meter: x}]}}")
    assert "rulez" in str(odd.value)
    with pytest.raises(PolicyError):
        Gate.from_policy(tmp_path / "none.yaml")
    with pytest.raises(PolicyError):
        Gate.from_text(POLICY, "postgres://x")
    with pytest.raises(GateUnavailable):
        Gate.from_text(POLICY, f"sqlite:{tmp_path}")


class Colour(Enum):
    RED = "red"


@dataclass
class Order:
    amount: Decimal
    colour: Colour


def odd_values() -> list[Any]:
    own: list[Any] = []
    own.append(own)
    cycle: dict[str, Any] = {}
    cycle["a"] = cycle
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    many: Any = [1]
    for _ in range(60):
        many = [many, many]
    return [
        float("nan"), float("inf"), -float("inf"), 2**64, -(2**70), 10**400, own, cycle, deep, many, b"x", bytearray(b"x"),
        memoryview(b"x"), "\ud800", {"\udfff": 1}, {1: 2}, {None: 1}, object(), lambda: 1, type, 1j, Decimal("NaN"),
        Decimal("Infinity"), "x" * (2 << 20), {"a" * (2 << 20): 1}, [0] * (1 << 20), Ellipsis, {b"k": 1}, range(10**9),
        Exception("x"), open, sys, iter([1]), "\0",
    ]  # fmt: skip


@pytest.mark.parametrize("n", range(len(odd_values())))
def test_odd_values_are_denied_and_nothing_falls_over(gate: Gate, n: int) -> None:
    value = odd_values()[n]
    for args in ({"amount": value}, {"amount": [value]}, value):
        decision = gate.check("stripe.refund", args)
        assert decision.decision == "deny"
        assert decision.reason
    for field in ("user", "session_id", "environment", "idempotency_key", "context", "estimated_cost_usd", "step"):
        decision = gate.check("crm.read", {}, **{field: value})
        assert decision.decision in ("allow", "deny")
    assert gate.check("crm.read", {}).allowed


def test_plain_values_mean_what_they_say(gate: Gate) -> None:
    order = Order(Decimal("12.50"), Colour.RED)
    assert gate.check("stripe.refund", {"amount": order.amount, "order": order}).allowed
    assert not gate.check("stripe.refund", {"amount": Decimal("200.01")}).allowed
    assert gate.check("stripe.refund", {"amount": 200, "note": "é", "when": None, "list": (1, 2)}).allowed
    assert gate.check("files.read", {"path": Path("/srv/data/a")}).allowed
    assert gate.check("files.read", {"path": Path("/srv/data/../../etc/shadow")}).code == "boundary"


def test_a_tool_is_run_only_if_allowed(gate: Gate) -> None:
    ran: list[Any] = []

    @gate.tool("stripe.refund")
    def refund(charge: str, amount: float = 20) -> str:
        """Refunds."""
        ran.append((charge, amount))
        return f"refunded {amount}"

    assert refund.__doc__ == "Refunds."
    assert refund("ch_1") == "refunded 20"
    with pytest.raises(ApprovalRequired) as asked:
        refund("ch_1", 500)
    assert asked.value.decision.approval_id in str(asked.value)
    with pytest.raises(SafetyViolation) as refused:
        refund("ch_1", amount=50_000)
    assert refused.value.code == "no_matching_rule"
    assert ran == [("ch_1", 20)]


def test_methods_and_coroutines(gate: Gate) -> None:
    class Files:
        @gate.tool("files.read")
        def read(self, path: str) -> str:
            return f"read {path}"

        @gate.tool("files.read")
        async def read_later(self, path: str) -> str:
            await asyncio.sleep(0)
            return f"read {path}"

    files = Files()
    assert files.read("/srv/data/a") == "read /srv/data/a"
    assert asyncio.run(files.read_later("/srv/data/a")) == "read /srv/data/a"
    with pytest.raises(SafetyViolation):
        files.read("/etc/shadow")
    with pytest.raises(SafetyViolation):
        asyncio.run(files.read_later("/etc/shadow"))
    with pytest.raises(TypeError):

        @gate.tool("x")
        def items() -> Any:
            yield 1


def test_sessions_are_on_record(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'ledger.db'}"
    with Gate.from_text(POLICY, store, agent="bot") as gate:
        with gate.session(user="carol", session_id="s1", context={"ticket": 7}):
            assert gate.check("crm.read", {"id": 7}).allowed
    listed = subprocess.run(
        [program(), "ledger", "verify", "--store", store], capture_output=True, text=True, check=True
    )
    assert listed.returncode == 0
    tail = subprocess.run(
        [program(), "ledger", "tail", "--store", store, "--json"], capture_output=True, text=True, check=True
    )
    assert '"carol"' in tail.stdout and '"s1"' in tail.stdout, tail.stdout


def test_limits_and_budgets(gate: Gate) -> None:
    limited = gate.tool("limited")(lambda: 1)
    limited(), limited()
    with pytest.raises(LimitExceeded) as over:
        limited()
    assert (over.value.retry_after_s or 0) > 3000
    spends = gate.tool("spends")(lambda: 1)
    spends(), spends()
    with pytest.raises(BudgetExceeded):
        spends()


def test_a_limit_holds_over_threads_and_processes(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(POLICY)
    code = (
        "import sys; from portcullis import Gate\n"
        "g = Gate.from_policy(sys.argv[1], sys.argv[2], agent='bot')\n"
        "print(sum(g.check('limited').allowed for _ in range(5)))"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(file), f"sqlite:{tmp_path}/l.db"], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert sum(int(it.communicate(timeout=60)[0]) for it in runs) == 2
    gate, allowed = Gate.from_text(POLICY, agent="bot"), []
    threads = [threading.Thread(target=lambda: allowed.append(gate.check("limited").allowed)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 2


def test_people_agree_to_the_exact_action(gate: Gate) -> None:
    asked = gate.check("stripe.refund", {"amount": 500})
    assert asked.approval_id is not None
    with pytest.raises(ValueError):
        gate.approve(asked.approval_id, by=gate.by)
    with pytest.raises(ValueError):
        gate.approve(asked.approval_id, by="bot")
    with pytest.raises(ValueError):
        gate.approve(asked.approval_id, by="mallory")
    gate.approve(asked.approval_id, by="alice")
    other = gate.check("stripe.refund", {"amount": 900}, approval_id=asked.approval_id)
    assert not other.allowed
    again = gate.check("stripe.refund", {"amount": 500}, approval_id=asked.approval_id)
    assert (again.allowed, again.code) == (True, "approved")
    assert not gate.check("stripe.refund", {"amount": 500}, approval_id=asked.approval_id).allowed


def answering(gate: Gate, yes: bool) -> threading.Thread:
    def run() -> None:
        for n in range(1, 500):
            try:
                if gate.approval(f"apr_{n % 20}") == "pending":
                    (gate.approve if yes else gate.deny)(f"apr_{n % 20}", by="alice", message="on a Monday")
                    return
            except ValueError:
                time.sleep(0.002)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_tool_can_wait_for_people(gate: Gate) -> None:
    refund = gate.tool("stripe.refund", wait_s=5)(lambda amount: f"refunded {amount}")
    thread = answering(gate, True)
    assert refund(500) == "refunded 500"
    thread.join()
    thread = answering(gate, False)
    with pytest.raises(ApprovalDenied, match="on a Monday"):
        refund(600)
    thread.join()


def test_the_end_is_reported_and_screened(gate: Gate) -> None:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    read = gate.tool("crm.read", screen=True)(lambda: {"note": f"token {key}"})
    assert key not in json.dumps(read())
    decision = gate.check("crm.read")
    assert gate.report(decision, "failed", error="no")["status"] == "failed"
    with pytest.raises(ValueError):
        gate.report(decision, "success")
    with pytest.raises(ValueError):
        gate.report(gate.check("users.delete"), "success")
    fails = gate.tool("crm.read")(lambda: 1 / 0)  # type: ignore[operator]
    with pytest.raises(ZeroDivisionError):
        fails()
    assert isinstance(gate.tool("crm.read")(lambda: object())(), object)


def test_switch_off_and_reload(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(POLICY)
    gate = Gate.from_policy(file, agent="bot")
    gate.disable("bot", "drill", by="root")
    assert gate.check("crm.read").code == "agent_disabled"
    gate.enable("bot", "over", by="root")
    before = gate.policy_version
    file.write_text("nonsense: [")
    with pytest.raises(PolicyError):
        gate.reload()
    assert gate.policy_version == before and gate.check("crm.read").allowed
    file.write_text(POLICY.replace("crm.read, files.read", "files.read"))
    gate.reload()
    assert gate.policy_version != before and not gate.check("crm.read").allowed


def test_keys_are_carried_out_once(gate: Gate) -> None:
    first = gate.check("crm.read", idempotency_key="k1")
    again = gate.check("crm.read", idempotency_key="k1")
    assert first.allowed and not again.allowed and again.duplicate_of == first.decision_id
    assert again.original == {"decision_id": first.decision_id, "decision": "allow"} or again.original is None
    gate.report(first, "success", result={"n": 1})
    known = gate.check("crm.read", idempotency_key="k1").original
    assert known is not None and (known["status"], known["result"]) == ("success", {"n": 1})
    assert gate.check("crm.read", {"other": 1}, idempotency_key="k1").original is None, "it is another action's"


def test_a_repeated_action_is_told_how_it_ended_wherever_that_was(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'ledger.db'}"
    with Gate.from_text(POLICY, store, agent="bot") as gate:
        gate.report(gate.check("crm.read", idempotency_key="k"), "success", result=[1, 2])
    with Gate.from_text(POLICY, store, agent="bot") as other:
        again = other.check("crm.read", idempotency_key="k")
    assert again.code == "duplicate" and again.original is not None and again.original["result"] == [1, 2]


def test_what_is_kept_without_a_store_is_bounded(gate: Gate) -> None:
    first = gate.check("crm.read", idempotency_key="long")
    gate.report(first, "success", result="x" * 100_000)
    assert gate.check("crm.read", idempotency_key="long").original is None
    kept = gate.check("crm.read", idempotency_key="k0")
    gate.report(kept, "success", result=0)
    for n in range(1, 1_100):
        gate.report(gate.check("crm.read", idempotency_key=f"k{n}"), "success", result=n)
    again = gate.check("crm.read", idempotency_key="k0")
    assert again.code == "duplicate" and again.original is None
    assert (gate.check("crm.read", idempotency_key="k1099").original or {})["result"] == 1_099


def test_memory_stays_where_it_is(gate: Gate) -> None:
    guarded = portcullis.SafetyLayer([portcullis.Policy.block_pattern("never", "no")]).guard(lambda x: x)
    tool = gate.tool("crm.read")(lambda x: x)

    def resident() -> int:
        gc.collect()
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4

    def many() -> None:
        for n in range(20_000):
            guarded(f"call {n}")
            if n % 4 == 0:
                tool(n)

    many()
    before = resident()
    many()
    grown = resident() - before
    assert grown < 20_000, f"{grown} KiB more after 20,000 calls more"


def test_many_at_once(gate: Gate) -> None:
    asked = [{"agent_id": "bot", "tool": "limited"} for _ in range(3)] + [{"agent_id": "bot"}, {"tool": float("nan")}]
    assert [it.allowed for it in gate.check_all(asked)] == [True, True, False, False, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("store", [False, True])
def test_a_forked_process_is_denied_and_ends(tmp_path: Path, store: bool) -> None:
    gate = Gate.from_text(POLICY, f"sqlite:{tmp_path}/l.db" if store else None, agent="bot")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            gate.check("crm.read")
            os.write(write, b"allowed")
        except GateUnavailable:
            # What the child inherited is dropped, and nobody is waited for.
            del gate
            gc.collect()
            os.write(write, b"denied")
        finally:
            os._exit(0)
    os.close(write)
    until, ended = time.monotonic() + 20, 0
    while not ended and time.monotonic() < until:
        ended, _ = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended and os.read(read, 20) == b"denied"
    assert gate.check("crm.read").allowed


def test_a_closed_gate_denies(tmp_path: Path) -> None:
    gate = Gate.from_text(POLICY, f"sqlite:{tmp_path}/l.db", agent="bot")
    gate.close()
    with pytest.raises(GateUnavailable):
        gate.check("crm.read")


def test_the_program(policy: Path) -> None:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "portcullis", *args], capture_output=True, text=True)

    assert run().stdout.strip() == f"portcullis-gate {portcullis.__version__}"
    common = ["--policy", str(policy), "--agent", "bot", "--tool"]
    assert run(*common, "crm.read").returncode == 0
    assert run(*common, "users.delete").returncode == 2
    assert run(*common, "stripe.refund", "--args", '{"amount": 500}').returncode == 3
    assert run("--policy", "none.yaml", "--agent", "a", "--tool", "b").returncode == 1
    # What is not understood is neither an allow (0) nor a denial (2).
    for odd in (
        [*common, "crm.read", "--args", "{"],
        ["--policy", "", *common[2:], "crm.read"],
        common[2:3] + ["x"],
        common,
    ):
        ended = run(*odd)
        assert ended.returncode == 1 and not ended.stdout and "Traceback" not in ended.stderr, odd
    assert "--args is no JSON" in run(*common, "crm.read", "--args", "{").stderr


def test_importing_is_quick() -> None:
    # CPU time: what else the machine does is not the import's. A machine that is slow today is slow at both.
    def cost(module: str) -> float:
        code = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
        return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(7))

    quick, yardstick = cost("portcullis"), cost("asyncio")
    assert quick < max(0.05, 2.0 * yardstick), (quick, yardstick)
    loaded = "import sys, portcullis; print([it for it in ('asyncio', 'httpx', 'uuid', 'ctypes') if it in sys.modules])"
    assert (
        subprocess.check_output([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {loaded}"])
        == b"[]\n"
    )


def test_methods_of_every_kind_are_tools() -> None:
    policy = """
version: 1
agents: {bot: {rules: [{name: any, allow: [any], when: "args.x != 'bad'"}]}}
"""
    gate = Gate.from_text(policy, agent="bot")

    class Tools:
        @gate.tool("any")
        def method(self, x: str) -> str:
            return "ran"

        @gate.tool("any")
        @classmethod
        def of_class(cls, x: str) -> str:
            return "ran"

        @classmethod
        @gate.tool("any")
        def of_class_too(cls, x: str) -> str:
            return "ran"

        @gate.tool("any")
        @staticmethod
        def of_nothing(x: str) -> str:
            return "ran"

    for call in (Tools().method, Tools().of_class, Tools.of_class, Tools.of_class_too, Tools.of_nothing):
        assert call("good") == "ran" and call(x="good") == "ran"
        with pytest.raises(SafetyViolation):
            call("bad")


def test_a_class_of_its_own_does_not_say_what_it_holds() -> None:
    class Liar(dict[str, str]):
        def items(self) -> Any:
            return [("x", "good")]

    policy = """
version: 1
agents: {bot: {rules: [{name: any, allow: [any], when: "args.x != 'bad'"}]}}
"""
    assert not Gate.from_text(policy, agent="bot").check("any", Liar(x="bad")).allowed
