import type { Page } from '@playwright/test';

import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, test } from '../fixtures/index.ts';

// One worker that takes seconds for a hash, so that few may wait for one.
test.use({ serverSettings: ['hash.workers=1', 'hash.memory_kib=38912', 'hash.iterations=200'] });

// Where a hash takes a second, five may wait while one is done.
const MORE_THAN_MAY_WAIT = 7;

const BUSY = 'The service is busy or being worked on. Nothing was recorded; please try again in a moment.';

test('a service that is too busy says so, and what was typed is sent again with one click', async ({ anotherBrowser, browserLog, javaScriptEnabled, mailbox, page, visitor }) => {
  // Five hashes, which take a quarter of a minute each on a machine that is slow or does something else besides.
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

/**
 * Has everybody who may wait for the worker do so; what comes back waits until they are done.
 *
 * Only a first hash tells the server how few may wait.
 */
async function keepServerBusy(elsewhere: Page): Promise<() => Promise<unknown>> {
  await elsewhere.goto('/login');
  expect(await logIn(elsewhere, 'first')).toBe(401);
  const crowd = Array.from({ length: MORE_THAN_MAY_WAIT }, (_, index) => logIn(elsewhere, `crowd.${index}`));
  // Who finds no place is the first to hear of it.
  expect(await Promise.race(crowd)).toBe(503);
  return () => Promise.all(crowd);
}

/** The status of an attempt to log in as somebody whom nobody knows, which takes a hash all the same. */
function logIn(page: Page, name: string): Promise<number> {
  return page.evaluate(async (email) => {
    const body = new URLSearchParams({ email, password: 'correct horse battery' });
    const answer = await fetch('/login', { method: 'POST', headers: { Accept: 'application/json' }, body });
    return answer.status;
  }, `${name}@example.com`);
}
