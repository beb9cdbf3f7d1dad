// One run of an episode: its graph that grows, its text, and why an event came to be.

import { type Child, h, icon_button, is_reduced_motion, replace } from "./dom";
import { type CausalEvent, ending, type Episode, is_known_before, kind_of, negated, step_of, why, type Kind } from "./episode";
import * as format from "./format";
import { GraphView } from "./graph_view";

const kKnownPause = 160, kStoryPause = 700;  // ms between events
const kWorthShowing = 0.05;                  // of the attention; what was named is always shown

export interface RunActions {
  what_if(fact: string, after: number): void;
}

const kSections: [string, Kind[]][] = [
  ["True at the start", ["fact"]],
  ["What can be done, and what follows by itself", ["mechanism"]],
  ["Goal", ["goal"]],
  ["What happened", ["act", "observation", "change"]],
];

export class RunView {
  readonly el: HTMLElement;
  private readonly graph: GraphView;
  private readonly play_button: HTMLButtonElement;
  private readonly slider: HTMLInputElement;
  private readonly place = h("span", { class: "faint place" });
  private readonly why_box = h("section", { class: "why", "aria-label": "Why", hidden: true, tabindex: "-1" });
  private readonly result = h("p", { class: "result", role: "status" });
  private readonly told = new Map<string, HTMLElement>();
  private selected: string | null = null;
  private n_shown: number;
  private timer = 0;

  /** `before`: the run that this one is compared with; its steps up to the change are the same. */
  constructor(private readonly episode: Episode, title: string, private readonly actions: RunActions, before: Episode | null, extra: Child = null) {
    const { events } = episode;
    const changed_at = events.findIndex((event) => kind_of(event) === "change");
    const is_same = (name: string) => before !== null && events.findIndex((event) => event.name === name) < changed_at;
    this.graph = new GraphView(events, { select: (name) => this.select(name) }, is_same);
    for (const step of episode.steps) if (!step.valid) this.graph.mark_invalid(step.event);
    this.play_button = icon_button("play", "Play", () => this.toggle());
    this.slider = h("input", { type: "range", min: 0, max: events.length, "aria-label": "Events shown",
      on: { input: () => { this.pause(); this.reveal(Number(this.slider.value)); } } });
    this.el = h("section", { class: "run", "aria-label": title, on: { keydown: (event: KeyboardEvent) => this.key(event) } },
      h("header", { class: "run-head" }, h("h2", {}, title), extra),
      h("div", { class: "player", role: "group", "aria-label": "Player" },
        icon_button("first", "From the start", () => { this.pause(); this.reveal(0); this.play(); }),
        icon_button("left", "One event back", () => this.step(-1)), this.play_button,
        icon_button("right", "One event on", () => this.step(1)), this.slider, this.place),
      h("div", { class: "run-body" }, h("div", { class: "graph-scroll" }, this.graph.el),
        h("div", { class: "run-side" }, this.why_box, this.text())),
      this.result);
    const first = before ? changed_at : 0;
    this.n_shown = is_reduced_motion() ? events.length : Math.max(first, 0);
    this.reveal(this.n_shown);
  }

  start(): void {
    if (this.n_shown < this.episode.events.length) this.play();
  }

  pause(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    this.show_play();
  }

  private play(): void {
    const { events } = this.episode;
    if (this.n_shown >= events.length) this.reveal(0);
    const next = () => {
      this.reveal(this.n_shown + 1);
      if (this.n_shown >= events.length) return this.pause();
      this.timer = window.setTimeout(next, is_known_before(events[this.n_shown]!) ? kKnownPause : kStoryPause);
    };
    this.timer = window.setTimeout(next, kKnownPause);
    this.show_play();
  }

  private toggle(): void {
    if (this.timer) this.pause();
    else this.play();
  }

  private step(by: number): void {
    this.pause();
    this.reveal(this.n_shown + by);
  }

  private show_play(): void {
    const label = this.timer ? "Pause" : "Play";
    this.play_button.replaceChildren(...icon_button(this.timer ? "pause" : "play", label, () => {}).childNodes);
    this.play_button.setAttribute("aria-label", label);
    this.play_button.title = label;
  }

  private key(event: KeyboardEvent): void {
    if (event.target instanceof HTMLInputElement || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
    event.preventDefault();
    this.step(event.key === "ArrowLeft" ? -1 : 1);
  }

  private reveal(n: number): void {
    const { events } = this.episode;
    this.n_shown = Math.min(Math.max(n, 0), events.length);
    this.graph.reveal(this.n_shown);
    events.forEach(({ name }, i) => { this.told.get(name)!.hidden = i >= this.n_shown; });
    this.slider.value = String(this.n_shown);
    this.place.textContent = `${this.n_shown} / ${events.length}`;
    const is_over = this.n_shown === events.length;
    this.result.textContent = is_over ? ending(this.episode) : "";
    this.result.classList.toggle("solved", is_over && this.episode.solved);
    if (this.selected && !events.slice(0, this.n_shown).some(({ name }) => name === this.selected)) this.select(this.selected);
  }

  private text(): HTMLElement {
    return h("div", { class: "world-text" }, kSections.map(([title, kinds]) => {
      const events = this.episode.events.filter((event) => kinds.includes(kind_of(event)));
      return events.length > 0 && h("section", {}, h("h3", {}, title), h("ul", {}, events.map((event) => this.line(event))));
    }));
  }

  private line(event: CausalEvent): HTMLElement {
    const item = h("li", {}, h("button", { type: "button", class: `event-line ${kind_of(event)}`, "data-told": event.name,
      on: { click: () => this.select(event.name) } }, h("b", {}, event.name), h("span", {}, event.text)));
    this.told.set(event.name, item);
    return item;
  }

  /** Shows why `name` came to be; once more: shows nothing. */
  private select(name: string): void {
    this.selected = this.selected === name ? null : name;
    const step = this.selected ? step_of(this.episode, this.selected) : undefined;
    this.graph.select(this.selected, step);
    for (const [told, item] of this.told) item.classList.toggle("selected", told === this.selected);
    this.why_box.hidden = this.selected === null;
    if (this.selected === null) return;
    this.pause();
    const [first, ...causes] = why(this.episode.events, this.selected);
    replace(this.why_box,
      h("header", {}, h("h3", {}, `Why ${first!.event.name}?`), icon_button("close", "Close", () => this.select(name))),
      h("p", {}, first!.event.text), this.what_if_button(first!.event),
      step && step.event === this.selected && this.attended(step.named, step.attended),
      causes.length === 0 && h("p", { class: "faint" }, note_of(first!.event)),
      h("ul", { class: "why-lines" }, causes.map(({ event, depth, seen_before }) => {
        const line = h("li", {}, h("b", {}, event.name), " ", event.text, " ",
          h("span", { class: "faint" }, seen_before ? "(as above)" : event.causes.length === 0 ? `(${note_of(event)})` : ""));
        line.style.paddingInlineStart = `${(depth - 1) * 0.9}em`;
        return line;
      })));
  }

  private attended(named: string[], attended: Record<string, number> | undefined): HTMLElement | null {
    if (!attended) return null;
    const share = (name: string) => attended[name] ?? 0;
    const shown = this.episode.events.filter(({ name }) => named.includes(name) || share(name) >= kWorthShowing)
      .sort((a, b) => share(b.name) - share(a.name));
    const rest = 1 - shown.reduce((sum, { name }) => sum + share(name), 0);
    const bar = (of: number) => {
      const el = h("i", { class: "share" });
      el.style.width = `${Math.round(100 * of)}%`;
      return h("span", { class: "share-room" }, el);
    };
    return h("table", { class: "attended-table" },
      h("thead", {}, h("tr", {}, h("th", {}, "cause"), h("th", {}, "named"), h("th", { colspan: 2 }, "attended to"))),
      h("tbody", {}, shown.map(({ name, text }) => h("tr", {}, h("td", { title: text }, name), h("td", {}, named.includes(name) ? "yes" : "–"),
        h("td", {}, bar(share(name))), h("td", {}, format.percent(share(name))))),
        h("tr", { class: "faint" }, h("td", { colspan: 2 }, "other"), h("td", {}, bar(rest)), h("td", {}, format.percent(Math.max(rest, 0))))));
  }

  private what_if_button(event: CausalEvent): HTMLElement | null {
    const kind = kind_of(event);
    const step = this.episode.steps.findIndex((s) => s.observation_event === event.name && s.valid);
    const fact = kind === "fact" || step >= 0 ? negated(event.text) : null;
    if (fact === null) return null;
    return h("button", { type: "button", class: "quiet what-if-not",
      on: { click: () => this.actions.what_if(fact, step + 1) } }, `What if ${fact}?`);
  }
}

function note_of(event: CausalEvent): string {
  switch (kind_of(event)) {
    case "fact": return "true at the start";
    case "change": return "changed from outside";
    case "act": return "named no cause";
    default: return "no cause";
  }
}
