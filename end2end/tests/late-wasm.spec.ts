import type { BrowserContext } from '@playwright/test';

import { expect, test, wrongCode } from '../fixtures/index.ts';

test.describe('before the page has come to life', { tag: '@with-javascript' }, () => {
  test('the form posts itself while the wasm is on its way', async ({ browserLog, context, page, visitor }) => {
    browserLog.allowStatus(422);
    browserLog.allowStatus(403);
    const release = await holdBack(context);

    await page.goto('/register', { waitUntil: 'commit' });
    await visitor.fillIn({ password: 'short' });
    await visitor.createAccount.click({ noWaitAfter: true });
    await visitor.seesError(visitor.password, 'Choose a password of at least 8 characters.');
    await expect(visitor.email).toHaveValue(visitor.person.email);
    await expect(visitor.password).toHaveValue('');

    await visitor.password.fill(visitor.person.password);
    await visitor.createAccount.click({ noWaitAfter: true });
    await expect(visitor.code).toBeVisible();
    const code = await visitor.readCode();
    await visitor.code.fill(wrongCode(code));
    await visitor.verify.click({ noWaitAfter: true });
    await expect(visitor.fact('Attempts left')).toHaveText('2');

    await visitor.code.fill(code);
    await visitor.verify.click({ noWaitAfter: true });
    await visitor.seesWelcome();
    await release();
  });

  test('what was typed meanwhile is kept and checked', async ({ context, page, visitor }) => {
    const release = await holdBack(context);
    await page.goto('/register', { waitUntil: 'commit' });
    await visitor.fillIn({ password: 'short' });
    await visitor.password.focus();

    await release();
    await expect(page.getByRole('button', { name: 'Show password' })).toBeVisible();
    await expect(visitor.email).toHaveValue(visitor.person.email);
    await expect(visitor.password).toHaveValue('short');
    await expect(visitor.password).toBeFocused();
    await visitor.createAccount.click();
    await visitor.seesError(visitor.password, 'Choose a password of at least 8 characters.');
    await visitor.fillIn();
    await visitor.createAccount.click();
    await visitor.seesPendingSignUp();
  });

  test('whoever skips to the content and writes goes on writing', async ({ context, page, visitor }) => {
    const release = await holdBack(context, '**/pkg/*.{js,wasm}');
    // Once it has read the whole document, the browser goes to where the address points, once more.
    await page.goto('/register', { waitUntil: 'domcontentloaded' });
    await expect(visitor.email).toBeVisible();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('main')).toBeFocused();
    await page.keyboard.press('Tab');
    await expect(visitor.email).toBeFocused();
    await page.keyboard.type('ada');

    await release();
    await visitor.awaitsHydration();
    await page.keyboard.type('@example.com');
    await expect(visitor.email).toHaveValue('ada@example.com');
  });

  test('what is being typed is heard once the page listens', async ({ context, page, visitor }) => {
    let release = await holdBack(context);
    await page.goto('/register', { waitUntil: 'commit' });
    await visitor.fillIn({ password: 'aaaaaaaa' });
    await release();
    await expect(page.getByText('Easy to guess: add another word.')).toBeVisible();
    await visitor.fillIn();
    await visitor.createAccount.click();
    await visitor.seesPendingSignUp();
    const code = await visitor.readCode();

    release = await holdBack(context);
    await page.reload({ waitUntil: 'commit' });
    await visitor.code.fill(code);
    await release();
    // By itself, as when it is typed later.
    await visitor.seesWelcome();
  });

  test('everything works without the wasm', async ({ browserLog, context, page, visitor }) => {
    browserLog.allow(/\.wasm net::ERR_FAILED$/, /^console: Failed to load resource: net::ERR_FAILED .*\.wasm\)$/);
    browserLog.allow(/^exception: TypeError: Failed to fetch/);
    await context.route('**/*.wasm', (route) => route.abort());

    await page.goto('/register');
    await visitor.fillIn();
    await visitor.createAccount.click();
    await expect(page.getByText(`We are sending a code to ${visitor.person.email}`)).toBeVisible();
    await visitor.enterCode(await visitor.readCode());
    await visitor.seesWelcome();
  });
});

/** Holds back the wasm of every page, or what is named, until it is released. */
async function holdBack(context: BrowserContext, files = '**/*.wasm'): Promise<() => Promise<void>> {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  await context.route(files, async (route) => {
    await gate;
    await route.continue();
  });
  return async () => {
    open();
    await context.unrouteAll({ behavior: 'wait' });
  };
}
