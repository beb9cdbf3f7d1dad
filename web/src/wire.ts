// Requests and answers of POST /v1/chat/completions. Field names are those of the protocol.

import { type AnswerStats, has_calls, type ToolCall, type Turn } from "./conversation";
import type { Settings } from "./settings";

export interface Progress {
  total: number;
  cache: number;
  processed: number;
  time_ms: number;
}

interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number };
  completion_tokens_details?: { reasoning_tokens?: number };
}

interface Timings {
  predicted_per_second?: number;
  draft_n?: number;
  draft_n_accepted?: number;
}

export interface Chunk {
  choices?: {
    delta?: {
      content?: string | null;
      reasoning_content?: string | null;
      tool_calls?: { index?: number; id?: string; function?: { name?: string; arguments?: string } }[];
    };
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  timings?: Timings | null;
  prompt_progress?: Progress | null;
  error?: { message?: string } | string;
  warning?: string;
}

const kFewArrivals = 5;

type WireMessage = Record<string, unknown>;

/** `before`: the turn in front of it. What was cut within its calls goes back without them, an empty answer not at all. */
function messages_of(turn: Turn, before: Turn | undefined): WireMessage[] {
  if (turn.role === "user") return [{ role: "user", content: turn.content }];
  if (turn.role === "tool")
    return (before && has_calls(before) ? turn.results ?? [] : []).map((result) => ({ role: "tool", ...result }));
  const calls = has_calls(turn) ? turn.tool_calls! : [];
  if (!turn.content && !turn.reasoning && calls.length === 0) return [];
  const message: WireMessage = { role: "assistant", content: turn.content };
  if (turn.reasoning) message.reasoning_content = turn.reasoning;
  if (calls.length > 0)
    message.tool_calls = calls.map(({ id, name, arguments: args }) =>
      ({ id, type: "function", function: { name, arguments: args } }));
  return [message];
}

/** The request that asks for the turn behind `turns`; the server goes on with an answer that is the last one. */
export function request_body(turns: Turn[], settings: Settings): Record<string, unknown> {
  const messages = turns.flatMap((turn, i) => messages_of(turn, turns[i - 1]));
  if (settings.system.trim()) messages.unshift({ role: "system", content: settings.system });
  const body: Record<string, unknown> = {
    model: settings.model, messages, stream: true, stream_options: { include_usage: true },
    return_progress: true, timings_per_token: true, reasoning_effort: settings.effort,
  };
  for (const key of ["temperature", "top_p", "max_tokens", "seed"] as const)
    if (settings[key] !== null) body[key] = settings[key];
  const tools = settings.tools.trim() ? JSON.parse(settings.tools) : [];  // checked when it was set
  if (tools.length > 0) body.tools = tools;
  return body;
}

/** An answer while it arrives. Times in ms, of any one clock. */
export class AnswerDraft {
  content = "";
  reasoning = "";
  tool_calls: ToolCall[] = [];
  progress: Progress | null = null;
  finish: string | null = null;
  error: string | null = null;
  warning = "";
  n_deltas = 0;
  private readonly before: AnswerStats | null;
  private usage: Usage | null = null;
  private timings: Timings | null = null;
  private first: number | null = null;
  private last = 0;
  private n_thoughts = 0;  // deltas of thinking
  private n_arrivals = 0;  // of deltas, those that came together counted once
  private thought_from: number | null = null;
  private thought_until: number | null = null;

  /** `begun`: an answer that ended before its end; what comes is added to it. */
  constructor(private readonly asked: number, begun?: Turn) {
    this.content = begun?.content ?? "";
    this.reasoning = begun?.reasoning ?? "";
    this.before = begun?.stats ?? null;
  }

  take(chunk: Chunk, now: number): void {
    if (chunk.error)
      this.error = typeof chunk.error === "string" ? chunk.error : chunk.error.message ?? "unknown error";
    if (chunk.warning) this.warning = chunk.warning;
    if (chunk.prompt_progress) this.progress = chunk.prompt_progress;
    if (chunk.usage) this.usage = chunk.usage;
    if (chunk.timings) this.timings = chunk.timings;
    const choice = chunk.choices?.[0];
    if (choice?.finish_reason) this.finish = choice.finish_reason;
    const delta = choice?.delta;
    if (!delta || !(delta.content || delta.reasoning_content || delta.tool_calls?.length)) return;
    this.first ??= now;
    if (now - this.last >= 1) this.n_arrivals += 1;
    this.last = now;
    this.n_deltas += 1;
    if (delta.reasoning_content) {
      this.thought_from ??= now;
      this.n_thoughts += 1;
      this.reasoning += delta.reasoning_content;
    } else if (this.thought_from !== null) {
      this.thought_until ??= now;
    }
    this.content += delta.content ?? "";
    for (const part of delta.tool_calls ?? []) this.take_call(part);
  }

  private take_call(part: { index?: number; id?: string; function?: { name?: string; arguments?: string } }) {
    const index = part.index ?? this.tool_calls.length;
    if (index > this.tool_calls.length) return;  // a hole: not what a server sends
    const call = (this.tool_calls[index] ??= { id: "", name: "", arguments: "" });
    call.id += part.id ?? "";
    call.name += part.function?.name ?? "";
    call.arguments += part.function?.arguments ?? "";
  }

  get is_thinking(): boolean {
    return this.thought_from !== null && this.thought_until === null;
  }

  thinking_ms(now: number): number {
    const ms = this.thought_from === null ? 0 : (this.thought_until ?? now) - this.thought_from;
    return ms + (this.before?.thinking_ms ?? 0);
  }

  /** What is known of the whole answer; without usage (a stopped answer), tokens are counted by deltas. */
  stats(): AnswerStats {
    const { before } = this;
    const now = this.stats_of_new();
    if (!before) return now;
    return {
      ...now,
      // What was written before is now part of the prompt; the sum of both is what the context holds.
      prompt_tokens: now.prompt_tokens > 0 ? Math.max(0, now.prompt_tokens - before.completion_tokens) : before.prompt_tokens,
      completion_tokens: before.completion_tokens + now.completion_tokens,
      reasoning_tokens: before.reasoning_tokens + now.reasoning_tokens,
      ttft_ms: before.ttft_ms,
      n_drafted: (before.n_drafted ?? 0) + (now.n_drafted ?? 0),
      n_accepted: (before.n_accepted ?? 0) + (now.n_accepted ?? 0),
    };
  }

  private stats_of_new(): AnswerStats {
    const tokens = this.usage?.completion_tokens ?? this.n_deltas;
    // An answer that comes in a few pieces says nothing about the time between tokens: then from the request on.
    const from = this.n_arrivals < kFewArrivals || this.first === null ? this.asked : this.first;
    const measured = this.last > from ? (1000 * (tokens - 1)) / (this.last - from) : 0;
    return {
      prompt_tokens: this.usage?.prompt_tokens ?? this.progress?.total ?? 0,
      cached_tokens: this.usage?.prompt_tokens_details?.cached_tokens ?? this.progress?.cache ?? 0,
      completion_tokens: tokens,
      reasoning_tokens: this.usage?.completion_tokens_details?.reasoning_tokens ?? this.n_thoughts,
      ttft_ms: this.first === null ? 0 : this.first - this.asked,
      thinking_ms: this.thinking_ms(this.last),
      tok_s: this.timings?.predicted_per_second ?? Math.max(measured, 0),
      n_drafted: this.timings?.draft_n,
      n_accepted: this.timings?.draft_n_accepted,
    };
  }
}
