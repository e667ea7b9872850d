"""A server whose one tool is described by the file that it is given; with a resource and a prompt.

Written without an SDK, so that what it says is what stands here. Reads the file anew for every list.
"""

import json
import sys

RESOURCE = {"uri": "note://one", "name": "one", "mimeType": "text/plain"}
PROMPT = {"name": "greet", "description": "says hello", "arguments": [{"name": "who", "required": True}]}


def result(method: str, params: dict) -> dict | None:
    match method:
        case "initialize":
            capabilities = {"tools": {"listChanged": True}, "resources": {}, "prompts": {}}
            server = {"name": "changing", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": server}
        case "ping":
            return {}
        case "tools/list":
            with open(sys.argv[1], encoding="utf-8") as file:
                return {"tools": [json.load(file)]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "called"}]}
        case "resources/list":
            return {"resources": [RESOURCE]}
        case "resources/read":
            return {"contents": [{"uri": params["uri"], "text": "what the note says"}]}
        case "prompts/list":
            return {"prompts": [PROMPT]}
        case "prompts/get":
            text = f"Hello, {params['arguments']['who']}"
            return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}
    return None


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        found = result(message["method"], message.get("params") or {})
        if found is None:
            answer["error"] = {"code": -32601, "message": "no such method"}
        else:
            answer["result"] = found
        print(json.dumps(answer), flush=True)


main()
