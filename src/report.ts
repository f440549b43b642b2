/** What the command says of errors and warnings: one line for each, with the place in the file. */
import type { Source } from './config/load.ts';
import { type Place, TextError } from './config/place.ts';
import { asL7mpError, type Problem } from './core/errors.ts';
import { oneLine } from './output/printable.ts';

/** Where the values of a configuration come from. */
export interface Origin {
  /** What to call the file. */
  readonly name: string;
  /** The text, once it could be read. */
  readonly source: Source | undefined;
  /** The options of the command line, by the path of what they set. */
  readonly options: ReadonlyMap<string, string>;
}

/** The lines for an error, in the order of the file; a defect also has its stack. */
export function errorLines(thrown: unknown, origin: Origin): string[] {
  const error = asL7mpError(thrown);
  if (error instanceof TextError) return [line(origin.name, error.place, error.what)];
  const stack = error.code === 'E_INTERNAL' ? [`${(error.cause as Error)?.stack ?? error.stack}`] : [];
  return [...problemLines(error.problems, origin), ...stack];
}

/** `kind`: what to call them, `warning`. */
export function problemLines(problems: readonly Problem[], origin: Origin, kind?: string): string[] {
  const prefix = kind === undefined ? '' : `${kind}: `;
  const placed = problems.map(({ path, message }) => {
    const option = optionOf(path, origin);
    if (option !== undefined) return { place: undefined, text: line(option, undefined, `${prefix}${message}`) };
    const place = path === '' ? undefined : origin.source?.placeOf(path);
    return { place, text: line(origin.name, place, `${prefix}${path === '' ? '' : `${path}: `}${message}`) };
  });
  const order = ({ line: row, column }: Place = { line: 0, column: 0 }): number => row * 1e6 + column;
  return placed.toSorted((a, b) => order(a.place) - order(b.place)).map(({ text }) => text);
}

function line(name: string, place: Place | undefined, text: string): string {
  return oneLine(`l7mp: ${name}${place ? `:${place.line}:${place.column}` : ''}: ${text}`);
}

/** The option that has set what a path names. */
function optionOf(path: string, { options }: Origin): string | undefined {
  const [found] = [...options].filter(([set]) => path === set || path.startsWith(`${set}/`));
  return found && `${found[1]}, on the command line`;
}
