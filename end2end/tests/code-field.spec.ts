import { expect, test, wrongCode } from '../fixtures/index.ts';

test.describe('a code that is complete', { tag: '@with-javascript' }, () => {
  test('is sent by itself, however it was pasted', async ({ visitor }) => {
    await visitor.register();
    const code = await visitor.readCode();
    await visitor.code.fill(` ${code.slice(0, 2)}-${code.slice(2)}`);
    await visitor.seesWelcome();
  });

  test('can be held back, and nothing is sent or lost', async ({ page, visitor }) => {
    await visitor.register();
    const code = await visitor.readCode();
    await visitor.code.pressSequentially(wrongCode(code));
    await page.getByRole('button', { name: 'Wait' }).click();
    await expect(page.getByText('It is sent by itself once it is complete.')).toBeVisible();
    await expect(visitor.code).toBeFocused();

    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(code);
    await visitor.seesWelcome();
  });

  test('can be held back by keyboard, and then be corrected', async ({ page, visitor }) => {
    await visitor.register();
    const wait = page.getByRole('button', { name: 'Wait' });
    await visitor.code.pressSequentially(wrongCode(await visitor.readCode()));
    await page.keyboard.press('Tab');
    await expect(wait).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(wait).toHaveCount(0);
    await expect(visitor.code).toBeFocused();
  });

  test('is not sent by itself once more where it is known to be wrong', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(403);
    await visitor.register();
    const wrong = wrongCode(await visitor.readCode());
    const error = 'That is not the code in the latest mail. 2 attempts left.';
    await visitor.code.pressSequentially(wrong);
    await visitor.seesError(visitor.code, error);
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(wrong);
    await visitor.seesError(visitor.code, error);
    expect(await page.getByRole('button', { name: 'Wait' }).count()).toBe(0);

    await page.keyboard.press('Enter');
    await expect(visitor.fact('Attempts left')).toHaveText('1');
  });

  test('is sent once, by whoever is first', async ({ page, visitor }) => {
    await visitor.register();
    let posts = 0;
    page.on('request', (request) => {
      posts += request.method() === 'POST' ? 1 : 0;
    });
    await visitor.enterCode(await visitor.readCode());
    await visitor.seesWelcome();
    expect(posts).toBe(1);
  });
});
