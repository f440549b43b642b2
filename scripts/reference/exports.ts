/** What a package's index exports, as its declarations say it: for the page of plugin authors, and the test of the comments. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { prose } from './tables.ts';

const SRC = join(import.meta.dirname, '..', '..', 'src');

export interface Export {
  readonly name: string;
  readonly file: string;
}

export interface Declaration {
  readonly kind: 'class' | 'function' | 'const' | 'interface' | 'type';
  /** The text of its comment. */
  readonly comment: string;
  /** The declaration, without what it does: of a class what may be called and filled in. */
  readonly text: string;
}

interface Section {
  readonly title: string;
  readonly exports: readonly Export[];
}

/** What an index exports by name from files of its own, below the comments that stand between. */
export function sectionsOf(index: string): Section[] {
  const text = readFileSync(join(SRC, index), 'utf8');
  return text.split(/^(?=\/\/ )/m).map((part) => ({
    title: /^\/\/ (.*)$/m.exec(part)?.[1] ?? '',
    exports: exportsIn(part, dirname(index)),
  }));
}

function exportsIn(text: string, folder: string): Export[] {
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm)];
  return lists.flatMap(([, names = '', file = '']) =>
    names
      .split(',')
      .map((one) => one.trim().replace(/^type /, ''))
      .filter(Boolean)
      .map((name) => ({ name, file: join(SRC, folder, file) })),
  );
}

/** Throws where the file declares no such thing. */
export function declarationOf({ name, file }: Export): Declaration {
  const source = readFileSync(file, 'utf8');
  const found = new RegExp(
    `(?:/\\*\\*((?:(?!\\*/)[^])*)\\*/\\n)?(?:// biome-ignore.*\\n)?export (?:async |abstract )*(class|function|const|interface|type) ${name}\\b`,
  ).exec(source);
  if (!found) throw new Error(`${name} is not declared in ${file}`);
  const [all, comment = '', kind] = found;
  const from = found.index + all.lastIndexOf('export ');
  return {
    kind: kind as Declaration['kind'],
    comment: comment.replace(/^ ?\* ?/gm, '').trim(),
    text: textOf(kind as Declaration['kind'], source.slice(from)).replace(/^export /, ''),
  };
}

function textOf(kind: Declaration['kind'], source: string): string {
  if (kind === 'function') return headOf(source);
  if (kind === 'class') return classText(source);
  if (kind === 'interface') return upTo(source, /^\}$|\{\}$/m);
  return kind === 'const' ? constText(source) : upTo(source, /;$/m);
}

function upTo(source: string, end: RegExp): string {
  const { index, 0: last } = end.exec(source) as RegExpExecArray;
  return source.slice(0, index + last.length);
}

/** What is before a body, or before the semicolon where there is none. */
function headOf(source: string): string {
  return upTo(source, /(?: \{|;)$/m).replace(/ \{$|;$/, '');
}

/** The value of a constant is in its file. */
function constText(source: string): string {
  return (/^export const \w+(?:: [^=]+?)?(?= =)/.exec(source) as RegExpExecArray)[0];
}

/** The members of a class that are not its own, with their comments. */
function classText(source: string): string {
  const [head = '', ...lines] = upTo(source, /^\}$/m).split('\n').slice(0, -1);
  const members: string[] = [];
  let pending: string[] = [];
  let inside = false;
  for (const line of lines) {
    if (inside) inside = line !== '  }' && line !== '  };';
    else if (line === '' || /^ {2}\/\/ /.test(line)) pending = [];
    else {
      pending.push(line);
      const isComment = /^ {2}(?:\/\*\*| \*)/.test(line);
      if (isComment || !/(?:\{|;|\})$/.test(line)) continue;
      inside = /\{$/.test(line);
      if (isOpen(pending)) members.push(pending.join('\n').replace(/ \{\}?$/, ';'));
      pending = [];
    }
  }
  return [head, ...members, '}'].join('\n');
}

function isOpen(member: readonly string[]): boolean {
  const first = member.find((line) => !/^ {2}(?:\/\*\*| \*)/.test(line)) ?? '';
  return !/^ {2}(?:(?:readonly |async |get |set )*#|private )/.test(first);
}

/** The page's text about what an index exports. */
export function exportsBlock(index: string): string {
  return sectionsOf(index)
    .filter((section) => section.exports.length > 0)
    .flatMap(({ title, exports }) => [...(title ? [`## ${title}`] : []), ...exports.map(entryOf)])
    .join('\n\n');
}

function entryOf(one: Export): string {
  const { comment, text } = declarationOf(one);
  const [said = '', ...examples] = comment.split('@example');
  const parts = [
    `### ${one.name}`,
    `\`\`\`ts\n${text}\n\`\`\``,
    prose(said.trim().replaceAll(/^@throws /gm, 'Throws: ')),
  ];
  for (const example of examples) parts.push(`For example:\n\n\`\`\`ts\n${example.trim()}\n\`\`\``);
  return parts.join('\n\n');
}
