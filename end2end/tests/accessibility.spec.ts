import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, test, wrongCode } from '../fixtures/index.ts';

test.use({ serverSettings: ['code.resend_seconds=0', 'links.after=https://shop.example/', 'links.terms=https://shop.example/terms'] });

// What a page looks like does not depend on whether JavaScript has drawn it; the checker needs it.
test.describe('nothing stands in anybody’s way', { tag: '@with-javascript' }, () => {
  // Many pages, each checked twice.
  test.slow();

  test('on the pages that anybody can open', async ({ browserLog, page, visitor }) => {
    browserLog.allowStatus(404);
    for (const path of ['/', '/register', '/verify', '/login', '/nothing/here', '/dev/components']) {
      await page.goto(path);
      await isAccessible(page);
    }
    await visitor.openRegister();
    await visitor.createAccount.click();
    await expect(visitor.summary).toBeFocused();
    await isAccessible(page);
    await visitor.email.fill('ada@gmial.com');
    await visitor.password.fill('horse battery');
    await page.keyboard.press('Tab');
    await visitor.email.focus();
    await visitor.email.press('End');
    await expect(page.getByText('Did you mean')).toBeVisible();
    await isAccessible(page);

    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route('**/register', async (route) => {
      await held;
      await route.continue();
    });
    await visitor.fillIn();
    await visitor.createAccount.click();
    await expect(page.getByRole('button', { name: 'Creating account …' })).toBeVisible();
    await isAccessible(page);
    answer();
    await visitor.seesPendingSignUp();
  });

  test.describe('in French', () => {
    test.use({ locale: 'fr' });

    test('either', async ({ page }) => {
      for (const path of ['/', '/register', '/verify', '/login']) {
        await page.goto(path);
        await expect(page.locator('html')).toHaveAttribute('lang', 'fr');
        await isAccessible(page);
      }
    });
  });

  test('on the way to an account, and back into it', async ({ browserLog, page, visitor }) => {
    for (const status of [401, 403, 410]) {
      browserLog.allowStatus(status);
    }
    await visitor.register();
    await isAccessible(page);
    const code = await visitor.readCode();
    await page.getByText('Wrong address?').click();
    await page.getByRole('button', { name: 'Send a code there' }).click();
    await visitor.seesError(page.getByLabel('Right address'), 'Enter your e-mail address.');
    await isAccessible(page);
    await page.getByText('Wrong address?').click();
    await visitor.sendAgain.click();
    await expect(visitor.news).toBeVisible();
    await isAccessible(page);
    for (const left of ['2', '1', '0']) {
      await visitor.enterCode(wrongCode(code));
      await expect(visitor.fact('Attempts left')).toHaveText(left);
    }
    await isAccessible(page);
    await visitor.enterCode(code);
    await expect(visitor.problem).toBeVisible();
    await isAccessible(page);
    await visitor.sendAgain.click();
    await visitor.enterCode(await visitor.readCode(3));
    await visitor.seesWelcome();
    await isAccessible(page);

    await visitor.signOut.click();
    await expect(visitor.news).toBeVisible();
    await isAccessible(page);
    await visitor.seesPasswordForm('Sign in');
    await visitor.fillIn({ password: 'another horse battery' });
    await visitor.signIn.click();
    await expect(visitor.problem).toBeVisible();
    await isAccessible(page);
  });
});

test('targets are large enough for a finger', { tag: ['@with-javascript', '@every-size'] }, async ({ page, visitor }) => {
  const seesLargeTargets = async () => {
    const sizes = await page
      .locator('main :is(a, button, summary, input:not([type="hidden"])), footer button')
      .evaluateAll((targets) =>
        targets.map((target) => {
          const { width, height } = target.getBoundingClientRect();
          return { what: target.outerHTML.slice(0, 80), width, height };
        }),
      );
    expect(sizes.length).toBeGreaterThan(3);
    expect(sizes.filter(({ width, height }) => Math.min(width, height) < 24)).toEqual([]);
  };
  for (const path of ['/', '/verify', '/login', '/register']) {
    await page.goto(path);
    await seesLargeTargets();
  }
  await visitor.awaitsHydration();
  await visitor.createAccount.click();
  await expect(visitor.summary).toBeFocused();
  await seesLargeTargets();
  await visitor.register();
  await page.getByText('Wrong address?').click();
  await expect(page.getByLabel('Right address')).toBeVisible();
  await seesLargeTargets();
});

test('twice as large letters fit a narrow screen', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  const fitsTwiceAsLarge = async () => {
    await page.evaluate(() => {
      document.documentElement.style.fontSize = '200%';
    });
    const [content, window] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    expect(content, page.url()).toBeLessThanOrEqual(window ?? 0);
  };
  await page.setViewportSize({ width: 320, height: 800 });
  for (const path of ['/', '/register', '/verify', '/login']) {
    await page.goto(path);
    await fitsTwiceAsLarge();
  }
  await visitor.register();
  await page.waitForLoadState();
  await fitsTwiceAsLarge();
});

test('with the system’s few colours, edges and the chosen are still there', { tag: '@with-javascript' }, async ({ page }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await page.goto('/register');
  const edge = (name: string) =>
    page.getByRole('button', { name }).evaluate((button) => {
      const style = getComputedStyle(button);
      return { width: style.borderTopWidth, line: style.textDecorationLine };
    });
  expect((await edge('Create account')).width).not.toBe('0px');
  expect((await edge('English')).line).toBe('underline');
  expect((await edge('Français')).line).toBe('none');
});

test('nothing moves for whoever asked for that', { tag: '@with-javascript' }, async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto('/register');
  const duration = await page
    .getByRole('button', { name: 'Create account' })
    .evaluate((button) => getComputedStyle(button).transitionDuration);
  expect(duration).toBe('0s');
});
