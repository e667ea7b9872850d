"""The Python package beside agent-safety-layer 0.1.0, in one run: `make bench` prints this table.

Every figure is the best of several repeats of both, taken in turn, so that what else the machine does meets both.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import agent_safety_layer as theirs

import portcullis as ours

REPEATS = 7
SHORT = "SELECT name, total FROM orders WHERE id=7"
LONG = (SHORT + " AND note = 'the quick brown fox' ") * 28


def best(call: Callable[[], Any], calls: int) -> float:
    """Microseconds for one call."""
    gc.disable()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    taken = time.perf_counter() - start
    gc.enable()
    return taken / calls * 1e6


def both(make: Callable[[Any], Callable[[], Any]], calls: tuple[int, int]) -> tuple[float, float]:
    """Ours and theirs, in turn."""
    mine, other = make(ours), make(theirs)
    mine(), other()
    figures = [(best(mine, calls[0]), best(other, calls[1])) for _ in range(REPEATS)]
    return min(it[0] for it in figures), min(it[1] for it in figures)


def layer(lib: Any, patterns: int, **how: Any) -> Any:
    policies = [lib.Policy.block_pattern(rf"forbidden_{n}\s+word_{n}", f"no {n}") for n in range(patterns)]
    return lib.SafetyLayer(policies, **how)


def row(what: str, unit: str, figures: tuple[float, float], more_is_better: bool = False) -> None:
    mine, other = figures
    times = mine / other if more_is_better else other / mine
    print(f"| {what} | {mine:,.2f} {unit} | {other:,.2f} {unit} | {times:,.1f}x |", flush=True)


def checks() -> None:
    for text, name in ((SHORT[:41], "41"), (LONG[:2100], "2,100")):
        for patterns in (10, 100, 1000):
            calls = max(20, 20_000 // patterns) if name == "41" else max(3, 400 // patterns)

            def make(lib: Any, patterns: int = patterns, text: str = text) -> Callable[[], Any]:
                safety = layer(lib, patterns)
                return lambda: safety.check(text)

            row(f"`check`, {patterns:,} patterns, {name} characters", "µs", both(make, (2_000, calls)))


# Patterns and texts of other kinds: plain words, in prose, data, commands and other languages.
WORDS = [
    f"{a}{b}{c}"
    for a in ("tar", "bel", "mon", "quix", "dro")
    for b in ("a", "ip", "ost", "un")
    for c in ("el", "id", "ox", "ar", "em")
]
OTHERS = {
    "prose": "The quarterly report doesn't show that revenue grew by 12 percent, mostly in the north. ",
    "JSON": '{"id": 17, "name": "Alice", "tags": ["a", "b"], "note": "hello world"}, ',
    "commands": "cp a.txt b.txt && ls -la | grep foo; cat notes.md > out.txt\n",
    "German": "Der Bericht über Größe und Maß: naïve café, Résumé. ",
    "near misses": "taraem taripoxx beluna monostid7 quix dro unem ",
}


def others() -> None:
    for name, text in OTHERS.items():

        def make(lib: Any, text: str = (text * 60)[:2100]) -> Callable[[], Any]:
            policies = [lib.Policy.block_pattern(rf"\b{word}\s+{n}\b", "no") for n, word in enumerate(WORDS * 10)]
            safety = lib.SafetyLayer(policies)
            return lambda: safety.check(text)

        row(f"`check`, 1,000 words, 2,100 characters of {name}", "µs", both(make, (500, 3)))


def guards() -> None:
    def make(trace: bool) -> Callable[[Any], Callable[[], Any]]:
        return lambda lib: lib.SafetyLayer(trace=trace).guard(lambda: None)

    row("`guard` around nothing, trace off", "µs", both(make(False), (20_000, 20_000)))
    row("`guard` around nothing, trace on, first 100 calls", "µs", both_fresh(0))
    row("the same after 20,000 calls", "µs", both_fresh(20_000))


def both_fresh(before: int) -> tuple[float, float]:
    figures: list[float] = []
    for lib in (ours, theirs):
        times: list[float] = []
        for _ in range(3 if before else REPEATS):
            guarded = lib.SafetyLayer().guard(lambda: None)
            for _n in range(before):
                guarded()
            times.append(best(guarded, 100))
        figures.append(min(times))
    return figures[0], figures[1]


def arguments() -> None:
    safety = layer(ours, 100, boundaries=[ours.PathBoundary(["/tmp"]), ours.NetworkBoundary(["a.example"])])
    look = safety.guard(lambda path, url: None)
    cost = min(best(lambda: look("/tmp/a/b", "https://a.example/x"), 500) for _ in range(REPEATS))
    print(f"| `guard` with a path and an address looked at | {cost:,.2f} µs | does not look | |", flush=True)


def threads() -> None:
    def rate(lib: Any, workers: int) -> float:
        safety, per = layer(lib, 100), 4_000 if lib is ours else 20
        text = LONG[:16_000] * 4

        def run() -> None:
            for _ in range(per):
                safety.check(text)

        started = [threading.Thread(target=run) for _ in range(workers)]
        start = time.perf_counter()
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        return workers * per / (time.perf_counter() - start)

    for workers in (1, 2, 4):
        figures = max(rate(ours, workers) for _ in range(3)), max(rate(theirs, workers) for _ in range(3))
        row(f"`check` of long texts, 100 patterns, {workers} threads", "/s", figures, more_is_better=True)


def replays() -> None:
    for patterns, operations in ((10, 1_000), (10, 10_000), (100, 10_000)):
        figures: list[float] = []
        for lib in (ours, theirs):
            recorder = lib.SessionRecorder()
            for n in range(operations):
                recorder.record_operation(f"read row {n} of the table", "read", {}, None)
            session = recorder.finish()
            policies = list(layer(lib, patterns).policy_set.policies)
            replayer = lib.SessionReplayer(policies)
            replayer.replay(session)
            taken = min(best(lambda r=replayer, s=session: r.replay(s), 1) for _ in range(5 if lib is ours else 2))
            figures.append(operations / taken * 1e6)
        row(
            f"replay, {patterns} patterns, {operations:,} operations",
            "/s",
            (figures[0], figures[1]),
            more_is_better=True,
        )


def in_process() -> None:
    policy = """
version: 1
tools: {pay: {args: {amount: money}, effects: [payment]}}
agents: {bot: {rules: [{name: small, allow: [pay], when: args.amount <= 5}]}}
"""
    gate = ours.Gate.from_text(policy, agent="bot")
    args = {"amount": 3}
    cost = min(best(lambda: gate.check("pay", args), 2_000) for _ in range(REPEATS))
    print(f"| `Gate.check` in process, no store: a policy file's decision | {cost:,.2f} µs | has none | |", flush=True)


def main() -> None:
    print(f"\nPython {sys.version.split()[0]}, portcullis-gate {ours.__version__}, agent-safety-layer 0.1.0\n")
    print("| what | ours | theirs | times |\n|---|---|---|---|")
    checks()
    others()
    guards()
    arguments()
    threads()
    replays()
    in_process()


if __name__ == "__main__":
    main()
