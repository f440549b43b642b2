/** What the parts tell of themselves, as lines of the log and as metrics. */
import { messageOf } from '../kubernetes/errors.ts';
import type { ReflectorObserver } from '../kubernetes/reflector.ts';
import type { ProxyState } from '../proxies/contract.ts';
import type { ProxiesObserver } from '../proxies/observer.ts';
import type { Kind } from '../resources/kinds.ts';
import type { StatusObserver } from '../status/status-writer.ts';
import type { ProxyPod } from '../translation/contract.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export function toldByReflector(
  log: Logger,
  metrics: Metrics,
  kind: Kind,
  namespace: string | undefined,
): ReflectorObserver {
  const about = { kind, ...(namespace !== undefined && { namespace }) };
  let isFailing = false;
  return {
    listed: (count) => {
      metrics.lists.inc({ kind });
      log.debug({ ...about, count }, 'listed');
    },
    turned: (state, why) => log.info({ ...about, state }, why),
    failed: (error, wait) => {
      metrics.failures.inc({ kind });
      // A server that is away for an hour is a line for each kind.
      log[isFailing ? 'debug' : 'warn']({ ...about, wait: Math.round(wait) }, `the API server: ${messageOf(error)}`);
      isFailing = true;
    },
    watching: () => {
      if (isFailing) log.info(about, 'in step again');
      isFailing = false;
    },
  };
}

const nameOf = ({ namespace, name }: ProxyPod): string => `${namespace}/${name}`;

export function toldByProxies(log: Logger, metrics: Metrics): ProxiesObserver {
  return {
    called: (call, outcome, milliseconds) => metrics.calls.observe({ call, outcome }, milliseconds / 1000),
    programmed: (pod, milliseconds) => {
      metrics.programming.observe(milliseconds / 1000);
      log.debug({ pod: nameOf(pod), milliseconds: Math.round(milliseconds) }, 'programmed');
    },
    repaired: (pod, names, cause) => {
      metrics.repairs.inc({ cause }, names.length);
      log.info({ pod: nameOf(pod), cause, objects: names.slice(0, 10), count: names.length }, 'repaired');
    },
    // That it is so is told once, when the state turns; here are all attempts.
    refused: (pod, name, message) => log.debug({ pod: nameOf(pod), object: name }, `refused: ${message}`),
    unreachable: (pod, message, wait) =>
      log.debug({ pod: nameOf(pod), wait: Math.round(wait) }, `unreachable: ${message}`),
  };
}

/** Of one proxy, when its state is another one. */
export function tellState(log: Logger, pod: ProxyPod, state: ProxyState, last: ProxyState['state'] | undefined): void {
  const about = { pod: nameOf(pod), address: pod.address };
  if (state.state === 'unreachable' && last !== 'unreachable') log.warn(about, `unreachable: ${state.message}`);
  else if (state.state === 'refused' && last !== 'refused')
    for (const [object, message] of [...state.objects].slice(0, 10))
      log.warn({ ...about, object }, `refused: ${message}`);
  else if (state.state === 'programmed' && (last === 'unreachable' || last === 'refused'))
    log.info(about, 'programmed');
}

export function toldByStatus(log: Logger, metrics: Metrics): StatusObserver {
  return {
    written: (object) => {
      metrics.statuses.inc({ outcome: 'written' });
      log.debug({ object }, 'the status is written');
    },
    failed: (object, message, wait) => {
      metrics.statuses.inc({ outcome: 'failed' });
      log.warn({ object, wait: Math.round(wait) }, `the status could not be written: ${message}`);
    },
  };
}
