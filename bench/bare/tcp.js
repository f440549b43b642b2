// The barest TCP forwarder that node:net allows: two pipes. Usage: tcp.js LISTEN UPSTREAM
import net from 'node:net';

const [listen, upstream] = process.argv.slice(2).map(Number);

net
  .createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = net.connect({ port: upstream, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
    client.pipe(server);
    server.pipe(client);
  })
  .listen(listen, '127.0.0.1', 4096);
