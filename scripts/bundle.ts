/** What the builds of the packages share. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildOptions, Metafile, Plugin } from 'esbuild';

export const ROOT = join(import.meta.dirname, '..');

/**
 * To import node:http evaluates all that it exports, among it a WebSocket client which loads the whole of undici: 14 MB
 * that nobody here uses. To require it does not. node:util has a comparison of texts, a parser of arguments and others.
 */
const requireNode: Plugin = {
  name: 'require-node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(https?|util|tls)$/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'required' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

export const BUNDLE = {
  // Paths in the metafile, by which licences are found, are relative to it.
  absWorkingDir: ROOT,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  plugins: [requireNode],
  // For what is bundled and was CommonJS.
  banner: {
    js: "import { createRequire as $require } from 'node:module';\nconst require = $require(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** The licences of what has become part of our files: they ask to be passed on. */
export function licences(...metafiles: readonly Metafile[]): string {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const names = inputs.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  const texts = [...new Set(names)].sort().map((name) => {
    const folder = join(ROOT, 'node_modules', name);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} has no licence`);
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}
