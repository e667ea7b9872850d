"""Each adapter with the real framework and a scripted model: what the policy refuses is never carried out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from conftest import POLICY, Server
from portcullis import Gate, Portcullis, SafetyViolation
from portcullis.adapters import Calls

NAMES = {"refund": "stripe.refund", "shell": "shell.run", "lookup": "crm.read"}
KEY = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture
def ran() -> list[Any]:
    return []


@pytest.fixture(params=["in process", "server"])
def gate(request: pytest.FixtureRequest, server: Server) -> Gate | Portcullis:
    if request.param == "server":
        return Portcullis(server.url, server.keys["agent"])
    return Gate.from_text(POLICY)


def approve(gate: Gate | Portcullis, server: Server, approval_id: str) -> None:
    if isinstance(gate, Gate):
        gate.approve(approval_id, by="alice")
    else:
        Portcullis(server.url, server.keys["approver"]).approve(approval_id)


# LangChain and LangGraph


def langchain_agent(gate: Any, ran: list[Any], turns: list[list[dict[str, Any]]], **how: Any) -> Any:
    agents = pytest.importorskip("langchain.agents")
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool

    from portcullis.adapters.langchain import PortcullisMiddleware

    class Model(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

    @tool
    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount}"

    @tool
    def lookup() -> str:
        """Looks up."""
        ran.append("lookup")
        return f"token {KEY}"

    said = [AIMessage(content="", tool_calls=calls) for calls in turns] + [AIMessage(content="done")]
    middleware = PortcullisMiddleware(gate, "bot", names=NAMES, **how.pop("guard", {}))
    return agents.create_agent(Model(messages=iter(said)), [refund, lookup], middleware=[middleware], **how)


def called(name: str, id: str = "c1", **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


@pytest.mark.parametrize("later", [False, True])
def test_langchain(gate: Any, ran: list[Any], later: bool) -> None:
    turns = [[called("refund", amount=20)], [called("refund", amount=5000)], [called("lookup")]]
    agent = langchain_agent(gate, ran, turns)
    asked = {"messages": [("user", "hi")]}
    state = asyncio.run(agent.ainvoke(asked)) if later else agent.invoke(asked)
    told = [it.content for it in state["messages"] if it.type == "tool"]
    assert ran == [20, "lookup"]
    assert told[0] == "refunded 20.0" or told[0] == "refunded 20"
    assert "refused" in told[1] and "no_matching_rule" in told[1]
    assert KEY not in told[2] and "token" in told[2]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("agrees", [True, False])
def test_langgraph_interrupts_for_people(gate: Any, ran: list[Any], server: Server, agrees: bool, later: bool) -> None:
    pytest.importorskip("langgraph")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    agent = langchain_agent(
        gate, ran, [[called("refund", amount=700)]], checkpointer=InMemorySaver(),
        guard={"interrupt_for_approval": True},
    )  # fmt: skip
    config: Any = {"configurable": {"thread_id": f"t-{id(ran)}-{agrees}-{later}"}}

    def invoke(what: Any) -> Any:
        return asyncio.run(agent.ainvoke(what, config)) if later else agent.invoke(what, config)

    state = invoke({"messages": [("user", "hi")]})
    value = state["__interrupt__"][0].value
    assert value["args"] == {"amount": 700} and not ran
    if agrees:
        approve(gate, server, value["approval_id"])
    state = invoke(Command(resume=True))
    told = [it.content for it in state["messages"] if it.type == "tool"] if "messages" in state else []
    if agrees:
        assert ran == [700] and "refunded" in told[0]
    else:
        assert not ran


def test_langgraph_tool_node(gate: Any, ran: list[Any]) -> None:
    pytest.importorskip("langgraph")
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    from portcullis.adapters.langchain import PortcullisMiddleware

    @tool
    def shell(command: str) -> str:
        """Runs."""
        ran.append(command)
        return "ok"

    middleware = PortcullisMiddleware(gate, "bot", names=NAMES)
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([shell], wrap_tool_call=middleware.wrap_tool_call))
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    calls = [called("shell", "a", command="rm -rf /"), called("shell", "b", command="ls /usr")]
    state = graph.compile().invoke({"messages": [AIMessage(content="", tool_calls=calls)]})
    told = {it.tool_call_id: it.content for it in state["messages"] if it.type == "tool"}
    assert ran == ["ls /usr"] and "refused" in told["a"] and told["b"] == "ok"


@pytest.mark.parametrize("later", [False, True])
def test_langgraph_does_a_step_that_is_begun_anew_once(gate: Any, ran: list[Any], later: bool) -> None:
    pytest.importorskip("langgraph")
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    from portcullis.adapters.langchain import PortcullisMiddleware

    class Crash(BaseException):
        pass

    crashes = [True]

    @tool
    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount}"

    @tool
    def lookup() -> str:
        """Looks up, and fails the first time."""
        if crashes.pop() if crashes else False:
            raise Crash
        return "found"

    guard = PortcullisMiddleware(gate, "bot", names=NAMES)
    how: Any = {"awrap_tool_call": guard.awrap_tool_call} if later else {"wrap_tool_call": guard.wrap_tool_call}
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([refund, lookup], handle_tool_errors=False, **how))
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    app = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": f"crash-{id(ran)}-{later}"}}

    def invoke(what: Any) -> Any:
        return asyncio.run(app.ainvoke(what, config)) if later else app.invoke(what, config)

    calls = [called("refund", "a", amount=20), called("lookup", "b")]
    with pytest.raises(Crash):
        invoke({"messages": [AIMessage(content="", tool_calls=calls)]})
    state = invoke(None)
    told = {it.tool_call_id: it.content for it in state["messages"] if it.type == "tool"}
    # Interrupted as it was, it may or may not have been heard of; it was done once.
    assert ran == [20] and set(told) == {"a", "b"}


def test_langchain_tells_turns_apart_when_old_messages_are_gone() -> None:
    pytest.importorskip("langchain")
    from langchain_core.messages import AIMessage, HumanMessage

    from portcullis.adapters.langchain import _step

    before = {"messages": [HumanMessage("hi"), AIMessage("a", id="m1"), AIMessage("b", id="m2")]}
    summed_up = {"messages": [HumanMessage("so far: ..."), AIMessage("b", id="m2"), AIMessage("c", id="m3")]}
    assert _step(before) != _step(summed_up) and _step(before) == _step(dict(before))
    assert _step({"messages": [AIMessage("a")]}) == "1" and _step({}) is None


# OpenAI Agents SDK


def agents_sdk(gate: Any, ran: list[Any], calls: list[tuple[str, dict[str, Any]]], **how: Any) -> Any:
    agents = pytest.importorskip("agents")
    from agents.items import ModelResponse
    from agents.usage import Usage
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    from portcullis.adapters.openai_agents import guarded

    agents.set_tracing_disabled(True)

    class Scripted(agents.Model):
        def __init__(self) -> None:
            self.turn = 0

        async def get_response(self, *_: Any, **__: Any) -> Any:
            self.turn += 1
            if self.turn <= len(calls):
                name, args = calls[self.turn - 1]
                out: Any = ResponseFunctionToolCall(
                    arguments=json.dumps(args), call_id=f"c{self.turn}", name=name, type="function_call"
                )
            else:
                text = ResponseOutputText(text="done", type="output_text", annotations=[])
                out = ResponseOutputMessage(
                    id="m", content=[text], role="assistant", status="completed", type="message"
                )
            return ModelResponse(output=[out], usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    @agents.function_tool
    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount}"

    @agents.function_tool
    async def lookup() -> str:
        """Looks up."""
        return f"token {KEY}"

    tools = guarded([refund, lookup], gate, "bot", names=NAMES, **how)
    return agents.Agent(name="a", model=Scripted(), tools=tools)


def test_openai_agents(gate: Any, ran: list[Any]) -> None:
    agents = pytest.importorskip("agents")
    calls: list[Any] = [("refund", {"amount": 20}), ("refund", {"amount": 5000}), ("lookup", {})]
    result = agents.Runner.run_sync(agents_sdk(gate, ran, calls), "hi")
    told = [it.output for it in result.new_items if it.type == "tool_call_output_item"]
    assert ran == [20] and "refunded" in told[0] and "refused" in told[1]
    assert KEY not in told[2] and "token" in told[2]


@pytest.mark.parametrize("agrees", [True, False])
def test_openai_agents_interrupt_for_people(gate: Any, ran: list[Any], server: Server, agrees: bool) -> None:
    agents = pytest.importorskip("agents")
    asked: list[Any] = []
    agent = agents_sdk(
        gate, ran, [("refund", {"amount": 800})], interrupt_for_approval=True,
        on_question=lambda decision, args: asked.append((decision.approval_id, args)),
    )  # fmt: skip
    result = agents.Runner.run_sync(agent, "hi")
    assert len(result.interruptions) == 1 and not ran
    ((approval, args),) = asked
    assert args == {"amount": 800}
    if agrees:
        approve(gate, server, approval)
    state = result.to_state()
    state.approve(result.interruptions[0])
    result = agents.Runner.run_sync(agent, state)
    told = [it.output for it in result.new_items if it.type == "tool_call_output_item"]
    assert ran == ([800] if agrees else []) and ("refunded" if agrees else "have not agreed") in told[0]


def test_openai_agents_with_a_step_do_a_call_once(gate: Any, ran: list[Any]) -> None:
    agents = pytest.importorskip("agents")
    for turn, times in (("1", 1), ("1", 1), ("2", 2)):
        agent = agents_sdk(
            gate, ran, [("refund", {"amount": 20})], session_id=f"o-{builtin_id(ran)}", step=lambda _, turn=turn: turn
        )
        result = agents.Runner.run_sync(agent, "hi")
        told = [it.output for it in result.new_items if it.type == "tool_call_output_item"]
        assert "refunded 20" in told[0] and ran == [20] * times


def test_openai_agents_guardrails(gate: Any, ran: list[Any]) -> None:
    agents = pytest.importorskip("agents")
    from agents.testing import ScriptedModel, assistant_message, function_call

    from portcullis.adapters.openai_agents import guardrails

    before, after = guardrails(gate, "bot", names=NAMES)
    how: Any = {"tool_input_guardrails": [before], "tool_output_guardrails": [after]}

    @agents.function_tool(**how)
    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount}"

    @agents.function_tool(**how)
    def lookup() -> str:
        """Looks up."""
        return f"token {KEY}"

    @agents.function_tool(tool_output_guardrails=[after])
    def undecided() -> str:
        """Was given half of it."""
        return "a secret"

    calls: list[Any] = [("refund", {"amount": 20}), ("refund", {"amount": 5000}), ("lookup", {}), ("undecided", {})]
    steps = [[function_call(name, args, call_id=f"c{n}")] for n, (name, args) in enumerate(calls)]
    model = ScriptedModel([*steps, [assistant_message("done")]])
    result = agents.Runner.run_sync(agents.Agent(name="a", model=model, tools=[refund, lookup, undecided]), "hi")
    told = [it.output for it in result.new_items if it.type == "tool_call_output_item"]
    assert ran == [20] and "refunded" in told[0] and "refused" in told[1] and "no_matching_rule" in told[1]
    assert KEY not in told[2] and "token" in told[2] and "secret" not in told[3]
    if isinstance(gate, Portcullis):
        (kept,) = gate.decisions(tool="crm.read", limit=1)["decisions"]
        assert kept["outcome"]["status"] == "success"


def test_hosted_tools_are_refused() -> None:
    agents = pytest.importorskip("agents")
    from portcullis.adapters.openai_agents import guarded

    with pytest.raises(TypeError):
        guarded([agents.WebSearchTool()], Gate.from_text(POLICY), "bot")


# OpenAI's and Anthropic's tool-call loops


def responses(name: str, args: dict[str, Any], id: str = "r1") -> list[Any]:
    text = json.dumps(args)
    chat_types = pytest.importorskip("openai.types.chat")
    chat = chat_types.ChatCompletion.model_validate(
        {"id": id, "created": 0, "model": "m", "object": "chat.completion", "choices": [{
            "index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": {"role": "assistant", "content": None,
            "refusal": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": text}}]}}]}
    )  # fmt: skip
    output: Any = {"id": id, "output": [{"type": "function_call", "call_id": "c1", "name": name, "arguments": text}]}
    messages = pytest.importorskip("anthropic.types").Message.model_validate(
        {"id": id, "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "stop_sequence": None,
         "usage": {"input_tokens": 1, "output_tokens": 1},
         "content": [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "c1", "name": name, "input": args}]}
    )  # fmt: skip
    return [chat, output, messages]


@pytest.mark.parametrize("kind", range(3))
def test_tool_loops(gate: Any, ran: list[Any], kind: int) -> None:
    from portcullis.adapters.tool_loops import guard_tool_calls

    def refund(amount: float) -> dict[str, Any]:
        ran.append(amount)
        return {"refunded": amount, "token": KEY}

    def answer(args: dict[str, Any], id: str = "r1", name: str = "refund") -> str:
        (call,) = guard_tool_calls(
            responses(name, args, id)[kind], gate, "bot", names=NAMES, session_id=f"s-{builtin_id(ran)}-{kind}"
        )
        message = call.run({"refund": refund})
        text = message.get("content", message.get("output"))
        assert "c1" in json.dumps(message)
        return str(text)

    fine = answer({"amount": 20})
    assert "refunded" in fine and KEY not in fine
    assert "refused" in answer({"amount": 5000}, "r2") and "refused" in answer({"amount": float("1e300")}, "r3")
    assert "unknown_tool" in answer({"amount": 1}, "r4", "other")
    assert ran == [20]
    # The same call of the same response again, under whatever id: it is not done twice.
    answer({"amount": 20})
    assert ran == [20]
    answer({"amount": 20}, "r5")
    assert ran == [20, 20]


builtin_id = id


def test_tool_loops_on_what_is_no_call(gate: Any) -> None:
    from portcullis.adapters.tool_loops import guard_tool_calls

    for odd in (None, 7, "x", [], {}, {"choices": 1}):
        with pytest.raises(ValueError):
            guard_tool_calls(odd, gate, "bot")
    odd_args = {"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "refund", "arguments": text}}]}}
                            for text in ("{", "[1]", "null", '"x"', "NaN")]}  # fmt: skip
    for call in guard_tool_calls(odd_args, gate, "bot", names=NAMES):
        assert "refused" in call.run({"refund": lambda **_: pytest.fail("it ran")})["content"]


# Pydantic AI


def test_pydantic_ai(gate: Any, ran: list[Any]) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.toolsets import FunctionToolset

    from portcullis.adapters.pydantic_ai import GuardedToolset

    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount} with {KEY}"

    amounts = [20, 5000]

    def model(messages: Any, info: Any) -> Any:
        turn = sum(isinstance(it, ModelResponse) for it in messages)
        if turn < len(amounts):
            return ModelResponse(parts=[ToolCallPart("refund", {"amount": amounts[turn]})])
        return ModelResponse(parts=[TextPart("done")])

    toolset = GuardedToolset(FunctionToolset([refund]), Calls(gate, "bot", names=NAMES))
    agent = pydantic_ai.Agent(FunctionModel(model), toolsets=[toolset])
    result = agent.run_sync("hi")
    told = [part.content for it in result.all_messages() for part in it.parts if isinstance(part, ToolReturnPart)]
    assert ran == [20] and "refunded" in told[0] and KEY not in told[0] and "refused" in told[1]


@pytest.mark.parametrize("agrees", [True, False])
def test_pydantic_ai_defers_to_people(gate: Any, ran: list[Any], server: Server, agrees: bool) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.toolsets import FunctionToolset

    from portcullis.adapters.pydantic_ai import GuardedToolset

    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount}"

    def model(messages: Any, info: Any) -> Any:
        if any(isinstance(part, ToolReturnPart) for it in messages for part in it.parts):
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart("refund", {"amount": 750}, tool_call_id="c1")])

    toolset = GuardedToolset(FunctionToolset([refund]), Calls(gate, "bot", names=NAMES), interrupt_for_approval=True)
    agent = pydantic_ai.Agent(
        FunctionModel(model), toolsets=[toolset], output_type=[str, pydantic_ai.DeferredToolRequests]
    )
    first = agent.run_sync("hi")
    assert not ran
    asked = first.output.metadata["c1"]
    if agrees:
        approve(gate, server, asked["approval_id"])
    answer = pydantic_ai.DeferredToolResults(approvals={"c1": True}, metadata={"c1": asked})
    second = agent.run_sync(message_history=first.all_messages(), deferred_tool_results=answer)
    told = [part.content for it in second.all_messages() for part in it.parts if isinstance(part, ToolReturnPart)]
    # The run's approval alone carries nothing out.
    assert ran == ([750] if agrees else []) and ("refunded" if agrees else "refused") in told[0]


def test_pydantic_ai_runs_of_one_session_are_not_each_other(gate: Any, ran: list[Any]) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.toolsets import FunctionToolset

    from portcullis.adapters.pydantic_ai import GuardedToolset

    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount}"

    def model(messages: Any, info: Any) -> Any:
        if isinstance(messages[-1].parts[0], pydantic_ai.messages.ToolReturnPart):
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart("refund", {"amount": 20})])

    calls = Calls(gate, "bot", names=NAMES, session_id=f"p-{builtin_id(ran)}")
    agent = pydantic_ai.Agent(FunctionModel(model), toolsets=[GuardedToolset(FunctionToolset([refund]), calls)])
    for n in range(1, 3):
        agent.run_sync("refund me 20")
        assert ran == [20] * n


# Claude Agent SDK


def test_claude_agent_over_the_sdks_own_wire(gate: Any) -> None:
    """The SDK's client with a scripted program at its other end: what it asks arrives at the hooks and is answered."""
    sdk = pytest.importorskip("claude_agent_sdk")
    from portcullis.adapters.claude_agent import ClaudeGuard

    answers: dict[str, Any] = {}

    class Program(sdk.Transport):
        def __init__(self) -> None:
            self.lines: asyncio.Queue[Any] = asyncio.Queue()
            self.waiting: dict[str, asyncio.Event] = {}

        async def connect(self) -> None: ...

        async def write(self, data: str) -> None:
            message = json.loads(data)
            if message["type"] == "control_request" and message["request"]["subtype"] == "initialize":
                said = {"subtype": "success", "request_id": message["request_id"], "response": {}}
                await self.lines.put({"type": "control_response", "response": said})
                hooks = message["request"]["hooks"]
                self.script = asyncio.create_task(self.ask(hooks))
            elif message["type"] == "control_response":
                of = message["response"]["request_id"]
                answers[of] = message["response"].get("response", message["response"])
                self.waiting[of].set()

        async def ask(self, hooks: dict[str, Any]) -> None:
            async def one(of: str, request: dict[str, Any]) -> None:
                self.waiting[of] = asyncio.Event()
                await self.lines.put({"type": "control_request", "request_id": of, "request": request})
                await asyncio.wait_for(self.waiting[of].wait(), 20)

            def hook(event: str, id: str, command: Any, **more: Any) -> dict[str, Any]:
                given = {
                    "hook_event_name": event,
                    "session_id": "s",
                    "tool_name": "Bash",
                    "tool_input": {"command": command},
                }
                (callback,) = hooks[event][0]["hookCallbackIds"]
                return {
                    "subtype": "hook_callback",
                    "callback_id": callback,
                    "tool_use_id": id,
                    "input": {**given, **more},
                }

            def may(id: str, command: Any) -> dict[str, Any]:
                return {
                    "subtype": "can_use_tool",
                    "tool_name": "Bash",
                    "tool_use_id": id,
                    "input": {"command": command},
                }

            await one("fine", hook("PreToolUse", "t1", "ls /usr"))
            await one("may fine", may("t1", "ls /usr"))
            # Another hook has changed it meanwhile: the id is the same and the call is not.
            await one("may changed", may("t1", "rm -rf /"))
            await one("end", hook("PostToolUse", "t1", "ls /usr", tool_response=f"token {KEY}"))
            await one("bad", hook("PreToolUse", "t2", "rm -rf /"))
            await one("may odd", may("t3", 7))
            await self.lines.put({"type": "result", "subtype": "success", "duration_ms": 1, "duration_api_ms": 1,
                                  "is_error": False, "num_turns": 1, "session_id": "s", "result": "done"})  # fmt: skip
            await self.lines.put(None)

        async def read_messages(self) -> Any:
            while (line := await self.lines.get()) is not None:
                yield line

        async def close(self) -> None: ...

        def is_ready(self) -> bool:
            return True

        async def end_input(self) -> None: ...

    async def every() -> None:
        guard = ClaudeGuard(Calls(gate, "bot", names={"Bash": "shell.run"}))
        options = sdk.ClaudeAgentOptions(can_use_tool=guard.can_use_tool, hooks=guard.hooks())
        client = sdk.ClaudeSDKClient(options, transport=Program())
        await client.connect()
        async for _ in client.receive_response():
            pass
        await client.disconnect()

    asyncio.run(every())
    assert answers["fine"]["hookSpecificOutput"]["permissionDecision"] == "allow"
    assert answers["may fine"]["behavior"] == "allow"
    assert answers["may changed"]["behavior"] == "deny" and "refused" in answers["may changed"]["message"]
    assert answers["bad"]["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert answers["may odd"]["behavior"] == "deny"
    if isinstance(gate, Portcullis):
        ended = [it for it in gate.decisions(tool="shell.run", limit=10)["decisions"] if it.get("outcome")]
        assert ended and KEY not in str(ended)


def test_claude_agent(gate: Any, ran: list[Any]) -> None:
    sdk = pytest.importorskip("claude_agent_sdk")
    from portcullis.adapters.claude_agent import ClaudeGuard

    guard = ClaudeGuard(Calls(gate, "bot", names={"Bash": "shell.run", "Lookup": "crm.read"}))

    async def every() -> None:
        context = sdk.ToolPermissionContext(tool_use_id="t0")
        allowed = await guard.can_use_tool("Bash", {"command": "ls /usr"}, context)
        denied = await guard.can_use_tool("Bash", {"command": "rm -rf /"}, context)
        assert isinstance(allowed, sdk.PermissionResultAllow)
        denied = await guard.can_use_tool("Bash", {"command": "rm -rf /"}, sdk.ToolPermissionContext(tool_use_id="t9"))
        assert isinstance(denied, sdk.PermissionResultDeny) and "refused" in denied.message

        def event(name: str, **more: Any) -> dict[str, Any]:
            return {"hook_event_name": name, "session_id": "s", "tool_name": "Bash", **more}

        for command, said in (("ls /usr", "allow"), ("rm -rf /", "deny"), (7, "deny"), ("\ud800", "deny")):
            out = await guard.before(event("PreToolUse", tool_input={"command": command}), f"t-{said}", None)
            assert out["hookSpecificOutput"]["permissionDecision"] == said, command
        assert await guard.after(event("PostToolUse", tool_response="ok"), "t-allow", None) == {}
        assert await guard.after(event("PostToolUse", tool_response="ok"), "t-deny", None) == {}
        options = sdk.ClaudeAgentOptions(can_use_tool=guard.can_use_tool, hooks=guard.hooks())
        assert set(options.hooks) == {"PreToolUse", "PostToolUse", "PostToolUseFailure"}

    asyncio.run(every())


# MCP servers


def test_mcp_server(gate: Any, ran: list[Any]) -> None:
    pytest.importorskip("mcp")
    from mcp.client.client import Client
    from mcp.server.mcpserver import MCPServer

    from portcullis.adapters.mcp_server import gate_middleware

    server = MCPServer("files", middleware=[gate_middleware(Calls(gate, "bot", names=NAMES))])

    @server.tool()
    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount} with {KEY}"

    async def every() -> None:
        async with Client(server) as client:
            fine = await client.call_tool("refund", {"amount": 20})
            assert not fine.is_error and KEY not in str(fine)
            refused = await client.call_tool("refund", {"amount": 5000})
            assert refused.is_error and "refused" in str(refused)
            assert len((await client.list_tools()).tools) == 1

    asyncio.run(every())
    assert ran == [20]


# CrewAI


def test_crewai(gate: Any, ran: list[Any]) -> None:
    crewai = pytest.importorskip("crewai")
    from crewai.tools import tool

    from portcullis.adapters.crewai import guarded

    @tool("refund")
    def refund(amount: float) -> str:
        """Refunds."""
        ran.append(amount)
        return f"refunded {amount} with {KEY}"

    (safe,) = guarded([refund], gate, "bot", names=NAMES)
    fine = safe.run(amount=20)
    assert "refunded" in fine and KEY not in fine and "refused" in safe.run(amount=5000)
    assert "refunded" in safe.to_structured_tool().invoke({"amount": 21})
    assert crewai and ran == [20, 21]


# What they share


def test_a_call_is_its_meaning(gate: Any) -> None:
    calls = Calls(gate, "bot", session_id=f"m-{id(gate)}", names=NAMES)
    done: list[int] = []
    for _ in range(2):
        try:
            calls.run("lookup", {"a": 1, "b": [2]}, lambda: done.append(1), step="1")
        except SafetyViolation as violation:
            assert violation.code in ("duplicate", "in_progress")
    assert done == [1]
    calls.run("lookup", {"b": [2], "a": 1}, lambda: done.append(2), step="2")
    calls.run("lookup", {"a": 1, "b": [2]}, lambda: done.append(3))
    calls.run("lookup", {"a": 1, "b": [2]}, lambda: done.append(3))
    assert done == [1, 2, 3, 3]
