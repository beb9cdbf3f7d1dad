// Pictures for the documents, in light and dark: HADAL_SCREENSHOTS=1 tests/page/run.sh --project 'screenshots-*'
import { test } from "@playwright/test";
import { ask, expect, open, answer } from "./page/fixture";

const picture = (name: string, colours: string | null | undefined) => ({ path: `../../docs/screenshots/${name}_${colours ?? "light"}.png` });

test("chat", async ({ page, colorScheme }) => {
  await page.setViewportSize({ width: 1100, height: 720 });
  await open(page);
  await ask(page, "how high is the sky?");
  await page.getByRole("button", { name: "New chat" }).click();
  await page.getByLabel("Thinking", { exact: true }).selectOption("high");
  await ask(page, "think about two and two");
  await page.getByLabel("Thinking", { exact: true }).selectOption("none");
  await ask(page, "write a loop, please");
  await answer(page).hover();
  await page.screenshot(picture("chat", colorScheme));
});

test("monitor", async ({ page, colorScheme }) => {
  await page.setViewportSize({ width: 1100, height: 980 });
  await open(page, "#/monitor");
  await page.waitForTimeout(12_000);
  await page.screenshot(picture("monitor", colorScheme));
});

test("world", async ({ page, colorScheme }) => {
  await page.setViewportSize({ width: 1440, height: 760 });
  await open(page, "#/world/household/3/1");
  await expect(page.getByText("Solved in 3 steps")).toBeVisible();
  await page.locator(".node.act").last().click();
  await page.mouse.move(2, 2);
  await page.screenshot(picture("world", colorScheme));
});

test("what if", async ({ page, colorScheme }) => {
  await page.setViewportSize({ width: 1280, height: 740 });
  await open(page, "#/world/household/3/1");
  await expect(page.getByText("Solved in 3 steps")).toBeVisible();
  await page.locator("[data-told=o1]").click();
  await page.getByRole("button", { name: /^What if the .+ is not / }).click();
  await expect(page.getByRole("region", { name: /^What if the / })).toBeVisible();
  await page.locator("[data-told=o1]").first().click();
  await page.locator("main").evaluate((main) => main.scrollTo(0, 0));
  await page.screenshot(picture("what_if", colorScheme));
});
