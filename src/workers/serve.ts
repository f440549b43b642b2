/** The worker's side: a data plane in this thread, which the main thread calls. */
import type { MessagePort } from 'node:worker_threads';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import type { ControlPlane, DataPlane, LogLine } from '../data-plane/contract.ts';
import type { Binder, BoundSocket } from '../io/binder.ts';
import { Batches } from './batches.ts';
import { responseOf } from './bodies.ts';
import { Calls, ownBytes } from './calls.ts';
import type { Bound, MainCalls, WorkerCalls } from './contract.ts';

/** What a data plane in a worker has of the main thread. */
export interface Main {
  readonly control: ControlPlane;
  readonly binder: Binder;
  readonly calls: Calls<MainCalls>;
}

/** Makes the data plane, and does what the main thread asks for. */
export function serve(port: MessagePort, open: (main: Main) => Promise<DataPlane>): void {
  const log = new Batches<LogLine>((lines, lost) => calls.call('log', [lines, lost]));
  const ended = new Batches<object>((records, lost) => calls.call('ended', [records, lost]));
  const own: WorkerCalls = {
    open: async () => void (await opened),
    configure: async (settings) => (await opened).configure(settings),
    release: async (steps) => (await opened).release(steps),
    take: async (steps) => {
      if (steps) await (await opened).release(steps);
      await (await opened).take();
    },
    settle: async (endings, steps) => {
      if (steps) await (await opened).release(steps);
      await (await opened).settle(endings);
    },
    undo: async () => (await opened).undo(),
    sessions: async (query) => (await opened).sessions(query),
    session: async (name) => (await opened).session(name),
    endSession: async (name) => (await opened).endSession(name),
    counters: async () => (await opened).counters(),
    status: async () => (await opened).status(),
    drain: async (timeout) => (await opened).drain(timeout),
    reopen: async () => (await opened).reopen(),
    close: async () => {
      await (await opened).close();
      await Promise.all([log.flush(), ended.flush()]);
    },
  };
  const calls = new Calls<MainCalls>(port, own);
  const control: ControlPlane = {
    log: (lines) => {
      for (const line of lines) log.add(line);
    },
    ended: (records) => {
      for (const record of records) ended.add(record);
    },
    api: (request) => askApi(calls, request),
    metrics: () => calls.call('metrics', []),
  };
  const opened = open({ control, binder: binderOf(calls), calls });
  // The one who asks is told.
  opened.catch(() => {});
}

async function askApi(calls: Calls<MainCalls>, request: ApiRequest): Promise<ApiResponse> {
  const body = ownBytes(request.body);
  return responseOf(await calls.call('api', [{ ...request, body }], { transfer: [body.buffer] }), calls);
}

function binderOf(calls: Calls<MainCalls>): Binder {
  const withRelease = <T extends BoundSocket>({ id, ...socket }: Bound<T>): T => {
    const release = async (): Promise<void> => (id === undefined ? undefined : calls.call('release', [id]));
    return { ...socket, release } as unknown as T;
  };
  return {
    bindStream: async (at) => withRelease(await calls.call('bindStream', [at])),
    bindMessages: async (at) => withRelease(await calls.call('bindMessages', [at])),
    bindFifos: async (at) => withRelease(await calls.call('bindFifos', [at])),
    bindDatagram: async (at) => withRelease(await calls.call('bindDatagram', [at])),
  };
}
