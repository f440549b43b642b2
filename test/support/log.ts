import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A log file: the settings that make a proxy write there, and its lines so far, without their times. */
export interface TestLog {
  readonly admin: { readonly log_level: string; readonly log_file: string };
  lines(): Promise<string[]>;
}

export async function testLog(t: TestContext, level: string): Promise<TestLog> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'log');
  return {
    admin: { log_level: level, log_file: file },
    lines: async () => {
      const text = await readFile(file, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.replace(/^\S+ /, ''));
    },
  };
}
