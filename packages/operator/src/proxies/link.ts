/** The calls that are made of one proxy, and what their answers mean. */
import { ApiError, type Client, ClientError } from '@l7mp/client';
import { blamedBy } from './blame.ts';
import type { Bodies } from './bodies.ts';
import type { Step } from './diff.ts';
import type { Lanes, Passenger } from './lanes.ts';
import type { CallKind, CallOutcome, ProxiesObserver } from './observer.ts';
import { type Reading, readingOf } from './reading.ts';

/** The proxy does not answer, or with what says nothing of the objects: another time. */
export class Unreachable extends Error {}

/** The proxy will not have what was sent; the message is the proxy's. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Somebody else has changed the configuration meanwhile. */
export class Outdated extends Error {}

/** One that was changed by a whole configuration. */
export interface Changed {
  readonly kind: string;
  readonly name: string;
}

/**
 * A listener that goes takes its sessions along, so that its port is free; sessions on an endpoint that goes, whose pod is no
 * more, look for another one.
 */
const ENDING = { query: { sessions: 'end' } } as const;

export interface LinkContext {
  readonly lanes: Lanes;
  readonly bodies: Bodies;
  readonly observer: ProxiesObserver;
}

export class Link implements Passenger {
  readonly #client: Client;
  readonly #context: LinkContext;
  readonly #signal: AbortSignal;
  slow = false;

  /** What is under way ends with the signal, and rejects with its reason. */
  constructor(client: Client, context: LinkContext, signal: AbortSignal) {
    this.#client = client;
    this.#context = context;
    this.#signal = signal;
  }

  read(): Promise<Reading> {
    return this.#call('read', async (options) => {
      const { etag, body } = await this.#client.config(options);
      return { value: readingOf(etag, body), outcome: 'ok' };
    });
  }

  /** Undefined if nothing has changed. */
  check(known: string): Promise<Reading | undefined> {
    return this.#call('check', async (options) => {
      const { status, etag, body } = await this.#client.configIfChanged(known, options);
      if (status === 304) return { value: undefined, outcome: 'unchanged' };
      return { value: readingOf(etag, body), outcome: 'ok' };
    });
  }

  /** Makes the change, and gives the new entity tag. What is gone already is deleted. */
  change(step: Step, ifMatch: string): Promise<string> {
    return this.#call(step.action, async (options) => {
      try {
        const { etag } = await this.#send(step, { ...options, ifMatch });
        return { value: etag ?? ifMatch, outcome: 'ok' };
      } catch (error) {
        if (step.action === 'delete' && error instanceof ApiError && error.status === 404)
          return { value: error.etag ?? ifMatch, outcome: 'ok' };
        throw error;
      }
    });
  }

  /** Makes it the configuration, and gives what that has changed, if the proxy says so. */
  replace(raw: Buffer, ifMatch: string): Promise<{ etag: string; changes: readonly Changed[] | undefined }> {
    return this.#call('replace', async (options) => {
      const { etag, body } = await this.#client.put('/config', { ...options, ...ENDING, raw, ifMatch });
      return { value: { etag: etag ?? ifMatch, changes: body.changes }, outcome: 'ok' };
    });
  }

  #send(step: Step, options: { signal: AbortSignal; ifMatch: string }) {
    const { kind, name, owner } = step;
    const call = { ...options, ...ENDING, params: { name } };
    if (step.action === 'delete') return this.#client.delete(`/${kind}/{name}`, call);
    const raw = this.#context.bodies.of(step);
    if (kind !== 'endpoints') return this.#client.put(`/${kind}/{name}`, { ...call, raw });
    const path = '/clusters/{name}/endpoints/{endpoint}';
    return this.#client.put(path, { ...options, params: { name: owner, endpoint: name }, raw });
  }

  #call<T>(
    kind: CallKind,
    job: (options: { signal: AbortSignal }) => Promise<{ value: T; outcome: CallOutcome }>,
  ): Promise<T> {
    const { lanes, observer } = this.#context;
    const signal = this.#signal;
    return lanes.run(this, signal, async () => {
      const began = performance.now();
      const told = (outcome: CallOutcome) => observer.called(kind, outcome, performance.now() - began);
      try {
        const { value, outcome } = await job({ signal });
        told(outcome);
        return value;
      } catch (error) {
        signal.throwIfAborted();
        const meant = meaningOf(error, kind);
        told(meant instanceof Refused ? 'refused' : meant instanceof Outdated ? 'outdated' : 'unreachable');
        throw meant;
      }
    });
  }
}

function meaningOf(error: unknown, kind: CallKind): Error {
  if (!(error instanceof ApiError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new Unreachable(message, { cause: error instanceof ClientError ? undefined : error });
  }
  if (error.status === 412) return new Outdated(error.message);
  const isRead = kind === 'check' || kind === 'read';
  return isRead || isOfTheProxy(error) ? new Unreachable(error.message) : new Refused(error.status, error.reason);
}

/** Whether an answer says something of the proxy, or of who asks, and not of what was sent. */
function isOfTheProxy({ status, reason }: ApiError): boolean {
  if (status === 401 || status === 429 || status > 500) return true;
  // An object may name a file that it may not have; a token may not change anything at all.
  return status === 403 && blamedBy(reason) === undefined;
}
