// What the user set, kept in this browser.

export interface Settings {
  model: string;
  system: string;
  effort: "none" | "high" | "max";
  temperature: number | null;  // null: the server decides
  top_p: number | null;
  max_tokens: number | null;
  seed: number | null;
  tools: string;  // JSON, checked by tools_problem
  api_key: string;
  theme: "system" | "light" | "dark";
}

const kKey = "hadal.settings";
const kDefaults: Settings = {
  model: "", system: "", effort: "none", temperature: null, top_p: null, max_tokens: null, seed: null,
  tools: "", api_key: "", theme: "system",
};

let current: Settings = read();
const listeners: ((settings: Settings) => void)[] = [];

function read(): Settings {
  try {
    const stored = JSON.parse(localStorage.getItem(kKey) ?? "{}");
    const settings = { ...kDefaults };
    for (const key of Object.keys(kDefaults) as (keyof Settings)[])
      if (key in stored) (settings as Record<string, unknown>)[key] = stored[key];
    if (tools_problem(settings.tools)) settings.tools = "";
    return settings;
  } catch {
    return { ...kDefaults };
  }
}

export function settings(): Settings {
  return current;
}

export function change_settings(change: Partial<Settings>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(kKey, JSON.stringify(current));
  } catch {
    // a browser without storage: the settings last as long as the page
  }
  for (const listener of listeners) listener(current);
}

// What another tab of this page set holds here, too.
if (typeof addEventListener !== "undefined") addEventListener("storage", (event) => {
  if (event.key !== kKey) return;
  current = read();
  for (const listener of listeners) listener(current);
});

export function on_settings(listener: (settings: Settings) => void): void {
  listeners.push(listener);
}

/** What is wrong with tool definitions; "" when nothing is. */
export function tools_problem(text: string): string {
  if (text.trim() === "") return "";
  let tools: unknown;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    return `Not JSON: ${(error as Error).message}`;
  }
  if (!Array.isArray(tools)) return "Expected a list: [ {\"type\": \"function\", …} ]";
  const names = new Set<string>();
  for (const [i, tool] of tools.entries()) {
    const name = tool?.function?.name;
    if (tool?.type !== "function" || typeof name !== "string" || !/^[\w-]{1,64}$/.test(name))
      return `Tool ${i + 1}: expected "type": "function" and a name of letters, digits, _ or -`;
    const parameters = tool.function.parameters;
    if (parameters !== undefined && (parameters === null || typeof parameters !== "object" || Array.isArray(parameters)))
      return `Tool ${i + 1}: "parameters" must be a JSON schema object`;
    if (names.has(name)) return `Two tools are called ${name}`;
    names.add(name);
  }
  return "";
}
