/**
 * Pages are written by hand but for their generated blocks, each between `<!-- generated: NAME -->` and
 * `<!-- end of generated -->`. The page of a protocol, or of a layer, is made
 * where it is missing.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from '../../src/core/registry.ts';
import { PROTOCOLS } from '../../src/protocols.ts';
import { blocks } from './blocks.ts';
import { LAYER_NAMES, layerBlockOf, layerPageOf } from './layers.ts';
import { blockOf, pageOf } from './protocols.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
export const REFERENCE = 'docs/reference';

const BLOCK = /<!-- generated: (\S+) -->\n[\s\S]*?<!-- end of generated -->/g;

function write(name: string, text: string): string {
  return `<!-- generated: ${name} -->\n\n${text.trim()}\n\n<!-- end of generated -->`;
}

async function read(): Promise<Map<string, string>> {
  const listed = [REFERENCE, 'docs/tutorials'].map(async (folder) => {
    const files = await readdir(join(ROOT, folder), { recursive: true });
    return files.filter((name) => name.endsWith('.md')).map((name) => `${folder}/${name}`);
  });
  const names = ['README.md', 'docs/architecture.md', ...(await Promise.all(listed)).flat()];
  const texts = names.map(async (name) => [name, await readFile(join(ROOT, name), 'utf8')] as const);
  return new Map(await Promise.all(texts));
}

/** The files that are not as they should be, with the text that they should have. */
export async function staleFiles(): Promise<Map<string, string>> {
  const generated = await blocks(new Registry(PROTOCOLS));
  const files = await read();
  const stale = new Map<string, string>();
  const pages = [
    ...PROTOCOLS.map(({ name }) => [name, pageOf(name), blockOf(name)] as const),
    ...LAYER_NAMES.map((name) => [name, layerPageOf(name), layerBlockOf(name)] as const),
  ];
  for (const [title, page, name] of pages) {
    const file = `${REFERENCE}/${page}`;
    if (!files.has(file)) stale.set(file, `# ${title}\n\n${write(name, generated.get(name) ?? '')}\n`);
  }
  const missing = new Set(generated.keys());
  for (const [file, text] of [...files, ...stale]) {
    const current = text.replace(BLOCK, (_all, name: string) => {
      const block = generated.get(name);
      if (block === undefined) throw new Error(`${file}: nothing generates a block named ${name}`);
      missing.delete(name);
      return write(name, block);
    });
    if (current !== files.get(file)) stale.set(file, current);
  }
  if (missing.size > 0) throw new Error(`no page has the generated blocks ${[...missing].join(', ')}`);
  return stale;
}
