import { answer, ask, expect, next_request, open, test } from "./fixture";

test("system prompt and sampling are sent and kept", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Settings" }).click();
  const dialog = page.getByRole("dialog", { name: "Settings" });
  await dialog.getByLabel("System prompt").fill("Answer briefly.");
  await dialog.getByLabel("Temperature").fill("0.5");
  await dialog.getByLabel("Top p").fill("0.9");
  await dialog.getByLabel("Most tokens").fill("64");
  await dialog.getByLabel("Seed").fill("7");
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.reload();
  const request = next_request(page);
  await ask(page, "how deep is the sea?");

  expect(await request).toMatchObject({ temperature: 0.5, top_p: 0.9, max_tokens: 64, seed: 7,
    messages: [{ role: "system", content: "Answer briefly." }, { role: "user", content: "how deep is the sea?" }] });
});

test("what cannot be is refused in place", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Settings" }).click();
  const dialog = page.getByRole("dialog", { name: "Settings" });
  await dialog.getByLabel("Top p").fill("1.5");
  await expect(dialog.getByText("Expected a number from 0 to 1")).toBeVisible();
  await dialog.getByLabel("Tools (JSON)").fill("[{]");
  await expect(dialog.getByText(/^Not JSON/)).toBeVisible();
  await dialog.getByLabel("Tools (JSON)").fill('[{"type": "function", "function": {"name": "no spaces"}}]');
  await expect(dialog.getByText(/^Tool 1: expected/)).toBeVisible();
  await dialog.getByRole("button", { name: "Close" }).click();
  const request = next_request(page);
  await ask(page, "how deep is the sea?");

  const body = await request;
  expect(body).not.toHaveProperty("top_p");
  expect(body).not.toHaveProperty("tools");
  expect(body).not.toHaveProperty("temperature");
  await expect(answer(page)).toContainText("Challenger Deep");
});

function luminance(colour: string): number {
  return colour.match(/[\d.]+/g)!.slice(0, 3).reduce((sum, c) => sum + Number(c) / 3, 0);
}

test("colours follow the system, and the setting before it", async ({ page, colorScheme }) => {
  await open(page);
  const background = async () => luminance(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor));
  const is_dark = async () => (await background()) < 100;
  expect(await is_dark()).toBe(colorScheme === "dark");
  const other = colorScheme === "dark" ? "light" : "dark";
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Colours").selectOption(other);

  expect(await is_dark()).toBe(other === "dark");
  await page.reload();
  await expect.poll(is_dark).toBe(other === "dark");
});

test("keys: new chat, views, help, focus", async ({ page, isMobile }) => {
  test.skip(isMobile, "a phone has no keys");
  await open(page);
  await ask(page, "how deep is the sea?");
  await page.locator("body").click({ position: { x: 640, y: 3 } });
  await page.locator(".scroller").focus();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  await expect(page.getByRole("main", { name: "Monitor" })).toBeVisible();
  await page.keyboard.press("3");
  await expect(page.getByRole("main", { name: "World" })).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByLabel("Message", { exact: true })).toBeFocused();
  await expect(answer(page)).toContainText("Challenger Deep");
  await page.keyboard.type("n2?");  // in a text box, keys are letters
  await expect(page.getByLabel("Message", { exact: true })).toHaveValue("n2?");
  await page.getByLabel("Message", { exact: true }).fill("");
  await page.keyboard.press("ArrowUp");
  await expect(page.getByLabel("Edit message")).toBeFocused();
  await page.keyboard.press("Escape");
  await page.locator(".scroller").focus();
  await page.keyboard.press("n");
  await expect(page.getByRole("heading", { name: "What would you like to know?" })).toBeVisible();
});

test("every control has a name, and focus can be seen", async ({ page, isMobile }) => {
  await open(page);
  await ask(page, "how deep is the sea?");
  const nameless = await page.evaluate(() => Array.from(document.querySelectorAll("button, input, select, textarea, a"))
    .filter((el) => !(el.getAttribute("aria-label") || el.textContent?.trim() || (el as HTMLInputElement).labels?.length)).map((el) => el.outerHTML));
  expect(nameless).toEqual([]);
  if (isMobile) return;
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
  expect(outline).not.toBe("none");
});
