/** What OpenSSL says of a call that failed, in words. */
import type { Library } from './openssl.ts';

/** Errors that one call has left, at most: the first says what was wrong, the next ones where it was noticed. */
const MOST = 2;

/** Takes the errors of this thread's last calls; `otherwise` where there are none. */
export function takeErrors({ c }: Library, otherwise: string): string {
  const texts: string[] = [];
  for (let code = c.ERR_get_error(); code !== 0 && texts.length < MOST; code = c.ERR_get_error()) {
    const text = c.ERR_reason_error_string(code) ?? `error ${code.toString(16)}`;
    if (!texts.includes(text)) texts.push(text);
  }
  c.ERR_clear_error();
  return texts.length > 0 ? texts.join(': ') : otherwise;
}
