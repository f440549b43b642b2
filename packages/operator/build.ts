/**
 * Builds dist/: all that the operator is made of, its packages included, in a few files. What a start does not need is in files of its
 * own. @kubernetes/client-node, whole, would take more memory than the rest together.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLE, licences } from '../../scripts/bundle.ts';

const DIST = join(import.meta.dirname, 'dist');

/** An older Node would fail somewhere, some time. */
const CHECK = `const [$major, $minor] = process.versions.node.split('.').map(Number);
if ($major < 22 || ($major === 22 && $minor < 12)) {
  console.error(\`l7mp-operator: Node.js 22.12 or newer is needed, and this is \${process.versions.node}\`);
  process.exit(1);
}`;

rmSync(DIST, { recursive: true, force: true });
const { metafile } = await build({
  ...BUNDLE,
  entryPoints: { main: join(import.meta.dirname, 'src', 'main.ts') },
  outdir: DIST,
  target: 'node22.12',
  conditions: ['l7mp-source'],
  banner: { js: `${BUNDLE.banner.js}\n${CHECK}` },
});
writeFileSync(join(DIST, 'LICENSES'), licences(metafile));
