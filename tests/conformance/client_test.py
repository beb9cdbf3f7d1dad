"""The official clients of OpenAI and Anthropic for Python against running servers.

    client_test.py BASE_URL SCRIPTED_URL LOCKED_URL KEY TLS_URL CERTIFICATE

BASE_URL: the built-in model; SCRIPTED_URL: a server started with --script tests/conformance/script.json; LOCKED_URL: one
started with --api-key KEY --parallel 1 --max-queue 1. Prints one line per case and the counts last; exit code 1 when a case failed.
"""

import concurrent.futures
import json
import ssl
import re
import sys
import threading
import time
import traceback
import urllib.request

import anthropic
import openai
from prometheus_client.parser import text_string_to_metric_families

base, scripted, locked, key, tls, certificate = sys.argv[1:7]
chat = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0)
scripted_chat = openai.OpenAI(base_url=scripted + "/v1", api_key="none", max_retries=0)
claude = anthropic.Anthropic(base_url=base, api_key="none", max_retries=0)
scripted_claude = anthropic.Anthropic(base_url=scripted, api_key="none", max_retries=0)

WEATHER = {"type": "object", "required": ["city"], "additionalProperties": False,
           "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": WEATHER}}]
RESPONSE_TOOLS = [{"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER, "strict": False}]
CLAUDE_TOOLS = [{"name": "get_weather", "description": "Weather", "input_schema": WEATHER}]
SCHEMA = {"type": "object", "required": ["kind", "ok"], "additionalProperties": False,
          "properties": {"kind": {"enum": ["cat", "dog"]}, "ok": {"type": "boolean"}}}
APPLY_PATCH = """start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?
filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF
%import common.LF
"""


def user(text):
    return [{"role": "user", "content": text}]


def refused(error_class, ask):
    """The error of this class with which `ask` ends."""
    try:
        answer = ask()
    except error_class as error:
        return error
    raise AssertionError(f"accepted: {str(answer)[:200]}")


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, found {actual!r}"


# --- chat completions

def chat_answers_and_streams_the_same():
    whole = chat.chat.completions.create(model="m", messages=user("What are you?"), max_tokens=30)
    stream = chat.chat.completions.create(model="m", messages=user("What are you?"), max_tokens=30, stream=True,
                                          stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    same(text, whole.choices[0].message.content)
    assert text
    same(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
    same({c.id for c in chunks}, {chunks[0].id})
    same([c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason],
         [whole.choices[0].finish_reason])


def chat_tools_over_several_turns():
    messages = user("what is the weather")
    first = scripted_chat.chat.completions.create(model="m", messages=messages, tools=CHAT_TOOLS)
    message = first.choices[0].message
    same(first.choices[0].finish_reason, "tool_calls")
    same(message.content, "I look it up.")
    same([(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls], [("get_weather", {"city": "Paris"})])
    messages += [message.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}]
    second = scripted_chat.chat.completions.create(model="m", messages=messages, tools=CHAT_TOOLS)
    same(second.choices[0].message.content, "It is sunny in Paris.")
    same(second.choices[0].finish_reason, "stop")
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached >= first.usage.prompt_tokens + first.usage.completion_tokens - 2, (cached, first.usage)


def chat_streams_parallel_tool_calls():
    stream = scripted_chat.chat.completions.create(model="m", messages=user("what is the weather in Paris and Rome"),
                                                   tools=CHAT_TOOLS, stream=True)
    calls, reasons = {}, []
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            entry = calls.setdefault(call.index, {"id": call.id, "name": "", "arguments": ""})
            entry["name"] += call.function.name or ""
            entry["arguments"] += call.function.arguments or ""
        reasons += [chunk.choices[0].finish_reason] if chunk.choices[0].finish_reason else []
    same([(c["name"], json.loads(c["arguments"])) for c in calls.values()],
         [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome", "days": 3})])
    assert len({c["id"] for c in calls.values()}) == 2
    same(reasons, ["tool_calls"])


def chat_reasoning_goes_both_ways():
    first = scripted_chat.chat.completions.create(model="m", messages=user("think, then look it up"), tools=CHAT_TOOLS,
                                                  reasoning_effort="high")
    message = first.choices[0].message
    same(message.reasoning_content, "I need the weather.")
    messages = user("think, then look it up") + [
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "12 degrees"}]
    second = scripted_chat.chat.completions.create(model="m", messages=messages, tools=CHAT_TOOLS, reasoning_effort="high")
    same(second.choices[0].message.content, "It is cold in Oslo.")
    assert second.usage.completion_tokens_details.reasoning_tokens > 0
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached >= first.usage.prompt_tokens + first.usage.completion_tokens - 2, (cached, first.usage)


def chat_follows_a_schema():
    answer = chat.chat.completions.create(
        model="m", messages=user("x"), max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}})
    value = json.loads(answer.choices[0].message.content)
    assert value["kind"] in ("cat", "dog") and isinstance(value["ok"], bool), value


def chat_reports_logprobs():
    answer = chat.chat.completions.create(model="m", messages=user("What are you?"), max_tokens=5, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    same("".join(t.token for t in content), answer.choices[0].message.content)
    for token in content:
        same(len(token.top_logprobs), 3)
        assert token.logprob <= 0
        same(max(t.logprob for t in token.top_logprobs), token.top_logprobs[0].logprob)


def chat_stops_where_asked():
    answer = scripted_chat.chat.completions.create(model="m", messages=user("count to ten"), stop=[" 4"])
    same(answer.choices[0].message.content, "1 2 3")
    same(answer.choices[0].finish_reason, "stop")
    short = scripted_chat.chat.completions.create(model="m", messages=user("count to ten"), max_tokens=2)
    same(short.choices[0].finish_reason, "length")


def chat_streams_whole_characters():
    stream = scripted_chat.chat.completions.create(model="m", messages=user("say a smiley"), stream=True)
    pieces = [c.choices[0].delta.content or "" for c in stream]
    same("".join(pieces), "Grüße 😀 €")
    assert all("\ufffd" not in piece for piece in pieces)


def chat_same_seed_same_text():
    def ask(seed):
        return chat.chat.completions.create(model="m", messages=user("hello"), temperature=1, seed=seed,
                                            max_tokens=20).choices[0].message.content
    texts = [ask(7), ask(7)]
    same(texts[0], texts[1])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        same(set(pool.map(ask, [7] * 8)), {texts[0]})


def chat_gives_several_choices():
    def ask(**options):
        return chat.chat.completions.create(model="m", messages=user("hello"), temperature=1, max_tokens=12, **options)
    expected = [ask(seed=seed).choices[0].message.content for seed in (3, 4)]
    same([c.message.content for c in ask(seed=3, n=2).choices], expected)
    texts = ["", ""]
    for chunk in ask(seed=3, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    same(texts, expected)


def chat_errors_are_the_clients():
    for wrong, expected in (({"messages": []}, openai.BadRequestError),
                            ({"messages": user("x"), "temperature": "warm"}, openai.BadRequestError),
                            ({"messages": user("x" * 300000 + " y")}, openai.BadRequestError)):
        try:
            chat.chat.completions.create(model="m", **wrong)
        except expected as error:
            assert error.body["message"], error
        else:
            raise AssertionError(f"accepted: {str(wrong)[:80]}")
    try:
        chat.models.retrieve("nothing")
    except openai.NotFoundError as error:
        same(error.code, "model_not_found")
    else:
        raise AssertionError("found a model that is not there")


def chat_cancellation_frees_the_slot():
    for _ in range(6):
        stream = chat.chat.completions.create(model="m", messages=user("What are you?"), max_tokens=20000, stream=True,
                                              logit_bias={"1": -100})
        next(iter(stream))
        stream.close()
    chat_answers_and_streams_the_same()


# --- completions

def completions_echo_and_score():
    answer = chat.completions.create(model="m", prompt="the steel tube", echo=True, logprobs=1, max_tokens=1)
    choice = answer.choices[0]
    assert choice.text.startswith("the steel tube"), choice.text
    same(choice.logprobs.token_logprobs[0], None)
    same(len(choice.logprobs.tokens), len(choice.logprobs.text_offset))
    several = chat.completions.create(model="m", prompt=["a b", "c d"], max_tokens=3)
    same([c.index for c in several.choices], [0, 1])


def completions_stream_whole_characters():
    stream = scripted_chat.completions.create(model="m", prompt="say a smiley", max_tokens=60, stream=True, logprobs=0)
    chunks = [c.choices[0] for c in stream]
    same("".join(c.text for c in chunks), "Grüße 😀 €")
    assert sum(len(c.logprobs.tokens) for c in chunks if c.logprobs) > 10


# --- responses

def responses_answer_and_stream_the_same():
    whole = chat.responses.create(model="m", input="What are you?", max_output_tokens=100)
    with chat.responses.stream(model="m", input="What are you?", max_output_tokens=100) as stream:
        events = list(stream)
        same(stream.get_final_response().output_text, whole.output_text)
    kinds = [e.type for e in events]
    same(kinds[:2], ["response.created", "response.in_progress"])
    same(kinds[-1], "response.completed")
    numbers = [e.sequence_number for e in events]
    same(numbers, sorted(numbers))


def responses_tools_and_reasoning():
    first = scripted_chat.responses.create(model="m", input="think, then look it up", tools=RESPONSE_TOOLS,
                                           reasoning={"effort": "high"}, store=False, include=["reasoning.encrypted_content"])
    same([item.type for item in first.output], ["reasoning", "function_call"])
    call = first.output[-1]
    same(json.loads(call.arguments), {"city": "Oslo"})
    items = [{"role": "user", "content": "think, then look it up"}] + [item.model_dump(exclude_none=True) for item in first.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"})
    second = scripted_chat.responses.create(model="m", input=items, tools=RESPONSE_TOOLS, reasoning={"effort": "high"}, store=False)
    same(second.output_text, "It is cold in Oslo.")
    same(second.status, "completed")


def responses_follow_a_schema():
    answer = chat.responses.create(model="m", input="x", max_output_tokens=200,
                                   text={"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}})
    assert json.loads(answer.output_text)["kind"] in ("cat", "dog")


def responses_hold_custom_tools_to_their_grammar():
    def tool(syntax, definition):
        return [{"type": "custom", "name": "chess", "description": "Moves a piece",
                 "format": {"type": "grammar", "syntax": syntax, "definition": definition}}]

    for syntax, definition in [("lark", 'start: "move " SQUARE\nSQUARE: "a".."h" "1".."8"'), ("regex", "move [a-h][1-8]")]:
        answer = chat.responses.create(model="m", input="Move.", max_output_tokens=300, tool_choice="required",
                                       tools=tool(syntax, definition))
        inputs = [item.input for item in answer.output if item.type == "custom_tool_call"]
        assert inputs and all(re.fullmatch("move [a-h][1-8]", text) for text in inputs), answer.output
    # Codex sends this one with every request.
    chat.responses.create(model="m", input="Hello", max_output_tokens=5, tools=tool("lark", APPLY_PATCH))
    error = refused(openai.BadRequestError, lambda: chat.responses.create(model="m", input="x", tools=tool("lark", "start: a")))
    assert "'a' is not defined" in error.message, error.message


def responses_are_kept_and_paged():
    first = scripted_chat.responses.create(model="m", input=user("hello") + user("again") + user("turn one"))
    second = scripted_chat.responses.create(model="m", input="turn two", previous_response_id=first.id)
    same(second.output_text, "Second answer.")
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.total_tokens - 2, (first.usage, second.usage)
    same(scripted_chat.responses.retrieve(first.id).output_text, first.output_text)
    items = list(scripted_chat.responses.input_items.list(first.id, limit=1, order="asc"))
    same([item.content[0].text for item in items], ["hello", "again", "turn one"])
    scripted_chat.responses.delete(first.id)
    refused(openai.NotFoundError, lambda: scripted_chat.responses.retrieve(first.id))


# --- messages

def messages_answer_and_stream_the_same():
    whole = claude.messages.create(model="m", max_tokens=30, messages=user("What are you?"))
    with claude.messages.stream(model="m", max_tokens=30, messages=user("What are you?")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    same(text, whole.content[0].text)
    same(final.stop_reason, whole.stop_reason)
    same(final.usage.output_tokens, whole.usage.output_tokens)


def messages_tools_over_several_turns():
    messages = user("what is the weather in Paris and Rome")
    with scripted_claude.messages.stream(model="m", max_tokens=300, messages=messages, tools=CLAUDE_TOOLS) as stream:
        first = stream.get_final_message()
    same(first.stop_reason, "tool_use")
    calls = [block for block in first.content if block.type == "tool_use"]
    same([call.input for call in calls], [{"city": "Paris"}, {"city": "Rome", "days": 3}])
    messages += [{"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]}]
    second = scripted_claude.messages.create(model="m", max_tokens=300, messages=messages, tools=CLAUDE_TOOLS)
    same(second.content[0].text, "It is sunny in Paris.")
    assert second.usage.cache_read_input_tokens > 0


def messages_thinking_goes_both_ways():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages = user("think, then look it up")
    first = scripted_claude.messages.create(model="m", max_tokens=2000, messages=messages, thinking=thinking, tools=CLAUDE_TOOLS)
    same([block.type for block in first.content], ["thinking", "tool_use"])
    same(first.content[0].thinking, "I need the weather.")
    messages += [{"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": first.content[1].id, "content": "12 degrees"}]}]
    second = scripted_claude.messages.create(model="m", max_tokens=2000, messages=messages, thinking=thinking, tools=CLAUDE_TOOLS)
    same(second.content[-1].text, "It is cold in Oslo.")


def messages_stop_sequences_counts_and_errors():
    answer = scripted_claude.messages.create(model="m", max_tokens=50, messages=user("count to ten"), stop_sequences=[" 4"])
    same((answer.content[0].text, answer.stop_reason, answer.stop_sequence), ("1 2 3", "stop_sequence", " 4"))
    counted = claude.messages.count_tokens(model="m", messages=user("What are you?"))
    whole = claude.messages.create(model="m", max_tokens=1, messages=user("What are you?"))
    same(counted.input_tokens, whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0))
    try:
        claude.messages.create(model="m", max_tokens=10, messages=[])
    except anthropic.BadRequestError as error:
        same(error.body["type"], "error")
    else:
        raise AssertionError("accepted no messages")


def messages_take_what_claude_code_sends():
    claude.beta.messages.create(
        model="m", max_tokens=5, messages=user("x"), betas=["context-management-2025-06-27"],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]})
    error = refused(anthropic.BadRequestError,
                    lambda: claude.messages.create(model="m", max_tokens=5, messages=user("x" * 300000 + " y")))
    assert error.body["error"]["message"].startswith("prompt is too long: "), error


def messages_errors_outside_of_messages():
    missing = refused(anthropic.NotFoundError, lambda: claude.models.retrieve("nothing"))
    same((missing.body.get("type"), missing.type), ("error", "not_found_error"))
    client = anthropic.Anthropic(base_url=locked, api_key="none", max_retries=0)
    locked_out = refused(anthropic.AuthenticationError, client.models.list)
    same((locked_out.body.get("type"), locked_out.type), ("error", "authentication_error"))


def messages_requests_have_ids():
    error = refused(anthropic.BadRequestError, lambda: claude.messages.create(model="m", max_tokens=1, messages=[]))
    assert error.body["request_id"]
    same(error.request_id, error.body["request_id"])
    assert claude.messages.create(model="m", max_tokens=1, messages=user("x"))._request_id


def messages_tool_runner_goes_on():
    asked = []

    @anthropic.beta_tool
    def get_weather(city: str, days: int = 1) -> str:
        asked.append((city, days))
        return "sunny"

    turns = list(scripted_claude.beta.messages.tool_runner(
        model="m", max_tokens=300, messages=user("what is the weather in Paris and Rome"), tools=[get_weather]))
    same(asked, [("Paris", 1), ("Rome", 3)])
    same([turn.stop_reason for turn in turns], ["tool_use", "end_turn"])
    same(turns[1].content[0].text, "It is sunny in Paris.")
    # The second turn was computed from all of the first one.
    first, second = (turn.usage.input_tokens + turn.usage.cache_read_input_tokens for turn in turns)
    assert second > first + turns[0].usage.output_tokens, (first, second)


# --- all of them

def keys_are_checked():
    question = {"model": "m", "messages": user("x"), "max_tokens": 1}
    wrong = openai.OpenAI(base_url=locked + "/v1", api_key="wrong", max_retries=0)
    same(refused(openai.AuthenticationError, lambda: wrong.chat.completions.create(**question)).code, "invalid_api_key")
    wrong = anthropic.Anthropic(base_url=locked, api_key="wrong", max_retries=0)
    same(refused(anthropic.AuthenticationError, lambda: wrong.messages.create(**question)).type, "authentication_error")
    openai.OpenAI(base_url=locked + "/v1", api_key=key, max_retries=0).chat.completions.create(**question)
    anthropic.Anthropic(base_url=locked, api_key=key, max_retries=0).messages.create(**question)


def queue_is_bounded():
    locked_chat = openai.OpenAI(base_url=locked + "/v1", api_key=key, max_retries=0)
    many = {"type": "array", "items": {"type": "integer"}, "minItems": 8000}  # takes seconds
    long = {"model": "m", "messages": user("x"), "stream": True,
            "response_format": {"type": "json_schema", "json_schema": {"name": "many", "schema": many}}}
    question = {"model": "m", "messages": user("x"), "max_tokens": 1}
    running = locked_chat.chat.completions.create(**long)
    next(iter(running))
    pool = concurrent.futures.ThreadPoolExecutor(1)
    waiting = pool.submit(lambda: locked_chat.chat.completions.create(**long))  # its headers come once it runs
    time.sleep(0.1)
    error = refused(openai.RateLimitError, lambda: locked_chat.chat.completions.create(**question))
    same(error.code, "rate_limit_exceeded")
    assert int(error.response.headers["retry-after"]) > 0
    locked_claude = anthropic.Anthropic(base_url=locked, api_key=key, max_retries=0)
    same(refused(anthropic.RateLimitError, lambda: locked_claude.messages.create(**question)).type, "rate_limit_error")
    threading.Timer(0.3, lambda: (running.close(), waiting.result().close())).start()
    patient = openai.OpenAI(base_url=locked + "/v1", api_key=key, max_retries=5)
    same(patient.chat.completions.create(**question).usage.completion_tokens, 1)


def tls_is_spoken():
    trusting = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=certificate))
    secure = openai.OpenAI(base_url=tls + "/v1", api_key="none", max_retries=0, http_client=trusting)
    question = {"model": "m", "messages": user("What are you?"), "max_tokens": 30}
    plain = chat.chat.completions.create(**question)
    same(secure.chat.completions.create(**question).choices[0].message.content, plain.choices[0].message.content)
    chunks = list(secure.chat.completions.create(**question, stream=True))
    same("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), plain.choices[0].message.content)
    doubting = openai.OpenAI(base_url=tls + "/v1", api_key="none", max_retries=0)
    refused(openai.APIConnectionError, lambda: doubting.chat.completions.create(**question))
    refused(openai.APIConnectionError, lambda: openai.OpenAI(
        base_url=tls.replace("https", "http") + "/v1", api_key="none", max_retries=0).chat.completions.create(**question))


def metrics_are_prometheus_text():
    chat.chat.completions.create(model="m", messages=user("x"), max_tokens=3)
    with urllib.request.urlopen(base + "/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
    for name in ("hadal_completion_tokens", "vllm:generation_tokens", "llamacpp:tokens_predicted"):
        same(families[name].type, "counter")
        assert families[name].samples[0].value >= 3, families[name]
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "llamacpp:requests_processing"):
        same(families[name].type, "gauge")
    for name in ("vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:iteration_tokens_total"):
        same(families[name].type, "histogram")
        counts = [sample.value for sample in families[name].samples if sample.name.endswith("_bucket")]
        same(counts, sorted(counts))


def prefixes_are_computed_once():
    messages = user("turn one")
    first = scripted_chat.chat.completions.create(model="m", messages=messages)
    messages += [{"role": "assistant", "content": first.choices[0].message.content}, *user("turn two")]
    second = scripted_chat.chat.completions.create(model="m", messages=messages)
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached >= first.usage.prompt_tokens + first.usage.completion_tokens - 2, (cached, first.usage)


def main():
    failed = 0
    cases = [value for name, value in globals().items()
             if callable(value) and getattr(value, "__module__", "") == "__main__"
             and name.split("_")[0] in ("chat", "completions", "responses", "messages", "keys", "queue", "tls",
                                       "metrics", "prefixes") and name != "chat"]
    for case in cases:
        try:
            case()
            print(f"ok      {case.__name__}")
        except Exception:  # every failure is told, and the next case runs
            failed += 1
            print(f"FAILED  {case.__name__}\n{traceback.format_exc()}")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
