/** HTTP/2, whose load is nghttp2's h2load: it counts in a time of its own, and so has no line to say that it is ready. */
import { cpuOf } from '../harness/proc.ts';
import { launch } from '../harness/processes.ts';
import type { Metric, Row } from '../harness/types.ts';

const FINISHED = /finished in [\d.]+m?s, ([\d.]+) req\/s/;
const COUNTS = /requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded/;

/** Milliseconds beside those of the load: connections are set up before, and not counted. */
const EXTRA_TIME = 15_000;

function requests(connections: number, streams: number): Row {
  const title = `HTTP/2 requests, ${connections} connections × ${streams} streams`;
  const metrics: Metric[] = [
    { id: 'rate', title, unit: '/s', better: 'higher', table: 'result' },
    { id: 'cpu', title: `${title}, a request`, unit: 'µs', better: 'lower', table: 'cpu' },
    { id: 'lost', title: 'lost or failed', unit: '', better: 'lower', table: 'note' },
  ];
  return {
    id: `http2-${connections}x${streams}`,
    title,
    carries: 'http2',
    // It is not asked: the proxies answer.
    server: ['tcp_echo'],
    metrics,
    measure: async ({ running, seconds }) => {
      const { listen, network } = running.place;
      const url = `http://${network.proxy}:${listen}/`;
      const args = ['-D', `${seconds}`, '-c', `${connections}`, '-m', `${streams}`, url];
      const before = cpuOf(running.pids);
      const text = await said(network.atClient({ file: 'h2load', args }), seconds * 1_000 + EXTRA_TIME);
      const after = cpuOf(running.pids);
      const [, rate] = FINISHED.exec(text) ?? [];
      const [, total, succeeded] = COUNTS.exec(text) ?? [];
      const units = Number(succeeded);
      if (!rate || !units) throw new Error(`no work was done: ${text.slice(-300)}`);
      return { rate: Number(rate), cpu: (after - before) / units, lost: Number(total) - units };
    },
  };
}

/** What it prints until it ends; rejects where it does not in time. */
async function said(command: Parameters<typeof launch>[1], milliseconds: number): Promise<string> {
  const child = launch('h2load', command, 'load', true);
  let text = '';
  child.process.stdout?.on('data', (data: Buffer) => {
    text += data;
  });
  const timer = setTimeout(() => child.kill(), milliseconds);
  await child.ended;
  clearTimeout(timer);
  return text;
}

export const http2: readonly Row[] = [requests(1, 1), requests(8, 8)];
