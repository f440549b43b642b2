/** The styles in which the REST API writes JSON, named as in the seed. */
import { Turns } from '../core/turns.ts';

type Json = unknown;

const oneLine = (value: Json): string => JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ');

/** One entry of the outermost list or object a line. */
function lines(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[ ${value.map(oneLine).join('\n, ')}\n]`;
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${oneLine(item)}`);
  return `{ ${entries.join('\n, ')}\n}`;
}

/** Every value on a line of its own, with leading commas: an added line changes no other one. */
function diffy(value: Json, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const deeper = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => diffy(item, deeper))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${diffy(item, deeper)}`);
  return items.length === 0 ? `${open}${close}` : `${open} ${items.join(`\n${indent}, `)}\n${indent}${close}`;
}

export const STYLES = {
  plain: (value: Json): string => JSON.stringify(value, null, 4),
  terse: (value: Json): string => JSON.stringify(value),
  space: oneLine,
  lines,
  diffy: (value: Json): string => diffy(value),
};

export type Style = keyof typeof STYLES;

/** JSON in one of the styles. */
export function format(value: Json, style: Style): string {
  return STYLES[style](value);
}

/** How the outermost list is laid out: what stands before, between and behind its items, and how each is written. */
const LISTS: Readonly<Record<Style, readonly [string, string, string, (item: Json) => string]>> = {
  plain: ['[\n    ', ',\n    ', '\n]', (item) => STYLES.plain(item).replaceAll('\n', '\n    ')],
  terse: ['[', ',', ']', STYLES.terse],
  space: ['[ ', ', ', ' ]', oneLine],
  lines: ['[ ', '\n, ', '\n]', oneLine],
  diffy: ['[ ', '\n, ', '\n]', (item) => diffy(item, '  ')],
};

/** Items that are written in one turn of the event loop at most: some milliseconds. */
const SLICE = 100;

/** The same text, but a long list is written in slices, between which others have their turn. */
export async function formatInSlices(value: Json, style: Style): Promise<string> {
  if (!Array.isArray(value) || value.length <= SLICE) return format(value, style);
  const [open, between, close, write] = LISTS[style];
  const items: string[] = [];
  const turns = new Turns(SLICE);
  for (const item of value) {
    items.push(write(item));
    if (turns.due()) await turns.next();
  }
  return `${open}${items.join(between)}${close}`;
}
