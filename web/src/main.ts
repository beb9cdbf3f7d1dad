// The page: three views (chat, monitor, world), chosen by the part of the address behind #.

import "./style/index.css";
import { ApiFailure, get_json, on_unauthorized } from "./api";
import { ChatView } from "./chat_view";
import { Dialog } from "./dialog";
import { h, icon_button, replace } from "./dom";
import { History } from "./history";
import { listen_for_keys, type Shortcut } from "./keys";
import { MonitorView } from "./monitor_view";
import { change_settings, on_settings, settings } from "./settings";
import { SettingsDialog } from "./settings_dialog";
import { Sidebar } from "./sidebar";
import { WorldView } from "./world_view";

const kViews = [["chat", "Chat"], ["monitor", "Monitor"], ["world", "World"]] as const;
const kAskAgain = 5000;  // ms: for the models, of a server that does not answer
type ViewName = (typeof kViews)[number][0];

const history = new History();
let models: string[] = [];

const chat = new ChatView(history, (conversation) => {
  if (conversation.id === chat.id && view === "chat") window.history.replaceState(null, "", `#/chat/${conversation.id}`);
  void sidebar.refresh(chat.id);
});
const monitor = new MonitorView();
const world = new WorldView();
const settings_dialog = new SettingsDialog(() => models);
const sidebar = new Sidebar(history, {
  chosen: () => show_menu(false),
  create: () => { show_menu(false); new_chat(); },
  removed: (id) => {
    chat.stop(id);
    if (id === chat.id) new_chat();
    else void sidebar.refresh(chat.id);
  },
});

history.events = {
  changed: (id, is_removed) => {
    if (is_removed) chat.stop(id);
    if (id === chat.id) {
      if (is_removed && view === "chat") return new_chat();
      if (is_removed) void chat.open(null);
      else chat.refresh();
    }
    void sidebar.refresh(chat.id);
  },
  problem: (text) => {
    sidebar.problem(text);
    chat.problem(text);
  },
};

let view: ViewName = "chat";
let shown: ViewName | null = null;
const scrolled = new Map<Element, number>();  // how far, of the views that are not shown
const links = kViews.map(([name, label]) => h("a", { href: `#/${name}`, "data-view": name }, label));
const model_name = h("span", { class: "model-name" });
const menu = icon_button("menu", "Conversations", () => show_menu(!document.body.classList.contains("menu-open")),
  { "aria-expanded": "false" });
const body = h("div", { class: "body" });
const shade = h("div", { class: "shade", on: { click: () => show_menu(false) } });

function go(path: string): void {
  location.hash = path;
}

function new_chat(): void {
  if (location.hash === "#/chat/new") void route();
  go("/chat/new");
}

function show_menu(is_open: boolean): void {
  document.body.classList.toggle("menu-open", is_open);
  menu.setAttribute("aria-expanded", String(is_open));
}

/** Shows the view; each comes back as it was left. */
function show_view(): void {
  if (view === shown) return;
  if (shown === "chat") chat.leave();
  for (const el of Array.from(body.children)) scrolled.set(el, el.scrollTop);
  if (view === "chat") replace(body, sidebar.el, shade, chat.el);
  else replace(body, view === "monitor" ? monitor.el : world.el);
  for (const el of Array.from(body.children)) el.scrollTop = scrolled.get(el) ?? 0;
  if (view === "chat") chat.enter();
  shown = view;
}

async function route(): Promise<void> {
  const [, name, id, ...rest] = location.hash.slice(1).split("/");
  view = kViews.find(([known]) => known === name)?.[0] ?? "chat";
  if (view !== "chat") show_menu(false);
  document.body.dataset.view = view;
  document.title = view === "chat" ? "Hadal" : `Hadal: ${view}`;
  for (const link of links) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  monitor.visible(view === "monitor");
  show_view();
  if (view === "chat") {
    if (id) await chat.open(id === "new" ? null : id);
    else if (!chat.is_empty) window.history.replaceState(null, "", `#/chat/${chat.id}`);
    chat.focus();
    await sidebar.refresh(chat.id);
  } else if (view === "world") {
    await world.load(id ? [id, ...rest] : []);
  }
}

function apply_theme(): void {
  const { theme, model } = settings();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  model_name.textContent = model;
}

async function load_models(): Promise<void> {
  const list = await get_json<{ data?: { id: string }[] }>("/v1/models");
  models = (list.data ?? []).map(({ id }) => id);
  if (!models.includes(settings().model)) change_settings({ model: models[0] ?? "" });
  await chat.load_context();
}

const shortcuts: Shortcut[] = [
  { key: "n", does: "new chat", run: () => { show_menu(false); new_chat(); } },
  { key: "/", does: "write", run: () => { if (view === "chat") chat.focus(); else go("/chat"); } },
  { key: "f", does: "search conversations", run: () => { if (view === "chat") { show_menu(true); sidebar.focus_search(); } } },
  { key: "1", does: "chat", run: () => go("/chat") },
  { key: "2", does: "monitor", run: () => go("/monitor") },
  { key: "3", does: "world", run: () => go("/world") },
  { key: ",", does: "settings", run: () => settings_dialog.open() },
  { key: "?", does: "this help", run: () => help.open() },
];
const more_keys: [string, string][] = [
  ["Esc", "stop the answer"], ["Enter", "send"], ["Shift Enter", "new line"],
  ["↑", "edit the last message (in an empty box)"], ["← →", "one event back or on (world)"],
];
const help = new Dialog("Keys", h("dl", { class: "keys" },
  [...shortcuts.map(({ key, does }) => [key, does] as const), ...more_keys].map(([key, does]) =>
    h("div", {}, h("dt", {}, key.split(" ").map((part) => h("kbd", {}, part))), h("dd", {}, does)))));

listen_for_keys(shortcuts, () => {
  if (document.body.classList.contains("menu-open")) show_menu(false);
  else if (view === "chat") chat.stop();
});
on_settings(apply_theme);
on_unauthorized(() => settings_dialog.open("The server asks for an API key, or for another one."));
addEventListener("hashchange", () => void route());

document.body.append(
  h("header", { class: "top" }, menu, h("a", { class: "brand", href: "#/chat", "aria-label": "Hadal" },
    h("img", { src: "/icon.svg", alt: "", width: "22", height: "22" }), h("span", {}, "Hadal")),
    h("nav", { class: "views", "aria-label": "Views" }, links), model_name,
    icon_button("help", "Keys", () => help.open()), icon_button("gear", "Settings", () => settings_dialog.open())),
  body);
apply_theme();
void route();
let loading = 0;
function load(): void {
  clearTimeout(loading);
  load_models().catch((error) => {  // the first message will say what is wrong
    if (!(error instanceof ApiFailure && error.status === 401)) loading = window.setTimeout(load, kAskAgain);
  });
}
load();
let key_in_use = settings().api_key;
on_settings(({ api_key }) => {
  if (api_key === key_in_use) return;
  key_in_use = api_key;
  load();
  if (view === "world") void route();
});
