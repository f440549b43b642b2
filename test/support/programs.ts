/** The programs of other people that tests play peers with. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian keeps what only an administrator's PATH has. */
const ADMIN = ['/usr/sbin', '/sbin'];

/** Where a program is. A test that needs it fails without it, and says so. */
export function program(name: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...ADMIN];
  const found = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (!found) throw new Error(`${name} is missing: scripts/setup-tests installs it`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end, which must be a success; what it has written to stdout. */
export function run(name: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program(name), args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${name} ${args.join(' ')}: ${error.message} ${stdout} ${stderr}`));
      else resolve(stdout);
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
