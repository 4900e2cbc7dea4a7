import path from 'node:path';

import type { Page } from '@playwright/test';

import { test } from '../fixtures/index.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'docs', 'screenshots');

/** Each page, as somebody sees it on the way from the start to an account and back into it. */
test('every page', async ({ browserLog, page, visitorIn }, info) => {
  browserLog.allowStatus(404);
  browserLog.allowStatus(401);
  const shoot = (name: string) => screenshot(page, `${name}-${info.project.name}`);
  const visitor = visitorIn(page, { email: 'ada@example.org', password: 'correct horse battery' });

  await page.goto('/');
  await shoot('home');
  await visitor.openRegister();
  await visitor.createAccount.click();
  await visitor.summary.waitFor();
  await shoot('register-errors');
  await visitor.openRegister();
  await visitor.fillIn();
  await visitor.password.blur();
  await shoot('register');

  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
  const code = await visitor.readCode();
  // Now the mail has left.
  await page.reload();
  await visitor.seesPendingSignUp();
  await visitor.code.pressSequentially(code.slice(0, -1));
  await shoot('verify');
  await page.context().newPage().then(async (elsewhere) => {
    const { baseURL } = info.project.use;
    await elsewhere.goto(`${baseURL ?? new URL(page.url()).origin}/dev/components`);
    await screenshot(elsewhere, `components-${info.project.name}`, true);
    await elsewhere.close();
  });

  await visitor.enterCode(code);
  await visitor.seesWelcome();
  await shoot('welcome');
  await visitor.signOut.click();
  await visitor.seesPasswordForm('Sign in');
  await shoot('login');
  await page.goto('/nothing/here');
  await shoot('not-found');
});

async function screenshot(page: Page, name: string, fullPage = false): Promise<void> {
  await page.screenshot({
    path: path.join(FOLDER, `${name}.png`),
    caret: 'initial',
    animations: 'disabled',
    fullPage,
    // As sharp as a good screen, but for what is only there for developers.
    scale: fullPage ? 'css' : 'device',
  });
}
