#!/usr/bin/env python3
"""Records what the official clients send: tests/golden/protocol/requests/PROTOCOL-NAME.json.

Each case below is a call of the `openai` or `anthropic` Python package with typed parameters; a local HTTP server keeps the
body that arrives and answers with an error, which ends the call. Run it in a virtual environment outside of the repository:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install openai anthropic && /tmp/venv/bin/python tools/make_protocol_goldens.py
"""

import http.server
import json
import threading
from pathlib import Path

import anthropic
import openai

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "protocol"

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"],
           "additionalProperties": False}
CHAT_TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER,
                                                "strict": True}},
              {"type": "function", "function": {"name": "now"}}]
LARK = "start: begin_patch end_patch\nbegin_patch: \"*** Begin Patch\" LF\nend_patch: \"*** End Patch\" LF?"
USER = [{"role": "user", "content": "Hello"}]

CHAT = {
    "minimal": dict(messages=USER),
    "sampling": dict(messages=[{"role": "system", "content": "Be brief."}, *USER], max_completion_tokens=64, temperature=0.5,
                     top_p=0.9, seed=-7, presence_penalty=0.25, frequency_penalty=-0.5, stop=["\n\n", "END"],
                     logit_bias={"13": -100, "7": 5}, logprobs=True, top_logprobs=3, user="u1", metadata={"k": "v"}, store=False,
                     service_tier="auto", reasoning_effort="high", n=1,
                     extra_body={"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1}),
    "tools": dict(messages=[
        {"role": "developer", "content": [{"type": "text", "text": "You help."}, {"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Paris and Rome?"}]},
        {"role": "assistant", "content": None, "reasoning_content": "Two calls.", "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\",\"days\":2}"}},
            {"id": "call_b", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Rome\"}"}}]},
        {"role": "tool", "tool_call_id": "call_b", "content": "sun"},
        {"role": "tool", "tool_call_id": "call_a", "content": [{"type": "text", "text": "rain"}]}],
        tools=CHAT_TOOLS, tool_choice={"type": "function", "function": {"name": "get_weather"}}, parallel_tool_calls=False,
        stream=True, stream_options={"include_usage": True}),
    "custom_tool": dict(messages=[
        *USER, {"role": "assistant", "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "a\"b\n"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"}],
        tools=[{"type": "custom", "custom": {"name": "patch", "description": "Edits files", "format": {
            "type": "grammar", "grammar": {"syntax": "lark", "definition": LARK}}}}],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "custom", "custom": {"name": "patch"}}]}}),
    "json_schema": dict(messages=USER, response_format={"type": "json_schema", "json_schema": {
        "name": "weather", "strict": True, "schema": WEATHER}}),
    "json_object": dict(messages=USER, response_format={"type": "json_object"}, reasoning_effort="none"),
    "vendor": dict(messages=[*USER, {"role": "assistant", "content": "Hel", "refusal": None}],
                   extra_body={"thinking": {"type": "enabled", "budget_tokens": 512}, "cache_prompt": False, "id_slot": 2,
                               "return_progress": True, "timings_per_token": True, "sse_ping_interval": 5,
                               "grammar": "root ::= \"yes\" | \"no\"", "unknown_field": {"a": [1, 2]}}),
}

COMPLETIONS = {
    "minimal": dict(prompt="Once upon"),
    "echo": dict(prompt=["Q: 1+1? A: 2", "Q: 1+1? A: 3"], echo=True, logprobs=1, max_tokens=0, temperature=0),
    "ids": dict(prompt=[1, 5, 77], max_tokens=8, stop="\n", seed=3, stream=True, stream_options={"include_usage": True}),
    "id_lists": dict(prompt=[[1, 2], [3]], logprobs=5, max_tokens=1, echo=True),
}

RESPONSE_TOOLS = [
    {"type": "function", "name": "shell", "description": "Runs a command", "strict": False,
     "parameters": {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}}},
    {"type": "custom", "name": "apply_patch", "description": "Edits files",
     "format": {"type": "grammar", "syntax": "lark", "definition": LARK}},
    {"type": "namespace", "name": "notes", "description": "Notes", "tools": [
        {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}]},
    {"type": "web_search"}]

RESPONSES = {
    "minimal": dict(input="Hello"),
    "agent": dict(
        instructions="You are a coding agent.", input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Sandbox: on"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix it"}, {"type": "input_text", "text": "now"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Look first."}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "shell", "arguments": "{\"command\":[\"ls\"]}"},
            {"type": "function_call", "id": "fc_2", "call_id": "call_2", "namespace": "notes", "name": "add", "arguments": "{\"text\":\"x\"}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"},
            {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "ok"}]},
            {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "Patch it."}]},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_3", "name": "apply_patch", "input": "*** Begin Patch\n"},
            {"type": "custom_tool_call_output", "call_id": "call_3", "output": "done"}],
        tools=RESPONSE_TOOLS, tool_choice="auto", parallel_tool_calls=True, reasoning={"effort": "medium", "summary": "auto"},
        store=False, stream=True, include=["reasoning.encrypted_content"], prompt_cache_key="k1"),
    "json_schema": dict(input=[{"role": "user", "content": "Weather?"}], max_output_tokens=50, temperature=0.25, top_p=0.5,
                        text={"format": {"type": "json_schema", "name": "weather", "schema": WEATHER, "strict": True}},
                        metadata={"a": "b"}, truncation="disabled", reasoning={"effort": "xhigh"}),
    "named_tool": dict(input="Hello", tools=RESPONSE_TOOLS[:2], tool_choice={"type": "custom", "name": "apply_patch"},
                       include=["message.output_text.logprobs"], top_logprobs=2),
}

MESSAGES_TOOLS = [{"name": "get_weather", "description": "Weather of a city", "input_schema": WEATHER,
                   "cache_control": {"type": "ephemeral"}}, {"name": "now", "type": "custom", "input_schema": {"type": "object"}}]
MESSAGES = {
    "minimal": dict(messages=USER, max_tokens=100),
    "agent": dict(
        max_tokens=1000, stream=True, system=[{"type": "text", "text": "You are an agent."},
                                 {"type": "text", "text": "Be careful.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "<reminder>x</reminder>"}, {"type": "text", "text": "Weather?"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Ask twice.", "signature": "hadal-s1.0"},
                {"type": "text", "text": "Asking."},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris", "days": 2}},
                {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no clock", "is_error": True},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "rain"}, {"type": "text", "text": "wind"}]},
                {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
                {"type": "text", "text": "Go on."}]}],
        tools=MESSAGES_TOOLS, tool_choice={"type": "auto", "disable_parallel_tool_use": True}, stop_sequences=["STOP"],
        thinking={"type": "enabled", "budget_tokens": 2048}, metadata={"user_id": "u-1"}),
    "schema": dict(messages=[*USER, {"role": "assistant", "content": "{"}], max_tokens=0,
                   output_config={"effort": "max", "format": {"type": "json_schema", "schema": WEATHER}},
                   thinking={"type": "adaptive", "display": "omitted"}, extra_body={"temperature": 0.5, "top_k": 5}),
}
COUNT_TOKENS = {"minimal": dict(messages=USER, system="S", tools=MESSAGES_TOOLS[:1], thinking={"type": "disabled"})}


class Recorder(http.server.BaseHTTPRequestHandler):
    bodies = []

    def do_POST(self):
        Recorder.bodies.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
        answer = b'{"error": {"type": "invalid_request_error", "message": "recorded"}}'
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    oai = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
    ant = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
    groups = [("chat", oai.chat.completions.create, CHAT), ("completions", oai.completions.create, COMPLETIONS),
              ("responses", oai.responses.create, RESPONSES), ("messages", ant.messages.create, MESSAGES),
              ("count_tokens", ant.messages.count_tokens, COUNT_TOKENS)]
    for protocol, call, cases in groups:
        for name, arguments in cases.items():
            try:
                call(model="hadal", **arguments)
                raise SystemExit("the recorder must answer with an error")
            except (openai.BadRequestError, anthropic.BadRequestError):
                pass
            path, body = Recorder.bodies[-1]
            text = json.dumps(body, ensure_ascii=False, indent=1)
            (OUT / "requests" / f"{protocol}-{name}.json").write_text(text + "\n")
            print(f"{protocol}-{name}: POST {path}")
    (OUT / "versions.json").write_text(json.dumps({"openai": openai.__version__, "anthropic": anthropic.__version__}) + "\n")


if __name__ == "__main__":
    main()
