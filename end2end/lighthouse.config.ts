import { defineConfig } from '@playwright/test';

import tests from './playwright.config.ts';

/**
 * What Lighthouse thinks of the pages that strangers see first. Not among the tests, since its
 * figures depend on the machine and want a release: `make lighthouse`.
 */
export default defineConfig({
  ...tests,
  testDir: 'lighthouse',
  reporter: 'list',
  timeout: 300_000,
  workers: 1,
  projects: [{ name: 'mobile' }],
});
