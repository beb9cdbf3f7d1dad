// The page before the server has it: serves web/dist with the server's content-security policy and hands the API to a real
// `hadal serve`. To be deleted once HADAL_URL serves the page itself (run.sh then starts the server alone).
// Usage: node server.mjs UPSTREAM [PORT]; prints its address. HADAL_PAGE_MOCK=1: answers /monitor and /worlds* from fixtures/.
import { createServer, request } from "node:http";
import { readFileSync } from "node:fs";

const kPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const kFiles = { "/": ["index.html", "text/html"], "/app.js": ["app.js", "text/javascript"],
  "/app.css": ["app.css", "text/css"], "/icon.svg": ["icon.svg", "image/svg+xml"] };

const upstream = new URL(process.argv[2]);
const file = (path) => readFileSync(new URL(path, import.meta.url));
const is_mock = Boolean(process.env.HADAL_PAGE_MOCK);
const started = Date.now();

/** A server at work: numbers grow with time. */
function monitor() {
  const up = (Date.now() - started) / 1000;
  const decoded = Math.round(100 * up + 40 * Math.sin(up));
  const layers = Array.from({ length: 8 }, (_, layer) => Array.from({ length: 32 }, (_, expert) =>
    (layer * 7 + expert * 3) % 29 === 0 ? 0 : Math.round((40 + decoded / 8) * (0.4 + ((expert * 37 + layer * 17) % 23) / 13))));
  return {
    model: "fixture", uptime_seconds: up, context: 4096, queue: 2,
    slots: [
      { id: 0, busy: true, client: "page", n_prompt: 800, n_prompt_done: 800, n_decoded: Math.min(decoded, 900), max_tokens: 1024 },
      { id: 1, busy: true, client: "127.0.0.1", n_prompt: 3000, n_prompt_done: 1200, n_decoded: 0, max_tokens: 512 },
      { id: 2, busy: false, client: "", n_prompt: 0, n_prompt_done: 0, n_decoded: 0, max_tokens: 0 },
      { id: 3, busy: false, client: "", n_prompt: 0, n_prompt_done: 0, n_decoded: 0, max_tokens: 0 },
    ],
    state: { limit_bytes: 1 << 30, page_bytes: 300 << 20, snapshot_bytes: 200 << 20, n_snapshots: 17, n_evicted: 3 },
    disk: { limit_bytes: 8 * (1 << 30), bytes: 1 << 30, n_snapshots: 40 },
    process: { rss_bytes: 900 << 20 },
    prefix: { restored_tokens: 6000, repeated_tokens: 1000, new_tokens: 3000, misses: { cold: 4, diverged: 2, evicted: 1 } },
    totals: { requests: { stop: 12, length: 3, cancelled: 1 }, prompt_tokens: 10000 + Math.round(500 * up), decoded_tokens: decoded,
      passes: decoded, busy_seconds: 0.7 * up, prefill_seconds: 0.2 * up, decode_seconds: 0.5 * up, preemptions: 0 },
    experts: { layers },
  };
}

function json(answer, value, status = 200) {
  answer.writeHead(status, { "Content-Type": "application/json" });
  answer.end(typeof value === "object" && !Buffer.isBuffer(value) ? JSON.stringify(value) : value);
}

async function play(ask, answer) {
  let text = "";
  for await (const piece of ask) text += piece;
  const { what_if, domain, depth, seed } = JSON.parse(text);
  const episode = JSON.parse(file(what_if ? "fixtures/play_what_if.json" : "fixtures/play.json"));
  if (what_if && !/^the .+ is (not )?\w+$/.test(what_if.fact))
    return json(answer, { error: { message: `"${what_if.fact}" is no fact of this world` } }, 400);
  json(answer, { ...episode, domain, depth, seed });
}

function forward(ask, answer) {
  const options = { method: ask.method, headers: { ...ask.headers, host: upstream.host } };
  const onward = request(new URL(ask.url, upstream), options, (reply) => {
    answer.writeHead(reply.statusCode, reply.headers);
    reply.pipe(answer);
  });
  onward.on("error", () => answer.destroy());
  answer.on("close", () => onward.destroy());  // the page's stop is a closed connection
  ask.pipe(onward);
}

const server = createServer((ask, answer) => {
  const { pathname } = new URL(ask.url, upstream);
  if (kFiles[pathname]) {
    const [name, type] = kFiles[pathname];
    answer.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Content-Security-Policy": kPolicy,
      "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache" });
    answer.end(file(`../../web/dist/${name}`));
  } else if (is_mock && pathname === "/monitor") json(answer, monitor());
  else if (is_mock && pathname === "/worlds")
    json(answer, { available: true, domains: ["household", "supply"], max_depth: 8, reason: "" });
  else if (is_mock && pathname === "/worlds/play") void play(ask, answer);
  else forward(ask, answer);
});
server.listen(Number(process.argv[3] ?? 0), "127.0.0.1", () =>
  console.log(`page at http://127.0.0.1:${server.address().port}`));
