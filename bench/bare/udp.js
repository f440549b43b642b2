// The barest UDP forwarder that node:dgram allows: what a proxy on it cannot beat. Usage: udp.js LISTEN UPSTREAM
import dgram from 'node:dgram';

const [listen, upstream] = process.argv.slice(2).map(Number);
// Without it node puts a look-up of the address, and a tick, before each datagram.
const lookup = (host, _options, done) => done(null, host, 4);
const server = dgram.createSocket({ type: 'udp4', lookup, recvBufferSize: 4 << 20 });
const sessions = new Map();

function open(key, address, port) {
  const socket = dgram.createSocket({ type: 'udp4', lookup });
  const session = { socket, waiting: [] };
  sessions.set(key, session);
  socket.on('message', (bytes) => server.send(bytes, port, address));
  socket.on('error', () => {});
  socket.connect(upstream, '127.0.0.1', () => {
    for (const bytes of session.waiting) socket.send(bytes);
    session.waiting = undefined;
  });
  return session;
}

server.on('message', (bytes, { address, port }) => {
  const key = `${address}:${port}`;
  const session = sessions.get(key) ?? open(key, address, port);
  if (session.waiting) session.waiting.push(bytes);
  else session.socket.send(bytes);
});
server.bind(listen, '127.0.0.1');
