#!/usr/bin/env python3
"""Golden files of the chat layer, in tests/golden/chat. Python's standard library only.

    python3 tools/make_chat_goldens.py                          python_json.json and utf8.json
    python3 tools/make_chat_goldens.py --encoder encoding_dsv4.py
                                                                prompts.json too, with DeepSeek's published encoder as the
                                                                oracle: the file `encoding/encoding_dsv4.py` of a V4
                                                                repository on the Hugging Face hub (preview release)

python_json.json  {"cases": [[JSON text, what json.dumps(json.loads(text), ensure_ascii=False) gives], ...]}
utf8.json         {"cases": [[bytes in hex, bytes.decode("utf-8", errors="replace")], ...]}
prompts.json      {"cases": [{"name", "messages", "think": "off" | "high" | "max", "prompt"}, ...]}

Every file names its generator, Python version and seed in "pedigree"; prompts.json also the sha256 of the encoder file.
"""
import argparse
import copy
import hashlib
import importlib.util
import json
import pathlib
import platform
import random

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "chat"
SEED = 7

FLOATS = [0.0, -0.0, 1.0, 1.5, 0.1, 1e15, 1e16, 1e17, 123456789012345.6, 1234567890123456.7, 12345678901234568.0, 1e22, 1e-4,
          1e-5, 0.00012345, 0.000012345, 2.5e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e100, -2.5, 100.0,
          9007199254740993.0, 4.35, 0.3]
INTS = [0, -1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -2**63, -2**63 - 1, 10**30, -10**40]
TEXTS = ["", "a", "\"q\" \\ /", "\n\r\t\b\f", "\x00\x01\x1f\x7f\x80", "你好 é \u2028\u2029 😀", "<think></think>", "｜DSML｜"]
SPELLINGS = ["1E5", "1e5", "-0", "-0.0", "0.10", "1.0E+2", "1.5e-0010", "123456789012345678901234567890.5", "[1,2 , 3]", " { } ",
             "[]", "[ [ ] ]", '{"b":1,"a":2,"b":3}', '"\\u00e9\\u4f60\\ud83d\\ude00\\/\\u001f"', "true", "false", "null",
             '{"a":{"b":[{"c":null}]}}', "\n\t 7 \r\n"]


def random_value(rng, depth=0):
    kind = rng.randint(0, 9 if depth < 3 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice(INTS)
    if kind == 2:
        return rng.randint(-1000, 1000)
    if kind == 3:
        return rng.choice(FLOATS)
    if kind == 4:
        return rng.random() * 10.0 ** rng.randint(-20, 25)
    if kind <= 6:
        return rng.choice(TEXTS) + rng.choice(TEXTS)
    if kind == 7:
        return [random_value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(TEXTS) + str(i): random_value(rng, depth + 1) for i in range(rng.randint(0, 3))}


def respelled(rng, value):
    """The same value as a client might write it."""
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1]),
                      separators=rng.choice([None, (",", ":")]))


def python_json_cases(rng):
    texts = SPELLINGS + [json.dumps(v) for v in FLOATS + INTS + TEXTS]
    texts += [respelled(rng, random_value(rng)) for _ in range(150)]
    return [[text, json.dumps(json.loads(text), ensure_ascii=False)] for text in texts]


def utf8_cases(rng):
    pieces = [b"a", "é".encode(), "你".encode(), "😀".encode(), b"\x80", b"\xbf", b"\xc0", b"\xc1\x80", b"\xc2", b"\xe0\x80", b"\xe0\xa0",
              b"\xed\xa0\x80", b"\xed\x9f", b"\xef\xbd", b"\xf0\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf",
              b"\xf5", b"\xff"]
    texts = pieces + [b"".join(rng.choice(pieces) for _ in range(rng.randint(2, 6))) for _ in range(150)]
    return [[text.hex(), text.decode("utf-8", errors="replace")] for text in texts]


def tool(name, description, properties):
    return {"type": "function", "function": {"name": name, "description": description,
                                             "parameters": {"type": "object", "properties": properties}}}


def call(identity, name, arguments):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def named_conversations():
    """The situations of the four test cases that are published with the encoder, in words of our own."""
    lamp = tool("set_lamp", "Switch a lamp", {"room": {"type": "string"}, "level": {"type": "number", "maximum": 1.0}})
    look = tool("look", "Look into rooms", {"rooms": {"type": "array", "items": {"type": "string"}}})
    yield "tools and thinking", "high", [
        {"role": "system", "content": "You keep a house.", "tools": [lamp, look]},
        {"role": "user", "content": "Is the cellar dark?"},
        {"role": "assistant", "reasoning_content": "I should look first.", "content": "",
         "tool_calls": [call("c1", "look", '{"rooms": ["cellar", "掃除"], "deep": true}')]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"cellar": "dark"}'},
        {"role": "assistant", "reasoning_content": "Dark indeed.\nSay so.", "content": "Yes, it is dark."},
        {"role": "user", "content": "Light it."},
        {"role": "assistant", "reasoning_content": "Now the lamp.", "content": "At once.",
         "tool_calls": [call("c2", "set_lamp", '{"room": "cellar", "level": 0.5}')]},
        {"role": "tool", "tool_call_id": "c2", "content": "ok"},
    ]
    yield "reasoning of earlier turns is dropped", "high", [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "reasoning_content": "A greeting.", "content": "Hi!"},
        {"role": "user", "content": "What is the capital of Peru?"},
        {"role": "assistant", "reasoning_content": "That is Lima.", "content": "Lima."},
    ]
    yield "developer and latest_reminder", "high", [
        {"role": "system", "content": "You answer from the archive."},
        {"role": "latest_reminder", "content": "2026-03-01, Sunday, Lima"},
        {"role": "developer", "content": "Who built the tower?\n\nCITE AS: 【id†lines】", "tools": [look],
         "response_format": {"type": "json_schema", "schema": {"type": "object"}}},
        {"role": "assistant", "reasoning_content": "Search.", "content": "",
         "tool_calls": [call("s1", "look", '{"rooms": ["tower"]}'), call("s2", "look", '{"rooms": []}')]},
        {"role": "tool", "tool_call_id": "s2", "content": "nothing"},
        {"role": "tool", "tool_call_id": "s1", "content": "a plaque"},
        {"role": "assistant", "reasoning_content": "Found.", "content": "The plaque says so 【s1†1】."},
    ]
    yield "action task", "off", [
        {"role": "system", "content": "You route questions."},
        {"role": "latest_reminder", "content": "2026-03-01, Lima"},
        {"role": "user", "content": "Which springs are hot?"},
        {"role": "assistant", "content": "Some are."},
        {"role": "user", "content": "And which of them are near?", "task": "action"},
        {"role": "assistant", "content": "Search"},
    ]


def random_text(rng):
    words = TEXTS + ["hello\nworld", "\n\n", "x" * 20, "{}"]
    return " ".join(rng.choice(words) for _ in range(rng.randint(0, 2)))


def random_message(rng, call_ids):
    role = rng.choice(["system", "user", "user", "assistant", "assistant", "tool", "tool", "latest_reminder", "developer"])
    message = {"role": role, "content": random_text(rng)}
    if role == "developer":
        message["content"] += "."  # the encoder wants it non-empty
    if role in ("system", "developer"):
        if rng.random() < 0.2:
            message["tools"] = [tool("f", random_text(rng), random_value(rng)) for _ in range(rng.randint(0, 2))]
        if rng.random() < 0.25:
            message["response_format"] = rng.choice([{}, {"type": "json_schema", "schema": random_value(rng)}])
    if role == "assistant":
        if rng.random() < 0.6:
            message["reasoning_content"] = random_text(rng)
        if rng.random() < 0.2:
            message["wo_eos"] = True
        if rng.random() < 0.2:
            message["content"] = None
        if rng.random() < 0.5:
            call_ids[:] = [f"c{rng.randint(0, 5)}" for _ in range(rng.randint(1, 3))]
            message["tool_calls"] = [call(i, "f", random_arguments(rng)) for i in call_ids]
    if role == "tool":
        message["tool_call_id"] = rng.choice(call_ids + ["unknown", ""])
        if rng.random() < 0.2:
            message["content"] = [rng.choice([{"type": "text", "text": random_text(rng)}, {"type": "image_url"}])
                                  for _ in range(rng.randint(1, 3))]
    elif rng.random() < 0.12:
        message["task"] = rng.choice(["action", "query", "authority", "domain", "title", "read_url"])
    return message


def random_arguments(rng):
    if rng.random() < 0.1:
        return rng.choice(["", "{bad", '{"a":}'])
    return respelled(rng, {random_text(rng) + str(i): random_value(rng) for i in range(rng.randint(0, 3))})


def random_conversations(rng, n):
    for i in range(n):
        call_ids = []
        messages = [random_message(rng, call_ids) for _ in range(rng.randint(1, 8))]
        yield f"random {i}", rng.choice(["off", "high", "max"]), messages


def prompt_cases(encode_messages, rng):
    for name, think, messages in [*named_conversations(), *random_conversations(rng, 120)]:
        prompt = encode_messages(copy.deepcopy(messages), thinking_mode="chat" if think == "off" else "thinking",
                                 reasoning_effort="max" if think == "max" else None)
        yield {"name": name, "messages": messages, "think": think, "prompt": prompt}


def load_encoder(path):
    spec = importlib.util.spec_from_file_location("encoding_dsv4", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(name, cases, **pedigree):
    pedigree = {"generator": "tools/make_chat_goldens.py", "python": platform.python_version(), "seed": SEED, **pedigree}
    lines = ",\n".join(json.dumps(case) for case in cases)
    (OUT / name).write_text(f'{{"pedigree": {json.dumps(pedigree)},\n"cases": [\n{lines}\n]}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=pathlib.Path, help="DeepSeek's encoding_dsv4.py")
    encoder = parser.parse_args().encoder
    OUT.mkdir(parents=True, exist_ok=True)
    write("python_json.json", python_json_cases(random.Random(SEED)))
    write("utf8.json", utf8_cases(random.Random(SEED)))
    if encoder:
        cases = list(prompt_cases(load_encoder(encoder).encode_messages, random.Random(SEED)))
        write("prompts.json", cases, encoder="encoding_dsv4.py, DeepSeek-V4 preview",
              encoder_sha256=hashlib.sha256(encoder.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
