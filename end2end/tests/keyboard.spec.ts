import type { Locator, Page } from '@playwright/test';

import { expect, test } from '../fixtures/index.ts';

test('a keyboard is enough to sign up', async ({ page, visitor }) => {
  const { keyboard } = page;
  await page.goto('/');
  const home = page.getByRole('link', { name: 'Latchkey' });
  const create = page.getByRole('link', { name: 'Create an account' });
  const skip = page.getByRole('link', { name: 'Skip to the content' });
  const skipsToContent = async () => {
    await keyboard.press('Tab');
    await expect(skip).toBeFocused();
    await keyboard.press('Enter');
    // The address changes before the focus does, from which the next Tab sets out.
    await expect(page.getByRole('main')).toBeFocused();
  };
  await keyboard.press('Tab');
  await expect(skip).toBeFocused();
  await keyboard.press('Tab');
  await expect(home).toBeFocused();
  await keyboard.press('Tab');
  await expect(create).toBeFocused();
  await keyboard.press('Enter');

  await expect(page).toHaveURL('/register');
  await expect(visitor.email).toBeVisible();
  await skipsToContent();
  await keyboard.press('Tab');
  await expect(visitor.email).toBeFocused();
  await keyboard.type(visitor.person.email);
  await keyboard.press('Tab');
  await expect(visitor.password).toBeFocused();
  await keyboard.type(visitor.person.password);
  await keyboard.press('Enter');

  await visitor.seesPendingSignUp();
  const code = await visitor.readCode();
  await skipsToContent();
  await keyboard.press('Tab');
  await expect(visitor.code).toBeFocused();
  await keyboard.type(code);
  await keyboard.press('Enter');

  await visitor.seesWelcome();
});

test('a keyboard is enough for what may come besides', async ({ browserLog, javaScriptEnabled, page, visitor, visitorIn }) => {
  browserLog.allowStatus(400);
  const { keyboard } = page;
  const slip = visitorIn(page, { ...visitor.person, email: `x-${visitor.person.email}` });
  await slip.register();

  await tabTo(page, page.locator('summary', { hasText: 'Wrong address?' }));
  await keyboard.press('Enter');
  await tabTo(page, page.getByLabel('Right address'));
  await keyboard.type(visitor.person.email);
  await keyboard.press('Enter');
  await visitor.seesPendingSignUp();
  const code = await visitor.readCode();
  await tabTo(page, visitor.code);
  await keyboard.type(code);
  await keyboard.press('Enter');
  await visitor.seesWelcome();

  await tabTo(page, visitor.signOut);
  await keyboard.press('Enter');
  await visitor.seesPasswordForm('Sign in');
  // Wrong at first: the summary leads to each field.
  await tabTo(page, visitor.signIn);
  await keyboard.press('Enter');
  await expect(visitor.summary).toBeFocused();
  await tabTo(page, visitor.summary.getByRole('link').first());
  await keyboard.press('Enter');
  await expect(visitor.email).toBeFocused();
  await keyboard.type(visitor.person.email);
  await tabTo(page, visitor.password);
  await keyboard.type(visitor.person.password);
  if (javaScriptEnabled) {
    await tabTo(page, page.getByRole('button', { name: 'Show password' }));
    await keyboard.press('Space');
    await expect(visitor.password).toHaveAttribute('type', 'text');
  }
  await tabTo(page, visitor.signIn);
  await keyboard.press('Space');
  await visitor.seesWelcome();

  await tabTo(page, page.getByRole('button', { name: 'Dark' }));
  await keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await tabTo(page, page.getByRole('button', { name: 'Français' }));
  await keyboard.press('Enter');
  await expect(visitor.heading('Bienvenue')).toBeVisible();
});

/** Goes on from control to control until this one has the focus. */
async function tabTo(page: Page, control: Locator): Promise<void> {
  const most = 20;
  for (let tabs = 0; tabs < most; tabs += 1) {
    await page.keyboard.press('Tab');
    if (await control.evaluate((element) => element === document.activeElement)) {
      return;
    }
  }
  throw new Error(`${control} is not reached within ${most} tabs`);
}
