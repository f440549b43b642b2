/** The definitions of the custom resources: current, structural, complete, and what the tutorials fit. */
import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Compile } from 'typebox/schema';
import { parse, parseAllDocuments } from 'yaml';
import { crdFiles, FOLDER } from '../scripts/crds/files.ts';
import { ROOT } from './support/command.ts';

type Node = { readonly [key: string]: unknown };

interface Definition {
  readonly spec: {
    readonly names: { readonly kind: string; readonly listKind: string };
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Node } }];
  };
}

const DEFINITIONS = [...crdFiles().values()].map((text) => parse(text) as Definition);

const rootOf = (definition: Definition): Node => definition.spec.versions[0].schema.openAPIV3Schema;

/** All schemas that say what a value is, with their paths; those of anyOf and the like only narrow it. */
function* nodes(node: Node, path: string): Generator<[path: string, node: Node]> {
  yield [path, node];
  const { properties = {}, items, additionalProperties } = node as Record<string, Node | undefined>;
  for (const [name, field] of Object.entries(properties)) yield* nodes(field as Node, `${path}.${name}`);
  if (items) yield* nodes(items, `${path}[]`);
  if (additionalProperties) yield* nodes(additionalProperties, `${path}.*`);
}

/** What narrows a value. */
function* narrowing(node: unknown): Generator<Node> {
  if (typeof node !== 'object' || node === null) return;
  const { anyOf = [], allOf = [], oneOf = [], not } = node as Record<string, Node[] | undefined>;
  for (const part of [...anyOf, ...allOf, ...oneOf, ...(not ? [not as unknown as Node] : [])]) {
    yield part;
    yield* within(part);
  }
}

function* within(node: Node): Generator<Node> {
  yield* narrowing(node);
  const { properties = {}, items } = node as Record<string, Node | undefined>;
  for (const part of [...Object.values(properties), ...(items ? [items] : [])]) {
    yield part as Node;
    yield* within(part as Node);
  }
}

const all = DEFINITIONS.flatMap((definition) => [...nodes(rootOf(definition), definition.spec.names.kind)]);

test('the files in the chart are what scripts/generate-crds.ts makes now', () => {
  const files = crdFiles();
  assert.deepEqual(readdirSync(join(ROOT, FOLDER)).toSorted(), [...files.keys()].toSorted());
  for (const [name, text] of files) {
    assert.equal(readFileSync(join(ROOT, FOLDER, name), 'utf8'), text, 'run scripts/generate-crds.ts');
  }
});

test('no two kinds share a name, the kinds of lists among them', () => {
  const names = DEFINITIONS.flatMap(({ spec }) => [spec.names.kind, spec.names.listKind]);
  assert.deepEqual(names, [...new Set(names)]);
});

test('the schemas are structural', () => {
  for (const [path, node] of all) {
    assert.ok(node.type !== undefined || node['x-kubernetes-preserve-unknown-fields'] === true, path);
    for (const key of ['$ref', 'const', 'patternProperties']) assert.ok(!(key in node), `${path}: ${key}`);
    assert.equal(typeof (node.additionalProperties ?? {}), 'object', path);
    for (const part of narrowing(node)) {
      const forbidden = ['type', 'default', 'description', 'nullable', 'additionalProperties', 'title'];
      const found = Object.keys(part).filter((key) => forbidden.includes(key) || key.startsWith('x-'));
      assert.deepEqual(found, [], path);
    }
  }
});

test('every field has a description', () => {
  // What stands in several places has its descriptions in one; the items of a list are described by the list.
  const described = (path: string): boolean =>
    !/\.metadata$|gress\[\]\.|\.listener\.rules\[\]|\.transport\.|\[\]$/.test(path);
  const bare = all.filter(([path, { description }]) => described(path) && !description);
  assert.deepEqual([...new Set(bare.map(([path]) => path))], []);
});

test('every list, map and text has a limit', () => {
  const limits: Readonly<Record<string, string>> = { array: 'maxItems', string: 'maxLength' };
  const open = all.filter(([path, node]) => {
    if (!/\.(spec|status)\b/.test(path) || node.enum || node.format) return false;
    const limit = node.additionalProperties ? 'maxProperties' : limits[node.type as string];
    return limit !== undefined && node[limit] === undefined;
  });
  assert.deepEqual(
    open.map(([path]) => path),
    [],
  );
});

test('kubectl apply has room to remember each of them', () => {
  // Of all annotations of an object together: TotalAnnotationSizeLimitB in k8s.io/apimachinery.
  for (const definition of DEFINITIONS) assert.ok(JSON.stringify(definition).length < 256 * 1024 - 4096);
});

describe('what the tutorials paste fits its kind', () => {
  const fits = new Map(DEFINITIONS.map((one) => [one.spec.names.kind, Compile(rootOf(one) as object)]));
  for (const file of globSync('test/mesh/tutorials/*.yaml', { cwd: ROOT })) {
    for (const document of parseAllDocuments(readFileSync(join(ROOT, file), 'utf8'))) {
      const object = document.toJS();
      const schema = fits.get(object.kind);
      if (!schema || !object.apiVersion.startsWith('l7mp.io/')) continue;
      test(`${object.kind} ${object.metadata.name} of ${file}`, () => {
        const [right, errors] = schema.Errors(object);
        assert.ok(right, JSON.stringify(errors));
      });
    }
  }
});
