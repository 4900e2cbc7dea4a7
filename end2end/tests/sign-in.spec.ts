import { expect, test, wrongCode } from '../fixtures/index.ts';

const REFUSED = 'No account has this address and this password. Check both.';

test('somebody signs out and in again', { tag: '@every-size' }, async ({ page, visitor }) => {
  await visitor.getAccount();
  await expect(visitor.fact('Verified')).toHaveText(/^\d+ [A-Z][a-z]+ \d{4} at \d\d:\d\d UTC$/);

  await visitor.signOut.click();
  await expect(visitor.heading('Sign in')).toBeVisible();
  await expect(visitor.news).toHaveText('You are signed out.');
  await page.goto('/welcome');
  await expect(page).toHaveURL('/login?needed');

  await visitor.seesPasswordForm('Sign in');
  await visitor.fillIn();
  await visitor.signIn.click();
  await visitor.seesWelcome();
  await page.reload();
  await visitor.seesWelcome();
  await page.goto('/login');
  await visitor.seesWelcome();
});

test('whoever signs out is signed out in every tab, and going back shows nothing', { tag: '@with-javascript' }, async ({ context, page, visitor, visitorIn }) => {
  await visitor.getAccount();
  const beside = visitorIn(await context.newPage());
  await beside.page.goto('/welcome');
  await beside.seesWelcome();

  await visitor.signOut.click();
  await expect(visitor.heading('Sign in')).toBeVisible();
  await beside.page.reload();
  await expect(beside.heading('Sign in')).toBeVisible();
  await page.goBack();
  await expect(visitor.heading('Sign in')).toBeVisible();
});

test('an unknown address and a wrong password are told the same', async ({ anotherBrowser, browserLog, visitor, visitorIn }) => {
  browserLog.allowStatus(401);
  await visitor.getAccount();
  const elsewhere = visitorIn(await anotherBrowser());
  for (const person of [{ password: 'another horse battery' }, { email: 'nobody@example.com' }]) {
    await elsewhere.openLogin();
    await elsewhere.fillIn(person);
    expect((await elsewhere.post(elsewhere.signIn)).status()).toBe(401);
    await expect(elsewhere.problem).toHaveText(REFUSED);
    await expect(elsewhere.email).toHaveValue(person.email ?? visitor.person.email);
  }

  await elsewhere.fillIn();
  await elsewhere.signIn.click();
  await elsewhere.seesWelcome();
});

test('an empty form is refused beside its fields', { tag: '@every-size' }, async ({ browserLog, javaScriptEnabled, visitor }) => {
  browserLog.allowStatus(400);
  await visitor.openLogin();
  if (javaScriptEnabled) {
    await visitor.signIn.click();
  } else {
    expect((await visitor.post(visitor.signIn)).status()).toBe(400);
  }
  await expect(visitor.summary).toBeFocused();
  await visitor.seesError(visitor.email, 'Enter your e-mail address.');
  await visitor.seesError(visitor.password, 'Enter your password.');
});

test('whoever has not entered the code yet is led to it', async ({ anotherBrowser, browserLog, visitor, visitorIn }) => {
  browserLog.allowStatus(409);
  browserLog.allowStatus(403);
  await visitor.register();
  const code = await visitor.readCode();

  const elsewhere = visitorIn(await anotherBrowser());
  await elsewhere.openLogin();
  await elsewhere.fillIn();
  await elsewhere.signIn.click();
  await elsewhere.seesPendingSignUp();
  await elsewhere.enterCode(wrongCode(code));
  await expect(elsewhere.fact('Attempts left')).toHaveText('2');
  await elsewhere.enterCode(code);
  await elsewhere.seesWelcome();
});
