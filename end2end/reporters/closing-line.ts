import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import type { FullConfig, FullResult, Reporter, Suite, TestError } from '@playwright/test/reporter';

/** Of what a test failed on: enough to see why, where only the end of a log is kept. */
const LINES = 12;

/** Ends a run with one line that says how it went: `end2end: 12 passed, 0 failed`. */
export default class ClosingLine implements Reporter {
  private suite: Suite | undefined;
  private errors = 0;

  onBegin(_config: FullConfig, suite: Suite): void {
    this.suite = suite;
  }

  /** What belongs to no test: a file that does not load, a fixture that cannot be torn down. */
  onError(_error: TestError): void {
    this.errors += 1;
  }

  onEnd(result: FullResult): void {
    const tests = this.suite?.allTests() ?? [];
    const passed = tests.filter((test) => test.outcome() === 'expected').length;
    const skipped = tests.filter((test) => test.outcome() === 'skipped').length;
    let failed = tests.length - passed - skipped + this.errors;
    if (failed === 0 && (result.status !== 'passed' || passed === 0)) {
      failed = 1;
    }
    for (const test of tests.filter((test) => test.outcome() === 'unexpected')) {
      const error = test.results.at(-1)?.error;
      const { file, line } = error?.location ?? test.location;
      const reason = stripVTControlCharacters(error?.message ?? 'no error is known').split('\n');
      console.log([`${relative('.', file)}:${line}, ${test.title}:`, ...reason.slice(0, LINES)].join('\n  '));
    }
    const tail = skipped > 0 ? `, ${skipped} skipped` : '';
    console.log(`end2end: ${passed} passed, ${failed} failed${tail}`);
  }

  printsToStdio(): boolean {
    return false;
  }
}
