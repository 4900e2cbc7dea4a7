import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, test } from '../fixtures/index.ts';

test('whoever did not sign up can stop it, and nothing happens before they say so', { tag: '@every-size' }, async ({
  anotherBrowser,
  browserLog,
  javaScriptEnabled,
  mailbox,
  visitor,
}) => {
  browserLog.allowStatus(403);
  browserLog.allowStatus(410);
  await visitor.register();
  const reference = await visitor.fact('Reference').getByRole('code').innerText();
  const code = await visitor.readCode();
  const [mail] = await mailbox.mailsTo(visitor.person.email);
  const link = mail?.text.match(/^https:\S+\/not-me\?t=\S+$/m)?.[0] ?? 'no link';

  const owner = await anotherBrowser();
  await owner.goto(link);
  await expect(owner.getByRole('heading', { level: 1, name: 'Was this not you?' })).toBeVisible();
  await expect(owner.getByRole('code')).toHaveText(reference);
  await expect(owner.getByText(visitor.person.email)).toHaveCount(0);
  const looks = async () => {
    if (javaScriptEnabled) {
      await isAccessible(owner);
    }
  };
  await looks();
  // As often as a scanner of mail may do that.
  await owner.reload();
  await owner.getByRole('button', { name: 'It was not me: stop it' }).click();
  await expect(owner.getByRole('heading', { level: 1, name: 'It is stopped' })).toBeVisible();
  await looks();

  await owner.goto(link);
  await expect(owner.getByRole('heading', { level: 1, name: 'There is nothing to stop' })).toBeVisible();
  await looks();

  // Who signed up notices nothing, but no code is the right one.
  await visitor.seesPendingSignUp();
  await visitor.code.fill(code);
  expect((await visitor.post(visitor.verify)).status()).toBe(403);
  await visitor.seesError(visitor.code, 'That is not the code in the latest mail. 2 attempts left.');
});

test('the link can be left alone', { tag: '@without-javascript' }, async ({ anotherBrowser, mailbox, visitor }) => {
  await visitor.register();
  const code = await visitor.readCode();
  const [mail] = await mailbox.mailsTo(visitor.person.email);
  const link = mail?.text.match(/^https:\S+\/not-me\?t=\S+$/m)?.[0] ?? 'no link';
  const owner = await anotherBrowser();
  await owner.goto(link);
  await expect(owner.getByText('If it was you, close this page: nothing has happened.')).toBeVisible();

  await visitor.enterCode(code);
  await visitor.seesWelcome();
});
