// Modal dialogs: the browser's own, closed by Escape, by a button, or by a click beside them.

import { type Child, h, icon_button } from "./dom";

export class Dialog {
  readonly el: HTMLDialogElement;

  constructor(title: string, ...body: Child[]) {
    this.el = h("dialog", { "aria-label": title, on: { pointerdown: (event: PointerEvent) => {
      if (event.target === this.el) this.el.close();
    } } }, h("div", { class: "dialog" },
      h("header", {}, h("h2", {}, title), icon_button("close", "Close", () => this.el.close())), body));
    document.body.appendChild(this.el);
  }

  get is_open(): boolean {
    return this.el.open;
  }

  open(): void {
    if (!this.el.open) this.el.showModal();
  }

  close(): void {
    this.el.close();
  }
}
