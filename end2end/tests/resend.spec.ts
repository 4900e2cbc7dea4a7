import { expect, test } from '../fixtures/index.ts';

test.use({ serverSettings: ['code.resend_seconds=3'] });

test('another mail can be asked for when the cooldown is over', { tag: '@with-javascript' }, async ({ page, mailbox, visitor }) => {
  await visitor.register();
  const code = await visitor.readCode();
  await expect(visitor.sendAgain).toHaveText(/^Send the code again \(in [1-3] s\)$/);
  await expect(visitor.sendAgain).toBeDisabled();
  let posts = 0;
  page.on('request', (request) => {
    posts += request.method() === 'POST' ? 1 : 0;
  });
  // Nothing hinders a person from pressing it, and nothing comes of it.
  await visitor.sendAgain.click({ force: true });
  expect(posts).toBe(0);

  await expect(visitor.sendAgain).toHaveText('Send the code again');
  await expect(visitor.sendAgain).toBeEnabled();
  expect((await visitor.post(visitor.sendAgain)).status()).toBe(200);
  await expect(visitor.news).toHaveText('A mail with the code is on its way.');
  await expect(visitor.sendAgain).toBeDisabled();
  expect(posts).toBe(1);

  const [second, first] = await mailbox.waitForMailsTo(visitor.person.email, 2);
  expect(second?.subject).toBe(first?.subject);
  await visitor.enterCode(code);
  await visitor.seesWelcome();
});

test('the server refuses another mail until the cooldown is over', { tag: '@without-javascript' }, async ({ browserLog, visitor }) => {
  browserLog.allowStatus(429);
  await visitor.register();
  const code = await visitor.readCode();

  const tooSoon = await visitor.post(visitor.sendAgain);
  expect(tooSoon.status()).toBe(429);
  expect(Number(await tooSoon.headerValue('retry-after'))).toBeGreaterThan(0);
  await expect(visitor.problem).toHaveText(/^A mail was asked for a moment ago\. Please wait [1-3] seconds?\.$/);
  await visitor.seesPendingSignUp();

  await expect(async () => {
    const answer = await visitor.post(visitor.sendAgain);
    expect(answer.status()).toBe(303);
  }).toPass();
  await visitor.seesPendingSignUp();
  await expect(visitor.problem).toBeHidden();
  expect(await visitor.readCode(2)).toBe(code);
  await visitor.enterCode(code);
  await visitor.seesWelcome();
});
