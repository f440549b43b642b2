/** The proxy: makes the parts and joins them. What each does is said where it is. */
import { once } from 'node:events';
import { Admin } from './admin.ts';
import type { AdminView } from './api/answers.ts';
import { Api } from './api/api.ts';
import { Door } from './api/door.ts';
import type { ApiContext } from './api/operations.ts';
import type { Query } from './api/parameters.ts';
import { listSessions, type SessionList } from './api/session-list.ts';
import type { AdminInput } from './config/admin-schema.ts';
import { findCollisions } from './config/collisions.ts';
import { unusableFiles } from './config/files.ts';
import { Outline } from './config/outline.ts';
import type { ConfigInput } from './config/schema.ts';
import { Validator } from './config/validate.ts';
import { findWarnings, type Warning } from './config/warnings.ts';
import { asL7mpError, L7mpError, type Problem } from './core/errors.ts';
import type { Protocol } from './core/protocol.ts';
import { Registry } from './core/registry.ts';
import type { ControlPlane, DataPlane } from './data-plane/contract.ts';
import { openDataPlane } from './data-planes.ts';
import { DRAIN_TIME, Drain } from './drain.ts';
import { deriveLimits, readSystem } from './limits/system.ts';
import { exposedControl, exposureWarning } from './listener/exposure.ts';
import { placesOf } from './listener/places.ts';
import { unknown } from './model/need.ts';
import { DirectoryEnclosure } from './output/enclosure.ts';
import type { PluginModule } from './plugins/plugins.ts';
import { PROTOCOLS } from './protocols.ts';
import { applyForm, shownDefinitions } from './reconcile/apply-form.ts';
import { type ChangeView, Configuration, type ConfigurationContext, type Rights } from './reconcile/configuration.ts';
import { DefinitionStore } from './reconcile/definition-store.ts';
import { readKept, stateKeeper } from './state-keeper.ts';
import { AccessLog } from './telemetry/access-log.ts';
import { Logger } from './telemetry/logger.ts';
import type { Scrape } from './telemetry/metric.ts';
import { scrape } from './telemetry/metrics.ts';

export interface ProxyOptions {
  /**
   * Protocols and transforms beside the built-in ones: modules that were loaded, or what such ones export. With the latter
   * everything is in this thread, whatever `admin.threads` says: an object cannot be in another one.
   */
  readonly plugins?: readonly (Protocol | PluginModule)[];
}

export interface StartOptions {
  /** Leaves aside what `admin.state` has kept; the first change writes it anew. */
  readonly ignoreState?: boolean;
  /** Sockets that listen, with which the process was started (sd_listen_fds(3)): listeners on their addresses have them. */
  readonly activated?: readonly number[];
  /** Milliseconds that draining takes at most, where `POST /drain` does not say. Default 5,000. */
  readonly drain?: number;
}

export interface StopOptions {
  /** Milliseconds that sessions have to end by themselves, while nothing new is taken. Default 0. */
  readonly grace?: number;
}

export class L7mp {
  readonly logger = new Logger();
  readonly #accessLog = new AccessLog(this.logger);
  readonly #system = readSystem();
  readonly #admin = new Admin(this.logger, this.#accessLog, this.#system);
  readonly #store = new DefinitionStore();
  readonly #plugins: NonNullable<ProxyOptions['plugins']>;
  readonly #registry: Registry;
  readonly #validator: Validator;
  readonly #configuration: Configuration;
  readonly #door = new Door();
  readonly #api: Api;
  readonly #drain = new Drain(() => this.#plane);
  #drainTime = DRAIN_TIME;
  #running: DataPlane | undefined;
  #keep: ConfigurationContext['keep'];
  #state: 'starting' | 'ready' | 'stopping' = 'starting';
  #stopped: Promise<void> | undefined;
  readonly #hurry = new AbortController();

  constructor({ plugins = [] }: ProxyOptions = {}) {
    this.#plugins = plugins;
    this.#registry = new Registry([
      ...PROTOCOLS,
      ...plugins.flatMap((plugin) => ('protocols' in plugin ? plugin.protocols : [plugin])),
    ]);
    this.#validator = new Validator(this.#registry);
    const plane = (): DataPlane => this.#plane;
    const keep = () => this.#keep;
    this.#configuration = new Configuration({
      store: this.#store,
      registry: this.#registry,
      validator: this.#validator,
      get plane() {
        return plane();
      },
      get keep() {
        return keep();
      },
      settings: {
        differences: (admin, trusted) => this.#admin.differences(admin, trusted),
        confine: (admin) => this.#admin.confine(admin),
        apply: (admin, rights) => this.#applyAdmin(admin, rights),
      },
      enclosure: () => this.#admin.enclosure,
      allowsExec: () => this.#admin.allowsExec,
      opened: ({ name, spec }) => {
        for (const where of placesOf(spec, this.#registry)) this.logger.write('info', name, `listening on ${where}`);
      },
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
  async start(config: unknown, overrides: AdminInput = {}, options: StartOptions = {}): Promise<void> {
    const { ignoreState = false, drain = DRAIN_TIME, activated = [] } = options;
    this.#drainTime = drain;
    const given = this.check(config, overrides);
    const kept = ignoreState
      ? undefined
      : await readKept(given.admin?.state, (state) => this.check(state), this.logger);
    const admin = { ...given.admin, ...kept?.config.admin, ...overrides };
    // What only the file may say is not kept: the plugins that were loaded for it.
    const checked = { ...(kept?.config ?? given), ...(given.plugins && { plugins: given.plugins }), admin };
    try {
      if (admin.files !== undefined) await new DirectoryEnclosure(admin.files).check();
      await this.#open(admin, activated);
      await this.#warnOfUnused(activated);
      this.#goOn();
      await this.#configuration.load(checked, { trusted: true, confined: kept?.confined ?? [] });
      this.#goOn();
    } catch (error) {
      await this.stop();
      // Where it was stopped meanwhile: what has come since then.
      await this.#running?.close();
      throw error;
    }
    this.#admin.start();
    const before = kept?.config.admin ?? {};
    if (admin.state !== undefined) this.#keep = stateKeeper(admin.state, this.#admin, { overrides, before });
    this.#state = 'ready';
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

  /** Throws where it was stopped while it started. */
  #goOn(): void {
    if (this.#stopped !== undefined) throw new L7mpError('E_INTERNAL', 'the proxy was stopped while it started');
  }

  async #open(admin: AdminInput, activated: readonly number[]): Promise<void> {
    const { io = 'auto', threads = 1, takeover = false, log_level: level, limits } = admin;
    if (level !== undefined) this.logger.level = level;
    const settings = { ...this.#admin.planeSettings, limits: deriveLimits(this.#system, limits) };
    const control: ControlPlane = {
      log: (lines) => {
        for (const line of lines) this.logger.pass(line);
      },
      ended: (records, lost) => this.#accessLog.write(records, lost),
      api: (request) => this.#api.handle(request),
      metrics: () => this.#scrape(),
    };
    this.#running = await openDataPlane(
      { io, threads, takeover, activated, settings, plugins: this.#plugins },
      { registry: this.#registry, control, log: this.logger },
    );
  }

  async #warnOfUnused(activated: readonly number[]): Promise<void> {
    if (activated.length === 0) return;
    const { io } = await this.#plane.status();
    const text = 'sockets of the service manager are for native I/O only: they are not used';
    if (io.engine !== 'native') this.logger.write('warn', 'io', text);
  }

  async #applyAdmin(settings: AdminInput, rights: Rights): Promise<() => Promise<void>> {
    const undo = await this.#admin.apply(settings, rights);
    const takeUp = async (): Promise<void> => {
      await this.#plane.configure(this.#admin.planeSettings);
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

  get #plane(): DataPlane {
    if (!this.#running) throw new L7mpError('E_INTERNAL', 'the proxy has not been started');
    return this.#running;
  }

  /** Settled when every part has answered: one that hangs does not. */
  async lives(): Promise<void> {
    await this.#plane.status();
  }

  /**
   * Goes on in the files that have the logs' paths now: they were renamed. What cannot be opened is told to the log, and
   * the old file is written on.
   */
  async reopenLogs(): Promise<void> {
    const reopen = (log: Logger | AccessLog, name: string): Promise<void> =>
      log.reopen().catch((error: unknown) => this.logger.write('error', name, asL7mpError(error).message));
    await Promise.all([reopen(this.logger, 'log'), reopen(this.#accessLog, 'access-log'), this.#running?.reopen()]);
  }

  /**
   * Ends the proxy: takes nothing new and waits until its sessions have ended, or their time is over; then ends every session
   * and closes everything. Called again, it waits no longer. Resolves when it has ended.
   */
  stop({ grace = 0 }: StopOptions = {}): Promise<void> {
    if (this.#stopped !== undefined) this.#hurry.abort();
    this.#stopped ??= this.#end(grace);
    return this.#stopped;
  }

  async #end(grace: number): Promise<void> {
    if (grace > 0 && this.#running) await this.#wait(grace);
    this.#state = 'stopping';
    await this.#running?.close();
    await this.#finish(grace);
    await this.#accessLog.close();
    await this.logger.close();
  }

  /** What sessions have begun in this process has its own time to end, as long as nobody is in a hurry. */
  async #finish(grace: number): Promise<void> {
    if (grace === 0 || this.#hurry.signal.aborted) return;
    const finished = Promise.all(this.#registry.all().map(({ cluster }) => cluster?.finish?.()));
    const timer = setTimeout(() => this.#hurry.abort(), grace);
    await Promise.race([finished, once(this.#hurry.signal, 'abort')]);
    clearTimeout(timer);
  }

  /** Drains, as long as nobody is in a hurry. */
  async #wait(grace: number): Promise<void> {
    const { signal } = this.#hurry;
    const hurried = once(signal, 'abort').then(() => {});
    const drained = async (): Promise<void> => {
      await this.#configuration.read(() => this.#drain.begin(grace));
      await this.#drain.over(signal);
    };
    await Promise.race([drained(), hurried]).catch((error: unknown) => {
      if (!signal.aborted) this.logger.write('error', 'l7mp', `cannot drain: ${asL7mpError(error).message}`);
    });
  }

  // ------------------------------------------------------------------ control

  #createApi(): Api {
    const context: ApiContext = {
      store: this.#store,
      registry: this.#registry,
      configuration: this.#configuration,
      load: (config, terms) => this.#configuration.load(this.#fromApi(config), terms),
      replace: (config, terms) => this.#configuration.replace(this.#fromApi(config), terms),
      applyForm: () => ({
        admin: this.#admin.settable(),
        ...applyForm(shownDefinitions(this.#store.definitions(), this.#registry)),
      }),
      admin: () => this.#adminView(),
      sessions: (query) => this.#listSessions(query),
      session: async (name) => {
        const session = await this.#plane.session(name);
        if (!session) throw unknown('session', name);
        return session;
      },
      endSession: async (name) => {
        if (!(await this.#plane.endSession(name))) throw unknown('session', name);
      },
      openapi: async () => (await import('./api/openapi.ts')).openApiDocument(this.#registry),
      drain: (timeout = this.#drainTime) => this.#configuration.read(() => this.#drain.begin(timeout)),
      takeBackDrain: () => this.#configuration.read(() => this.#drain.takeBack()),
      state: () => (this.#state === 'ready' && this.#drain.on ? 'draining' : this.#state),
    };
    return new Api(context, this.#door, this.logger);
  }

  async #adminView(): Promise<AdminView> {
    const { io, offload, sessions } = await this.#plane.status();
    const state = { io_status: io, offload_status: offload, draining: this.#drain.view(sessions) };
    return { ...this.#admin.view(), ...state, warnings: this.#dangers() };
  }

  #listSessions(query: Query): Promise<SessionList> {
    const { limit, after, listener, cluster, endpoint, status, peer, fields } = query;
    return listSessions(this.#plane, { limit, after, listener, cluster, endpoint, status, peer, fields });
  }

  async #scrape(): Promise<Scrape> {
    const counters = await this.#plane.counters();
    const accessLogLost = this.#accessLog.lost;
    return scrape({ counters, objects: this.#store, limits: this.#admin.limits, accessLogLost });
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
}
