// Markdown as models write it, read into plain data: a useful part of CommonMark, not all of it.
// What it does not know stays text. markdown_view.ts shows the data.

export type Span =
  | { kind: "text" | "code"; text: string }
  | { kind: "break" }
  | { kind: "strong" | "em" | "del"; spans: Span[] }
  | { kind: "link"; href: string; spans: Span[] };

export type Block =
  | { kind: "paragraph"; spans: Span[] }
  | { kind: "heading"; level: number; spans: Span[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; start: number | null; items: Block[][] }  // null: bullets
  | { kind: "table"; rows: Span[][][] }  // the first row is the head
  | { kind: "rule" };

const kMaxDepth = 12;         // of quotes and lists: deeper ones stay text
const kLongText = 20_000;     // characters of one paragraph that are searched for emphasis

const kFence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const kHeading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const kRule = /^ {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( {0,3})([-*+]|(\d{1,9})[.)])( +|$)/;
const kTableRule = /^ *\|?( *:?-+:? *\|)+( *:?-+:? *)?$/;

export function parse_markdown(text: string): Block[] {
  return blocks_of(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0);
}

function blocks_of(lines: string[], depth: number): Block[] {
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; ) {
    if (lines[i]!.trim() === "") {
      i += 1;
      continue;
    }
    const [block, n_lines] = block_at(lines, i, depth);
    blocks.push(block);
    i += n_lines;
  }
  return blocks;
}

/** The block that begins at line `i`, and how many lines it has (at least one). */
function block_at(lines: string[], i: number, depth: number): [Block, number] {
  const line = lines[i]!;
  const fence = kFence.exec(line);
  if (fence) return code_at(lines, i, fence[1]!, fence[2]!.trim());
  const heading = kHeading.exec(line);
  if (heading) return [{ kind: "heading", level: heading[1]!.length, spans: parse_spans(heading[2]!) }, 1];
  if (kRule.test(line)) return [{ kind: "rule" }, 1];
  if (depth < kMaxDepth && kQuote.test(line)) {
    const n = count_while(lines, i, (l) => kQuote.test(l));
    const inner = lines.slice(i, i + n).map((l) => l.replace(kQuote, ""));
    return [{ kind: "quote", blocks: blocks_of(inner, depth + 1) }, n];
  }
  if (depth < kMaxDepth && kItem.test(line)) return list_at(lines, i, depth);
  if (line.includes("|") && kTableRule.test(lines[i + 1] ?? "")) {
    const n = count_while(lines, i, (l) => l.includes("|"));
    const rows = lines.slice(i, i + n).filter((_, row) => row !== 1).map(cells_of);
    return [{ kind: "table", rows }, n];
  }
  const n = 1 + count_while(lines, i + 1, (l) => l.trim() !== "" && !interrupts(l));
  const text = lines.slice(i, i + n).map((l) => l.trim()).join("\n");
  return [{ kind: "paragraph", spans: parse_spans(text) }, n];
}

function count_while(lines: string[], from: number, holds: (line: string) => boolean): number {
  let n = 0;
  while (from + n < lines.length && holds(lines[from + n]!)) n += 1;
  return n;
}

/** Whether `line` ends a paragraph without a blank line between. */
function interrupts(line: string): boolean {
  return kFence.test(line) || kHeading.test(line) || kRule.test(line) || kQuote.test(line) ||
    (kItem.test(line) && line.trim().length > 2);
}

function code_at(lines: string[], i: number, fence: string, language: string): [Block, number] {
  const closes = (line: string) => {
    const trimmed = line.trim();
    return trimmed.length >= fence.length && trimmed === fence[0]!.repeat(trimmed.length);
  };
  const n = count_while(lines, i + 1, (line) => !closes(line));
  const text = lines.slice(i + 1, i + 1 + n).join("\n");
  return [{ kind: "code", language, text }, Math.min(n + 2, lines.length - i)];
}

function list_at(lines: string[], i: number, depth: number): [Block, number] {
  const first = kItem.exec(lines[i]!)!;
  const is_ordered = first[3] !== undefined;
  const items: string[][] = [];
  let at = i, inside = 0;
  for (; at < lines.length; at += 1) {
    const line = lines[at]!;
    const indent = line.length - line.trimStart().length;
    const item = kItem.exec(line);
    const is_blank = line.trim() === "";
    if (items.length > 0 && (is_blank || indent >= inside)) {
      items.at(-1)!.push(line.slice(inside));
    } else if (item && (item[3] !== undefined) === is_ordered && !kRule.test(line)) {
      inside = item[0].length + (item[4] === "" ? 1 : 0);
      items.push([line.slice(item[0].length)]);
    } else if (lines[at - 1]!.trim() === "" || interrupts(line)) {
      break;  // a paragraph behind the list
    } else {
      items.at(-1)!.push(line.trim());  // a lazy line goes on with the item
    }
  }
  const start = is_ordered ? Number(first[3]) : null;
  return [{ kind: "list", start, items: items.map((item) => blocks_of(item, depth + 1)) }, at - i];
}

function cells_of(line: string): Span[][] {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => parse_spans(cell.trim().replace(/\\\|/g, "|")));
}

const kEmphasis = [["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]] as const;
const kUrl = /^https?:\/\/[^\s<>"'`|\\^{}\[\]]+/i;
const kSpecial = /[\\`*_~\[h\n]/g;

export function parse_spans(text: string, depth = 0): Span[] {
  const spans: Span[] = [];
  let plain = "";
  const flush = () => {
    if (plain) spans.push({ kind: "text", text: plain });
    plain = "";
  };
  if (text.length > kLongText || depth > kMaxDepth) return [{ kind: "text", text }];
  for (let i = 0; i < text.length; ) {
    const found = span_at(text, i, depth);
    if (typeof found === "string") {  // an escaped character
      plain += found;
      i += 2;
    } else if (found) {
      flush();
      spans.push(found.span);
      i += found.n_chars;
    } else {
      kSpecial.lastIndex = i + 1;
      const next = kSpecial.exec(text)?.index ?? text.length;
      plain += text.slice(i, next);
      i = next;
    }
  }
  flush();
  return spans;
}

type Found = { span: Span; n_chars: number } | string | null;

function span_at(text: string, i: number, depth: number): Found {
  const c = text[i];
  if (c === "\n") return { span: { kind: "break" }, n_chars: 1 };
  if (c === "\\") return /[!-/:-@[-`{-~]/.test(text[i + 1] ?? "") ? text[i + 1]! : null;
  if (c === "`") return code_span_at(text, i);
  if (c === "[") return link_at(text, i, depth);
  if (c === "h" && !/\w/.test(text[i - 1] ?? "")) {
    const url = kUrl.exec(text.slice(i, i + 2000))?.[0].replace(/[.,;:!?)*_~]+$/, "");
    return url ? { span: { kind: "link", href: url, spans: [{ kind: "text", text: url }] }, n_chars: url.length } : null;
  }
  for (const [mark, kind] of kEmphasis) {
    if (!text.startsWith(mark, i)) continue;
    const end = closing(text, i, mark);
    if (end < 0) continue;
    const spans = parse_spans(text.slice(i + mark.length, end), depth + 1);
    return { span: { kind, spans }, n_chars: end + mark.length - i };
  }
  return null;
}

/** Where the emphasis that opens at `i` closes; -1: it is no emphasis. */
function closing(text: string, i: number, mark: string): number {
  const from = i + mark.length;
  if (/\s/.test(text[from] ?? " ")) return -1;
  if (mark[0] === "_" && /\w/.test(text[i - 1] ?? "")) return -1;  // snake_case
  for (let end = text.indexOf(mark, from + 1); end >= 0; end = text.indexOf(mark, end + 1)) {
    if (/[\s\\]/.test(text[end - 1]!)) continue;
    if (mark[0] === "_" && /\w/.test(text[end + mark.length] ?? "")) continue;
    if (mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark)) continue;  // belongs to ** or __
    return end;
  }
  return -1;
}

function code_span_at(text: string, i: number): Found {
  const ticks = /^`+/.exec(text.slice(i))![0];
  const end = text.indexOf(ticks, i + ticks.length);
  if (end < 0) return { span: { kind: "text", text: ticks }, n_chars: ticks.length };
  const inner = text.slice(i + ticks.length, end).replace(/\n/g, " ");
  const code = /^ .* $/.test(inner) && inner.trim() ? inner.slice(1, -1) : inner;
  return { span: { kind: "code", text: code }, n_chars: end + ticks.length - i };
}

/** [text](http://...): other schemes (javascript:, data:) are no links but text. */
function link_at(text: string, i: number, depth: number): Found {
  const link = /^\[([^\[\]\n]{0,500})\]\((https?:\/\/[^\s()<>]{1,2000})(?: +"[^"\n]*")?\)/i.exec(text.slice(i, i + 3000));
  if (!link) return null;
  return { span: { kind: "link", href: link[2]!, spans: parse_spans(link[1]!, depth + 1) }, n_chars: link[0].length };
}
