"""The official conformance suite, against the reference server directly and through the gate: every check the same."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from gate_over_http import serve

SERVER = os.environ["E2E_REFERENCE_SERVER"]
SUITE = os.environ["E2E_CONFORMANCE"]
NODE = os.environ["E2E_NODE"]
HERE = Path(__file__).parent

# What the suite had when it was pinned; fewer would mean that it did not run.
REVISIONS = {"2025-11-25": 83, "2026-07-28": 153}


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


@contextmanager
def started(*command: str, port: int, **more):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        for _ in range(600):
            with socket.socket() as it:
                if it.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{command[0]} has ended"
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def checks(url: str, revision: str, folder: Path) -> Counter:
    """Each check by scenario, id and how it went; how often it was made."""
    command = [NODE, SUITE, "server", "--url", url, "--suite", "all", "--spec-version", revision, "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    found = Counter()
    for file in folder.glob("*/checks.json"):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name)
        for check in json.loads(file.read_text()):
            # What was sent and received is noted as well; that is no check.
            if check["status"] != "INFO":
                found[scenario, check["id"], check["status"]] += 1
    assert found, done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def reference():
    port = free_port()
    with started(SERVER, port=port, env={**os.environ, "PORT": str(port), "RUST_LOG": "error"}):
        yield f"http://127.0.0.1:{port}/mcp"


def tools() -> str:
    """Every name that the reference server could call a tool."""
    source = (HERE / "conformance/src/main.rs").read_text()
    return ", ".join(sorted(set(re.findall(r'"([a-z][a-z0-9_]*_[a-z0-9_]+|greet)"', source))))


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_check_is_the_same_through_the_gate(reference: str, revision: str, tmp_path: Path):
    policy = f"version: 1\nagents:\n  bot:\n    rules: [{{name: all, allow: [{tools()}]}}]\n"
    servers = {"mcpServers": {"it": {"url": reference, "prefix": ""}}}
    direct = checks(reference, revision, tmp_path / "direct")
    assert sum(direct.values()) >= REVISIONS[revision]
    with serve(tmp_path, policy, servers) as gate:
        key, port = gate.key("--agent", "bot"), free_port()
        proxy = str(HERE / "conformance/proxy.mjs")
        with started(NODE, proxy, str(port), str(gate.port), key, "bot", port=port):
            through = checks(f"http://127.0.0.1:{port}/mcp", revision, tmp_path / "through")
        gate.portcullis("ledger", "verify")
    assert through == direct, f"only direct: {direct - through}; only through the gate: {through - direct}"
    assert not any(status == "FAILURE" for _, _, status in through)
