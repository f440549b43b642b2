import { type ClusterHost, type Dialer, defineProtocol, type Protocol } from '../../core/protocol.ts';
import { ChildChannel } from './channel.ts';
import { Children } from './children.ts';
import { Ending } from './ending.ts';
import { check, clusterSpec, type ForkSpec, secrets } from './spec.ts';
import { type Starting, start } from './start.ts';
import { StderrLog } from './stderr-log.ts';

/** Milliseconds that a child has after its stdin was closed, and once more after SIGTERM, where the cluster does not say. */
const KILL_TIMEOUT = 2000;

/** STDIO-fork with children of its own. */
export function createStdioFork(): Protocol {
  const children = new Children();
  return defineProtocol({
    name: 'STDIO-fork',
    title: 'A program for each session, by its stdin and stdout.',
    cluster: {
      schema: clusterSpec,
      kind: 'stream',
      virtual: true,
      runsCode: true,
      // The main thread outlives workers: one that fails leaves no child behind.
      scope: 'process',
      check,
      secrets,
      open: (spec, host) => open(spec, host, children),
      finish: () => children.gone(),
    },
  });
}

export const stdioFork = createStdioFork();

async function open(spec: ForkSpec, host: ClusterHost, children: Children): Promise<Dialer> {
  const { kill_timeout: timeout = KILL_TIMEOUT, stderr = 'log' } = spec;
  const { name, log, limits, connections } = host;
  const starting = await usually();
  return {
    dial: async () => {
      connections.needDescriptor();
      const child = await start(spec, starting);
      const ending = new Ending(child, { children, timeout, say: (text) => log.write('info', name, text) });
      if (child.stderr && stderr === 'log') new StderrLog(child.stderr, log, name, child.pid);
      return new ChildChannel(child, ending, limits, stderr === 'merge');
    },
  };
}

/** A child is placed among others as any process is, not as the thread that starts it. */
async function usually(): Promise<Starting> {
  try {
    const { startingProcess } = await import('../../io/native/system/scheduling.ts');
    return startingProcess();
  } catch {
    // Without the C library no thread has asked for anything.
    return (start) => start();
  }
}
