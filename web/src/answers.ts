// Answers that are being written, at most one in each conversation. They go on while another view is shown.

import { ApiFailure, stream_chat } from "./api";
import { type Conversation, type Turn, add_turn, can_go_on, children, path } from "./conversation";
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
    conversation.chosen[question.parent ?? ""] = question.id;
    const body = request_body(up_to(conversation, question), settings());
    const empty = empty_answer(conversation, question);
    const turn = empty && !this.history.is_written_elsewhere(empty) ? empty :
      add_turn(conversation, question.id, { role: "assistant", content: "" }, Date.now());
    conversation.chosen[question.id] = turn.id;
    await this.write(conversation, turn, body);
  }

  /** Asks for the rest of an answer that ended before its end. */
  async go_on(conversation: Conversation, turn: Turn): Promise<void> {
    if (this.runs.has(conversation.id) || !can_go_on(turn)) return;
    await this.write(conversation, turn, request_body(up_to(conversation, turn), settings()));
  }

  private async write(conversation: Conversation, turn: Turn, body: unknown): Promise<void> {
    for (const key of ["finish", "error", "warning"] as const) delete turn[key];
    turn.changed = Date.now();
    const run: Run = { conversation, turn, draft: new AnswerDraft(performance.now(), turn), abort: new AbortController() };
    this.runs.set(conversation.id, run);
    this.changed(run);
    void this.history.put(conversation, turn);
    let saved = performance.now();
    try {
      await stream_chat(body, (chunk) => {
        run.draft.take(chunk, performance.now());
        copy_draft(run);
        if (performance.now() - saved > kSaveEvery) {
          saved = performance.now();
          void this.history.put(conversation, turn);
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
    if (run.draft.warning) turn.warning = run.draft.warning;
    turn.changed = conversation.updated = Date.now();
    this.runs.delete(conversation.id);
    this.changed(run);
    await this.history.put(conversation);
  }
}

function copy_draft({ turn, draft }: Run): void {
  turn.content = draft.content;
  if (draft.reasoning) turn.reasoning = draft.reasoning;
  if (draft.tool_calls.length > 0) turn.tool_calls = draft.tool_calls;
  turn.changed = Date.now();
}

function up_to(conversation: Conversation, turn: Turn): Turn[] {
  const shown = path(conversation);
  return shown.slice(0, shown.indexOf(turn) + 1);
}

/** An answer that ended without a word is no version to come back to: it is written anew. */
function empty_answer(conversation: Conversation, question: Turn): Turn | undefined {
  return children(conversation, question.id).find((t) =>
    t.role === "assistant" && !t.content && !t.reasoning && !t.tool_calls?.length &&
    ["error", "stopped", undefined].includes(t.finish) && children(conversation, t.id).length === 0);
}
