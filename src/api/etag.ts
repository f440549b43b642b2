/** Versions of the configuration, as HTTP names them (RFC 9110 section 8.8.3). */
import { randomBytes } from 'node:crypto';

type Field = string | string[] | undefined;

/** Entity tags: a part that is new at each start of the process, and the configuration's revision. */
export class EntityTags {
  readonly #start = randomBytes(6).toString('hex');

  of(revision: number): string {
    return `"${this.#start}-${revision}"`;
  }

  /** What an `If-Match` asks of the present revision; undefined where there is none. Weak tags never match there. */
  condition(ifMatch: Field): ((revision: number) => boolean) | undefined {
    if (ifMatch === undefined) return undefined;
    const tags = listOf(ifMatch);
    return (revision) => tags.includes('*') || tags.includes(this.of(revision));
  }

  /** Whether an `If-None-Match` names this revision, weakly or not. */
  names(ifNoneMatch: Field, revision: number): boolean {
    if (ifNoneMatch === undefined) return false;
    const tags = listOf(ifNoneMatch).map((tag) => tag.replace(/^W\//, ''));
    return tags.includes('*') || tags.includes(this.of(revision));
  }
}

/** Ours have no commas in them, and those of others match nothing. */
function listOf(field: string | string[]): string[] {
  return [field]
    .flat()
    .join(',')
    .split(',')
    .map((tag) => tag.trim());
}
