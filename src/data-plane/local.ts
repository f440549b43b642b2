/**
 * The data plane of the thread that makes it: it owns every listener, cluster, rule and session there, and the engine whose
 * sockets they use. What it has to say goes to its control plane.
 */
import { Cidrs } from '../core/cidr.ts';
import { Connections } from '../core/connections.ts';
import type { Engine } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import { GatheringLimit } from '../core/gathering.ts';
import { type PortRange, portsOf } from '../core/ports.ts';
import type { Registry } from '../core/registry.ts';
import { SharedSecret } from '../core/shared-secret.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { chooseEngine } from '../io/choose.ts';
import type { NativeOptions } from '../io/native/index.ts';
import { Admission } from '../limits/admission.ts';
import { ManagementListeners } from '../limits/management.ts';
import { Reflection } from '../limits/reflection.ts';
import { readSystem } from '../limits/system.ts';
import type { Step } from '../model/step.ts';
import { OffloadSwitch } from '../offload/switch.ts';
import { DirectoryEnclosure } from '../output/enclosure.ts';
import { clusterOf, findRoute } from '../routing/router.ts';
import type { SessionView } from '../session/answer.ts';
import { eachSession, findSessions } from '../session/list.ts';
import { type Plan, Plans } from '../session/plan.ts';
import type { Session } from '../session/session.ts';
import { Sessions } from '../session/sessions.ts';
import { listedView, sessionView, type Viewer } from '../session/view.ts';
import type { Counters } from '../telemetry/counters.ts';
import { PlaneLog } from '../telemetry/plane-log.ts';
import { AccessRecords } from './access-records.ts';
import type {
  ControlPlane,
  DataPlane,
  Ending,
  PlaneSettings,
  PlaneStart,
  PlaneStatus,
  SessionPart,
  SessionQuery,
} from './contract.ts';
import { EndedSessions, readCounters } from './counters.ts';
import { Draining } from './draining.ts';
import { endSessions, endTraffic } from './endings.ts';
import type { Handlers } from './handlers/handler.ts';
import { createHandlers, type HandlerContext } from './handlers/index.ts';
import { LateListeners } from './handlers/late.ts';
import { listenAgain, releaseListener } from './handlers/listener.ts';
import { OwnCounters } from './own-counters.ts';
import { reopenFiles } from './reopen.ts';
import { Store } from './store.ts';
import { Transaction } from './transaction.ts';

/** What a data plane has of the thread that it is in. */
export interface PlaneHost {
  readonly registry: Registry;
  readonly control: ControlPlane;
  /** What binds its sockets that listen, and where its descriptors are noted; else the engine does so by itself. */
  readonly sockets?: Pick<NativeOptions, 'binder' | 'descriptors' | 'siblings'>;
}

/** An engine and why it is not something faster, and what it counts in. */
interface Io {
  readonly engine: Engine;
  readonly why?: string;
  readonly connections: Connections;
  readonly counts: SharedCounts;
}

export class LocalDataPlane implements DataPlane {
  readonly #viewer: Viewer;
  readonly #io: Io;
  readonly #control: ControlPlane;
  readonly #registry: Registry;
  readonly #log: PlaneLog;
  readonly #store = new Store();
  readonly #sessions: Sessions;
  readonly #plans = new Plans((name, route) => clusterOf(this.#store, name, route));
  readonly #management: ManagementListeners;
  readonly #admission: Admission;
  readonly #reflection = new Reflection(() => this.#ports());
  readonly #offload: OffloadSwitch;
  readonly #ended = new EndedSessions();
  readonly #access: AccessRecords;
  readonly #own = new OwnCounters();
  readonly #draining: Draining;
  readonly #late: LateListeners;
  /** Until its first configuration is taken. */
  #takesOver: boolean;
  readonly #handlers: Handlers;
  #settings: PlaneSettings;
  readonly #secret: SharedSecret;
  /** The change that is under way. */
  #transaction: Transaction | undefined;

  /** Begins one that runs nothing yet. Rejects with E_UNSUPPORTED where there is no such engine. */
  static async open(start: PlaneStart, host: PlaneHost): Promise<LocalDataPlane> {
    const counts = new SharedCounts(start.counts, start.worker);
    const connections = new Connections(counts.counter('connections'));
    const chosen = await chooseEngine(start.io, {
      connections,
      takeover: start.takeover,
      activated: start.activated,
      ...host.sockets,
    });
    const plane = new LocalDataPlane(start, { ...chosen, connections, counts }, host);
    await plane.configure(start.settings);
    if (chosen.why !== undefined) plane.#log.write('notice', 'io', `the portable engine is used: ${chosen.why}`);
    return plane;
  }

  private constructor(
    { worker, settings, secret, takeover = false }: PlaneStart,
    io: Io,
    { registry, control }: PlaneHost,
  ) {
    this.#viewer = { worker, registry };
    this.#io = io;
    this.#control = control;
    this.#registry = registry;
    this.#settings = settings;
    this.#secret = new SharedSecret(secret);
    this.#log = new PlaneLog((line) => control.log([line]));
    this.#access = new AccessRecords((record) => control.ended([record]));
    this.#sessions = new Sessions({
      log: this.#log,
      counts: io.counts,
      limits: {
        take: (listener, peer) => this.#admission.take(listener, peer),
        giveBack: (listener, share) => this.#admission.giveBack(listener, share),
      },
      io: () => io.engine,
      offload: () => this.#offload.engine,
      route: (session) => this.#route(session),
    });
    const { table } = this.#sessions;
    this.#offload = new OffloadSwitch(this.#log, () => table.all());
    this.#management = new ManagementListeners(this.#store, registry);
    this.#admission = new Admission({
      counts: io.counts,
      descriptors: readSystem().descriptors,
      limits: settings.limits,
      log: this.#log,
      sessions: table,
      connections: io.connections,
      leadsToManagement: (listener) => this.#management.has(listener),
    });
    for (const observer of [this.#admission, this.#ended, this.#access]) this.#sessions.observe(observer);
    this.#takesOver = takeover;
    const context = this.#handlerContext();
    this.#late = context.late;
    this.#draining = this.#createDraining(context);
    this.#handlers = createHandlers(context);
  }

  async configure(settings: PlaneSettings): Promise<void> {
    this.#settings = settings;
    this.#log.level = settings.logLevel;
    this.#log.onStdout = settings.logOnStdout;
    this.#access.wanted = settings.accessLog;
    this.#admission.set(settings.limits);
    await this.#offload.set(settings.offload);
  }

  // ------------------------------------------------------------------ changes

  async release(steps: readonly Step[]): Promise<void> {
    if (this.#transaction) throw new L7mpError('E_INTERNAL', 'a change is under way');
    const transaction = new Transaction(steps, this.#handlers);
    await transaction.release();
    this.#transaction = transaction;
  }

  async take(): Promise<void> {
    await this.#transaction?.take();
  }

  async settle(endings: readonly Ending[]): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#takesOver = false;
    await transaction?.settle();
    endSessions(() => this.#sessions.table.all(), endings);
  }

  async undo(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await transaction?.undo();
  }

  // ------------------------------------------------------------------ what is going on

  async sessions({ fields, peer, ...query }: SessionQuery): Promise<SessionPart> {
    const filter = { ...query, peer: peer === undefined ? undefined : new Cidrs([peer]) };
    const { sessions, total, next } = await findSessions(this.#sessions.table, filter, query);
    const shown = fields && new Set(fields);
    const listed = (session: Session) => ({ id: session.id, view: listedView(session, this.#viewer, shown) });
    return { sessions: await eachSession(sessions, listed), total, more: next !== undefined };
  }

  async session(name: string): Promise<SessionView | undefined> {
    const session = this.#sessions.table.get(name);
    return session && sessionView(session, this.#viewer);
  }

  async endSession(name: string): Promise<boolean> {
    const session = this.#sessions.table.get(name);
    session?.end({ kind: 'deleted', message: 'deleted by the API' });
    return session !== undefined;
  }

  async counters(): Promise<Counters> {
    const { engine, connections } = this.#io;
    return readCounters({
      store: this.#store,
      sessions: this.#sessions,
      ended: this.#ended,
      connections,
      admission: this.#admission,
      own: this.#own,
      sockets: engine.load === undefined ? [] : [engine.load],
    });
  }

  async status(): Promise<PlaneStatus> {
    const { engine, why } = this.#io;
    return {
      io: { engine: engine.name, ...(why !== undefined && { why }), threads: 0 },
      offload: this.#offload.engine.status(),
      sessions: this.#admission.live,
    };
  }

  drain(timeout: number | undefined): Promise<void> {
    return timeout === undefined ? this.#draining.takeBack() : this.#draining.begin(timeout);
  }

  reopen(): Promise<void> {
    return reopenFiles(this.#store.clusters.values(), this.#log);
  }

  async close(): Promise<void> {
    const { listeners, clusters } = this.#store;
    this.#draining.close();
    this.#late.close();
    for (const { listening } of listeners.values()) await listening?.close();
    this.#sessions.close({ kind: 'shutdown', message: 'the proxy is shutting down' });
    await Promise.all([...clusters.values()].map((cluster) => cluster.close()));
    await this.#offload.close();
    await this.#io.engine.close();
    this.#log.close();
  }

  // ------------------------------------------------------------------ own

  #createDraining(context: HandlerContext): Draining {
    return new Draining({
      listeners: () => this.#store.listeners.values(),
      leadsToManagement: (listener) => this.#management.has(listener),
      listen: (listener) => listenAgain(listener, context),
      release: (listener) => releaseListener(listener, context),
      refuse: (on) => {
        this.#admission.draining = on;
      },
      end: () => endTraffic(this.#sessions.table.all(), 'the time to drain is over'),
    });
  }

  #handlerContext(): HandlerContext {
    const control = this.#control;
    const waits = (): boolean => this.#takesOver;
    const late = new LateListeners({
      log: this.#log,
      waits,
      listen: (listener) => listenAgain(listener, context),
      release: (listener) => releaseListener(listener, context),
    });
    const context: HandlerContext = {
      late,
      waits,
      store: this.#store,
      registry: this.#registry,
      counts: this.#io.counts,
      io: this.#io.engine,
      log: this.#log,
      gathering: new GatheringLimit(),
      secret: this.#secret,
      services: {
        api: (request) => control.api(request),
        metrics: () => control.metrics(),
        counter: (name, help, labels) => this.#own.counter(name, help, labels),
        bodyLimit: () => this.#settings.bodyLimit,
      },
      enclosure: () => new DirectoryEnclosure(this.#settings.files),
      admission: this.#admission,
      holds: (listener) => this.#draining.holds(listener),
      begin: (listener, channel) => this.#sessions.begin(listener, channel),
      disown: (listener) => {
        const reason = { kind: 'deleted', message: `the listener ${listener.name} was not taken` } as const;
        for (const session of [...this.#sessions.table.all()]) if (session.listener === listener) session.end(reason);
      },
    };
    return context;
  }

  #route(session: Session): Plan {
    const { listener } = session;
    const plan = this.#plans.for(listener, findRoute(this.#store, listener.definition.rules, session));
    this.#admission.routed(session, plan);
    this.#reflection.check(session, plan);
    return plan;
  }

  /** Those that it listens on. */
  *#ports(): Iterable<PortRange> {
    for (const { definition } of this.#store.listeners.values()) {
      const place = this.#registry.addressOf(definition.spec);
      if (place) yield portsOf(place);
    }
  }
}
