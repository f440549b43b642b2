/** What a client says before there is anything of it: nothing is kept, whatever comes from wherever. */
import type { First } from '../../core/engine.ts';
import type { Cookies } from './cookies.ts';
import { helloIn, helloVerifyRequest, isRecord } from './record.ts';

/** Lets in who shows a good cookie, and gives one to who has none; of all else `reject` is told why it is dropped. */
export function firstWords(cookies: Cookies, reject: (why: string) => void): First {
  return ({ address, port }, bytes, reply) => {
    if (!isRecord(bytes)) {
      reject('not-dtls');
      return false;
    }
    const hello = helloIn(bytes);
    if (!hello) {
      reject('no-handshake');
      return false;
    }
    const place = `${address} ${port}`;
    if (cookies.isGood(hello, place)) return true;
    reply(helloVerifyRequest(hello, cookies.make(hello, place)));
    return false;
  };
}
