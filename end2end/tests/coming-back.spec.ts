import { expect, somebody, test, wrongCode } from '../fixtures/index.ts';

test('reload and back lose nothing on the way', { tag: '@every-size' }, async ({ browserLog, javaScriptEnabled, page, visitor }) => {
  browserLog.allowStatus(403);
  browserLog.allowStatus(422);
  await page.goto('/');
  await page.reload();
  await page.getByRole('link', { name: 'Create an account' }).click();
  await visitor.seesPasswordForm('Create an account');
  await visitor.createAccount.click();
  await expect(visitor.summary).toBeVisible();
  // Without JavaScript the form is posted again, and is as wrong as before.
  await page.reload();
  await visitor.seesPasswordForm('Create an account');
  await expect(visitor.summary).toHaveCount(javaScriptEnabled ? 0 : 1);

  await visitor.register();
  const code = await visitor.readCode();
  const reference = await visitor.fact('Reference').innerText();
  await page.reload();
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Reference')).toHaveText(reference);

  await visitor.enterCode(wrongCode(code));
  await expect(visitor.fact('Attempts left')).toHaveText('2');
  if (javaScriptEnabled) {
    await page.reload();
    await visitor.seesPendingSignUp();
    await expect(visitor.fact('Attempts left')).toHaveText('2');
  }
  await page.goto('/verify');
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Attempts left')).toHaveText('2');
  await expect(visitor.fact('Reference')).toHaveText(reference);

  await page.goto('/register');
  await expect(visitor.createAccount).toBeVisible();
  await page.goBack();
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Attempts left')).toHaveText('2');

  await visitor.enterCode(code);
  await visitor.seesWelcome();
  await page.reload();
  await visitor.seesWelcome();
  await page.goBack();
  await expect(visitor.heading('Enter your code')).toBeVisible();
  await page.goForward();
  await visitor.seesWelcome();

  await visitor.signOut.click();
  await visitor.seesPasswordForm('Sign in');
  await page.reload();
  await visitor.seesPasswordForm('Sign in');
});

test('back from the code to the form, and forth again', async ({ page, visitor }) => {
  await visitor.register();
  await page.goBack();
  await expect(visitor.heading('Create an account')).toBeVisible();
  await page.goForward();
  await visitor.seesPendingSignUp();

  await visitor.enterCode(await visitor.readCode());
  await visitor.seesWelcome();
});

test('whoever goes back and corrects the address gets the mail there', { tag: '@with-javascript' }, async ({ page, visitor, visitorIn }) => {
  await visitor.register();
  const corrected = visitorIn(page, { ...visitor.person, email: `x-${visitor.person.email}` });
  await corrected.openRegister();
  await corrected.fillIn();
  await corrected.createAccount.click();

  await corrected.seesPendingSignUp();
  await corrected.enterCode(await corrected.readCode());
  await corrected.seesWelcome();
});

test('a slip in the address is put right where it is seen, without the password', { tag: '@every-size' }, async ({ browserLog, javaScriptEnabled, mailbox, page, visitor, visitorIn }) => {
  browserLog.allowStatus(422);
  const slip = visitorIn(page, { ...visitor.person, email: `x-${visitor.person.email}` });
  await slip.register();
  await slip.readCode();
  const address = page.getByLabel('Right address');
  const send = page.getByRole('button', { name: 'Send a code there' });
  await expect(address).toBeHidden();
  await page.getByText('Wrong address?').click();
  await address.fill('somebody');
  if (javaScriptEnabled) {
    await send.click();
  } else {
    expect((await visitor.post(send)).status()).toBe(422);
  }
  await visitor.seesError(address, 'Enter an e-mail address in the form name@example.com.');
  await expect(address).toHaveValue('somebody');

  await address.fill(visitor.person.email);
  await send.click();
  await expect(page).toHaveURL('/verify');
  await visitor.seesPendingSignUp();
  await visitor.enterCode(await visitor.readCode());
  await visitor.seesWelcome();
  expect(await mailbox.mailsTo(slip.person.email)).toHaveLength(1);

  // The password is the one that was typed before the slip was seen.
  await visitor.signOut.click();
  await visitor.seesPasswordForm('Sign in');
  await visitor.fillIn();
  await visitor.signIn.click();
  await visitor.seesWelcome();
});

test('a closed tab is not the end of a sign-up', { tag: '@with-javascript' }, async ({ context, page, visitor, visitorIn }) => {
  await visitor.register();
  const code = await visitor.readCode();
  await page.close();

  const later = visitorIn(await context.newPage());
  await later.page.goto('/');
  await later.page.getByRole('link', { name: 'I have a code' }).click();
  await later.seesPendingSignUp();
  await later.enterCode(code);
  await later.seesWelcome();
  await later.page.close();

  const again = visitorIn(await context.newPage());
  await again.page.goto('/welcome');
  await again.seesWelcome();
});

test('two tabs of a browser share a sign-up', async ({ browserLog, context, visitor, visitorIn }) => {
  browserLog.allowStatus(409);
  await visitor.register();
  const code = await visitor.readCode();
  const beside = visitorIn(await context.newPage());
  await beside.page.goto('/verify');
  await beside.seesPendingSignUp();

  await beside.enterCode(code);
  await beside.seesWelcome();

  await visitor.code.fill(code);
  const answer = await visitor.post(visitor.verify);
  expect(answer.status()).toBe(visitor.javaScriptEnabled ? 409 : 303);
  await visitor.seesWelcome();
});

for (const from of ['the same browser', 'another browser']) {
  test(`whoever has verified in ${from} without hearing of it gets on`, { tag: '@with-javascript' }, async ({ anotherBrowser, browserLog, visitor, visitorIn }) => {
    browserLog.allow(/net::ERR_FAILED/);
    browserLog.allowStatus(409);
    await visitor.register();
    const code = await visitor.readCode();
    const there = from === 'the same browser' ? visitor : visitorIn(await anotherBrowser());
    if (there !== visitor) {
      await there.openVerify();
      await there.fillIn();
    }
    let lost = 0;
    await there.page.route('**/verify', async (route) => {
      await route.fetch();
      await route.abort();
      lost += 1;
    }, { times: 1 });
    await there.enterCode(code);
    await expect(there.problem).toHaveText(/^The server could not be reached\./);
    expect(lost).toBe(1);

    expect((await there.post(there.verify)).status()).toBe(409);
    await there.seesWelcome();
  });
}

test('whoever has verified in another browser is led on to sign in', { tag: '@with-javascript' }, async ({ anotherBrowser, browserLog, visitor, visitorIn }) => {
  browserLog.allowStatus(409);
  await visitor.register();
  const code = await visitor.readCode();
  const elsewhere = visitorIn(await anotherBrowser());
  await elsewhere.openVerify();
  await elsewhere.fillIn();
  await elsewhere.enterCode(code);
  await elsewhere.seesWelcome();

  await visitor.code.fill(wrongCode(code));
  expect((await visitor.post(visitor.verify)).status()).toBe(409);
  await visitor.seesPasswordForm('Sign in');
  await expect(visitor.news).toHaveText('This address is verified already. Sign in with its password.');
  await visitor.fillIn();
  await visitor.signIn.click();
  await visitor.seesWelcome();
});

test('a tab with an older sign-up does not spend the attempts of a newer one', async ({ browserLog, context, visitor, visitorIn }) => {
  browserLog.allowStatus(409);
  await visitor.register();
  const code = await visitor.readCode();
  const newer = visitorIn(await context.newPage(), somebody());
  await newer.register();

  await visitor.code.fill(code);
  expect((await visitor.post(visitor.verify)).status()).toBe(409);
  await expect(visitor.problem).toHaveText(
    'This browser has begun another sign-up since. Open this page again to go on with that one.',
  );

  await newer.page.reload();
  await newer.seesPendingSignUp();
  await expect(newer.fact('Attempts left')).toHaveText('3');
  await newer.enterCode(await newer.readCode());
  await newer.seesWelcome();
});

test('signing up again with the same password repeats the code', { tag: '@without-javascript' }, async ({ anotherBrowser, visitor, visitorIn }) => {
  await visitor.register();
  const code = await visitor.readCode();

  const again = visitorIn(await anotherBrowser());
  await again.register();
  expect(await again.readCode(2)).toBe(code);
  await again.enterCode(code);
  await again.seesWelcome();
});

test('whoever is not signed in is asked to sign in, or for the code', { tag: '@without-javascript' }, async ({ page, visitor }) => {
  await page.goto('/welcome');
  await expect(page).toHaveURL('/login?needed');
  await expect(visitor.news).toContainText('Sign in to go on.');
  await expect(visitor.heading('Sign in')).toBeVisible();

  await visitor.register();
  await page.goto('/welcome');
  await expect(page).toHaveURL('/verify');
  await visitor.seesPendingSignUp();
});
