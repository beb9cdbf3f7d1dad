// An episode of a causal world, as `hadal play --json` and POST /worlds/play tell it.

export interface CausalEvent {
  name: string;  // f1 fact, m1 mechanism, g1 goal, a1 act, o1 observation, w1 changed from outside
  id: number;
  text: string;
  causes: string[];
  leads_to_goal: boolean;
}

export interface Step {
  call: string;
  because: string[];
  valid: boolean;
  observation: string;
  event: string;
  observation_event: string;
  named: string[];
  attended?: Record<string, number>;  // share of each event; "outside": of everything else
  why: [string, string][];
}

export interface Change {
  fact: string;
  after: number;
  event: string;
  observation: string;
  goal_holds: boolean;
  goal_in_reach: boolean;
  shortest_plan: number;
}

export interface Episode {
  domain: string;
  depth: number;
  seed: number;
  facts: string[];
  mechanisms: string[];
  goal: string;
  steps: Step[];
  what_if: Change[];
  events: CausalEvent[];
  solved: boolean;
  shortest_plan: number;
  generated_tokens: number;
  tok_s: number;
  literals?: string[];  // what can be true in this world, if the server says so
}

export interface Worlds {
  available: boolean;
  domains: string[];
  max_depth: number;
  reason?: string;
}

export type Kind = "fact" | "mechanism" | "goal" | "act" | "observation" | "change";

const kKinds: Record<string, Kind> = { f: "fact", m: "mechanism", g: "goal", a: "act", o: "observation", w: "change" };

export function kind_of(event: CausalEvent): Kind {
  return kKinds[event.name[0]!] ?? "observation";
}

export function is_known_before(event: CausalEvent): boolean {
  return ["fact", "mechanism", "goal"].includes(kind_of(event));
}

export interface WhyLine {
  event: CausalEvent;
  depth: number;
  seen_before: boolean;  // its causes were told above
}

/** The causes of an event, and theirs, back to what has none; the event itself first. */
export function why(events: CausalEvent[], name: string): WhyLine[] {
  const by_name = new Map(events.map((event) => [event.name, event]));
  const told = new Set<string>();
  const lines: WhyLine[] = [];
  const tell = (event: CausalEvent, depth: number) => {
    const seen_before = told.has(event.name) && event.causes.length > 0;
    lines.push({ event, depth, seen_before });
    if (told.has(event.name)) return;
    told.add(event.name);
    for (const cause of event.causes) {
      const found = by_name.get(cause);
      if (found) tell(found, depth + 1);
    }
  };
  const first = by_name.get(name);
  if (first) tell(first, 0);
  return lines;
}

/** The step of an act or of its observation. */
export function step_of(episode: Episode, name: string): Step | undefined {
  return episode.steps.find((step) => step.event === name || step.observation_event === name);
}

/** "the jar is open." as "the jar is not open"; null: no such sentence. */
export function negated(text: string): string | null {
  const sentence = text.replace(/\.$/, "");
  const parts = /^((?:(?! is ).)+ is )(not )?([\w-]+)$/.exec(sentence);
  return parts ? `${parts[1]}${parts[2] ? "" : "not "}${parts[3]}` : null;
}

/** Facts that may be asked about: what the server lists, else the opposite of what was true. */
export function changeable_facts(episode: Episode): string[] {
  if (episode.literals) return episode.literals;
  const seen = episode.steps.filter((step) => step.valid).map((step) => step.observation);
  const opposites = [...episode.facts, ...seen].map(negated);
  return [...new Set(opposites.filter((fact) => fact !== null))];
}

/** "Solved in 3 steps (shortest plan: 3)." */
export function ending(episode: Episode): string {
  const change = episode.what_if.at(-1);
  const n_steps = episode.steps.length - (change?.after ?? 0);
  const shortest = change ? change.shortest_plan : episode.shortest_plan;
  if (change?.goal_holds) return "The goal holds all the same: there is nothing to do.";
  const reach = change && !change.goal_in_reach ? "no plan reaches the goal" : `shortest plan: ${shortest}`;
  return `${episode.solved ? "Solved" : "Not solved"} in ${n_steps} step${n_steps === 1 ? "" : "s"}${
    change ? " from the change on" : ""} (${reach}).`;
}
