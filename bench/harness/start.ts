/** Starts a contender and waits until traffic goes through it. */
import { createSocket } from 'node:dgram';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/testing/ports.ts';
import type { Network } from './network.ts';
import { type Child, launch } from './processes.ts';
import type { Carries, Contender, Place, Row, Running } from './types.ts';

const READY_TIME = 30_000;
const TRY_TIME = 200;
/** After traffic has passed: what a start leaves to do (compilers, first collections) is not the first round's. */
const SETTLE_TIME = 300;

export class Instance implements Running {
  readonly contender: Contender;
  readonly place: Place;
  readonly #children: readonly Child[];

  constructor(contender: Contender, place: Place, children: readonly Child[]) {
    this.contender = contender;
    this.place = place;
    this.#children = children;
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
  }
}

/** Rejects with the reason where the contender does not start. */
export async function start(contender: Contender, row: Row, network: Network, upstream: number, folder: string) {
  const commands = contender.carries[row.carries];
  if (!commands) throw new Error(`does not carry ${row.carries}`);
  const [listen, middle, control] = [await freePort(), await freePort(), await freePort()];
  const place: Place = {
    carries: row.carries,
    network: contender.group === 'direct' ? { ...network, proxy: network.server } : network,
    listen: contender.group === 'direct' ? upstream : listen,
    upstream,
    middle,
    control,
    folder: mkdtempSync(join(folder, 'contender-')),
  };
  const cpu = row.unpinned ? 'any' : 'proxy';
  const children = commands(place).map((command) => launch(contender.name, command, cpu));
  const instance = new Instance(contender, place, children);
  try {
    await traffic(place, children);
    await sleep(SETTLE_TIME);
    return instance;
  } catch (error) {
    await instance.stop();
    // Its folder has another name each time, and is of no interest.
    throw new Error((error as Error).message.replaceAll(`${place.folder}/`, ''));
  }
}

/** How it is seen that a contender is ready. What answers nothing is asked for its metrics. */
const ATTEMPTS: Readonly<Record<Carries, (place: Place) => Promise<boolean>>> = {
  udp: echoes,
  tcp: connects,
  http: connects,
  'http-proxied': connects,
  http2: connects,
  websocket: connects,
  'udp-websocket-udp': echoes,
  'udp-dtls-udp': echoes,
  'tcp-tls-tcp': connects,
  'tcp-tls-tcp-resumed': connects,
  'udp-namespaces': echoes,
  'workers-javascript': ({ network, middle }) => connects({ network, listen: middle }),
  'workers-tcp': connects,
  'workers-tls': connects,
};

async function traffic(place: Place, children: readonly Child[]): Promise<void> {
  const attempt = ATTEMPTS[place.carries];
  for (const end = Date.now() + READY_TIME; Date.now() < end; ) {
    const over = children.find((child) => child.over);
    if (over) throw new Error(await over.ended);
    if (await attempt(place)) return;
    await sleep(20);
  }
  throw new Error(`no traffic goes through it within ${READY_TIME / 1_000} s`);
}

function connects({ listen, network }: Pick<Place, 'listen' | 'network'>): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port: listen, host: network.proxy });
    socket.setTimeout(TRY_TIME, () => end(false));
    const end = (answer: boolean): void => {
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

function echoes({ listen, network }: Pick<Place, 'listen' | 'network'>): Promise<boolean> {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    const late = setTimeout(() => end(false), TRY_TIME);
    const end = (answer: boolean): void => {
      clearTimeout(late);
      socket.close();
      done(answer);
    };
    socket.once('message', () => end(true)).once('error', () => end(false));
    socket.send('is it there?', listen, network.proxy);
  });
}
