import type { Page } from '@playwright/test';

import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, test } from '../fixtures/index.ts';

// One worker that takes longer for a hash than anybody is kept waiting for one.
test.use({ serverSettings: ['hash.workers=1', 'hash.memory_kib=38912', 'hash.iterations=600'] });

const BUSY = 'The service is busy or being worked on. Nothing was recorded; please try again in a moment.';

test('a service that is too busy says so, and what was typed is sent again with one click', async ({ anotherBrowser, browserLog, javaScriptEnabled, mailbox, page, visitor }) => {
  // Two hashes, which take half a minute each on a machine that is slow or does something else besides.
  test.setTimeout(180_000);
  browserLog.allowStatus(401);
  browserLog.allowStatus(503);
  await visitor.openRegister();
  await visitor.fillIn();
  const untilItIsFree = await keepServerBusy(await anotherBrowser());
  const answer = await visitor.post(visitor.createAccount);
  expect(answer.status()).toBe(503);
  expect(Number(await answer.headerValue('retry-after'))).toBeGreaterThan(0);
  await expect(visitor.problem).toHaveText(BUSY);
  await expect(visitor.email).toHaveValue(visitor.person.email);
  await expect(visitor.password).toHaveValue(javaScriptEnabled ? visitor.person.password : '');
  expect(await mailbox.mailsTo(visitor.person.email)).toHaveLength(0);
  if (javaScriptEnabled) {
    await isAccessible(page);
  }

  if (!javaScriptEnabled) {
    // No page ever holds a password.
    await visitor.password.fill(visitor.person.password);
  }
  await untilItIsFree();
  await visitor.createAccount.click();
  await page.waitForURL('/verify');
  await visitor.seesPendingSignUp();
  await visitor.readCode();
});

/** Lets the worker begin with somebody else's password; what comes back waits until it is done. */
async function keepServerBusy(elsewhere: Page): Promise<() => Promise<unknown>> {
  await elsewhere.goto('/login');
  const answered = elsewhere.waitForResponse((response) => response.request().method() === 'POST', { timeout: 0 });
  await elsewhere.evaluate(() => {
    const body = new URLSearchParams({ email: 'somebody.else@example.com', password: 'correct horse battery' });
    void fetch('/login', { method: 'POST', headers: { Accept: 'application/json' }, body });
  });
  // Asks more of the server than what comes before the hash.
  expect((await elsewhere.request.get('/readyz')).status()).toBe(200);
  return () => answered;
}
