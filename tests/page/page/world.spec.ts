import type { Page } from "@playwright/test";
import { expect, has_no_sideways_scroll, open, test } from "./fixture";

/** Opens a world; the episode as the server told it. */
async function play(page: Page, place = "#/world/household/3/1"): Promise<any> {
  const reply = page.waitForResponse("**/worlds/play");
  await open(page, place);
  const episode = await (await reply).json();
  await expect(page.getByRole("region", { name: "As it was" })).toBeVisible();
  return episode;
}

const run = (page: Page) => page.getByRole("region", { name: "As it was" });
const shown = (page: Page) => run(page).locator(".node:not(.hidden)");

test("a world is drawn: every event, every cause", async ({ page }) => {
  const episode = await play(page);
  const names = episode.events.map((event: any) => event.name);
  const edges = episode.events.flatMap((event: any) => event.causes.map((cause: string) => `${cause}>${event.name}`));

  expect(await shown(page).evaluateAll((nodes) => nodes.map((node) => (node as any).dataset.event))).toEqual(names);
  expect(await run(page).locator(".edge:not(.hidden)").evaluateAll((paths) =>
    paths.map((path) => `${(path as any).dataset.cause}>${(path as any).dataset.effect}`))).toEqual(edges);
  for (const event of episode.events) await expect(run(page).locator(`[data-told="${event.name}"]`)).toContainText(event.text);
  await expect(run(page).getByRole("status")).toContainText(episode.solved ? "Solved in" : "Not solved in");
  await expect(page.getByText("not a part of the released V4")).toBeVisible();
  await has_no_sideways_scroll(page);
});

test("no two events overlap, and none is cut", async ({ page }) => {
  await play(page);
  const wrong = await run(page).locator("svg.graph").evaluate((svg: SVGSVGElement) => {
    const found: string[] = [];
    const nodes = Array.from(svg.querySelectorAll<SVGGElement>(".node"));
    const boxes = nodes.map((node) => node.querySelector("rect")!.getBoundingClientRect());
    const room = svg.getBoundingClientRect();
    boxes.forEach((a, i) => {
      if (a.left < room.left || a.right > room.right || a.top < room.top || a.bottom > room.bottom) found.push(`${nodes[i]!.dataset.event} is cut`);
      boxes.slice(i + 1).forEach((b, j) => {
        if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
          found.push(`${nodes[i]!.dataset.event} and ${nodes[i + 1 + j]!.dataset.event} overlap`);
      });
      for (const text of nodes[i]!.querySelectorAll(".node-text"))
        if (text.getBoundingClientRect().right > a.right) found.push(`${nodes[i]!.dataset.event}: text too wide`);
    });
    return found;
  });

  expect(wrong).toEqual([]);
});

test("the graph grows event by event", async ({ page }) => {
  const episode = await play(page);
  const n = episode.events.length;
  await expect(shown(page)).toHaveCount(n);
  await run(page).getByRole("button", { name: "One event back" }).click();
  await expect(shown(page)).toHaveCount(n - 1);
  await expect(run(page).getByText(`${n - 1} / ${n}`)).toBeVisible();
  await expect(run(page).locator(`[data-told="${episode.events[n - 1].name}"]`)).toBeHidden();
  await run(page).getByLabel("Events shown").fill("2");
  await expect(shown(page)).toHaveCount(2);
  await run(page).getByRole("button", { name: "One event on" }).click();
  await expect(shown(page)).toHaveCount(3);
  await run(page).getByRole("button", { name: "From the start" }).click();
  await expect(shown(page)).toHaveCount(n);
});

test("with motion, it plays by itself from nothing", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "no-preference" });
  const episode = await play(page);
  const early = await shown(page).count();
  expect(early).toBeLessThan(episode.events.length);
  await run(page).getByRole("button", { name: "Pause" }).click();
  const paused = await shown(page).count();
  await page.waitForTimeout(1000);
  await expect(shown(page)).toHaveCount(paused);
  await run(page).getByRole("button", { name: "Play", exact: true }).click();
  await expect.poll(() => shown(page).count()).toBeGreaterThan(paused);
});

test("why: the causes of an act, back to the facts", async ({ page }) => {
  const episode = await play(page);
  const act = episode.steps.at(-1);
  const causes = (name: string): string[] => [name, ...episode.events.find((e: any) => e.name === name).causes.flatMap(causes)];
  const way = new Set(causes(act.event));
  await run(page).locator(`.node[data-event="${act.event}"]`).click();

  const on_way = await run(page).locator(".node.on-way").evaluateAll((nodes) => nodes.map((node) => (node as any).dataset.event));
  expect(new Set(on_way)).toEqual(way);
  expect(way.size).toBeLessThan(episode.events.length);
  for (const [effect, cause] of act.why)
    await expect(run(page).locator(`.edge.on-way[data-cause="${cause}"][data-effect="${effect}"]`)).toHaveCount(1);
  const why = run(page).getByRole("region", { name: "Why" });
  await expect(why.getByRole("heading")).toHaveText(`Why ${act.event}?`);
  await expect(why).toContainText("true at the start");
  await why.getByRole("button", { name: "Close" }).click();
  await expect(run(page).locator(".node.on-way")).toHaveCount(0);
});

test("what the model attended to stands beside what it named", async ({ page }) => {
  await page.route("**/worlds/play", async (route) => {
    const episode = await (await route.fetch()).json();
    const [first, second] = episode.events;
    episode.steps[0].named = [first.name];
    episode.steps[0].attended = { outside: 0.1, [first.name]: 0.62, [second.name]: 0.28 };
    await route.fulfill({ json: episode });
  });
  const episode = await play(page);
  await run(page).locator(`.node[data-event="${episode.steps[0].event}"]`).click();

  await expect(run(page).locator(".badge text")).toHaveText(["62 %", "28 %"]);
  await expect(run(page).locator(".attended")).toHaveCount(2);
  await expect(run(page).locator(".attended.named")).toHaveAttribute("data-cause", episode.events[0].name);
  const rows = run(page).getByRole("region", { name: "Why" }).locator("tbody tr");
  await expect(rows).toHaveText([`${episode.events[0].name}yes62 %`, `${episode.events[1].name}–28 %`, "other10 %"]);
});

test("what if: the new run stands beside the old one", async ({ page }) => {
  const episode = await play(page);
  const step = episode.steps.findIndex((s: any) => s.valid);
  test.skip(step < 0, "this model did nothing that worked");
  await run(page).locator(`[data-told="${episode.steps[step].observation_event}"]`).click();
  const request = page.waitForRequest("**/worlds/play");
  const reply = page.waitForResponse("**/worlds/play");
  await run(page).getByRole("button", { name: /^What if the .+ is not / }).click();

  expect((await request).postDataJSON()).toMatchObject({ domain: "household", depth: 3, seed: 1,
    what_if: { fact: expect.stringMatching(/ is not /), after: step + 1 } });
  const changed = await (await reply).json();
  const second = page.getByRole("region", { name: /^What if the .+\?$/ });
  await expect(second.locator(".node:not(.hidden)")).toHaveCount(changed.events.length);
  await expect(second.locator(`.node.change[data-event="${changed.what_if[0].event}"]`)).toBeVisible();
  await expect(run(page).locator(".node")).toHaveCount(episode.events.length);
  await has_no_sideways_scroll(page);
  await second.getByRole("button", { name: "Close this run" }).click();
  await expect(second).toHaveCount(0);
});

test("a what-if of one's own words; nonsense is refused with the server's words", async ({ page }) => {
  const episode = await play(page);
  await page.getByLabel("Changed fact").fill("pigs can fly");
  await page.getByRole("group", { name: "What if" }).getByRole("button", { name: "See" }).click();
  await expect(page.getByRole("alert")).toContainText("is no fact of this world");
  const request = page.waitForRequest("**/worlds/play");
  await page.getByLabel("Changed fact").fill(episode.facts[0].replace(" is ", " is not "));
  await page.getByLabel("After which step").selectOption("0");
  await page.getByLabel("Changed fact").press("Enter");
  expect((await request).postDataJSON().what_if.after).toBe(0);
  await expect(page.getByRole("region", { name: /^What if the .+ from the start\?$/ })).toBeVisible();
});

test("another world, and one chosen", async ({ page }) => {
  await play(page);
  const request = page.waitForRequest("**/worlds/play");
  await page.getByRole("button", { name: "Another world" }).click();
  const { seed } = (await request).postDataJSON();
  await expect(page).toHaveURL(new RegExp(`#/world/household/3/${seed}$`));
  const chosen = page.waitForRequest("**/worlds/play");
  await page.getByLabel("Depth", { exact: true }).fill("2");
  await page.getByLabel("Seed").fill("5");
  await page.getByLabel("Seed").press("Enter");
  expect((await chosen).postDataJSON()).toEqual({ domain: "household", depth: 2, seed: 5 });
  await expect(page).toHaveURL(/#\/world\/household\/2\/5$/);
  await page.getByLabel("Depth", { exact: true }).fill("99");
  await page.getByLabel("Depth", { exact: true }).press("Enter");
  await expect(page.getByRole("alert")).toContainText("Depth is 1 to");
});

test("the world and its address stay while another view is shown", async ({ page }) => {
  await play(page);
  await page.getByRole("link", { name: "Monitor", exact: true }).click();
  await expect(page.getByRole("main", { name: "Monitor" })).toBeVisible();
  await page.getByRole("link", { name: "World", exact: true }).click();
  await expect(run(page)).toBeVisible();
  await expect(page).toHaveURL(/#\/world\/household\/3\/1$/);
});

test("a key that was asked for opens the world", async ({ page }) => {
  test.skip(!process.env.HADAL_KEY_URL, "HADAL_KEY_URL is not set");
  await page.goto(`${process.env.HADAL_KEY_URL}/#/world/household/2/1`);
  const dialog = page.getByRole("dialog", { name: "Settings" });
  await dialog.getByLabel("API key").fill("secret");
  await dialog.getByRole("button", { name: "Close" }).click();

  await expect(page.getByRole("region", { name: "As it was" })).toBeVisible();
});

test("a model without worlds says so", async ({ page }) => {
  await page.route("**/worlds", (route) => route.fulfill({ json: { available: false, domains: [], max_depth: 8, reason: "This model has no world vocabulary." } }));
  await open(page, "#/world");

  await expect(page.getByRole("alert")).toHaveText("This model has no world vocabulary.");
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeHidden();
});
