import { codeIn, expect, test } from '../fixtures/index.ts';

test('somebody signs up with an address, a password and the code from the mail', { tag: '@every-size' }, async ({ page, visitor }) => {
  const home = await page.goto('/');
  expect(home?.status()).toBe(200);
  await expect(page).toHaveTitle('Sign up · Latchkey');
  await expect(visitor.heading('Sign up with an address that is yours')).toBeVisible();

  await page.getByRole('link', { name: 'Create an account' }).click();
  await expect(page).toHaveTitle('Create an account · Latchkey');
  await visitor.fillIn();
  await visitor.createAccount.click();

  await visitor.seesPendingSignUp();
  await expect(page).toHaveURL('/verify');
  await expect(visitor.fact('Attempts left')).toHaveText('3');
  await visitor.enterCode(await visitor.readCode());

  await visitor.seesWelcome();
});

test('the code can be read in the development mailbox, in a second tab', { tag: '@with-javascript' }, async ({ browserLog, context, page, visitor }) => {
  // The mail's frame runs no scripts, not even those by which this test looks into it.
  browserLog.allow(/^console: Blocked script execution in '[^']*\/dev\/mailbox\/\d+\/html' /);
  await visitor.register();
  const reference = await visitor.fact('Reference').getByRole('code').innerText();

  const opened = context.waitForEvent('page');
  await page.getByRole('link', { name: 'open the mailbox' }).click();
  const mailbox = await opened;
  // Mail shows up by itself with JavaScript; a person without it would reload.
  const mail = mailbox.getByRole('link', { name: visitor.person.email });
  await expect(async () => {
    await mailbox.reload();
    await expect(mail).toBeVisible({ timeout: 1_000 });
  }).toPass();
  await mail.click();
  const subject = mailbox.getByRole('heading', { level: 1 });
  await expect(subject).toHaveText(/^Latchkey: your code is \d{4}$/);
  const code = (await subject.innerText()).slice(-4);
  const html = mailbox.frameLocator('iframe');
  await expect(html.getByText(code, { exact: true })).toBeVisible();
  await expect(html.getByText(reference)).toBeVisible();
  const followed = context.waitForEvent('page');
  await html.getByRole('link', { name: 'stop this sign-up' }).click();
  const offer = await followed;
  await expect(offer.getByRole('heading', { level: 1, name: 'Was this not you?' })).toBeVisible();
  await offer.close();
  await mailbox.close();

  await visitor.enterCode(code);
  await visitor.seesWelcome();
});

test('another browser needs address, password and code', { tag: '@every-size' }, async ({ anotherBrowser, visitor, visitorIn }) => {
  await visitor.register();
  const elsewhere = visitorIn(await anotherBrowser());

  await elsewhere.openVerify();
  await elsewhere.fillIn();
  await elsewhere.enterCode(await visitor.readCode());

  await elsewhere.seesWelcome();
});

test('another browser with another password learns nothing', async ({ anotherBrowser, browserLog, visitor, visitorIn }) => {
  browserLog.allowStatus(401);
  await visitor.register();
  const code = await visitor.readCode();
  const elsewhere = visitorIn(await anotherBrowser());

  await elsewhere.openVerify();
  await elsewhere.fillIn({ password: 'another horse battery' });
  await elsewhere.code.fill(code);
  const answer = await elsewhere.post(elsewhere.verify);

  expect(answer.status()).toBe(401);
  await expect(elsewhere.problem).toHaveText('No sign-up has this address and this password. Check both.');
  await expect(elsewhere.email).toHaveValue(visitor.person.email);

  await visitor.enterCode(code);
  await visitor.seesWelcome();
});

test('another browser hears beside which field something is missing', async ({ browserLog, javaScriptEnabled, visitor }) => {
  browserLog.allowStatus(400);
  await visitor.openVerify();
  await visitor.email.fill(visitor.person.email);

  if (javaScriptEnabled) {
    await visitor.verify.click();
    await expect(visitor.summary).toBeFocused();
  } else {
    expect((await visitor.post(visitor.verify)).status()).toBe(400);
  }

  await visitor.seesError(visitor.password, 'Enter the password that you chose when you signed up.');
  await visitor.seesError(visitor.code, 'Enter the code from the mail.');
  await expect(visitor.email).toHaveValue(visitor.person.email);
  await expect(visitor.email).not.toHaveAttribute('aria-invalid');
});

test('a double click makes one sign-up', async ({ javaScriptEnabled, mailbox, visitor }) => {
  await visitor.openRegister();
  await visitor.fillIn();
  await visitor.createAccount.dblclick();
  await visitor.seesPendingSignUp();
  await visitor.enterCode(await visitor.readCode());
  await visitor.seesWelcome();

  const mails = await mailbox.mailsTo(visitor.person.email);
  // By itself a browser may post a form twice: the second post finds the sign-up of the first.
  expect(new Set(mails.map(codeIn))).toHaveProperty('size', 1);
  if (javaScriptEnabled) {
    expect(mails).toHaveLength(1);
  }
});

test('a double click on the code verifies once', { tag: '@with-javascript' }, async ({ visitor }) => {
  await visitor.register();
  await visitor.code.fill(await visitor.readCode());
  await visitor.verify.dblclick();
  await visitor.seesWelcome();
});

test('a password can be read over', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  await visitor.openRegister();
  await visitor.fillIn();
  await expect(visitor.password).toHaveAttribute('type', 'password');

  await page.getByRole('button', { name: 'Show password' }).click();
  await expect(visitor.password).toHaveAttribute('type', 'text');
  await expect(visitor.password).toHaveValue(visitor.person.password);

  await page.getByRole('button', { name: 'Hide password' }).click();
  await expect(visitor.password).toHaveAttribute('type', 'password');
});
