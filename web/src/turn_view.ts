// One turn of a conversation on the screen.

import { type AnswerStats, can_go_on, has_calls, type ToolResult, type Turn } from "./conversation";
import { copy_button, enter_begins_line, h, icon_button, replace } from "./dom";
import * as format from "./format";
import { MarkdownView } from "./markdown_view";
import { call_cards, open_call_cards } from "./tool_card";
import type { AnswerDraft, Progress } from "./wire";

export interface TurnActions {
  edit(turn: Turn, text: string): void;
  again(turn: Turn): void;
  go_on(turn: Turn): void;
  switch_by(turn: Turn, by: number): void;
  send_results(answer: Turn, results: ToolResult[]): void;
  is_busy(): boolean;
}

export interface TurnContext {
  branch: { index: number; n: number };
  is_last: boolean;
  is_elsewhere: boolean;  // another tab writes it
  results: Turn | null;  // of an answer with tool calls: the turn that follows
  results_branch: { index: number; n: number } | null;
}

export interface TurnView {
  readonly el: HTMLElement;
  readonly turn: Turn;
  /** Shows the turn as it is now; `draft` while it is being written. What did not change is not touched. */
  update(context: TurnContext, draft: AnswerDraft | null, now: number): void;
}

function branch_switch(turn: Turn, { index, n }: { index: number; n: number }, actions: TurnActions): HTMLElement | null {
  if (n < 2) return null;
  const left = icon_button("left", "Previous version", () => actions.switch_by(turn, -1));
  const right = icon_button("right", "Next version", () => actions.switch_by(turn, 1));
  left.disabled = index === 0;
  right.disabled = index === n - 1;
  return h("span", { class: "branch", role: "group", "aria-label": "Versions" },
    left, h("span", { class: "branch-place" }, `${index + 1}/${n}`), right);
}

export class QuestionView implements TurnView {
  readonly el = h("article", { class: "turn question", "aria-label": "You" });

  private branch = { index: 0, n: 0 };
  private is_edited = false;

  constructor(readonly turn: Turn, private readonly actions: TurnActions) {}

  update({ branch }: TurnContext): void {
    if (branch.index === this.branch.index && branch.n === this.branch.n) return;
    this.branch = branch;
    if (!this.is_edited) this.show();
  }

  private show(): void {
    this.is_edited = false;
    replace(this.el, h("div", { class: "bubble" }, this.turn.content),
      h("div", { class: "turn-foot" }, branch_switch(this.turn, this.branch, this.actions),
        h("span", { class: "actions" }, copy_button(() => this.turn.content),
          icon_button("edit", "Edit", () => this.edit()))));
  }

  edit(): void {
    if (this.actions.is_busy()) return;
    this.is_edited = true;
    const box = h("textarea", { class: "edit-box", rows: "3", "aria-label": "Edit message" });
    box.value = this.turn.content;
    const send = () => {
      if (box.value.trim()) this.actions.edit(this.turn, box.value);
    };
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !enter_begins_line()) {
        event.preventDefault();
        send();
      } else if (event.key === "Escape") {
        event.stopPropagation();
        this.show();
      }
    });
    replace(this.el, box, h("div", { class: "row end" },
      h("button", { type: "button", class: "quiet", on: { click: () => this.show() } }, "Cancel"),
      h("button", { type: "button", class: "primary", on: { click: send } }, "Send")));
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

const opened = new Set<string>();  // turns whose thinking the user opened: they stay open when shown anew

export class AnswerView implements TurnView {
  readonly el = h("article", { class: "turn answer", "aria-label": "Answer" });
  private readonly progress = h("div", { class: "prefill", hidden: true });
  private readonly thinking_head = h("summary");
  private readonly thinking_text = new MarkdownView();
  private readonly thinking = h("details", { class: "thinking", hidden: true }, this.thinking_head, this.thinking_text.el);
  private readonly text = new MarkdownView();
  private readonly below = h("div");
  private shown_reasoning = "";
  private context!: TurnContext;
  private shown = "";  // what an ended answer depends on

  constructor(readonly turn: Turn, private readonly actions: TurnActions) {
    this.el.append(this.thinking, this.text.el, this.progress, this.below);
    this.thinking.open = opened.has(turn.id);
    this.thinking.addEventListener("toggle", () => {
      if (this.thinking.open) opened.add(turn.id);
      else opened.delete(turn.id);
      this.show_reasoning();
    });
  }

  update(context: TurnContext, draft: AnswerDraft | null, now: number): void {
    const { turn } = this;
    const { branch, is_last, is_elsewhere, results, results_branch } = context;
    const shown = draft ? "" : JSON.stringify([branch, is_last, is_elsewhere, results?.id, results_branch, turn.changed, turn.finish]);
    if (!draft && shown === this.shown) return;
    this.shown = shown;
    this.context = context;
    this.el.setAttribute("aria-busy", draft ? "true" : "false");
    this.el.classList.toggle("live", draft !== null);
    const waits = draft !== null && draft.n_deltas === 0;
    this.progress.hidden = !waits;
    if (waits) replace(this.progress, prefill_bar(draft.progress));
    this.thinking.hidden = !turn.reasoning;
    if (turn.reasoning) {
      this.thinking_head.textContent = thinking_label(draft, draft?.stats() ?? turn.stats, now);
      this.show_reasoning();
    }
    this.text.show(turn.content);
    replace(this.below, this.cards(draft), turn.error && this.failure(turn.error), draft ? this.live(draft) : this.foot());
  }

  /** Closed thinking costs nothing. */
  private show_reasoning(): void {
    const text = this.turn.reasoning ?? "";
    if (!this.thinking.open || text === this.shown_reasoning) return;
    this.shown_reasoning = text;
    this.thinking_text.show(text);
  }

  private cards(draft: AnswerDraft | null): HTMLElement | null {
    const calls = this.turn.tool_calls;
    if (!calls?.length) return null;
    if (draft || !has_calls(this.turn)) return call_cards(calls, null);
    const { results, results_branch } = this.context;
    if (!results) return open_call_cards(calls, [], (done) => this.actions.send_results(this.turn, done));
    const cards = call_cards(calls, results.results ?? []);
    const edit = icon_button("edit", "Edit results", () => {
      if (this.actions.is_busy()) return;
      cards.replaceWith(open_call_cards(calls, results.results ?? [], (done) => this.actions.send_results(this.turn, done)));
    });
    cards.appendChild(h("div", { class: "turn-foot" },
      results_branch && branch_switch(results, results_branch, this.actions), h("span", { class: "actions" }, edit)));
    return cards;
  }

  private failure(message: string): HTMLElement {
    return h("div", { class: "failure", role: "alert" }, h("span", {}, message),
      h("button", { type: "button", on: { click: () => this.actions.again(this.turn) } }, "Retry"));
  }

  private live(draft: AnswerDraft): HTMLElement | null {
    const stats = draft.stats();
    if (draft.n_deltas < 2) return null;
    return h("div", { class: "turn-foot stats" }, `${format.plural(stats.completion_tokens, "token")} · ${format.rate(stats.tok_s)} tokens/s`);
  }

  private foot(): HTMLElement {
    const { turn } = this;
    const { branch, is_last, is_elsewhere } = this.context;
    const is_open = is_last && !is_elsewhere && can_go_on(turn);
    return h("div", { class: "turn-foot" }, branch_switch(turn, branch, this.actions),
      turn.stats && stats_line(turn.stats), finish_note(turn, is_elsewhere),
      is_open && h("button", { type: "button", class: "quiet", on: { click: () => this.actions.go_on(turn) } }, "Continue"),
      h("span", { class: "actions" }, copy_button(() => turn.content),
        icon_button("again", "Regenerate", () => this.actions.again(turn))));
  }
}

function finish_note(turn: Turn, is_elsewhere: boolean): HTMLElement | null {
  if (is_elsewhere) return h("span", { class: "note" }, "being written in another tab");
  const notes: Record<string, string> = {
    stopped: "stopped", length: "cut: the token limit is reached", content_filter: "cut by a filter",
  };
  const what = turn.finish === undefined ? "interrupted" : turn.warning ? `cut: ${turn.warning}` : notes[turn.finish];
  const note = turn.tool_calls?.length && !has_calls(turn) ? [what, "the tool call is not whole"].filter(Boolean).join(", ") : what;
  return note ? h("span", { class: "note" }, note) : null;
}

function stats_line(stats: AnswerStats): HTMLElement {
  const item = (name: string, value: string, title: string) => h("span", { "data-stat": name, title }, value);
  const drafted = stats.n_drafted ? (stats.n_accepted ?? 0) / stats.n_drafted : null;
  return h("span", { class: "stats" },
    item("tok_s", `${format.rate(stats.tok_s)} tokens/s`, "speed of the answer"),
    item("ttft", `first after ${format.seconds(stats.ttft_ms)}`, "time to the first token"),
    item("tokens", format.plural(stats.completion_tokens, "token"), stats.prompt_tokens > 0 ? `prompt: ${stats.prompt_tokens} tokens` : ""),
    stats.cached_tokens > 0 && item("cached", `${format.count(stats.cached_tokens)} cached`, "tokens of the prompt that were not computed again"),
    drafted !== null && item("drafts", `${format.percent(drafted)} of drafts taken`, "speculative decoding"));
}

function thinking_label(draft: AnswerDraft | null, stats: AnswerStats | undefined, now: number): string {
  const ms = draft ? draft.thinking_ms(now) : stats?.thinking_ms;
  const tokens = stats?.reasoning_tokens ? ` · ${format.plural(stats.reasoning_tokens, "token")}` : "";
  if (draft?.is_thinking) return `Thinking … ${format.seconds(ms ?? 0)}${tokens}`;
  return ms === undefined ? "Thinking" : `Thought for ${format.seconds(ms)}${tokens}`;
}

function prefill_bar(progress: Progress | null): HTMLElement {
  if (!progress || progress.total === 0)
    return h("div", { class: "faint waiting", role: "status" }, "Waiting for the server …");
  const { total, cache, processed } = progress;
  const bar = h("div", { class: "bar", role: "progressbar", "aria-label": "Reading the prompt",
    "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": processed });
  const part = (kind: string, share: number) => {
    const el = h("div", { class: kind });
    el.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
    return el;
  };
  bar.append(part("bar-cached", cache / total), part("bar-done", (processed - cache) / total));
  return h("div", {}, h("div", { class: "faint" },
    `Reading the prompt: ${processed} of ${total} tokens${cache > 0 ? `, ${cache} from the cache` : ""}`), bar);
}
