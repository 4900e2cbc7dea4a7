import { expect, test } from '../fixtures/index.ts';

const NO_ADDRESS = 'Enter your e-mail address.';
const NO_PASSWORD = 'Choose a password.';
const TOO_SHORT = 'Choose a password of at least 8 characters.';
const OWN_ADDRESS = 'Choose another password: this one is your e-mail address, or the part before its @.';

/** What the page refuses by itself with JavaScript, and the server without. */
const REFUSED: { what: string; email?: string; password?: string; errors: { email?: string; password?: string } }[] = [
  {
    what: 'nothing at all',
    email: '',
    password: '',
    errors: { email: NO_ADDRESS, password: NO_PASSWORD },
  },
  {
    what: 'an address that is none',
    email: 'somebody',
    errors: { email: 'Enter an e-mail address in the form name@example.com.' },
  },
  {
    what: 'two addresses',
    email: 'somebody@example.com, victim@example.com',
    errors: { email: 'Enter one e-mail address only, without commas, spaces or line breaks.' },
  },
  {
    what: 'no password',
    password: '',
    errors: { password: NO_PASSWORD },
  },
  {
    what: 'a short password',
    password: 'seven77',
    errors: { password: TOO_SHORT },
  },
  {
    what: 'the address as password',
    email: 'somebody@example.com',
    password: 'Somebody@Example.com',
    errors: { password: OWN_ADDRESS },
  },
  {
    what: "the service's name as password",
    password: 'LatchKey',
    errors: { password: 'Choose another password: this one is the name of this service.' },
  },
];

test('what is no address or no password is refused beside its field', async ({ browserLog, javaScriptEnabled, mailbox, page, visitor }) => {
  browserLog.allowStatus(422);
  await visitor.openRegister();
  for (const { what, email, password, errors } of REFUSED) {
    await test.step(what, async () => {
      const person = { email: email ?? visitor.person.email, password: password ?? visitor.person.password };
      await visitor.fillIn(person);
      if (javaScriptEnabled) {
        await visitor.createAccount.click();
        await expect(visitor.password).toHaveValue(person.password);
      } else {
        expect((await visitor.post(visitor.createAccount)).status()).toBe(422);
        await expect(page).toHaveTitle('Error: Create an account · Latchkey');
        await expect(visitor.password).toHaveValue('');
      }

      await expect(visitor.summary).toBeFocused();
      await expect(visitor.summary.getByRole('link')).toHaveText(Object.values(errors));
      for (const [field, error] of [
        [visitor.email, errors.email],
        [visitor.password, errors.password],
      ] as const) {
        if (error === undefined) {
          await expect(field).not.toHaveAttribute('aria-invalid');
        } else {
          await visitor.seesError(field, error);
        }
      }
      await expect(visitor.email).toHaveValue(person.email);
      await expect(visitor.problem).toBeHidden();
      await visitor.summary.getByRole('link').first().click();
      await expect(errors.email === undefined ? visitor.password : visitor.email).toBeFocused();
    });
  }

  await visitor.fillIn();
  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
  expect(await mailbox.waitForMailsTo(visitor.person.email, 1)).toHaveLength(1);
});

test('a common password is refused by the server', async ({ browserLog, javaScriptEnabled, visitor }) => {
  browserLog.allowStatus(422);
  await visitor.openRegister();
  await visitor.fillIn({ password: 'Football' });
  expect((await visitor.post(visitor.createAccount)).status()).toBe(422);

  await visitor.seesError(visitor.password, 'Choose another password: this is one of the most common ones, which are tried first.');
  await expect(visitor.email).toHaveValue(visitor.person.email);
  await expect(visitor.summary).toBeFocused();
  await expect(visitor.password).toHaveValue(javaScriptEnabled ? 'Football' : '');

  await visitor.password.fill(visitor.person.password);
  await visitor.createAccount.click();
  await visitor.seesPendingSignUp();
});

test('the list of common passwords stays on the server', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  const loading = page.waitForResponse((response) => response.url().endsWith('.wasm'));
  await visitor.openRegister();
  const program = await (await loading).body();
  expect(program.includes('password-own-address'), 'the rules are in it').toBe(true);
  for (const common of ['qwertyuiop', '1qaz2wsx', 'trustno1', 'baseball']) {
    expect(program.includes(common), common).toBe(false);
  }
});

test('a slow click is not lost to an error that would move the button', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  await visitor.openRegister();
  await visitor.fillIn({ password: 'short' });
  await visitor.createAccount.hover();
  await page.mouse.down();
  // A finger is slower than the screen.
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  await page.mouse.up();

  await visitor.seesError(visitor.password, TOO_SHORT);
  await expect(visitor.summary).toBeFocused();
});

test('an error goes as soon as the field is right', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  await visitor.openRegister();
  // Nobody is told off while still writing for the first time.
  await visitor.password.pressSequentially('seven');
  await expect(visitor.password).not.toHaveAttribute('aria-invalid');
  await page.keyboard.press('Tab');
  await visitor.seesError(visitor.password, TOO_SHORT);

  await visitor.password.pressSequentially('-eight');
  await expect(visitor.password).not.toHaveAttribute('aria-invalid');
});

test('a password that was left once is checked with every key', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  await visitor.openRegister();
  await visitor.email.fill('somebody@example.com');
  await visitor.password.pressSequentially('somebod');
  await expect(visitor.password).not.toHaveAttribute('aria-invalid');
  await page.keyboard.press('Tab');
  await visitor.seesError(visitor.password, TOO_SHORT);

  await visitor.password.press('End');
  await page.keyboard.type('y');
  await visitor.seesError(visitor.password, OWN_ADDRESS);
  await page.keyboard.type('!');
  await expect(visitor.password).not.toHaveAttribute('aria-invalid');
  await page.keyboard.press('Backspace');
  await visitor.seesError(visitor.password, OWN_ADDRESS);
});

test('reading the password over is not leaving it', { tag: '@with-javascript' }, async ({ page, visitor }) => {
  await visitor.openRegister();
  await visitor.password.pressSequentially('corr');
  await page.getByRole('button', { name: 'Show password' }).click();
  await expect(visitor.password).toHaveAttribute('type', 'text');
  await expect(visitor.password).not.toHaveAttribute('aria-invalid');

  await expect(visitor.password).toBeFocused();
  await page.keyboard.type('ect horse');
  await expect(visitor.password).toHaveValue('correct horse');
});

test('an address that has an account is refused', async ({ anotherBrowser, browserLog, javaScriptEnabled, mailbox, visitor, visitorIn }) => {
  browserLog.allowStatus(409);
  await visitor.register();
  await visitor.enterCode(await visitor.readCode());
  await visitor.seesWelcome();

  const again = visitorIn(await anotherBrowser());
  await again.openRegister();
  await again.fillIn({ password: 'another horse battery' });
  expect((await again.post(again.createAccount)).status()).toBe(409);

  await expect(again.problem).toHaveText('This address has an account already. Use another address, or sign in.');
  await expect(again.email).toHaveValue(visitor.person.email);
  await expect(again.password).toHaveValue(javaScriptEnabled ? 'another horse battery' : '');
  expect(await mailbox.mailsTo(visitor.person.email)).toHaveLength(1);
});
