"""A gate that serves, for tests that speak to it over HTTP."""

import json
import os
import signal
import subprocess
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

BIN = os.environ["PORTCULLIS_BIN"]


class Gate:
    """A gate that serves."""

    def __init__(self, folder: Path, address: str):
        self.store = f"sqlite:{folder / 'gate.db'}"
        self.address = address
        self.port = int(address.rsplit(":", 1)[1])

    def portcullis(self, *args: str) -> str:
        done = subprocess.run([BIN, *args, "--store", self.store], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def key(self, *more: str) -> str:
        made = self.portcullis("keys", "create", "--role", "agent", "--name", "e2e", *more, "--json")
        return json.loads(made)["secret"]


@contextmanager
def serve(folder: Path, policy: str, servers: dict | None = None):
    (folder / "gate.yaml").write_text(policy)
    command = [BIN, "serve", "--policy", str(folder / "gate.yaml"), "--listen", "127.0.0.1:0"]
    command += ["--store", f"sqlite:{folder / 'gate.db'}"]
    if servers is not None:
        (folder / "servers.json").write_text(json.dumps(servers))
        command += ["--mcp", str(folder / "servers.json")]
    with (folder / "gate.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("portcullis is ready at "), (folder / "gate.log").read_text()
        yield Gate(folder, line.removeprefix("portcullis is ready at "))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (folder / "gate.log").read_text()


@asynccontextmanager
async def session(gate: Gate, agent: str):
    """The official MCP client at the gate's endpoint, as an agent of its own key."""
    headers = {"Authorization": f"Bearer {gate.key('--agent', agent)}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(f"{gate.address}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as client,
    ):
        await client.initialize()
        yield client
