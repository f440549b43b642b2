/**
 * The folders of `src` stand on one another in one direction, types included: who reads one reads what is below it, no more.
 * And what a worker loads belongs to it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';

const SRC = import.meta.dirname;

/** Tests, and what they are made of. */
const OF_TESTS = /\.test\.ts$|(^|\/)testing[^/]*\.ts$/;

const IMPORT = /^(?:import|export)\b[^;]*?\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)|^import '(\.[^']+)'/gm;

/** The folder of a path, or the file itself where it lies in `src`. */
function folderOf(path: string): string {
  return relative(SRC, path).split(sep)[0] as string;
}

/** An import that is gone when the types are. */
const OF_TYPES = /^(?:import|export) (?:type\b|\{\s*(?:type [^,}]+,?\s*)+\} from)/;

/** Packages for what the control plane does: checking, reading the configuration, reading the command line. */
const OF_CONTROL = ['typebox', 'js-yaml', 'commander'];

/** An import of a package at the head of a file. */
const OF_PACKAGE = /^(?:import|export)\b[^;']*?\bfrom '([^.'][^']*)'|^import '([^.'][^']*)'/gm;

/** The packages that a file loads. */
function packagesOf(file: string): string[] {
  const found = [...readFileSync(file, 'utf8').matchAll(OF_PACKAGE)].filter(([text]) => !OF_TYPES.test(text));
  return found.map(([, from, bare]) => (from ?? bare) as string).filter((name) => !name.startsWith('node:'));
}

function importsOf(file: string, { types }: { readonly types: boolean }): string[] {
  const found = [...readFileSync(file, 'utf8').matchAll(IMPORT)].filter(([text]) => types || !OF_TYPES.test(text));
  return found.map(([, from, lazy, bare]) => join(dirname(file), (from ?? lazy ?? bare) as string));
}

/** Which folder imports which, each with a file that does. */
function folderGraph(): Map<string, Map<string, string>> {
  const graph = new Map<string, Map<string, string>>();
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts') && !OF_TESTS.test(name))) {
    const from = folderOf(join(SRC, file));
    const imported = graph.get(from) ?? new Map<string, string>();
    graph.set(from, imported);
    for (const to of importsOf(join(SRC, file), { types: true }).map(folderOf)) if (to !== from) imported.set(to, file);
  }
  return graph;
}

/** A circle that is met on the way down from a folder: its folders, and who imports the next one. */
function findCircle(graph: ReturnType<typeof folderGraph>, way: readonly string[], done: Set<string>): string[] {
  const at = way.at(-1) as string;
  if (way.indexOf(at) < way.length - 1) {
    const circle = way.slice(way.indexOf(at));
    return circle.slice(1).map((to, n) => `${circle[n]} → ${to} (${graph.get(circle[n] as string)?.get(to)})`);
  }
  if (done.has(at)) return [];
  for (const next of graph.get(at)?.keys() ?? []) {
    const circle = findCircle(graph, [...way, next], done);
    if (circle.length > 0) return circle;
  }
  done.add(at);
  return [];
}

test('no folder imports another one in a circle', () => {
  const graph = folderGraph();
  assert.ok(graph.get('session')?.has('core'), 'imports are found');
  const done = new Set<string>();
  for (const folder of graph.keys()) assert.deepEqual(findCircle(graph, [folder], done), []);
});

/** Files of `src` itself that each thread loads. */
const EVERYWHERE = ['protocols.ts', 'own-file.ts'];

/** The folders whose README says that they are the control plane's, and the files beside them. */
function ofControl(): Set<string> {
  const entries = readdirSync(SRC, { withFileTypes: true }).filter(({ name }) => !EVERYWHERE.includes(name));
  const control = (name: string): boolean =>
    readFileSync(join(SRC, name, 'README.md'), 'utf8').includes('- **Thread:** control\n');
  return new Set(entries.filter((entry) => entry.isFile() || control(entry.name)).map(({ name }) => name));
}

test('a worker loads nothing of the control plane', () => {
  const control = ofControl();
  assert.ok(control.has('api') && control.has('proxy.ts'));
  // Grows while it is walked.
  const loaded = new Set([join(SRC, 'workers', 'entry.ts')]);
  for (const file of loaded) {
    for (const imported of importsOf(file, { types: false })) {
      assert.ok(!control.has(folderOf(imported)), `${relative(SRC, file)} loads ${relative(SRC, imported)}`);
      loaded.add(imported);
    }
  }
  assert.ok(loaded.has(join(SRC, 'session', 'session.ts')));
  const packages = new Set([...loaded].flatMap(packagesOf));
  for (const name of OF_CONTROL) assert.ok(!packages.has(name), `a worker loads ${name}`);
  assert.deepEqual(packagesOf(join(SRC, 'core', 'schema.ts')), ['typebox']);
});
