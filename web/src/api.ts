// The server, as the page sees it.

import { settings } from "./settings";
import { SseReader } from "./sse";
import type { Chunk } from "./wire";

export class ApiFailure extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

let unauthorized = (): void => {};

/** Called when the server wants another key. */
export function on_unauthorized(callback: () => void): void {
  unauthorized = callback;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (settings().api_key) headers.set("Authorization", `Bearer ${settings().api_key}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, cache: "no-store" });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiFailure("The server cannot be reached.", 0);
  }
  if (response.ok) return response;
  if (response.status === 401) unauthorized();
  throw new ApiFailure(await failure_text(response), response.status);
}

async function failure_text(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const message = JSON.parse(text)?.error?.message;
    if (typeof message === "string") return message;
  } catch {
    // not the server's own words (a proxy, say)
  }
  return `The server answered ${response.status} ${response.statusText}`.trim();
}

export async function get_json<T>(path: string): Promise<T> {
  return (await send(path, {})).json() as Promise<T>;
}

function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return send(path, { method: "POST", signal, body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" } });
}

export async function post_json<T>(path: string, body: unknown): Promise<T> {
  return (await post(path, body)).json() as Promise<T>;
}

/** Asks for an answer; `take` sees each chunk. Rejects with AbortError when `signal` stops it. */
export async function stream_chat(
  body: unknown, take: (chunk: Chunk) => void, signal: AbortSignal,
): Promise<void> {
  const response = await post("/v1/chat/completions", body, signal);
  const bytes = response.body!.getReader();
  const decoder = new TextDecoder();
  const reader = new SseReader();
  for (;;) {
    const { done, value } = await bytes.read().catch((error: Error) => {
      if (error.name === "AbortError") throw error;
      return { done: true, value: undefined };  // the server is gone
    });
    if (done) throw new ApiFailure("The connection ended before the answer did.", 0);
    for (const data of reader.push(decoder.decode(value, { stream: true }))) {
      if (data === "[DONE]") return;
      take(JSON.parse(data) as Chunk);
    }
  }
}
