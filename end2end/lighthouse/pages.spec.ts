import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { CHROMIUM_ARGS, findChromium } from '../chromium.ts';
import { expect, test } from '../fixtures/index.ts';

const CHROMIUM = ['--headless=new', '--ignore-certificate-errors', ...CHROMIUM_ARGS];

/** A single run says as much about what else the machine did; Lighthouse itself advises to take the middle one. */
const RUNS = 5;

interface Report {
  categories: Record<string, { score: number; auditRefs: { id: string; weight: number }[] }>;
  audits: Record<string, { score: number | null; displayValue?: string; numericValue?: number }>;
}

for (const path of ['/', '/register', '/verify']) {
  test(`Lighthouse finds nothing wrong with ${path}, as a phone sees it`, async ({ server }) => {
    const reports: Report[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const report = await ask(`${server.url}${path}`);
      console.log(path, JSON.stringify(scores(report)), `blocked for ${blocked(report)} ms`, ...faults(report));
      reports.push(report);
    }
    const middle = reports.toSorted((one, other) => blocked(one) - blocked(other))[Math.floor(RUNS / 2)];
    expect(middle && scores(middle)).toEqual({ performance: 100, accessibility: 100, 'best-practices': 100, seo: 100 });
  });
}

async function ask(url: string): Promise<Report> {
  const { stdout } = await promisify(execFile)(
    'npx',
    [
      ...['--no-install', 'lighthouse', url],
      ...['--quiet', '--no-enable-error-reporting', '--output=json', `--chrome-flags=${CHROMIUM.join(' ')}`],
    ],
    { env: { ...process.env, CHROME_PATH: findChromium() }, maxBuffer: 100_000_000 },
  );
  return JSON.parse(stdout) as Report;
}

function scores({ categories }: Report): Record<string, number> {
  return Object.fromEntries(Object.entries(categories).map(([name, { score }]) => [name, Math.round(score * 100)]));
}

/** The only figure here that is not the same on every run. */
function blocked({ audits }: Report): number {
  return Math.round(audits['total-blocking-time']?.numericValue ?? Number.NaN);
}

/** What has cost something. */
function faults({ categories, audits }: Report): string[] {
  return Object.values(categories)
    .flatMap(({ auditRefs }) => auditRefs.filter(({ weight }) => weight > 0))
    .map(({ id }) => ({ id, ...audits[id] }))
    .filter(({ score }) => typeof score === 'number' && score < 0.9)
    .map(({ id, score, displayValue }) => `${id} ${score} ${displayValue ?? ''}`);
}
