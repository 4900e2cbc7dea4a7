import { createHash } from 'node:crypto';

import { isAccessible } from '../fixtures/accessibility.ts';
import { expect, LatchkeyServer, test } from '../fixtures/index.ts';

test('what is broken here is told with a reference that stands in the log', async ({ anotherBrowser, browserLog, javaScriptEnabled, server, visitor, visitorIn }) => {
  browserLog.allowStatus(500);
  await visitor.getAccount();
  const broken = await LatchkeyServer.startFrom(withoutHashes(await server.backup()));
  // The first one is signed in there as well.
  const elsewhere = visitorIn(await anotherBrowser());

  await elsewhere.page.goto(`${broken.url}/login`);
  await elsewhere.seesPasswordForm('Sign in');
  await elsewhere.fillIn();
  expect((await elsewhere.post(elsewhere.signIn)).status()).toBe(500);
  await expect(elsewhere.problem).toHaveText(/^Something went wrong here, not with what you sent\./);
  await expect(elsewhere.email).toHaveValue(visitor.person.email);
  await expect(elsewhere.password).toHaveValue(javaScriptEnabled ? visitor.person.password : '');
  if (javaScriptEnabled) {
    await isAccessible(elsewhere.page);
  }

  const reference = (await elsewhere.problem.innerText()).match(/quote this reference: (\w+)\.$/)?.[1] ?? 'none';
  const errors = () => broken.log().split('\n').filter((line) => line.includes(reference) && line.includes('ERROR'));
  await expect.poll(errors).toEqual([expect.stringContaining('the password could not be hashed')]);
  await broken.stop();
});

/**
 * A backup that somebody has spoiled, in the hashes of its accounts: what they say of how they were
 * made is not possible, so no password can be tried against them. Its checksum fits.
 */
function withoutHashes(backup: string): string {
  const lines = backup.trimEnd().split('\n').slice(0, -1);
  const spoiled = lines.map((line) => `${line.startsWith('["account",') ? line.replace(/m=\d+,/, 'm=1,') : line}\n`).join('');
  const sha256 = createHash('sha256').update(spoiled).digest('hex');
  return `${spoiled}${JSON.stringify({ end: { rows: lines.length - 1, sha256 } })}\n`;
}
