import { defineConfig } from "@playwright/test";

const kChromium = { executablePath: process.env.HADAL_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] };
const kPage = { testDir: "./page" };

export default defineConfig({
  testDir: ".",
  workers: 1,
  fullyParallel: false,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [["list"], ["./summary.mjs"]],
  use: {
    baseURL: process.env.HADAL_URL,
    browserName: "chromium",
    launchOptions: kChromium,
    contextOptions: { reducedMotion: "reduce" },
    viewport: { width: 1280, height: 860 },
    actionTimeout: 20_000,
  },
  projects: [
    { name: "logic", testMatch: "logic.spec.ts" },
    { name: "light", ...kPage, use: { colorScheme: "light" } },
    { name: "dark", ...kPage, use: { colorScheme: "dark" } },
    { name: "phone", ...kPage, use: { colorScheme: "light", viewport: { width: 380, height: 740 }, hasTouch: true, isMobile: true } },
    ...(process.env.HADAL_SCREENSHOTS ? ["light", "dark"].map((colours) => ({
      name: `screenshots-${colours}`, testMatch: "screenshots.spec.ts", use: { colorScheme: colours as "light" | "dark" },
    })) : []),
  ],
});
