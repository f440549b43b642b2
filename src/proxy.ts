/** The proxy: makes the parts and joins them. What each does is said where it is. */
import { isDeepStrictEqual } from 'node:util';
import { Admin } from './admin.ts';
import { Api } from './api/api.ts';
import { Door } from './api/door.ts';
import type { ApiContext, SessionList } from './api/operations.ts';
import type { Query } from './api/parameters.ts';
import { findCollisions } from './config/collisions.ts';
import { unusableFiles } from './config/files.ts';
import { Outline } from './config/outline.ts';
import type { PluginModule } from './config/plugins.ts';
import type { AdminInput, ConfigInput } from './config/schema.ts';
import { readState, unusableState, writeState } from './config/state.ts';
import { Validator } from './config/validate.ts';
import { findWarnings, type Warning } from './config/warnings.ts';
import type { CloseReason } from './core/channel.ts';
import { Connections } from './core/connections.ts';
import type { Engine } from './core/engine.ts';
import { asL7mpError, L7mpError, type Problem } from './core/errors.ts';
import { GatheringLimit } from './core/gathering.ts';
import type { Protocol, Services } from './core/protocol.ts';
import { Registry } from './core/registry.ts';
import { SharedCounts } from './counts/shared-counts.ts';
import { chooseEngine } from './io/choose.ts';
import { Admission } from './limits/admission.ts';
import { ManagementListeners } from './limits/management.ts';
import { Reflection } from './limits/reflection.ts';
import { readSystem } from './limits/system.ts';
import { exposedControl, exposureWarning } from './listener/exposure.ts';
import { networkAddress } from './listener/open.ts';
import { OffloadSwitch } from './offload/switch.ts';
import { DirectoryEnclosure } from './output/enclosure.ts';
import { PROTOCOLS } from './protocols.ts';
import { applyForm } from './reconcile/apply-form.ts';
import { type ChangeView, Configuration, type ConfigurationContext, type Rights } from './reconcile/configuration.ts';
import { confinedOf } from './reconcile/confine.ts';
import { createHandlers } from './reconcile/handlers.ts';
import { Store } from './reconcile/store.ts';
import { clusterOf, findRoute } from './routing/router.ts';
import { eachSession, findSessions } from './session/list.ts';
import { type Plan, Plans } from './session/plan.ts';
import type { Session } from './session/session.ts';
import { Sessions } from './session/sessions.ts';
import { listedView, sessionView } from './session/view.ts';
import { AccessLog } from './telemetry/access-log.ts';
import { Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';

export interface ProxyOptions {
  /** Protocols and transforms beside the built-in ones: modules that were loaded, or what such ones export. */
  readonly plugins?: readonly (Protocol | PluginModule)[];
}

export interface StartOptions {
  /** Leaves aside what `admin.state` has kept; the first change writes it anew. */
  readonly ignoreState?: boolean;
}

export class L7mp {
  readonly logger = new Logger();
  readonly #accessLog = new AccessLog();
  readonly #system = readSystem();
  readonly #admin = new Admin(this.logger, this.#accessLog, this.#system);
  readonly #store = new Store();
  readonly #counts = SharedCounts.alone(this.#admin.limits.max_sessions);
  readonly #sessions: Sessions = new Sessions({
    log: this.logger,
    counts: this.#counts,
    limits: {
      take: (listener, peer) => this.#admission.take(listener, peer),
      giveBack: (listener, share) => this.#admission.giveBack(listener, share),
    },
    io: () => this.#engine,
    offload: () => this.#offload.engine,
    route: (session) => this.#route(session),
  });
  readonly #connections = new Connections(this.#counts.counter('connections'));
  readonly #metrics = new Metrics({
    store: this.#store,
    sessions: this.#sessions.table,
    rungBytes: this.#sessions.rungBytes.totals,
    load: () => (this.#io?.load === undefined ? [] : [this.#io.load]),
    connections: this.#connections,
    admission: () => this.#admission,
  });
  readonly #management: ManagementListeners;
  readonly #admission: Admission = new Admission({
    counts: this.#counts,
    descriptors: this.#system.descriptors,
    limits: this.#admin.limits,
    log: this.logger,
    sessions: this.#sessions.table,
    connections: this.#connections,
    leadsToManagement: (listener) => this.#management.has(listener),
  });
  readonly #reflection = new Reflection(() => this.#ports());
  readonly #gathering = new GatheringLimit();
  readonly #plans = new Plans((name, route) => clusterOf(this.#store, name, route));
  readonly #registry: Registry;
  readonly #validator: Validator;
  readonly #configuration: Configuration;
  readonly #api: Api;
  #io: Engine | undefined;
  #ioWhy: string | undefined;
  readonly #offload = new OffloadSwitch(this.logger, () => this.#sessions.table.all());
  readonly #door = new Door();
  #keep: ConfigurationContext['keep'];
  #state: ReturnType<ApiContext['state']> = 'starting';

  constructor({ plugins = [] }: ProxyOptions = {}) {
    this.#registry = new Registry([
      ...PROTOCOLS,
      ...plugins.flatMap((plugin) => ('protocols' in plugin ? plugin.protocols : [plugin])),
    ]);
    this.#validator = new Validator(this.#registry);
    this.#management = new ManagementListeners(this.#store, this.#registry);
    const engine = (): Engine => this.#engine;
    const keep = () => this.#keep;
    for (const observer of [this.#admission, this.#metrics, this.#accessLog]) this.#sessions.observe(observer);
    this.#configuration = new Configuration({
      store: this.#store,
      registry: this.#registry,
      validator: this.#validator,
      handlers: createHandlers({
        store: this.#store,
        registry: this.#registry,
        get io() {
          return engine();
        },
        log: this.logger,
        counts: this.#counts,
        gathering: this.#gathering,
        services: this.#services(),
        enclosure: () => this.#admin.enclosure,
        admission: this.#admission,
        begin: (listener, channel) => this.#sessions.begin(listener, channel),
      }),
      sessions: () => this.#sessions.table.all(),
      get keep() {
        return keep();
      },
      settings: {
        differences: (admin, trusted) => this.#admin.differences(admin, trusted),
        confine: (admin) => this.#admin.confine(admin),
        apply: (admin, rights) => this.#applyAdmin(admin, rights),
      },
      enclosure: () => this.#admin.enclosure,
    });
    this.#api = this.#createApi();
  }

  /**
   * Checks a configuration, and says what is wrong where; `overrides` are settings in place of its own. Throws E_INVALID
   * or E_DUPLICATE. Changes nothing.
   */
  check(config: unknown, overrides: AdminInput = {}): ConfigInput {
    const checked = this.#validator.config(config, '', Number.POSITIVE_INFINITY);
    return { ...checked, admin: { ...checked.admin, ...this.#validator.admin(overrides, '/admin') } };
  }

  /** What is allowed in a checked configuration, and likely a mistake. */
  warnings(checked: ConfigInput): Warning[] {
    return findWarnings(checked, this.#registry);
  }

  /**
   * What a checked configuration cannot start with: files that cannot be used now, addresses that two listeners want.
   * Opens and makes nothing.
   */
  async obstacles(checked: ConfigInput): Promise<Problem[]> {
    const outline = new Outline(checked, this.#registry);
    const files = await unusableFiles(outline, this.#registry, checked.admin ?? {});
    return [...files, ...findCollisions(outline, this.#registry).certain];
  }

  /**
   * Starts with a configuration, or with the one that `admin.state` has kept of it; `overrides` are settings of the
   * command line. Rejects, with nothing left open, where it cannot be loaded as a whole.
   */
  async start(config: unknown, overrides: AdminInput = {}, { ignoreState = false }: StartOptions = {}): Promise<void> {
    const given = this.check(config, overrides);
    const kept = ignoreState ? undefined : await this.#kept(given.admin?.state);
    const admin = { ...given.admin, ...kept?.config.admin, ...overrides };
    // What only the file may say is not kept: the plugins that were loaded for it.
    const checked = { ...(kept?.config ?? given), ...(given.plugins && { plugins: given.plugins }), admin };
    try {
      if (admin.files !== undefined) await new DirectoryEnclosure(admin.files).check();
      await this.#openEngine(admin);
      await this.#configuration.load(checked, { trusted: true, confined: kept?.confined ?? [] });
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#admin.start();
    this.#keep = this.#keeper(admin.state, overrides, kept?.config.admin ?? {});
    if (this.#state === 'starting') this.#state = 'ready';
    for (const { path, message } of this.warnings(checked)) {
      this.logger.write('warn', 'config', `${path}: ${message}`);
    }
  }

  /**
   * Takes a start-up file in again, as it is now: what is equal stays untouched. Rejects, and changes nothing, where that
   * cannot be. Tells what became of each object.
   */
  async reload(config: unknown, overrides: AdminInput = {}): Promise<readonly ChangeView[]> {
    const { changes } = await this.#configuration.replace(this.check(config, overrides), { trusted: true });
    return changes;
  }

  async #kept(path: string | undefined): Promise<{ config: ConfigInput; confined: readonly string[] } | undefined> {
    const kept = path === undefined ? undefined : await readState(path);
    if (kept === undefined) return undefined;
    this.logger.write('notice', 'l7mp', `goes on with the state in ${path}, in place of the configuration file`);
    try {
      return { config: this.check(kept.config), confined: kept.confined };
    } catch (error) {
      throw unusableState(path as string, asL7mpError(error).message);
    }
  }

  /** What the command line says is for this run: what was `before` it is kept. */
  #keeper(path: string | undefined, overrides: AdminInput, before: AdminInput): ConfigurationContext['keep'] {
    if (path === undefined) return undefined;
    const settings = (): AdminInput => {
      const said = Object.entries(this.#admin.settable()).filter(
        ([field, value]) => !isDeepStrictEqual(value, overrides[field as keyof AdminInput]),
      );
      return { ...before, ...Object.fromEntries(said) };
    };
    return (definitions) =>
      writeState(path, {
        config: { admin: settings(), ...applyForm(definitions) },
        confined: [...this.#admin.confined, ...confinedOf(definitions)],
      });
  }

  async #openEngine({ io, log_level: level }: AdminInput): Promise<void> {
    if (level !== undefined) this.logger.level = level;
    const { engine, why } = await chooseEngine(io ?? 'auto', { connections: this.#connections });
    this.#io = engine;
    this.#ioWhy = why;
    if (why !== undefined) this.logger.write('notice', 'io', `the portable engine is used: ${why}`);
  }

  async #applyAdmin(settings: AdminInput, rights: Rights): Promise<() => Promise<void>> {
    const undo = await this.#admin.apply(settings, rights);
    const takeUp = async (): Promise<void> => {
      this.#admission.set(this.#admin.limits);
      await this.#offload.set(this.#admin.settings);
      if (rights.trusted) await this.#door.configure(this.#admin.settings, this.logger);
    };
    const undoAll = async (): Promise<void> => {
      await undo();
      await takeUp();
    };
    try {
      await takeUp();
    } catch (error) {
      await undoAll();
      throw error;
    }
    return undoAll;
  }

  /** What moves the bytes, and why it is not something faster. */
  #ioStatus(): { engine: string; why?: string; threads?: number } {
    const { name, load } = this.#engine;
    return {
      engine: name,
      ...(this.#ioWhy !== undefined && { why: this.#ioWhy }),
      ...(load !== undefined && { threads: 1 }),
    };
  }

  get #engine(): Engine {
    if (!this.#io) throw new L7mpError('E_INTERNAL', 'the proxy has not been started');
    return this.#io;
  }

  /**
   * Goes on in the files that have the logs' paths now: they were renamed. What cannot be opened is told to the log, and
   * the old file is written on.
   */
  async reopenLogs(): Promise<void> {
    const dialers = [...this.#store.clusters.values()].map(({ name, dialer }) => ({
      name,
      reopen: async () => dialer.reopen?.(),
    }));
    const logs = [
      { name: 'log', reopen: () => this.logger.reopen() },
      { name: 'access-log', reopen: () => this.#accessLog.reopen() },
      ...dialers,
    ];
    const results = await Promise.allSettled(logs.map(({ reopen }) => reopen()));
    for (const [n, result] of results.entries()) {
      if (result.status === 'rejected')
        this.logger.write('error', logs[n]?.name ?? '', asL7mpError(result.reason).message);
    }
  }

  /** Ends every session and closes everything. */
  async stop(): Promise<void> {
    if (this.#state === 'stopping') return;
    this.#state = 'stopping';
    for (const { listening } of this.#store.listeners.values()) await listening?.close();
    const reason: CloseReason = { kind: 'shutdown', message: 'the proxy is shutting down' };
    this.#sessions.close(reason);
    await Promise.all([...this.#store.clusters.values()].map(({ dialer }) => dialer.close?.()));
    await this.#offload.close();
    await this.#io?.close();
    await this.#accessLog.close();
    await this.logger.close();
  }

  // ------------------------------------------------------------------ sessions

  /** Those that it listens on. */
  *#ports(): Iterable<number> {
    for (const { definition } of this.#store.listeners.values()) {
      const place = networkAddress(definition.spec, this.#registry);
      if (place) yield place.port;
    }
  }

  #route(session: Session): Plan {
    const { listener } = session;
    const plan = this.#plans.for(listener, findRoute(this.#store, listener.definition.rules, session));
    this.#admission.routed(session, plan);
    this.#reflection.check(session, plan);
    return plan;
  }

  // ------------------------------------------------------------------ control

  #services(): Services {
    return {
      api: (request) => this.#api.handle(request),
      metrics: () => this.#metrics.scrape(),
      counter: (name, help, labels) => this.#metrics.counter(name, help, labels),
      bodyLimit: () => this.#admin.bodyLimit,
    };
  }

  #createApi(): Api {
    const context: ApiContext = {
      store: this.#store,
      configuration: this.#configuration,
      load: (config, terms) => this.#configuration.load(this.#fromApi(config), terms),
      replace: (config, terms) => this.#configuration.replace(this.#fromApi(config), terms),
      applyForm: () => ({ admin: this.#admin.settable(), ...applyForm(this.#store.definitions()) }),
      admin: () => ({
        ...this.#admin.view(),
        io_status: this.#ioStatus(),
        offload_status: this.#offload.engine.status(),
        warnings: this.#dangers(),
      }),
      sessions: (query) => this.#listSessions(query),
      session: (name) => sessionView(this.#session(name)),
      endSession: (name) => this.#session(name).end({ kind: 'deleted', message: 'deleted by the API' }),
      openapi: async () => (await import('./api/openapi.ts')).openApiDocument(this.#registry),
      state: () => this.#state,
    };
    return new Api(context, this.#door, this.logger);
  }

  async #listSessions(query: Query): Promise<SessionList> {
    const { sessions, total, next } = await findSessions(this.#sessions.table, query, query);
    return { sessions: await eachSession(sessions, (session) => listedView(session, query.fields)), total, next };
  }

  /** What is dangerous about the configuration as it is. */
  #dangers(): string[] {
    return this.#admin.settings.auth ? [] : exposedControl(this.#store, this.#registry).map(exposureWarning);
  }

  #fromApi(config: unknown): ConfigInput {
    const checked = this.#validator.config(config);
    if (checked.plugins === undefined) return checked;
    throw new L7mpError('E_FORBIDDEN', '/plugins: plugins run code, and are taken from the start-up file only');
  }

  #session(name: string): Session {
    const session = this.#sessions.table.get(name);
    if (!session) throw new L7mpError('E_UNKNOWN', `there is no session named ${JSON.stringify(name)}`);
    return session;
  }
}
