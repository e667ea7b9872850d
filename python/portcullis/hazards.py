"""Policies that know what commands and statements do, whatever they are spelled like."""

from __future__ import annotations

import os
from typing import Any

from . import _engine
from ._roles import leaves
from .policies import Policy, PolicyAction, PolicyResult

__all__ = ["HazardPolicy", "dangerous_commands", "production_access"]


class HazardPolicy(Policy):
    """Refuses what cannot be had back: trees removed, disks overwritten, tables dropped or emptied."""

    def evaluate(self, operation: str, context: dict[str, Any]) -> PolicyResult | None:
        """Reads every text as a command and as a statement."""
        home = os.path.expanduser("~")
        known = getattr(context, "texts", None)
        texts = known if known is not None else [operation, *(v for _, _, v in leaves(context) if isinstance(v, str))]
        for text in texts:
            sound = text if text.isascii() else text.encode("utf-8", "replace").decode()
            # A command is no statement: `rm x` would remove a stage, if a database were asked.
            statements = [it for it in _engine.sql(sound) if it[0].startswith("sql.")]
            for kind, _, target, destroys, note in (*_engine.shell(sound, None, home), *statements):
                if destroys:
                    what = f"{kind} `{target}`" if target else kind
                    reason = f"it cannot be had back: {note or what}"
                    return PolicyResult(PolicyAction.BLOCK, self.name, reason, {"effect": kind, "target": target})
        return None


def dangerous_commands() -> Policy:
    """Refuses what cannot be had back."""
    return HazardPolicy("dangerous_commands", "What cannot be had back is refused")


def production_access() -> Policy:
    """Refuses what names a production database or server."""
    return Policy.block_pattern(
        r"\b(prod|production)[\s_.:/-]*(db|database|databases|server|servers|cluster|postgres|mysql|mongo|redis)"
        r"|(db|database|server|cluster|postgres|mysql|mongo|redis)[\s_.:/-]*(prod|production)\b",
        "Blocking production database access",
        name="block_prod_db",
    )
