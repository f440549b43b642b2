/**
 * Keeps a certificate that serves: all replicas read it from the Secret, the leader makes and replaces it. What the API server trusts
 * comes first, always: nobody serves with a certificate before its authority stands in the webhook's configuration.
 */
import type { ApiClient } from '../kubernetes/api.ts';
import { WorkQueue } from '../kubernetes/work-queue.ts';
import { ConfigurationKeeper, type Place, webhookConfiguration } from './configuration.ts';
import { type Credentials, dueAt, faultOf, succeed } from './credentials.ts';
import { CredentialsSecret } from './secret.ts';

export interface RotationOptions {
  readonly api: ApiClient;
  /** Of the Secret. */
  readonly namespace: string;
  /** DNS names and addresses by which the API server reaches us. */
  readonly names: readonly string[];
  readonly place: Place;
  /** Those that the operator looks at; all where there is none. */
  readonly namespaces: readonly string[];
  /** There is another certificate to serve with; it is without a fault. */
  changed(credentials: Credentials): Promise<void>;
  log(message: string): void;
  failed?(message: string, wait: number): void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly make?: (names: readonly string[], now: number) => Promise<Credentials>;
  readonly waits?: Partial<Waits>;
}

/** In milliseconds. */
interface Waits {
  /** Between two looks. */
  readonly look: number;
  /** From a new authority in the configuration to its certificate: API servers take a moment to hear of it. */
  readonly settle: number;
}

const WAITS: Waits = { look: 30_000, settle: 5000 };

const KEY = 'certificate';

export class Rotation {
  readonly #options: RotationOptions;
  readonly #waits: Waits;
  readonly #secret: CredentialsSecret;
  readonly #configuration: ConfigurationKeeper;
  readonly #queue: WorkQueue;
  #leads = false;
  /** What is served with. */
  #current: Credentials | undefined;
  /** What is trusted already, and waits for its turn. */
  #next: Credentials | undefined;

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#waits = { ...WAITS, ...options.waits };
    this.#secret = new CredentialsSecret(options.api, options.namespace);
    this.#configuration = new ConfigurationKeeper(options.api);
    const { failed } = options;
    this.#queue = new WorkQueue({
      work: (_key, signal) => this.#look(signal),
      ...(failed && { failed: (_key: string, message: string, wait: number) => failed(message, wait) }),
      concurrency: 1,
      perSecond: 10,
      burst: 10,
      longestWait: this.#waits.look,
    });
  }

  start(): void {
    this.#queue.add(KEY);
  }

  /** From now on we are the one who makes certificates, or are not. */
  lead(leads: boolean): void {
    this.#leads = leads;
    this.#next = undefined;
    this.#queue.add(KEY);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #look(signal: AbortSignal): Promise<number> {
    const present = await this.#secret.read(signal);
    const fault = present ? faultOf(present, this.#options.names, this.#now()) : 'there is none yet';
    if (present && fault === undefined) await this.#serve(present);
    if (!this.#leads) return this.#waits.look;
    if (!present || fault !== undefined) await this.#mend(present, fault ?? '', signal);
    else if (this.#now() >= dueAt(present)) return this.#replace(present, signal);
    else {
      this.#next = undefined;
      await this.#trust(present, signal);
    }
    return this.#waits.look;
  }

  /** Nobody can serve with what is there: at once, there is what we have, or something new. */
  async #mend(present: Credentials | undefined, fault: string, signal: AbortSignal): Promise<void> {
    const { names, log } = this.#options;
    const own = this.#current;
    const serves = own && faultOf(own, names, this.#now()) === undefined && this.#now() < dueAt(own);
    const credentials = serves ? own : await this.#make([...(own?.authorities ?? []), ...(present?.authorities ?? [])]);
    log(`the webhook gets a certificate, since with the one in its Secret it cannot serve: ${fault}`);
    await this.#trust(credentials, signal);
    await this.#secret.write(credentials, signal);
    await this.#serve(credentials);
  }

  /** Gives the milliseconds after which to look again. */
  async #replace(present: Credentials, signal: AbortSignal): Promise<number> {
    if (!this.#next) {
      this.#options.log('the certificate of the webhook is replaced by a new one: half of its time is over');
      const next = await this.#make(present.authorities);
      await this.#trust(next, signal);
      this.#next = next;
      return this.#waits.settle;
    }
    const next = this.#next;
    await this.#trust(next, signal);
    await this.#secret.write(next, signal);
    this.#next = undefined;
    await this.#serve(next);
    return this.#waits.look;
  }

  async #make(before: readonly string[]): Promise<Credentials> {
    const { names, make = makeCredentials } = this.#options;
    const now = this.#now();
    return succeed(await make(names, now), before, now);
  }

  #trust({ authorities }: Credentials, signal: AbortSignal): Promise<void> {
    const { place, namespaces } = this.#options;
    return this.#configuration.keep(webhookConfiguration(place, namespaces, authorities), signal);
  }

  async #serve(credentials: Credentials): Promise<void> {
    const isSame = credentials.cert === this.#current?.cert && credentials.key === this.#current.key;
    this.#current = credentials;
    if (!isSame) await this.#options.changed(credentials);
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}

async function makeCredentials(names: readonly string[], now: number): Promise<Credentials> {
  const certificate = await import('./certificate.ts');
  return certificate.makeCredentials(names, now);
}
