// Shows Markdown. Blocks that did not change stay as they are, and code that grew gets only what is new, so that a long
// answer can stream.

import { copy_button, h } from "./dom";
import { type Block, type Span, parse_markdown } from "./markdown";

export class MarkdownView {
  readonly el = h("div", { class: "markdown" });
  private shown: string[] = [];
  private blocks: Block[] = [];

  show(text: string): void {
    const blocks = parse_markdown(text);
    const keys = blocks.map((block) => JSON.stringify(block));
    keys.forEach((key, i) => {
      if (this.shown[i] === key) return;
      const old = this.el.children[i];
      if (old && grow_code(old, this.blocks[i], blocks[i]!)) return;
      const made = block_element(blocks[i]!);
      if (old) old.replaceWith(made);
      else this.el.appendChild(made);
    });
    while (this.el.children.length > keys.length) this.el.lastElementChild!.remove();
    this.shown = keys;
    this.blocks = blocks;
  }
}

/** Adds the end of a code block to its text; false: it is not the same one with more text. */
function grow_code(el: Element, old: Block | undefined, block: Block): boolean {
  if (old?.kind !== "code" || block.kind !== "code" || old.language !== block.language || !block.text.startsWith(old.text)) return false;
  const text = el.querySelector("code")?.firstChild;
  if (!(text instanceof Text)) return false;
  text.appendData(block.text.slice(old.text.length));
  return true;
}

function block_element(block: Block): HTMLElement {
  switch (block.kind) {
    case "paragraph": return h("p", {}, block.spans.map(span_node));
    case "heading": return h(`h${Math.min(block.level + 2, 6)}` as "h3", {}, block.spans.map(span_node));
    case "rule": return h("hr");
    case "quote": return h("blockquote", {}, block.blocks.map(block_element));
    case "code": return code_element(block.language, block.text);
    case "list": return list_element(block.start, block.items);
    case "table": return table_element(block.rows);
  }
}

function list_element(start: number | null, items: Block[][]): HTMLElement {
  const children = items.map((item) => {
    const only = item.length > 0 && item.every((b, i) => (i === 0) === (b.kind === "paragraph"));
    return h("li", {}, item.map((block, i) =>
      only && i === 0 && block.kind === "paragraph" ? block.spans.map(span_node) : block_element(block)));
  });
  return start === null ? h("ul", {}, children) : h("ol", { start }, children);
}

function table_element(rows: Span[][][]): HTMLElement {
  const [head, ...body] = rows;
  const row = (tag: "th" | "td", cells: Span[][]) => h("tr", {}, cells.map((cell) => h(tag, {}, cell.map(span_node))));
  return h("div", { class: "table" }, h("table", {},
    h("thead", {}, row("th", head!)), h("tbody", {}, body.map((cells) => row("td", cells)))));
}

export function code_element(language: string, text: string): HTMLElement {
  const code = h("code", {}, text);
  return h("div", { class: "code" },
    h("div", { class: "code-head" }, h("span", {}, language.split(/\s/, 1)[0] ?? ""), copy_button(() => code.textContent ?? "")),
    h("pre", { tabindex: "0" }, code));
}

function span_node(span: Span): Node {
  switch (span.kind) {
    case "text": return document.createTextNode(span.text);
    case "code": return h("code", {}, span.text);
    case "break": return h("br");
    case "link": return h("a", { href: span.href, target: "_blank", rel: "noopener noreferrer" }, span.spans.map(span_node));
    default: return h(span.kind, {}, span.spans.map(span_node));
  }
}
