import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import * as net from 'node:net';
import { devNull } from 'node:os';
import { after, describe, it } from 'node:test';
import { Connections } from '../core/connections.ts';
import type { Engine } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import type { Listening, Spec } from '../core/protocol.ts';
import { engines } from '../io/testing.ts';
import { type FakeHost, fakeHost } from '../testing/fake-host.ts';
import { freePorts } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { listenAddress } from './addresses.ts';
import { listenAt, type PortsHost } from './ports.ts';
import { tcp } from './tcp/index.ts';
import { udp } from './udp/index.ts';

const HOST = '127.0.0.1';
const COUNT = 20;
const PROTOCOLS = { TCP: tcp, UDP: udp } as const;

type Name = keyof typeof PROTOCOLS;

const descriptors = (): number => readdirSync('/proc/self/fd').length;

function listen(protocol: Name, spec: Omit<Spec, 'protocol'>, host: FakeHost): Promise<Listening> {
  const side = PROTOCOLS[protocol].listener;
  if (!side) throw new Error('it listens');
  return side.listen({ protocol, address: HOST, ...spec }, host);
}

async function ask(protocol: Name, port: number): Promise<string> {
  if (protocol === 'TCP') {
    const socket = net.connect(port, HOST).end('hello');
    const [bytes] = await once(socket, 'data');
    return String(bytes);
  }
  const socket = dgram.createSocket('udp4');
  socket.send('hello', port, HOST);
  const [bytes] = await once(socket, 'message');
  socket.close();
  return String(bytes);
}

/** Takes a port as another program would. Returns what gives it back. */
async function occupy(protocol: Name, port: number): Promise<() => Promise<void>> {
  if (protocol === 'TCP') {
    const server = net.createServer().listen(port, HOST);
    await once(server, 'listening');
    return async () => void (await new Promise((done) => server.close(done)));
  }
  const socket = dgram.createSocket('udp4').bind({ port, address: HOST, exclusive: true });
  await once(socket, 'listening');
  return async () => void (await new Promise<void>((done) => socket.close(done)));
}

for (const { name, create, skip } of engines()) {
  describe(`many ports on the ${name} engine`, { skip }, () => {
    const io: Engine = create();
    after(() => io.close());

    const echoing = (more: Partial<FakeHost> = {}): FakeHost => ({
      ...fakeHost({
        begin: (channel) => channel.read({ message: (bytes) => channel.write(bytes), end: () => channel.end() }),
      }),
      io,
      ...more,
    });

    /** Listens on a range of free ports. */
    async function listenOnRange(protocol: Name, host: FakeHost): Promise<{ first: number; listening: Listening }> {
      for (;;) {
        const first = await freePorts(COUNT);
        try {
          return { first, listening: await listen(protocol, { ports: `${first}-${first + COUNT - 1}` }, host) };
        } catch (error) {
          if (!(error instanceof L7mpError) || error.code !== 'E_BIND') throw error;
        }
      }
    }

    for (const protocol of ['TCP', 'UDP'] as const) {
      it(`are one ${protocol} listener, whose sessions have the port that was hit`, async () => {
        const hits: unknown[] = [];
        const host = echoing();
        const { accept } = host;
        host.accept = (channel) => {
          hits.push((channel.describe()[protocol] as { dst_port: number }).dst_port);
          accept(channel);
        };
        const { first, listening } = await listenOnRange(protocol, host);
        const hit = [first, first + 7, first + COUNT - 1];
        for (const port of hit) equal(await ask(protocol, port), 'hello');
        deepEqual(hits, hit);
        for (const channel of host.channels) channel.close({ kind: 'end', message: '' });
        await listening.close();
        for (const port of hit) await (await occupy(protocol, port))();
      });

      it(`are all of ${protocol} given back where one is taken, which is named`, async () => {
        const host = echoing();
        const first = await freePorts(COUNT);
        const leave = await occupy(protocol, first + 11);
        const before = descriptors();
        await rejects(listen(protocol, { ports: `${first}-${first + COUNT - 1}` }, host), {
          code: 'E_BIND',
          message: `cannot listen on ${HOST}:${first + 11}: the address is in use`,
        });
        await until(() => descriptors() <= before, 'nothing is left open');
        await leave();
        const listening = await listen(protocol, { ports: `${first}-${first + COUNT - 1}` }, host);
        equal(await ask(protocol, first + 11), 'hello');
        for (const channel of host.channels) channel.close({ kind: 'end', message: '' });
        await listening.close();
      });

      it(`are listened on by ${protocol} where they are free, and the others when the process before ends`, async () => {
        const host = echoing({ waits: true });
        const first = await freePorts(COUNT);
        const leave = await occupy(protocol, first + 11);
        const listening = await listen(protocol, { ports: `${first}-${first + COUNT - 1}` }, host);
        equal(await ask(protocol, first), 'hello');
        await leave();
        await until(
          async () => (await occupy(protocol, first + 11).catch(() => undefined))?.() === undefined,
          'it is taken',
        );
        equal(await ask(protocol, first + 11), 'hello');
        for (const channel of host.channels) channel.close({ kind: 'end', message: '' });
        await listening.close();
        await (await occupy(protocol, first + 11))();
      });

      it(`are not opened by ${protocol} where descriptors are too few`, async () => {
        const connections = new Connections();
        const tight = echoing({ io: Object.create(io, { connections: { value: connections } }) });
        connections.ceiling = COUNT - 1;
        await rejects(listen(protocol, { ports: `${2000}-${2000 + COUNT - 1}` }, tight), (error: L7mpError) => {
          equal(error.code, 'E_BIND');
          match(
            error.message,
            /^cannot listen on 127.0.0.1:2000-2019: 20 more descriptors are needed; .* too few are left$/,
          );
          return true;
        });
      });
    }
  });

  describe(`many ports on the ${name} engine, of which few descriptors are left`, { skip }, () => {
    for (const protocol of ['TCP', 'UDP'] as const) {
      it(`leave those alone that are reserved (${protocol})`, async () => {
        const io = create();
        after(() => io.close());
        const next = openSync(devNull, 'r');
        closeSync(next);
        io.connections.ceiling = next + COUNT / 2;
        const first = await freePorts(COUNT);
        const before = descriptors();
        await rejects(listen(protocol, { ports: `${first}-${first + COUNT - 1}` }, { ...fakeHost(), io }), {
          code: 'E_BIND',
          message: new RegExp(`^cannot listen on ${HOST}:\\d+-\\d+: .* too few are left$`),
        });
        await until(() => descriptors() <= before, 'nothing is left open');
      });
    }
  });
}

/** Opens nothing, and notes what it is asked for. */
class Opener {
  readonly opened: number[] = [];
  readonly closed: number[] = [];
  /** It cannot be opened. */
  taken: number | undefined;

  get host(): PortsHost {
    const { io, log, name } = fakeHost();
    return { io, log, name };
  }

  readonly open = async ({ port }: { port: number }) => {
    if (port === this.taken) throw new L7mpError('E_BIND', `cannot listen on ${port}`);
    this.opened.push(port);
    return { close: async () => void this.closed.push(port) };
  };

  /** What was done since the last time. */
  done(): { opened: number[]; closed: number[] } {
    const sorted = (ports: number[]) => ports.splice(0).sort((a, b) => a - b);
    return { opened: sorted(this.opened), closed: sorted(this.closed) };
  }
}

describe('a range that changes', () => {
  const spec = (ports: string, address = HOST): Spec => ({ protocol: 'UDP', ports, address });
  const rangeOf = async (ports: string) => {
    const opener = new Opener();
    const listening = await listenAt(listenAddress({ ports, address: HOST }), opener.host, opener.open);
    opener.done();
    return { opener, listening };
  };

  it('has what is new opened and what is gone closed, and nothing else', async () => {
    const { opener, listening } = await rangeOf('10-14');
    equal(await listening.reconfigure(spec('12-16')), true);
    deepEqual(opener.done(), { opened: [15, 16], closed: [10, 11] });
    equal(await listening.reconfigure(spec('12-16')), true);
    deepEqual(opener.done(), { opened: [], closed: [] });
    equal(await listening.reconfigure(spec('12-12')), true);
    deepEqual(opener.done(), { opened: [], closed: [13, 14, 15, 16] });
    equal(await listening.reconfigure(spec('20-21')), true);
    deepEqual(opener.done(), { opened: [20, 21], closed: [12] });
    await listening.close();
    deepEqual(opener.done(), { opened: [], closed: [20, 21] });
  });

  it('is as it was where a port cannot be had', async () => {
    const { opener, listening } = await rangeOf('10-14');
    opener.taken = 16;
    await rejects(listening.reconfigure(spec('12-17')), { code: 'E_BIND', message: 'cannot listen on 16' });
    deepEqual(opener.done(), { opened: [15, 17], closed: [15, 17] });
    await listening.close();
    deepEqual(opener.done(), { opened: [], closed: [10, 11, 12, 13, 14] });
  });

  it('at another address, or that becomes one port, is opened anew', async () => {
    const { opener, listening } = await rangeOf('10-14');
    equal(await listening.reconfigure(spec('10-14', '127.0.0.2')), false);
    equal(await listening.reconfigure({ protocol: 'UDP', port: 10, address: HOST }), false);
    deepEqual(opener.done(), { opened: [], closed: [] });
  });
});

describe('the ports of a specification', () => {
  const check = (protocol: Name, spec: Omit<Spec, 'protocol'>): void =>
    PROTOCOLS[protocol].listener?.check?.({ protocol, ...spec });

  for (const protocol of ['TCP', 'UDP'] as const) {
    it(`are one port or a range, and never both (${protocol})`, async () => {
      check(protocol, { port: 7 });
      check(protocol, { ports: '7-9' });
      await rejects(async () => check(protocol, {}), { code: 'E_INVALID', message: '/port: missing' });
      await rejects(async () => check(protocol, { port: 7, ports: '7-9' }), {
        message: '/ports: has no place beside port',
      });
      await rejects(async () => check(protocol, { ports: '9-7' }), { message: '/ports: ends before it begins' });
    });
  }

  it('have no singleton of UDP: a complete peer sorts the others out', async () => {
    const connect = { address: HOST, port: 9 };
    check('UDP', { ports: '7-9', connect });
    await rejects(async () => check('UDP', { ports: '7-9', connect, options: { mode: 'singleton' } }), {
      message: '/options/mode: singleton mode needs one port',
    });
  });
});
