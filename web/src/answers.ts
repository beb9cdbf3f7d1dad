// Answers that are being written, at most one in each conversation. They go on while another view is shown.

import { ApiFailure, stream_chat } from "./api";
import { type Conversation, type Turn, add_turn, children, path } from "./conversation";
import type { History } from "./history";
import { settings } from "./settings";
import { AnswerDraft, request_body } from "./wire";

export interface Run {
  conversation: Conversation;
  turn: Turn;
  draft: AnswerDraft;
  abort: AbortController;
}

const kSaveEvery = 1000;  // ms: what a closed tab loses at most

export class Answers {
  private readonly runs = new Map<string, Run>();

  /** `changed` is called for each piece of an answer and once when it has ended. */
  constructor(private readonly history: History, private readonly changed: (run: Run) => void) {}

  running(conversation: Conversation): Run | undefined {
    return this.runs.get(conversation.id);
  }

  stop(conversation_id: string): boolean {
    const run = this.runs.get(conversation_id);
    run?.abort.abort();
    return run !== undefined;
  }

  /** Asks for an answer to `question`, beside those that it may have already. */
  async ask(conversation: Conversation, question: Turn): Promise<void> {
    if (this.runs.has(conversation.id)) return;
    drop_empty(conversation, question);
    conversation.chosen[question.parent ?? ""] = question.id;
    const shown = path(conversation);
    const body = request_body(shown.slice(0, shown.indexOf(question) + 1), settings());
    const turn = add_turn(conversation, question.id, { role: "assistant", content: "" }, Date.now());
    const run: Run = { conversation, turn, draft: new AnswerDraft(performance.now()), abort: new AbortController() };
    this.runs.set(conversation.id, run);
    this.changed(run);
    let saved = performance.now();
    try {
      await stream_chat(body, (chunk) => {
        run.draft.take(chunk, performance.now());
        copy_draft(run);
        if (performance.now() - saved > kSaveEvery) {
          saved = performance.now();
          void this.history.put(conversation);
        }
        this.changed(run);
      }, run.abort.signal);
      turn.finish = run.draft.finish ?? undefined;
    } catch (error) {
      if ((error as Error).name === "AbortError") {
        turn.finish = "stopped";
      } else {
        turn.finish = "error";
        turn.error = error instanceof ApiFailure ? error.message : `Not understood: ${(error as Error).message}`;
      }
    }
    if (run.draft.error) {
      turn.finish = "error";
      turn.error = run.draft.error;
    }
    if (run.draft.n_deltas > 0) turn.stats = run.draft.stats();
    conversation.updated = Date.now();
    this.runs.delete(conversation.id);
    this.changed(run);
    await this.history.put(conversation);
  }
}

function copy_draft({ turn, draft }: Run): void {
  turn.content = draft.content;
  if (draft.reasoning) turn.reasoning = draft.reasoning;
  if (draft.tool_calls.length > 0) turn.tool_calls = draft.tool_calls;
}

/** A failed answer without a word is no branch to come back to. */
function drop_empty(conversation: Conversation, question: Turn): void {
  const empty = children(conversation, question.id).filter((t) =>
    t.role === "assistant" && t.error && !t.content && !t.reasoning && !t.tool_calls?.length);
  conversation.turns = conversation.turns.filter((turn) => !empty.includes(turn));
}
