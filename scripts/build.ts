/**
 * Builds dist/, which is what the package runs: the sources as a few files, and their declarations. A start would spend
 * most of its time on finding and reading modules: typebox alone has 680.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

/** What others import or start, by its place in src/ and in dist/. */
const ENTRIES = ['main', 'index', 'testing/index', 'workers/entry', 'offload/tc/reaper'];

/** Packages that every start needs become part of the files. The others stay packages, and are loaded when they are needed. */
const BUNDLED = ['commander', 'js-yaml', 'typebox'];

/** What is no module, and is looked for beside them. */
const FILES = ['offload/tc/udp.bpf.o'];

const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const packages = Object.keys({ ...dependencies, ...optionalDependencies });

/**
 * To import node:http evaluates all that it exports, among it a WebSocket client which loads the whole of undici: 14 MB
 * that nobody here uses. To require it does not. node:util has a comparison of texts, a parser of arguments and others.
 */
const requireNode: Plugin = {
  name: 'require-node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(https?|util)$/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'required' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

async function bundle(): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(ENTRIES.map((entry) => [entry, `src/${entry}.ts`])),
    outdir: DIST,
    bundle: true,
    // What several entries use is in files of its own, so that a plugin has the same classes as the proxy.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.11',
    external: packages.filter((name) => !BUNDLED.includes(name)),
    plugins: [requireNode],
    // For what is bundled and was CommonJS.
    banner: {
      js: "import { createRequire as $require } from 'node:module';\nconst require = $require(import.meta.url);",
    },
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}

/** The licences of what has become part of our files: they ask to be passed on. */
function licences({ inputs }: Metafile): string {
  const names = Object.keys(inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  const texts = [...new Set(names)].sort().map((name) => {
    const folder = join(ROOT, 'node_modules', name);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} has no licence`);
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

rmSync(DIST, { recursive: true, force: true });
execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
const metafile = await bundle();
for (const file of FILES) {
  mkdirSync(dirname(join(DIST, file)), { recursive: true });
  copyFileSync(join(ROOT, 'src', file), join(DIST, file));
}
const missing = ENTRIES.filter((entry) => !existsSync(join(DIST, `${entry}.js`)));
if (missing.length > 0) throw new Error(`not built: ${missing.join(', ')}`);
writeFileSync(join(DIST, 'LICENSES'), licences(metafile));
