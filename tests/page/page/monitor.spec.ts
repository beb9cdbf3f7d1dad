import { answer, expect, has_no_sideways_scroll, open, send, test } from "./fixture";

const kMonitor = {
  model: "tiny", uptime_seconds: 3700, context: 4096, queue: 3,
  slots: [
    { id: 0, busy: true, client: "someone", n_prompt: 100, n_prompt_done: 100, n_decoded: 50, max_tokens: 200 },
    { id: 1, busy: true, client: "", n_prompt: 1000, n_prompt_done: 250, n_decoded: 0, max_tokens: 200 },
    { id: 2, busy: false, client: "", n_prompt: 0, n_prompt_done: 0, n_decoded: 0, max_tokens: 0 },
  ],
  state: { limit_bytes: 1 << 30, page_bytes: 1 << 28, snapshot_bytes: 1 << 29, n_snapshots: 5, n_evicted: 2 },
  disk: null, process: { rss_bytes: 3 << 29 },
  prefix: { restored_tokens: 600, repeated_tokens: 100, new_tokens: 300, misses: { cold: 2, diverged: 1 } },
  totals: { requests: { stop: 4, length: 1 }, prompt_tokens: 1000, decoded_tokens: 500, passes: 700, busy_seconds: 10,
    prefill_seconds: 2, decode_seconds: 8, preemptions: 0 },
  experts: { layers: [[10, 10, 10, 10], [0, 40, 0, 0]] },
};

test("the monitor shows slots, queue, memory, cache and experts", async ({ page }) => {
  const began = Date.now();
  await page.route("**/monitor", (route) => {
    const s = (Date.now() - began) / 1000;
    const totals = { ...kMonitor.totals, decoded_tokens: 500 + 100 * s, busy_seconds: 10 + s };
    return route.fulfill({ json: { ...kMonitor, uptime_seconds: 3700 + s, totals } });
  });
  await open(page, "#/monitor");
  const panel = (name: string) => page.getByRole("region", { name });

  await expect(page.getByRole("heading", { name: "tiny" })).toBeVisible();
  await expect(page.getByText("up 1 h 1 min")).toBeVisible();
  await expect(panel("Slots")).toContainText("2 of 3 busy, 3 waiting");
  await expect(panel("Slots").getByRole("listitem")).toHaveText([/writing 50 of 200 · someone/, /reading 250 of 1000/, /free/]);
  const read = panel("Slots").getByRole("meter", { name: "Prompt read" });
  await expect.poll(() => read.evaluate((el) =>
    Math.round((100 * el.firstElementChild!.getBoundingClientRect().width) / el.getBoundingClientRect().width))).toBe(25);
  await expect(panel("Memory")).toContainText("768 MiB of 1.0 GiB");
  await expect(panel("Prefix cache")).toContainText("60 % were not computed again");
  await expect(panel("Since the start")).toContainText("stop 4 · length 1");
  await expect(panel("Experts").getByRole("status")).toHaveText("Most used: layer 1, expert 1, 4.00 × the mean. Never used: 3 of 8.");
  // About 100 tokens each second: the difference of two polls, not the total.
  await expect.poll(async () => Number(await panel("Speed").locator(".big").first().textContent())).toBeGreaterThan(50);
  expect(Number(await panel("Speed").locator(".big").first().textContent())).toBeLessThan(200);
  await expect(panel("Speed").locator("polyline").first()).toBeAttached();
  await has_no_sideways_scroll(page);
});

test("the heat map's colours tell the load", async ({ page }) => {
  await page.route("**/monitor", (route) => route.fulfill({ json: kMonitor }));
  await open(page, "#/monitor");
  await expect(page.getByText("Most used: layer 1")).toBeVisible();
  const pixels = await page.locator(".heat-scroll canvas").evaluate((canvas: HTMLCanvasElement) => {
    const x = canvas.width / 4, y = canvas.height / 2;
    const at = (layer: number, expert: number) =>
      Array.from(canvas.getContext("2d")!.getImageData((expert + 0.4) * x, (layer + 0.4) * y, 1, 1).data).slice(0, 3).join();
    return { mean: at(0, 0), mean_too: at(0, 3), idle: at(1, 0), hot: at(1, 1) };
  });

  expect(pixels.mean).toBe(pixels.mean_too);
  expect(new Set(Object.values(pixels)).size).toBe(3);
});

test("the heat map tells the cell that is pointed at, also by keys, while polls come", async ({ page }) => {
  let n = 0;
  await page.route("**/monitor", (route) => {
    n += 1;
    return route.fulfill({ json: kMonitor });
  });
  await open(page, "#/monitor");
  const told = page.getByRole("region", { name: "Experts" }).getByRole("status");
  await expect(told).toContainText("Most used");
  const map = page.locator(".heat-scroll canvas");
  await map.focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowDown"]) await page.keyboard.press(key);
  await expect(told).toHaveText("Layer 1, expert 0: 0 tokens, 0.00 × the mean.");
  const { width, height } = (await map.boundingBox())!;
  await map.click({ position: { x: width * 0.4, y: height * 0.7 } });
  await expect(told).toHaveText("Layer 1, expert 1: 40 tokens, 4.00 × the mean.");
  const before = n;
  await expect.poll(() => n).toBeGreaterThan(before + 1);
  await expect(told).toHaveText("Layer 1, expert 1: 40 tokens, 4.00 × the mean.");
});

test("polling ends with the view, and goes on after a failure", async ({ page }) => {
  let n = 0, is_broken = true;
  await page.route("**/monitor", (route) => {
    n += 1;
    return is_broken ? route.fulfill({ status: 500, json: { error: { message: "Not now." } } }) : route.fulfill({ json: kMonitor });
  });
  await open(page, "#/monitor");
  await expect(page.getByText("Not now.")).toBeVisible();
  is_broken = false;
  await expect(page.getByRole("heading", { name: "tiny" })).toBeVisible();
  await expect(page.getByText("Not now.")).toBeHidden();
  await page.getByRole("link", { name: "Chat", exact: true }).click();
  await expect(page.getByRole("main", { name: "Chat" })).toBeVisible();
  const before = n;
  await page.waitForTimeout(2500);

  expect(n).toBeLessThanOrEqual(before + 1);  // one may have been on its way
});

test("this server's monitor is understood", async ({ page }) => {
  const reply = page.waitForResponse("**/monitor");
  await open(page, "#/monitor");
  const monitor = await (await reply).json();

  await expect(page.getByRole("heading", { name: monitor.model })).toBeVisible();
  await expect(page.getByRole("region", { name: "Slots" }).getByRole("listitem")).toHaveCount(monitor.slots.length);
  for (const name of ["Speed", "Memory", "Prefix cache", "Since the start"]) await expect(page.getByRole("region", { name })).toBeVisible();
  await expect(page.getByRole("region", { name: "Experts" })).toBeVisible({ visible: Boolean(monitor.experts?.layers.length) });
  await expect(page.locator("body")).not.toContainText(/NaN|undefined|Infinity/);
});

test("a slot that writes has read its prompt", async ({ page }) => {
  await open(page);
  await send(page, "count for long");
  await expect(answer(page)).toContainText("1 2 3 4 5");
  const { slots } = await (await page.request.get("/monitor")).json();
  const busy = slots.find((slot: any) => slot.busy);

  expect(busy.n_decoded).toBeGreaterThan(0);
  expect(busy.n_prompt_done).toBe(busy.n_prompt);
  await page.getByRole("button", { name: "Stop" }).click();
});
