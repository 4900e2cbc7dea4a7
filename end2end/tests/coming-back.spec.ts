import { expect, somebody, test, wrongCode } from '../fixtures/index.ts';

test('reload and back lose nothing on the way', async ({ browserLog, page, visitor }) => {
  browserLog.allowStatus(403);
  await page.goto('/');
  await page.getByRole('link', { name: 'Create an account' }).click();
  await expect(visitor.email).toBeVisible();
  await page.reload();
  await expect(visitor.email).toBeVisible();

  await visitor.register();
  const code = await visitor.readCode();
  const reference = await visitor.fact('Reference').innerText();
  await page.reload();
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Reference')).toHaveText(reference);

  await visitor.enterCode(wrongCode(code));
  await expect(visitor.fact('Attempts left')).toHaveText('2');
  await page.goto('/verify');
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Attempts left')).toHaveText('2');
  await expect(visitor.fact('Reference')).toHaveText(reference);

  await page.getByRole('link', { name: 'Start again' }).click();
  await expect(visitor.createAccount).toBeVisible();
  await page.goBack();
  await visitor.seesPendingSignUp();
  await expect(visitor.fact('Attempts left')).toHaveText('2');

  await visitor.enterCode(code);
  await visitor.seesWelcome();
  await page.reload();
  await visitor.seesWelcome();
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

test('whoever goes back and corrects the address gets the mail there', async ({ page, visitor, visitorIn }) => {
  await visitor.register();
  const corrected = visitorIn(page, { ...visitor.person, email: `x-${visitor.person.email}` });
  await page.getByRole('link', { name: 'Start again' }).click();
  await corrected.fillIn();
  await corrected.createAccount.click();

  await corrected.seesPendingSignUp();
  await corrected.enterCode(await corrected.readCode());
  await corrected.seesWelcome();
});

test('a closed tab is not the end of a sign-up', async ({ context, page, visitor, visitorIn }) => {
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
  if (visitor.javaScriptEnabled) {
    expect(answer.status()).toBe(409);
    await expect(visitor.news).toHaveText('This account is verified already: there is nothing left to do.');
  } else {
    expect(answer.status()).toBe(303);
    await visitor.seesWelcome();
  }
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

test('signing up again with the same password repeats the code', async ({ anotherBrowser, visitor, visitorIn }) => {
  await visitor.register();
  const code = await visitor.readCode();

  const again = visitorIn(await anotherBrowser());
  await again.register();
  expect(await again.readCode(2)).toBe(code);
  await again.enterCode(code);
  await again.seesWelcome();
});

test('whoever has no account is sent to the code', async ({ page, visitor }) => {
  await page.goto('/welcome');

  await expect(page).toHaveURL('/verify');
  await expect(visitor.heading('Enter your code')).toBeVisible();
  await expect(visitor.password).toBeVisible();
});
