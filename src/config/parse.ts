/** Text to plain values: JSON and YAML, bounded against input that was made to hurt. */
import { isAlias, isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { L7mpError } from '../core/errors.ts';

/** How deep a document may nest: nothing that is meant is deeper, and recursive code must not run out of stack. */
const MAX_DEPTH = 64;

/** Aliases that a YAML document may use, and how much they may multiply it. */
const MAX_ALIASES = 100;

export type Format = 'json' | 'yaml';

/** The format that a file's name asks for. */
export function formatOf(file: string): Format {
  return /\.ya?ml$/i.test(file) ? 'yaml' : 'json';
}

/** Throws E_PARSE, with the line where that is known. */
export function parse(text: string, format: Format): unknown {
  const value = format === 'yaml' ? parseYaml(text) : parseJson(text);
  if (depthOf(value) > MAX_DEPTH) throw new L7mpError('E_PARSE', `nested more than ${MAX_DEPTH} levels deep`);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return text.trim() === '' ? null : JSON.parse(text);
  } catch (error) {
    throw new L7mpError('E_PARSE', `not valid JSON: ${(error as Error).message}`);
  }
}

function parseYaml(text: string): unknown {
  if (nesting(text) > MAX_DEPTH) throw new L7mpError('E_PARSE', `nested more than ${MAX_DEPTH} levels deep`);
  const lineCounter = new LineCounter();
  try {
    // The library looks for duplicate keys pair by pair, which takes minutes for 100,000 of them: see below.
    const document = parseDocument(text, { lineCounter, uniqueKeys: false, prettyErrors: true });
    const [error] = document.errors;
    if (error) throw error;
    refuseDuplicates(document, lineCounter);
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof L7mpError) throw error;
    const [first] = (error as Error).message.split('\n');
    throw new L7mpError('E_PARSE', `not valid YAML: ${first?.replace(/:$/, '')}`);
  }
}

function refuseDuplicates(document: ReturnType<typeof parseDocument>, lines: LineCounter): void {
  visit(document, {
    Map: (_key, map) => {
      const seen = new Set<unknown>();
      for (const { key } of isMap(map) ? map.items : []) {
        if (isAlias(key) || !isScalar(key)) continue;
        const { value, range } = key;
        if (seen.has(value)) {
          const line = range ? lines.linePos(range[0]).line : 0;
          throw new L7mpError('E_PARSE', `not valid YAML: duplicate key ${JSON.stringify(value)} in line ${line}`);
        }
        seen.add(value);
      }
    },
  });
}

/** The deepest nesting of brackets in the text: the YAML parser recurses, and would run out of stack. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5b || c === 0x7b) deepest = Math.max(deepest, ++depth);
    else if ((c === 0x5d || c === 0x7d) && depth > 0) depth--;
  }
  return deepest;
}

/** How many lists and objects are in one another. One level at a time: a recursive look would itself run out of stack. */
function depthOf(value: unknown): number {
  const containers = (items: unknown[]) => items.filter((item) => typeof item === 'object' && item !== null) as object[];
  let depth = 0;
  for (let level = containers([value]); level.length > 0 && depth <= MAX_DEPTH; depth++) {
    level = containers(level.flatMap((item) => Object.values(item)));
  }
  return depth;
}
