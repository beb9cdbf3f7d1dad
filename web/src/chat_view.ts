// The conversation on the screen.

import { get_json } from "./api";
import { Answers, type Run } from "./answers";
import { Composer } from "./composer";
import {
  type Conversation, type Turn, add_turn, branch, new_conversation, path, switch_branch, title_of,
} from "./conversation";
import { h, replace } from "./dom";
import type { History } from "./history";
import { AnswerView, QuestionView, type TurnActions, type TurnContext } from "./turn_view";

const kNearEnd = 80;  // pixels: who reads at the end stays at the end

export class ChatView {
  readonly el: HTMLElement;
  private readonly log = h("div", { class: "log", role: "log", "aria-label": "Conversation" });
  private readonly scroller = h("div", { class: "scroller", tabindex: "-1" }, this.log);
  private readonly composer: Composer;
  private readonly answers: Answers;
  private readonly actions: TurnActions;
  private conversation = new_conversation(Date.now());
  private live: AnswerView | null = null;
  private last_question: QuestionView | null = null;
  private not_saved = "";
  private n_ctx = 0;
  private frame = 0;

  /** `listed` is called when a conversation is new or has another place in the list. */
  constructor(private readonly history: History, private readonly listed: (c: Conversation) => void) {
    this.answers = new Answers(history, (run) => this.changed(run));
    this.composer = new Composer({
      send: (text) => void this.send(text),
      stop: () => this.stop(),
      edit_last: () => this.last_question?.edit(),
    });
    this.actions = {
      edit: (turn, text) => void this.ask(add_turn(this.conversation, turn.parent, { role: "user", content: text }, Date.now())),
      again: (turn) => this.again(turn),
      go_on: (turn) => void this.go_on(turn),
      switch_by: (turn, by) => this.switch_by(turn, by),
      send_results: (answer, results) =>
        void this.ask(add_turn(this.conversation, answer.id, { role: "tool", content: "", results }, Date.now())),
      is_busy: () => this.answers.running(this.conversation) !== undefined,
    };
    this.el = h("main", { class: "chat", "aria-label": "Chat" }, this.scroller, this.composer.el);
    this.show_all();
  }

  get id(): string {
    return this.conversation.id;
  }

  /** Shows a stored conversation; an unknown id shows a new one. */
  async open(id: string | null): Promise<void> {
    if (id === this.conversation.id) return;
    const found = id === null ? null : await this.history.get(id);
    if (!found && id === null && this.conversation.turns.length === 0) return;
    this.conversation = found ?? new_conversation(Date.now());
    this.show_all();
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Why conversations are not kept; "": they are. */
  problem(text: string): void {
    if (text || this.not_saved) this.composer.say(text);
    this.not_saved = text;
  }

  /** Another tab added to the conversation that is shown. */
  refresh(): void {
    this.show_all();
  }

  focus(): void {
    if (!matchMedia("(pointer: coarse)").matches) this.composer.focus();
  }

  /** Stops the answer that is being written in the conversation that is shown, or in another. */
  stop(id = this.conversation.id): boolean {
    return this.answers.stop(id);
  }

  async load_context(): Promise<void> {
    const props = await get_json<{ default_generation_settings?: { n_ctx?: number } }>("/props");
    this.n_ctx = props.default_generation_settings?.n_ctx ?? 0;
    this.show_context();
  }

  private async send(text: string): Promise<void> {
    const { conversation } = this;
    if (conversation.turns.length === 0) conversation.title = title_of(text);
    await this.ask(add_turn(conversation, path(conversation).at(-1)?.id ?? null, { role: "user", content: text }, Date.now()));
  }

  private async ask(question: Turn): Promise<void> {
    const { conversation } = this;
    await this.history.put(conversation);
    this.listed(conversation);
    await this.answers.ask(conversation, question);
    this.listed(conversation);
  }

  private again(turn: Turn): void {
    const question = this.conversation.turns.find((t) => t.id === turn.parent);
    if (question && !this.actions.is_busy()) void this.ask(question);
  }

  private async go_on(turn: Turn): Promise<void> {
    const { conversation } = this;
    await this.answers.go_on(conversation, turn);
    this.listed(conversation);
  }

  private switch_by(turn: Turn, by: number): void {
    if (this.actions.is_busy() || !switch_branch(this.conversation, turn, by)) return;
    this.show_all();
    void this.history.put(this.conversation);
  }

  private changed(run: Run): void {
    if (run.conversation !== this.conversation) return;
    if (!this.answers.running(run.conversation) || !this.live) return this.show_all();
    if (this.frame === 0) this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const now = this.answers.running(this.conversation);
      if (now && this.live) this.keep_place(() => this.live!.update(now.draft, performance.now()));
    });
  }

  private show_all(): void {
    this.keep_place(() => this.build());
    this.composer.running(this.actions.is_busy());
    this.show_context();
  }

  private build(): void {
    const { conversation } = this;
    const shown = path(conversation);
    const run = this.answers.running(conversation);
    this.live = null;
    this.last_question = null;
    const views = shown.filter((turn) => turn.role !== "tool").map((turn) => {
      const next = shown[shown.indexOf(turn) + 1];
      const results = next?.role === "tool" ? next : null;
      const context: TurnContext = { branch: branch(conversation, turn), is_last: turn === shown.at(-1), results,
        results_branch: results && branch(conversation, results) };
      if (turn.role === "user") return (this.last_question = new QuestionView(turn, context, this.actions)).el;
      const view = new AnswerView(turn, context, this.actions);
      const is_live = run?.turn === turn;
      view.update(is_live ? run.draft : null, performance.now());
      if (is_live) this.live = view;
      return view.el;
    });
    replace(this.log, views.length > 0 ? views : welcome());
  }

  /** Runs `change`; a view at the end of the text stays at the end. */
  private keep_place(change: () => void): void {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const at_end = scrollHeight - scrollTop - clientHeight < kNearEnd;
    change();
    this.scroller.scrollTop = at_end ? this.scroller.scrollHeight : scrollTop;
  }

  private show_context(): void {
    const last = path(this.conversation).findLast((turn) => turn.stats);
    const used = last?.stats ? last.stats.prompt_tokens + last.stats.completion_tokens : 0;
    this.composer.context(used, this.n_ctx);
  }
}

function welcome(): HTMLElement {
  return h("div", { class: "welcome" }, h("img", { src: "/icon.svg", alt: "", width: "56", height: "56" }),
    h("h1", {}, "What would you like to know?"),
    h("p", { class: "faint" }, "Conversations stay in this browser. Press ? for the keys."));
}
