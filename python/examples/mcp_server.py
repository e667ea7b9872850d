"""An MCP server of one's own behind the gate, and a client that tries it."""

import asyncio
from pathlib import Path

from mcp.client.client import Client
from mcp.server.mcpserver import MCPServer

from portcullis import Gate
from portcullis.adapters import Calls
from portcullis.adapters.mcp_server import gate_middleware

gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
calls = Calls(gate, "support-bot", names={"refund": "stripe.refund"})
server = MCPServer("payments", middleware=[gate_middleware(calls)])


@server.tool()
def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount}"


async def main() -> None:
    async with Client(server) as client:
        for amount in (20, 5_000):
            print((await client.call_tool("refund", {"amount": amount})).content)


asyncio.run(main())
