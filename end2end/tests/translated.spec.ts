import type { Page } from '@playwright/test';

import { expect, test, wrongCode } from '../fixtures/index.ts';

test.describe('a page that the browser has translated', { tag: '@with-javascript' }, () => {
  test('says what is wrong now, not what was', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.createAccount.click();
    await expect(visitor.page.locator('.summary li')).toHaveCount(2);
    await translate(page);
    const error = page.locator('.field__error').first();
    await expect(error).toHaveText('ENTER YOUR E-MAIL ADDRESS.');

    await page.locator('#email').fill('a@b.com, c@d.com');
    await page.locator('.button').click();
    const now = 'Enter one e-mail address only, without commas, spaces or line breaks.';
    await expect(error).toHaveText(now);
    await expect(page.locator('.summary li').first()).toHaveText(now);

    const password = page.locator('#password');
    await password.fill('correct horse battery');
    const strength = page.locator('.field__advice');
    const before = await strength.textContent();
    await translate(page);
    await password.fill('correct horse battery staple, and then some');
    await expect(strength).not.toHaveText(before ?? '', { ignoreCase: true });
    await page.locator('.field__toggle').click();
    await expect(page.locator('.field__toggle')).toHaveText('Hide');
  });

  test('goes on counting', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(403);
    await visitor.register();
    const code = await visitor.readCode();
    await translate(page);
    for (const counting of [visitor.fact('TIME LEFT'), page.getByRole('button', { name: /^SEND THE CODE AGAIN/i })]) {
      const then = await counting.textContent();
      await expect(counting).not.toHaveText(then ?? '', { ignoreCase: true });
    }
    await visitor.code.fill(wrongCode(code));
    await expect(visitor.fact('ATTEMPTS LEFT')).toHaveText('2');
    await page.keyboard.type(code);
    await visitor.seesWelcome();
  });

  test('stays a form that works when it was translated before it woke up', async ({ page, visitor }) => {
    let wake = (): void => {};
    const translated = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await page.route('**/*.wasm', async (route) => {
      await translated;
      await route.continue();
    });
    await page.goto('/register', { waitUntil: 'commit' });
    await expect(visitor.heading('Create an account')).toBeVisible();
    await translate(page);
    wake();
    await visitor.awaitsHydration();
    await page.locator('#email').fill(visitor.person.email);
    await page.locator('#password').fill(visitor.person.password);
    await page.locator('.button').click();
    await visitor.seesPendingSignUp();
  });

  test.describe('from French', () => {
    test.use({ locale: 'fr-FR' });

    test('is answered in the language it was written in', async ({ browserLog, page, visitor }) => {
      browserLog.allowStatus(422);
      await page.goto('/register');
      await visitor.awaitsHydration();
      await translate(page);
      await page.locator('#email').fill(visitor.person.email);
      // Only the server knows that it is one of the most common ones.
      await page.locator('#password').fill('password');
      await page.locator('.button').click();
      await expect(page.locator('.field__error')).toContainText('mot de passe');
    });
  });
});

/** As a browser's translator does: each text becomes an element of its own, in a page in another language. */
async function translate(page: Page): Promise<void> {
  await page.evaluate(() => {
    document.documentElement.lang = 'de';
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts: Text[] = [];
    while (walker.nextNode()) {
      texts.push(walker.currentNode as Text);
    }
    for (const text of texts.filter((text) => text.data.trim() !== '' && text.parentElement?.closest('[translate=no], script') === null)) {
      const translated = document.createElement('font');
      translated.textContent = text.data.toUpperCase();
      text.replaceWith(translated);
    }
  });
}
