import path from 'node:path';

import { test } from '../fixtures/index.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'docs', 'screenshots');

/** What README shows: a sign-up from its first page to its last. */
test('a sign-up', async ({ page, visitorIn }, info) => {
  const shoot = (name: string) =>
    page.screenshot({ path: path.join(FOLDER, `${name}-${info.project.name}.png`), caret: 'initial', animations: 'disabled' });
  const visitor = visitorIn(page, { email: 'ada@example.org', password: 'correct horse battery' });

  await visitor.openRegister();
  await visitor.fillIn();
  await shoot('register');

  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
  const code = await visitor.readCode();
  // Now the mail has left.
  await page.reload();
  await visitor.seesPendingSignUp();
  await visitor.code.fill(code);
  await shoot('verify');

  await visitor.verify.click();
  await visitor.seesWelcome();
  await shoot('welcome');
});
