"""The verifier in TypeScript, in a tool that a gate really calls."""

import base64
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import httpx
from gate_over_http import serve

NODE = os.environ["E2E_NODE"]
HERE = Path(__file__).parent
VERIFIER = HERE.parent.parent / "docs" / "verifiers" / "portcullis_verify.ts"
SECRET = "the tool's own secret"


@contextmanager
def tool():
    command = [NODE, "--no-warnings", "--experimental-strip-types", HERE / "verifying_tool.mjs", VERIFIER, SECRET]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip()
        assert port, process.stderr.read()
        yield int(port)
    finally:
        process.kill()
        process.wait()


def test_the_verifier_in_typescript_believes_a_gate_and_nobody_else(tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    with tool() as port:
        policy = f"""
version: 1
tools:
  t:
    url: 'http://127.0.0.1:{port}/do/{{id}}?v=1'
    allow_private: true
    undeclared_args: allow
    signed_answers: true
    auth: {{hmac_sha256: {{file: '{tmp_path / "secret"}'}}}}
agents:
  bot: {{rules: [{{name: may, allow: t}}]}}
"""
        with serve(tmp_path, policy) as gate:
            key = gate.key()
            call = {"agent_id": "bot", "args": {"id": "ä/1", "n": [1.5, "x"]}}
            headers = {"Authorization": f"Bearer {key}"}
            answer = httpx.post(f"{gate.address}/v1/tools/t/call", json=call, headers=headers, timeout=60).json()
            # Had the answer's signature been wrong, the gate would not know how the call ended.
            assert answer["status"] == "success", answer
            sent = answer["result"]
            assert sent["path"] == "/do/%C3%A4%2F1?v=1"

        here = f"http://127.0.0.1:{port}"
        body = base64.b64decode(sent["body"])
        names = ("portcullis-timestamp", "portcullis-nonce", "portcullis-signature")
        signed = {name: sent["headers"][name] for name in names}
        later = str(int(signed["portcullis-timestamp"]) + 1)

        def said(method="POST", path=sent["path"], body=body, **changed):
            headers = signed | {name.replace("_", "-"): value for name, value in changed.items()}
            headers = {name: value for name, value in headers.items() if value}
            answer = httpx.request(method, here + path, content=body, headers=headers)
            return answer.status_code, answer.text

        wrong = (401, "the signature is wrong")
        none = (401, "the request carries no signature")
        assert said() == (401, "the request came before")
        assert said(method="PUT") == wrong
        assert said(path="/do/other?v=1") == wrong
        assert said(body=b"{}") == wrong
        assert said(portcullis_timestamp=later) == wrong
        assert said(portcullis_nonce="0" * 32) == wrong
        assert said(portcullis_signature="v1=" + "0" * 64) == wrong
        assert said(portcullis_signature="") == wrong
        assert said(portcullis_timestamp="soon") == none
        assert said(portcullis_nonce="") == none
        for seconds in ("400", "-400"):
            httpx.post(f"{here}/clock", content=seconds)
            assert said() == (401, "the request is too old, or a clock is wrong")
