"""The official MCP client over streamable HTTP: one endpoint in front of a file server and a server of our own."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import httpx2
import pytest
from gate_over_http import Gate, serve, session
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

FILE_SERVER = os.environ["E2E_FILE_SERVER"]
HERE = Path(__file__).parent

POLICY = """
version: 1
agents:
  files-bot:
    rules:
      - {name: reading, allow: [files__read_text_file, files__list_directory, note]}
      - {name: writing, allow: [files__write_file], approval: {timeout: 60s}}
      - {name: never, deny: [files__move_file], reason: Files are moved by people}
  other-bot:
    rules: [{name: notes, allow: [note]}]
"""


@pytest.fixture
def gate(tmp_path: Path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("what a says")
    described = tmp_path / "tool.json"
    described.write_text(json.dumps({"name": "note", "inputSchema": {"type": "object"}}))
    servers = {
        "files": {"command": "node", "args": [FILE_SERVER, str(files)]},
        "own": {"command": sys.executable, "args": [str(HERE / "changing_server.py"), str(described)], "prefix": ""},
    }
    with serve(tmp_path, POLICY, {"mcpServers": servers}) as gate:
        gate.files = files
        yield gate


def text(result) -> str:
    return "\n".join(part.text for part in result.content)


def test_each_agent_sees_what_it_could_do_and_does_what_it_may(gate: Gate):
    async def go():
        async with session(gate, "files-bot") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"files__read_text_file", "files__list_directory", "files__write_file", "note"}
            read = await client.call_tool("files__read_text_file", {"path": str(gate.files / "a.txt")})
            assert not read.is_error and text(read) == "what a says"
            moved = await client.call_tool("files__move_file", {"source": "a", "destination": "b"})
            assert moved.is_error and "Files are moved by people" in text(moved)
            assert text(await client.call_tool("note", {})) == "called"
            assert [str(it.uri) for it in (await client.list_resources()).resources] == ["note://one"]
            assert [it.name for it in (await client.list_prompts()).prompts] == ["greet"]
            prompt = await client.get_prompt("greet", {"who": "you"})
            assert prompt.messages[0].content.text == "Hello, you"
        async with session(gate, "other-bot") as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["note"]
            read = await client.call_tool("files__read_text_file", {"path": str(gate.files / "a.txt")})
            assert read.is_error

    asyncio.run(go())
    gate.portcullis("ledger", "verify")


def test_a_call_waits_until_a_person_agrees(gate: Gate):
    async def go():
        async with session(gate, "files-bot") as client:
            told = []

            async def progress(done, total, message):
                told.append(message)

            path = str(gate.files / "b.txt")
            call = client.call_tool("files__write_file", {"path": path, "content": "b"}, progress_callback=progress)
            waiting = asyncio.create_task(call)
            end = time.monotonic() + 30
            while not told:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
            approval = told[0].split()[3].rstrip(":")
            await asyncio.to_thread(gate.portcullis, "approvals", "approve", approval)
            assert not (await waiting).is_error
            assert (gate.files / "b.txt").read_text() == "b"

    asyncio.run(go())


def test_a_client_that_tries_the_newest_revision_first_is_served(gate: Gate):
    async def go():
        headers = {"Authorization": f"Bearer {gate.key('--agent', 'files-bot')}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            async with Client(streamable_http_client(f"{gate.address}/mcp", http_client=http)) as client:
                assert "note" in {tool.name for tool in (await client.list_tools()).tools}
                assert text(await client.call_tool("note", {})) == "called"

    asyncio.run(go())
