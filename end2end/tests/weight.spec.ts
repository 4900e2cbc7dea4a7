import { brotliCompressSync, constants } from 'node:zlib';

import { HtmlValidate } from 'html-validate';

import { expect, test } from '../fixtures/index.ts';

/** In bytes of brotli: what a page and its style may weigh before any script. */
const MOST = 12_000;

const PAGES = ['/', '/register', '/verify', '/login', '/nothing/here', '/dev/components'];

const validator = new HtmlValidate({
  extends: ['html-validate:standard', 'html-validate:a11y', 'html-validate:document'],
  rules: {
    // Void elements and attributes as leptos writes them.
    'void-style': 'off',
    'attribute-boolean-style': 'off',
    'attribute-empty-style': 'off',
    // Everything comes from this very server.
    'require-sri': ['error', { target: 'crossorigin' }],
    // Its islands.
    'element-name': ['error', { whitelist: ['leptos-island'] }],
    // A newline after each tag would have to be paid for.
    'long-title': 'off',
    'no-trailing-whitespace': 'off',
    // The doctype as everybody writes it.
    'doctype-style': 'off',
  },
});

test('a page is light, valid and complete before any script', { tag: '@without-javascript' }, async ({ page, request, visitor }) => {
  await visitor.register();
  const cookies = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  const look = async (path: string, Cookie = '') => {
    const answer = await request.get(path, { headers: { Accept: 'text/html', 'Accept-Encoding': 'identity', Cookie } });
    return answer.text();
  };
  for (const [path, html] of [
    ...(await Promise.all(PAGES.map(async (path) => [path, await look(path)] as const))),
    ['/verify with a sign-up', await look('/verify', cookies)] as const,
  ]) {
    const style = html.match(/<link rel="stylesheet" href="([^"]+)"/)?.[1];
    const css = await (await request.get(style ?? '', { headers: { 'Accept-Encoding': 'identity' } })).text();
    const weight = brotli(html) + brotli(css);
    expect(weight, `${path}: HTML ${brotli(html)}, CSS ${brotli(css)}`).toBeLessThanOrEqual(MOST);

    const report = await validator.validateString(html);
    const faults = report.results.flatMap((result) => result.messages.map(({ ruleId, message, selector }) => `${ruleId}: ${message} (${selector})`));
    expect(faults, path).toEqual([]);
  }
});

test('a page asks nobody else for anything, and nothing on it jumps', { tag: '@with-javascript' }, async ({ page, server, visitor }) => {
  const foreign: string[] = [];
  const fonts: string[] = [];
  page.on('request', (asked) => {
    if (!asked.url().startsWith(`${server.url}/`)) {
      foreign.push(asked.url());
    }
    if (asked.resourceType() === 'font') {
      fonts.push(asked.url());
    }
  });
  await page.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) {
          shifts.push(entry.value);
        }
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const shifts = () => page.evaluate(() => (window as unknown as { shifts: number[] }).shifts);
  await page.goto('/');
  expect(await shifts()).toEqual([]);
  await visitor.openLogin();
  expect(await shifts()).toEqual([]);
  await visitor.register();
  expect(await shifts()).toEqual([]);
  expect(foreign).toEqual([]);
  expect(fonts).toEqual([]);
});

function brotli(text: string): number {
  return brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
}
