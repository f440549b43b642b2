/** Plays a script with a proxy between the clients and the servers, and tells what each of them saw. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { turn, until } from '../../src/testing/until.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';
import { type Client, connect, type End, HOST, makeServer, nextEnd, type Place, type Server, Source } from './peers.ts';
import { type Case, other, type Step, type Who } from './script.ts';
import { comparable, comparableLog, type SessionView } from './views.ts';

/** Milliseconds between attempts to connect. A session keeps 64 events: they must suffice while a server is away. */
const RETRY = 200;
/** Long enough that no case which is still busy is idle, and short enough to be waited for. */
const IDLE = 4000;
const HALF_CLOSE = 300;
/** Seconds for which ended sessions can be looked at. */
const TRACK = 600;

/** Steps that reset a connection, or may. */
const RESETS: ReadonlySet<Step['do']> = new Set(['reset', 'tear', 'abandon', 'kill']);

/** What was seen of one case. */
export interface Seen {
  /** The step that did not have its effect, if one did not. */
  failed: string | undefined;
  client: string[];
  /** Of each connection. */
  servers: string[][];
  sessions: unknown[];
}

/** Plays the cases side by side. */
export async function play(t: TestContext, io: 'node' | 'native', cases: readonly Case[]): Promise<Seen[]> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-differential-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const names = cases.map((_, n) => `l${n}`);
  const servers = await Promise.all(
    cases.map(async ({ server }, n) => ({ transport: server, port: await freePort(), path: join(folder, `s${n}`) })),
  );
  const { proxy, ports } = await startProxy(t, names, (ports) => ({
    admin: { io, log_level: 'silent' },
    listeners: cases.map((one, n) =>
      listenerOf(one, `l${n}`, placeOf(one, ports[`l${n}`] as number, folder, n), servers[n] as Place),
    ),
  }));
  return Promise.all(
    cases.map((one, n) => {
      const front = placeOf(one, ports[`l${n}`] as number, folder, n);
      return new Player(one, proxy, `l${n}`, front, servers[n] as Place).play();
    }),
  );
}

function placeOf({ client }: Case, port: number, folder: string, n: number): Place {
  return { transport: client, port, path: join(folder, `c${n}`) };
}

function listenerOf(one: Case, name: string, front: Place, back: Place): object {
  const destination = {
    spec:
      back.transport === 'UnixDomainSocket'
        ? { protocol: back.transport }
        : { protocol: back.transport, port: back.port },
    endpoints: [{ spec: { address: back.transport === 'UnixDomainSocket' ? back.path : HOST } }],
    options: { half_close_timeout: HALF_CLOSE, connect_timeout: 5000 },
  };
  const spec =
    front.transport === 'UnixDomainSocket'
      ? { protocol: front.transport, filename: front.path }
      : { protocol: front.transport, port: front.port, address: HOST };
  const route = {
    destination,
    retry: { retry_on: one.retry, num_retries: one.retry === 'never' ? 0 : 10_000, timeout: RETRY },
    ...(one.staged && { ingress: [{ spec: { protocol: 'Echo' } }] }),
  };
  return listener(name, spec, route, { options: { track: TRACK, ...(one.idle && { idle_timeout: IDLE }) } });
}

/** The client and the server of one case. */
class Player {
  readonly #case: Case;
  readonly #proxy: TestProxy;
  readonly #name: string;
  readonly #front: Place;
  readonly #server: Server;
  readonly #sources: Record<Who, Source> = { client: new Source(0x55), server: new Source(0xaa) };
  /** Datagrams that were sent, by each. */
  readonly #sent: Record<Who, number> = { client: 0, server: 0 };
  #client: Client | undefined;
  /** Bytes to the server that can never arrive. */
  #lost = 0;
  #clientEnded = false;

  constructor(one: Case, proxy: TestProxy, name: string, front: Place, back: Place) {
    this.#case = one;
    this.#proxy = proxy;
    this.#name = name;
    this.#front = front;
    this.#server = makeServer(back, this.#boundaries);
  }

  get #boundaries(): boolean {
    return this.#case.client === 'UDP' && this.#case.server === 'UDP';
  }

  async play(): Promise<Seen> {
    const failed = await this.#steps();
    const seen: Seen = {
      failed,
      client: comparableLog(this.#client?.end.log ?? [], this.#case),
      servers: this.#server.ends.map(({ log }) => comparableLog(log, this.#case)),
      sessions: (await this.#views()).map((view) => comparable(view, this.#case)),
    };
    this.#client?.close();
    await this.#server.kill();
    return seen;
  }

  async #steps(): Promise<string | undefined> {
    let doing = 'begin';
    try {
      if (this.#case.present) await this.#server.open();
      this.#client = await connect(this.#front, this.#boundaries);
      if (this.#case.present && this.#case.client !== 'UDP' && this.#case.server !== 'UDP')
        await nextEnd(this.#server, 0);
      for (const step of this.#case.steps) {
        doing = JSON.stringify(step);
        await this.#step(step);
      }
      doing = 'the end of the session';
      await until(
        async () => (await this.#views()).every(({ status }) => status === 'DESTROYED'),
        'no session is left',
      );
      return undefined;
    } catch (error) {
      return `${doing}: ${(error as Error).message}`;
    }
  }

  // ------------------------------------------------------------------ who is there

  get #clientEnd(): End {
    return (this.#client as Client).end;
  }

  get #serverEnd(): End {
    return this.#server.ends.at(-1) as End;
  }

  #end(who: Who): End {
    return who === 'client' ? this.#clientEnd : this.#serverEnd;
  }

  async #views(): Promise<SessionView[]> {
    return this.#proxy.sessions(this.#name);
  }

  /** Bytes that have come to one side, over all its connections. */
  #received(who: Who): number {
    return who === 'client' ? this.#clientEnd.received : this.#server.ends.reduce((sum, end) => sum + end.received, 0);
  }

  #messages(who: Who): number {
    return who === 'client' ? this.#clientEnd.messages : this.#server.ends.reduce((sum, end) => sum + end.messages, 0);
  }

  get #mends(): boolean {
    const { retry, server } = this.#case;
    return server !== 'UDP' && (retry === 'disconnect' || retry === 'always');
  }

  // ------------------------------------------------------------------ steps

  async #step(step: Step): Promise<void> {
    if (RESETS.has(step.do) && this.#case.server !== 'UDP') await this.#connected();
    switch (step.do) {
      case 'write':
        this.#write(step.by, step.sizes);
        return this.#arrived(step.by);
      case 'early write':
        return this.#write('client', step.sizes);
      case 'early end':
        this.#clientEnded = true;
        return this.#clientEnd.end();
      case 'attempt':
        await until(async () => (await this.#last()) === 'ERROR', 'an attempt has failed');
        return;
      case 'early reset':
        this.#clientEnd.reset();
        return this.#over();
      case 'push':
        return this.#push(step.by, step.size);
      case 'tear':
        return this.#tear(step.by, step.size);
      case 'abandon':
        return this.#abandon(step.by, step.size);
      case 'finish':
        return this.#finish(step.by, step.size);
      case 'end':
        return this.#endBy(step.by);
      case 'reset':
        return this.#resetBy(step.by);
      case 'vanish':
        return this.#vanish(step.by, step.answer);
      case 'refused':
        return this.#refused();
      case 'unreachable':
        return this.#unreachable();
      case 'renew':
        await this.#delete();
        await this.#over();
        this.#write('client', [1]);
        return this.#arrived('client');
      case 'kill':
        return this.#kill();
      case 'open':
        return this.#open();
      case 'delete':
        await this.#delete();
        return this.#ended();
      case 'delete amid':
        return this.#deleteAmid(step.size);
      case 'idle':
        return this.#ended();
    }
  }

  #write(by: Who, sizes: readonly number[]): void {
    for (const size of sizes) this.#end(by).write(this.#sources[by].take(size));
    this.#sent[by] += sizes.length;
  }

  async #arrived(by: Who): Promise<void> {
    const to = other(by);
    const sent = () => this.#sources[by].given - (by === 'client' ? this.#lost : 0);
    await until(() => this.#received(to) >= sent(), `the ${to} has all`);
    if (this.#boundaries) await until(() => this.#messages(to) >= this.#sent[by], `the ${to} has all messages`);
  }

  async #push(by: Who, size: number): Promise<void> {
    const to = this.#end(other(by));
    to.pause();
    this.#write(by, [size]);
    if (!this.#hasEnded(other(by))) {
      this.#write(other(by), [100]);
      await this.#arrived(other(by));
    }
    to.resume();
    await this.#arrived(by);
  }

  /** Whether it has ended its direction. */
  #hasEnded(who: Who): boolean {
    return who === 'client' ? this.#clientEnded : this.#clientEnd.ended;
  }

  async #tear(by: Who, size: number): Promise<void> {
    const one = this.#end(by);
    one.pause();
    this.#write(other(by), [size]);
    one.reset();
    await this.#told(other(by));
  }

  async #abandon(by: Who, size: number): Promise<void> {
    const [one, two] = [this.#end(by), this.#end(other(by))];
    two.pause();
    this.#write(by, [size]);
    one.reset();
    two.resume();
    await this.#told(other(by));
  }

  async #finish(by: Who, size: number): Promise<void> {
    if (!this.#hasEnded(other(by))) this.#write(other(by), [size]);
    this.#write(by, [size]);
    const ended = this.#endBy(by);
    await this.#arrived(by);
    await this.#arrived(other(by));
    await ended;
  }

  async #deleteAmid(size: number): Promise<void> {
    this.#write('client', [size]);
    this.#write('server', [size]);
    await this.#delete();
    await this.#ended();
  }

  async #endBy(by: Who): Promise<void> {
    const [one, two] = [this.#end(by), this.#end(other(by))];
    const count = this.#server.ends.length;
    const last = this.#hasEnded(other(by));
    one.end();
    if (by === 'server' && this.#mends && !this.#clientEnded) {
      await until(() => one.closed, 'the old connection is closed');
      await nextEnd(this.#server, count);
      return;
    }
    if (by === 'client') this.#clientEnded = true;
    const streams = this.#case.client !== 'UDP' && this.#case.server !== 'UDP';
    if (streams) {
      await until(() => two.ended, `the ${other(by)} is told`);
      if (last) await until(() => one.closed && two.closed, 'both are closed');
    } else await until(() => one.closed ?? one.ended, 'the session is over');
    if (!streams) one.end();
  }

  async #resetBy(by: Who): Promise<void> {
    const one = this.#end(by);
    const count = this.#server.ends.length;
    one.reset();
    if (by === 'server' && this.#mends) {
      const end = await nextEnd(this.#server, count);
      if (this.#clientEnded) await until(() => end.ended, 'the new connection has the end');
    } else if (!this.#isDatagram(other(by))) await this.#told(other(by));
  }

  #isDatagram(who: Who): boolean {
    return this.#case[who] === 'UDP';
  }

  async #vanish(by: Who, answer: 'end' | 'write'): Promise<void> {
    const [one, two] = [this.#end(by), this.#end(other(by))];
    one.vanish();
    await until(() => two.ended || two.closed, `the ${other(by)} is told`);
    if (answer === 'end') two.end();
    else {
      // The first write may still be taken: only the answer to it says that nobody is there.
      await until(
        async () => {
          if (two.closed === undefined) two.write(Buffer.from('anybody there?'));
          await turn(10);
          return two.closed;
        },
        `the ${other(by)} is cut off`,
      );
    }
    await until(() => two.closed, `the ${other(by)} is closed`);
  }

  async #refused(): Promise<void> {
    if (!this.#isDatagram('client')) return this.#told('client');
    await until(async () => (await this.#views()).length > 0, 'the session is there');
    return this.#over();
  }

  /** The proxy has closed, or reset, its connection to this side, which closes it too. */
  async #told(who: Who): Promise<void> {
    const end = this.#end(who);
    await until(() => end.ended || end.closed, `the ${who} is told`);
    if (end.closed === undefined) end.end();
    await until(() => end.closed, `the ${who} is closed`);
  }

  async #unreachable(): Promise<void> {
    const before = await this.#faults();
    this.#lost++;
    this.#write('client', [1]);
    this.#sent.client--;
    await until(async () => (await this.#faults()) > before, 'the error is an event');
  }

  /**
   * The kernel has connected before the proxy hears of it: whether a reset meanwhile is a failed attempt or a lost
   * connection is a matter of time.
   */
  async #connected(): Promise<void> {
    await until(async () => (await this.#views()).some(({ status }) => status === 'CONNECTED'), 'it is connected');
  }

  /** What has last happened to the session. */
  async #last(): Promise<string | undefined> {
    const view = (await this.#views()).find(({ status }) => status !== 'DESTROYED');
    return view?.events.at(-1)?.event;
  }

  /** How often the session was told of an error. */
  async #faults(): Promise<number> {
    const [view] = (await this.#views()).filter(({ status }) => status !== 'DESTROYED');
    return view?.events.filter(({ event }) => event === 'ERROR').length ?? 0;
  }

  async #kill(): Promise<void> {
    await this.#server.kill();
    if (this.#case.server === 'UDP') return;
    await until(
      async () => (await this.#views()).some(({ status }) => status === 'DISCONNECTED'),
      'it is disconnected',
    );
  }

  async #open(): Promise<void> {
    const count = this.#server.ends.length;
    await this.#server.open();
    if (this.#case.server === 'UDP') return;
    const end = await nextEnd(this.#server, count);
    await this.#arrived('client');
    if (this.#clientEnded) await until(() => end.ended, 'the server is told of the end');
  }

  async #delete(): Promise<void> {
    const view = (await this.#views()).find(({ status }) => status !== 'DESTROYED');
    if (!view) throw new Error('there is no session');
    await this.#proxy.ok('DELETE', `sessions/${encodeURIComponent(view.name)}`);
  }

  /** The proxy ends the session: streams are told, and end too. */
  async #ended(): Promise<void> {
    const streams = (['client', 'server'] as const).filter((who) => !this.#isDatagram(who) && this.#end(who));
    await Promise.all(streams.map((who) => this.#told(who)));
    await this.#over();
  }

  async #over(): Promise<void> {
    await until(async () => (await this.#views()).every(({ status }) => status === 'DESTROYED'), 'the session is over');
  }
}
