import { tmpdir } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { AdminView } from './api/answers.ts';
import { type AdminInput, adminState } from './config/admin-schema.ts';
import { asL7mpError, L7mpError } from './core/errors.ts';
import { formatPointer } from './core/pointer.ts';
import { REDACTED } from './core/redacted.ts';
import type { PlaneSettings } from './data-plane/contract.ts';
import { deriveLimits, type Limits, type System } from './limits/system.ts';
import { DirectoryEnclosure } from './output/enclosure.ts';
import type { Rights } from './reconcile/configuration.ts';
import type { AccessLog } from './telemetry/access-log.ts';
import type { Logger } from './telemetry/logger.ts';
import { VERSION } from './version.ts';

/** Settings that are taken from the start-up file and the command line, and cannot change while the proxy runs. */
const FIXED = ['io', 'threads', 'takeover', 'body_limit', 'plugins', 'state'] as const;

/** Settings that say what the API may do, or run code: it may not say so itself. */
const RESERVED = {
  plugins: 'plugins run code, and are taken from the start-up file only',
  auth: 'who may use the API is taken from the start-up file only',
  hosts: 'names of the API are taken from the start-up file only',
  cors: 'who may use the API is taken from the start-up file only',
  state: 'where the configuration is kept is taken from the start-up file only',
  allow_exec: 'whether the API may run programs is taken from the start-up file only',
  files: 'what the API may name is taken from the start-up file only',
} as const;

const DEFAULT_BODY_LIMIT = 1 << 20;

/** Below which the API may name files, where nobody says: where nothing lies that a system depends on. */
const DEFAULT_FILES = tmpdir();

type TokenInput = NonNullable<NonNullable<AdminInput['auth']>['tokens']>[number];

function shownToken({ token, ...shown }: TokenInput): TokenInput {
  return token === undefined ? shown : { ...shown, token: REDACTED };
}

function keyOf(field: string): string {
  return `admin ${field}`;
}

/** The proxy's own settings: what is set, and taking up changes of it. */
export class Admin {
  readonly #logger: Logger;
  readonly #accessLog: AccessLog;
  readonly #system: System;
  #settings: AdminInput = {};
  #started = false;

  constructor(logger: Logger, accessLog: AccessLog, system: System) {
    this.#system = system;
    this.#logger = logger;
    this.#accessLog = accessLog;
  }

  /** From now on, what is fixed at the start is fixed. */
  start(): void {
    this.#started = true;
  }

  /** What is set. */
  get settings(): AdminInput {
    return this.#settings;
  }

  /** Bytes of a REST API request's body at most. */
  get bodyLimit(): number {
    return this.#settings.body_limit ?? DEFAULT_BODY_LIMIT;
  }

  /** Below which the API may name files. */
  get enclosure(): DirectoryEnclosure {
    return new DirectoryEnclosure(this.#files);
  }

  /** The API may make what runs programs. */
  get allowsExec(): boolean {
    return this.#settings.allow_exec ?? false;
  }

  get #files(): string {
    return this.#settings.files ?? DEFAULT_FILES;
  }

  /** Those that are set, and what the others are by the system. */
  get limits(): Limits {
    return deriveLimits(this.#system, this.#settings.limits);
  }

  /** What of them concerns data planes. */
  get planeSettings(): PlaneSettings {
    const { offload, offload_ifs } = this.#settings;
    return {
      logLevel: this.#logger.level,
      logOnStdout: this.#logger.onStdout,
      accessLog: this.#accessLog.path !== undefined,
      limits: this.limits,
      offload: { ...(offload && { offload }), ...(offload_ifs !== undefined && { offload_ifs }) },
      files: this.#files,
      bodyLimit: this.bodyLimit,
    };
  }

  /** As the REST API shows it. */
  view(): Omit<AdminView, 'io_status' | 'offload_status' | 'draining' | 'warnings'> {
    const {
      strict = false,
      offload = 'disable',
      offload_ifs = '',
      io = 'auto',
      threads = 1,
      takeover = false,
      plugins = [],
      auth,
      hosts = [],
      cors = [],
      state,
      allow_exec = false,
    } = this.#settings;
    return {
      log_level: this.#logger.level,
      log_file: this.#logger.file,
      ...(this.#accessLog.path !== undefined && { access_log_path: this.#accessLog.path }),
      strict,
      offload,
      offload_ifs,
      io,
      threads,
      takeover,
      plugins,
      body_limit: this.bodyLimit,
      ...(auth && { auth: { ...auth, ...(auth.tokens && { tokens: auth.tokens.map(shownToken) }) } }),
      hosts,
      cors,
      files: this.#files,
      allow_exec,
      ...(state !== undefined && { state }),
      limits: this.limits,
      version: VERSION,
    };
  }

  /** What can be set while it runs, as it is set. */
  settable(): AdminInput {
    // What is derived is derived anew where it is put back.
    const { limits } = this.#settings;
    const settings = Object.entries({ ...this.view(), limits });
    const settable = settings.filter(([field, value]) => value !== undefined && this.#isSettable(field));
    return Object.fromEntries(settable);
  }

  /** The fields that would change, as JSON pointers. Throws where one cannot. */
  differences(settings: AdminInput, trusted: boolean): string[] {
    this.#refuseFixed(settings, trusted);
    return Object.keys(settings)
      .filter(
        (field) => !Object.hasOwn(adminState, field) && this.#changes(settings, field as keyof AdminInput, trusted),
      )
      .map((field) => formatPointer([field]));
  }

  /** Rejects with E_FORBIDDEN where they name a file that the API must not name; one that is in use is no new one. */
  async confine({ log_file: log, access_log_path: access }: AdminInput): Promise<void> {
    const named = [
      { field: 'log_file', path: log === 'stdout' || log === 'stderr' ? undefined : log, used: this.#logger.file },
      { field: 'access_log_path', path: access, used: this.#accessLog.path },
    ];
    for (const { field, path, used } of named) {
      if (path === undefined || path === used) continue;
      await this.enclosure.locate(path).catch((error: unknown) => {
        const { code, message } = asL7mpError(error);
        throw new L7mpError(code, `/admin/${field}: ${message}`, { cause: error });
      });
    }
  }

  /** The settings, as `admin <field>`, whose files the API has named: they are confined to `files`. */
  get confined(): string[] {
    const within = { log_file: this.#logger.within, access_log_path: this.#accessLog.within };
    return Object.entries(within).flatMap(([field, enclosure]) => (enclosure ? [keyOf(field)] : []));
  }

  /** Takes up the settings that are given. Returns what undoes that. Changes nothing where it rejects. */
  async apply(settings: AdminInput, { trusted, confined }: Rights): Promise<() => Promise<void>> {
    this.#refuseFixed(settings, trusted);
    // `files` itself may come with the other settings: it is taken up first.
    const enclosure = new DirectoryEnclosure((trusted ? settings.files : undefined) ?? this.#files);
    const within = (field: string) => (trusted && !confined.includes(keyOf(field)) ? undefined : enclosure);
    const before = {
      settings: this.#settings,
      level: this.#logger.level,
      file: this.#logger.file,
      fileWithin: this.#logger.within,
      access: this.#accessLog.path,
      accessWithin: this.#accessLog.within,
    };
    const undo = async (): Promise<void> => {
      this.#settings = before.settings;
      this.#logger.level = before.level;
      await this.#logger.open(before.file, before.fileWithin);
      await this.#accessLog.open(before.access, before.accessWithin);
    };
    try {
      if (settings.log_file !== undefined) await this.#logger.open(settings.log_file, within('log_file'));
      if (settings.access_log_path !== undefined)
        await this.#accessLog.open(settings.access_log_path, within('access_log_path'));
    } catch (error) {
      await undo();
      const { code, message } = asL7mpError(error);
      throw new L7mpError(code, `/admin/${message}`, { cause: error });
    }
    if (settings.log_level !== undefined) this.#logger.level = settings.log_level;
    const kept = Object.entries(settings).filter(([field]) => this.#keeps(field, trusted));
    const limits = settings.limits && { limits: { ...this.#settings.limits, ...settings.limits } };
    this.#settings = { ...this.#settings, ...Object.fromEntries(kept), ...limits };
    return undo;
  }

  /** What a reader of the settings sends back unchanged is no change: it was shown without secrets. */
  #changes(settings: AdminInput, field: keyof AdminInput, trusted: boolean): boolean {
    if (settings[field] === undefined) return false;
    // Limits that are not named stay as they are.
    const limits = settings.limits && { limits: { ...this.limits, ...settings.limits } };
    const { [field]: value } = { ...settings, ...limits };
    const shown = (this.view() as AdminInput)[field];
    const own = trusted && Object.hasOwn(RESERVED, field) ? (this.#settings[field] ?? shown) : shown;
    return !isDeepStrictEqual(value, own);
  }

  #refuseFixed(settings: AdminInput, trusted: boolean): void {
    if (!this.#started) return;
    for (const [field, why] of Object.entries(RESERVED)) {
      if (!trusted && this.#changes(settings, field as keyof typeof RESERVED, trusted))
        throw new L7mpError('E_FORBIDDEN', `/admin/${field}: ${why}`);
    }
    const changed = FIXED.find((field) => this.#changes(settings, field, trusted));
    if (changed) throw new L7mpError('E_UNSUPPORTED', `/admin/${changed}: cannot change while the proxy runs`);
  }

  #isSettable(field: string): boolean {
    const others = [adminState, RESERVED].some((fields) => Object.hasOwn(fields, field));
    return !others && !FIXED.some((fixed) => fixed === field);
  }

  /** What the API may not change is sent back as it was shown: without tokens, say. */
  #keeps(field: string, trusted: boolean): boolean {
    if (trusted) return !Object.hasOwn(adminState, field);
    return this.#isSettable(field);
  }
}
