import { defineConfig } from '@playwright/test';

import tests from './playwright.config.ts';

/** Draws docs/screenshots/*.png anew: `npm run screenshots`. */
export default defineConfig({
  ...tests,
  testDir: 'screenshots',
  reporter: 'list',
  use: { ...tests.use, viewport: { width: 900, height: 860 }, deviceScaleFactor: 2 },
  projects: [
    { name: 'light', use: { colorScheme: 'light' } },
    { name: 'dark', use: { colorScheme: 'dark' } },
  ],
});
