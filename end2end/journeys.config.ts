import { defineConfig, devices } from '@playwright/test';

import tests from './playwright.config.ts';

const SCREENS = { desktop: {}, phone: devices['Pixel 7'] };

/**
 * Each journey on a desk and on a phone, in light and in dark, with and without JavaScript:
 * `make journeys`. `make test` takes its pick of these.
 */
export default defineConfig({
  ...tests,
  projects: Object.entries(SCREENS).flatMap(([screen, device]) =>
    (['light', 'dark'] as const).flatMap((colorScheme) => [
      {
        name: `${screen}-${colorScheme}-with-javascript`,
        use: { ...device, colorScheme, javaScriptEnabled: true },
        grepInvert: /@without-javascript/,
      },
      {
        name: `${screen}-${colorScheme}-without-javascript`,
        use: { ...device, colorScheme, javaScriptEnabled: false },
        grepInvert: /@with-javascript/,
      },
    ]),
  ),
});
