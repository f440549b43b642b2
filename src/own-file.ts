/** Whether this runs from its sources, or from what was built of them. */
const SOURCES = import.meta.url.endsWith('.ts');

/**
 * A file of the program: `path` below `src/`, and below `dist/` in a package. Where the code that asks lies does not
 * matter: a build puts it into other files.
 */
export function ownFile(path: string): URL {
  return new URL(path, import.meta.url);
}

/** A module of the program that is started or named, not imported; `path` without extension. */
export function ownModule(path: string): URL {
  return ownFile(`${path}${SOURCES ? '.ts' : '.js'}`);
}
