import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, LatchkeyServer, test } from '../fixtures/index.ts';
import { Relay } from '../fixtures/relay.ts';

/** A server whose mail goes through a relay of the test's own. */
const withRelay = test.extend<{ relay: Relay; own: LatchkeyServer }>({
  relay: async ({}, use) => {
    const relay = await Relay.start();
    await use(relay);
    await relay.stop();
  },
  own: async ({ relay }, use) => {
    const server = await LatchkeyServer.start('--set', `smtp.url=${relay.url}`);
    await use(server);
    relay.letThrough();
    await server.stop();
  },
});

withRelay('the page says when the mail leaves, and counts from then on', async ({ javaScriptEnabled, own, page, relay, visitor }) => {
  relay.hold();
  await page.goto(`${own.url}/register`);
  await visitor.fillIn();
  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Mail')).toHaveText(/^about to leave/);
  await expect(visitor.fact('Time left')).toHaveText('counts from when the mail is sent');
  const lookAgain = page.getByRole('link', { name: 'Look again' });
  await expect(lookAgain).toHaveCount(javaScriptEnabled ? 0 : 1);
  if (javaScriptEnabled) {
    await isAccessible(page);
  }
  // What was typed meanwhile stays.
  await visitor.code.fill('12');

  relay.letThrough();
  if (javaScriptEnabled) {
    await expect(visitor.fact('Mail')).toHaveText('sent, may take a moment to arrive');
    await expect(visitor.fact('Time left')).toHaveText(/^(1:00|0:5\d)$/);
    await expect(visitor.code).toHaveValue('12');
    // No other mail can be asked for so soon.
    await expect(visitor.sendAgain).toBeDisabled();
    await isAccessible(page);
  } else {
    await expect(async () => {
      await lookAgain.click();
      await expect(visitor.fact('Mail')).toHaveText('sent, may take a moment to arrive', { timeout: 500 });
    }).toPass();
    await expect(visitor.fact('Time left')).toHaveText(/^(1:00|0:5\d) when this page was loaded$/);
  }
  await expect(visitor.problem).toHaveCount(0);
});

withRelay('the page says that an address takes no mail', async ({ javaScriptEnabled, own, page, relay, visitor }) => {
  relay.refuse();
  await page.goto(`${own.url}/register`);
  await visitor.fillIn();
  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
  const undeliverable =
    'The mail could not be delivered. Check the address; if it is wrong, correct it below.';
  if (javaScriptEnabled) {
    await expect(visitor.problem).toHaveText(undeliverable);
  } else {
    await expect(async () => {
      await page.reload();
      await expect(visitor.problem).toHaveText(undeliverable, { timeout: 500 });
    }).toPass();
  }
  await expect(visitor.fact('Mail')).toHaveText('could not be delivered: check the address');
  await expect(visitor.fact('Time left')).toHaveText('none');
  if (javaScriptEnabled) {
    await isAccessible(page);
  }
});
