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
});

/** As a browser's translator does: each text becomes an element of its own. */
async function translate(page: Page): Promise<void> {
  await page.evaluate(() => {
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
