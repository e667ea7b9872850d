"""Guards without a policy file: the interface of agent-safety-layer."""

from portcullis import NetworkBoundary, PathBoundary, Policy, SafetyLayer, SafetyViolation

safety = SafetyLayer(
    policies=[Policy.block_pattern(r"rm\s+-rf\s+/", "No recursive delete from root")],
    boundaries=[
        PathBoundary(allowed_paths=["/tmp", "/usr"]),
        NetworkBoundary(allowed_hosts=["api.openai.com"]),
    ],
)


@safety.guard
def execute_command(cmd: str) -> str:
    """Would run a command."""
    return f"ran {cmd}"


print(execute_command("ls -la /tmp"))
for command in (
    "rm -rf /",
    "rm --recursive --force /",
    "find / -delete",
    "cat /etc/shadow",
    "curl http://evil.example",
):
    try:
        execute_command(command)
    except SafetyViolation as refused:
        print(f"refused: {refused}")
