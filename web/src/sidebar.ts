// The list of conversations.

import { h, icon, icon_button, replace, save_file } from "./dom";
import type { History, Summary } from "./history";

export interface SidebarActions {
  chosen(): void;
  create(): void;
  removed(id: string): void;
}

export class Sidebar {
  readonly el: HTMLElement;
  private readonly list = h("ul", { class: "chats" });
  private readonly search = h("input", { type: "search", placeholder: "Search titles", "aria-label": "Search conversations" });
  private readonly note = h("p", { class: "note", role: "status" });
  private shown: Summary[] = [];
  private not_saved = "";
  private current = "";
  private drawn = "";

  constructor(private readonly history: History, private readonly actions: SidebarActions) {
    const file = h("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "Import conversations" });
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      if (chosen) void this.read(chosen).then(() => { file.value = ""; });
    });
    this.search.addEventListener("input", () => this.show());
    this.el = h("nav", { class: "sidebar", "aria-label": "Conversations" },
      h("button", { type: "button", class: "new-chat", on: { click: () => actions.create() } }, icon("plus"), "New chat"),
      this.search, this.list, this.note,
      h("div", { class: "row" },
        h("button", { type: "button", class: "quiet", on: { click: () => void this.save() } }, "Export"),
        h("button", { type: "button", class: "quiet", on: { click: () => file.click() } }, "Import"), file));
  }

  async refresh(current: string): Promise<void> {
    this.current = current;
    this.shown = await this.history.list();
    this.show();
  }

  /** Why conversations are not kept; "": they are. */
  problem(text: string): void {
    if (text === this.not_saved) return;
    this.not_saved = text;
    this.note.textContent = text;
  }

  focus_search(): void {
    this.search.focus();
  }

  private show(): void {
    if (this.list.querySelector("input")) return;  // a title is being edited
    const wanted = this.search.value.trim().toLowerCase();
    const found = this.shown.filter(({ title }) => title.toLowerCase().includes(wanted));
    const drawn = JSON.stringify([found.map(({ id, title }) => [id, title]), this.current, wanted]);
    if (drawn === this.drawn) return;  // a button that has the focus keeps it
    this.drawn = drawn;
    replace(this.list, found.map((summary) => this.item(summary)),
      found.length === 0 && h("li", { class: "faint empty" }, wanted ? "Nothing found." : "No conversations yet."));
  }

  private item({ id, title }: Summary): HTMLElement {
    const item = h("li", { class: id === this.current ? "current" : null });
    const remove = icon_button("trash", "Delete", () => {
      if (!remove.classList.contains("sure")) {  // the second click deletes
        remove.classList.add("sure");
        remove.setAttribute("aria-label", "Really delete");
        remove.title = "Press again to delete";
        return;
      }
      void this.history.remove(id).then(() => this.actions.removed(id));
    });
    remove.addEventListener("blur", () => {
      remove.classList.remove("sure");
      remove.setAttribute("aria-label", "Delete");
    });
    item.append(
      h("a", { href: `#/chat/${id}`, title, "aria-current": id === this.current ? "page" : null,
        on: { click: () => this.actions.chosen() } }, title),
      icon_button("edit", "Rename", () => this.rename(item, id, title)), remove);
    return item;
  }

  private rename(item: HTMLElement, id: string, title: string): void {
    const box = h("input", { "aria-label": "Title", maxlength: "120" });
    box.value = title;
    let ended = false;
    const end = async (keep: boolean) => {
      if (ended) return;
      ended = true;
      const conversation = keep && box.value.trim() ? await this.history.get(id) : null;
      if (conversation) {
        conversation.title = box.value.trim();
        await this.history.put(conversation);
      }
      box.remove();
      await this.refresh(this.current);
    };
    box.addEventListener("blur", () => void end(true));
    box.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") void end(true);
      if (event.key === "Escape") void end(false);
    });
    this.drawn = "";
    replace(item, box);
    box.select();
  }

  private async save(): Promise<void> {
    save_file(`hadal-conversations-${new Date().toISOString().slice(0, 10)}.json`, await this.history.export_text());
  }

  private async read(file: File): Promise<void> {
    try {
      const n = await this.history.import_text(await file.text());
      this.note.textContent = this.not_saved || `${n} imported.`;
    } catch (error) {
      this.note.textContent = (error as Error).message;
    }
    await this.refresh(this.current);
  }
}
