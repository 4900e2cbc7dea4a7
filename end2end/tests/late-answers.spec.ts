import type { Page } from '@playwright/test';

import { expect, test, wrongCode } from '../fixtures/index.ts';

test.describe('while an answer is on its way', { tag: '@with-javascript' }, () => {
  test('a second click hits nothing else: the notice stays', async ({ page, visitor }) => {
    await visitor.getAccount();
    await visitor.signOut.click();
    await visitor.seesPasswordForm('Sign in');
    await visitor.fillIn();
    const answer = await holdAnswer(page, '/login');

    await visitor.signIn.hover();
    await page.mouse.down();
    await page.mouse.up();
    await expect(page.getByRole('button', { name: 'Signing in' })).toBeDisabled();
    await expect(visitor.news).toHaveText('You are signed out.');
    await page.mouse.down();
    await page.mouse.up();
    answer();
    await visitor.seesWelcome();
  });

  test('a second click hits nothing else: the summary stays', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(422);
    await visitor.openRegister();
    await visitor.fillIn({ password: 'Football' });
    await visitor.post(visitor.createAccount);
    await expect(visitor.summary).toBeFocused();
    await visitor.fillIn();
    const answer = await holdAnswer(page, '/register');

    const button = page.getByRole('button', { name: /^Creat(e|ing) account/ });
    const place = await button.boundingBox();
    await button.click();
    await expect(button).toBeDisabled();
    expect(await button.boundingBox()).toEqual(place);
    answer();
    await visitor.seesPendingSignUp();
  });

  test('a password that is replaced meanwhile is not the one that was refused', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(422);
    await visitor.openRegister();
    await visitor.fillIn({ password: 'Football' });
    const answer = await holdAnswer(page, '/register');
    await visitor.createAccount.click();
    await expect(page.getByRole('button', { name: 'Creating account' })).toBeDisabled();
    await visitor.password.fill(visitor.person.password);

    answer();
    await expect(visitor.createAccount).toBeEnabled();
    await expect(visitor.password).not.toHaveAttribute('aria-invalid');
    await expect(visitor.summary).toBeHidden();
    await expect(visitor.problem).toBeHidden();
    await visitor.password.fill('Football');
    await page.keyboard.press('Tab');
    await visitor.seesError(visitor.password, 'Choose another password: this is one of the most common ones, which are tried first.');
    await visitor.fillIn();
    await visitor.createAccount.click();
    await visitor.seesPendingSignUp();
  });

  test('a code that replaces a wrong one is sent in its turn', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(403);
    await visitor.register();
    const code = await visitor.readCode();
    const answer = await holdAnswer(page, '/verify');
    await visitor.code.pressSequentially(wrongCode(code));
    await expect(page.getByRole('button', { name: 'Verifying' })).toBeVisible();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(code);

    answer();
    await expect(visitor.fact('Attempts left')).toHaveText('2');
    await expect(visitor.code).toHaveValue(code);
    await expect(visitor.code).not.toHaveAttribute('aria-invalid');
    await expect(page.getByRole('button', { name: 'Wait' })).toBeVisible();
    await visitor.seesWelcome();
  });

  test('the focus is where it can go on', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(403);
    await visitor.register();
    const code = await visitor.readCode();
    const answer = await holdAnswer(page, '/verify');
    await visitor.code.pressSequentially(wrongCode(code));
    await page.keyboard.press('Tab');
    await expect(page.getByRole('button', { name: 'Wait' })).toBeFocused();
    // The button has gone by itself.
    await expect(page.getByRole('button', { name: 'Verifying' })).toBeVisible();
    await expect(visitor.code).toBeFocused();
    answer();
    await expect(visitor.fact('Attempts left')).toHaveText('2');
  });
});

/** Holds back the answer to what is posted there, until it is called. */
async function holdAnswer(page: Page, path: string): Promise<() => void> {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route(path, async (route) => {
    if (route.request().method() === 'POST') {
      await gate;
    }
    await route.continue();
  });
  return letGo;
}
