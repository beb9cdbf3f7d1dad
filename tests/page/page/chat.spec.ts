import { readFileSync } from "node:fs";
import { answer, answer_once, ask, delta, ended, expect, finish, has_no_sideways_scroll, next_request, open, open_menu, question, send, test } from "./fixture";

const kDeep = "The Challenger Deep lies about 10,900 m below the surface.";
const kHigh = "It has no edge; the air thins out over some hundred kilometres.";

test("an answer streams, with speed, first token and context", async ({ page }) => {
  await open(page);
  const request = next_request(page);
  await ask(page, "how deep is the sea?");

  await expect(answer(page)).toContainText(kDeep);
  await expect(answer(page).locator("[data-stat=tok_s]")).toHaveText(/^\d+(\.\d)? tokens\/s$/);
  await expect(answer(page).locator("[data-stat=ttft]")).toHaveText(/first after \d/);
  await expect(answer(page).locator("[data-stat=tokens]")).toHaveText(/^\d+ tokens$/);
  const meter = page.getByRole("meter", { name: "Context used" });
  expect(Number(await meter.getAttribute("aria-valuenow"))).toBeGreaterThan(10);
  expect(Number(await meter.getAttribute("aria-valuemax"))).toBeGreaterThan(1000);
  expect(await request).toMatchObject({ stream: true, stream_options: { include_usage: true }, return_progress: true,
    reasoning_effort: "none", messages: [{ role: "user", content: "how deep is the sea?" }] });
  await has_no_sideways_scroll(page);
});

test("the history goes back as it came", async ({ page }) => {
  await open(page);
  await page.getByLabel("Thinking", { exact: true }).selectOption("high");
  await ask(page, "think about two and two");
  const request = next_request(page);
  await ask(page, "how deep is the sea?");

  expect((await request).messages).toEqual([
    { role: "user", content: "think about two and two" },
    { role: "assistant", content: "It is 4.", reasoning_content: "Two and two, counted on fingers, are four." },
    { role: "user", content: "how deep is the sea?" },
  ]);
});

test("thinking is collapsed, with time and tokens", async ({ page }) => {
  await open(page);
  await page.getByLabel("Thinking", { exact: true }).selectOption("max");
  const request = next_request(page);
  await ask(page, "think about two and two");

  expect((await request).reasoning_effort).toBe("max");
  const thought = answer(page).getByText("counted on fingers");
  await expect(thought).toBeHidden();
  await answer(page).getByText(/^Thought for .+ · \d+ tokens$/).click();
  await expect(thought).toBeVisible();
  await expect(answer(page)).toContainText("It is 4.");
});

test("stop keeps what was written", async ({ page }) => {
  await open(page);
  await send(page, "count for long");
  await expect(answer(page)).toContainText("1 2 3 4 5");
  await page.getByRole("button", { name: "Stop" }).click();
  await ended(page);

  await expect(answer(page)).toContainText("stopped");
  await expect(answer(page)).toContainText("1 2 3 4 5");
  await expect(answer(page)).not.toContainText("998 999");
  const kept = await answer(page).locator(".markdown").last().textContent();
  await page.reload();
  await expect(answer(page).locator(".markdown").last()).toHaveText(kept!);
});

test("Escape stops, and the conversation goes on", async ({ page }) => {
  await open(page);
  await send(page, "count for long");
  await expect(answer(page)).toContainText("1 2 3 4 5");
  await page.keyboard.press("Escape");
  await ended(page);
  await expect(answer(page)).toContainText("stopped");
  await ask(page, "how deep is the sea?");

  await expect(answer(page)).toContainText(kDeep);
});

test("a stopped answer is continued where it ended", async ({ page }) => {
  await open(page);
  await send(page, "count for long");
  await expect(answer(page)).toContainText("1 2 3 4 5");
  await page.getByRole("button", { name: "Stop" }).click();
  await ended(page);
  const kept = (await answer(page).locator(".markdown").last().textContent())!;
  const request = next_request(page);
  await answer(page).getByRole("button", { name: "Continue" }).click();

  await expect(answer(page)).toContainText("and so on to the end.");
  await ended(page);
  const { messages } = await request;
  expect(messages.map((m: any) => m.role)).toEqual(["user", "assistant"]);
  expect(messages[1].content.trimEnd()).toBe(kept.trimEnd());
  await expect(answer(page).locator(".markdown").last()).toContainText(kept.trimEnd());
  await expect(page.getByRole("article", { name: "Answer" })).toHaveCount(1);
  await expect(answer(page).locator(".branch-place")).toHaveCount(0);  // the same version
  await expect(answer(page).getByRole("button", { name: "Continue" })).toHaveCount(0);
  await page.reload();
  await expect(answer(page)).toContainText("and so on to the end.");
});

test("thinking that was cut is continued, with all its tokens counted", async ({ page }) => {
  await open(page);
  const usage = (prompt: number, written: number) => ({ choices: [], usage: { prompt_tokens: prompt, completion_tokens: written,
    completion_tokens_details: { reasoning_tokens: prompt > 100 ? 0 : written } } });
  await answer_once(page, [delta({ reasoning_content: "Two and " }), delta({ reasoning_content: "two" }), finish("length"), usage(100, 20)]);
  await ask(page, "think about two and two");
  await expect(answer(page)).toContainText("cut: the token limit is reached");
  await answer_once(page, [delta({ content: "It is 4." }), finish("stop"), usage(121, 5)]);
  const request = next_request(page);
  await answer(page).getByRole("button", { name: "Continue" }).click();

  await expect(answer(page)).toContainText("It is 4.");
  await ended(page);
  expect((await request).messages[1]).toEqual({ role: "assistant", content: "", reasoning_content: "Two and two" });
  await expect(answer(page).locator("summary")).toContainText("20 tokens");
  await expect(answer(page).locator("[data-stat=tokens]")).toHaveText("25 tokens");
  await expect(page.getByRole("meter", { name: "Context used" })).toHaveAttribute("aria-valuenow", "126");
});

test("only the last answer is continued", async ({ page }) => {
  await open(page);
  await answer_once(page, [delta({ content: "Half" }), finish("length")]);
  await ask(page, "how high is the sky?");
  await expect(page.getByRole("button", { name: "Continue" })).toHaveCount(1);
  await ask(page, "how deep is the sea?");
  await expect(page.getByRole("button", { name: "Continue" })).toHaveCount(0);
});

test("a tool call that was cut is not carried out, nor sent back", async ({ page }) => {
  await open(page);
  await answer_once(page, [delta({ content: "I look." }),
    delta({ tool_calls: [{ index: 0, id: "a", function: { name: "get_tide", arguments: '{"place": "Br' } }] }), finish("length")]);
  await ask(page, "read the tide tables");
  await expect(answer(page).getByRole("region", { name: "Tool call get_tide" })).toBeVisible();
  await expect(answer(page)).toContainText("the tool call is not whole");
  await expect(answer(page).getByLabel("Result of get_tide")).toHaveCount(0);
  await expect(answer(page).getByRole("button", { name: "Send results" })).toHaveCount(0);
  const request = next_request(page);
  await ask(page, "how deep is the sea?");

  expect((await request).messages[1]).toEqual({ role: "assistant", content: "I look." });
  await expect(answer(page)).toContainText(kDeep);
});

test("an answer stopped before its first word is no message and no version", async ({ page }) => {
  await open(page);
  await page.route("**/v1/chat/completions", () => {}, { times: 2 });  // never answered
  for (const again of [false, true]) {
    if (again) await answer(page).getByRole("button", { name: "Regenerate" }).click();
    else await send(page, "how high is the sky?");
    await page.getByRole("button", { name: "Stop" }).click();
    await ended(page);
    await expect(answer(page)).toContainText("stopped");
  }
  await expect(answer(page).locator(".branch-place")).toHaveCount(0);
  const request = next_request(page);
  await ask(page, "how deep is the sea?");

  expect((await request).messages.map((m: any) => m.role)).toEqual(["user", "user"]);
  await expect(answer(page)).toContainText(kDeep);
});

test("the server's reason for a cut is told", async ({ page }) => {
  await open(page);
  await answer_once(page, [delta({ content: "so so so" }), { ...finish("length"), warning: "the model repeated itself" }]);
  await ask(page, "how deep is the sea?");
  await expect(answer(page)).toContainText("cut: the model repeated itself");
  await expect(answer(page)).not.toContainText("token limit");
  await page.reload();
  await expect(answer(page)).toContainText("cut: the model repeated itself");
});

test("a page that is closed while its question waits keeps the place of the answer", async ({ page }) => {
  await open(page);
  await page.route("**/v1/chat/completions", () => {}, { times: 1 });
  await send(page, "how deep is the sea?");
  await expect(answer(page)).toContainText("Waiting for the server");
  await page.waitForTimeout(300);
  await page.reload();
  await expect(answer(page)).toContainText("interrupted");
  await answer(page).getByRole("button", { name: "Regenerate" }).click();

  await expect(answer(page)).toContainText(kDeep);
  await ended(page);
  await expect(answer(page).locator(".branch-place")).toHaveCount(0);
});

test("an answer goes on while another view is shown", async ({ page }) => {
  await open(page);
  await send(page, "count for a while");
  await page.getByRole("link", { name: "Monitor", exact: true }).click();
  await expect(page.getByRole("main", { name: "Monitor" })).toBeVisible();
  await page.getByRole("link", { name: "Chat", exact: true }).click();

  await expect(answer(page)).toContainText("1 2 3");
  await expect(answer(page)).toContainText("148 149");
  await ended(page);
});

test("regenerating and editing make branches", async ({ page }) => {
  await open(page);
  await ask(page, "how deep is the sea?");
  await answer(page).hover();
  await answer(page).getByRole("button", { name: "Regenerate" }).click();
  await expect(answer(page).locator(".branch-place")).toHaveText("2/2");
  await ended(page);
  await answer(page).getByRole("button", { name: "Previous version" }).click();
  await expect(answer(page).locator(".branch-place")).toHaveText("1/2");

  await question(page).hover();
  await question(page).getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Edit message").fill("how high is the sky?");
  await question(page).getByRole("button", { name: "Send" }).click();
  await expect(answer(page)).toContainText(kHigh);
  await ended(page);
  await expect(question(page).locator(".branch-place")).toHaveText("2/2");
  await expect(answer(page).locator(".branch-place")).toHaveCount(0);

  await question(page).getByRole("button", { name: "Previous version" }).click();
  await expect(answer(page)).toContainText(kDeep);
  await expect(answer(page).locator(".branch-place")).toHaveText("1/2");
  await page.reload();
  await expect(question(page).locator(".branch-place")).toHaveText("1/2");
  await expect(answer(page).locator(".branch-place")).toHaveText("1/2");
});

test("tool calls are cards, and their results go on", async ({ page }) => {
  await open(page);
  const tool = { type: "function", function: { name: "get_tide", parameters: { type: "object",
    properties: { place: { type: "string" }, days: { type: "integer" } }, required: ["place"] } } };
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Tools (JSON)").fill(JSON.stringify([tool]));
  await page.keyboard.press("Escape");
  const first = next_request(page);
  await ask(page, "read the tide tables");
  expect((await first).tools).toEqual([tool]);

  const cards = answer(page).getByRole("region", { name: "Tool call get_tide" });
  await expect(cards).toHaveCount(2);
  await expect(cards.first().locator("pre")).toHaveText('{\n  "place": "Brest",\n  "days": 2\n}');
  const go_on = answer(page).getByRole("button", { name: "Send results" });
  await cards.first().getByLabel("Result of get_tide").fill("low water at noon");
  await expect(go_on).toBeDisabled();
  await cards.last().getByRole("button", { name: "Decline" }).click();
  await cards.last().getByLabel("Result of get_tide").fill("low water at noon, too");
  const second = next_request(page);
  await go_on.click();
  await expect(answer(page)).toContainText("Low water is at noon.");
  await ended(page);

  const { messages } = await second;
  expect(messages.map((m: any) => m.role)).toEqual(["user", "assistant", "tool", "tool"]);
  expect(messages[1].tool_calls.map((call: any) => [call.type, call.function.name, JSON.parse(call.function.arguments)])).toEqual(
    [["function", "get_tide", { place: "Brest", days: 2 }], ["function", "get_tide", { place: "Dover" }]]);
  expect(messages.slice(2).map((m: any) => [m.tool_call_id, m.content])).toEqual(
    [[messages[1].tool_calls[0].id, "low water at noon"], [messages[1].tool_calls[1].id, "low water at noon, too"]]);
  await expect(page.getByRole("region", { name: "Tool call get_tide" }).first()).toContainText("low water at noon");
});

test("Markdown is drawn", async ({ page }) => {
  await open(page);
  await ask(page, "show markdown");
  const text = answer(page).locator(".markdown").last();

  await expect(text.getByRole("heading", { name: "A heading" })).toBeVisible();
  await expect(text.locator("strong")).toHaveText("bold");
  await expect(text.locator("em")).toHaveText("italic");
  await expect(text.locator("p code")).toHaveText("code");
  await expect(text.getByRole("link", { name: "link" })).toHaveAttribute("href", "https://example.org/page");
  await expect(text.getByRole("link", { name: "link" })).toHaveAttribute("rel", /noopener/);
  await expect(text.locator("ul > li > ul > li")).toHaveText("inner");
  await expect(text.locator("ol > li")).toHaveText(["one", "two"]);
  await expect(text.locator("pre")).toHaveText('print("<b>hello</b>")');
  await expect(text.getByRole("cell", { name: "1" })).toBeVisible();
  await expect(text.locator("blockquote")).toHaveText("quoted");
});

test("hostile text stays text", async ({ page }) => {
  await open(page);
  await ask(page, "be hostile");

  await expect(answer(page)).toContainText('<img src=x onerror="window.hacked=1">');
  await expect(answer(page)).toContainText("[click](javascript:window.hacked=3)");
  await expect(answer(page).locator(".markdown :is(img, script, a[href^=javascript])")).toHaveCount(0);
  expect(await page.evaluate(() => (window as any).hacked)).toBeUndefined();
});

test("a long prompt shows how far it is read, and is cached the second time", async ({ page }) => {
  await open(page);
  const new_words = Date.now().toString(36);  // so that no earlier run left it in the cache
  const letter = `${new_words} long letter ${Array.from({ length: 700 }, (_, i) => `word${i % 97}`).join(" ")} long letter`;
  await page.evaluate(() => {
    (window as any).seen = [];
    new MutationObserver(() => {
      const bar = document.querySelector(".prefill [role=progressbar]");
      if (bar && bar.getBoundingClientRect().height > 0) (window as any).seen.push([Number(bar.getAttribute("aria-valuenow")), Number(bar.getAttribute("aria-valuemax"))]);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  await send(page, letter);
  await expect(answer(page)).toContainText("I have read it.", { timeout: 40_000 });
  await ended(page);
  const seen: [number, number][] = await page.evaluate(() => (window as any).seen);
  expect(seen.length).toBeGreaterThan(0);
  for (const [done, total] of seen) expect(done).toBeLessThanOrEqual(total);

  await answer(page).hover();
  await answer(page).getByRole("button", { name: "Regenerate" }).click();
  await expect(answer(page).locator(".branch-place")).toHaveText("2/2");
  await ended(page);
  await expect(answer(page).locator("[data-stat=cached]")).toHaveText(/cached/);
});

test("a refused request says why and can be tried again", async ({ page }) => {
  await open(page);
  await page.route("**/v1/chat/completions", (route) => route.fulfill({ status: 503, contentType: "application/json",
    body: JSON.stringify({ error: { message: "The queue is full.", type: "overloaded" } }) }), { times: 1 });
  await ask(page, "how deep is the sea?");
  await expect(answer(page).getByRole("alert")).toContainText("The queue is full.");
  await answer(page).getByRole("button", { name: "Retry" }).click();

  await expect(answer(page)).toContainText(kDeep);
  await ended(page);
  await expect(answer(page).locator(".branch-place")).toHaveCount(0);  // what failed is no version
});

test("an error within the stream keeps the text before it", async ({ page }) => {
  await open(page);
  await answer_once(page, [delta({ content: "Half an ans" }), { error: { message: "Out of memory." } }]);
  await ask(page, "how deep is the sea?");

  await expect(answer(page)).toContainText("Half an ans");
  await expect(answer(page).getByRole("alert")).toContainText("Out of memory.");
});

test("a key is asked for, and then used", async ({ page }) => {
  test.skip(!process.env.HADAL_KEY_URL, "HADAL_KEY_URL is not set");
  await page.goto(`${process.env.HADAL_KEY_URL}/#/chat`);
  const dialog = page.getByRole("dialog", { name: "Settings" });
  await expect(dialog.getByRole("alert")).toContainText("API key");
  await expect(dialog.getByLabel("API key")).toBeFocused();
  await dialog.getByLabel("API key").fill("secret");
  await dialog.getByRole("button", { name: "Close" }).click();
  await ask(page, "how deep is the sea?");

  await expect(answer(page)).toContainText(kDeep);
});

test("conversations are kept, found, renamed, exported, deleted, imported", async ({ page }) => {
  await open(page);
  await ask(page, "how deep is the sea?");
  await open_menu(page);
  const list = page.getByRole("navigation", { name: "Conversations" });
  await list.getByRole("button", { name: "New chat" }).click();
  await expect(page.getByRole("heading", { name: "What would you like to know?" })).toBeVisible();
  await ask(page, "how high is the sky?");
  await open_menu(page);
  await expect(list.getByRole("link")).toHaveText(["how high is the sky?", "how deep is the sea?"]);

  await list.getByLabel("Search conversations").fill("SEA");
  await expect(list.getByRole("link")).toHaveText(["how deep is the sea?"]);
  await list.getByRole("listitem").hover();
  await list.getByRole("button", { name: "Rename" }).click();
  await list.getByLabel("Title").fill("The sea, once more");
  await list.getByLabel("Title").press("Enter");
  await expect(list.getByRole("link")).toHaveText(["The sea, once more"]);
  await list.getByLabel("Search conversations").fill("");

  const download = page.waitForEvent("download");
  await list.getByRole("button", { name: "Export" }).click();
  const path = await (await download).path();
  for (let n = 2; n > 0; n -= 1) {
    await list.getByRole("listitem").first().hover();
    await list.getByRole("button", { name: "Delete" }).first().click();
    await list.getByRole("button", { name: "Really delete" }).click();
    await expect(list.getByRole("link")).toHaveCount(n - 1);
  }
  await page.getByLabel("Import conversations").setInputFiles(path);
  await expect(list.getByRole("link")).toHaveText(["how high is the sky?", "The sea, once more"]);
  await list.getByRole("link", { name: "The sea, once more" }).click();
  await expect(answer(page)).toContainText(kDeep);
  await page.reload();
  await expect(answer(page)).toContainText(kDeep);
});

test("a conversation deleted while it is answered stays deleted", async ({ page }) => {
  await open(page);
  await send(page, "count for long");
  await expect(answer(page)).toContainText("1 2 3");
  await open_menu(page);
  const list = page.getByRole("navigation", { name: "Conversations" });
  await list.getByRole("button", { name: "Delete" }).click();
  await list.getByRole("button", { name: "Really delete" }).click();
  await expect(list.getByText("No conversations yet.")).toBeVisible();
  await page.waitForTimeout(1500);  // longer than an answer takes to be saved
  await page.reload();
  await open_menu(page);
  await expect(list.getByText("No conversations yet.")).toBeVisible();
});

test("without a database, conversations last as long as the page", async ({ page }) => {
  await page.addInitScript(() => {
    IDBFactory.prototype.open = () => { throw new DOMException("refused", "SecurityError"); };
  });
  await open(page);
  await ask(page, "how deep is the sea?");
  await expect(answer(page)).toContainText(kDeep);
  await open_menu(page);
  await expect(page.getByRole("navigation", { name: "Conversations" }).getByRole("link")).toHaveText(["how deep is the sea?"]);
});

test("a full storage is told, and the export has what was not saved", async ({ page }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  await page.evaluate(() => {
    // As a browser does at the quota: each request succeeds, the transaction does not.
    const put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function (value: unknown) {
      const request = put.call(this, value);
      request.addEventListener("success", () => this.transaction.abort());
      return request;
    };
    Object.defineProperty(IDBTransaction.prototype, "error", { get: () => new DOMException("full", "QuotaExceededError") });
  });
  await open_menu(page);
  const list = page.getByRole("navigation", { name: "Conversations" });
  await list.getByRole("button", { name: "New chat" }).click();
  await expect(page.getByRole("heading", { name: "What would you like to know?" })).toBeVisible();
  await ask(page, "how deep is the sea?");
  await expect(page.getByRole("main").getByText("Not saved: the browser's storage is full.")).toBeVisible();
  await open_menu(page);
  await expect(list.getByText("Not saved: the browser's storage is full.")).toBeVisible();
  await expect(list.getByRole("link")).toHaveText(["how deep is the sea?", "how high is the sky?"]);
  const download = page.waitForEvent("download");
  await list.getByRole("button", { name: "Export" }).click();
  const text = readFileSync(await (await download).path(), "utf8");
  expect(text).toContain("how high is the sky?");
  expect(text).toContain(kDeep);
});

test("two tabs write to one conversation, and neither loses a turn", async ({ page, context }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  const other = await context.newPage();
  await other.goto(page.url());
  await expect(answer(other)).toContainText(kHigh);
  await ask(page, "how deep is the sea?");
  await expect(answer(other)).toContainText(kDeep);  // told by the first tab
  await question(other).hover();
  await question(other).getByRole("button", { name: "Edit" }).click();
  await other.getByLabel("Edit message").fill("write a loop");
  await other.getByRole("article", { name: "You" }).last().getByRole("button", { name: "Send" }).click();
  await expect(answer(other)).toContainText("even");
  await ended(other);
  await expect(question(page).locator(".branch-place")).toHaveText("1/2");  // what one reads stays
  await ask(page, "count for a while");
  await page.reload();
  await expect(page.getByRole("article", { name: "You" }).nth(1).locator(".branch-place")).toHaveText(/^[12]\/2$/);
  await page.close();
  await other.reload();
  await expect(other.getByRole("article", { name: "You" }).nth(1).locator(".branch-place")).toHaveText(/^[12]\/2$/);
});

test("an answer that another tab writes is no interrupted one, until that tab is closed", async ({ page, context }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  const other = await context.newPage();
  await other.goto(page.url());
  await expect(answer(other)).toContainText(kHigh);
  await send(other, "count for long");
  await expect(answer(page)).toContainText("1 2 3 4 5");
  await expect(answer(page)).toContainText("being written in another tab");
  await expect(page.getByRole("button", { name: "Continue" })).toHaveCount(0);
  await other.close();
  await expect(answer(page)).toContainText("interrupted");
  await expect(page.getByRole("button", { name: "Continue" })).toHaveCount(1);
});

test("a tab that knows nothing of the other's turns keeps them", async ({ page, context }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  const other = await context.newPage();
  await other.addInitScript(() => { BroadcastChannel.prototype.postMessage = () => {}; });
  await other.goto(page.url());
  await expect(answer(other)).toContainText(kHigh);
  await ask(other, "write a loop");
  await ask(page, "how deep is the sea?");
  await page.reload();

  await expect(page.getByRole("article", { name: "You" })).toHaveCount(2);
  await expect(question(page).locator(".branch-place")).toHaveText(/^[12]\/2$/);
});

test("what one tab deletes stays deleted in the other, and settings are shared", async ({ page, context }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  const other = await context.newPage();
  await other.goto(page.url());
  await expect(answer(other)).toContainText(kHigh);
  await other.getByLabel("Thinking", { exact: true }).selectOption("max");
  await expect(page.getByLabel("Thinking", { exact: true })).toHaveValue("max");
  await open_menu(other);
  const list = other.getByRole("navigation", { name: "Conversations" });
  await list.getByRole("listitem").hover();
  await list.getByRole("button", { name: "Delete" }).click();
  await list.getByRole("button", { name: "Really delete" }).click();
  await expect(page.getByRole("heading", { name: "What would you like to know?" })).toBeVisible();
  await page.reload();
  await open_menu(page);
  await expect(page.getByRole("navigation", { name: "Conversations" }).getByText("No conversations yet.")).toBeVisible();
});

test("a damaged file is not imported", async ({ page }) => {
  await open(page);
  await open_menu(page);
  const file = (text: string) => ({ name: "x.json", mimeType: "application/json", buffer: Buffer.from(text) });
  const note = page.getByRole("navigation", { name: "Conversations" }).getByRole("status");
  await page.getByLabel("Import conversations").setInputFiles(file("{"));
  await expect(note).toHaveText("This file is not JSON.");
  await page.getByLabel("Import conversations").setInputFiles(file('{"format": "hadal-conversations", "conversations": [{"id": 1}]}'));
  await expect(note).toHaveText("Conversation 1 of the file is damaged.");
});

test("the place in the text and the address stay while another view is shown", async ({ page }) => {
  await open(page);
  await ask(page, "count for a while");
  await ask(page, `how deep is the sea? ${"really ".repeat(1500)}`);
  const scroller = page.locator(".scroller");
  await scroller.evaluate((el) => el.scrollTo(0, 120));
  await page.getByRole("link", { name: "Monitor", exact: true }).click();
  await expect(page.getByRole("main", { name: "Monitor" })).toBeVisible();
  await page.getByRole("link", { name: "Chat", exact: true }).click();
  expect(await scroller.evaluate((el) => el.scrollTop)).toBe(120);
  await expect(page).toHaveURL(/#\/chat\/\w{10,}$/);
  await page.reload();
  await expect(page.getByRole("article", { name: "Answer" })).toHaveCount(2);
});

test("an answer that grows is followed after another view", async ({ page }) => {
  await open(page);
  await ask(page, `how deep is the sea? ${"really ".repeat(1500)}`);
  await send(page, "count for long");
  await expect(answer(page)).toContainText("1 2 3");
  await page.getByRole("link", { name: "Monitor", exact: true }).click();
  await expect(page.getByRole("main", { name: "Monitor" })).toBeVisible();
  await page.getByRole("link", { name: "Chat", exact: true }).click();
  await expect(answer(page)).toContainText("200 201", { timeout: 40_000 });
  await page.getByRole("button", { name: "Stop" }).click();
  await ended(page);
  const below = await page.locator(".scroller").evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight);
  expect(below).toBeLessThan(80);
});

test("what did not change is not built anew; the focus stays on its button", async ({ page }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  await answer(page).evaluate((el) => { (el as any).is_first = true; });
  await ask(page, "how deep is the sea?");
  expect(await page.getByRole("article", { name: "Answer" }).first().evaluate((el) => (el as any).is_first)).toBe(true);
  await expect(page.getByRole("log")).toHaveAttribute("aria-live", "off");
  await expect(page.getByRole("status", { name: "State of the answer" })).toHaveText("The answer is complete");
  for (let n = 2; n < 4; n += 1) {
    await answer(page).hover();
    await answer(page).getByRole("button", { name: "Regenerate" }).click();
    await expect(answer(page).locator(".branch-place")).toHaveText(`${n}/${n}`);
    await ended(page);
  }
  await answer(page).getByRole("button", { name: "Previous version" }).focus();
  await page.keyboard.press("Enter");
  await expect(answer(page).locator(".branch-place")).toHaveText("2/3");
  await expect(answer(page).getByRole("button", { name: "Previous version" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(answer(page).locator(".branch-place")).toHaveText("1/3");
  await expect(answer(page).getByRole("button", { name: "Next version" })).toBeFocused();
});

test("code that grows keeps its element", async ({ page }) => {
  await page.addInitScript(() => {
    (window as any).blocks = new Set();
    new MutationObserver(() => {
      for (const el of document.querySelectorAll(".markdown pre")) (window as any).blocks.add(el);
    }).observe(document, { subtree: true, childList: true });
  });
  await open(page);
  await ask(page, "write a loop");
  await expect(answer(page).locator("pre")).toHaveText("n_even = sum(1 for x in depths if x % 2 == 0)\nprint(n_even)");
  expect(await page.evaluate(() => (window as any).blocks.size)).toBeLessThanOrEqual(4);  // more than one: while the first line is not whole
});

test("the context fills while an answer is written, and thinking counts its tokens", async ({ page }) => {
  await open(page);
  await send(page, "count for long");
  const meter = page.getByRole("meter", { name: "Context used" });
  const used = async () => Number(await meter.getAttribute("aria-valuenow"));
  await expect.poll(used).toBeGreaterThan(30);
  await expect(answer(page)).toHaveAttribute("aria-busy", "true");
  await page.getByRole("button", { name: "Stop" }).click();
  await ended(page);
  await answer(page).hover();
  await answer(page).getByRole("button", { name: "Regenerate" }).click();  // its prompt is in the cache: no progress is told
  await expect(answer(page)).toContainText("1 2 3 4 5");
  await page.getByRole("button", { name: "Stop" }).click();
  await ended(page);
  await expect(answer(page).locator("[data-stat=tokens]")).not.toHaveAttribute("title", "prompt: 0 tokens");
});

test("a server that comes back is found", async ({ page }) => {
  let is_gone = true;
  await page.route("**/v1/models", (route) => is_gone ? route.abort() : route.continue());
  await open(page);
  await page.waitForTimeout(500);
  is_gone = false;
  await expect(page.locator(".model-name")).not.toBeEmpty();
});

test("a connection that is cut in the middle is told as that", async ({ page }) => {
  await open(page);
  await page.evaluate(() => {
    const real = window.fetch;
    window.fetch = async (path, init) => {
      if (!String(path).includes("chat/completions")) return real(path, init);
      let n = 0;
      return new Response(new ReadableStream({ pull(out) {
        n += 1;
        if (n === 1) out.enqueue(new TextEncoder().encode('data: {"choices": [{"delta": {"content": "Half"}}]}\n\n'));
        else out.error(new TypeError("network error"));
      } }));
    };
  });
  await ask(page, "how deep is the sea?");

  await expect(answer(page)).toContainText("Half");
  await expect(answer(page).getByRole("alert")).toContainText("The connection ended before the answer did.");
  await expect(answer(page).getByRole("button", { name: "Continue" })).toBeVisible();
});

test("an edit sent while an answer is written waits", async ({ page }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  await question(page).hover();
  await question(page).getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Message", { exact: true }).fill("count for long");
  await page.locator(".composer").getByRole("button", { name: "Send" }).click();
  await expect(answer(page)).toContainText("1 2 3");
  const first = page.getByRole("article", { name: "You" }).first();
  await first.getByRole("button", { name: "Send" }).click();
  await expect(page.getByRole("article", { name: "You" })).toHaveCount(2);
  await expect(first.getByLabel("Edit message")).toHaveValue("how high is the sky?");
  await page.getByRole("button", { name: "Stop" }).click();
});

test("Enter in an edited message: a line on a phone, else it sends", async ({ page, isMobile }) => {
  await open(page);
  await ask(page, "how high is the sky?");
  await question(page).hover();
  await question(page).getByRole("button", { name: "Edit" }).click();
  const box = page.getByLabel("Edit message");
  await box.press("Enter");
  if (isMobile) await expect(box).toHaveValue("how high is the sky?\n");
  else await expect(question(page).locator(".branch-place")).toHaveText("2/2");
});

test("a text file is attached as a block", async ({ page }) => {
  await open(page);
  await page.getByLabel("Attach text files").setInputFiles({ name: "depths.csv", mimeType: "text/csv", buffer: Buffer.from("a,1\n```\nb,2\n") });
  const box = page.getByLabel("Message", { exact: true });
  await expect(box).toHaveValue("depths.csv:\n````csv\na,1\n```\nb,2\n````\n");
  await page.getByLabel("Attach text files").setInputFiles({ name: "x.bin", mimeType: "x/x", buffer: Buffer.from([0, 1]) });
  await expect(page.getByText("x.bin is no text file.")).toBeVisible();
});
