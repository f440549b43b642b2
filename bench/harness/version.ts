import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TIME = 10_000;

/** What a program prints, wherever it prints it. Rejects in plain words where it is not there. */
export async function output(file: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(file, args, { timeout: TIME });
    return `${stdout}${stderr}`.trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error(`${file} is not installed: bench/setup does that`);
    throw error;
  }
}
