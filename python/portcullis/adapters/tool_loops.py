"""Tool-call loops of the OpenAI and Anthropic SDKs, and of whatever speaks their JSON.

    response = client.chat.completions.create(...)          # or client.responses.create, client.messages.create
    for call in guard_tool_calls(response, gate, "support-bot", user="alice"):
        messages.append(call.run(functions))                # the refusal is an answer to the model, too
        # or, where functions are to be awaited: messages.append(await call.arun(functions))

Reads Chat Completions, Responses and Messages: objects of the SDKs, or dictionaries.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SafetyViolation
from .calls import Calls, read_args, refusal

__all__ = ["GuardedCall", "guard_tool_calls"]


@dataclass
class GuardedCall:
    """One tool call of a model, not yet carried out. `kind`: `chat`, `responses` or `messages`."""

    kind: str
    id: str
    name: str
    args: Any
    calls: Calls = field(repr=False)
    step: str | None = None
    violation: SafetyViolation | None = None

    def run(self, functions: Mapping[str, Callable[..., Any]] | Callable[..., Any]) -> dict[str, Any]:
        """Carries it out if the gate allows it, and gives the message that answers it to the model.

        What the function raises is answered, too, and reported as a failure.
        """
        try:
            fn, args = self._what(functions)
            result = self.calls.run(self.name, args, lambda: fn(**args), step=self.step)
        except Exception as error:
            return self._failed(error)
        return self.answer(result)

    async def arun(self, functions: Mapping[str, Callable[..., Any]] | Callable[..., Any]) -> dict[str, Any]:
        """The same for functions to await; the gate is asked in a thread."""
        try:
            fn, args = self._what(functions)

            async def call() -> Any:
                given = fn(**args)
                return await given if inspect.isawaitable(given) else given

            result = await self.calls.arun(self.name, args, call, step=self.step)
        except Exception as error:
            return self._failed(error)
        return self.answer(result)

    def _what(self, functions: Mapping[str, Callable[..., Any]] | Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
        fn = functions if callable(functions) else functions.get(self.name)
        if fn is None:
            raise SafetyViolation(f"there is no function `{self.name}`", code="unknown_tool")
        if not isinstance(self.args, dict):
            raise SafetyViolation("the arguments are no JSON object", code="invalid_action")
        args: dict[str, Any] = self.args
        return fn, args

    def _failed(self, error: Exception) -> dict[str, Any]:
        if isinstance(error, SafetyViolation):
            self.violation = error
            return self.answer(refusal(error), failed=True)
        return self.answer(f"{type(error).__name__}: {error}", failed=True)

    def answer(self, result: Any, failed: bool = False) -> dict[str, Any]:
        """The message that gives `result` to the model."""
        text = result if isinstance(result, str) else json.dumps(result, default=str)
        if self.kind == "messages":
            block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self.id, "content": text}
            return {**block, "is_error": True} if failed else block
        if self.kind == "responses":
            return {"type": "function_call_output", "call_id": self.id, "output": text}
        return {"role": "tool", "tool_call_id": self.id, "content": text}


def guard_tool_calls(response: Any, gate: Any, agent: str | None = None, **how: Any) -> list[GuardedCall]:
    """The tool calls of a response, each to be run through the gate. `gate` may be a `Calls`.

    The response's id is the step: the same call of the same response is carried out once, in a session that is named
    (`session_id`). Raises `ValueError` for what is no response of a model.
    """
    calls = gate if isinstance(gate, Calls) else Calls(gate, agent or "", **how)
    data = _data(response)
    return [GuardedCall(kind, id, name, args, calls, data.get("id")) for kind, id, name, args in _calls(data)]


def _data(response: Any) -> dict[str, Any]:
    dump = getattr(response, "model_dump", None)
    data: Any = dump() if callable(dump) else response
    if not isinstance(data, dict):
        raise ValueError(f"a `{type(response).__name__}` is no response of a model")
    return data


def _calls(data: dict[str, Any]) -> list[tuple[str, str, str, Any]]:
    if isinstance(data.get("choices"), list):
        found: list[tuple[str, str, str, Any]] = []
        for choice in data["choices"]:
            for call in (choice.get("message") or {}).get("tool_calls") or []:
                function = call.get("function")
                if function is None:
                    custom = call.get("custom") or {}
                    found.append(("chat", call["id"], str(custom.get("name")), {"input": custom.get("input")}))
                else:
                    found.append(("chat", call["id"], function["name"], read_args(function["arguments"])))
        return found
    if isinstance(data.get("output"), list):
        asked = [it for it in data["output"] if it.get("type") == "function_call"]
        return [("responses", it["call_id"], it["name"], read_args(it["arguments"])) for it in asked]
    if isinstance(data.get("content"), list):
        asked = [it for it in data["content"] if it.get("type") == "tool_use"]
        return [("messages", it["id"], it["name"], it["input"]) for it in asked]
    raise ValueError("the response has neither `choices`, nor `output`, nor `content`")
