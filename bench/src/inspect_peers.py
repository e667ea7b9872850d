"""Peers from PyPI, asked over a pipe: a line in says what to do how often, a line out how many nanoseconds each took."""

import json
import sys
import time


def detect_secrets(text):
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    lines = text.splitlines()

    def call():
        with default_settings():
            for line in lines:
                list(scan_line(line))

    return call


def patterns(text):
    from agent_safety_layer import Policy, SafetyLayer

    layer = SafetyLayer([Policy.block_pattern(rf"forbidden{n}\s+word", "bench") for n in range(1000)])
    return lambda: layer.check(text)


def path(text):
    from agent_safety_layer import PathBoundary

    boundary = PathBoundary(allowed_paths=["/srv/app"])
    return lambda: boundary.check({"path": text})


def url(text):
    from agent_safety_layer import NetworkBoundary

    boundary = NetworkBoundary(allowed_hosts=["api.example.com"])
    return lambda: boundary.check({"url": text})


made = {}
for line in sys.stdin:
    asked = json.loads(line)
    key = (asked["what"], asked["text"])
    if key not in made:
        made[key] = globals()[asked["what"]](asked["text"])
    call = made[key]
    taken = []
    for _ in range(asked["samples"]):
        start = time.perf_counter_ns()
        for _ in range(asked["batch"]):
            call()
        taken.append((time.perf_counter_ns() - start) / asked["batch"])
    print(json.dumps(taken), flush=True)
