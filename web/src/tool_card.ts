// A tool call as a card, with a box for what the tool answered: the page itself runs no tools.

import type { ToolCall, ToolResult } from "./conversation";
import { h, icon } from "./dom";
import { code_element } from "./markdown_view";

/** JSON with indents; text that is no JSON (yet) as it is. */
export function pretty_json(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function call_head(call: ToolCall): HTMLElement {
  return h("div", { class: "tool-head" }, icon("tool"), h("span", { class: "tool-name" }, call.name || "…"),
    h("span", { class: "faint" }, call.id));
}

function call_body(call: ToolCall): HTMLElement {
  const text = pretty_json(call.arguments);
  return text.trim() === "{}" ? h("p", { class: "faint" }, "no arguments") : code_element("arguments", text);
}

/** Cards of calls whose results are known, or that are still being written. */
export function call_cards(calls: ToolCall[], results: ToolResult[] | null): HTMLElement {
  return h("div", { class: "tool-cards" }, calls.map((call) => {
    const result = results?.find((r) => r.tool_call_id === call.id);
    return h("section", { class: "tool-card", "aria-label": `Tool call ${call.name}` }, call_head(call), call_body(call),
      result && h("div", { class: "tool-result" }, h("div", { class: "faint" }, "Result"), code_element("", pretty_json(result.content))));
  }));
}

/** Cards with a box for each result, and a button that goes on with all of them. */
export function open_call_cards(
  calls: ToolCall[], before: ToolResult[], done: (results: ToolResult[]) => void,
): HTMLElement {
  const boxes = calls.map((call) => {
    const box = h("textarea", { rows: "2", "aria-label": `Result of ${call.name}`, placeholder: "Result of this tool" });
    box.value = before.find((r) => r.tool_call_id === call.id)?.content ?? "";
    return box;
  });
  const button = h("button", { type: "button", class: "primary" }, "Send results");
  const update = () => { button.disabled = boxes.some((box) => box.value.trim() === ""); };
  const finish = () => {
    if (!button.disabled) done(calls.map((call, i) => ({ tool_call_id: call.id, content: boxes[i]!.value })));
  };
  button.addEventListener("click", finish);
  for (const box of boxes) {
    box.addEventListener("input", update);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) finish();
    });
  }
  update();
  const decline = (box: HTMLTextAreaElement) => {
    box.value = "The user declined this call.";
    update();
  };
  return h("div", { class: "tool-cards" },
    calls.map((call, i) => h("section", { class: "tool-card", "aria-label": `Tool call ${call.name}` },
      call_head(call), call_body(call),
      h("div", { class: "tool-result" }, boxes[i]!,
        h("button", { type: "button", class: "quiet", on: { click: () => decline(boxes[i]!) } }, "Decline")))),
    h("div", { class: "row" }, button));
}
