import { expect, somebody, test } from '../fixtures/index.ts';

// Another mail may be asked for at once.
test.use({ serverSettings: ['code.resend_seconds=0'] });

const UNREACHABLE = /^The server could not be reached\./;

test.describe('what a page has to say', { tag: '@with-javascript' }, () => {
  for (const [width, height] of [
    [375, 667],
    [320, 568],
    [375, 400],
  ] as const) {
    test(`is seen on ${width} × ${height}, wherever the button is, and the focus stays`, async ({ anotherBrowser, browserLog, context, page, visitor, visitorIn }) => {
      browserLog.allowStatus(409);
      browserLog.allow(/net::ERR_INTERNET_DISCONNECTED/);
      const owner = visitorIn(await anotherBrowser(), somebody());
      await owner.getAccount();
      await page.setViewportSize({ width, height });

      await visitor.openRegister();
      await visitor.email.fill(owner.person.email);
      await visitor.password.fill(owner.person.password);
      await visitor.post(visitor.createAccount);
      await expect(visitor.problem).toBeInViewport({ ratio: 1 });
      await expect(visitor.password).toBeFocused();

      await visitor.register();
      await visitor.readCode();
      await page.getByText('Wrong address?').click();
      const address = page.getByLabel('Right address');
      await address.fill(owner.person.email);
      await visitor.post(page.getByRole('button', { name: 'Send a code there' }));
      await expect(visitor.problem).toBeInViewport({ ratio: 1 });
      await expect(address).toBeFocused();

      await context.setOffline(true);
      await visitor.sendAgain.click();
      await expect(visitor.problem).toHaveText(UNREACHABLE);
      await expect(visitor.problem).toBeInViewport({ ratio: 1 });

      await context.setOffline(false);
      await visitor.post(visitor.sendAgain);
      await expect(visitor.news).toBeInViewport({ ratio: 1 });
      await expect(visitor.code).toBeInViewport({ ratio: 1 });
      await expect(visitor.code).toBeFocused();
    });
  }

  test('is told again where it is the same again', async ({ browserLog, context, visitor }) => {
    browserLog.allow(/net::ERR_INTERNET_DISCONNECTED/);
    await visitor.openRegister();
    await visitor.fillIn();
    await context.setOffline(true);
    await visitor.createAccount.click();
    await expect(visitor.problem).toHaveText(UNREACHABLE);
    // A screen reader reads what is new in the page.
    await visitor.problem.evaluate((element) => element.setAttribute('data-read', ''));
    await visitor.createAccount.click();
    await expect(visitor.problem).not.toHaveAttribute('data-read');
    await expect(visitor.problem).toHaveText(UNREACHABLE);
  });

  test('a form wakes up again where the next page does not come', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.fillIn();
    // Whoever presses Stop stays on the page.
    await page.route('**/verify', (route) => route.fulfill({ status: 204 }));
    await page.clock.install();
    const left = page.waitForRequest('**/verify');
    await visitor.createAccount.click();
    await left;
    await expect(page.getByRole('button', { name: 'Creating account' })).toBeDisabled();

    await page.clock.fastForward(30_000);
    await expect(visitor.createAccount).toBeEnabled();
  });
});
