/**
 * Builds dist/, which is what the package runs: the sources as a few files, and their declarations. A start would spend
 * most of its time on finding and reading modules: typebox alone has 680.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { BUNDLE, licences, ROOT } from './bundle.ts';

const DIST = join(ROOT, 'dist');

/** What others import or start, by its place in src/ and in dist/. */
const ENTRIES = ['main', 'index', 'testing/index', 'workers/entry'];

/** What is a process of its own, and shares nothing with others. */
const PROGRAMS = ['offload/tc/reaper'];

/** Packages that every start needs become part of the files. The others stay packages, and are loaded when they are needed. */
const BUNDLED = ['commander', 'js-yaml', 'typebox'];

/** What is no module, and is looked for beside them. */
const FILES = ['offload/tc/udp.bpf.o'];

const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const packages = Object.keys({ ...dependencies, ...optionalDependencies });

const OPTIONS = {
  ...BUNDLE,
  outdir: DIST,
  // What several entries use is in files of its own, so that a plugin has the same classes as the proxy.
  splitting: true,
  target: 'node22.15',
  external: packages.filter((name) => !BUNDLED.includes(name)),
} as const satisfies BuildOptions;

const placesOf = (entries: readonly string[]): Record<string, string> =>
  Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`]));

async function bundle(): Promise<Metafile[]> {
  const entryPoints = placesOf(ENTRIES);
  const { metafile: apart } = await build({ ...OPTIONS, entryPoints, write: false });
  const plugins = [...OPTIONS.plugins, together(apart)];
  const { metafile } = await build({ ...OPTIONS, entryPoints, plugins });
  const { metafile: programs } = await build({ ...OPTIONS, entryPoints: placesOf(PROGRAMS) });
  return [metafile, programs];
}

/**
 * Puts what every thread loads into one file: each entry imports all of it. By itself esbuild makes a file for each set of
 * entries that have something in common, some fifty. To find that many keeps node so busy that V8 compiles it for speed, and
 * its compilers, 7 MB of them, then stay in memory.
 */
function together({ inputs, outputs }: Metafile): Plugin {
  const inMain = loadedBy('src/main.ts', inputs);
  const inWorkers = loadedBy('src/workers/entry.ts', inputs);
  const shared = [...inMain].filter((file) => inWorkers.has(file) && file.startsWith('src/'));
  const entries = new Set(Object.values(outputs).flatMap(({ entryPoint }) => entryPoint ?? []));
  const imports = shared.map((file) => `import ${JSON.stringify(join(ROOT, file))};\n`).join('');
  return {
    name: 'together',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) =>
        entries.has(relative(ROOT, path))
          ? { contents: imports + readFileSync(path, 'utf8'), loader: 'ts' }
          : undefined,
      );
    },
  };
}

/** The files that are loaded with one of them, itself included. */
function loadedBy(file: string, inputs: Metafile['inputs'], found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const { path, kind, external } of inputs[file]?.imports ?? []) {
    if (!external && kind === 'import-statement') loadedBy(path, inputs, found);
  }
  return found;
}

rmSync(DIST, { recursive: true, force: true });
execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
const metafiles = await bundle();
for (const file of FILES) {
  mkdirSync(dirname(join(DIST, file)), { recursive: true });
  copyFileSync(join(ROOT, 'src', file), join(DIST, file));
}
const missing = [...ENTRIES, ...PROGRAMS].filter((entry) => !existsSync(join(DIST, `${entry}.js`)));
if (missing.length > 0) throw new Error(`not built: ${missing.join(', ')}`);
writeFileSync(join(DIST, 'LICENSES'), licences(...metafiles));
