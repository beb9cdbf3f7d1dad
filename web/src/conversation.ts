// A conversation is a tree of turns: an edited question or a second answer is a sibling of the first.

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;  // as the server sent it, so that it goes back unchanged
}

export interface ToolResult {
  tool_call_id: string;
  content: string;
}

export interface AnswerStats {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
  ttft_ms: number;
  thinking_ms: number;
  tok_s: number;
  n_drafted?: number;
  n_accepted?: number;
}

export interface Turn {
  id: string;
  parent: string | null;
  role: "user" | "assistant" | "tool";
  content: string;
  created: number;
  reasoning?: string;        // assistant
  tool_calls?: ToolCall[];   // assistant
  results?: ToolResult[];    // tool: one for each call of the parent
  stats?: AnswerStats;       // assistant, once ended
  finish?: string;           // assistant: stop, length, tool_calls, stopped (by the user), error
  error?: string;
  warning?: string;          // assistant: why the server ended it early
  changed?: number;          // assistant: when it was written last; absent: when it was created
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  turns: Turn[];                   // in order of creation
  chosen: Record<string, string>;  // parent ("" for the root) -> child that is shown
}

export function new_id(): string {
  const random = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(random, (byte) => byte.toString(36).padStart(2, "0")).join("");
}

export function new_conversation(now: number): Conversation {
  return { id: new_id(), title: "New chat", created: now, updated: now, turns: [], chosen: {} };
}

export function children(c: Conversation, parent: string | null): Turn[] {
  return c.turns.filter((turn) => turn.parent === parent);
}

/** The turns that are shown, from the first question on. */
export function path(c: Conversation): Turn[] {
  const shown: Turn[] = [];
  for (let parent: string | null = null; ; ) {
    const next: Turn[] = children(c, parent);
    const turn = next.find((t) => t.id === c.chosen[parent ?? ""]) ?? next.at(-1);
    if (!turn || shown.includes(turn)) return shown;
    shown.push(turn);
    parent = turn.id;
  }
}

/** Adds a turn behind `parent` and shows it. */
export function add_turn(
  c: Conversation, parent: string | null, turn: Omit<Turn, "id" | "parent" | "created">, now: number,
): Turn {
  const added: Turn = { id: new_id(), parent, created: now, ...turn };
  c.turns.push(added);
  c.chosen[parent ?? ""] = added.id;
  c.updated = now;
  return added;
}

/** Whether the calls of an answer are whole: only then they can be carried out, and sent back. */
export function has_calls(turn: Turn): boolean {
  return turn.finish === "tool_calls" && Boolean(turn.tool_calls?.length);
}

/** Whether an answer ended before its end, so that the server can go on with it. */
export function can_go_on(turn: Turn): boolean {
  return turn.role === "assistant" && !turn.tool_calls?.length && Boolean(turn.content || turn.reasoning) &&
    ["stopped", "length", "error", undefined].includes(turn.finish);
}

/** Adds what another tab wrote. Of a turn that both have, the one that was written last stays; turns are never deleted. */
export function unite(c: Conversation, other: Conversation): void {
  const ours = new Map(c.turns.map((turn) => [turn.id, turn]));
  const written = (turn: Turn) => turn.changed ?? turn.created;
  const both = other.turns.map((theirs) => {
    const turn = ours.get(theirs.id);
    if (!turn) return theirs;
    ours.delete(theirs.id);
    if (written(theirs) > written(turn)) {
      for (const key of Object.keys(turn) as (keyof Turn)[]) delete turn[key];
      Object.assign(turn, theirs);  // the same object: a view may show it
    }
    return turn;
  });
  c.turns = [...both, ...ours.values()];  // parents come first in both
  c.chosen = { ...other.chosen, ...c.chosen };
}

/** Which of its siblings `turn` is: {index: 1, n: 3} is the second of three. */
export function branch(c: Conversation, turn: Turn): { index: number; n: number } {
  const siblings = children(c, turn.parent);
  return { index: siblings.indexOf(turn), n: siblings.length };
}

/** Shows the sibling `by` places further; false at the ends. */
export function switch_branch(c: Conversation, turn: Turn, by: number): boolean {
  const siblings = children(c, turn.parent);
  const next = siblings[siblings.indexOf(turn) + by];
  if (!next) return false;
  c.chosen[turn.parent ?? ""] = next.id;
  return true;
}

export function title_of(text: string): string {
  const line = text.trim().split("\n", 1)[0]!.replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 59)}…` : line || "New chat";
}

const is_text = (value: unknown): value is string => typeof value === "string";

function texts<K extends string>(value: unknown, keys: K[]): Record<K, string>[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.map((item) =>
    Object.fromEntries(keys.map((key) => [key, String(item?.[key] ?? "")])) as Record<K, string>);
}

function read_turn(turn: Turn): Turn {
  const { id, parent, role, content, stats } = turn;
  const read: Turn = { id, parent, role, content, created: Number(turn.created) || 0 };
  if (turn.changed) read.changed = Number(turn.changed) || 0;
  for (const key of ["reasoning", "finish", "error", "warning"] as const) if (is_text(turn[key])) read[key] = turn[key];
  read.tool_calls = texts(turn.tool_calls, ["id", "name", "arguments"]);
  read.results = texts(turn.results, ["tool_call_id", "content"]);
  if (stats && Object.values(stats).every((value) => typeof value === "number")) read.stats = stats;
  return read;
}

/** Reads what a file claims to be a conversation; null: it is none. */
export function read_conversation(value: unknown): Conversation | null {
  const c = value as Partial<Conversation> | null;
  if (!c || typeof c !== "object" || !is_text(c.id) || !is_text(c.title) || !Array.isArray(c.turns)) return null;
  const known = new Set<string>();
  for (const turn of c.turns) {
    if (!turn || !is_text(turn.id) || !is_text(turn.content) || known.has(turn.id)) return null;
    if (!["user", "assistant", "tool"].includes(turn.role)) return null;
    if (turn.parent !== null && !known.has(turn.parent)) return null;  // parents come first: no cycles
    known.add(turn.id);
  }
  const chosen: Record<string, string> = {};
  for (const [parent, child] of Object.entries(c.chosen ?? {})) if (is_text(child)) chosen[parent] = child;
  const created = Number(c.created) || 0;
  return { id: c.id, title: c.title, created, updated: Number(c.updated) || created,
    turns: c.turns.map(read_turn), chosen };
}
