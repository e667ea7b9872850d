"""MCP servers in Python (`mcp` 2.x): a middleware that decides every `tools/call`.

    server = MCPServer("files", middleware=[gate_middleware(Calls(gate, "any-client"))])

For servers that are not yours, put `portcullis mcp` before them instead.
"""

from __future__ import annotations

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.types import CallToolResult, TextContent

from ..errors import SafetyViolation
from .calls import Calls, refusal

__all__ = ["gate_middleware"]


def gate_middleware(calls: Calls) -> ServerMiddleware[Any]:
    """The middleware. A refused call is answered as a tool's error, which the model reads; nothing else is touched."""

    async def decided(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method != "tools/call":
            return await call_next(ctx)
        params: Any = ctx.params or {}
        name, args = params.get("name"), params.get("arguments")
        try:
            if not isinstance(name, str):
                raise SafetyViolation("the call has no tool", code="invalid_action")
            return await calls.arun(name, args or {}, lambda: _on_the_wire(ctx, call_next))
        except SafetyViolation as violation:
            return CallToolResult(content=[TextContent(type="text", text=refusal(violation))], is_error=True)

    return decided


async def _on_the_wire(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
    """The answer as it is sent: what the gate screens and what the client reads are one thing."""
    result: Any = await call_next(ctx)
    dump = getattr(result, "model_dump", None)
    return dump(by_alias=True, mode="json", exclude_none=True) if callable(dump) else result
