import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, LatchkeyServer, test } from '../fixtures/index.ts';

const UNREACHABLE =
  'The server could not be reached. Check your connection and try again: nothing you typed is lost.';

test.describe('when the server cannot be reached', { tag: '@with-javascript' }, () => {
  test('a page says so, keeps what was typed, and works once the network is back', { tag: '@every-size' }, async ({ browserLog, context, page, visitor }) => {
    browserLog.allow(/net::ERR_INTERNET_DISCONNECTED/);
    await visitor.openRegister();
    await visitor.fillIn();
    await context.setOffline(true);
    await visitor.createAccount.click();
    await expect(visitor.problem).toHaveText(UNREACHABLE);
    await expect(visitor.email).toHaveValue(visitor.person.email);
    await expect(visitor.password).toHaveValue(visitor.person.password);
    await isAccessible(page);

    await context.setOffline(false);
    await visitor.createAccount.click();
    await visitor.seesPendingSignUp();

    const code = await visitor.readCode();
    await context.setOffline(true);
    await visitor.enterCode(code);
    await expect(visitor.problem).toHaveText(UNREACHABLE);
    await expect(visitor.code).toHaveValue(code);
    await expect(visitor.fact('Attempts left')).toHaveText('3');

    await context.setOffline(false);
    await visitor.verify.click();
    await visitor.seesWelcome();
  });

  test('a page of a server that has stopped says so', async ({ browserLog, page, visitor }) => {
    browserLog.allow(/net::ERR_CONNECTION_REFUSED/);
    const server = await LatchkeyServer.start();
    await page.goto(`${server.url}/register`);
    await expect(page.getByRole('button', { name: 'Show password' })).toBeVisible();
    await visitor.fillIn();
    await server.stop();

    await visitor.createAccount.click();
    await expect(visitor.problem).toHaveText(UNREACHABLE);
    await expect(visitor.createAccount).toBeEnabled();
    await expect(visitor.email).toHaveValue(visitor.person.email);
    await expect(visitor.password).toHaveValue(visitor.person.password);
  });
});
