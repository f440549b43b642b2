/** A client's wish to go on in WebSocket (RFC 6455), which an HTTP listener passes on: the endpoint may agree to it. */
import type { IncomingMessage } from 'node:http';
import type { Headers } from '../../../core/channel.ts';
import { tokens } from '../headers.ts';

/** Whether a request asks for it as section 4.1 says: all other ones are taken without it. */
export function asksForWebSocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  const { upgrade, connection, 'content-length': length, 'transfer-encoding': coding } = headers;
  if (method !== 'GET' || httpVersion !== '1.1' || coding !== undefined || Number(length ?? 0) > 0) return false;
  return upgrade?.toLowerCase() === WEBSOCKET && tokens(connection).includes('upgrade');
}

/** The head of the answer that agrees; `headers`: the endpoint's, which can be sent. */
export function switchingHead(headers: Headers): Buffer {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  const head = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${WEBSOCKET}\r\n`;
  return Buffer.from(`${head}${lines.join('')}\r\n`, 'latin1');
}

const WEBSOCKET = 'websocket';
