#!/usr/bin/env python3
"""Gives the golden answers in tests/golden/protocol/answers/ to the official clients, as a server would.

A local HTTP server returns the files; the `openai` and `anthropic` packages parse them with their own types, streams go
through their accumulators, and what comes out of a stream must equal what the file without stream says. Every file is also
checked strictly against the pydantic types (the clients themselves are lenient). Exit code 1 and one line per difference.

    /tmp/venv/bin/python tools/check_protocol_goldens.py      # a virtual environment with: pip install openai anthropic
"""

import http.server
import json
import sys
import threading
from pathlib import Path

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

ANSWERS = Path(__file__).resolve().parent.parent / "tests" / "golden" / "protocol" / "answers"
REQUESTS = ANSWERS.parent / "requests"
USER = [{"role": "user", "content": "u"}]
problems = []
counts = {"objects": 0, "events": 0, "streams": 0, "errors": 0}


def check(name, what, expected, found):
    if expected != found:
        problems.append(f"{name}: {what}: expected {expected!r}, found {found!r}")


class Server(http.server.BaseHTTPRequestHandler):
    """POST /STEM/...: the file STEM.sse or STEM.json; /error/FILE/...: that file with the status in its name."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        first, second = self.path.split("/")[1:3]
        is_error, stream = first == "error", body.get("stream", False)
        file = ANSWERS / (second if is_error else f"{first}.{'sse' if stream else 'json'}")
        data = file.read_bytes()
        self.send_response(int(second.rsplit("-", 1)[1].split(".")[0]) if is_error else 200)
        self.send_header("content-type", "text/event-stream" if stream and not is_error else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def strictly(name, adapter, text):
    try:
        adapter.validate_json(text, strict=True)
    except ValidationError as error:
        for e in error.errors():
            if e["input"] is None and e["loc"][-1] == "finish_reason" or "logprobs" in e["loc"] and e["input"] is None:
                continue  # OpenAI's server sends null there, its types of /v1/completions forget it
            problems.append(f"{name}: {'.'.join(map(str, e['loc']))}: {e['msg']}; found {str(e.get('input'))[:60]}")


def frames(file):
    for block in file.read_text().split("\n\n"):
        data = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
        if data and data[0] != "[DONE]":
            yield data[0]


def is_known_gap(protocol, data):
    """What the types leave out though servers send it: custom tool calls in chat streams, keepalive, in-stream errors."""
    event = json.loads(data)
    if "error" in event and event.get("type", "error") == "error":
        return True
    if event.get("type") in ("keepalive", "ping"):
        return True
    return protocol == "chat" and '"custom"' in data


def without(value, *keys):
    """A copy in which these keys and absent ones are left out at every depth."""
    if isinstance(value, dict):
        return {k: without(v, *keys) for k, v in value.items() if k not in keys and v is not None}
    return [without(v, *keys) for v in value] if isinstance(value, list) else value


def chat_case(url, stem, whole):
    client = openai.OpenAI(base_url=f"{url}/{stem}/v1", api_key="k", max_retries=0)
    if whole:
        message = client.chat.completions.create(model="m", messages=USER)
    content, reasoning, calls, finish, usage, ended = "", "", {}, None, None, None
    try:
        for chunk in client.chat.completions.create(model="m", messages=USER, stream=True):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                content += choice.delta.content or ""
                reasoning += getattr(choice.delta, "reasoning_content", None) or ""
                for call in choice.delta.tool_calls or []:
                    body = getattr(call, "custom", None) or (call.function.model_dump() if call.function else {})
                    known = calls.setdefault(call.index, {"id": call.id, "name": body.get("name"), "text": ""})
                    known["text"] += body.get("input") or body.get("arguments") or ""
    except openai.APIError as error:
        ended = error.message
    if not whole:
        return check(stem, "in-stream error", ".failed" in stem, ended is not None)
    choice = message.choices[0]
    check(stem, "content", choice.message.content or "", content)
    check(stem, "reasoning", getattr(choice.message, "reasoning_content", None) or "", reasoning)
    check(stem, "finish_reason", choice.finish_reason, finish)
    expected = [{"id": c.id, "name": c.function.name, "text": c.function.arguments} if c.type == "function" else
                {"id": c.id, "name": c.custom.name, "text": c.custom.input} for c in choice.message.tool_calls or []]
    check(stem, "tool calls", expected, list(calls.values()))
    if usage:
        check(stem, "usage", message.usage, usage)
    if finish != "length" and '"custom"' not in (ANSWERS / f"{stem}.sse").read_text():  # else the helper refuses it
        with client.chat.completions.stream(model="m", messages=USER) as stream:
            final = stream.get_final_completion()
        check(stem, "accumulated content", choice.message.content or "", final.choices[0].message.content or "")
        check(stem, "accumulated calls", [c.function.arguments for c in choice.message.tool_calls or []],
              [c.function.arguments for c in final.choices[0].message.tool_calls or []])


def completions_case(url, stem, whole):
    client = openai.OpenAI(base_url=f"{url}/{stem}/v1", api_key="k", max_retries=0)
    texts, logprobs, ended = {}, {}, None
    try:
        for chunk in client.completions.create(model="m", prompt="p", stream=True):
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
                if choice.logprobs:
                    logprobs.setdefault(choice.index, []).extend(zip(
                        choice.logprobs.tokens, choice.logprobs.token_logprobs, choice.logprobs.text_offset))
    except openai.APIError as error:
        ended = error.message
    if not whole:
        return check(stem, "in-stream error", ".failed" in stem, ended is not None)
    message = client.completions.create(model="m", prompt="p")
    check(stem, "texts", {c.index: c.text for c in message.choices}, texts)
    check(stem, "logprobs", {c.index: list(zip(c.logprobs.tokens, c.logprobs.token_logprobs, c.logprobs.text_offset))
                             for c in message.choices if c.logprobs}, logprobs)


def responses_case(url, stem, whole):
    client = openai.OpenAI(base_url=f"{url}/{stem}/v1", api_key="k", max_retries=0)
    final, numbers = None, []
    for event in client.responses.create(model="m", input="u", stream=True):
        numbers.append(event.sequence_number)
        final = event
    check(stem, "sequence numbers", list(range(len(numbers))), numbers)
    if ".failed" in stem:
        return check(stem, "last event", ("response.failed", "server_error"), (final.type, final.response.error.code))
    with client.responses.stream(model="m", input="u") as stream:
        accumulated = None
        for event in stream:
            if event.type in ("response.completed", "response.incomplete"):
                accumulated = event.response
    check(stem, "accumulated text", final.response.output_text, accumulated.output_text if accumulated else None)
    if whole:
        message = client.responses.create(model="m", input="u")
        check(stem, "response", without(message.model_dump()), without(final.response.model_dump()))


def messages_case(url, stem, whole):
    client = anthropic.Anthropic(base_url=f"{url}/{stem}", api_key="k", max_retries=0)
    try:
        with client.messages.stream(model="m", max_tokens=9, messages=USER) as stream:
            final = stream.get_final_message()
    except anthropic.APIError as error:
        return check(stem, "in-stream error", True, ".failed" in stem and "memory" in str(error))
    if whole:
        message = client.messages.create(model="m", max_tokens=9, messages=USER)
        check(stem, "message", without(message.model_dump()), without(final.model_dump(), "parsed_output"))


def error_case(url, file):
    kind, status = file.stem.split("-")[1], int(file.stem.rsplit("-", 1)[1])
    classes = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
               409: "ConflictError", 413: "ContentTooLargeError" if kind == "anthropic" else "APIStatusError",
               429: "RateLimitError", 500: "InternalServerError", 501: "HTTPNotImplementedError" if kind == "anthropic" else "InternalServerError",
               503: "ServiceUnavailableError" if kind == "anthropic" else "InternalServerError", 529: "OverloadedError"}
    try:
        if kind == "openai":
            openai.OpenAI(base_url=f"{url}/error/{file.name}", api_key="k", max_retries=0).chat.completions.create(
                model="m", messages=USER)
        else:
            anthropic.Anthropic(base_url=f"{url}/error/{file.name}", api_key="k", max_retries=0).messages.create(
                model="m", max_tokens=1, messages=USER)
        problems.append(f"{file.name}: no error was raised")
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        check(file.name, "class", classes.get(status, "APIStatusError"), type(error).__name__)
        if kind == "openai":
            expected = json.loads(file.read_text())["error"]
            check(file.name, "fields", (expected["code"], expected["param"], expected["type"]),
                  (error.code, error.param, error.type))
    counts["errors"] += 1


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    adapters = {"chat": (ChatCompletion, ChatCompletionChunk), "completions": (Completion, Completion),
                "responses": (Response, ResponseStreamEvent), "messages": (Message, RawMessageStreamEvent)}
    adapters = {k: (TypeAdapter(a), TypeAdapter(b)) for k, (a, b) in adapters.items()}
    cases = {"chat": chat_case, "completions": completions_case, "responses": responses_case, "messages": messages_case}
    for file in sorted(ANSWERS.glob("error-*.json")):
        error_case(url, file)
    for file in sorted(ANSWERS.glob("*.sse")):
        stem, protocol = file.name[: -len(".sse")], file.name.split("-")[0]
        whole = (ANSWERS / f"{stem}.json").exists()
        if whole:
            strictly(f"{stem}.json", adapters[protocol][0], (ANSWERS / f"{stem}.json").read_text())
            counts["objects"] += 1
        for data in frames(file):
            if not is_known_gap(protocol, data):
                strictly(file.name, adapters[protocol][1], data)
            counts["events"] += 1
        try:
            cases[protocol](url, stem, whole)
        except Exception as error:  # a client that cannot read it is a finding, not the end of the check
            problems.append(f"{stem}: {type(error).__name__}: {error}")
        counts["streams"] += 1
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"openai {openai.__version__}, anthropic {anthropic.__version__}: {counts}, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
