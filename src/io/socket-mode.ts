/**
 * Makes a UNIX socket of this mode: bind(2) gives it what the umask leaves (unix(7)), so that nobody can connect before it
 * has the mode. The umask is the process's, but `bind` is synchronous.
 */
export function withMode<T>(mode: number | undefined, bind: () => T): T {
  if (mode === undefined) return bind();
  const before = process.umask(0o777 & ~mode);
  try {
    return bind();
  } finally {
    process.umask(before);
  }
}
