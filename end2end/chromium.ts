import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Where a Chromium may be, the quickest first; the same names as in scripts/setup. */
const NAMES = [
  // The same engine without a window that nobody would see: two thirds of the time.
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The browser of this machine: `$CHROMIUM`, else the first of the usual names on PATH. */
export function findChromium(): string {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : NAMES;
  for (const name of names) {
    for (const folder of name.includes('/') ? [''] : (process.env.PATH ?? '').split(path.delimiter)) {
      const candidate = path.join(folder, name);
      if (isExecutable(candidate)) {
        return candidate;
      }
    }
  }
  throw new Error(`no Chromium found (${names.join(', ')}): run scripts/setup test, or set CHROMIUM to its path`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * No sandbox, since CI and containers run as root and only our own pages are opened;
 * nothing that makes the browser talk to anyone but the server under test.
 */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
