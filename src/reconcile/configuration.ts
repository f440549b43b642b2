import { check } from '../config/check.ts';
import type { AdminInput, ConfigInput } from '../config/schema.ts';
import type { Validator } from '../config/validate.ts';
import { L7mpError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import type { Registry } from '../core/registry.ts';
import { Name } from '../core/schema.ts';
import type { Session } from '../session/session.ts';
import { apply, type Handlers } from './apply.ts';
import type { Definition, Kind, RuleListDefinition } from './definitions.ts';
import { Normalizer } from './normalize.ts';
import type { Change } from './plan.ts';
import { Remover } from './remove.ts';
import { need, type Store } from './store.ts';

/** What a configuration needs of the rest of the proxy. */
export interface ConfigurationContext {
  readonly store: Store;
  readonly registry: Registry;
  readonly validator: Validator;
  readonly handlers: Handlers;
  /** The live sessions. */
  sessions(): Iterable<Session>;
  /** Takes up the proxy's own settings; returns what undoes that. Throws, and changes nothing, where it cannot. */
  applyAdmin(admin: AdminInput): Promise<() => Promise<void>>;
}

/** The kinds of objects that can be added by themselves. */
export type AddedKind = Exclude<Kind, 'endpoint'>;

/**
 * The only way in which the configuration changes: checked, taken apart, planned and applied, one change at a time.
 * A change that fails leaves nothing behind. Paths in errors begin with the name of the object's wrapper.
 */
export class Configuration {
  readonly #context: ConfigurationContext;
  readonly #mutex = new Mutex();

  constructor(context: ConfigurationContext) {
    this.#context = context;
  }

  /** Reads between two changes: nobody sees a part of one, or what is undone after it. */
  read<T>(task: () => T): Promise<T> {
    return this.#mutex.run(async () => task());
  }

  /** Adds all of a configuration, or nothing of it. Takes a validated one. */
  load(config: ConfigInput): Promise<void> {
    return this.#change(async (normalizer) => {
      normalizer.config(config);
      const undoAdmin = await this.#context.applyAdmin(adminOf(config));
      try {
        await this.#create(normalizer);
      } catch (error) {
        await undoAdmin();
        throw error;
      }
    });
  }

  /** Takes up some of the proxy's own settings. */
  async setAdmin(value: unknown): Promise<void> {
    const admin = this.#context.validator.admin(value, '/admin');
    await this.#mutex.run(() => this.#context.applyAdmin(admin));
  }

  async add(kind: AddedKind, value: unknown): Promise<void> {
    const checked = this.#context.validator[kind](value, `/${kind}`);
    await this.#change(async (normalizer) => {
      normalizer[kind](checked as never);
      await this.#create(normalizer);
    });
  }

  addEndpoint(clusterName: string, value: unknown): Promise<void> {
    const { store, validator } = this.#context;
    return this.#change(async (normalizer) => {
      const cluster = need(store.clusters, 'cluster', clusterName);
      normalizer.endpoint(validator.endpoint(value, '/endpoint', cluster), clusterName, cluster.size);
      await this.#create(normalizer);
    });
  }

  /** Inserts a rule, or the name of one, into a rulelist. */
  async insertRule(rulelist: string, position: number, value: unknown): Promise<void> {
    const { validator } = this.#context;
    const rule = typeof value === 'string' ? check(Name, value, '/rule') : validator.inlineRule(value, '/rule');
    await this.#change(async (normalizer) => {
      const list = this.#rulelist(rulelist);
      if (position > list.rules.length) throw outside(rulelist, position, list.rules.length);
      const rules = list.rules.toSpliced(position, 0, normalizer.ruleRef(rule, rulelist, position));
      await this.#create(normalizer, [{ before: list, after: { ...list, rules } }]);
    });
  }

  /**
   * Takes the rule at a position, or of a name, out of a rulelist, and deletes it, unless another rulelist has a claim
   * on it: it was written inline there, or it stands by itself and is named there too.
   */
  removeRule(rulelist: string, place: number | string, recursive: boolean): Promise<void> {
    return this.#change(async () => {
      const list = this.#rulelist(rulelist);
      const position = typeof place === 'number' ? place : list.rules.indexOf(place);
      const name = list.rules[position];
      if (name === undefined) {
        throw typeof place === 'number'
          ? outside(rulelist, place, list.rules.length)
          : new L7mpError('E_UNKNOWN', `rulelist ${rulelist} has no rule named ${JSON.stringify(place)}`);
      }
      const after = { ...list, rules: list.rules.toSpliced(position, 1) };
      if (this.#goesWith(after, name)) await this.#remove('rule', name, recursive, [{ before: list, after }]);
      else await apply([{ before: list, after }], this.#context.handlers);
    });
  }

  #goesWith(list: RuleListDefinition, name: string): boolean {
    const { rules, rulelists } = this.#context.store;
    const rule = rules.get(name)?.definition;
    if (!rule || list.rules.includes(name)) return false;
    if (rule.owner !== undefined) return rule.owner === list.name;
    return ![...rulelists.values()].some(
      ({ definition }) => definition.name !== list.name && definition.rules.includes(name),
    );
  }

  /** `recursive`: also what was written inline in it, and its sessions. */
  delete(kind: Kind, name: string, recursive: boolean): Promise<void> {
    return this.#change(() => this.#remove(kind, name, recursive, []));
  }

  // ------------------------------------------------------------------ own

  #change(task: (normalizer: Normalizer) => Promise<void>): Promise<void> {
    const { store, registry } = this.#context;
    return this.#mutex.run(() => task(new Normalizer(store, registry)));
  }

  async #create(normalizer: Normalizer, changes: readonly Change[] = []): Promise<void> {
    const created = normalizer.definitions.map((after): Change => ({ before: undefined, after }));
    try {
      await apply([...created, ...changes], this.#context.handlers);
    } catch (error) {
      this.#endSessionsOf(new Set(normalizer.definitions));
      throw error;
    }
  }

  /** Sessions may have come to a listener that was then undone. */
  #endSessionsOf(undone: ReadonlySet<Definition>): void {
    for (const session of [...this.#context.sessions()]) {
      if (!undone.has(session.listener.definition)) continue;
      session.end({ kind: 'deleted', message: `the listener ${session.listener.name} was not taken` });
    }
  }

  async #remove(kind: Kind, name: string, recursive: boolean, changes: readonly Change[]): Promise<void> {
    const removal = new Remover(this.#context.store).remove(kind, name, recursive);
    await apply([...changes, ...removal.changes], this.#context.handlers);
    if (!recursive) return;
    const reason = { kind: 'deleted', message: `the ${kind} ${name} was deleted` } as const;
    for (const session of [...this.#context.sessions()]) {
      if (removal.ends(session)) session.end(reason);
      else if (removal.disconnects !== undefined) session.disconnect(removal.disconnects, reason);
    }
  }

  #rulelist(name: string): RuleListDefinition {
    return need(this.#context.store.rulelists, 'rulelist', name).definition;
  }
}

/** The settings of a configuration: `plugins` is at home there, and may also stand at the top. */
function adminOf({ plugins, admin = {} }: ConfigInput): AdminInput {
  return plugins === undefined ? admin : { ...admin, plugins: [...plugins, ...(admin.plugins ?? [])] };
}

function outside(rulelist: string, position: number, length: number): L7mpError {
  return new L7mpError(
    'E_POSITION',
    `position ${position} lies outside rulelist ${rulelist}, which has ${length} rules`,
  );
}
