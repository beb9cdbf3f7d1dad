// What every test of the page shares: a page that reports no error, and a few doings of a user.
import { test as base, expect, type Page } from "@playwright/test";

export { expect };

export const test = base.extend<{ page: Page; problems: string[] }>({
  problems: async ({}, use) => use([]),
  /** Fails when the page logs an error: a refused style or script (content-security policy), an exception. */
  page: async ({ page, problems }, use) => {
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => {
      // The browser itself logs answers that are errors; tests of errors expect those.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
    });
    await use(page);
    expect(problems, "errors in the console").toEqual([]);
  },
});

export async function open(page: Page, place = "#/chat"): Promise<void> {
  await page.goto(`/${place}`);
  await expect(page.getByRole("main")).toBeVisible();
}

export async function send(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

export const answer = (page: Page) => page.getByRole("article", { name: "Answer" }).last();
export const question = (page: Page) => page.getByRole("article", { name: "You" }).last();

/** Sends and waits for the end of the answer. */
export async function ask(page: Page, text: string): Promise<void> {
  const n = await page.getByRole("article", { name: "Answer" }).count();
  await send(page, text);
  await expect(page.getByRole("article", { name: "Answer" })).toHaveCount(n + 1);
  await ended(page);
}

export async function ended(page: Page): Promise<void> {
  await expect(answer(page)).toHaveAttribute("aria-busy", "false");
}

export async function open_menu(page: Page): Promise<void> {
  const menu = page.locator("header.top").getByRole("button", { name: "Conversations" });
  if (await menu.isVisible()) await menu.click();
}

/** Answers the next request for an answer with these chunks, instead of the server. */
export function answer_once(page: Page, chunks: object[]): Promise<unknown> {
  return page.route("**/v1/chat/completions", (route) => route.fulfill({ contentType: "text/event-stream",
    body: `: keep-alive\n\n${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")}data: [DONE]\n\n` }), { times: 1 });
}

export const delta = (d: object) => ({ choices: [{ index: 0, delta: d }] });
export const finish = (reason: string) => ({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });

/** The next request for an answer, as JSON. */
export function next_request(page: Page): Promise<any> {
  return page.waitForRequest("**/v1/chat/completions").then((request) => request.postDataJSON());
}

export async function has_no_sideways_scroll(page: Page): Promise<void> {
  const { wide, room } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, room: innerWidth }));
  expect(wide, "width of the page").toBeLessThanOrEqual(room);
  const main = await page.evaluate(() => {
    const el = document.querySelector("main")!;
    return { wide: el.scrollWidth, room: el.clientWidth };
  });
  expect(main.wide, "width of the view").toBeLessThanOrEqual(main.room);
}
