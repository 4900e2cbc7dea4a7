import { expect, test } from '../fixtures/index.ts';

test('a page speaks the language that was chosen, to the end of a sign-up', { tag: '@every-size' }, async ({ browserLog, javaScriptEnabled, page, visitor }) => {
  browserLog.allowStatus(422);
  browserLog.allowStatus(403);
  await page.goto('/register');
  const document = page.locator('html');
  await expect(document).toHaveAttribute('lang', 'en');
  await page.getByRole('button', { name: 'Français' }).click();

  await expect(page).toHaveURL('/register');
  await expect(document).toHaveAttribute('lang', 'fr');
  await expect(document).toHaveAttribute('dir', 'ltr');
  await expect(page).toHaveTitle('Créer un compte · Latchkey');
  await expect(page.getByRole('button', { name: 'Français' })).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByRole('button', { name: 'Afficher le mot de passe' })).toHaveCount(javaScriptEnabled ? 1 : 0);

  const email = page.getByLabel('Adresse e-mail');
  const password = page.getByLabel('Mot de passe', { exact: true });
  const create = page.getByRole('button', { name: 'Créer le compte' });
  await email.fill(visitor.person.email);
  await password.fill('Football');
  expect((await visitor.post(create)).status()).toBe(422);
  await expect(password).toHaveAccessibleDescription(/^Choisissez un autre mot de passe\u00a0: celui-ci est l’un des plus courants/);

  await password.fill(visitor.person.password);
  await create.click();
  await expect(page.getByText(`Nous envoyons un code à ${visitor.person.email}`)).toBeVisible();
  const code = page.getByLabel('Code de vérification');
  const right = await visitor.readCode();
  await code.fill(right === '0000' ? '0001' : '0000');
  expect((await visitor.post(page.getByRole('button', { name: 'Vérifier' }))).status()).toBe(403);
  await expect(code).toHaveAccessibleDescription(/2 essais restants/);
  await code.fill(right);
  await page.getByRole('button', { name: 'Vérifier' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Bienvenue' })).toBeVisible();

  await page.getByRole('button', { name: 'English' }).click();
  await visitor.seesWelcome();
});

test.describe('for whoever likes French', () => {
  test.use({ locale: 'fr-CA' });

  test('pages are in French from the first one on, errors too', { tag: '@without-javascript' }, async ({ browserLog, page }) => {
    browserLog.allowStatus(404);
    await page.goto('/');
    await expect(page.locator('html')).toHaveAttribute('lang', 'fr');
    await expect(page.getByRole('link', { name: 'Créer un compte' })).toBeVisible();
    await page.goto('/rien');
    await expect(page.getByRole('heading', { level: 1, name: 'Page introuvable' })).toBeVisible();
    await page.getByRole('button', { name: 'English' }).click();
    await expect(page).toHaveURL('/rien');
    await expect(page.getByRole('heading', { level: 1, name: 'Page not found' })).toBeVisible();
  });
});

test.describe('a choice at the foot of a page', { tag: '@with-javascript' }, () => {
  test('of colours loses nothing that was typed', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.fillIn();
    await page.getByRole('button', { name: 'Dark' }).click();
    await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
    await expect(page.getByRole('button', { name: 'Dark' })).toHaveAttribute('aria-pressed', 'true');
    await expect(visitor.email).toHaveValue(visitor.person.email);
    await expect(visitor.password).toHaveValue(visitor.person.password);
    await expect(async () => {
      expect((await page.context().cookies()).map(({ value }) => value)).toContain('dark');
    }).toPass();

    await visitor.createAccount.click();
    await visitor.seesPendingSignUp();
    await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  });

  test('of a language loses nothing but the password', async ({ page, visitor, visitorIn }) => {
    const slip = visitorIn(page, { ...visitor.person, email: `x-${visitor.person.email}` });
    await slip.openRegister();
    await slip.fillIn();
    await page.getByRole('button', { name: 'Français' }).click();
    await expect(page.getByRole('button', { name: 'Afficher le mot de passe' })).toBeVisible();
    await expect(page.getByLabel('Adresse e-mail')).toHaveValue(slip.person.email);
    await expect(page.getByLabel('Mot de passe', { exact: true })).toHaveValue('');
    expect(await page.evaluate(() => sessionStorage.length + localStorage.length)).toBe(0);
    await page.getByLabel('Mot de passe', { exact: true }).fill(slip.person.password);
    await page.getByRole('button', { name: 'Créer le compte' }).click();

    const code = page.getByLabel('Code de vérification');
    const right = await slip.readCode();
    await code.fill(right.slice(0, 2));
    await page.getByText('Mauvaise adresse').click();
    await page.getByLabel('Bonne adresse').fill(visitor.person.email);
    await page.getByRole('button', { name: 'English' }).click();
    await slip.seesPendingSignUp();
    await expect(visitor.code).toHaveValue(right.slice(0, 2));
    await expect(page.getByLabel('Right address')).toHaveValue(visitor.person.email);
    await page.getByRole('button', { name: 'Send a code there' }).click();
    await visitor.seesPendingSignUp();
    await visitor.readCode();
  });

  test('says nothing that another page would take for its own', async ({ page, visitor }) => {
    await visitor.openRegister();
    await visitor.fillIn();
    await page.evaluate(() => sessionStorage.setItem('typed', JSON.stringify(['/login', [['email', 'ada@example.com']]])));
    await page.reload();
    await expect(visitor.email).toHaveValue('');
    await visitor.openLogin();
    await expect(visitor.email).toHaveValue('');
  });
});

test('colours that were chosen are there from the first byte on', async ({ page, request }) => {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  // A page can be looked at before its style sheet is there: without JavaScript each click brings a new one.
  const seesBackground = (colour: string) => expect.poll(background).toBe(colour);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto('/register');
  const light = await background();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await background();
  expect(dark).not.toBe(light);

  await page.getByRole('button', { name: 'Light' }).click();
  await expect(page.getByRole('button', { name: 'Light' })).toHaveAttribute('aria-pressed', 'true');
  await seesBackground(light);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByRole('button', { name: 'Dark' }).click();
  await expect(page.getByRole('button', { name: 'Dark' })).toHaveAttribute('aria-pressed', 'true');
  await seesBackground(dark);
  const html = await (await request.get('/verify', { headers: { Cookie: '__Host-latchkey-theme=dark', Accept: 'text/html' } })).text();
  expect(html).toMatch(/^<!DOCTYPE html><html[^>]* data-theme="dark"/);

  await page.getByRole('button', { name: 'Automatic' }).click();
  await expect(page.locator('html')).not.toHaveAttribute('data-theme');
  await seesBackground(light);
});
