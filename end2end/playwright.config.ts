import { defineConfig, devices } from '@playwright/test';

import { CHROMIUM_ARGS, findChromium } from './chromium.ts';

/**
 * Every journey runs twice, with and without JavaScript, unless its tag says that it
 * is about one of them, or that it makes no difference; what is tagged @every-size twice
 * more on a phone. All of them in all sizes and colours: journeys.config.ts. Each worker starts
 * a server of its own (fixtures/server.ts), so nothing has to be running before.
 */
export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: true,
  forbidOnly: !!process.env.CI,
  retries: 0,
  workers: 2,
  timeout: 30_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['./reporters/closing-line.ts']],
  use: {
    ...devices['Desktop Chrome'],
    ignoreHTTPSErrors: true,
    launchOptions: { executablePath: findChromium(), args: CHROMIUM_ARGS },
    // Colours are what they are going to be, not on their way there.
    contextOptions: { reducedMotion: 'reduce' },
    screenshot: 'only-on-failure',
    // Without its film and its copies of each page, which cost as much as the tests themselves.
    trace: { mode: 'retain-on-failure', screenshots: false, snapshots: false, sources: false },
  },
  projects: [
    { name: 'with-javascript', use: { javaScriptEnabled: true }, grepInvert: /@without-javascript/ },
    { name: 'without-javascript', use: { javaScriptEnabled: false }, grepInvert: /@with-javascript/ },
    // Where a finger and a small dark screen could make a difference: each page, and each kind of
    // thing that a page has to say, once.
    {
      name: 'phone',
      use: { ...devices['Pixel 7'], colorScheme: 'dark', javaScriptEnabled: true },
      grep: /@every-size/,
      grepInvert: /@without-javascript/,
    },
    {
      name: 'phone-without-javascript',
      use: { ...devices['Pixel 7'], colorScheme: 'dark', javaScriptEnabled: false },
      grep: /@every-size/,
      grepInvert: /@with-javascript/,
    },
  ],
});
