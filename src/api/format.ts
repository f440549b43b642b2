/** The styles in which the REST API writes JSON, named as l7mp 0.5 had them. */
import { Turns } from '../core/turns.ts';

const oneLine = (value: unknown): string => JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ');

/** One entry of the outermost list or object a line. */
function lines(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[ ${value.map(oneLine).join('\n, ')}\n]`;
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${oneLine(item)}`);
  return `{ ${entries.join('\n, ')}\n}`;
}

/** Every value on a line of its own, with leading commas: an added line changes no other one. */
function diffy(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const deeper = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => diffy(item, deeper))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${diffy(item, deeper)}`);
  return items.length === 0 ? `${open}${close}` : `${open} ${items.join(`\n${indent}, `)}\n${indent}${close}`;
}

export const STYLES = {
  plain: (value: unknown): string => JSON.stringify(value, null, 4),
  terse: (value: unknown): string => JSON.stringify(value),
  space: oneLine,
  lines,
  diffy: (value: unknown): string => diffy(value),
};

export type Style = keyof typeof STYLES;

/** JSON in one of the styles. */
export function format(value: unknown, style: Style): string {
  return STYLES[style](value);
}

/** How the outermost list is laid out: what stands before, between and behind its items, and how each is written. */
const LISTS: Readonly<Record<Style, readonly [string, string, string, (item: unknown) => string]>> = {
  plain: ['[\n    ', ',\n    ', '\n]', (item) => STYLES.plain(item).replaceAll('\n', '\n    ')],
  terse: ['[', ',', ']', STYLES.terse],
  space: ['[ ', ', ', ' ]', oneLine],
  lines: ['[ ', '\n, ', '\n]', oneLine],
  diffy: ['[ ', '\n, ', '\n]', (item) => diffy(item, '  ')],
};

/** Items that are written in one turn of the event loop at most: some milliseconds. */
const SLICE = 100;

/** A list whose items are made while it is read. */
export type LongList = AsyncIterable<unknown>;

/** The same text; that of a long list in parts, between which others have their turn. */
export function formatInParts(value: unknown | LongList, style: Style): string | AsyncIterable<string> {
  if (isLongList(value)) return listInParts(value, style);
  if (!Array.isArray(value) || value.length <= SLICE) return format(value, style);
  return listInParts(value, style);
}

function isLongList(value: unknown): value is LongList {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

async function* listInParts(list: LongList | Iterable<unknown>, style: Style): AsyncIterable<string> {
  const [open, between, close, write] = LISTS[style];
  let part: string[] = [];
  let isFirst = true;
  const turns = new Turns(SLICE);
  for await (const item of list) {
    part.push(write(item));
    if (!turns.due()) continue;
    yield `${isFirst ? open : between}${part.join(between)}`;
    isFirst = false;
    part = [];
    await turns.next();
  }
  if (part.length > 0) yield `${isFirst ? open : between}${part.join(between)}`;
  yield isFirst && part.length === 0 ? format([], style) : close;
}
