import { asL7mpError, L7mpError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Definition } from '../../model/definitions.ts';

/** An object that cannot be closed is gone all the same: who uses it has no use for the error. */
export async function close(
  what: { close?(): void | Promise<void> } | undefined,
  name: string,
  { log }: { readonly log: Log },
): Promise<void> {
  try {
    await what?.close?.();
  } catch (error) {
    log.write('error', name, `could not be closed: ${asL7mpError(error).message}`);
  }
}

/** Says which object it was. A path in the error begins at the specification. */
export function failure({ kind, name }: Definition, error: unknown): L7mpError {
  const { code, message } = isSystemError(error)
    ? new L7mpError(kind === 'listener' ? 'E_BIND' : 'E_FILE', `cannot be opened: ${error.message}`)
    : asL7mpError(error);
  return new L7mpError(code, `${kind} ${name}: ${message.startsWith('/') ? `/spec${message}` : message}`, {
    cause: error,
  });
}

/** What the operating system refuses is no defect of the proxy, also where a protocol has not said so. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && !(error instanceof L7mpError) && 'syscall' in error;
}
