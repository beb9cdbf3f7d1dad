// The parts of the page that need no browser.
import { expect, test } from "@playwright/test";
import { add_turn, branch, new_conversation, path, read_conversation, switch_branch, title_of, unite } from "../../web/src/conversation";
import { changeable_facts, negated, why } from "../../web/src/episode";
import { layout_graph, rows_of, wrap } from "../../web/src/graph_layout";
import { type Block, parse_markdown, parse_spans, type Span } from "../../web/src/markdown";
import { expert_shares, type Monitor, RateHistory } from "../../web/src/monitor";
import { SseReader } from "../../web/src/sse";
import { AnswerDraft } from "../../web/src/wire";
import episode from "./fixtures/play.json" with { type: "json" };
import changed from "./fixtures/play_what_if.json" with { type: "json" };

test.describe("server-sent events", () => {
  const kStream = ": keep-alive\n\ndata: {\"a\": 1}\r\n\r\nevent: x\ndata:two\ndata: lines\n\ndata: [DONE]\n\n";

  test("every split of a stream gives the same events", () => {
    for (let first = 0; first <= kStream.length; first += 1) {
      const reader = new SseReader();
      const events = [...reader.push(kStream.slice(0, first)), ...reader.push(kStream.slice(first))];
      expect(events, `split at ${first}`).toEqual(['{"a": 1}', "two\nlines", "[DONE]"]);
    }
  });
});

test.describe("an answer while it arrives", () => {
  const delta = (d: object) => ({ choices: [{ delta: d }] });

  test("text, thinking and usage add up", () => {
    const draft = new AnswerDraft(1000);
    draft.take({ prompt_progress: { total: 20, cache: 5, processed: 20, time_ms: 3 } }, 1100);
    for (const [i, text] of ["So", " it", " is"].entries()) draft.take(delta({ reasoning_content: text }), 1200 + 100 * i);
    for (const [i, text] of ["It", " is", " 4."].entries()) draft.take(delta({ content: text }), 1500 + 100 * i);
    draft.take({ choices: [{ finish_reason: "stop" }] }, 1710);
    draft.take({ choices: [], usage: { prompt_tokens: 20, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 4 } } }, 1720);

    expect(draft).toMatchObject({ reasoning: "So it is", content: "It is 4.", finish: "stop", is_thinking: false });
    expect(draft.stats()).toMatchObject({ prompt_tokens: 20, cached_tokens: 5, completion_tokens: 7, reasoning_tokens: 4,
      ttft_ms: 200, thinking_ms: 300, tok_s: 12 });
  });

  test("what is gone on with is added to, and its numbers are of the whole", () => {
    const stats = { prompt_tokens: 20, cached_tokens: 0, completion_tokens: 10, reasoning_tokens: 4, ttft_ms: 70, thinking_ms: 50, tok_s: 9 };
    const draft = new AnswerDraft(0, { id: "a", parent: null, role: "assistant", content: "It ", reasoning: "So", created: 0, stats });
    draft.take(delta({ content: "is 4." }), 100);
    draft.take({ choices: [], usage: { prompt_tokens: 31, completion_tokens: 3 } }, 110);
    expect(draft).toMatchObject({ content: "It is 4.", reasoning: "So", is_thinking: false });
    expect(draft.stats()).toMatchObject({ prompt_tokens: 21, completion_tokens: 13, reasoning_tokens: 4, ttft_ms: 70, thinking_ms: 50 });
  });

  test("thinking counts its tokens before the server does", () => {
    const draft = new AnswerDraft(0);
    for (let i = 1; i < 4; i += 1) draft.take(delta({ reasoning_content: "x" }), i);
    expect(draft.stats().reasoning_tokens).toBe(3);
  });

  test("what comes at once is timed from the request, and the server's own timing wins", () => {
    const draft = new AnswerDraft(0);
    for (let i = 0; i < 11; i += 1) draft.take(delta({ content: "x" }), 500);
    expect(draft.stats().tok_s).toBeCloseTo(20);
    draft.take({ timings: { predicted_per_second: 33 } }, 600);
    expect(draft.stats().tok_s).toBe(33);
  });

  test("tool calls keep the server's letters", () => {
    const draft = new AnswerDraft(0);
    const call = (index: number, rest: object) => draft.take(delta({ tool_calls: [{ index, ...rest }] }), 1);
    call(0, { id: "a", function: { name: "f", arguments: "" } });
    call(0, { function: { arguments: '{"x":' } });
    call(0, { function: { arguments: " 1}" } });
    call(1, { id: "b", function: { name: "g", arguments: "{}" } });
    call(7, { id: "far" });
    expect(draft.tool_calls).toEqual([{ id: "a", name: "f", arguments: '{"x": 1}' }, { id: "b", name: "g", arguments: "{}" }]);
  });
});

test.describe("the tree of turns", () => {
  const user = (content: string) => ({ role: "user" as const, content });

  test("branches are counted and switched, each keeps what follows", () => {
    const c = new_conversation(0);
    const a = add_turn(c, null, user("a"), 1);
    const a1 = add_turn(c, a.id, { role: "assistant", content: "a1" }, 2);
    const a2 = add_turn(c, a.id, { role: "assistant", content: "a2" }, 3);
    const b = add_turn(c, a2.id, user("b"), 4);
    expect(path(c).map((t) => t.content)).toEqual(["a", "a2", "b"]);
    expect(branch(c, a2)).toEqual({ index: 1, n: 2 });
    expect(switch_branch(c, a2, 1)).toBe(false);
    expect(switch_branch(c, a2, -1)).toBe(true);
    expect(path(c)).toEqual([a, a1]);
    switch_branch(c, a1, 1);
    expect(path(c).at(-1)).toBe(b);
  });

  test("two copies are united: no turn is lost, the one written last stays", () => {
    const c = new_conversation(0);
    const q = add_turn(c, null, user("q"), 1);
    const a = add_turn(c, q.id, { role: "assistant", content: "half" }, 2);
    const other = structuredClone(c);
    add_turn(c, a.id, user("ours"), 3);
    Object.assign(other.turns[1]!, { content: "whole", changed: 9 });
    const theirs = add_turn(other, a.id, user("theirs"), 4);
    unite(c, other);
    expect(c.turns.map((t) => t.content)).toEqual(["q", "whole", "theirs", "ours"]);
    expect(c.turns[1]).toBe(a);
    expect(path(c).at(-1)!.content).toBe("ours");
    unite(other, c);
    expect(other.turns.map((t) => t.content)).toEqual(["q", "whole", "theirs", "ours"]);
    expect(path(other).at(-1)).toBe(theirs);
    expect(read_conversation(structuredClone(c))).not.toBeNull();  // parents come first
  });

  test("what was exported is read again; cycles and strangers are not", () => {
    const c = new_conversation(5);
    add_turn(c, add_turn(c, null, user("a"), 1).id, { role: "assistant", content: "b", reasoning: "r", finish: "stop" }, 2);
    expect(JSON.parse(JSON.stringify(read_conversation(JSON.parse(JSON.stringify(c)))))).toEqual(JSON.parse(JSON.stringify(c)));
    const [x, y] = structuredClone(c.turns);
    expect(read_conversation({ ...c, turns: [{ ...x, parent: y!.id }, { ...y, parent: x!.id }] })).toBeNull();
    expect(read_conversation({ ...c, turns: [{ ...x, role: "system" }] })).toBeNull();
    for (const value of [null, 3, "x", {}, { id: "i", title: "t" }]) expect(read_conversation(value)).toBeNull();
  });

  test("a title is one short line", () => {
    expect(title_of("  one\ntwo")).toBe("one");
    expect(title_of("x".repeat(100))).toHaveLength(60);
  });
});

test.describe("Markdown", () => {
  const text_of = (spans: Span[]): string => spans.map((s) => "text" in s ? s.text : "spans" in s ? `<${s.kind}>${text_of(s.spans)}</>` : "\n").join("");
  const kinds = (blocks: Block[]) => blocks.map((b) => b.kind);

  test("emphasis, and what is none", () => {
    expect(text_of(parse_spans("a **b *c* d** e"))).toBe("a <strong>b <em>c</> d</> e");
    expect(text_of(parse_spans("snake_case_name and 2 * 3 * 4"))).toBe("snake_case_name and 2 * 3 * 4");
    expect(text_of(parse_spans("\\*no\\* **open"))).toBe("*no* **open");
  });

  test("links go to http only", () => {
    expect(parse_spans("[x](https://a.b/c)")[0]).toMatchObject({ kind: "link", href: "https://a.b/c" });
    expect(parse_spans("see https://a.b/c.")[1]).toMatchObject({ kind: "link", href: "https://a.b/c" });
    for (const hostile of ["[x](javascript:alert(1))", "[x](data:text/html,y)", "[x](ftp://a.b)", "[x](//a.b)"])
      expect(parse_spans(hostile).some((s) => s.kind === "link"), hostile).toBe(false);
  });

  test("code is not read, and an open fence runs to the end", () => {
    expect(parse_markdown("```c++\na *b*\n\n# c\n")).toEqual([{ kind: "code", language: "c++", text: "a *b*\n\n# c\n" }]);
    expect(parse_markdown("````\n```\n````\nx")).toMatchObject([{ kind: "code", text: "```" }, { kind: "paragraph" }]);
  });

  test("blocks", () => {
    expect(kinds(parse_markdown("# h\ntext\n- a\n- b\n\n> q\n\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |"))).toEqual(
      ["heading", "paragraph", "list", "quote", "rule", "table"]);
    const [list] = parse_markdown("3. a\n   - b\n\n   c\n4. d");
    expect(list).toMatchObject({ kind: "list", start: 3 });
    expect((list as any).items.map(kinds)).toEqual([["paragraph", "list", "paragraph"], ["paragraph"]]);
  });

  test("hostile nesting and length end in time", () => {
    const began = Date.now();
    for (const text of [">".repeat(5000), "- ".repeat(5000), "*".repeat(15_000), "[".repeat(15_000), "`".repeat(9000) + "a",
      "*a ".repeat(5000), "h".repeat(20_000), "|-".repeat(5000) + "\n" + "|-".repeat(5000), "_a*b".repeat(4000)])
      parse_markdown(text);
    expect(Date.now() - began).toBeLessThan(5000);
  });
});

test.describe("the monitor's numbers", () => {
  const at = (uptime_seconds: number, decoded_tokens: number) => ({ uptime_seconds,
    totals: { decoded_tokens, prompt_tokens: 0, busy_seconds: uptime_seconds / 2 } }) as Monitor;

  test("rates are differences; a new server begins anew", () => {
    const history = new RateHistory();
    expect(history.take(at(10, 100), 0)).toBeNull();
    expect(history.take(at(12, 300), 2000)).toEqual({ decode_tok_s: 100, prompt_tok_s: 0, busy: 0.5 });
    expect(history.take(at(1, 5), 3000)).toBeNull();
    expect(history.samples).toEqual([]);
  });

  test("an expert's load is a multiple of its layer's mean", () => {
    expect(expert_shares([[1, 3], [0, 0]])).toEqual([[0.5, 1.5], [0, 0]]);
  });
});

test.describe("episodes", () => {
  test("opposites", () => {
    expect(negated("the jar is open.")).toBe("the jar is not open");
    expect(negated("the jar is not open")).toBe("the jar is open");
    expect(negated("dry(item: tent)")).toBeNull();
    expect(changeable_facts(episode as any)).toContain("the fine bucket is not full");
    expect(changeable_facts({ ...(episode as any), literals: ["x"] })).toEqual(["x"]);
  });

  test("why goes back to what has no cause, each cause told once", () => {
    const lines = why(changed.events, changed.steps.at(-1)!.event);
    for (const { event, seen_before } of lines)
      if (!seen_before && event.causes.length > 0)
        for (const cause of event.causes) expect(lines.some((line) => line.event.name === cause)).toBe(true);
    const told = lines.filter((line) => !line.seen_before && line.event.causes.length > 0).map((line) => line.event.name);
    expect(new Set(told).size).toBe(told.length);
  });

  for (const [name, world] of [["play", episode], ["play_what_if", changed]] as const)
    test(`${name}: causes stand above effects in the world, nothing overlaps, all is inside`, () => {
      const rows = rows_of(world.events);
      for (const event of world.events)
        for (const cause of event.causes)
          if (rows.has(event.name)) expect(rows.get(cause)!, `${cause} of ${event.name}`).toBeLessThan(rows.get(event.name)!);
      const { nodes, edges, width, height } = layout_graph(world.events);
      expect(edges).toHaveLength(world.events.reduce((sum, event) => sum + event.causes.length, 0));
      for (const [i, a] of nodes.entries()) {
        expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height).toBe(true);
        for (const b of nodes.slice(i + 1))
          expect(a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height,
            `${a.event.name} and ${b.event.name} overlap`).toBe(false);
      }
    });

  test("long texts are cut, short ones are not", () => {
    expect(wrap("one two three", 8)).toEqual(["one two", "three"]);
    const cut = wrap("word ".repeat(60).trim(), 24);
    expect(cut).toHaveLength(5);
    expect(cut.at(-1)).toMatch(/…$/);
  });
});
