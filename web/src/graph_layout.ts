// Where the events of a causal graph stand. At the left the world: facts above the mechanisms that need them, row by row,
// down to the goal. At the right the story: acts, observations and changes, from top to bottom.

import { type CausalEvent, is_known_before, kind_of } from "./episode";

export interface PlacedNode {
  event: CausalEvent;
  row: number;  // of the world; the story is one column
  x: number;
  y: number;
  width: number;
  height: number;
  lines: string[];
}

export interface PlacedEdge {
  cause: string;
  effect: string;
  path: string;
}

export interface Layout {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

export const kLineHeight = 15, kPad = 9;
const kSizes = { fact: { width: 150, n_chars: 19 }, other: { width: 186, n_chars: 24 } };  // for the font of world.css
const kMaxLines = 5, kMaxInRow = 3;
const kGapX = 22, kGapY = 34, kStoryGapX = 66, kStoryGapY = 15, kMargin = 14, kArc = 26;
const kSweeps = 4;

/** `text` in lines of about `most` characters; what is too long ends in …. */
export function wrap(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  if (lines.length <= kMaxLines) return lines;
  return [...lines.slice(0, kMaxLines - 1), `${lines[kMaxLines - 1]} …`];
}

/** The row of each event of the world: below everything that it needs. */
export function rows_of(events: CausalEvent[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const event of events) {  // causes are told before effects
    if (!is_known_before(event)) continue;
    const above = event.causes.map((cause) => rows.get(cause) ?? 0);
    rows.set(event.name, kind_of(event) === "fact" ? 0 : 1 + Math.max(0, ...above));
  }
  return rows;
}

export function layout_graph(events: CausalEvent[]): Layout {
  const rows = rows_of(events);
  const nodes = events.map((event): PlacedNode => {
    const { width, n_chars } = kind_of(event) === "fact" ? kSizes.fact : kSizes.other;
    const lines = wrap(event.text, n_chars);
    return { event, row: rows.get(event.name) ?? 0, x: 0, y: 0, width, lines, height: 2 * kPad + (1 + lines.length) * kLineHeight };
  });
  const world = nodes.filter((node) => is_known_before(node.event));
  const story = nodes.filter((node) => !world.includes(node));
  const right = place_world(world);
  let y = kMargin;
  for (const node of story) {
    node.x = right + kStoryGapX;
    node.y = y;
    y += node.height + kStoryGapY;
  }
  return { nodes, edges: edges_of(nodes, new Set(story)),
    width: Math.max(0, ...nodes.map((n) => n.x + n.width)) + kMargin + (story.length > 0 ? kArc : 0),
    height: Math.max(0, ...nodes.map((n) => n.y + n.height)) + kMargin };
}

const middle = (node: PlacedNode) => node.x + node.width / 2;

/** Places the rows, each in the order that crosses least, wide ones in several lines; returns the right edge. */
function place_world(world: PlacedNode[]): number {
  const n_rows = 1 + Math.max(0, ...world.map((node) => node.row));
  const rows = Array.from({ length: n_rows }, (_, row) => world.filter((node) => node.row === row));
  let right = place_rows(rows);
  for (let sweep = 0; sweep < kSweeps; sweep += 1) {
    for (const row of rows) {
      const wish = new Map(row.map((node) => {
        const near = world.filter((other) => other.row !== node.row && (sweep % 2 === 0
          ? node.event.causes.includes(other.event.name) : other.event.causes.includes(node.event.name)));
        return [node, near.length > 0 ? near.reduce((sum, other) => sum + middle(other), 0) / near.length : middle(node)];
      }));
      row.sort((a, b) => wish.get(a)! - wish.get(b)!);
      right = place_rows(rows);
    }
  }
  return right;
}

function place_rows(rows: PlacedNode[][]): number {
  const lines = rows.flatMap((row) => Array.from({ length: Math.ceil(row.length / kMaxInRow) }, (_, i) =>
    row.slice(i * kMaxInRow, (i + 1) * kMaxInRow)));
  const width = (line: PlacedNode[]) => line.reduce((sum, node) => sum + node.width + kGapX, -kGapX);
  const widest = Math.max(0, ...lines.map(width));
  let y = kMargin;
  for (const line of lines) {
    let x = kMargin + (widest - width(line)) / 2;
    for (const node of line) {
      node.x = x;
      node.y = y;
      x += node.width + kGapX;
    }
    y += Math.max(...line.map((node) => node.height)) + kGapY;
  }
  return kMargin + widest;
}

interface Ends {
  cause: PlacedNode;
  effect: PlacedNode;
}

/** Edges whose ends are spread along the sides of the nodes, so that they can be told apart. */
function edges_of(nodes: PlacedNode[], story: Set<PlacedNode>): PlacedEdge[] {
  const by_name = new Map(nodes.map((node) => [node.event.name, node]));
  const all = nodes.flatMap((effect) => effect.event.causes.flatMap((name): Ends[] => {
    const cause = by_name.get(name);
    return cause ? [{ cause, effect }] : [];
  }));
  const downward = all.filter(({ effect }) => !story.has(effect));
  const across = all.filter(({ cause, effect }) => story.has(effect) && !story.has(cause));
  const place = (among: Ends[], edge: Ends, end: "cause" | "effect", by: (node: PlacedNode) => number) => {
    const other = end === "cause" ? "effect" : "cause";
    const same = among.filter((e) => e[end] === edge[end]).sort((a, b) => by(a[other]) - by(b[other]));
    return (same.indexOf(edge) + 1) / (same.length + 1);
  };
  return all.map((edge) => {
    const { cause, effect } = edge;
    let path;
    if (downward.includes(edge)) {
      path = curve_down(cause.x + cause.width * place(downward, edge, "cause", middle), cause.y + cause.height,
        effect.x + effect.width * place(downward, edge, "effect", middle), effect.y);
    } else if (across.includes(edge)) {
      path = curve_across(cause.x + cause.width, cause.y + cause.height * place(across, edge, "cause", (n) => n.y),
        effect.x, effect.y + effect.height * place(across, edge, "effect", (n) => n.y));
    } else {
      path = edge_in_story(cause, effect);
    }
    return { cause: cause.event.name, effect: effect.event.name, path };
  });
}

const at = (...numbers: number[]) => numbers.map((n) => n.toFixed(1)).join(" ");

function curve_down(x0: number, y0: number, x1: number, y1: number): string {
  const bend = Math.max(14, (y1 - y0) / 2);
  return `M${at(x0, y0)} C${at(x0, y0 + bend)} ${at(x1, y1 - bend)} ${at(x1, y1)}`;
}

function curve_across(x0: number, y0: number, x1: number, y1: number): string {
  const bend = Math.max(kStoryGapX / 2, (x1 - x0) / 2);
  return `M${at(x0, y0)} C${at(x0 + bend, y0)} ${at(x1 - bend, y1)} ${at(x1, y1)}`;
}

function edge_in_story(cause: PlacedNode, effect: PlacedNode): string {
  if (effect.y - (cause.y + cause.height) <= kStoryGapY + 1) return `M${at(middle(cause), cause.y + cause.height)} L${at(middle(effect), effect.y)}`;
  const x = cause.x + cause.width, y0 = cause.y + cause.height / 2, y1 = effect.y + effect.height / 2;
  return `M${at(x, y0)} C${at(x + kArc, y0)} ${at(x + kArc, y1)} ${at(x, y1)}`;
}

/** From a cause to an act, from side to side: for what the model attended to. */
export function attention_path(cause: PlacedNode, act: PlacedNode): string {
  if (cause.x === act.x) return edge_in_story(cause, act);
  return curve_across(cause.x + cause.width, cause.y + cause.height / 2, act.x, act.y + act.height / 2);
}
