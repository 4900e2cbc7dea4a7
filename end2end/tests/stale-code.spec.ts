import { expect, test } from '../fixtures/index.ts';

// Long enough to be read and typed by a test, short enough to be waited for.
test.use({ serverSettings: ['code.ttl_seconds=5', 'code.resend_seconds=0'] });

const STALE = 'This code is stale. Ask for a new one.';

test('a code goes stale while the page is open, and a new one works', async ({ browserLog, javaScriptEnabled, page, visitor }) => {
  browserLog.allowStatus(410);
  await visitor.register();
  const code = await visitor.readCode();

  if (javaScriptEnabled) {
    await expect(visitor.fact('Time left')).toHaveText(/^0:0[1-5]$/);
    await expect(visitor.problem).toHaveText(STALE);
  } else {
    // That the mail has left is written down a moment later.
    await expect(async () => {
      await page.reload();
      await expect(visitor.fact('Time left')).toHaveText(/^0:0[1-5] when this page was loaded$/, { timeout: 200 });
    }).toPass();
    await expect(async () => {
      await page.reload();
      await expect(visitor.problem).toHaveText(STALE, { timeout: 200 });
    }).toPass();
  }
  await expect(visitor.fact('Time left')).toHaveText('none');

  await visitor.code.fill(code);
  expect((await visitor.post(visitor.verify)).status()).toBe(410);
  await expect(visitor.problem).toHaveText(STALE);

  await expect(visitor.sendAgain).toHaveText('Send a new code');
  await visitor.sendAgain.click();
  await expect(visitor.problem).toBeHidden();
  await expect(visitor.sendAgain).toHaveText('Send the code again');
  await visitor.enterCode(await visitor.readCode(2));
  await visitor.seesWelcome();
});

test('a stale code in another browser says where a new one comes from', async ({ anotherBrowser, browserLog, visitor, visitorIn }) => {
  browserLog.allowStatus(410);
  await visitor.register();
  const code = await visitor.readCode();
  const elsewhere = visitorIn(await anotherBrowser());
  await elsewhere.openVerify();
  await expect(async () => {
    await visitor.page.reload();
    await expect(visitor.problem).toHaveText(STALE, { timeout: 200 });
  }).toPass();

  await elsewhere.fillIn();
  await elsewhere.code.fill(code);
  expect((await elsewhere.post(elsewhere.verify)).status()).toBe(410);
  await expect(elsewhere.problem).toHaveText(
    'This code is stale. Sign up again with the same address and password to get a new one.',
  );
  await expect(elsewhere.email).toHaveValue(visitor.person.email);

  await elsewhere.page.getByRole('link', { name: 'Sign up again' }).click();
  await elsewhere.fillIn();
  await elsewhere.createAccount.click();
  await elsewhere.seesPendingSignUp();
  await elsewhere.enterCode(await elsewhere.readCode(2));
  await elsewhere.seesWelcome();
});
