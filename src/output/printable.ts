/** Text and bytes that came from a network, made fit for a line of a log and for a terminal. */

/**
 * What does something to a terminal or to the reader's eye instead of being seen: C0, DEL and C1 (ECMA-48: ESC and CSI
 * begin commands), separators that some readers end a line at, marks that turn the direction of text (Unicode UAX 9).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The same, but for what text is laid out with. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNPRINTABLE_IN_TEXT = /\r(?!\n)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

const SHORT: Readonly<Record<string, string>> = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r' };

function escaped(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** One line, whatever it holds: what cannot be printed is written as in JSON. */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** Text for a terminal: tabs and line ends stay, all else that a terminal would obey is written as in JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE_IN_TEXT, escaped);
}

/** The beginning of a text, in at most so many bytes of UTF-8. Never cuts a character. */
export function cutToBytes(text: string, bytes: number): string {
  // No character takes less than a byte: what is beyond is not even looked at.
  const buffer = Buffer.from(text.slice(0, bytes));
  if (buffer.length <= bytes) return buffer.toString();
  let end = bytes;
  while (end > 0 && ((buffer[end] as number) & 0xc0) === 0x80) end--;
  return buffer.toString('utf8', 0, end);
}
