import { expect, test } from '../fixtures/index.ts';

test('the home page opens and complains about nothing', async ({ page }) => {
  const response = await page.goto('/');

  expect(response?.status()).toBe(200);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
});
