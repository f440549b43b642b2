import { createRequire } from 'node:module';

type Http2 = typeof import('node:http2');

/** Node's HTTP/2, loaded when the first connection needs it: that takes 16 ms and 10 MB. */
export function http2(): Http2 {
  loaded ??= createRequire(import.meta.url)('node:http2') as Http2;
  return loaded;
}

let loaded: Http2 | undefined;
