import type { Page } from '@playwright/test';

import { expect, test, wrongCode } from '../fixtures/index.ts';

test('an address where nothing is says so and leads back', { tag: ['@with-javascript', '@every-size'] }, async ({ browserLog, page, server, visitor }) => {
  browserLog.allowStatus(404);
  const answer = await page.goto('/nothing/here');

  expect(answer?.status()).toBe(404);
  await expect(page).toHaveTitle('Page not found · Latchkey');
  await expect(visitor.heading('Page not found')).toBeVisible();
  // Whoever asks for help quotes it, and whoever helps finds it.
  const reference = await page.getByRole('code').innerText();
  await expect.poll(() => server.log()).toContain(reference);
  await page.getByRole('link', { name: 'Back to the start' }).click();
  await expect(page).toHaveURL('/');
});

for (const [screen, width, height] of [
  ['a narrow screen', 320, 568],
  ['a desk', 1440, 900],
] as const) {
  // JavaScript adds a button or two, and takes nothing away.
  test(`every page fits ${screen}`, { tag: '@with-javascript' }, async ({ anotherBrowser, browserLog, page, visitor, visitorIn }) => {
    for (const status of [404, 403, 422]) {
      browserLog.allowStatus(status);
    }
    await page.setViewportSize({ width, height });
    await page.goto('/');
    await fits(page);
    await page.goto('/nothing/here');
    await fits(page);

    // Nearly as long as they come, without a place to break.
    const localPart = visitor.person.email.split('@')[0]?.padEnd(64, 'x');
    const email = `${localPart}@${'x'.repeat(63)}.${'y'.repeat(63)}.example`;
    const longest = visitorIn(page, { ...visitor.person, email });
    await longest.openRegister();
    await fits(page);
    await longest.fillIn({ password: 'short' });
    await longest.createAccount.click();
    await longest.seesError(longest.password, 'Choose a password of at least 8 characters.');
    await fits(page);
    await longest.register();
    await fits(page);
    const code = await longest.readCode();
    await longest.enterCode(wrongCode(code));
    await expect(longest.fact('Attempts left')).toHaveText('2');
    await fits(page);
    await longest.enterCode(code);
    await longest.seesWelcome();
    await fits(page);

    const elsewhere = await anotherBrowser();
    await elsewhere.setViewportSize({ width, height });
    await elsewhere.goto('/verify');
    await fits(elsewhere);
  });
}

for (const [language, size, width, isStacked] of [
  ['en', 16, 320, false],
  ['fr', 16, 320, false],
  ['en', 32, 320, true],
  ['fr', 32, 320, true],
  ['fr', 32, 360, true],
  ['fr', 32, 390, true],
  ['fr', 32, 960, false],
] as const) {
  test(`facts can be read in ${language} with letters of ${size} px on ${width} px`, { tag: '@with-javascript' }, async ({ page, visitor }) => {
    await visitor.register();
    await page.getByRole('button', { name: language === 'fr' ? 'Français' : 'English' }).click();
    await expect(page.locator('html')).toHaveAttribute('lang', language);
    await page.setViewportSize({ width, height: 640 });
    await page.evaluate((size) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`html { font-size: ${size}px }`);
      document.adoptedStyleSheets = [sheet];
    }, size);

    await fits(page);
    const facts = await page.locator('.facts').evaluate((list) => {
      const rows = Array.from(list.querySelectorAll('dt'), (term) => {
        const [left, right] = [term, term.nextElementSibling as Element].map((cell) => cell.getBoundingClientRect());
        return (left?.bottom ?? 0) <= (right?.top ?? 0);
      });
      const widths = Array.from(list.querySelectorAll('dd'), (fact) => fact.clientWidth);
      return { rows, width: Math.min(...widths) };
    });
    expect(facts.rows).toEqual(facts.rows.map(() => isStacked));
    // Enough for a word or two.
    expect(facts.width).toBeGreaterThan(5 * size);
  });
}

/** Nothing reaches beyond the window, so that nobody has to scroll sideways. */
async function fits(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  // A page can be looked at before its style sheet is there.
  await page.waitForLoadState();
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content, `width of ${page.url()}`).toBeLessThanOrEqual(window ?? 0);
}
