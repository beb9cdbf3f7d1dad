// Requests and answers of POST /v1/chat/completions. Field names are those of the protocol.

import type { AnswerStats, ToolCall, Turn } from "./conversation";
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
}

const kFewArrivals = 5;

type WireMessage = Record<string, unknown>;

function messages_of(turn: Turn): WireMessage[] {
  if (turn.role === "user") return [{ role: "user", content: turn.content }];
  if (turn.role === "tool")
    return (turn.results ?? []).map((result) => ({ role: "tool", ...result }));
  const message: WireMessage = { role: "assistant", content: turn.content };
  if (turn.reasoning) message.reasoning_content = turn.reasoning;
  if (turn.tool_calls?.length)
    message.tool_calls = turn.tool_calls.map(({ id, name, arguments: args }) =>
      ({ id, type: "function", function: { name, arguments: args } }));
  return [message];
}

/** The request that asks for the turn behind `turns`. */
export function request_body(turns: Turn[], settings: Settings): Record<string, unknown> {
  const messages = turns.flatMap(messages_of);
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
  n_deltas = 0;
  private usage: Usage | null = null;
  private timings: Timings | null = null;
  private first: number | null = null;
  private last = 0;
  private n_arrivals = 0;  // of deltas, those that came together counted once
  private thought_from: number | null = null;
  private thought_until: number | null = null;

  constructor(private readonly asked: number) {}

  take(chunk: Chunk, now: number): void {
    if (chunk.error)
      this.error = typeof chunk.error === "string" ? chunk.error : chunk.error.message ?? "unknown error";
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
    return this.thought_from === null ? 0 : (this.thought_until ?? now) - this.thought_from;
  }

  /** What is known; without usage (a stopped answer), tokens are counted by deltas. */
  stats(): AnswerStats {
    const tokens = this.usage?.completion_tokens ?? this.n_deltas;
    // An answer that comes in a few pieces says nothing about the time between tokens: then from the request on.
    const from = this.n_arrivals < kFewArrivals || this.first === null ? this.asked : this.first;
    const measured = this.last > from ? (1000 * (tokens - 1)) / (this.last - from) : 0;
    return {
      prompt_tokens: this.usage?.prompt_tokens ?? this.progress?.total ?? 0,
      cached_tokens: this.usage?.prompt_tokens_details?.cached_tokens ?? this.progress?.cache ?? 0,
      completion_tokens: tokens,
      reasoning_tokens: this.usage?.completion_tokens_details?.reasoning_tokens ?? 0,
      ttft_ms: this.first === null ? 0 : this.first - this.asked,
      thinking_ms: this.thinking_ms(this.last),
      tok_s: this.timings?.predicted_per_second ?? Math.max(measured, 0),
      n_drafted: this.timings?.draft_n,
      n_accepted: this.timings?.draft_n_accepted,
    };
  }
}
