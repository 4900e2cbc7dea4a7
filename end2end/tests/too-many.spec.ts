import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, test } from '../fixtures/index.ts';

// Somebody who comes through a proxy, for development does not limit its own developer.
test.use({
  serverSettings: ['trusted_proxies=127.0.0.1/32', 'limits.failed_passwords_per_hour=1', 'limits.sign_ups_per_hour=1'],
  extraHTTPHeaders: { 'X-Forwarded-For': '203.0.113.7' },
});

const AGAIN = /^Too many .* came from your network\. Please try again in \d+ minutes?\.$/;

test('whoever has tried too much hears when to come back, and keeps what was typed', { tag: '@every-size' }, async ({ browserLog, javaScriptEnabled, page, visitor }) => {
  browserLog.allowStatus(401);
  browserLog.allowStatus(429);
  await visitor.openLogin();
  await visitor.fillIn();
  expect((await visitor.post(visitor.signIn)).status()).toBe(401);
  await visitor.fillIn();
  const answer = await visitor.post(visitor.signIn);
  expect(answer.status()).toBe(429);
  expect(Number(await answer.headerValue('retry-after'))).toBeGreaterThan(0);
  await expect(visitor.problem).toHaveText(AGAIN);
  await expect(visitor.email).toHaveValue(visitor.person.email);
  await expect(visitor.password).toHaveValue(javaScriptEnabled ? visitor.person.password : '');
  if (javaScriptEnabled) {
    await isAccessible(page);
  }

  await visitor.register();
  await visitor.openRegister();
  await visitor.fillIn({ email: 'another@example.com' });
  expect((await visitor.post(visitor.createAccount)).status()).toBe(429);
  await expect(visitor.problem).toHaveText(AGAIN);
  await expect(visitor.email).toHaveValue('another@example.com');
});
