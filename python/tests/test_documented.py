"""The examples that agent-safety-layer documents, run after changing nothing but the import; and our own."""

from __future__ import annotations

import builtins
import importlib.metadata
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import portcullis

EXAMPLES = sorted(Path(__file__).resolve().parents[1].joinpath("examples").glob("*.py"))
NEEDS = {
    "langchain_agent": "langchain",
    "openai_agents_sdk": "agents",
    "pydantic_ai_agent": "pydantic_ai",
    "claude_agent": "claude_agent_sdk",
    "mcp_server": "mcp",
    "crewai_tools": "crewai",
}


def blocks() -> list[str]:
    try:
        text = importlib.metadata.metadata("agent-safety-layer").get_payload()
    except importlib.metadata.PackageNotFoundError:
        return []
    # Signatures of its API reference are no examples.
    found = re.findall(r"```python\n(.*?)```", str(text), re.DOTALL)
    return [it for it in found if not it.startswith("SafetyLayer(\n    policies: List")]


class Ran:
    """What an example would have done to the machine."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def run(self, command: str, **_: Any) -> Any:
        self.commands.append(command)
        return SimpleNamespace(stdout=b"listed")


def carry_out(
    block: str, where: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Ran, BaseException | None]:
    ran, real = Ran(), builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        return ran if name == "subprocess" else real(name, *args, **kwargs)

    monkeypatch.chdir(where)
    scope: dict[str, Any] = {name: getattr(portcullis, name) for name in portcullis.__all__}
    for name in ("read_file", "process", "do_thing_1", "do_thing_2", "cleanup", "send_email"):
        scope[name] = lambda *_, **__: ran.commands.append("a function") or "some data"
    scope.update(data=1, __builtins__={**vars(builtins), "__import__": importing, "input": lambda: "y"})
    over = threading.Event()

    def answering() -> None:
        while not over.is_set():
            gate = scope.get("gate")
            for request in gate.get_pending() if gate else []:
                gate.approve(request.id, responder="admin")
            time.sleep(0.005)

    thread = threading.Thread(target=answering, daemon=True)
    thread.start()
    try:
        exec(compile(block.replace("agent_safety_layer", "portcullis"), "example", "exec"), scope)
    except portcullis.SafetyViolation as violation:
        return scope, ran, violation
    finally:
        over.set()
        thread.join()
    return scope, ran, None


@pytest.mark.parametrize("n", range(len(blocks())))
def test_their_examples_run(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    block = blocks()[n]
    scope, ran, violation = carry_out(block, tmp_path, monkeypatch)
    if "This raises SafetyViolation" in block:
        assert isinstance(violation, portcullis.SafetyViolation)
        assert ran.commands == ["ls -la /tmp"]
        return
    assert violation is None, violation
    if "TraceExporter.to_summary" in block:
        assert "read_file" in capsys.readouterr().out and (tmp_path / "trace.json").exists()
    if "replayer" in block:
        assert scope["result"].blocked_operations == 1 and scope["results"]["permissive"].blocked_operations == 0
    if "send_email" in block and "approval_gate" in block:
        assert ran.commands == ["a function"]


def test_there_are_examples() -> None:
    pytest.importorskip("agent_safety_layer")
    assert len(blocks()) >= 7 and len(EXAMPLES) >= 10


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda it: it.stem)
def test_our_examples_run(file: Path, server: Any) -> None:
    if file.stem in NEEDS:
        pytest.importorskip(NEEDS[file.stem])
    env = {"PORTCULLIS_URL": server.url, "PORTCULLIS_API_KEY": server.keys["agent"]}
    run = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=120, env={**_environment(), **env}
    )
    assert run.returncode == 0, run.stderr
    assert "refused" in run.stdout, run.stdout
    if file.stem not in ("client", "safety_layer", "claude_agent"):
        assert "refunded 20" in run.stdout and "refunded 5000" not in run.stdout


DOCS = sorted(Path(__file__).resolve().parents[2].joinpath("docs").glob("python*/*.md")) + [
    Path(__file__).resolve().parents[2] / "docs" / "python.md"
]
SNIPPETS = {it.stem: re.findall(r"```python\n(.*?)```", it.read_text(encoding="utf-8"), re.DOTALL) for it in DOCS}
PAGES = {
    "claude-agent": "claude_agent_sdk",
    "crewai": "crewai",
    "langchain": "langchain",
    "mcp-server": "mcp",
    "openai-agents": "agents",
    "pydantic-ai": "pydantic_ai",
    "python": "portcullis",
    "tool-loops": "portcullis",
}


def given(page: str) -> dict[str, Any]:
    """What a reader has: a model of their own, and a client of one."""
    if page == "crewai":
        from crewai import BaseLLM

        class Quiet(BaseLLM):
            def call(self, *_: Any, **__: Any) -> str:
                return "done"

        return {"model": Quiet(model="none")}
    if page == "langchain":
        from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

        return {"model": GenericFakeChatModel(messages=iter(["done"]))}
    if page == "pydantic-ai":
        from pydantic_ai.models.test import TestModel

        return {"model": TestModel()}
    asked = [{"type": "tool_use", "id": f"t{n}", "name": "refund", "input": {"amount": n}} for n in (20, 5_000)]
    messages = SimpleNamespace(create=lambda **_: {"id": "m", "content": asked})
    return {"client": SimpleNamespace(messages=messages), "question": {}}


def test_every_page_has_a_snippet_and_names_a_runnable_example() -> None:
    # The pages without one are tables and words.
    assert {name for name, blocks in SNIPPETS.items() if blocks} == set(PAGES)
    for page in (it for it in DOCS if it.stem in PAGES and it.stem != "python"):
        named = re.findall(r"Runnable: `(python/examples/\w+\.py)`", page.read_text(encoding="utf-8"))
        assert len(named) == 1 and Path(__file__).resolve().parents[2].joinpath(named[0]) in EXAMPLES, page


@pytest.mark.parametrize("page", PAGES)
def test_our_snippets_run(page: str, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(PAGES[page])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "portcullis.yaml").write_text((EXAMPLES[0].parent / "portcullis.yaml").read_text())
    scope: dict[str, Any] = {"__name__": "snippet", **given(page)}
    for block in SNIPPETS[page]:
        # The address and the key are those of a gate that is there, which knows another agent.
        here = block.replace("http://127.0.0.1:8787", server.url).replace("pk_live_...", server.keys["agent"])
        if "Portcullis(" in block:
            here = here.replace("support-bot", "bot")
        exec(compile(here, page, "exec"), scope)
    if page == "tool-loops":
        told = [it["content"] for it in scope["answers"]]
        assert told[0] == "refunded 20" and "refused" in told[1]
    if page == "python":
        assert scope["decision"].requires_approval


def _environment() -> dict[str, str]:
    import os

    return {key: value for key, value in os.environ.items() if not key.startswith("OPENAI")}
