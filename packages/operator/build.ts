/**
 * Builds dist/: all that the operator is made of, its packages included, in a few files. What a start does not need is in files of its
 * own.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { BUNDLE, licences } from '../../scripts/bundle.ts';

const DIST = join(import.meta.dirname, 'dist');

/** An older Node would fail somewhere, some time. */
const CHECK = `const [$major, $minor] = process.versions.node.split('.').map(Number);
if ($major < 22 || ($major === 22 && $minor < 12)) {
  console.error(\`l7mp-operator: Node.js 22.12 or newer is needed, and this is \${process.versions.node}\`);
  process.exit(1);
}`;

/**
 * What @kubernetes/client-node makes clients of its own with, and the operator never calls. It would be evaluated by whoever reads a
 * kubeconfig: 20 MB of memory.
 */
const UNUSED: Readonly<Record<string, string>> = {
  undici: `export class Agent { constructor() { throw new Error('undici is no part of this'); } }
export { Agent as ProxyAgent };`,
  './gen/index.js': `export const createConfiguration = () => { throw new Error('the clients of client-node are no part of this'); };
export const ServerConfiguration = createConfiguration;`,
};

const withoutClients: Plugin = {
  name: 'without-clients',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(undici|\.\/gen\/index\.js)$/ }, ({ path, importer }) =>
      importer.endsWith('/@kubernetes/client-node/dist/config.js') ? { path, namespace: 'unused' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'unused' }, ({ path }) => ({ contents: UNUSED[path] ?? '' }));
  },
};

rmSync(DIST, { recursive: true, force: true });
const { metafile } = await build({
  ...BUNDLE,
  plugins: [...BUNDLE.plugins, withoutClients],
  entryPoints: { main: join(import.meta.dirname, 'src', 'main.ts') },
  outdir: DIST,
  target: 'node22.12',
  conditions: ['l7mp-source'],
  banner: { js: `${BUNDLE.banner.js}\n${CHECK}` },
});
writeFileSync(join(DIST, 'LICENSES'), licences(metafile));
