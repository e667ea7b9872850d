"""`python -m portcullis`: says what is installed, or decides one action.

    python -m portcullis --policy portcullis.yaml --agent bot --tool crm.read --args '{"id": 7}'

Exit code: 0 allowed, 2 denied, 3 a person must agree first, 1 anything else; as `portcullis check`.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import NoReturn

from . import __version__
from .errors import GateUnavailable, PolicyError
from .gate import Gate


class _Parser(argparse.ArgumentParser):
    """Ends with 1 where it does not understand: argparse's own 2 is a denial here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def _arguments(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as why:
        raise ValueError(f"--args is no JSON: {why}; write an object such as '{{\"id\": 7}}'") from None


def main() -> int:
    """Runs the command; the answer is its exit code."""
    parser = _Parser(prog="python -m portcullis", description="Decides one action, in this process.")
    parser.add_argument("--version", action="version", version=f"portcullis-gate {__version__}")
    parser.add_argument("--policy", help="the policy file")
    parser.add_argument("--agent", help="who wants to act")
    parser.add_argument("--tool", help="what it calls")
    parser.add_argument("--args", help="the call's arguments, a JSON object")
    parser.add_argument("--store", help="sqlite:PATH; without it nothing is kept")
    given = parser.parse_args()
    if all(it is None for it in vars(given).values()):
        print(f"portcullis-gate {__version__}")
        return 0
    # Exit code 0 is an allow: an empty variable in a script must not end in one.
    if not given.policy or not given.agent or not given.tool:
        parser.error("a decision needs all of --policy, --agent and --tool")
    try:
        args = _arguments(given.args or "{}")
        gate = Gate.from_policy(given.policy, given.store, agent=given.agent)
        decision = gate.check(given.tool, args)  # type: ignore[arg-type]
    except (PolicyError, GateUnavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(decision.to_json())
    return {"allow": 0, "deny": 2}.get(decision.decision, 3)


if __name__ == "__main__":
    sys.exit(main())
