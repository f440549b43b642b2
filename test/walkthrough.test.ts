/**
 * The README of l7mp 0.5 (its "Usage example"), typed as it stands there: what it shows must happen. It was written for
 * ports 1234, 15000, 15001 and 16000, which are free in a network namespace.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../src/testing/until.ts';
import { type Command, ROOT } from './support/command.ts';
import { Namespace, noNamespaces } from './support/namespace.ts';
import { program } from './support/programs.ts';

const skip = noNamespaces() ?? false;

const RUN = 'node l7mp-proxy.js -c config/l7mp-minimal.yaml -l warn -s';
const SENDER = 'socat - udp:localhost:15000,sourceport=15001';

const CONFIG = 'curl http://localhost:1234/api/v1/config';
const SESSIONS = 'curl http://localhost:1234/api/v1/sessions';

const WS_CLUSTER = `curl -iX POST --header 'Content-Type:text/x-yaml' --data-binary @- <<EOF http://localhost:1234/api/v1/clusters
cluster:
  name: ws-cluster
  spec: { protocol: "WebSocket", port: 16000 }
  endpoints:
    - spec: { address: "127.0.0.1" }
EOF
`;

const STICKY_CLUSTER = `curl -iX POST --header 'Content-Type:text/x-yaml' --data-binary @- <<EOF http://localhost:1234/api/v1/clusters
cluster:
  name: ws-cluster-with-sticky-sessions
  spec: { protocol: "WebSocket", port: 16000 }
  endpoints:
    - spec: { address: "127.0.0.1" }
      weight: 3
    - spec: { address: "127.0.0.2" }
    - spec: { address: "127.0.0.3" }
  loadbalancer:
    policy: "ConsistentHash"
    key: "IP/src_addr"
EOF
`;

const UDP_LISTENER = `curl -iX POST --header 'Content-Type:text/x-yaml' --data-binary @- <<EOF http://localhost:1234/api/v1/listeners
listener:
  name: udp-listener
  spec: { protocol: UDP, port: 15000, connect: {port: 15001} }
  rules:
    - action:
        route:
          destination: ws-cluster
          ingress:
            - spec: { protocol: Logger }
          retry: {retry_on: always, num_retries: 3, timeout: 2000}
EOF
`;

const LOGGER_CLUSTER = `curl -iX POST --header 'Content-Type:text/x-yaml' --data-binary @- <<EOF http://localhost:1234/api/v1/clusters
cluster:
  name: logger-cluster
  spec: { protocol: "Logger" }
EOF
`;

const SECOND_LISTENER = `curl -iX POST --header 'Content-Type:text/x-yaml' --data-binary @- <<EOF http://localhost:1234/api/v1/listeners
listener:
  name: udp-listener-with-no-embedded-cluster-def
  spec: { protocol: UDP, port: 15000, connect: {port: 15001} }
  rules:
    - action:
        route:
          destination: ws-cluster
          ingress:
            - logger-cluster
          retry: {retry_on: always, num_retries: 3, timeout: 2000}
EOF
`;

const deletion = (path: string) => `curl -iX DELETE http://localhost:1234/api/v1/${path}`;

// -------------------------------------------------------------------- the terminal

/** A proxy with the minimal configuration, and a shell beside it. */
class Walk {
  readonly #space: Namespace;
  readonly proxy: Command;

  constructor(t: TestContext) {
    this.#space = new Namespace(t);
    this.proxy = this.start(RUN);
  }

  start(command: string): Command {
    const [name = '', ...args] = command.split(' ');
    return this.#space.start(name, ...args);
  }

  /** Waits until the controller answers. */
  async ready(): Promise<this> {
    await until(
      () =>
        this.proxy.over ||
        this.json(CONFIG).then(
          () => true,
          () => false,
        ),
      'the controller answers',
    );
    assert.ok(!this.proxy.over, this.proxy.output);
    return this;
  }

  /** Types a command whose output is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  async json(command: string): Promise<any> {
    return JSON.parse(await this.#space.type(command));
  }

  /** Types a command that shows the head of the answer (-i), which must have that status. */
  async answered(status: number, command: string): Promise<{ status: number; message: string; content?: string }> {
    const [head = '', body = ''] = (await this.#space.type(command)).split('\r\n\r\n');
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `), `${command}\n${body}`);
    const answer = JSON.parse(body);
    assert.equal(answer.status, status);
    if (status === 200) assert.deepEqual(answer, { status: 200, message: 'OK' });
    return answer;
  }

  shell(text: string): Promise<string> {
    return this.#space.type(text);
  }

  /** Starts a WebSocket receiver. */
  async receiver(address = '127.0.0.1'): Promise<Command> {
    const script = `${ROOT}/test/support/websocket-receiver.ts`;
    const receiver = this.start(`${process.execPath} ${script} ${address}:16000`);
    await until(() => receiver.stderr.includes('listening') || receiver.over, 'the receiver listens');
    assert.ok(!receiver.over, receiver.output);
    return receiver;
  }

  /** The sessions of a listener. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  async sessions(listener: string): Promise<any[]> {
    const all = await this.json(SESSIONS);
    return all.filter((session: { source: { origin: string } }) => session.source.origin === listener);
  }

  /** The names of everything that is configured, beside what the file brought. */
  async names(): Promise<Record<string, string[]>> {
    const { listeners, rulelists, rules, routes, clusters, endpoints } = await this.json(CONFIG);
    const lists = Object.entries({ listeners, rulelists, rules, routes, clusters, endpoints });
    return Object.fromEntries(
      lists.map(([kind, list]) => [
        kind,
        list
          .map(({ name }: { name: string }) => name)
          .filter((name: string) => !/^(controller|l7mp-controller|stdio|logger$)/.test(name)),
      ]),
    );
  }
}

const NOTHING = { listeners: [], rulelists: [], rules: [], routes: [], clusters: [], endpoints: [] };

const type = (command: Command, line: string) => command.child.stdin?.write(`${line}\n`);

const shown = (command: Command, line: string) =>
  until(() => command.stdout.includes(`${line}\n`), `${JSON.stringify(line)} is shown`);

// -------------------------------------------------------------------- the walk

test('the configuration can be dumped, and the only session is the question itself', { skip }, async (t) => {
  const walk = await new Walk(t).ready();
  const config = await walk.json(CONFIG);
  const kinds = ['admin', 'listeners', 'clusters', 'rulelists', 'rules', 'routes', 'endpoints', 'sessions'];
  assert.deepEqual(Object.keys(config).sort(), kinds.sort());
  assert.deepEqual([config.admin.log_level, config.admin.strict], ['warn', true]);
  assert.equal(config.listeners[0].spec.port, 1234);
  const sessions = await walk.json(SESSIONS);
  assert.equal(sessions.length, 1);
  assert.match(sessions[0].name, /^HTTP:127\.0\.0\.1:\d+-127\.0\.0\.1:1234-\d+$/);
  assert.equal(sessions[0].destination.origin, 'l7mp-controller');
  assert.equal(await walk.proxy.stop(), 0);
  assert.equal(walk.proxy.output, '', 'at level warn there is nothing to say');
});

test('a cluster with sticky sessions spreads clients 3:1:1, each always to the same endpoint', { skip }, async (t) => {
  program('socat');
  const walk = await new Walk(t).ready();
  await walk.answered(200, STICKY_CLUSTER);
  await walk.answered(
    200,
    UDP_LISTENER.replace('ws-cluster', 'ws-cluster-with-sticky-sessions').replace(', connect: {port: 15001}', ''),
  );
  await walk.receiver('0.0.0.0');
  const clients = 100;
  const send = `for n in $(seq 1 ${clients}); do echo x | socat -u - udp-sendto:127.0.0.1:15000,bind=127.0.0.$n; done`;
  await walk.shell(`${send}; ${send}`);
  const connected = await until(async () => {
    const sessions = await walk.sessions('udp-listener');
    return sessions.filter(({ status }) => status === 'CONNECTED').length === 2 * clients && sessions;
  }, 'every client has two sessions');
  const chosen = new Map<string, string>();
  for (const { metadata, destination } of connected) {
    const from = metadata.IP.src_addr;
    const to = destination.endpoint.spec.address;
    assert.equal(chosen.get(from) ?? to, to, from);
    chosen.set(from, to);
  }
  const share = (address: string) => [...chosen.values()].filter((to) => to === address).length;
  const shares = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map(share);
  const expected = [60, 20, 20];
  for (const [n, got] of shares.entries()) assert.ok(Math.abs(got - (expected[n] as number)) <= 15, `${shares}`);
});

test('the walk', { skip }, async (t) => {
  program('socat');
  program('curl');
  const walk = await new Walk(t).ready();
  const { proxy } = walk;
  let sender: Command;
  let receiver: Command;

  await t.test('a cluster and a listener are added, and the route has the names that are documented', async () => {
    await walk.answered(200, WS_CLUSTER);
    await walk.answered(200, UDP_LISTENER);
    assert.deepEqual(await walk.names(), {
      listeners: ['udp-listener'],
      rulelists: ['udp-listener-RuleList-0'],
      rules: ['udp-listener-RuleList-0-Rule-0'],
      routes: ['udp-listener-RuleList-0-Rule-0-Route-0'],
      clusters: ['ws-cluster', 'udp-listener-RuleList-0-Rule-0-Route-0-ingress-Cluster-0'],
      endpoints: ['ws-cluster-EndPoint-0'],
    });
  });

  await t.test('what is there already is refused, and nothing is left behind', async () => {
    const before = await walk.names();
    assert.match((await walk.answered(400, WS_CLUSTER)).content ?? '', /ws-cluster/);
    assert.match((await walk.answered(400, UDP_LISTENER)).content ?? '', /udp-listener/);
    assert.match((await walk.answered(400, SECOND_LISTENER)).content ?? '', /15000.*in use/);
    assert.deepEqual(await walk.names(), before);
  });

  await t.test('what is typed before the receiver runs appears there when it does', async () => {
    sender = walk.start(SENDER);
    type(sender, 'hello from the sender');
    await until(async () => {
      const [session] = await walk.sessions('udp-listener');
      return session?.events.some(({ message }: { message: string }) => message.includes('ECONNREFUSED'));
    }, 'an attempt fails');
    receiver = await walk.receiver();
    await shown(receiver, 'hello from the sender');
    assert.equal(receiver.stdout, 'hello from the sender\n');
  });

  await t.test('the proxy reports what passes from the sender to the receiver, and only that', async () => {
    await shown(proxy, 'hello from the sender');
    type(receiver, 'hello from the receiver');
    await shown(sender, 'hello from the receiver');
    type(sender, 'and back');
    await shown(receiver, 'and back');
    await shown(proxy, 'and back');
    assert.doesNotMatch(proxy.stdout, /hello from the receiver/);
  });

  await t.test('a receiver that is killed and brought back gets what was typed meanwhile', async () => {
    receiver.child.kill('SIGKILL');
    await until(async () => (await walk.sessions('udp-listener'))[0].status === 'DISCONNECTED', 'it is missed');
    type(sender, 'is anybody there?');
    receiver = await walk.receiver();
    await shown(receiver, 'is anybody there?');
    assert.equal((await walk.sessions('udp-listener')).length, 1);
  });

  await t.test('the session is deleted by its name, and the next datagram makes a new one', async () => {
    const [{ name }] = await walk.sessions('udp-listener');
    assert.match(name, /^UDP:127\.0\.0\.1:15001-0\.0\.0\.0:15000-1$/);
    await walk.answered(200, deletion(`sessions/${name}`));
    await until(() => receiver.stderr.includes('closed with 1001'), 'the receiver is told');
    assert.deepEqual(await walk.sessions('udp-listener'), []);
    assert.match((await walk.answered(404, deletion(`sessions/${name}`))).content ?? '', /15001/);
    type(sender, 'once more');
    await shown(receiver, 'once more');
    assert.match((await walk.sessions('udp-listener'))[0].name, /-2$/);
  });

  await t.test('deleting listener and cluster leaves the embedded objects, and the session', async () => {
    await walk.answered(200, deletion('listeners/udp-listener'));
    await walk.answered(200, deletion('clusters/ws-cluster'));
    assert.deepEqual(await walk.names(), {
      listeners: [],
      rulelists: ['udp-listener-RuleList-0'],
      rules: ['udp-listener-RuleList-0-Rule-0'],
      routes: ['udp-listener-RuleList-0-Rule-0-Route-0'],
      clusters: ['udp-listener-RuleList-0-Rule-0-Route-0-ingress-Cluster-0'],
      endpoints: [],
    });
    type(sender, 'still here');
    await shown(receiver, 'still here');
    const [{ name }] = await walk.sessions('udp-listener');
    await walk.answered(200, deletion(`sessions/${name}`));
    await walk.answered(200, deletion('rulelists/udp-listener-RuleList-0?recursive=true'));
    assert.deepEqual(await walk.names(), NOTHING);
  });

  await t.test('the second listener, with the logger by name, does the same', async () => {
    await walk.answered(200, WS_CLUSTER);
    await walk.answered(200, LOGGER_CLUSTER);
    await walk.answered(200, SECOND_LISTENER);
    type(sender, 'by name');
    await shown(receiver, 'by name');
    await shown(proxy, 'by name');
    type(receiver, 'silently');
    await shown(sender, 'silently');
    const [session] = await walk.sessions('udp-listener-with-no-embedded-cluster-def');
    assert.deepEqual([session.ingress[0].origin, session.egress], ['logger-cluster', []]);
    type(sender, 'and again');
    await shown(proxy, 'and again');
    assert.doesNotMatch(proxy.stdout, /silently/);
  });

  await t.test('recursive deletion leaves nothing but what has a name of its own, and ends the session', async () => {
    await walk.answered(200, deletion('listeners/udp-listener-with-no-embedded-cluster-def?recursive=true'));
    assert.deepEqual(await walk.names(), {
      ...NOTHING,
      clusters: ['ws-cluster', 'logger-cluster'],
      endpoints: ['ws-cluster-EndPoint-0'],
    });
    assert.equal((await walk.json(SESSIONS)).length, 1);
    await walk.answered(200, deletion('clusters/ws-cluster?recursive=true'));
    await walk.answered(200, deletion('clusters/logger-cluster?recursive=true'));
    assert.deepEqual(await walk.names(), NOTHING);
    await walk.answered(404, deletion('listeners/udp-listener?recursive=true'));
  });

  await t.test('deleting a cluster recursively ends the sessions that go through it', async () => {
    await walk.answered(200, WS_CLUSTER);
    await walk.answered(200, UDP_LISTENER);
    type(sender, 'the last words');
    await shown(receiver, 'the last words');
    await walk.answered(200, deletion('clusters/ws-cluster?recursive=true'));
    assert.deepEqual(await walk.sessions('udp-listener'), []);
    await walk.answered(200, deletion('listeners/udp-listener?recursive=true'));
    assert.deepEqual(await walk.names(), NOTHING);
    assert.equal(await proxy.stop(), 0);
  });
});
