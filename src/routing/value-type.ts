import { isIPv6 } from 'node:net';
import type { Json } from '../core/metadata.ts';

/** Whether a value is of a type of the `type` operation (draft-snell-json-test-07). Undefined: there is no value. */
export type TypeCheck = (value: Json | undefined) => boolean;

/** A type by the name that the draft gives it; the strings' syntax is that of the RFC named at each. */
export const VALUE_TYPES: Readonly<Record<string, TypeCheck>> = {
  number: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: (value) => Array.isArray(value),
  null: (value) => value === null,
  undefined: (value) => value === undefined,
  date: text(isFullDate),
  time: text(isFullTime),
  'date-time': text(isDateTime),
  lang: text((value) => LANGUAGE_TAG.test(value) || IRREGULAR_LANGUAGE_TAG.test(value)),
  'lang-range': text((value) => LANGUAGE_RANGE.test(value)),
  iri: text((value) => isIri(value, IRI) || isIri(value, RELATIVE_IRI)),
  'absolute-iri': text((value) => isIri(value, IRI)),
};

function text(check: (value: string) => boolean): TypeCheck {
  return (value) => typeof value === 'string' && check(value);
}

/** RFC 3339 `full-date`; a day that its month does not have is none. */
function isFullDate(value: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(value)?.slice(1).map(Number);
  if (parts === undefined) return false;
  const [year = 0, month = 0, day = 0] = parts;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return day >= 1 && day <= days;
}

/** RFC 3339 `full-time`, with its offset and a leap second (:60) at any minute. */
function isFullTime(value: string): boolean {
  return /^(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/.test(value);
}

/** RFC 3339 `date-time`, with a T between date and time as its grammar has it (and not its note on readability). */
function isDateTime(value: string): boolean {
  return isFullDate(value.slice(0, 10)) && value.charAt(10).toUpperCase() === 'T' && isFullTime(value.slice(11));
}

/** RFC 4646 section 2.1 `langtag` and `privateuse`; that a subtag is registered is not asked. */
const LANGUAGE_TAG = new RegExp(
  '^(?:' +
    '(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})' + // language and its extensions
    '(?:-[a-z]{4})?' + // script
    '(?:-(?:[a-z]{2}|\\d{3}))?' + // region
    '(?:-(?:[a-z\\d]{5,8}|\\d[a-z\\d]{3}))*' + // variants
    '(?:-[a-wyz\\d](?:-[a-z\\d]{2,8})+)*' + // extensions
    '(?:-x(?:-[a-z\\d]{1,8})+)?' +
    '|x(?:-[a-z\\d]{1,8})+)$',
  'i',
);

/** The tags of RFC 4646's `grandfathered` that are registered and do not have the form of the others. */
const IRREGULAR_LANGUAGE_TAG = /^(?:i(?:-[a-z\d]{2,8}){1,2}|en-GB-oed|sgn-(?:BE-(?:FR|NL)|CH-DE))$/i;

/** RFC 4647, basic (section 2.1) and extended (section 2.2) ranges. */
const LANGUAGE_RANGE = /^(?:[a-z]{1,8}|\*)(?:-(?:[a-z\d]{1,8}|\*))*$/i;

/** RFC 3987 `ucschar`: three blocks of plane 0, and planes 1 to 14 but for the last two code points of each. */
const UCSCHAR =
  '\\u{a0}-\\u{d7ff}\\u{f900}-\\u{fdcf}\\u{fdf0}-\\u{ffef}' +
  Array.from({ length: 14 }, (_, plane) => {
    const first = ((plane + 1) << 16) + (plane === 13 ? 0x1000 : 0);
    return `\\u{${first.toString(16)}}-\\u{${(plane + 1).toString(16)}fffd}`;
  }).join('');

/** A character of RFC 3987 that stands for itself in every part of an IRI (`iunreserved`, `sub-delims`), and `more`. */
function character(more: string): string {
  return `(?:[A-Za-z\\d\\-._~!$&'()*+,;=${more}${UCSCHAR}]|%[\\dA-Fa-f]{2})`;
}

const PCHAR = character(':@');
const AUTHORITY = `(?:${character(':')}*@)?(?:\\[(?<ipv6>[\\dA-Fa-f:.]*)\\]|${character('')}*)(?::\\d*)?`;
const PATH_AFTER_AUTHORITY = `(?:/${PCHAR}*)*`;
const PATH_ABSOLUTE = `/(?:${PCHAR}+${PATH_AFTER_AUTHORITY})?`;
const QUERY_AND_FRAGMENT =
  `(?:\\?${character(':@/?\\u{e000}-\\u{f8ff}\\u{f0000}-\\u{ffffd}\\u{100000}-\\u{10fffd}')}*)?` +
  `(?:#${character(':@/?')}*)?`;

/** `scheme` and `firstSegment` (of a path without a leading slash) are what sets RFC 3987's two forms apart. */
function iriPattern(scheme: string, firstSegment: string): RegExp {
  const hierarchy = `//${AUTHORITY}${PATH_AFTER_AUTHORITY}|${PATH_ABSOLUTE}|${firstSegment}${PATH_AFTER_AUTHORITY}|`;
  return new RegExp(`^${scheme}(?:${hierarchy})${QUERY_AND_FRAGMENT}$`, 'u');
}

/** RFC 3987 `IRI`: what has a scheme (a fragment may follow). */
const IRI = iriPattern('[A-Za-z][A-Za-z\\d+.\\-]*:', `${PCHAR}+`);

/** RFC 3987 `irelative-ref`: its first segment has no colon, which would make it a scheme. */
const RELATIVE_IRI = iriPattern('', `${character('@')}+`);

function isIri(value: string, pattern: RegExp): boolean {
  const match = pattern.exec(value);
  if (match === null) return false;
  const ipv6 = match.groups?.ipv6;
  return ipv6 === undefined || isIPv6(ipv6);
}
