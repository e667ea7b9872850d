"""In process, over HTTP and from the command line, an action is decided alike: over the shared corpus, and over
actions that nobody wrote."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import POLICY, Server, corpus, program, serve
from portcullis import Gate, Portcullis

FILES = {
    "shell.run": ("command", ["bypasses", "deletions", "disguises", "ordinary", "places", "wrappers"], "shell"),
    "db.query": ("sql", ["bypasses", "reach", "statements"], "sql"),
    "web.fetch": ("url", ["hosts"], "urls"),
    "files.read": ("path", ["workspace"], "paths"),
}


def text_of(given: Any) -> str | None:
    """The text of a case, whatever its file calls it."""
    if isinstance(given, str):
        return given
    if isinstance(given, dict):
        for key in ("script", "command", "sql", "text", "url", "path", "host"):
            if isinstance(given.get(key), str):
                return str(given[key])
    return None


def actions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for tool, (argument, files, folder) in FILES.items():
        for file in files:
            for case in corpus(folder, f"{file}.jsonl"):
                text = text_of(case.get("given", case.get("script", case.get("sql", case.get("text")))))
                if text is not None and len(text) < 10_000:
                    found.append({"agent_id": "bot", "tool": tool, "args": {argument: text}})
    rng = random.Random(7)
    for _ in range(300):
        amount: Any = rng.choice(
            [0, 1, 199.99, 200, 200.01, 1000, 1000.01, 1e9, -1, "5", None, True, [5], {"a": 1}, 0.1 + 0.2]
        )
        found.append({"agent_id": rng.choice(["bot", "nobody"]), "tool": "stripe.refund", "args": {"amount": amount}})
        tool = rng.choice(["crm.read", "users.delete", "unknown.tool", "a b", "../x", ""])
        found.append({"agent_id": "bot", "tool": tool, "args": {"n": rng.random()}})
    return found


def said(decision: Any) -> tuple[str, str, str | None]:
    return decision.decision, decision.code, decision.rule


def test_there_are_cases() -> None:
    assert len(actions()) > 1_500


def test_in_process_and_server_agree(server: Server) -> None:
    asked = actions()
    here = Gate.from_text(POLICY, agent="bot").check_all(asked)
    there = Portcullis(server.url, server.keys["agent"]).check_batch(asked)
    differ = []
    for action, mine, theirs in zip(asked, here, there):
        # What is known of this machine (its folder, its links) may only add to what counts against an action.
        adds = mine.decision == "deny" and mine.code == "boundary"
        if said(mine) != said(theirs) and not adds:
            differ.append((action, said(mine), said(theirs)))
    assert not differ, differ[:5]
    same = sum(said(mine) == said(theirs) for mine, theirs in zip(here, there))
    assert same > 0.95 * len(asked), same


@pytest.mark.parametrize("seed", range(3))
def test_in_process_and_command_line_agree(policy: Path, tmp_path: Path, seed: int) -> None:
    asked = [it for it in actions() if it["tool"] and "\0" not in json.dumps(it)]
    gate = Gate.from_policy(policy)
    for n, action in enumerate(random.Random(seed).sample(asked, 15)):
        args = json.dumps(action["args"])
        ran = subprocess.run(
            [program(), "check", "--policy", str(policy), "--agent", action["agent_id"], "--tool", action["tool"],
             "--args", args, "--json", "--store", f"sqlite:{tmp_path}/{n}.db"],
            capture_output=True, text=True,
        )  # fmt: skip
        mine = gate.check_all([action])[0]
        if ran.returncode == 1:
            assert mine.code == "invalid_action", (action, ran.stderr)
            continue
        reply = json.loads(ran.stdout)
        assert said(mine) == (reply["decision"], reply["code"], reply.get("rule")), action
        assert {"allow": 0, "deny": 2, "pending": 3}[mine.decision] == ran.returncode


def kept(record: dict[str, Any], start: int) -> dict[str, Any]:
    """What a record says, but for when, by whom, and where in its ledger. A gate in process knows the folder that
    relative paths start from, and a server does not."""
    ((kind, said),) = json.loads(json.dumps(record["record"]).replace(f"{Path.cwd()}/", "")).items()
    if "asks" in said:
        said = {**said, "asks": {**said["asks"], "expires": said["asks"]["expires"] - said["t"]}}
    said = {name: it for name, it in said.items() if name not in ("t", "by")}
    for name in ("of", "approval", "duplicate_of"):
        if name in said:
            said[name] -= start
    if "reason" in said:
        said["reason"] = re.sub(r"dec_\d+", "dec_N", said["reason"])
    return {"kind": kind, "payload": record.get("payload"), **said}


def test_in_process_and_server_keep_the_same_records(tmp_path: Path) -> None:
    asked = [it for it in actions() if it["tool"] in ("db.query", "web.fetch", "stripe.refund", "crm.read")]
    asked = random.Random(3).sample(asked, 120)
    # Repeated, undecided until people answer, and over a limit.
    asked += [{"agent_id": "bot", "tool": "crm.read", "idempotency_key": "k", "session_id": "s", "step": "1"}] * 2
    asked += [{"agent_id": "bot", "tool": "stripe.refund", "args": {"amount": 500}, "user": "carol"}]
    asked += [{"agent_id": "bot", "tool": "limited", "context": {"ticket": 7}}] * 3
    served = serve(tmp_path)
    try:
        client = Portcullis(served.url, served.keys["agent"])
        for action in asked:
            decision = client.check_batch([action])[0]
            if decision.allowed and decision.decision_id:
                client.report(decision.decision_id, "success", result={"n": [1, "é"]}, cost_usd=0.25, tokens=3)
        theirs = Portcullis(served.url, served.keys["admin"]).ledger(0, 1_000)["records"]
    finally:
        served.process.terminate()
        served.process.wait(10)
    store = f"sqlite:{tmp_path / 'own.db'}"
    with Gate.from_policy(served.policy, store) as gate:
        for action in asked:
            mine = gate.check_all([action])[0]
            if mine.allowed:
                gate.report(mine, "success", result={"n": [1, "é"]}, cost_usd=0.25, tokens=3)
    listed = subprocess.run(
        [program(), "ledger", "tail", "--store", store, "--json", "--lines", "1000"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = [json.loads(line) for line in listed.stdout.splitlines()]

    def of_actions(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        acts = [it for it in records if set(it["record"]) & {"decided", "settled"}]
        return [kept(it, acts[0]["index"]) for it in acts]

    assert len(of_actions(ours)) > 150
    for own, other in zip(of_actions(ours), of_actions(theirs), strict=True):
        assert own == other
