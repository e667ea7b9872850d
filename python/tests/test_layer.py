"""Guards: what the weaknesses do not name."""

from __future__ import annotations

import array
import asyncio
import collections
import copy
import functools
import io
import os
import pickle
import re
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest

from portcullis import (
    ApprovalGate,
    ApprovalRequired,
    NetworkBoundary,
    PathBoundary,
    Policy,
    PolicyAction,
    PolicyResult,
    ResourceBoundary,
    SafetyLayer,
    SafetyViolation,
    TimeBoundary,
)


def rm() -> Policy:
    return Policy.block_pattern(r"rm\s+-rf\s+/", "No recursive delete from root")


def test_every_kind_of_function() -> None:
    safety = SafetyLayer([rm()])

    class Shell:
        @safety.guard
        def run(self, cmd: str) -> str:
            return cmd

        @staticmethod
        @safety.guard
        def static(cmd: str) -> str:
            return cmd

        @safety.guard
        @classmethod
        def of_class(cls, cmd: str) -> str:
            return cmd

        @safety.guard
        async def later(self, cmd: str) -> str:
            return cmd

        @safety.guard
        def items(self, cmd: str) -> Any:
            yield cmd

        @safety.guard
        async def items_later(self, *cmd: str, **more: str) -> Any:
            yield cmd

    async def listed(cmd: str) -> list[Any]:
        return [it async for it in Shell().items_later("x", more=cmd)]

    shell = Shell()
    calls: list[Any] = [
        shell.run,
        lambda cmd: shell.run(cmd=cmd),
        Shell.static,
        Shell.of_class,
        lambda cmd: asyncio.run(shell.later(cmd)),
        lambda cmd: list(shell.items(cmd)),
        lambda cmd: asyncio.run(listed(cmd)),
    ]
    for call in calls:
        assert call("ls")
        with pytest.raises(SafetyViolation):
            call("rm -rf /")
    assert safety.get_trace().blocked_count == len(calls)  # type: ignore[union-attr]
    assert safety.get_trace().error_count == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [["rm", "-rf", "/"], {"a": {"b": ("rm -rf /",)}}, b"rm -rf /", "rm\u200b -rf /", "ｒｍ -rf /", Path("rm -rf /")],
    ids=repr,
)
def test_arguments_of_every_shape(value: Any) -> None:
    ran: list[Any] = []
    with pytest.raises(SafetyViolation):
        SafetyLayer([rm()]).guard(ran.append)(value)
    assert not ran


def test_defaults_are_arguments() -> None:
    @SafetyLayer(boundaries=[PathBoundary(["/tmp"])]).guard
    def read(path: str = "/etc/shadow") -> str:
        return path

    assert read("/tmp/a") == "/tmp/a"
    with pytest.raises(SafetyViolation) as crossed:
        read()
    assert crossed.value.is_boundary_violation and crossed.value.code == "boundary"


def test_odd_arguments_do_not_crash() -> None:
    own: list[Any] = []
    own.append(own)
    many: Any = ["x"]
    for _ in range(40):
        many = [many, many]
    odd = [own, many, float("nan"), "\ud800", object(), 10**400, b"\xff", "\0", range(10**9), {1: 2}, iter([1])]
    safety = SafetyLayer([rm()], [PathBoundary(["/tmp"]), NetworkBoundary(["a.example"])])
    for value in odd:
        for call in (safety.guard(lambda value: "ran"), safety.guard(lambda path: "ran")):
            start = time.monotonic()
            try:
                assert call(value) == "ran"
            except SafetyViolation:
                pass
            assert time.monotonic() - start < 10
        assert safety.check("x", {"path": value}) is not None


def test_a_warning_does_not_hide_a_refusal_of_the_same_name() -> None:
    safety = SafetyLayer(
        [Policy.warn_pattern("x", "careful", name="same"), Policy.block_pattern("x", "never", name="same")]
    )
    assert not safety.check("x").allowed
    with pytest.raises(ValueError):
        safety.remove_policy("same")


def test_policies_come_and_go() -> None:
    safety = SafetyLayer()
    assert safety.check("rm -rf /").allowed
    safety.add_policy(rm())
    assert not safety.check("rm -rf /").allowed
    assert safety.remove_policy(rm().name) and not safety.remove_policy("other")
    assert safety.check("rm -rf /").allowed
    safety.add_boundary(PathBoundary(["/tmp"]))
    assert not safety.check("read", {"path": "/etc/x"}).allowed
    assert safety.remove_boundary("path_boundary") and safety.check("read", {"path": "/etc/x"}).allowed


PATTERNS = [
    (r"a{", "a{"), (r"[[]x", "[x"), (r"end$", "end\n"), (r"\Aa\Z", "a"), (r"[]a]", "]"), (r"(?i)ABC", "abc"),
    (r"a  b  # c", "ab"), (r"[a&&b]", "&"), (r"\x41", "A"), (r"(?P<n>a)(?P=n)", "aa"), (r"(?<=a)b", "ab"),
    (r"a{,2}b", "aab"), (r"^b", "a\nb"), (r"\\d", "\\d"), (r"[\b]", "\b"), (r"é+", "É"), (r"\.\*\?", ".*?"), (r"\"", '"'),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), PATTERNS)
def test_patterns_mean_what_they_mean_to_re(pattern: str, text: str) -> None:
    flags = re.IGNORECASE | (re.VERBOSE if "#" in pattern else 0) | (re.MULTILINE if pattern == "^b" else 0)
    assert re.search(pattern, text, flags)
    safety = SafetyLayer([Policy.block_pattern(pattern, "no", flags=flags)])
    assert not safety.check(text).allowed
    assert safety.check("zzz").allowed


def test_a_pattern_that_is_none_is_refused_when_it_is_made() -> None:
    for pattern in ("(", "[", "*"):
        with pytest.raises(re.error):
            Policy.block_pattern(pattern, "no")


def test_custom_policies() -> None:
    def costly(operation: str, context: dict[str, Any]) -> PolicyResult | None:
        if context.get("estimated_cost", 0) > 100:
            return PolicyResult(PolicyAction.BLOCK, "cost", "too much")
        return None

    safety = SafetyLayer([Policy.custom("cost", costly)])
    assert safety.check("x", {"estimated_cost": 5}).allowed and not safety.check("x", {"estimated_cost": 500}).allowed
    spend = safety.guard(lambda estimated_cost: "spent")
    assert spend(5) == "spent"
    with pytest.raises(SafetyViolation) as refused:
        spend(500)
    assert refused.value.rule == "cost"
    lies: Any = Policy.custom("odd", lambda *_: "yes")  # type: ignore[arg-type,return-value]
    assert not SafetyLayer([lies]).check("x").allowed


def test_a_time_limit_says_whether_the_call_goes_on() -> None:
    over = threading.Event()
    stuck = SafetyLayer(boundaries=[TimeBoundary(0.05)]).guard(lambda: over.wait(2))
    with pytest.raises(SafetyViolation, match="goes on"):
        stuck()
    over.set()

    ended: list[str] = []

    def spins() -> None:
        try:
            while True:
                pass
        finally:
            ended.append("stopped")

    with pytest.raises(SafetyViolation):
        SafetyLayer(boundaries=[TimeBoundary(0.05)]).guard(spins)()
    until = time.monotonic() + 5
    while not ended and time.monotonic() < until:
        time.sleep(0.01)
    assert ended == ["stopped"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_isolated_call_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "done"

    def slow() -> None:
        time.sleep(0.5)
        mark.write_text("it went on")

    with pytest.raises(SafetyViolation):
        SafetyLayer(boundaries=[TimeBoundary(0.05, isolate=True)]).guard(slow)()
    time.sleep(0.7)
    assert not mark.exists()
    layer = SafetyLayer(boundaries=[ResourceBoundary(max_memory_mb=200)])
    assert layer.guard(lambda n: n + 1)(1) == 2
    with pytest.raises(ZeroDivisionError):
        layer.guard(lambda: 1 / 0)()
    with pytest.raises(RuntimeError, match="picklable"):
        layer.guard(lambda: threading.Lock())()


def test_coroutines_are_cancelled_at_their_time() -> None:
    cancelled: list[bool] = []

    @SafetyLayer(boundaries=[TimeBoundary(0.05)]).guard
    async def slow() -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def run() -> None:
        with pytest.raises(SafetyViolation):
            await slow()
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert cancelled == [True]


def test_total_time_runs_out() -> None:
    safety = SafetyLayer(boundaries=[TimeBoundary(1, max_total_time=0.1)])
    nap = safety.guard(lambda: time.sleep(0.08))
    nap()
    with pytest.raises(SafetyViolation):
        nap()
        nap()


def test_approvers_are_named() -> None:
    gate = ApprovalGate(default_timeout=0.3, approvers=["alice"])
    safety = SafetyLayer([Policy.require_approval("pay")], approval_gate=gate, agent="bot")
    said: list[bool] = []

    def answer() -> None:
        while not gate.get_pending():
            time.sleep(0.005)
        request = gate.get_pending()[0]
        said.extend([gate.approve(request.id), gate.approve(request.id, "bot"), gate.approve(request.id, "mallory")])

    thread = threading.Thread(target=answer)
    thread.start()
    assert not safety.check("pay").allowed
    thread.join()
    assert said == [False, False, False]
    with pytest.raises(ApprovalRequired):
        SafetyLayer([Policy.require_approval("pay")]).guard(operation="pay")(lambda: 1)()


def test_listeners_have_no_say() -> None:
    heard: list[Any] = []
    safety = SafetyLayer([rm()], on_violation=heard.append)
    with pytest.raises(SafetyViolation):
        safety.guard(lambda cmd: cmd)("rm -rf /")
    assert len(heard) == 1
    safety = SafetyLayer([rm()], on_violation=lambda _: 1 / 0, raise_on_violation=False)  # type: ignore[arg-type,return-value]
    assert safety.guard(lambda cmd: cmd)("rm -rf /") is None
    assert not safety.check("rm -rf /").allowed


BAD = "rm -rf /"


class Held:
    def __init__(self) -> None:
        self.command = BAD
        self._client = {"anything": "of its own"}


class Slots:
    __slots__ = ("command",)

    def __init__(self) -> None:
        self.command = BAD


def nested(levels: int) -> Any:
    value: Any = BAD
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        BAD.encode(), bytearray(BAD.encode()), memoryview(BAD.encode()), BAD.encode("utf-16"), array.array("u", BAD),
        {BAD: 1}, {"a": BAD}.values(), {"a": BAD}.items(), {BAD: 1}.keys(), collections.Counter([BAD]),
        collections.deque([BAD]), collections.ChainMap({"a": BAD}), collections.UserDict(a=BAD),
        collections.UserList([BAD]), collections.UserString(BAD), types.SimpleNamespace(a=BAD), Held(), Slots(), [Held()],
        ValueError(BAD), functools.partial(print, BAD), functools.partial(print, end=BAD), io.StringIO(BAD),
        io.BytesIO(BAD.encode()), types.MappingProxyType({"a": BAD}), frozenset([BAD]), nested(40), nested(3000),
        [*range(200_000), BAD], ["x"] * 20_000 + [BAD], BAD + "\ud800", "r\u200bm -rf /", "\uff52\uff4d -rf /",
    ],
    ids=lambda it: type(it).__name__,
)  # fmt: skip
def test_no_form_of_a_text_is_overlooked(value: Any) -> None:
    safety = SafetyLayer([Policy.block_pattern(r"rm\s+-rf", "no")])
    with pytest.raises(SafetyViolation):
        safety.guard(lambda anything: "ran")(value)
    with pytest.raises(SafetyViolation):
        safety.guard(functools.partial(lambda one, two: "ran", value))(1)


def test_what_says_nothing_passes() -> None:
    safety = SafetyLayer([Policy.block_pattern(r"rm\s+-rf", "no")], [PathBoundary(["/tmp"])])

    class Loop:
        def __init__(self) -> None:
            self.me = self
            self.many = [self] * 50

    ran = safety.guard(lambda anything: "ran")
    for value in (Loop(), list(range(200_000)), object(), lambda: BAD, type, sys, 10**5000, float("nan"), Held):
        assert ran(value) == "ran"
    assert not safety.check("x", {"command": BAD.encode()}).allowed
    assert not safety.check("x", {"command": ["rm", "-rf", "/"]}).allowed


def test_properties_are_guarded_and_what_cannot_be_called_is_refused() -> None:
    safety = SafetyLayer([Policy.block_pattern(r"rm\s+-rf", "no")])

    class Thing:
        held = "x"

        def get(self) -> str:
            """What it holds."""
            return self.held

        def put(self, to: str) -> None:
            self.held = to

        value: Any = safety.guard(property(get, put))  # type: ignore[call-overload]

    thing = Thing()
    thing.value = "y"
    assert thing.value == "y" and Thing.value.__doc__ == "What it holds."
    with pytest.raises(SafetyViolation):
        thing.value = BAD
    assert thing.held == "y"
    nothing: Any = 3
    with pytest.raises(TypeError, match="called"):
        safety.guard(nothing)


def test_policies_go_to_other_processes() -> None:
    for policy in (Policy.block_pattern(r"rm\s+-rf", "no"), Policy.require_approval("pay")):
        for other in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)):
            assert other.name == policy.name
    safety = SafetyLayer([pickle.loads(pickle.dumps(rm()))])
    assert not safety.check(BAD).allowed and safety.check("x").allowed
