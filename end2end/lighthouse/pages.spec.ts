import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { CHROMIUM_ARGS, findChromium } from '../chromium.ts';
import { expect, test } from '../fixtures/index.ts';

const CHROMIUM = ['--headless=new', '--ignore-certificate-errors', ...CHROMIUM_ARGS];

interface Report {
  categories: Record<string, { score: number; auditRefs: { id: string; weight: number }[] }>;
  audits: Record<string, { score: number | null; displayValue?: string }>;
}

for (const path of ['/', '/register', '/verify']) {
  test(`Lighthouse finds nothing wrong with ${path}, as a phone sees it`, async ({ server }) => {
    const { stdout } = await promisify(execFile)(
      'npx',
      [
        ...['--no-install', 'lighthouse', `${server.url}${path}`],
        ...['--quiet', '--no-enable-error-reporting', '--output=json', `--chrome-flags=${CHROMIUM.join(' ')}`],
      ],
      { env: { ...process.env, CHROME_PATH: findChromium() }, maxBuffer: 100_000_000 },
    );
    const { categories, audits } = JSON.parse(stdout) as Report;
    const scores = Object.fromEntries(
      Object.entries(categories).map(([name, { score }]) => [name, Math.round(score * 100)]),
    );
    const faults = Object.values(categories)
      .flatMap(({ auditRefs }) => auditRefs.filter(({ weight }) => weight > 0))
      .map(({ id }) => ({ id, ...audits[id] }))
      .filter(({ score }) => typeof score === 'number' && score < 0.9)
      .map(({ id, score, displayValue }) => `${id} ${score} ${displayValue ?? ''}`);
    console.log(path, JSON.stringify(scores), ...faults);
    expect(scores).toEqual({ performance: 100, accessibility: 100, 'best-practices': 100, seo: 100 });
  });
}
