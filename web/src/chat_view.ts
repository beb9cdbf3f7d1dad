// The conversation on the screen.

import { get_json } from "./api";
import { Answers, type Run } from "./answers";
import { Composer } from "./composer";
import {
  type Conversation, type Turn, add_turn, branch, new_conversation, path, switch_branch, title_of,
} from "./conversation";
import { arrange, h } from "./dom";
import { type History, kFresh } from "./history";
import { AnswerView, QuestionView, type TurnActions, type TurnContext, type TurnView } from "./turn_view";

const kNearEnd = 80;  // pixels: who reads at the end stays at the end
const kRest = 5;      // times what drawing a growing answer took, until it is drawn again: a long one must not fill the time

export class ChatView {
  readonly el: HTMLElement;
  // Not live: text that grows would be read aloud from its start again and again. `told` says what happens.
  private readonly log = h("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Conversation" });
  private readonly told = h("p", { class: "off-screen", role: "status", "aria-label": "State of the answer" });
  private readonly scroller = h("div", { class: "scroller", tabindex: "-1" }, this.log);
  private readonly composer: Composer;
  private readonly answers: Answers;
  private readonly actions: TurnActions;
  private conversation = new_conversation(Date.now());
  private views = new Map<string, TurnView>();  // by turn
  private live: { view: TurnView; context: TurnContext } | null = null;
  private last_question: QuestionView | null = null;
  private not_saved = "";
  private n_ctx = 0;
  private looks_again = 0;
  private timer = 0;
  private rests_until = 0;
  private place: number | null = null;  // where the text stood when another view was shown; null: at its end

  /** `listed` is called when a conversation is new or has another place in the list. */
  constructor(private readonly history: History, private readonly listed: (c: Conversation) => void) {
    this.answers = new Answers(history, (run) => this.changed(run));
    this.composer = new Composer({
      send: (text) => this.send(text),
      stop: () => this.stop(),
      edit_last: () => this.last_question?.edit(),
    });
    this.actions = {
      edit: (turn, text) => this.add(turn.parent, { role: "user", content: text }),
      again: (turn) => this.again(turn),
      go_on: (turn) => void this.go_on(turn),
      switch_by: (turn, by) => this.switch_by(turn, by),
      send_results: (answer, results) => this.add(answer.id, { role: "tool", content: "", results }),
      is_busy: () => this.answers.running(this.conversation) !== undefined,
    };
    this.el = h("main", { class: "chat", "aria-label": "Chat" }, this.scroller, this.told, this.composer.el);
    this.show_all();
  }

  get id(): string {
    return this.conversation.id;
  }

  get is_empty(): boolean {
    return this.conversation.turns.length === 0;
  }

  /** Another view will be shown: the browser forgets how far the text is scrolled. */
  leave(): void {
    this.place = this.is_at_end() ? null : this.scroller.scrollTop;
  }

  enter(): void {
    this.scroller.scrollTop = this.place ?? this.scroller.scrollHeight;
  }

  /** Shows a stored conversation; an unknown id shows a new one. */
  async open(id: string | null): Promise<void> {
    if (id === this.conversation.id) return;
    const found = id === null ? null : await this.history.get(id);
    if (!found && id === null && this.is_empty) return;
    this.conversation = found ?? new_conversation(Date.now());
    this.told.textContent = "";
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
    clearTimeout(this.looks_again);
    this.looks_again = window.setTimeout(() => this.show_all(), kFresh + 100);  // it may have been closed in the middle
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

  private send(text: string): void {
    if (this.is_empty) this.conversation.title = title_of(text);
    this.add(path(this.conversation).at(-1)?.id ?? null, { role: "user", content: text });
  }

  private add(parent: string | null, turn: Omit<Turn, "id" | "parent" | "created">): void {
    if (!this.actions.is_busy()) void this.ask(add_turn(this.conversation, parent, turn, Date.now()));
  }

  private async ask(question: Turn): Promise<void> {
    const { conversation } = this;
    const ended = this.answers.ask(conversation, question);  // it saves the question, too
    this.listed(conversation);
    await ended;
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
    const is_running = this.answers.running(run.conversation) !== undefined;
    if (!is_running || !this.live) {
      this.told.textContent = is_running ? "Writing an answer" : how_it_ended(run.turn);
      return this.show_all();
    }
    if (this.timer !== 0) return;
    this.timer = window.setTimeout(() => requestAnimationFrame(() => {
      this.timer = 0;
      this.show_live();
    }), this.rests_until - performance.now());
  }

  private show_live(): void {
    const run = this.answers.running(this.conversation);
    if (!run || !this.live) return;
    const { view, context } = this.live, began = performance.now();
    this.keep_place(() => view.update(context, run.draft, began));
    this.show_context();
    this.rests_until = performance.now() + kRest * (performance.now() - began);
  }

  private show_all(): void {
    this.keep_place(() => this.keep_focus(() => this.build()));
    this.composer.running(this.actions.is_busy());
    this.show_context();
  }

  private build(): void {
    const { conversation, views } = this;
    const shown = path(conversation);
    const run = this.answers.running(conversation);
    this.views = new Map();
    this.live = null;
    this.last_question = null;
    for (const [i, turn] of shown.entries()) {
      if (turn.role === "tool") continue;
      const results = shown[i + 1]?.role === "tool" ? shown[i + 1]! : null;
      const context: TurnContext = { branch: branch(conversation, turn), is_last: i + 1 === shown.length, results,
        results_branch: results && branch(conversation, results), is_elsewhere: this.history.is_written_elsewhere(turn) };
      const known = views.get(turn.id);
      const view = known?.turn === turn ? known
        : turn.role === "user" ? new QuestionView(turn, this.actions) : new AnswerView(turn, this.actions);
      const is_live = run?.turn === turn;
      view.update(context, is_live ? run.draft : null, performance.now());
      this.views.set(turn.id, view);
      if (is_live) this.live = { view, context };
      if (view instanceof QuestionView) this.last_question = view;
    }
    arrange(this.log, shown.length > 0 ? Array.from(this.views.values(), ({ el }) => el) : [welcome()]);
  }

  private is_at_end(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < kNearEnd;
  }

  /** Runs `change`; a view at the end of the text stays at the end. */
  private keep_place(change: () => void): void {
    const { scrollTop } = this.scroller, is_at_end = this.is_at_end();
    change();
    this.scroller.scrollTop = is_at_end ? this.scroller.scrollHeight : scrollTop;
  }

  /** Runs `change`; where it replaces the button that has the focus, the one that stands there now has it. */
  private keep_focus(change: () => void): void {
    const had = document.activeElement as HTMLElement;
    const place = Array.from(this.log.children).findIndex((el) => el.contains(had));
    change();
    if (place < 0 || this.log.contains(document.activeElement)) return;
    const buttons = Array.from(this.log.children[place]?.querySelectorAll<HTMLButtonElement>("button:enabled") ?? []);
    const same = buttons.find((button) => button.ariaLabel === had.ariaLabel) ??
      (had.closest(".branch") ? buttons.find((button) => button.closest(".branch")) : null);
    (same ?? this.scroller).focus({ preventScroll: true });
  }

  private show_context(): void {
    const run = this.answers.running(this.conversation);
    let used = 0;
    for (const turn of path(this.conversation)) {
      const stats = run?.turn === turn ? run.draft.stats() : turn.stats;
      // A prompt that was wholly in the cache is not counted before the answer ends: then what came before it.
      if (stats) used = (stats.prompt_tokens || used) + stats.completion_tokens;
    }
    this.composer.context(used, this.n_ctx);
  }
}

function how_it_ended(turn: Turn): string {
  if (turn.error) return "";  // an alert says it
  if (turn.finish === "stopped" || turn.finish === "length") return `The answer is ${turn.finish === "stopped" ? "stopped" : "cut"}`;
  return turn.tool_calls?.length ? "The answer calls a tool" : "The answer is complete";
}

function welcome(): HTMLElement {
  return h("div", { class: "welcome" }, h("img", { src: "/icon.svg", alt: "", width: "56", height: "56" }),
    h("h1", {}, "What would you like to know?"),
    h("p", { class: "faint" }, "Conversations stay in this browser. Press ? for the keys."));
}
