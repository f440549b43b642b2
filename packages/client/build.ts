/** Builds dist/: one file, and the declarations of the sources. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const HERE = import.meta.dirname;

rmSync(join(HERE, 'dist'), { recursive: true, force: true });
execFileSync(join(HERE, '..', '..', 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: HERE,
  stdio: 'inherit',
});
await build({
  absWorkingDir: HERE,
  entryPoints: ['src/index.ts'],
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.12',
  logLevel: 'warning',
});
