"""The 52 weaknesses of agent-safety-layer 0.1.0: each is there in that library, and not in ours.

A case is a function of a library that says whether it behaves safely. Whatever it raises, except a refusal, is a
crash, and a crash is no safe behaviour.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conftest import RESERVES

Lib = ModuleType
CASES: dict[str, Callable[[Lib, Path], bool]] = {}


def case(name: str) -> Callable[[Callable[[Lib, Path], bool]], Callable[[Lib, Path], bool]]:
    def add(fn: Callable[[Lib, Path], bool]) -> Callable[[Lib, Path], bool]:
        assert name not in CASES
        CASES[name] = fn
        return fn

    return add


def refuses(lib: Lib, call: Callable[[], Any]) -> bool:
    """True if it ends in a refusal and not in a result."""
    try:
        call()
    except lib.SafetyViolation:
        return True
    return False


def layer(lib: Lib, *policies: Any, boundaries: Any = (), **more: Any) -> Any:
    return lib.SafetyLayer(list(policies), list(boundaries), **more)


def rm(lib: Lib) -> Any:
    return lib.Policy.block_pattern(r"rm\s+-rf\s+/", "No recursive delete from root")


def answering(gate: Any, how: str, by: str = "alice", message: str | None = None) -> threading.Thread:
    """Answers everything that is asked, from another thread."""

    def run() -> None:
        until = time.monotonic() + 5
        done: set[str] = set()
        while time.monotonic() < until and not stop.is_set():
            for request in gate.get_pending():
                if request.id not in done:
                    done.add(request.id)
                    getattr(gate, how)(request.id, responder=by, message=message)
            time.sleep(0.002)

    stop = threading.Event()
    thread = threading.Thread(target=run, daemon=True)
    thread.stop = stop.set  # type: ignore[attr-defined]
    thread.start()
    return thread


@case("W01 guard looks at commands in arguments")
def _(lib: Lib, _: Path) -> bool:
    run = layer(lib, rm(lib)).guard(lambda cmd: "RAN " + cmd)
    return refuses(lib, lambda: run("rm -rf /")) and run("ls") == "RAN ls"


@case("W02 guard looks at paths in arguments")
def _(lib: Lib, _: Path) -> bool:
    read = layer(lib, boundaries=[lib.PathBoundary(allowed_paths=["/tmp"])]).guard(lambda path: path)
    return refuses(lib, lambda: read("/etc/shadow")) and read("/tmp/a") == "/tmp/a"


@case("W03 guard looks at addresses in arguments")
def _(lib: Lib, _: Path) -> bool:
    get = layer(lib, boundaries=[lib.NetworkBoundary(allowed_hosts=["api.openai.com"])]).guard(lambda url: url)
    return refuses(lib, lambda: get("http://evil.com")) and get("https://api.openai.com/v1") != ""


@case("W04 approval without a gate is no approval")
def _(lib: Lib, _: Path) -> bool:
    return not layer(lib, lib.Policy.require_approval("pay")).check("pay").allowed


@case("W05 the operation type of a context counts")
def _(lib: Lib, _: Path) -> bool:
    with layer(lib, lib.Policy.require_approval("pay")).session() as session:
        return refuses(lib, lambda: session.execute("Pay Bob", lambda: "PAID", context={"operation_type": "pay"}))


@case("W06 the caller's context is left alone")
def _(lib: Lib, _: Path) -> bool:
    context: dict[str, Any] = {"a": 1}
    with layer(lib).session() as session:
        session.execute("x", lambda: 1, context=context)
    return context == {"a": 1}


@case("W07 every approval policy is asked, and not answered by the asker")
def _(lib: Lib, _: Path) -> bool:
    asked: list[str] = []
    gate = lib.ApprovalGate(default_timeout=0.3, on_request=lambda r: asked.append(r.reason))
    first, second = (lib.Policy.require_approval("pay", reason=it, name=it, timeout=1) for it in ("one", "two"))
    thread = answering(gate, "approve")
    both = layer(lib, first, second, approval_gate=gate).check("pay").allowed and asked == ["one", "two"]
    thread.stop()  # type: ignore[attr-defined]
    own = lib.ApprovalGate(on_request=lambda r: own.approve(r.id, responder="the agent itself"))
    policy = lib.Policy.require_approval("pay", timeout=0.05)  # type: ignore[arg-type]
    return both and not layer(lib, policy, approval_gate=own).check("pay").allowed


@case("W08 an approval is for the arguments that were shown")
def _(lib: Lib, _: Path) -> bool:
    seen: list[Any] = []
    gate = lib.ApprovalGate(on_request=lambda r: seen.append(r.context.get("amount")))
    policy = lib.Policy.require_approval("pay", timeout=2)
    guarded = layer(lib, policy, approval_gate=gate).guard(operation="pay", context={"amount": 5})
    pay = guarded(lambda amount: f"PAID {amount}")
    thread = answering(gate, "approve")
    paid = pay(1_000_000)
    order = {"amount": 5}
    change = guarded(lambda order: order["amount"])
    gate.on_request = lambda r: order.update(amount=1_000_000)
    changed = refuses(lib, lambda: change(order))
    thread.stop()  # type: ignore[attr-defined]
    return seen == [1_000_000] and paid == "PAID 1000000" and changed


@case("W09 an answer after the end is none")
def _(lib: Lib, _: Path) -> bool:
    queue = lib.InMemoryApprovalQueue()
    request = lib.ApprovalRequest("a", "pay", "why", {}, time.time() - 99, 1)
    queue.submit(request)
    return not queue.respond(lib.ApprovalResponse("a", True, "alice")) and not request.is_approved


@case("W10 no time means no time")
def _(lib: Lib, _: Path) -> bool:
    gate = lib.ApprovalGate(default_timeout=0.2)
    start = time.monotonic()
    return not gate.request_approval("pay", "why", timeout=0).is_approved and time.monotonic() - start < 0.1


@case("W11 the gate's time counts where the policy has none")
def _(lib: Lib, _: Path) -> bool:
    times: list[float] = []
    gate = lib.ApprovalGate(default_timeout=0.05, on_request=lambda r: times.append(r.timeout))
    thread = answering(gate, "deny")
    layer(lib, lib.Policy.require_approval("pay"), approval_gate=gate).check("pay")
    thread.stop()  # type: ignore[attr-defined]
    return times == [0.05]


@case("W12 what was answered long ago is forgotten")
def _(lib: Lib, _: Path) -> bool:
    queue = lib.InMemoryApprovalQueue()
    for n in range(1000):
        queue.submit(lib.ApprovalRequest(str(n), "pay", "why", {}, time.time(), 60))
        queue.respond(lib.ApprovalResponse(str(n), True, "alice"))
    return len(queue._requests) < 500


def path_refused(lib: Lib, context: dict[str, Any], **how: Any) -> bool:
    return lib.PathBoundary(**(how or {"allowed_paths": ["/tmp"]})).check(context) is not None


@case("W13 a path is a path whatever it is called")
def _(lib: Lib, _: Path) -> bool:
    return path_refused(lib, {"filename": "/etc/shadow"})


@case("W14 every path is looked at")
def _(lib: Lib, _: Path) -> bool:
    return path_refused(lib, {"path": "/tmp/a", "file_path": "/etc/shadow"})


@case("W15 blocked patterns take no notice of case")
def _(lib: Lib, _: Path) -> bool:
    return path_refused(lib, {"path": "/tmp/evil.EXE"}, block_patterns=["*.exe"])


@case("W16 a list of paths")
def _(lib: Lib, _: Path) -> bool:
    return path_refused(lib, {"path": ["/tmp/a", "/etc/passwd"]})


@case("W17 a path with a NUL")
def _(lib: Lib, _: Path) -> bool:
    return path_refused(lib, {"path": "/tmp/a\0b"})


@case("W18 a path of bytes")
def _(lib: Lib, _: Path) -> bool:
    return path_refused(lib, {"path": b"/etc/passwd"})


@case("W19 a link that is changed after it was looked at")
def _(lib: Lib, tmp: Path) -> bool:
    inside, outside = tmp / "inside", tmp / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "good").write_text("good")
    (outside / "secret").write_text("secret")
    link = inside / "link"
    link.symlink_to(inside / "good")

    def read(path: str) -> str:
        link.unlink()
        link.symlink_to(outside / "secret")
        return Path(path).read_text()

    guarded = layer(lib, boundaries=[lib.PathBoundary(allowed_paths=[str(inside)])]).guard(read)
    return refuses(lib, lambda: guarded(str(link)))


@case("W20 a home folder is where it leads")
def _(lib: Lib, _: Path) -> bool:
    cwd = os.getcwd()
    return path_refused(lib, {"path": "~/.ssh/id_rsa"}, allowed_paths=[cwd])


@case("W21 a star does not cross folders")
def _(lib: Lib, _: Path) -> bool:
    how = {"allow_patterns": ["/home/*.txt"]}
    return path_refused(lib, {"path": "/home/other/secret/keys.txt"}, **how) and not path_refused(
        lib, {"path": "/home/a.txt"}, **how
    )


INWARD = [
    "LOCALHOST", "http://localhost./", "http://2130706433/", "http://0x7f000001/", "http://127.1/",
    "http://0177.0.0.1/", "127.0.0.1.nip.io", "::1", "[::ffff:10.0.0.1]", "metadata.google.internal", "100.64.0.1",
    "http:127.0.0.1",
]  # fmt: skip


def net(lib: Lib, context: dict[str, Any], **how: Any) -> bool:
    return lib.NetworkBoundary(**how).check(context) is not None


@case("W22 ways to spell this machine and this network")
def _(lib: Lib, _: Path) -> bool:
    blocked = {"blocked_hosts": ["localhost", "127.0.0.1"]}
    return all(net(lib, {"url": it}, **blocked) for it in INWARD) and not net(lib, {"url": "https://example.com"})


@case("W22b a scheme has a port")
def _(lib: Lib, _: Path) -> bool:
    return net(lib, {"url": "https://h.example/"}, blocked_ports=[443])


@case("W23 a port that is none")
def _(lib: Lib, _: Path) -> bool:
    return net(lib, {"url": "http://h.example:99999/"})


@case("W24 a user before the host")
def _(lib: Lib, _: Path) -> bool:
    return net(lib, {"url": "user:pw@evil.com"}, allowed_hosts=["good.example"])


@case("W25 host and url both count")
def _(lib: Lib, _: Path) -> bool:
    return net(lib, {"url": "http://a.example/", "host": "evil.com"}, allowed_hosts=["a.example"])


@case("W26 a port that is allowed is not every port")
def _(lib: Lib, _: Path) -> bool:
    return net(lib, {"url": "http://a.example/"}, allowed_ports=[443])


@case("W27 hosts in arguments of any depth")
def _(lib: Lib, _: Path) -> bool:
    get = layer(lib, boundaries=[lib.NetworkBoundary(allowed_hosts=["a.example"])]).guard(lambda request: request)
    return refuses(lib, lambda: get({"to": [{"url": "http://evil.example/"}]}))


@case("W28 a time limit stops the call")
def _(lib: Lib, _: Path) -> bool:
    slow = layer(lib, boundaries=[lib.TimeBoundary(max_execution_time=0.05)]).guard(lambda: time.sleep(0.3) or "DONE")
    start = time.monotonic()
    return refuses(lib, slow) and time.monotonic() - start < 0.25


@case("W29 a memory limit stops the call")
def _(lib: Lib, _: Path) -> bool:
    greedy = layer(lib, boundaries=[lib.ResourceBoundary(max_memory_mb=10)]).guard(lambda: len(bytearray(300 << 20)))
    return refuses(lib, greedy)


@case("W30 refused calls use up no operations, and a session starts anew")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, rm(lib), boundaries=[lib.ResourceBoundary(max_operations=2)])
    for _n in range(2):
        with safety.session() as session:
            for _m in range(3):
                assert refuses(lib, lambda: session.execute("rm -rf /", lambda: 1))
            if session.execute("a", lambda: 1) != 1 or session.execute("b", lambda: 1) != 1:
                return False
            if not refuses(lib, lambda: session.execute("c", lambda: 1)):
                return False
    return True


@case("W31 a policy that fails refuses")
def _(lib: Lib, _: Path) -> bool:
    return not layer(lib, lib.Policy.custom("odd", lambda op, ctx: 1 / 0)).check("x").allowed  # type: ignore


@case("W32 an operation that is no text")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, rm(lib))
    return not any(safety.check(it).allowed for it in (None, 7, b"rm -rf /", ["rm"]))


@case("W33 refused calls are traced")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, lib.Policy.block_pattern("delete", "no"))
    assert refuses(lib, safety.guard(operation="delete")(lambda: 1))
    return safety.get_trace().blocked_count == 1


@case("W34 warnings and audits are noted")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, lib.Policy.warn_pattern("sudo", "careful"), lib.Policy.audit_pattern("sudo", "noted"))
    safety.guard(operation="sudo ls")(lambda: 1)()
    text = json.dumps(safety.get_trace().entries[0].metadata)
    return "careful" in text and "noted" in text


@case("W35 no secrets in traces")
def _(lib: Lib, _: Path) -> bool:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    with layer(lib).session() as session:
        session.execute("login", lambda: f"token is {key}", context={"user": "bob", "password": "hunter2"})
    text = lib.TraceExporter.to_json(session.finish())
    return "bob" in text and "hunter2" not in text and key not in text


@case("W36 coroutines are followed to their end")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib)

    @safety.guard
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("x")

    with pytest.raises(ValueError):
        asyncio.run(fails())
    return [it.status.value for it in safety.get_trace().entries] == ["failed"]


@case("W37 a session that is not to raise does not")
def _(lib: Lib, _: Path) -> bool:
    with layer(lib, rm(lib), raise_on_violation=False).session() as session:
        return not refuses(lib, lambda: session.execute("rm -rf /", lambda: 1))


@case("W38 a session that is not to trace does not")
def _(lib: Lib, _: Path) -> bool:
    with layer(lib, trace=False).session() as session:
        session.execute("x", lambda: 1)
    return session.finish().entry_count == 0


@case("W39 threads are no parents of each other")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib)
    inside, over = threading.Event(), threading.Event()
    slow = safety.guard(operation="t0")(lambda: (inside.set(), over.wait(5)))
    quick = safety.guard(operation="t1")(lambda: None)
    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait(5)
    quick()
    over.set()
    thread.join()
    return all(it.parent_id is None for it in safety.get_trace().entries)


@case("W40 a pattern that goes back ends in time")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, lib.Policy.block_pattern(r"^(a+)+$", "x"), lib.Policy.block_pattern(r"(?=(a+)+b)x", "y"))
    start = time.monotonic()
    safety.check("a" * 22 + "!")
    return time.monotonic() - start < 0.05


REMOVES = [
    "rm -fr /", "rm -r -f /", "rm --recursive --force /", "rm -rf ~", "rm -rf $HOME", "r''m -rf /",
    "eval $(echo cm0gLXJmIC8= | base64 -d)", "echo cm0gLXJmIC8= | base64 -d | sh", "find / -delete",
]  # fmt: skip


@case("W41 ways to spell a deletion")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, rm(lib))
    fine = ["ls /", "rm /tmp/x", "echo form", "the departed"]
    return not any(safety.check(it).allowed for it in REMOVES) and all(safety.check(it).allowed for it in fine)


@case("W42 ways to spell DROP TABLE")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, lib.Policy.block_pattern(r"DROP\s+TABLE", "x"))
    drops = ["DROP/**/TABLE users", "DROP -- c\n TABLE users", "EXEC('DR' + 'OP TABLE users')"]
    fine = ["SELECT 1", "SELECT * FROM drops"]
    return not any(safety.check(it).allowed for it in drops) and all(safety.check(it).allowed for it in fine)


@case("W43 policies have names of their own")
def _(lib: Lib, _: Path) -> bool:
    one = lib.Policy.block_pattern(r"aaaaaaaaaaaaaaaaaaaaaaaa_one", "x")
    two = lib.Policy.block_pattern(r"aaaaaaaaaaaaaaaaaaaaaaaa_two", "x")
    return one.name != two.name


@case("W44 replay knows boundaries and approvals")
def _(lib: Lib, _: Path) -> bool:
    recorder = lib.SessionRecorder()
    recorder.record_operation("pay", "pay", {}, None)
    recorder.record_operation("read", "read", {"path": "/etc/shadow"}, None)
    recorder.record_operation("read", "read", {"path": "/tmp/a"}, None)
    replayer = lib.SessionReplayer([lib.Policy.require_approval("pay")])
    if hasattr(replayer, "add_boundary"):
        replayer.add_boundary(lib.PathBoundary(allowed_paths=["/tmp"]))
    result = replayer.replay(recorder.finish())
    return (result.blocked_operations, result.allowed_operations) == (1, 1)


@case("W45 a recording says what it could not keep")
def _(lib: Lib, tmp: Path) -> bool:
    recorder = lib.SessionRecorder()
    recorder.record_operation("x", "x", {}, object())
    recorder.finish().save(tmp / "r.json")
    loaded = json.loads((tmp / "r.json").read_text())["operations"][0]["output_data"]
    return not isinstance(loaded, str)


@case("W46 whoever empties the list of policies changes nothing")
def _(lib: Lib, _: Path) -> bool:
    safety = layer(lib, rm(lib))
    safety.policy_set.policies.clear()
    return not safety.check("rm -rf /").allowed


@case("W47 a trace that was edited does not load")
def _(lib: Lib, _: Path) -> bool:
    with layer(lib).session() as session:
        session.execute("read", lambda: 1)
    text = lib.TraceExporter.to_json(session.finish())
    assert lib.TraceExporter.from_json(text).entry_count == 1
    try:
        lib.TraceExporter.from_json(text.replace('"read"', '"nothing"'))
    except ValueError:
        return True
    return False


@case("W48 a trace is bounded, and a call costs the same after many")
def _(lib: Lib, _: Path) -> bool:
    empty = layer(lib).guard(lambda: None)
    safety = layer(lib)
    guarded = safety.guard(lambda: None)

    def cost(fn: Callable[[], Any], calls: int) -> float:
        start = time.perf_counter()
        for _n in range(calls):
            fn()
        return (time.perf_counter() - start) / calls

    early = min(cost(empty, 50) for _n in range(5))
    cost(guarded, 11_000)
    late = min(cost(guarded, 50) for _n in range(5))
    return late < early * 5 and safety.get_trace().entry_count <= 10_000


@case("W49 create_safety_layer can be imported")
def _(lib: Lib, _: Path) -> bool:
    return callable(getattr(lib, "create_safety_layer", None))


@case("W50 AsyncApprovalGate can be imported and used")
def _(lib: Lib, _: Path) -> bool:
    gate = getattr(lib, "AsyncApprovalGate", None)
    if gate is None:
        return False
    asks = gate(default_timeout=2)
    safety = layer(lib, lib.Policy.require_approval("pay"), approval_gate=asks)

    @safety.guard(operation="pay")
    async def pay(amount: int) -> int:
        return amount

    async def both() -> int:
        async def answer() -> None:
            while not asks.get_pending():
                await asyncio.sleep(0.001)
            assert await asks.approve(asks.get_pending()[0].id, responder="alice")

        task = asyncio.create_task(answer())
        paid = await pay(5)
        await task
        return paid

    return asyncio.run(both()) == 5


@case("W51 create_safety_layer refuses what destroys and nothing else")
def _(lib: Lib, _: Path) -> bool:
    make = (
        getattr(lib, "create_safety_layer", None) or importlib.import_module(f"{lib.__name__}.core").create_safety_layer
    )
    safety = make()
    bad = [
        "rm --recursive --force /", "DROP SCHEMA public", "DELETE FROM users", "TRUNCATE users",
        "dd if=/dev/zero of=/dev/sda", "chmod -R 777 /", "connect to the production server", "rm -rf /", "mkfs.ext4 /dev/sda1",
    ]  # fmt: skip
    fine = ["rm /tmp/x", "the departed", "SELECT 1", "ls -la", "DELETE FROM users WHERE id = 1"]
    return not any(safety.check(it).allowed for it in bad) and all(safety.check(it).allowed for it in fine)


@case("W52 a denial has the approver's words")
def _(lib: Lib, _: Path) -> bool:
    gate = lib.ApprovalGate(default_timeout=2)
    safety = layer(lib, lib.Policy.require_approval("pay", timeout=2), approval_gate=gate)
    thread = answering(gate, "deny", message="not on a Friday")
    try:
        with safety.session() as session:
            session.execute("pay", lambda: "PAID", context={"operation_type": "pay"})
    except lib.SafetyViolation as violation:
        return "not on a Friday" in str(violation) and violation.is_policy_violation
    finally:
        thread.stop()  # type: ignore[attr-defined]
    return False


def safe(name: str, library: str, tmp: Path) -> bool:
    lib = importlib.import_module(library)
    try:
        return CASES[name](lib, tmp)
    except Exception as error:
        print(f"{library}: {type(error).__name__}: {error}")
        return False


def test_there_is_a_case_for_each() -> None:
    numbers = {name.split()[0] for name in CASES}
    assert {f"W{n:02}" for n in range(1, 53)} <= numbers


@pytest.mark.parametrize("name", CASES)
def test_ours_is_safe(name: str, tmp_path: Path) -> None:
    if name.startswith("W29") and RESERVES:
        pytest.skip("it fits into what a free-threaded interpreter has reserved")
    assert safe(name, "portcullis", tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_theirs_is_not(name: str, tmp_path: Path) -> None:
    pytest.importorskip("agent_safety_layer")
    assert not safe(name, "agent_safety_layer", tmp_path)
