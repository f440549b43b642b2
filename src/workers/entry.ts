/** What a worker's thread runs. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { shrinkHeap } from '../core/collect.ts';
import { Registry } from '../core/registry.ts';
import { LocalDataPlane } from '../data-plane/local.ts';
import type { Descriptors } from '../io/native/system/descriptors.ts';
import { importPlugin, servePluginImports } from '../plugins/plugins.ts';
import { PROTOCOLS } from '../protocols.ts';
import type { WorkerStart } from './contract.ts';
import { protocolInWorker } from './owned.ts';
import { serve } from './serve.ts';

const start = workerData as WorkerStart;

serve(parentPort as MessagePort, async ({ control, binder, calls }) => {
  servePluginImports();
  const plugins = await Promise.all(start.plugins.map((url) => importPlugin(url)));
  const protocols = [...PROTOCOLS, ...plugins.flatMap((plugin) => plugin.protocols)];
  const registry = new Registry(protocols.map((protocol) => protocolInWorker(protocol, calls, start.workers)));
  const sockets = { binder, descriptors: await noteLeftOver(start), siblings: start.siblings };
  const plane = await LocalDataPlane.open(start, { registry, control, sockets });
  shrinkHeap();
  // What the start has left in the whole process: two megabytes that nobody uses again.
  if ((await plane.status()).io.engine === 'native') (await import('../io/native/system/libc.ts')).libc().trim();
  return plane;
});

/** From now on it is noted what this thread would leave behind. */
async function noteLeftOver({ descriptors, mappings, worker }: WorkerStart): Promise<Descriptors | undefined> {
  if (!descriptors || !mappings) return undefined;
  const { noteMappings } = await import('../io/native/system/arena.ts');
  const { Descriptors } = await import('../io/native/system/descriptors.ts');
  noteMappings(mappings);
  return new Descriptors(descriptors, worker);
}
