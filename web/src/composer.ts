// Where the user writes.

import { enter_begins_line, h, icon, icon_button } from "./dom";
import * as format from "./format";
import { change_settings, on_settings, settings, type Settings } from "./settings";

export interface ComposerActions {
  send(text: string): void;
  stop(): void;
  edit_last(): void;
}

const kMaxFile = 1 << 20;  // bytes of an attached file

/** Text of a file as a block of code whose fence the text cannot close. */
export function fenced(name: string, text: string): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), (run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${name}:\n${fence}${name.split(".").at(-1) ?? ""}\n${text.replace(/\n$/, "")}\n${fence}\n`;
}

export class Composer {
  readonly el: HTMLElement;
  private readonly box = h("textarea", { id: "composer", rows: "1", placeholder: "Ask something", "aria-label": "Message" });
  private readonly send_button: HTMLButtonElement;
  private readonly effort = h("select", { "aria-label": "Thinking", title: "Thinking" },
    h("option", { value: "none" }, "no thinking"), h("option", { value: "high" }, "think"), h("option", { value: "max" }, "think hard"));
  private readonly note = h("span", { class: "note", role: "status" });
  private readonly fill = h("div", { class: "bar-done" });
  private readonly meter = h("div", { class: "meter", role: "meter", "aria-label": "Context used", "aria-valuemin": 0 },
    h("div", { class: "bar" }, this.fill), h("span", { class: "meter-text" }));
  private is_running = false;

  constructor(private readonly actions: ComposerActions) {
    const file = h("input", { type: "file", hidden: true, multiple: true, "aria-label": "Attach text files" });
    file.addEventListener("change", () => {
      void this.attach(Array.from(file.files ?? [])).then(() => { file.value = ""; });
    });
    this.send_button = h("button", { type: "button", class: "send", on: { click: () => this.press() } });
    this.el = h("div", { class: "composer" }, h("div", { class: "composer-box" }, this.box,
      h("div", { class: "row" }, file, icon_button("clip", "Attach a text file", () => file.click()), this.effort,
        this.note, this.meter, this.send_button)));
    this.box.addEventListener("input", () => this.resize());
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.el.addEventListener("dragover", (event) => event.preventDefault());
    this.el.addEventListener("drop", (event) => {
      event.preventDefault();
      void this.attach(Array.from(event.dataTransfer?.files ?? []));
    });
    this.effort.addEventListener("change", () => change_settings({ effort: this.effort.value as Settings["effort"] }));
    on_settings(() => { this.effort.value = settings().effort; });
    this.effort.value = settings().effort;
    this.running(false);
  }

  running(is_running: boolean): void {
    this.is_running = is_running;
    const label = is_running ? "Stop" : "Send";
    this.send_button.replaceChildren(icon(is_running ? "stop" : "send"));
    this.send_button.setAttribute("aria-label", label);
    this.send_button.title = is_running ? "Stop (Escape)" : "Send (Enter)";
    this.update_button();
  }

  context(used: number, n_ctx: number): void {
    this.meter.hidden = n_ctx === 0;
    const share = n_ctx > 0 ? Math.min(used / n_ctx, 1) : 0;
    this.fill.style.width = `${100 * share}%`;
    this.meter.classList.toggle("high", share > 0.85);
    this.meter.title = `${used} of ${n_ctx} tokens of context used`;
    this.meter.setAttribute("aria-valuemax", String(n_ctx));
    this.meter.setAttribute("aria-valuenow", String(used));
    this.meter.querySelector(".meter-text")!.textContent = `${format.count(used)} / ${format.count(n_ctx)}`;
  }

  say(note: string): void {
    this.note.textContent = note;
  }

  focus(): void {
    this.box.focus();
  }

  clear(): void {
    this.box.value = "";
    this.resize();
  }

  private press(): void {
    if (this.is_running) return this.actions.stop();
    const text = this.box.value;
    if (text.trim() === "") return;
    this.clear();
    this.note.textContent = "";
    this.actions.send(text);
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !enter_begins_line()) {
      event.preventDefault();
      if (!this.is_running) this.press();
    } else if (event.key === "ArrowUp" && this.box.value === "") {
      event.preventDefault();
      this.actions.edit_last();
    }
  }

  private resize(): void {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, innerHeight * 0.4)}px`;
    this.update_button();
  }

  private update_button(): void {
    this.send_button.disabled = !this.is_running && this.box.value.trim() === "";
  }

  private async attach(files: File[]): Promise<void> {
    for (const file of files) {
      const text = file.size <= kMaxFile ? await file.text() : null;
      if (text === null || text.includes("\0")) {
        this.note.textContent = text === null ? `${file.name} is larger than 1 MiB.` : `${file.name} is no text file.`;
        continue;
      }
      this.note.textContent = `${file.name} is attached.`;
      this.box.value = fenced(file.name, text) + this.box.value;
    }
    this.resize();
    this.focus();
  }
}
