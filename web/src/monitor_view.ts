// The server at work: slots, queue, memory, prefix cache, expert load.

import { ApiFailure, get_json } from "./api";
import { type Child, h, replace } from "./dom";
import * as format from "./format";
import { HeatMap } from "./heat_map";
import { type Monitor, RateHistory, type Slot } from "./monitor";
import { on_settings, settings } from "./settings";
import { sparkline } from "./sparkline";

const kPollEvery = 1000;  // ms
const kPlaces = 120;

function panel(title: string, kind: string, ...children: Child[]): HTMLElement {
  return h("section", { class: `panel ${kind}`, "aria-label": title }, h("h2", {}, title), children);
}

function figure(name: string, value: string): HTMLElement {
  return h("div", { class: "figure" }, h("dt", {}, name), h("dd", {}, value));
}

/** A bar of parts of `whole`; parts have a class each. */
function parts_bar(label: string, whole: number, parts: [string, number][]): HTMLElement {
  const sum = parts.reduce((total, [, value]) => total + value, 0);
  const bar = h("div", { class: "bar", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": whole, "aria-valuenow": sum });
  for (const [kind, value] of parts) {
    const part = h("div", { class: kind });
    part.style.width = `${whole > 0 ? Math.min(100, (100 * value) / whole) : 0}%`;
    bar.append(part);
  }
  return bar;
}

function slot_row(slot: Slot): HTMLElement {
  const is_prefill = slot.busy && slot.n_prompt_done < slot.n_prompt;
  const doing = !slot.busy ? "free" : is_prefill
    ? `reading ${slot.n_prompt_done} of ${slot.n_prompt}` : `writing ${slot.n_decoded} of ${slot.max_tokens}`;
  const bar = is_prefill ? parts_bar("Prompt read", slot.n_prompt, [["bar-cached", slot.n_prompt_done]])
    : parts_bar("Tokens written", slot.max_tokens, [["bar-done", slot.busy ? slot.n_decoded : 0]]);
  return h("li", { class: slot.busy ? "slot busy" : "slot" }, h("span", { class: "slot-id" }, slot.id),
    h("span", { class: "slot-doing" }, doing, slot.busy && slot.client ? h("span", { class: "faint" }, ` · ${slot.client}`) : null), bar);
}

function key(kind: string, name: string, value: string): HTMLElement {
  return h("span", { class: "key" }, h("i", { class: kind }), name, " ", h("b", {}, value));
}

function counts(record: Record<string, number>): string {
  return Object.entries(record).map(([name, n]) => `${name} ${format.count(n)}`).join(" · ") || "none";
}

export class MonitorView {
  private readonly problem = h("p", { class: "failure", role: "alert", hidden: true });
  private readonly head = h("div", { class: "monitor-head" });
  private readonly grid = h("div", { class: "panels" });
  private readonly heat_map = new HeatMap();
  private readonly experts = panel("Experts", "wide experts", this.heat_map.el);
  readonly el = h("main", { class: "monitor", "aria-label": "Monitor" }, this.problem, this.head, this.grid, this.experts);
  private readonly rates = new RateHistory();
  private is_visible = false;
  private timer = 0;
  private n_loops = 0;  // of polling, that were begun: only the last one goes on

  constructor() {
    this.experts.hidden = true;
    document.addEventListener("visibilitychange", () => this.restart());
    let key = settings().api_key;
    on_settings(({ api_key }) => {
      if (api_key !== key) this.restart();
      key = api_key;
    });
  }

  visible(is_visible: boolean): void {
    if (is_visible === this.is_visible) return;
    this.is_visible = is_visible;
    this.restart();
  }

  private restart(): void {
    clearTimeout(this.timer);
    this.n_loops += 1;
    if (this.is_visible && !document.hidden) void this.poll(this.n_loops);
    else this.rates.pause();
  }

  private async poll(loop: number): Promise<void> {
    try {
      const monitor = await get_json<Monitor>("/monitor");
      if (loop !== this.n_loops) return;
      this.show(monitor);
      this.problem.hidden = true;
    } catch (error) {
      if (loop !== this.n_loops) return;
      this.problem.hidden = false;
      this.problem.textContent = (error as Error).message;
      if (error instanceof ApiFailure && error.status === 401) return;  // until there is another key
    }
    this.timer = window.setTimeout(() => void this.poll(loop), kPollEvery);
  }

  private show(m: Monitor): void {
    this.rates.take(m, performance.now());
    replace(this.head, h("h1", {}, m.model),
      h("span", { class: "faint" }, `up ${format.uptime(m.uptime_seconds)} · context ${format.count(m.context)} tokens`));
    replace(this.grid, this.speed(m), this.slots(m), this.memory(m), this.prefix(m), this.totals(m));
    this.experts.hidden = m.experts === null || m.experts.layers.length === 0;
    if (m.experts && !this.experts.hidden) this.heat_map.show(m.experts.layers);
  }

  private speed(m: Monitor): HTMLElement {
    const { samples } = this.rates, now = samples.at(-1);
    const line = (name: string, value: string, values: number[]) => h("div", { class: "speed" },
      h("div", { class: "big" }, value), h("div", { class: "faint" }, name), sparkline(values, kPlaces, `${name}, the last two minutes`));
    const { totals } = m;
    const mean = totals.decode_seconds > 0 ? totals.decoded_tokens / totals.decode_seconds : 0;
    return panel("Speed", "wide speeds",
      line("tokens/s written", format.rate(now?.decode_tok_s ?? 0), samples.map((r) => r.decode_tok_s)),
      line("tokens/s read", format.rate(now?.prompt_tok_s ?? 0), samples.map((r) => r.prompt_tok_s)),
      line("of the time computing", format.percent(now?.busy ?? 0), samples.map((r) => r.busy)),
      h("p", { class: "faint" }, `Since the start: ${format.rate(mean)} tokens/s while writing`));
  }

  private slots(m: Monitor): HTMLElement {
    const n_busy = m.slots.filter((slot) => slot.busy).length;
    return panel("Slots", "", h("p", { class: "faint" }, `${n_busy} of ${m.slots.length} busy, ${m.queue} waiting`),
      h("ul", { class: "slots" }, m.slots.map(slot_row)));
  }

  private memory(m: Monitor): HTMLElement {
    const { state, disk } = m;
    return panel("Memory", "",
      h("p", {}, "Conversations and prefixes ", h("b", {}, format.bytes(state.page_bytes + state.snapshot_bytes)),
        h("span", { class: "faint" }, ` of ${format.bytes(state.limit_bytes)}`)),
      parts_bar("State memory", state.limit_bytes, [["bar-done", state.page_bytes], ["bar-cached", state.snapshot_bytes]]),
      h("p", { class: "keys-line" }, key("bar-done", "running", format.bytes(state.page_bytes)),
        key("bar-cached", `${format.plural(state.n_snapshots, "snapshot")}`, format.bytes(state.snapshot_bytes))),
      disk && [h("p", {}, "Disk ", h("b", {}, format.bytes(disk.bytes)), h("span", { class: "faint" }, ` of ${format.bytes(disk.limit_bytes)}`)),
        parts_bar("Disk", disk.limit_bytes, [["bar-cached", disk.bytes]])],
      h("dl", { class: "facts" }, figure("Process", format.bytes(m.process.rss_bytes)), figure("Evicted", format.count(state.n_evicted)),
        disk && figure("On disk", format.plural(disk.n_snapshots, "snapshot"))));
  }

  private prefix(m: Monitor): HTMLElement {
    const { restored_tokens, repeated_tokens, new_tokens, misses } = m.prefix;
    const whole = restored_tokens + repeated_tokens + new_tokens;
    const share = (n: number) => (whole > 0 ? format.percent(n / whole) : "–");
    return panel("Prefix cache", "",
      h("p", {}, "Of the prompt tokens, ", h("b", {}, share(restored_tokens)), " were not computed again"),
      parts_bar("Prefix cache", whole, [["bar-cached", restored_tokens], ["bar-again", repeated_tokens], ["bar-done", new_tokens]]),
      h("p", { class: "keys-line" }, key("bar-cached", "restored", format.count(restored_tokens)),
        key("bar-again", "computed again", format.count(repeated_tokens)), key("bar-done", "new", format.count(new_tokens))),
      h("dl", { class: "facts" }, figure("Misses", counts(misses))));
  }

  private totals(m: Monitor): HTMLElement {
    const { totals } = m;
    return panel("Since the start", "", h("dl", { class: "facts" },
      figure("Requests", counts(totals.requests)),
      figure("Prompt tokens", format.count(totals.prompt_tokens)), figure("Written tokens", format.count(totals.decoded_tokens)),
      figure("Passes", format.count(totals.passes)), figure("Preemptions", format.count(totals.preemptions)),
      figure("Reading", format.seconds(1000 * totals.prefill_seconds)), figure("Writing", format.seconds(1000 * totals.decode_seconds))));
  }
}
