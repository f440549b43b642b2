/**
 * What `websocat -Eb ws-l:<address>:<port> -` does, with ws: a server that writes what comes to stdout and sends what
 * it reads on stdin to its last client. Says on stderr what happens.
 */
import { createInterface } from 'node:readline';
import { type WebSocket, WebSocketServer } from 'ws';

const [host, port] = (process.argv[2] ?? '').split(':');
const server = new WebSocketServer({ host, port: Number(port) });
let last: WebSocket | undefined;

server.on('listening', () => process.stderr.write('listening\n'));
server.on('connection', (ws, { socket, url }) => {
  last = ws;
  process.stderr.write(`connected to ${socket.localAddress} ${url}\n`);
  ws.on('message', (data: Buffer) => process.stdout.write(data));
  ws.on('close', (code) => process.stderr.write(`closed with ${code}\n`));
});
createInterface(process.stdin).on('line', (line) => last?.send(`${line}\n`));
