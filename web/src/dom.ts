// Elements made by calls. Text is always a text node, never markup: what a model writes is hostile.

export type Child = Node | string | number | null | undefined | false | Child[];

interface Props {
  [attribute: string]: string | number | boolean | null | undefined | Handlers;
  on?: Handlers;
}
type Handlers = { [event: string]: (event: any) => void };

const kSvg = "http://www.w3.org/2000/svg";

function fill<E extends Element>(element: E, props: Props, children: Child[]): E {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, handler] of Object.entries(value as Handlers))
        element.addEventListener(event, handler);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

export function append(parent: Node, children: Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(parent, child);
    else if (child instanceof Node) parent.appendChild(child);
    else if (child !== null && child !== undefined && child !== false)
      parent.appendChild(document.createTextNode(String(child)));
  }
}

/** h("p", { class: "note" }, "text", h("b", {}, "more")) */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, props: Props = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), props, children);
}

export function s<K extends keyof SVGElementTagNameMap>(
  tag: K, props: Props = {}, ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(kSvg, tag), props, children);
}

export function replace(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

/** Makes `wanted` the children of `parent`; those that stay are not touched and keep focus, scroll place and selection. */
export function arrange(parent: Element, wanted: Element[]): void {
  const stays = new Set(wanted);
  for (const child of Array.from(parent.children)) if (!stays.has(child)) child.remove();
  wanted.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}

const kIcons = {
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  gear: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5",
  copy: "M9 9h10v10H9zM5 15V5h10",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  again: "M19 12a7 7 0 1 1-2-5M19 3v5h-5",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  first: "M18 6l-8 6 8 6zM6 6v12",
  clip: "M18 9l-7.5 7.5a2.5 2.5 0 0 1-3.5-3.5L15 5a4 4 0 0 1 6 6l-8.5 8.5a6 6 0 0 1-8.5-8.5L11 4",
  close: "M6 6l12 12M18 6L6 18",
  tool: "M14 6a4 4 0 0 0 5 5l-9 9-3-3 9-9M5 5l4 4",
  dice: "M5 5h14v14H5zM9 9v.01M15 15v.01M12 12v.01M9 15v.01M15 9v.01",
  help: "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 17.5v.01",
} as const;

export type Icon = keyof typeof kIcons;

export function icon(name: Icon): SVGSVGElement {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("path", { d: kIcons[name] }));
}

/** A button with a picture; `label` is what it is called. */
export function icon_button(
  name: Icon, label: string, click: () => void, props: Props = {},
): HTMLButtonElement {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label,
    on: { click }, ...props }, icon(name));
}

/** On a phone, Enter begins a line: the screen's keyboard has no Shift Enter. */
export function enter_begins_line(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

export function is_reduced_motion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Copies `text`; plain HTTP from another machine has no clipboard API, so a selection must do. */
export async function copy_text(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "off-screen" });
  area.value = text;
  document.body.appendChild(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function copy_button(text: () => string): HTMLButtonElement {
  const button = icon_button("copy", "Copy", () => {
    void copy_text(text()).then(() => {
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1200);
    });
  });
  return button;
}

/** Gives the user a file to keep. */
export function save_file(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
