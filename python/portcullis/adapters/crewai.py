"""CrewAI: tools that go through the gate.

agent = Agent(role="support", tools=guarded([refund, lookup], gate, "support-bot", user="alice"), ...)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crewai.tools import BaseTool
from pydantic import PrivateAttr

from ..errors import SafetyViolation
from .calls import Calls, refusal

__all__ = ["GuardedTool", "guarded"]


class GuardedTool(BaseTool):
    """A tool behind the gate. A refusal is its answer to the model."""

    _inner: BaseTool = PrivateAttr()
    _calls: Calls = PrivateAttr()

    def __init__(self, inner: BaseTool, calls: Calls) -> None:
        super().__init__(
            name=inner.name,
            description=inner.description,
            args_schema=inner.args_schema,
            result_as_answer=inner.result_as_answer,
            max_usage_count=inner.max_usage_count,
            # A kept result would be given out without asking the gate.
            cache_function=lambda *_: False,
        )
        self._inner = inner
        self._calls = calls

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        given = self._given(args, kwargs)
        try:
            return self._calls.run(self.name, given, lambda: self._inner._run(*args, **kwargs))
        except SafetyViolation as violation:
            return refusal(violation)

    async def _arun(self, *args: Any, **kwargs: Any) -> Any:
        given = self._given(args, kwargs)
        try:
            return await self._calls.arun(self.name, given, lambda: self._inner._arun(*args, **kwargs))
        except SafetyViolation as violation:
            return refusal(violation)

    def _given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        names = list(self.args_schema.model_fields)
        return {**dict(zip(names, args, strict=False)), **kwargs}


def guarded(tools: Iterable[BaseTool], gate: Any, agent: str, **how: Any) -> list[BaseTool]:
    """The tools, each behind the gate. `how` is what `Calls` takes."""
    calls = Calls(gate, agent, **how)
    return [GuardedTool(tool, calls) for tool in tools]
