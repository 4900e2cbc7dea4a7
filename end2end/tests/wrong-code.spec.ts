import type { Locator } from '@playwright/test';

import { expect, test, wrongCode } from '../fixtures/index.ts';

// Another mail may be asked for at once; resend.spec.ts is about when it may not.
test.use({ serverSettings: ['code.resend_seconds=0'] });

const MALFORMED = 'Enter the code as 4 to 8 digits, as it stands in the mail.';

test('three wrong codes use the code up, and a new one works', { tag: '@every-size' }, async ({ browserLog, visitor }) => {
  browserLog.allowStatus(403);
  browserLog.allowStatus(410);
  await visitor.register();
  const code = await visitor.readCode();
  const attemptsLeft = visitor.fact('Attempts left');
  await expect(attemptsLeft).toHaveText('3');
  await expect(visitor.sendAgain).toHaveText('Send the code again');

  for (const [left, error] of [
    [2, 'That is not the code in the latest mail. 2 attempts left.'],
    [1, 'That is not the code in the latest mail. 1 attempt left.'],
    [0, 'That is not the code, and it was the last attempt. Ask for a new code.'],
  ] as const) {
    await visitor.code.fill(wrongCode(code));
    expect((await visitor.post(visitor.verify)).status()).toBe(403);
    await visitor.seesError(visitor.code, error);
    await expect(attemptsLeft).toHaveText(String(left));
  }

  // The right one comes too late.
  await visitor.code.fill(code);
  expect((await visitor.post(visitor.verify)).status()).toBe(410);
  await expect(visitor.problem).toHaveText('This code is stale. Ask for a new one.');
  await expect(visitor.fact('Time left')).toHaveText('none');

  await expect(visitor.sendAgain).toHaveText('Send a new code');
  await visitor.sendAgain.click();
  await expect(attemptsLeft).toHaveText('3');
  await expect(visitor.problem).toBeHidden();
  await expect(visitor.sendAgain).toHaveText('Send the code again');
  await visitor.enterCode(await visitor.readCode(2));
  await visitor.seesWelcome();
});

test('what is typed takes the place of a wrong code', { tag: '@with-javascript' }, async ({ browserLog, page, visitor }) => {
  browserLog.allowStatus(403);
  await visitor.register();
  const code = await visitor.readCode();
  await visitor.code.pressSequentially(wrongCode(code));
  await expect(visitor.fact('Attempts left')).toHaveText('2');
  await isSelected(visitor.code);

  await page.keyboard.type(code);
  await expect(visitor.code).toHaveValue(code);
  await visitor.seesWelcome();
});

test('a new code leaves nothing of an old one that was wrong', async ({ browserLog, javaScriptEnabled, page, visitor }) => {
  browserLog.allowStatus(403);
  await visitor.register();
  const code = await visitor.readCode();
  for (const left of [2, 1, 0]) {
    await visitor.code.fill(wrongCode(code));
    await visitor.post(visitor.verify);
    await expect(visitor.fact('Attempts left')).toHaveText(String(left));
  }
  await visitor.sendAgain.click();

  await expect(visitor.fact('Attempts left')).toHaveText('3');
  await expect(visitor.code).toHaveValue('');
  await expect(visitor.code).not.toHaveAttribute('aria-invalid');
  await expect(page.locator('.field__error')).toHaveCount(0);
  const renewed = await visitor.readCode(2);
  if (javaScriptEnabled) {
    await expect(visitor.code).toBeFocused();
    await page.keyboard.type(renewed.slice(0, 1));
    // Nobody is told off while still writing it.
    await expect(visitor.code).not.toHaveAttribute('aria-invalid');
    await page.keyboard.type(renewed.slice(1));
  } else {
    await visitor.enterCode(renewed);
  }
  await visitor.seesWelcome();
});

test('the code of a mail sent again is the same while it lives', async ({ javaScriptEnabled, page, visitor }) => {
  await visitor.register();
  const code = await visitor.readCode();
  await visitor.code.pressSequentially('12');
  await visitor.sendAgain.click();

  if (javaScriptEnabled) {
    await expect(visitor.news).toHaveText('A mail with the code is on its way.');
    await isSelected(visitor.code);
    await page.keyboard.type(code);
    await expect(visitor.code).toHaveValue(code);
  } else {
    expect(await visitor.readCode(2)).toBe(code);
    await visitor.enterCode(code);
  }
  await visitor.seesWelcome();
  expect(await visitor.readCode(2)).toBe(code);
});

test('what cannot be a code costs no attempt', async ({ browserLog, javaScriptEnabled, page, visitor }) => {
  browserLog.allowStatus(400);
  await visitor.register();
  for (const [what, text, error] of [
    ['nothing', '', 'Enter the code from the mail.'],
    ['letters', '07a6', MALFORMED],
    ['three digits', '074', MALFORMED],
    ['nine digits', '012345678', MALFORMED],
  ] as const) {
    await test.step(what, async () => {
      await visitor.code.fill(text);
      if (javaScriptEnabled) {
        await visitor.verify.click();
        await expect(visitor.code).toBeFocused();
      } else {
        expect((await visitor.post(visitor.verify)).status()).toBe(400);
      }
      await visitor.seesError(visitor.code, error);
      await expect(visitor.code).toHaveValue(text);
      await expect(visitor.fact('Attempts left')).toHaveText('3');
    });
  }
  await page.goto('/verify');
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Attempts left')).toHaveText('3');
});

test('spaces and dashes in a code are forgiven', { tag: '@without-javascript' }, async ({ visitor }) => {
  await visitor.register();
  const code = await visitor.readCode();

  await visitor.enterCode(`  ${code.slice(0, 2)} - ${code.slice(2)} `);

  await visitor.seesWelcome();
});

/** It has the focus, and the next key takes the place of all that stands there. */
async function isSelected(field: Locator): Promise<void> {
  await expect(field).toBeFocused();
  await expect
    .poll(() =>
      field.evaluate(({ selectionStart, selectionEnd, value }: HTMLInputElement) => [
        selectionStart === 0,
        selectionEnd === value.length,
      ]),
    )
    .toEqual([true, true]);
}
