import type { APIRequestContext, APIResponse } from '@playwright/test';

import { expect, test } from '../fixtures/index.ts';

// One worker that takes about two seconds for a hash: a crowd fills its queue, and is refused
// as soon as the first of them has been served, for they have all waited for too long by then.
test.use({ serverSettings: ['hash.workers=1', 'hash.iterations=250'] });

/** More than one worker's queue has places. */
const CROWD = 56;

const BUSY = 'The service is busy or being worked on. Nothing was recorded; please try again in a moment.';

test('a service that is too busy says so, and what was typed is sent again with one click', async ({ browserLog, javaScriptEnabled, mailbox, request, visitor }) => {
  // Four hashes at full length, more on a machine that does something else besides.
  test.slow();
  browserLog.allowStatus(503);
  await visitor.openRegister();
  await visitor.fillIn();
  const { emptied } = await fillQueue(request);
  const answer = await visitor.post(visitor.createAccount);
  expect(answer.status()).toBe(503);
  expect(Number(await answer.headerValue('retry-after'))).toBeGreaterThan(0);
  await expect(visitor.problem).toHaveText(BUSY);
  await expect(visitor.email).toHaveValue(visitor.person.email);
  await expect(visitor.password).toHaveValue(javaScriptEnabled ? visitor.person.password : '');
  expect(await mailbox.mailsTo(visitor.person.email)).toHaveLength(0);

  await emptied;
  if (!javaScriptEnabled) {
    // No page ever holds a password.
    await visitor.password.fill(visitor.person.password);
  }
  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
  await visitor.enterCode(await visitor.readCode());
  await visitor.seesWelcome();
});

/** Comes back when there is no place left, with what is answered when there are places again. */
async function fillQueue(request: APIRequestContext): Promise<{ emptied: Promise<unknown> }> {
  const form = { email: 'crowd@example.com', password: 'correct horse battery' };
  const crowd = Array.from({ length: CROWD }, () => request.post('/login', { form }));
  await Promise.any(crowd.map(async (answer) => refused(await answer)));
  return { emptied: Promise.all(crowd) };
}

function refused(answer: APIResponse): void {
  if (answer.status() !== 503) {
    throw new Error(`not refused, but ${answer.status()}`);
  }
}
