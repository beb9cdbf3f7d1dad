// A causal world that the model has never seen: it acts, names the causes of each act, and answers "what if".

import { get_json, post_json } from "./api";
import { h, icon, icon_button, replace } from "./dom";
import { changeable_facts, type Episode, type Worlds } from "./episode";
import { RunView } from "./run_view";

const kFirst = { domain: "household", depth: 2, seed: 1 };
const kSeeds = 1_000_000;

interface WhatIf {
  fact: string;
  after: number;
}

export class WorldView {
  private readonly domain = h("select", { "aria-label": "Domain" });
  private readonly depth = h("input", { type: "number", min: 1, max: 8, "aria-label": "Depth" });
  private readonly seed = h("input", { type: "number", min: 0, "aria-label": "Seed" });
  private readonly status = h("p", { class: "faint world-status", role: "status" });
  private readonly problem = h("p", { class: "failure", role: "alert", hidden: true });
  private readonly runs = h("div", { class: "runs" });
  private readonly fact = h("input", { list: "facts", "aria-label": "Changed fact", placeholder: "the … is not …", autocomplete: "off" });
  private readonly facts = h("datalist", { id: "facts" });
  private readonly after = h("select", { "aria-label": "After which step" });
  private readonly what_if_bar: HTMLElement;
  private readonly pickers: HTMLElement;
  readonly el: HTMLElement;
  private worlds: Worlds | null = null;
  private episode: Episode | null = null;
  private first: RunView | null = null;
  private second: RunView | null = null;
  private n_asked = 0;

  constructor() {
    const play = () => void this.play();
    this.pickers = h("div", { class: "pickers", hidden: true },
      h("label", {}, "Domain", this.domain), h("label", {}, "Depth", this.depth), h("label", {}, "Seed", this.seed),
      h("button", { type: "button", class: "primary", on: { click: play } }, "Play"),
      h("button", { type: "button", on: { click: () => { this.seed.value = String(Math.floor(Math.random() * kSeeds)); play(); } } },
        icon("dice"), "Another world"));
    for (const box of [this.depth, this.seed, this.fact]) box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") void (box === this.fact ? this.ask_what_if() : this.play());
    });
    this.what_if_bar = h("div", { class: "what-if", hidden: true, role: "group", "aria-label": "What if" },
      h("label", {}, "What if", this.fact), this.facts, h("label", {}, this.after),
      h("button", { type: "button", on: { click: () => void this.ask_what_if() } }, "See"));
    this.el = h("main", { class: "world", "aria-label": "World" }, this.pickers, this.what_if_bar, this.status, this.problem, this.runs,
      h("p", { class: "faint" }, "The world model is an independent implementation of a reported idea, not a part of the released V4."));
  }

  /** Called when the view is shown; `place`: domain, depth, seed of the address. */
  async load(place: string[]): Promise<void> {
    const [domain, depth, seed] = place;
    const is_new = domain !== undefined && (domain !== this.episode?.domain || Number(depth) !== this.episode.depth || Number(seed) !== this.episode.seed);
    if (this.worlds && this.episode && !is_new) return this.keep_address(this.episode);
    try {
      this.worlds = await get_json<Worlds>("/worlds");
    } catch (error) {
      return this.fail((error as Error).message);
    }
    const { available, domains, max_depth, reason } = this.worlds;
    this.pickers.hidden = !available;
    if (!available) return this.fail(reason || "This model plays no worlds.");
    replace(this.domain, domains.map((name) => h("option", { value: name }, name)));
    this.domain.value = domains.includes(domain ?? kFirst.domain) ? domain ?? kFirst.domain : domains[0] ?? "";
    this.depth.max = String(max_depth);
    this.depth.value = depth ?? String(kFirst.depth);
    this.seed.value = seed ?? String(kFirst.seed);
    await this.play();
  }

  private fail(message: string): void {
    this.status.textContent = "";
    this.problem.hidden = false;
    this.problem.textContent = message;
  }

  /** Plays the chosen world; null: it failed, or another was asked for meanwhile. */
  private async request(what_if?: WhatIf): Promise<Episode | null> {
    const number = ++this.n_asked;
    this.problem.hidden = true;
    this.status.textContent = "The model plays …";
    this.el.setAttribute("aria-busy", "true");
    try {
      const place = what_if && this.episode ? this.episode
        : { domain: this.domain.value, depth: Number(this.depth.value), seed: Number(this.seed.value) };
      const { domain, depth, seed } = place;
      const episode = await post_json<Episode>("/worlds/play", { domain, depth, seed, ...(what_if ? { what_if } : {}) });
      if (number !== this.n_asked) return null;
      this.status.textContent = `A ${episode.domain} world, found nowhere in the training data. Click an event to see why.`;
      return episode;
    } catch (error) {
      if (number === this.n_asked) this.fail((error as Error).message);
      return null;
    } finally {
      if (number === this.n_asked) this.el.removeAttribute("aria-busy");
    }
  }

  private async play(): Promise<void> {
    if (!this.depth.validity.valid || !this.seed.validity.valid || this.seed.value === "" || this.depth.value === "") {
      this.fail(`Depth is 1 to ${this.depth.max}, the seed a whole number.`);
      return;
    }
    const episode = await this.request();
    if (!episode) return;
    this.episode = episode;
    this.stop();
    this.keep_address(episode);
    this.first = new RunView(episode, "As it was", { what_if: (fact, after) => void this.ask_what_if({ fact, after }) }, null);
    this.second = null;
    replace(this.facts, changeable_facts(episode).map((fact) => h("option", { value: fact })));
    replace(this.after, h("option", { value: 0 }, "before the first step"),
      episode.steps.map((_, i) => h("option", { value: i + 1 }, `after step ${i + 1}`)));
    this.fact.value = "";
    this.what_if_bar.hidden = false;
    this.show_runs();
    this.first.start();
  }

  private async ask_what_if(what_if: WhatIf = { fact: this.fact.value.trim().replace(/[.?]$/, ""), after: Number(this.after.value) }): Promise<void> {
    const { episode } = this;
    if (!episode || what_if.fact === "") return this.fact.focus();
    this.fact.value = what_if.fact;
    this.after.value = String(what_if.after);
    const changed = await this.request(what_if);
    if (!changed) return;
    this.second?.pause();
    const when = what_if.after === 0 ? "from the start" : `after step ${what_if.after}`;
    this.second = new RunView(changed, `What if ${what_if.fact}, ${when}?`,
      { what_if: (fact, after) => void this.ask_what_if({ fact, after }) }, episode,
      icon_button("close", "Close this run", () => {
        this.second?.pause();
        this.second = null;
        this.show_runs();
      }));
    this.show_runs();
    this.second.start();
    this.second.el.scrollIntoView({ block: "nearest" });
  }

  private keep_address({ domain, depth, seed }: Episode): void {
    if (location.hash.startsWith("#/world")) window.history.replaceState(null, "", `#/world/${domain}/${depth}/${seed}`);
  }

  private stop(): void {
    this.first?.pause();
    this.second?.pause();
  }

  private show_runs(): void {
    this.runs.classList.toggle("two", this.second !== null);
    replace(this.runs, this.first?.el, this.second?.el);
  }
}
