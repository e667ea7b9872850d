"""What the tests share: a policy, a gate that serves it on a port of its own, and the shared corpus."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The allocator of a free-threaded interpreter has reserved a gigabyte ahead, which the kernel counts as taken already.
RESERVES = not getattr(sys, "_is_gil_enabled", lambda: True)()
ROOT = Path(__file__).resolve().parents[2]

POLICY = """\
version: 1
tools:
  crm.read: {yields: [private]}
  stripe.refund: {args: {amount: money}, effects: [payment]}
  files.read: {args: {path: fs.read}}
  shell.run: {args: {command: shell}}
  db.query: {args: {sql: sql}}
  web.fetch: {args: {url: net}}
  limited: {}
  spends: {price_usd: 1}
agents:
  bot:
    owner: tests@example.com
    rules:
      - {name: everyday, allow: [crm.read, files.read, shell.run, db.query, web.fetch, limited, spends]}
      - {name: small, allow: [stripe.refund], when: args.amount <= 200}
      - {name: large, allow: [stripe.refund], when: args.amount <= 1000, approval: {from: [alice, approver], timeout: 1m}}
      - {name: never, deny: [users.delete], reason: Accounts are closed by people}
    limits:
      - {meter: actions, max: 2, per: 1h, tools: [limited]}
      - {meter: usd, max: 2, per: 1d, tools: [spends]}
    boundaries:
      paths: {read: [/srv/data, /usr], write: [/srv/data/out], deny: ["**/.env"]}
      hosts: {allow: ["*.example.com:443"]}
      sql: {allow: [read]}
    screens:
      output: {secrets: redact}
"""


def program() -> str:
    """The gate's program: PORTCULLIS_BIN, or a debug build."""
    found = os.environ.get("PORTCULLIS_BIN")
    if not found:
        target = os.environ.get("CARGO_TARGET_DIR") or str(ROOT / "target")
        found = f"{target}/debug/portcullis"
    if not Path(found).exists():
        pytest.fail(f"{found} is missing: cargo build -p gate --bin portcullis")
    return found


@dataclass
class Server:
    """A gate that serves."""

    url: str
    store: str
    policy: Path
    process: subprocess.Popen[str]
    keys: dict[str, str]


def make_key(store: str, role: str, name: str, *more: str) -> str:
    made = subprocess.run(
        [program(), "keys", "create", "--role", role, "--name", name, "--store", store, "--json", *more],
        check=True,
        capture_output=True,
        text=True,
    )
    return str(json.loads(made.stdout)["secret"])


def serve(folder: Path, policy: str = POLICY) -> Server:
    file = folder / "portcullis.yaml"
    file.write_text(policy)
    store = f"sqlite:{folder / 'ledger.db'}"
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        [program(), "serve", "--policy", str(file), "--listen", "127.0.0.1:0", "--store", store],
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + 20
    found = None
    while found is None and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
        found = re.search(r"127\.0\.0\.1:([1-9]\d*)", (folder / "log").read_text())
    if found is None:
        process.kill()
        pytest.fail(f"the gate did not start: {(folder / 'log').read_text()}")
    keys = {
        "agent": make_key(store, "agent", "caller"),
        "approver": make_key(store, "approver", "alice"),
        "admin": make_key(store, "admin", "root"),
    }
    return Server(f"http://127.0.0.1:{found.group(1)}", store, file, process, keys)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One gate for all tests."""
    served = serve(tmp_path_factory.mktemp("gate"))
    yield served
    served.process.terminate()
    served.process.wait(10)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "portcullis.yaml"
    file.write_text(POLICY)
    return file


def corpus(*parts: str) -> list[dict[str, Any]]:
    """Cases that the tests of every language read."""
    lines = ROOT.joinpath("corpus", *parts).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


__all__ = ["POLICY", "RESERVES", "ROOT", "Server", "corpus", "make_key", "program", "serve"]
