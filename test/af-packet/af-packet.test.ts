/** AF_PACKET between network namespaces, with peers that are not ours: ping, socat, and a link peer in Python. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { type Command, L7MP, writeConfig } from '../support/command.ts';
import { Namespace, noNamespaces } from '../support/namespace.ts';
import { program } from '../support/programs.ts';

const API = 1234;

/** Link addresses that nobody has (locally administered). */
const HERE = '020000000001';
const THERE = '020000000002';
const EVERYBODY = 'ffffffffffff';

/** An EtherType for experiments (IEEE 802). */
const EXPERIMENT = '88b5';

const controller = {
  name: 'controller',
  spec: { protocol: 'HTTP', port: API, address: '127.0.0.1' },
  rules: [{ action: { route: { destination: { name: 'api', spec: { protocol: 'L7mpController' } } } } }],
};

const listener = (name: string, spec: object, cluster: object) => ({
  name,
  spec,
  rules: [{ action: { route: { destination: cluster } } }],
});

const link = (name: string, more: object = {}) => ({
  protocol: 'AF_PACKET',
  interface: name,
  promiscuous: true,
  ...more,
});

/** A proxy in a namespace of its own. */
class LinkProxy {
  readonly space: Namespace;
  readonly #t: TestContext;
  command!: Command;

  constructor(t: TestContext) {
    this.#t = t;
    this.space = new Namespace(t);
  }

  async start(listeners: readonly object[], admin: object = {}, wrap: readonly string[] = []): Promise<this> {
    const config = { admin: { threads: 0, ...admin }, listeners: [controller, ...listeners] };
    const file = await writeConfig(this.#t, config);
    const [first = L7MP, ...rest] = [...wrap, L7MP, '-c', file, '-l', 'verbose'];
    this.command = this.space.start(first, ...rest);
    await this.command.running();
    return this;
  }

  /** What the controller answers. */
  async api(method: string, path: string, body?: object): Promise<{ status: number; body: string }> {
    const data = body ? `-H 'content-type: application/json' -d '${JSON.stringify(body)}'` : '';
    const url = `http://127.0.0.1:${API}/api/v1/${path}`;
    const text = await this.space.type(`curl -s -w '\\n%{http_code}' -X ${method} ${data} '${url}'`);
    const cut = text.lastIndexOf('\n');
    return { status: Number(text.slice(cut + 1)), body: text.slice(0, cut) };
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  async sessions(): Promise<any[]> {
    const { body } = await this.api('GET', 'sessions');
    return JSON.parse(body).filter(({ name }: { name: string }) => name.startsWith('AF_PACKET'));
  }
}

/** A peer on a link, that is no proxy. */
class LinkPeer {
  readonly #command: Command;

  private constructor(command: Command) {
    this.#command = command;
  }

  static async on(space: Namespace, name: string): Promise<LinkPeer> {
    const command = space.start(program('python3'), join(import.meta.dirname, 'link.py'), name);
    await until(() => command.stdout.startsWith('ready\n') || command.over, 'the link peer');
    assert.ok(!command.over, command.output);
    return new LinkPeer(command);
  }

  send(...frames: string[]): void {
    for (const frame of frames) this.#command.child.stdin?.write(`${frame}\n`);
  }

  get frames(): string[] {
    return this.#command.stdout.split('\n').slice(1, -1);
  }
}

/** A host with an address on a cable to a proxy. */
function hostOn(t: TestContext, proxy: Namespace, port: string, address: string): Namespace {
  const host = new Namespace(t);
  host.cable('eth0', proxy, port);
  host.ip('addr', 'add', `${address}/24`, 'dev', 'eth0');
  return host;
}

/** Sends some megabytes by TCP, in segments that are left to a network card to be cut: all of it comes. */
async function transfer(from: Namespace, to: Namespace, address: string): Promise<void> {
  const family = address.includes(':') ? 6 : 4;
  const host = family === 6 ? `[${address}]` : address;
  const server = to.start(program('socat'), '-u', `TCP${family}-LISTEN:7000`, 'STDOUT');
  const text = await from.type('seq 1 400000');
  await from.type(`seq 1 400000 | timeout 60 socat -u - TCP${family}:${host}:7000,retry=50,interval=0.1`);
  await until(() => server.stdout.length >= text.length || server.over, 'all of it');
  assert.ok(server.stdout === text);
}

/** A frame of at least 60 bytes, without its checksum, as all are. */
function frame(to: string, from: string, type: string, payload = ''): string {
  return `${to}${from}${type}${payload}`.padEnd(120, '0');
}

const lines = (text: string, pattern: RegExp): number => text.split('\n').filter((line) => pattern.test(line)).length;

describe('AF_PACKET', { skip: noNamespaces() ?? false }, () => {
  before(() => ['ping', 'python3', 'socat'].map(program));

  test('frames go from one link to another one, and back', async (t) => {
    const proxy = new LinkProxy(t);
    const a = hostOn(t, proxy.space, 'port-a', '192.0.2.1');
    hostOn(t, proxy.space, 'port-b', '192.0.2.2');
    await proxy.start([listener('bridge', link('port-a'), { spec: link('port-b') })]);
    assert.match(await a.type('ping -c 3 -i 0.2 -W 30 192.0.2.2'), / 0% packet loss/);
    const [session, ...others] = await proxy.sessions();
    assert.deepEqual(others, [], 'a link has one session');
    assert.match(session.name, /^AF_PACKET:port-a-\d+$/);
    const { ifindex, ...rest } = session.metadata.PACKET;
    assert.deepEqual(rest, { interface: 'port-a', mode: 'raw' });
    assert.ok(Number.isInteger(ifindex) && ifindex > 0);
    assert.equal(session.destination.endpoint.spec.address, 'port-b');
  });

  test('segments that were not cut yet, and checksums that are not computed yet, are completed', async (t) => {
    const proxy = new LinkProxy(t);
    const a = hostOn(t, proxy.space, 'port-a', '192.0.2.1');
    const b = hostOn(t, proxy.space, 'port-b', '192.0.2.2');
    for (const [host, address] of [
      [a, '2001:db8::1'],
      [b, '2001:db8::2'],
    ] as const) {
      await host.type('echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6');
      host.ip('addr', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
    }
    await proxy.start([listener('bridge', link('port-a'), { spec: link('port-b') })]);
    await transfer(a, b, '192.0.2.2');
    await transfer(a, b, '2001:db8::2');
    const [session] = await proxy.sessions();
    assert.deepEqual(session.destination.drops, {});
    const [most] = [session.source.bytes.in / session.source.messages.in];
    assert.ok(most > 1514, `the frames were larger than the MTU: ${most}`);
    b.start(program('socat'), 'UDP4-RECVFROM:7001,fork', 'EXEC:cat');
    const echo = () => a.type('printf hello | timeout 1 socat -T 0.5 - UDP4:192.0.2.2:7001 || true');
    await until(async () => (await echo()) === 'hello', 'an answer by UDP');
  });

  test('two proxies make a tunnel for a link, by UDP', async (t) => {
    const [left, right] = [new LinkProxy(t), new LinkProxy(t)];
    const a = hostOn(t, left.space, 'port', '192.0.2.1');
    const b = hostOn(t, right.space, 'port', '192.0.2.2');
    left.space.cable('wan', right.space, 'wan');
    left.space.ip('addr', 'add', '10.0.0.1/24', 'dev', 'wan');
    right.space.ip('addr', 'add', '10.0.0.2/24', 'dev', 'wan');
    const udp = { protocol: 'UDP', port: 4789 };
    const tunnel = { spec: udp, endpoints: [{ spec: { address: '10.0.0.2' } }] };
    await right.start([listener('tunnel', { ...udp, address: '10.0.0.2' }, { spec: link('port') })]);
    await left.start([listener('link', link('port'), tunnel)]);
    assert.match(await a.type('ping -c 3 -i 0.2 -W 30 192.0.2.2'), / 0% packet loss/);
    await transfer(a, b, '192.0.2.2');
  });

  test('a VLAN tag that the kernel takes out is in the frame', async (t) => {
    const proxy = new LinkProxy(t);
    const [a, b] = [new Namespace(t), new Namespace(t)];
    a.cable('eth0', proxy.space, 'port-a');
    b.cable('eth0', proxy.space, 'port-b');
    await proxy.start([listener('bridge', link('port-a'), { spec: link('port-b') })]);
    const [from, to] = [await LinkPeer.on(a, 'eth0'), await LinkPeer.on(b, 'eth0')];
    const plain = frame(THERE, HERE, EXPERIMENT, 'aa');
    const customer = frame(THERE, HERE, `8100e07b${EXPERIMENT}`, 'bb');
    const service = frame(THERE, HERE, `88a80005${`81000007${EXPERIMENT}`}`, 'cc');
    from.send(plain, customer, service);
    const sent = () => to.frames.filter((one) => one.startsWith(`${THERE}${HERE}`));
    await until(() => sent().length === 3, 'the frames');
    assert.deepEqual(sent(), [plain, customer, service]);
    const back = frame(HERE, THERE, `81000064${EXPERIMENT}`, 'dd');
    to.send(back);
    await until(() => from.frames.includes(back), 'a tagged answer');
  });

  test('frames that are for others are taken where it is promiscuous, else not', async (t) => {
    for (const promiscuous of [true, false]) {
      const proxy = new LinkProxy(t);
      const [a, b] = [new Namespace(t), new Namespace(t)];
      a.cable('eth0', proxy.space, 'port-a');
      b.cable('eth0', proxy.space, 'port-b');
      await proxy.start([listener('bridge', link('port-a', { promiscuous }), { spec: link('port-b') })]);
      const [from, to] = [await LinkPeer.on(a, 'eth0'), await LinkPeer.on(b, 'eth0')];
      const forOthers = frame(THERE, HERE, EXPERIMENT, '01');
      const forAll = frame(EVERYBODY, HERE, EXPERIMENT, '02');
      from.send(forOthers, forAll);
      await until(() => to.frames.includes(forAll), 'the frame for everybody');
      assert.equal(to.frames.includes(forOthers), promiscuous);
    }
  });

  test('without link headers, each address has a session, and answers go there', async (t) => {
    const proxy = new LinkProxy(t);
    const host = new Namespace(t);
    host.cable('eth0', proxy.space, 'port');
    const spec = link('port', { mode: 'dgram', ethertype: 0x88b5 });
    await proxy.start([listener('echo', spec, { spec: { protocol: 'Echo' } })]);
    const peer = await LinkPeer.on(host, 'eth0');
    peer.send(frame(EVERYBODY, HERE, EXPERIMENT, '11'), frame(EVERYBODY, THERE, EXPERIMENT, '22'));
    peer.send(frame(EVERYBODY, HERE, '88b6', '33'), frame(EVERYBODY, HERE, EXPERIMENT, '44'));
    const answers = () => peer.frames.filter((one) => one.slice(24, 28) === EXPERIMENT);
    await until(() => answers().length >= 3, 'the answers');
    const said = answers().map((one) => [one.slice(0, 12), one.slice(28, 30)]);
    assert.deepEqual(said, [
      [HERE, '11'],
      [THERE, '22'],
      [HERE, '44'],
    ]);
    const sources = (await proxy.sessions()).map(({ metadata }) => metadata.PACKET.src_addr);
    assert.deepEqual(sources.sort(), ['02:00:00:00:00:01', '02:00:00:00:00:02']);
  });

  test('a cluster without link headers sends to the addresses of its endpoints', async (t) => {
    const proxy = new LinkProxy(t);
    const host = new Namespace(t);
    host.cable('eth0', proxy.space, 'port');
    const cluster = {
      spec: link('port', { mode: 'dgram', ethertype: 0x88b5, promiscuous: false }),
      endpoints: [{ spec: { address: '02:00:00:00:00:02' } }],
    };
    await proxy.start([listener('udp', { protocol: 'UDP', port: 5000, address: '127.0.0.1' }, cluster)]);
    const peer = await LinkPeer.on(host, 'eth0');
    const asked = proxy.space.type(`printf hello | socat -t 5 - UDP4:127.0.0.1:5000 | head -c 2`);
    const isOurs = (one: string) => one.startsWith(THERE) && one.slice(24, 28) === EXPERIMENT;
    const [question = ''] = await until(
      () => peer.frames.filter(isOurs).length > 0 && peer.frames.filter(isOurs),
      'it',
    );
    assert.equal(Buffer.from(question.slice(28), 'hex').toString().replaceAll('\0', ''), 'hello');
    const own = question.slice(12, 24);
    peer.send(frame(own, HERE, EXPERIMENT, Buffer.from('no').toString('hex')));
    peer.send(frame(own, THERE, EXPERIMENT, Buffer.from('ok').toString('hex')));
    assert.equal(await asked, 'ok', 'its endpoint answers it, and nobody else');
  });

  test('a cluster of all types sends packets of IP as such, and anything else as what has come', async (t) => {
    const proxy = new LinkProxy(t);
    const host = new Namespace(t);
    host.cable('eth0', proxy.space, 'port');
    const cluster = {
      spec: link('port', { mode: 'dgram', promiscuous: false }),
      endpoints: [{ spec: { address: '02:00:00:00:00:02' } }],
    };
    await proxy.start([listener('udp', { protocol: 'UDP', port: 5000, address: '127.0.0.1' }, cluster)]);
    const peer = await LinkPeer.on(host, 'eth0');
    const say = (hex: string) =>
      proxy.space.type(
        `printf '${hex.replace(/../g, '\\x$&')}' | socat -u - UDP4-SENDTO:127.0.0.1:5000,bind=127.0.0.1:5001`,
      );
    const sent = () =>
      peer.frames.filter((one) => one.startsWith(THERE)).map((one) => [one.slice(24, 28), one.slice(28, 68)] as const);
    const word = Buffer.from('hello').toString('hex');
    const packet = '45000014000000004011000001020304050607'.padEnd(40, '8');
    await say(word);
    await say(packet);
    await until(() => sent().length > 0, 'the packet');
    assert.deepEqual(sent(), [['0800', packet]]);
    const own = peer.frames.find((one) => one.startsWith(THERE))?.slice(12, 24) ?? '';
    peer.send(frame(own, THERE, EXPERIMENT));
    await until(async () => {
      await say(word);
      return sent().some(([type, payload]) => type === EXPERIMENT && payload.startsWith(word));
    }, 'the word, as what has come');
  });

  test('what is larger than the link takes is dropped and counted', async (t) => {
    const proxy = new LinkProxy(t);
    const [a, b] = [new Namespace(t), new Namespace(t)];
    a.cable('eth0', proxy.space, 'port-a');
    b.cable('eth0', proxy.space, 'port-b');
    a.ip('link', 'set', 'eth0', 'mtu', '9000');
    proxy.space.ip('link', 'set', 'port-a', 'mtu', '9000');
    await proxy.start([listener('bridge', link('port-a'), { spec: link('port-b') })]);
    const [from, to] = [await LinkPeer.on(a, 'eth0'), await LinkPeer.on(b, 'eth0')];
    const fits = frame(THERE, HERE, EXPERIMENT, '00'.repeat(1500));
    from.send(frame(THERE, HERE, EXPERIMENT, '00'.repeat(1501)), fits);
    await until(() => to.frames.includes(fits), 'the frame that fits');
    const [session] = await proxy.sessions();
    assert.equal(session.destination.drops['too-large'], 1);
  });

  test('an interface that is down, and one that is gone, are told of, and are taken up again', async (t) => {
    const proxy = new LinkProxy(t);
    const host = new Namespace(t);
    host.cable('eth0', proxy.space, 'port');
    await proxy.start([listener('echo', link('port', { ethertype: 0x88b5 }), { spec: { protocol: 'Discard' } })]);
    const { command, space } = proxy;
    space.ip('link', 'set', 'port', 'down');
    await until(() => command.output.includes('interface port is down'), 'word of it');
    assert.equal((await proxy.sessions()).length, 1, 'the session lives on');
    space.ip('link', 'set', 'port', 'up');
    const peer = await LinkPeer.on(host, 'eth0');
    await until(async () => {
      peer.send(frame(EVERYBODY, HERE, EXPERIMENT));
      return (await proxy.sessions())[0].source.messages.in > 0;
    }, 'frames, once it is up');
    space.ip('link', 'del', 'port');
    await until(() => command.output.includes('interface port is gone'), 'word of it');
    await until(async () => (await proxy.sessions()).length === 0, 'the end of the session');
    host.cable('eth0', space, 'port');
    const again = await LinkPeer.on(host, 'eth0');
    await until(async () => {
      again.send(frame(EVERYBODY, HERE, EXPERIMENT));
      return (await proxy.sessions()).length === 1;
    }, 'a session on the new one');
    assert.equal(lines(command.output, /DISCONNECT.*interface port is gone/), 1, 'it is told once');
  });

  test('one of several workers has the interface', async (t) => {
    const proxy = new LinkProxy(t);
    const a = hostOn(t, proxy.space, 'port-a', '192.0.2.1');
    hostOn(t, proxy.space, 'port-b', '192.0.2.2');
    await proxy.start([listener('bridge', link('port-a'), { spec: link('port-b') })], { threads: 2 });
    const answer = await a.type('ping -c 3 -i 0.2 -W 30 192.0.2.2');
    assert.match(answer, / 0% packet loss/);
    assert.doesNotMatch(answer, /duplicates/);
    assert.equal((await proxy.sessions()).length, 1);
  });

  test('an interface that is not there is refused with its name, at once', async (t) => {
    const proxy = await new LinkProxy(t).start([]);
    const rules = [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }];
    const made = await proxy.api('POST', 'listeners', { listener: { name: 'l', spec: link('nowhere0'), rules } });
    assert.equal(made.status, 400, made.body);
    assert.match(made.body, /interface nowhere0: there is none of that name/);
    const cluster = await proxy.api('POST', 'clusters', { cluster: { name: 'c', spec: link('nowhere0') } });
    assert.equal(cluster.status, 400, cluster.body);
    assert.match(cluster.body, /interface nowhere0: there is none of that name/);
  });

  test('an endpoint is a link address, or the interface, as the mode says', async (t) => {
    const proxy = await new LinkProxy(t).start([]);
    const make = (spec: object, address: string) =>
      proxy.api('POST', 'clusters', { cluster: { name: address, spec, endpoints: [{ spec: { address } }] } });
    const dgram = link('lo', { mode: 'dgram', ethertype: 0x88b5 });
    for (const [spec, address] of [
      [dgram, 'lo'],
      [dgram, '02:00:00:00:00'],
      [link('lo'), '02:00:00:00:00:01'],
    ] as const) {
      const { status, body } = await make(spec, address);
      assert.equal(status, 422, body);
      assert.match(body, /\/cluster\/endpoints\/0\/spec\/address/);
    }
    assert.equal((await make(dgram, '02-00-00-00-00-01')).status, 200);
    assert.equal((await make(link('lo'), 'lo')).status, 200);
  });

  test('a proxy without the capability says which one it is', async (t) => {
    const without = [program('setpriv'), '--bounding-set', '-net_raw', '--inh-caps', '-net_raw'];
    const proxy = await new LinkProxy(t).start([], {}, without);
    const made = await proxy.api('POST', 'clusters', { cluster: { name: 'c', spec: link('lo') } });
    assert.equal(made.status, 400, made.body);
    assert.match(made.body, /CAP_NET_RAW/);
  });

  test('the portable I/O has no links, and says so', async (t) => {
    const proxy = await new LinkProxy(t).start([], { io: 'node' });
    const made = await proxy.api('POST', 'clusters', { cluster: { name: 'c', spec: link('lo') } });
    assert.equal(made.status, 400, made.body);
    assert.match(made.body, /AF_PACKET needs native I\/O/);
  });
});
