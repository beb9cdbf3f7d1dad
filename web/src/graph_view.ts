// A causal graph as SVG.

import { s } from "./dom";
import { type CausalEvent, kind_of, type Step, why } from "./episode";
import { attention_path, kLineHeight, kPad, layout_graph, type Layout } from "./graph_layout";

const kLeast = 0.03;  // share of the attention that is worth a line

export interface GraphActions {
  select(name: string): void;
}

export class GraphView {
  readonly el: SVGSVGElement;
  private readonly layout: Layout;
  private readonly nodes = new Map<string, SVGGElement>();
  private readonly edges: { cause: string; effect: string; el: SVGPathElement }[] = [];
  private readonly attention = s("g", { class: "attention" });
  private readonly badges = s("g", { class: "badges" });

  /** `is_same`: what another run beside this one has, too. */
  constructor(private readonly events: CausalEvent[], actions: GraphActions, is_same: (name: string) => boolean) {
    this.layout = layout_graph(events);
    const { width, height } = this.layout;
    this.el = s("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Causal graph" });
    this.el.style.maxWidth = `${width}px`;
    this.el.style.minWidth = `${Math.round(width * 0.7)}px`;
    const goal_way = new Set(events.filter((event) => event.leads_to_goal).map((event) => event.name));
    for (const edge of this.layout.edges) {
      const el = s("path", { class: "edge", d: edge.path, "data-cause": edge.cause, "data-effect": edge.effect });
      if (goal_way.has(edge.cause) && goal_way.has(edge.effect)) el.classList.add("goal-way");
      this.edges.push({ ...edge, el });
    }
    for (const { event, x, y, width: w, height: h, lines } of this.layout.nodes) {
      const el = s("g", { class: `node ${kind_of(event)}`, "data-event": event.name, tabindex: "0", role: "button",
        "aria-label": `${event.name}: ${event.text}`, transform: `translate(${x} ${y})`,
        on: { click: () => actions.select(event.name), keydown: (key: KeyboardEvent) => {
          if (key.key !== "Enter" && key.key !== " ") return;
          key.preventDefault();
          actions.select(event.name);
        } } },
        s("title", {}, event.text),
        s("rect", { width: w, height: h, rx: kind_of(event) === "act" ? 14 : 7 }),
        s("text", { class: "node-name", x: 10, y: kPad + 11 }, event.name),
        s("text", { class: "node-kind", x: w - 10, y: kPad + 11, "text-anchor": "end" }, kind_of(event)),
        lines.map((line, i) => s("text", { class: "node-text", x: 10, y: kPad + 12 + (i + 1) * kLineHeight }, line)));
      if (event.leads_to_goal) el.classList.add("goal-way");
      if (is_same(event.name)) el.classList.add("same");
      this.nodes.set(event.name, el);
    }
    this.el.append(...this.edges.map(({ el }) => el), this.attention, ...this.nodes.values(), this.badges);
  }

  /** Marks an act that did nothing. */
  mark_invalid(name: string): void {
    this.nodes.get(name)?.classList.add("invalid");
  }

  /** Shows the first `n` events. */
  reveal(n: number): void {
    const shown = new Set(this.events.slice(0, n).map((event) => event.name));
    for (const [name, el] of this.nodes) el.classList.toggle("hidden", !shown.has(name));
    for (const { cause, effect, el } of this.edges) el.classList.toggle("hidden", !shown.has(cause) || !shown.has(effect));
  }

  /** Highlights the way back from an event to its first causes; of an act, also what the model attended to. */
  select(name: string | null, step: Step | undefined): void {
    const way = new Set(name === null ? [] : why(this.events, name).map((line) => line.event.name));
    this.el.classList.toggle("has-selection", name !== null);
    for (const [node, el] of this.nodes) {
      el.classList.toggle("on-way", way.has(node));
      el.classList.toggle("selected", node === name);
      el.setAttribute("aria-pressed", String(node === name));
    }
    for (const { cause, effect, el } of this.edges) {
      el.classList.toggle("on-way", way.has(cause) && way.has(effect));
      el.classList.toggle("direct", effect === name);
    }
    this.attention.replaceChildren();
    this.badges.replaceChildren();
    if (step?.attended && step.event === name) this.show_attention(step, step.attended);
  }

  private show_attention(step: Step, attended: Record<string, number>): void {
    const act = this.layout.nodes.find((node) => node.event.name === step.event)!;
    for (const node of this.layout.nodes) {
      const share = attended[node.event.name] ?? 0;
      if (share < kLeast || node === act) continue;
      const is_named = step.named.includes(node.event.name);
      this.attention.append(s("path", { class: is_named ? "attended named" : "attended", d: attention_path(node, act),
        "stroke-width": (1 + 10 * share).toFixed(1), "data-cause": node.event.name }));
      this.badges.append(s("g", { class: "badge", transform: `translate(${node.x + node.width - 38} ${node.y + node.height - 9})` },
        s("rect", { width: 44, height: 17, rx: 8 }), s("text", { x: 22, y: 12.5, "text-anchor": "middle" }, `${Math.round(100 * share)} %`)));
    }
  }
}
