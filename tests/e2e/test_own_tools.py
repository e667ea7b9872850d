"""The gate's own tools, by the official MCP client: over stdio and behind /mcp, and by plain HTTP."""

import asyncio
import json
import os
import shutil
import sqlite3
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from gate_over_http import serve, session
from mcp import ClientSession, StdioServerParameters, stdio_client

BIN = os.environ["PORTCULLIS_BIN"]
WAIVED = "all" if os.geteuid() == 0 else "[files.read, files.write, network, privileges, time]"

POLICY = """
version: 1
tools:
  fs.read: {{builtin: fs.read}}
  fs.write: {{builtin: fs.write}}
  fs.list: {{builtin: fs.list}}
  fs.delete: {{builtin: fs.delete}}
  shell.run: {{builtin: shell.run}}
  code.run: {{builtin: code.run}}
  sql.query: {{database: {{sqlite: {shop}}}}}
  word.count: {{exec: [wc, -w, --, "{{file}}"], description: Counts the words of a file}}
agents:
  coder:
    sandbox: {{workspace: {work}, require: {require}}}
    rules:
      - {{name: work, allow: [fs.read, fs.write, fs.list, shell.run, code.run, sql.query, word.count]}}
    boundaries:
      paths: {{read: [{work}], write: [{work}], deny: ["**/.env"]}}
      commands: {{unknown: allow}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    # A run is nobody's: whoever it is must be able to come this far.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == work.owner() and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o111)
    (work / ".env").write_text("SECRET=1")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.executescript("CREATE TABLE orders (id INTEGER, total REAL); INSERT INTO orders VALUES (1, 2.5)")
    policy = POLICY.format(shop=tmp_path / "shop.db", work=work, require=WAIVED)
    (tmp_path / "policy.yaml").write_text(policy)
    return tmp_path


@asynccontextmanager
async def by_stdio(place: Path):
    args = ["mcp", "--policy", str(place / "policy.yaml"), "--agent", "coder"]
    args += ["--store", f"sqlite:{place / 'ledger.db'}", "--builtin", str(place / "work")]
    async with (
        stdio_client(StdioServerParameters(command=BIN, args=args)) as (read, write),
        ClientSession(read, write) as client,
    ):
        await client.initialize()
        yield client


@asynccontextmanager
async def by_http(place: Path):
    servers = {"mcpServers": {"own": {"builtin": True}}}
    with serve(place, (place / "policy.yaml").read_text(), servers) as gate:
        async with session(gate, "coder") as client:
            client.gate = gate
            yield client


async def use(client: ClientSession) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert names == {"fs.read", "fs.write", "fs.list", "shell.run", "code.run", "sql.query", "word.count"}

    async def call(tool: str, **args):
        return await client.call_tool(tool, args)

    written = await call("fs.write", path="notes/a.txt", content="one two three")
    assert not written.is_error, written
    assert (await call("fs.read", path="notes/a.txt")).structured_content["content"] == "one two three"
    assert (await call("word.count", file="notes/a.txt")).structured_content["stdout"].split()[0] == "3"
    ran = await call("shell.run", command="cat notes/a.txt | tr a-z A-Z > b.txt; ls")
    assert ran.structured_content["stdout"] == "b.txt\nnotes\n", ran
    assert (await call("fs.read", path="b.txt")).structured_content["content"] == "ONE TWO THREE"
    if shutil.which("python3"):
        summed = await call("code.run", language="python", code="print(sum(range(10)))")
        assert summed.structured_content["stdout"] == "45\n"
    rows = await call("sql.query", sql="SELECT id, total FROM orders WHERE id = ?", params=[1])
    assert rows.structured_content["rows"] == [[1, 2.5]]
    for tool, args in [
        ("fs.read", {"path": ".env"}),
        ("fs.read", {"path": "../policy.yaml"}),
        ("fs.delete", {"path": "b.txt"}),
        ("fs.write", {"path": ".git/hooks/pre-commit", "content": "x"}),
        ("sql.query", {"sql": "DELETE FROM orders"}),
        ("word.count", {}),
    ]:
        refused = await client.call_tool(tool, args)
        assert refused.is_error, (tool, args, refused)


def test_over_stdio(place: Path):
    async def go():
        async with by_stdio(place) as client:
            await use(client)

    asyncio.run(go())


def test_behind_mcp_and_by_plain_http(place: Path):
    async def go():
        async with by_http(place) as client:
            await use(client)
            key = client.gate.key("--agent", "coder")
            body = {"agent_id": "coder", "args": {"path": "notes/a.txt"}}
            request = urllib.request.Request(
                f"{client.gate.address}/v1/tools/fs.read/call",
                json.dumps(body).encode(),
                {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert json.load(answer)["result"]["content"] == "one two three"

    asyncio.run(go())
