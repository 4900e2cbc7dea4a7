import { expect, test } from '../fixtures/index.ts';

test.describe('while somebody types', { tag: '@with-javascript' }, () => {
  test('a slip in a well-known domain is asked about, and one tap corrects it', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.email.pressSequentially('ada@gmial.com');
    await expect(page.getByText('Did you mean')).toBeHidden();
    await page.keyboard.press('Tab');
    await page.getByRole('button', { name: 'ada@gmail.com' }).click();

    await expect(visitor.email).toHaveValue('ada@gmail.com');
    await expect(visitor.email).toBeFocused();
    await expect(page.getByText('Did you mean')).toBeHidden();
    await visitor.email.fill('ada@example.com');
    await page.keyboard.press('Tab');
    await expect(page.getByText('Did you mean')).toBeHidden();
  });

  test('a keyboard accepts what was probably meant', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.email.pressSequentially('ada@hotmial.com');
    await page.keyboard.press('Tab');
    const meant = page.getByRole('button', { name: 'ada@hotmail.com' });
    await expect(meant).toBeVisible();
    await page.keyboard.press('Shift+Tab');
    await expect(meant).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(visitor.email).toHaveValue('ada@hotmail.com');
    await expect(visitor.email).toBeFocused();
  });

  test('a password is weighed in words', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.password.pressSequentially('aaaaaaaa');
    await expect(page.getByText('Easy to guess: add another word.')).toBeVisible();
    await visitor.password.fill('correct horse battery staple');
    await expect(page.getByText('A strong password.')).toBeVisible();
    await visitor.password.fill('short');
    await page.keyboard.press('Tab');
    await visitor.seesError(visitor.password, 'Choose a password of at least 8 characters.');
    await expect(page.getByText('Easy to guess')).toBeHidden();
    await visitor.password.fill('');
    await expect(page.getByText('Easy to guess')).toBeHidden();
  });

  test('Caps Lock is told', async ({ page, visitor }) => {
    await visitor.openRegister();
    const press = (on: boolean) =>
      visitor.password.evaluate((field, on) => {
        field.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', bubbles: true, modifierCapsLock: on }));
      }, on);
    await press(true);
    await expect(page.getByText('Caps Lock is on.')).toBeVisible();
    await press(false);
    await expect(page.getByText('Caps Lock is on.')).toBeHidden();
  });

  test('an event that a password manager sends breaks nothing', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.password.evaluate((field) => field.dispatchEvent(new Event('keydown', { bubbles: true })));
    await visitor.fillIn();
    await visitor.createAccount.click();
    await visitor.seesPendingSignUp();
    expect(page.url()).toMatch(/\/verify$/);
  });
});
