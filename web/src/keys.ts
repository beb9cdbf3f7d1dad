// Keyboard shortcuts: single keys outside text fields, Escape everywhere.

export interface Shortcut {
  key: string;
  does: string;
  run(): void;
}

function is_typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

export function listen_for_keys(shortcuts: Shortcut[], escape: () => void): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return escape();
    if (event.ctrlKey || event.metaKey || event.altKey || is_typing(event.target)) return;
    const shortcut = shortcuts.find(({ key }) => key === event.key);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  });
}
