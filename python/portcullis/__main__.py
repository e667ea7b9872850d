"""`python -m portcullis`: says what is installed, or decides one action.

    python -m portcullis --policy portcullis.yaml --agent bot --tool crm.read --args '{"id": 7}'

Exit code: 0 allowed, 2 denied, 3 a person must agree first, 1 anything else; as `portcullis check`.
"""

from __future__ import annotations

import argparse
import json
import sys

from . import __version__
from .errors import GateUnavailable, PolicyError
from .gate import Gate


def main() -> int:
    """Runs the command; the answer is its exit code."""
    parser = argparse.ArgumentParser(prog="python -m portcullis", description="Decides one action, in this process.")
    parser.add_argument("--version", action="version", version=f"portcullis-gate {__version__}")
    parser.add_argument("--policy", help="the policy file")
    parser.add_argument("--agent", help="who wants to act")
    parser.add_argument("--tool", help="what it calls")
    parser.add_argument("--args", default="{}", help="the call's arguments, a JSON object")
    parser.add_argument("--store", help="sqlite:PATH; without it nothing is kept")
    given = parser.parse_args()
    if not given.policy:
        print(f"portcullis-gate {__version__}")
        return 0
    if not given.agent or not given.tool:
        parser.error("--policy wants --agent and --tool, too")
    try:
        args = json.loads(given.args)
        gate = Gate.from_policy(given.policy, given.store, agent=given.agent)
        decision = gate.check(given.tool, args)
    except (PolicyError, GateUnavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(decision.to_json())
    return {"allow": 0, "deny": 2}.get(decision.decision, 3)


if __name__ == "__main__":
    sys.exit(main())
