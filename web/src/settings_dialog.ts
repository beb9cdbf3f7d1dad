// The settings on the screen. What is set holds at once.

import { Dialog } from "./dialog";
import { type Child, h, replace } from "./dom";
import { change_settings, settings, type Settings, tools_problem } from "./settings";

type NumberKey = "temperature" | "top_p" | "max_tokens" | "seed";

function field(label: string, control: HTMLElement, ...more: Child[]): HTMLElement {
  return h("label", { class: "field" }, h("span", {}, label), control, more);
}

function select<K extends "effort" | "theme">(key: K, options: [Settings[K], string][]): HTMLSelectElement {
  const el = h("select", {}, options.map(([value, label]) => h("option", { value }, label)));
  el.value = settings()[key];
  el.addEventListener("change", () => change_settings({ [key]: el.value } as Partial<Settings>));
  return el;
}

function number(key: NumberKey, min: number, max: number, step: string): HTMLElement {
  const el = h("input", { type: "number", min, max, step, placeholder: "server's", inputmode: "decimal" });
  const problem = h("span", { class: "problem", role: "status" });
  el.value = settings()[key]?.toString() ?? "";
  el.addEventListener("input", () => {
    el.setAttribute("aria-invalid", String(!el.validity.valid));
    problem.textContent = el.validity.valid ? "" : `Expected ${step === "1" ? "a whole number" : "a number"} from ${min} to ${max}`;
    if (el.validity.valid) change_settings({ [key]: el.value === "" ? null : Number(el.value) });
  });
  return h("div", {}, el, problem);
}

function tools_field(): HTMLElement {
  const el = h("textarea", { rows: "5", class: "mono", spellcheck: "false",
    placeholder: "[{\"type\": \"function\", \"function\": {\"name\": …, \"parameters\": {…}}}]" });
  const problem = h("span", { class: "problem", role: "status" });
  el.value = settings().tools;
  el.addEventListener("input", () => {
    problem.textContent = tools_problem(el.value);
    el.setAttribute("aria-invalid", String(problem.textContent !== ""));
    if (problem.textContent === "") change_settings({ tools: el.value });
  });
  return field("Tools (JSON)", el, problem);
}

export class SettingsDialog {
  private readonly note = h("p", { class: "failure", role: "alert", hidden: true });
  private readonly body = h("div", { class: "fields" });
  private readonly dialog = new Dialog("Settings", this.note, this.body);

  constructor(private readonly models: () => string[]) {}

  /** `note` says why the dialog opened by itself. */
  open(note = ""): void {
    if (this.dialog.is_open) return;
    this.note.hidden = note === "";
    this.note.textContent = note;
    replace(this.body, this.fields());
    this.dialog.open();
    if (note) this.body.querySelector<HTMLInputElement>("input[type=password]")?.focus();
  }

  private fields(): Child[] {
    const model = h("select", {}, this.models().map((name) => h("option", { value: name }, name)));
    model.value = settings().model;
    model.addEventListener("change", () => change_settings({ model: model.value }));
    const system = h("textarea", { rows: "4", placeholder: "none" });
    system.value = settings().system;
    system.addEventListener("input", () => change_settings({ system: system.value }));
    const key = h("input", { type: "password", autocomplete: "off", placeholder: "none" });
    key.value = settings().api_key;
    key.addEventListener("change", () => change_settings({ api_key: key.value.trim() }));
    return [
      field("Model", model),
      field("System prompt", system),
      h("div", { class: "columns" },
        field("Thinking", select("effort", [["none", "none"], ["high", "high"], ["max", "max"]])),
        field("Temperature", number("temperature", 0, 100, "any")),
        field("Top p", number("top_p", 0, 1, "any")),
        field("Most tokens", number("max_tokens", 1, 10_000_000, "1")),
        field("Seed", number("seed", 0, 4_294_967_295, "1")),
        field("Colours", select("theme", [["system", "as the system"], ["light", "light"], ["dark", "dark"]]))),
      tools_field(),
      field("API key", key, h("span", { class: "faint" }, "Kept in this browser, sent to this server only.")),
    ];
  }
}
