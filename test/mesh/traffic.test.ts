/** Traffic while what it goes to is replaced. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import WebSocket from 'ws';
import { until } from '../../src/testing/until.ts';
import { UdpClient } from './support/clients.ts';
import { useMesh } from './support/mesh.ts';
import { NODE_ADDRESS } from './support/node.ts';

const mesh = useMesh({
  prepare: async (made) => {
    await made.paste('manifests/fleet');
    await made.cluster.kubectl('rollout', 'status', 'deployment/fleet', '--timeout=60s');
    for (const name of ['fleet-udp', 'fleet-websocket']) await made.programmed('virtualservices', name);
  },
});

/** Milliseconds until an answer counts as lost. */
const PATIENCE = 10_000;

/** Asks one question after the other until it is told to end; what has been answered, and what has not. */
class Traffic {
  readonly answers: string[] = [];
  readonly lost: string[] = [];
  readonly #ask: (message: string) => Promise<string | undefined>;
  readonly #over: Promise<void>;
  #ending = false;

  constructor(ask: (message: string) => Promise<string | undefined>) {
    this.#ask = ask;
    this.#over = this.#run();
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#ending; n++) {
      const message = `question ${n}`;
      const answer = await this.#ask(message);
      if (answer?.endsWith(`: ${message}`)) this.answers.push(answer);
      else this.lost.push(`${message}: ${answer}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  end(): Promise<void> {
    this.#ending = true;
    return this.#over;
  }
}

/** A WebSocket that stays open, and sees its answers in order. */
async function webSocketTraffic(): Promise<{ ws: WebSocket; traffic: Traffic }> {
  const ws = new WebSocket(`ws://${NODE_ADDRESS}:9001/`);
  await once(ws, 'open');
  const traffic = new Traffic(async (message) => {
    if (ws.readyState !== WebSocket.OPEN) return 'it is closed';
    ws.send(message);
    const answer = once(ws, 'message', { signal: AbortSignal.timeout(PATIENCE) });
    return answer.then(([data]) => data.toString(), String);
  });
  return { ws, traffic };
}

/** Each question from another port, as DNS clients ask. */
function newSessions(): Traffic {
  return new Traffic(async (message) => {
    const client = new UdpClient(9000);
    const answer = await client.ask(message, PATIENCE);
    client.close();
    return answer;
  });
}

/**
 * Everything from one port: one session of the proxy. It stays with its server as long as that is there, and a datagram that
 * comes when that has just ended is lost, as datagrams are: so this asks a second time, as clients on UDP do.
 */
function oneSession(): { client: UdpClient; traffic: Traffic } {
  const client = new UdpClient(9000);
  const ask = async (message: string): Promise<string | undefined> =>
    (await client.ask(message, 1000)) ?? client.ask(message, PATIENCE);
  return { client, traffic: new Traffic(ask) };
}

describe('a rolling update of all backends', () => {
  test('costs no answer, of new sessions or of old ones', async () => {
    const old = mesh().cluster.kubelet.pods('fleet-');
    const sockets = await Promise.all([webSocketTraffic(), webSocketTraffic(), webSocketTraffic()]);
    const sessions = [oneSession(), oneSession(), oneSession()];
    const all = [newSessions(), ...sockets.map(({ traffic }) => traffic), ...sessions.map(({ traffic }) => traffic)];
    await until(() => all.every(({ answers }) => answers.length > 0), 'everybody has an answer');

    await mesh().cluster.kubectl('rollout', 'restart', 'deployment/fleet');
    await mesh().cluster.kubectl('rollout', 'status', 'deployment/fleet', '--timeout=120s');
    const isOld = (answer = ''): boolean => old.some((pod) => answer.startsWith(pod.object.metadata.name));
    await until(() => all.every(({ answers }) => !isOld(answers.at(-1))), 'everybody is answered by a new one', 60_000);

    await Promise.all(all.map((traffic) => traffic.end()));
    for (const { ws } of sockets) ws.terminate();
    for (const { client } of sessions) client.close();
    assert.deepEqual(
      all.map(({ lost }) => lost),
      all.map(() => []),
    );
  });
});
