// The official clients of OpenAI and Anthropic for JavaScript against running servers: the cases of client_test.py, and what these
// clients do in their own way (abort signals, stream helpers, web streams, tool runners).
//
//     node client_test.mjs BASE_URL SCRIPTED_URL LOCKED_URL KEY      (in a folder where the packages are installed)
//
// BASE_URL: the built-in model; SCRIPTED_URL: a server started with --script tests/conformance/script.json; LOCKED_URL: one
// started with --api-key KEY. Prints one line per case and the counts last; exit code 1 when a case failed.

import { deepEqual as same, ok } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";
import { MessageStream } from "@anthropic-ai/sdk/lib/MessageStream";
import OpenAI from "openai";
import { ChatCompletionStream } from "openai/lib/ChatCompletionStream";
import { ResponseStream } from "openai/lib/responses/ResponseStream";

const [base, scripted, locked, key] = process.argv.slice(2);
const openai = (url, apiKey = "none") => new OpenAI({ baseURL: url + "/v1", apiKey, maxRetries: 0, timeout: 60_000 });
const anthropic = (url, apiKey = "none") => new Anthropic({ baseURL: url, apiKey, maxRetries: 0, timeout: 60_000 });
const chat = openai(base), scriptedChat = openai(scripted);
const claude = anthropic(base), scriptedClaude = anthropic(scripted);

const WEATHER = {
  type: "object", required: ["city"], additionalProperties: false,
  properties: { city: { type: "string" }, days: { type: "integer" } },
};
const CHAT_TOOLS = [{ type: "function", function: { name: "get_weather", description: "Weather", parameters: WEATHER } }];
const RESPONSE_TOOLS = [{ type: "function", name: "get_weather", description: "Weather", parameters: WEATHER, strict: false }];
const CLAUDE_TOOLS = [{ name: "get_weather", description: "Weather", input_schema: WEATHER }];
const SCHEMA = {
  type: "object", required: ["kind", "ok"], additionalProperties: false,
  properties: { kind: { type: "string", enum: ["cat", "dog"] }, ok: { type: "boolean" } },
};
const TWO_CITIES = "what is the weather in Paris and Rome";
const PARIS_AND_ROME = [{ city: "Paris" }, { city: "Rome", days: 3 }];
// Answers that fill the context: one that never ends (token 1 would end it), and a schema that cannot be fulfilled before.
const MODEL_CONTEXT = 4096;
const ENDLESS = { model: "m", messages: user("What are you?"), max_tokens: 20000, logit_bias: { 1: -100 } };
const ENDLESS_SCHEMA = {
  type: "object", required: ["all"], additionalProperties: false,
  properties: { all: { type: "array", items: { type: "integer" }, minItems: MODEL_CONTEXT } },
};
const MEANWHILE_MS = 300;  // such an answer has begun, and takes seconds

function user(text) {
  return [{ role: "user", content: text }];
}

async function collect(iterable) {
  const all = [];
  for await (const item of iterable) all.push(item);
  return all;
}

/** The error of this class (exactly) with which `promise` ends. */
async function refused(promise, errorClass) {
  const error = await promise.then((value) => new Error(`accepted: ${JSON.stringify(value).slice(0, 200)}`), (reason) => reason);
  if (error.constructor !== errorClass) throw new Error(`expected ${errorClass.name}`, { cause: error });
  return error;
}

/** The second prompt began with the first one and its answer, and was not computed again. */
function checkCached(first, second) {
  const cached = second.usage.prompt_tokens_details.cached_tokens;
  ok(cached >= first.usage.prompt_tokens + first.usage.completion_tokens - 2, `${cached} cached, ${JSON.stringify(first.usage)}`);
}

/** One value of /metrics of the server with the built-in model; 0 as long as it is not told. */
async function metric(name) {
  const text = await (await fetch(base + "/metrics")).text();
  const line = text.split("\n").find((each) => each.startsWith(name));
  return line ? Number(line.split(" ").at(-1)) : 0;
}

/** Runs `work`, which abandons endless answers of the built-in model, and sees their computation end long before they are whole. */
async function seesCancelled(count, work) {
  const cancelled = 'hadal_requests_total{model="builtin",outcome="cancelled"}', tokens = "hadal_completion_tokens_total";
  const [cancelledBefore, tokensBefore] = [await metric(cancelled), await metric(tokens)];
  await work();
  for (let i = 0; i < 200 && (await metric(cancelled)) < cancelledBefore + count; ++i) await sleep(50);
  same(await metric(cancelled), cancelledBefore + count);
  const computed = (await metric(tokens)) - tokensBefore;
  ok(computed < (count * MODEL_CONTEXT) / 2, `${computed} tokens were computed for ${count} cancelled answers`);
}

const cases = {
  // --- chat completions

  async chat_answers_and_streams_the_same() {
    const question = { model: "m", messages: user("What are you?"), max_tokens: 30 };
    const whole = await chat.chat.completions.create(question);
    const chunks = await collect(
      await chat.chat.completions.create({ ...question, stream: true, stream_options: { include_usage: true } }));
    const choices = chunks.flatMap((chunk) => chunk.choices);
    const text = choices.map((choice) => choice.delta.content ?? "").join("");
    same(text, whole.choices[0].message.content);
    ok(text);
    same(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
    same(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    same(choices.map((choice) => choice.finish_reason).filter(Boolean), [whole.choices[0].finish_reason]);
  },

  async chat_tools_over_several_turns() {
    const messages = user("what is the weather");
    const first = await scriptedChat.chat.completions.create({ model: "m", messages, tools: CHAT_TOOLS });
    const message = first.choices[0].message;
    same(first.choices[0].finish_reason, "tool_calls");
    same(message.content, "I look it up.");
    const calls = message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
    same(calls, [["get_weather", { city: "Paris" }]]);
    messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "sunny" });
    const second = await scriptedChat.chat.completions.create({ model: "m", messages, tools: CHAT_TOOLS });
    same(second.choices[0].message.content, "It is sunny in Paris.");
    same(second.choices[0].finish_reason, "stop");
    checkCached(first, second);
  },

  async chat_streams_parallel_tool_calls() {
    const stream = await scriptedChat.chat.completions.create(
      { model: "m", messages: user(TWO_CITIES), tools: CHAT_TOOLS, stream: true });
    const calls = [], reasons = [];
    for await (const { choices: [choice] } of stream) {
      for (const { index, id, function: part } of choice.delta.tool_calls ?? []) {
        calls[index] ??= { id, name: "", arguments: "" };
        calls[index].name += part.name ?? "";
        calls[index].arguments += part.arguments ?? "";
      }
      if (choice.finish_reason) reasons.push(choice.finish_reason);
    }
    same(calls.map((call) => [call.name, JSON.parse(call.arguments)]), PARIS_AND_ROME.map((input) => ["get_weather", input]));
    same(new Set(calls.map((call) => call.id)).size, 2);
    same(reasons, ["tool_calls"]);
  },

  async chat_reasoning_goes_both_ways() {
    const messages = user("think, then look it up");
    const question = { model: "m", messages, tools: CHAT_TOOLS, reasoning_effort: "high" };
    const first = await scriptedChat.chat.completions.create(question);
    const message = first.choices[0].message;
    same(message.reasoning_content, "I need the weather.");
    messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "12 degrees" });
    const second = await scriptedChat.chat.completions.create(question);
    same(second.choices[0].message.content, "It is cold in Oslo.");
    ok(second.usage.completion_tokens_details.reasoning_tokens > 0);
    checkCached(first, second);
  },

  async chat_follows_a_schema() {
    const answer = await chat.chat.completions.create({
      model: "m", messages: user("x"), max_tokens: 200,
      response_format: { type: "json_schema", json_schema: { name: "x", schema: SCHEMA, strict: true } },
    });
    const value = JSON.parse(answer.choices[0].message.content);
    ok(["cat", "dog"].includes(value.kind) && typeof value.ok === "boolean", JSON.stringify(value));
  },

  async chat_reports_logprobs() {
    const answer = await chat.chat.completions.create(
      { model: "m", messages: user("What are you?"), max_tokens: 5, logprobs: true, top_logprobs: 3 });
    const content = answer.choices[0].logprobs.content;
    same(content.map((token) => token.token).join(""), answer.choices[0].message.content);
    for (const { logprob, top_logprobs: top } of content) {
      same(top.length, 3);
      ok(logprob <= 0);
      same(Math.max(...top.map((each) => each.logprob)), top[0].logprob);
    }
  },

  async chat_stops_where_asked() {
    const question = { model: "m", messages: user("count to ten") };
    const answer = await scriptedChat.chat.completions.create({ ...question, stop: [" 4"] });
    same(answer.choices[0].message.content, "1 2 3");
    same(answer.choices[0].finish_reason, "stop");
    const short = await scriptedChat.chat.completions.create({ ...question, max_tokens: 2 });
    same(short.choices[0].finish_reason, "length");
  },

  async chat_streams_whole_characters() {
    const chunks = await collect(
      await scriptedChat.chat.completions.create({ model: "m", messages: user("say a smiley"), stream: true }));
    const pieces = chunks.map((chunk) => chunk.choices[0].delta.content ?? "");
    same(pieces.join(""), "Grüße 😀 €");
    ok(pieces.every((piece) => piece.isWellFormed() && !piece.includes("\ufffd")), JSON.stringify(pieces));
  },

  async chat_same_seed_same_text() {
    const question = { model: "m", messages: user("hello"), temperature: 1, seed: 7, max_tokens: 20 };
    const ask = async () => (await chat.chat.completions.create(question)).choices[0].message.content;
    const text = await ask();
    same(await ask(), text);
    same(new Set(await Promise.all(Array.from({ length: 8 }, ask))), new Set([text]));
  },

  async chat_errors_are_the_clients() {
    const tooLong = user("x".repeat(300000) + " y");
    for (const wrong of [{ messages: [] }, { messages: user("x"), temperature: "warm" }, { messages: tooLong }]) {
      const error = await refused(chat.chat.completions.create({ model: "m", ...wrong }), OpenAI.BadRequestError);
      ok(error.error.message);
      same(error.type, "invalid_request_error");
    }
    const missing = await refused(chat.models.retrieve("nothing"), OpenAI.NotFoundError);
    same(missing.code, "model_not_found");
    // A stream that is refused ends with the same error.
    await refused(chat.chat.completions.stream({ model: "m", messages: [] }).finalMessage(), OpenAI.BadRequestError);
  },

  async chat_cancellation_frees_the_slot() {
    await seesCancelled(6, async () => {
      for (let i = 0; i < 6; ++i) {
        for await (const _ of await chat.chat.completions.create({ ...ENDLESS, stream: true })) break;
      }
      await cases.chat_answers_and_streams_the_same();
    });
  },

  async chat_abort_leaves_the_others_alone() {
    const other = { model: "m", messages: user("hello"), temperature: 1, seed: 7, max_tokens: 200 };
    const expected = (await chat.chat.completions.create(other)).choices[0].message.content;
    await seesCancelled(1, async () => {
      const controller = new AbortController();
      const stream = chat.chat.completions.stream(ENDLESS, { signal: controller.signal });
      await stream.emitted("content");
      const running = chat.chat.completions.stream(other);
      await running.emitted("content");
      controller.abort();
      await refused(stream.finalMessage(), OpenAI.APIUserAbortError);
      ok(stream.aborted);
      same(await running.finalContent(), expected);
    });
  },

  async chat_abort_before_the_answer() {
    await seesCancelled(1, async () => {
      const controller = new AbortController();
      const answer = chat.chat.completions.create(ENDLESS, { signal: controller.signal });
      setTimeout(() => controller.abort(), MEANWHILE_MS);
      await refused(answer, OpenAI.APIUserAbortError);
    });
  },

  async chat_timeout_is_the_clients() {
    await seesCancelled(1, async () => {
      await refused(chat.chat.completions.create(ENDLESS, { timeout: MEANWHILE_MS }), OpenAI.APIConnectionTimeoutError);
    });
  },

  async chat_stream_helper_tells_events() {
    const question = { model: "m", messages: user("What are you?"), max_tokens: 8, logprobs: true, top_logprobs: 1 };
    const whole = await chat.chat.completions.create(question);
    const text = whole.choices[0].message.content;
    const told = { pieces: [], scored: [], done: [], messages: [], ends: 0 };
    const stream = chat.chat.completions.stream({ ...question, stream_options: { include_usage: true } })
      .on("content.delta", ({ delta, snapshot }) => {
        told.pieces.push(delta);
        same(snapshot, told.pieces.join(""));
      })
      .on("content.done", ({ content }) => told.done.push(content))
      .on("logprobs.content.done", ({ content }) => told.scored.push(...content))
      .on("message", (message) => told.messages.push(message.content))
      .on("end", () => ++told.ends);
    same((await stream.finalMessage()).content, text);
    same(await stream.finalContent(), text);
    ok(told.pieces.length > 1, "the answer came as one piece");
    same([told.done, told.messages, told.ends], [[text], [text], 1]);
    same(told.scored, whole.choices[0].logprobs.content);
    same((await stream.finalChatCompletion()).choices[0].finish_reason, whole.choices[0].finish_reason);
    const { completion_tokens, prompt_tokens, total_tokens } = whole.usage;
    same(await stream.totalUsage(), { completion_tokens, prompt_tokens, total_tokens });
  },

  async chat_stream_helper_builds_tool_calls() {
    const pieces = ["", ""], done = [];
    const stream = scriptedChat.chat.completions.stream({ model: "m", messages: user(TWO_CITIES), tools: CHAT_TOOLS })
      .on("tool_calls.function.arguments.delta", ({ index, arguments_delta }) => (pieces[index] += arguments_delta))
      .on("tool_calls.function.arguments.done", (call) => done.push([call.index, call.name, call.arguments]));
    const message = await stream.finalMessage();
    same(message.content, null);
    same(pieces.map((each) => JSON.parse(each)), PARIS_AND_ROME);
    same(done, pieces.map((each, index) => [index, "get_weather", each]));
    same(message.tool_calls.map((call) => call.function.arguments), pieces);
    ok(message.tool_calls.every((call) => call.type === "function" && call.id));
  },

  async chat_streams_go_through_web_streams() {
    const question = { model: "m", messages: user("count to ten") };
    const sent = scriptedChat.chat.completions.stream(question);
    same(await ChatCompletionStream.fromReadableStream(sent.toReadableStream()).finalContent(), "1 2 3 4 5 6 7 8 9 10");
    const [left, right] = (await scriptedChat.chat.completions.create({ ...question, stream: true })).tee();
    same(await collect(left), await collect(right));
  },

  async chat_tool_runner_goes_on() {
    for (const stream of [false, true]) {
      const asked = [];
      const getWeather = (input) => {
        asked.push(input);
        return "sunny";
      };
      const tools = [{ type: "function", function: { ...CHAT_TOOLS[0].function, parse: JSON.parse, function: getWeather } }];
      const runner = scriptedChat.chat.completions.runTools({ model: "m", messages: user(TWO_CITIES), tools, stream });
      same(await runner.finalContent(), "It is sunny in Paris.");
      same(asked, PARIS_AND_ROME);
      same(runner.messages.map((message) => message.role), ["user", "assistant", "tool", "tool", "assistant"]);
    }
  },

  // --- completions

  async completions_echo_and_score() {
    const answer = await chat.completions.create({ model: "m", prompt: "the steel tube", echo: true, logprobs: 1, max_tokens: 1 });
    const { text, logprobs } = answer.choices[0];
    ok(text.startsWith("the steel tube"), text);
    same(logprobs.token_logprobs[0], null);
    same(logprobs.tokens.length, logprobs.text_offset.length);
    const several = await chat.completions.create({ model: "m", prompt: ["a b", "c d"], max_tokens: 3 });
    same(several.choices.map((choice) => choice.index), [0, 1]);
  },

  async completions_stream_the_same() {
    const question = { model: "m", prompt: "the steel tube", max_tokens: 10 };
    const whole = await chat.completions.create(question);
    const chunks = await collect(await chat.completions.create({ ...question, stream: true }));
    same(chunks.map((chunk) => chunk.choices[0].text).join(""), whole.choices[0].text);
  },

  // --- responses

  async responses_answer_and_stream_the_same() {
    const question = { model: "m", input: "What are you?", max_output_tokens: 100 };
    const whole = await chat.responses.create(question);
    const stream = chat.responses.stream(question);
    const events = await collect(stream);
    same((await stream.finalResponse()).output_text, whole.output_text);
    const kinds = events.map((event) => event.type);
    same(kinds.slice(0, 2), ["response.created", "response.in_progress"]);
    same(kinds.at(-1), "response.completed");
    same(events.map((event) => event.sequence_number), events.map((_, i) => events[0].sequence_number + i));
  },

  async responses_tools_and_reasoning() {
    const question = { model: "m", tools: RESPONSE_TOOLS, reasoning: { effort: "high" }, store: false };
    const input = user("think, then look it up");
    const first = await scriptedChat.responses.create({ ...question, input, include: ["reasoning.encrypted_content"] });
    same(first.output.map((item) => item.type), ["reasoning", "function_call"]);
    const call = first.output.at(-1);
    same(JSON.parse(call.arguments), { city: "Oslo" });
    input.push(...first.output, { type: "function_call_output", call_id: call.call_id, output: "12 degrees" });
    const second = await scriptedChat.responses.create({ ...question, input });
    same(second.output_text, "It is cold in Oslo.");
    same(second.status, "completed");
  },

  async responses_follow_a_schema() {
    const answer = await chat.responses.create({
      model: "m", input: "x", max_output_tokens: 200,
      text: { format: { type: "json_schema", name: "x", schema: SCHEMA, strict: true } },
    });
    ok(["cat", "dog"].includes(JSON.parse(answer.output_text).kind));
  },

  async responses_stream_helper_tells_events() {
    let reasoning = "", snapshot = "";
    const question = { model: "m", input: "think, then look it up", tools: RESPONSE_TOOLS, reasoning: { effort: "high" } };
    const stream = scriptedChat.responses.stream(question)
      .on("response.reasoning_text.delta", ({ delta }) => (reasoning += delta))
      .on("response.function_call_arguments.delta", (event) => (snapshot = event.snapshot));
    const final = await stream.finalResponse();
    same(reasoning, "I need the weather.");
    same(JSON.parse(snapshot), { city: "Oslo" });
    same(final.output.map((item) => item.type), ["reasoning", "function_call"]);
    same(final.output[0].content, [{ type: "reasoning_text", text: reasoning }]);
    same(final.output[1].arguments, snapshot);
    ok(final.usage.output_tokens_details.reasoning_tokens > 0);
  },

  async responses_streams_go_through_web_streams() {
    const sent = await scriptedChat.responses.create({ model: "m", input: "count to ten", stream: true });
    same((await ResponseStream.fromReadableStream(sent.toReadableStream()).finalResponse()).output_text, "1 2 3 4 5 6 7 8 9 10");
  },

  async responses_are_kept_and_paged() {
    const input = ["hello", "again", "turn one"].flatMap(user);
    const first = await scriptedChat.responses.create({ model: "m", input });
    const second = await scriptedChat.responses.create({ model: "m", input: "turn two", previous_response_id: first.id });
    same(second.output_text, "Second answer.");
    ok(second.usage.input_tokens_details.cached_tokens >= first.usage.total_tokens - 2, JSON.stringify(second.usage));
    same((await scriptedChat.responses.retrieve(first.id)).output_text, first.output_text);
    const items = await collect(scriptedChat.responses.inputItems.list(first.id, { limit: 1, order: "asc" }));
    same(items.map((item) => item.content[0].text), ["hello", "again", "turn one"]);
    await scriptedChat.responses.delete(first.id);
    await refused(scriptedChat.responses.retrieve(first.id), OpenAI.NotFoundError);
  },

  async responses_abort_mid_stream() {
    await seesCancelled(1, async () => {
      const format = { type: "json_schema", name: "x", schema: ENDLESS_SCHEMA, strict: true };
      const stream = chat.responses.stream({ model: "m", input: "x", text: { format } });
      await stream.emitted("response.output_text.delta");
      stream.abort();
      await refused(stream.finalResponse(), OpenAI.APIUserAbortError);
    });
  },

  // --- messages

  async messages_answer_and_stream_the_same() {
    const question = { model: "m", max_tokens: 30, messages: user("What are you?") };
    const whole = await claude.messages.create(question);
    const pieces = [];
    const stream = claude.messages.stream(question).on("text", (piece, snapshot) => {
      pieces.push(piece);
      same(snapshot, pieces.join(""));
    });
    const final = await stream.finalMessage();
    same(pieces.join(""), whole.content[0].text);
    ok(pieces.length > 1, "the answer came as one piece");
    same(await stream.finalText(), whole.content[0].text);
    same(final.stop_reason, whole.stop_reason);
    same(final.usage.output_tokens, whole.usage.output_tokens);
  },

  async messages_tools_over_several_turns() {
    const question = { model: "m", max_tokens: 300, messages: user(TWO_CITIES), tools: CLAUDE_TOOLS };
    const first = await scriptedClaude.messages.stream(question).finalMessage();
    same(first.stop_reason, "tool_use");
    const calls = first.content.filter((block) => block.type === "tool_use");
    same(calls.map((call) => call.input), PARIS_AND_ROME);
    question.messages.push(
      { role: "assistant", content: first.content },
      { role: "user", content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "sunny" })) });
    const second = await scriptedClaude.messages.create(question);
    same(second.content[0].text, "It is sunny in Paris.");
    ok(second.usage.cache_read_input_tokens > 0);
  },

  async messages_thinking_goes_both_ways() {
    const question = {
      model: "m", max_tokens: 2000, messages: user("think, then look it up"), tools: CLAUDE_TOOLS,
      thinking: { type: "enabled", budget_tokens: 1024 },
    };
    const first = await scriptedClaude.messages.create(question);
    same(first.content.map((block) => block.type), ["thinking", "tool_use"]);
    same(first.content[0].thinking, "I need the weather.");
    question.messages.push(
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: first.content[1].id, content: "12 degrees" }] });
    const second = await scriptedClaude.messages.create(question);
    same(second.content.at(-1).text, "It is cold in Oslo.");
  },

  async messages_stop_sequences_counts_and_errors() {
    const answer = await scriptedClaude.messages.create(
      { model: "m", max_tokens: 50, messages: user("count to ten"), stop_sequences: [" 4"] });
    same([answer.content[0].text, answer.stop_reason, answer.stop_sequence], ["1 2 3", "stop_sequence", " 4"]);
    const question = { model: "m", messages: user("What are you?") };
    const counted = await claude.messages.countTokens(question);
    const { usage } = await claude.messages.create({ ...question, max_tokens: 1 });
    same(counted.input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
    const error = await refused(claude.messages.create({ model: "m", max_tokens: 10, messages: [] }), Anthropic.BadRequestError);
    same([error.error.type, error.type], ["error", "invalid_request_error"]);
    // A stream that is refused ends with the same error.
    await refused(claude.messages.stream({ model: "m", max_tokens: 10, messages: [] }).finalMessage(), Anthropic.BadRequestError);
  },

  async messages_errors_outside_of_messages() {
    const missing = await refused(claude.models.retrieve("nothing"), Anthropic.NotFoundError);
    same([missing.error.type, missing.type], ["error", "not_found_error"]);
    const lockedOut = await refused(anthropic(locked).models.list(), Anthropic.AuthenticationError);
    same([lockedOut.error.type, lockedOut.type], ["error", "authentication_error"]);
  },

  async messages_follow_a_schema() {
    const answer = await claude.messages.parse(
      { model: "m", max_tokens: 200, messages: user("x"), output_config: { format: jsonSchemaOutputFormat(SCHEMA) } });
    ok(["cat", "dog"].includes(answer.parsed_output.kind) && typeof answer.parsed_output.ok === "boolean", JSON.stringify(answer));
  },

  async messages_stream_helper_tells_events() {
    const told = { thinking: "", json: "", signature: "", blocks: [], messages: [], ends: 0 };
    const stream = scriptedClaude.messages.stream({
      model: "m", max_tokens: 2000, messages: user("think, then look it up"), tools: CLAUDE_TOOLS,
      thinking: { type: "enabled", budget_tokens: 1024 },
    })
      .on("thinking", (piece) => (told.thinking += piece))
      .on("signature", (signature) => (told.signature = signature))
      .on("inputJson", (piece) => (told.json += piece))
      .on("contentBlock", (block) => told.blocks.push(block))
      .on("message", (message) => told.messages.push(message))
      .on("end", () => ++told.ends);
    const final = await stream.finalMessage();
    same(told.thinking, "I need the weather.");
    same(JSON.parse(told.json), { city: "Oslo" });
    same(told.blocks.map((block) => block.type), ["thinking", "tool_use"]);
    ok(told.signature);
    same(final.content[0], { type: "thinking", thinking: told.thinking, signature: told.signature });
    same(final.content[1].input, { city: "Oslo" });
    same([told.messages.length, told.ends], [1, 1]);
  },

  async messages_streams_go_through_web_streams() {
    const sent = scriptedClaude.messages.stream({ model: "m", max_tokens: 50, messages: user("count to ten") });
    same(await MessageStream.fromReadableStream(sent.toReadableStream()).finalText(), "1 2 3 4 5 6 7 8 9 10");
  },

  async messages_abort_and_timeout() {
    const format = { type: "json_schema", schema: ENDLESS_SCHEMA };
    const endless = { model: "m", max_tokens: 20000, messages: user("x"), output_config: { format } };
    await seesCancelled(2, async () => {
      const stream = claude.messages.stream(endless);
      await stream.emitted("text");
      stream.abort();
      await refused(stream.finalMessage(), Anthropic.APIUserAbortError);
      ok(stream.aborted);
      await refused(claude.messages.create(endless, { timeout: MEANWHILE_MS }), Anthropic.APIConnectionTimeoutError);
    });
  },

  async messages_tool_runner_goes_on() {
    for (const stream of [false, true]) {
      const asked = [];
      const getWeather = (input) => {
        asked.push(input);
        return "sunny";
      };
      const tools = [betaTool({ name: "get_weather", description: "Weather", inputSchema: WEATHER, run: getWeather })];
      const runner = scriptedClaude.beta.messages.toolRunner(
        { model: "m", max_tokens: 300, messages: user(TWO_CITIES), tools, stream });
      const turns = await Promise.all((await collect(runner)).map((turn) => (stream ? turn.finalMessage() : turn)));
      same(asked, PARIS_AND_ROME);
      same(turns.map((turn) => turn.stop_reason), ["tool_use", "end_turn"]);
      same(turns[1].content[0].text, "It is sunny in Paris.");
      // The second turn was computed from all of the first one.
      const [first, second] = turns.map(({ usage }) => usage.input_tokens + usage.cache_read_input_tokens);
      ok(second > first + turns[0].usage.output_tokens, `prompts of ${first} and ${second} tokens`);
    }
  },

  // --- all of them

  async prefixes_are_computed_once() {
    const messages = user("turn one");
    const first = await scriptedChat.chat.completions.create({ model: "m", messages });
    messages.push(first.choices[0].message, ...user("turn two"));
    checkCached(first, await scriptedChat.chat.completions.create({ model: "m", messages }));
  },

  async models_are_listed() {
    for (const client of [chat, claude]) same((await collect(client.models.list())).map((model) => model.id), ["builtin"]);
  },

  async chat_requests_have_ids() {
    const question = { model: "m", messages: user("x"), max_tokens: 1 };
    const { data, response, request_id } = await chat.chat.completions.create(question).withResponse();
    ok(request_id);
    same([data._request_id, response.headers.get("x-request-id")], [request_id, request_id]);
    const raw = await chat.chat.completions.create({ ...question, stream: true }).asResponse();
    ok(raw.headers.get("x-request-id"));
    ok(raw.headers.get("content-type").startsWith("text/event-stream"));
    ok((await raw.text()).endsWith("data: [DONE]\n\n"));
    ok((await refused(chat.chat.completions.create({ model: "m", messages: [] }), OpenAI.BadRequestError)).requestID);
  },

  async messages_requests_have_ids() {
    const question = { model: "m", messages: user("x"), max_tokens: 1 };
    const error = await refused(claude.messages.create({ ...question, messages: [] }), Anthropic.BadRequestError);
    ok(error.error.request_id);
    same(error.requestID, error.error.request_id);
    const { data, request_id } = await claude.messages.create(question).withResponse();
    ok(request_id);
    same(data._request_id, request_id);
    const stream = claude.messages.stream(question);
    await stream.done();
    ok(stream.request_id);
  },

  async keys_are_checked() {
    const question = { model: "m", messages: user("x"), max_tokens: 1 };
    const wrong = await refused(openai(locked, "wrong").chat.completions.create(question), OpenAI.AuthenticationError);
    same(wrong.code, "invalid_api_key");
    const wrongToo = await refused(anthropic(locked, "wrong").messages.create(question), Anthropic.AuthenticationError);
    same(wrongToo.type, "authentication_error");
    await openai(locked, key).chat.completions.create(question);
    await anthropic(locked, key).messages.create(question);
    const byToken = new Anthropic({ baseURL: locked, apiKey: null, authToken: key, maxRetries: 0 });
    await byToken.messages.create(question);
  },

  async queue_is_bounded() {
    const many = { type: "array", items: { type: "integer" }, minItems: 8000 };  // takes seconds
    const long = { model: "m", messages: user("x"), stream: true,
      response_format: { type: "json_schema", json_schema: { name: "many", schema: many } } };
    const question = { model: "m", messages: user("x"), max_tokens: 1 };
    const client = openai(locked, key);
    const running = await client.chat.completions.create(long);
    await running[Symbol.asyncIterator]().next();
    const waiting = client.chat.completions.create(long);  // its headers come once it runs
    waiting.catch(() => {});
    await sleep(100);
    const error = await refused(client.chat.completions.create(question), OpenAI.RateLimitError);
    same(error.code, "rate_limit_exceeded");
    ok(Number(error.headers.get("retry-after")) > 0);
    const claudeError = await refused(anthropic(locked, key).messages.create(question), Anthropic.RateLimitError);
    same(claudeError.type, "rate_limit_error");
    setTimeout(async () => { running.controller.abort(); (await waiting).controller.abort(); }, 300);
    const patient = new OpenAI({ baseURL: locked + "/v1", apiKey: key, maxRetries: 5 });
    same((await patient.chat.completions.create(question)).usage.completion_tokens, 1);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {  // every failure is told, and the next case runs
    ++failed;
    console.log(`FAILED  ${name}\n${error.stack}${error.cause ? `\nCause: ${error.cause.stack}` : ""}`);
  }
}
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed ? 1 : 0;
