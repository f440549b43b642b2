import type { AdminInput } from '../config/admin-schema.ts';
import { check } from '../config/check.ts';
import { collisionWith } from '../config/collisions.ts';
import { Normalizer } from '../config/normalize.ts';
import type { ConfigInput } from '../config/schema.ts';
import type { Validator } from '../config/validate.ts';
import { L7mpError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import type { Registry } from '../core/registry.ts';
import { Name } from '../core/schema.ts';
import type { DataPlane, Ending } from '../data-plane/contract.ts';
import type { Definition, Kind, ListenerDefinition, RuleListDefinition } from '../model/definitions.ts';
import type { ListedKind } from '../model/kinds.ts';
import { unknown } from '../model/need.ts';
import type { Action, Change, Step } from '../model/step.ts';
import type { DirectoryEnclosure } from '../output/enclosure.ts';
import { apply } from './apply.ts';
import { confine, confineAgain } from './confine.ts';
import type { DefinitionStore } from './definition-store.ts';
import { plan, type Restarts } from './plan.ts';
import { Remover } from './remove.ts';
import { replacing } from './replace.ts';
import { restartsOf } from './restarts.ts';
import { keepSecrets } from './secrets.ts';

/** The proxy's own settings, as far as a change of the configuration is concerned. */
export interface Settings {
  /** The fields that would change, as JSON pointers. Throws where one cannot. */
  differences(admin: AdminInput, trusted: boolean): string[];
  /** Rejects with E_FORBIDDEN where they name a file that the API must not name. */
  confine(admin: AdminInput): Promise<void>;
  /** Takes them up; returns what undoes that. Rejects, and changes nothing, where it cannot. */
  apply(admin: AdminInput, rights: Rights): Promise<() => Promise<void>>;
}

/** What a change of the settings may say. */
export interface Rights {
  /** The start-up file says it, and may say anything. */
  readonly trusted: boolean;
  /** The settings, as `admin <field>`, for which that is not so: the API had made them. */
  readonly confined: readonly string[];
}

/** What a configuration needs of the rest of the proxy. */
export interface ConfigurationContext {
  readonly store: DefinitionStore;
  readonly registry: Registry;
  readonly validator: Validator;
  readonly settings: Settings;
  /** Below which the API may name files. */
  enclosure(): DirectoryEnclosure;
  /** The API may make what runs programs. */
  allowsExec(): boolean;
  /** What runs it. */
  readonly plane: Pick<DataPlane, 'release' | 'take' | 'settle' | 'undo'>;
  /** Keeps a change, before it is answered: the objects that there are from now on. A rejection undoes the change. */
  readonly keep: ((definitions: readonly Definition[]) => Promise<void>) | undefined;
  /** Told of each listener that a change has opened. */
  opened(listener: ListenerDefinition): void;
}

/** How a change is asked for. */
export interface Terms {
  /** The revision that it is based on: E_PRECONDITION where there is another one by now. */
  readonly ifMatch?: (revision: number) => boolean;
  /** The start-up file says it, not the API: any file may be named, and any setting. */
  readonly trusted?: boolean;
  /** The objects, as `<kind> <name>`, and settings, as `admin <field>`, for which that is not so: the API had made them. */
  readonly confined?: readonly string[];
  /** Only says what would be done. */
  readonly dryRun?: boolean;
  /** Ends the sessions of listeners that go, and disconnects those on clusters and endpoints that go. */
  readonly endSessions?: boolean;
  /** The listener through which a whole configuration was sent: it must not go with that. E_CONFLICT. */
  readonly keepListener?: string | undefined;
}

/** What became of one object. */
export interface ChangeView {
  readonly kind: Kind | 'admin';
  readonly name: string;
  readonly action: Action;
  /** JSON pointers to what differs, of an object that stays. */
  readonly fields: readonly string[];
}

/** What a change has done, and the revision that it has led to. */
export interface Outcome {
  readonly changes: readonly ChangeView[];
  readonly revision: number;
}

/** What shall become of the configuration. */
interface Proposal {
  readonly changes: readonly Change[];
  readonly admin?: AdminInput;
  /** Throws where one of the steps must not be taken. */
  readonly permit?: (changes: readonly ChangeView[]) => void;
  /** Live sessions that end with it. */
  readonly endings?: readonly Ending[];
}

/** What is to be done for it. */
interface Work {
  readonly steps: readonly Step[];
  readonly admin: AdminInput | undefined;
  readonly endings: readonly Ending[];
}

const NO_TERMS: Terms = {};

/**
 * The only way in which the configuration changes: checked, taken apart, planned and applied, one change at a time.
 * A change that fails leaves nothing behind. Paths in errors begin with the name of the object's wrapper. Each change
 * answers with what became of each object.
 */
export class Configuration {
  readonly #context: ConfigurationContext;
  readonly #restarts: Restarts;
  readonly #mutex = new Mutex();
  #revision = 0;

  constructor(context: ConfigurationContext) {
    this.#context = context;
    this.#restarts = restartsOf(context.registry);
  }

  /** Grows with each change that has changed something. */
  get revision(): number {
    return this.#revision;
  }

  /** Reads between two changes: nobody sees a part of one, or what is undone after it. */
  read<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#mutex.run(async () => task());
  }

  /** Adds all of a configuration, or nothing of it. Takes a validated one. */
  load(config: ConfigInput, terms?: Terms): Promise<Outcome> {
    return this.#change(terms, (normalizer) => {
      normalizer.config(config);
      return { changes: created(normalizer), admin: adminOf(config) };
    });
  }

  /**
   * Makes it so: what is equal is not touched, what differs is replaced in place, what is missing goes. The proxy's own
   * settings stay where the configuration does not give them. Takes a validated one.
   */
  replace(config: ConfigInput, terms?: Terms): Promise<Outcome> {
    const { store, registry } = this.#context;
    return this.#change(terms, () => {
      const before = store.definitions();
      const changes = replacing(store, registry, before, (normalizer) => normalizer.config(config));
      return { changes, admin: adminOf(config), permit: (views) => keepListener(views, terms?.keepListener) };
    });
  }

  /** Creates an object, or replaces it in place with what was written inline in it. Its name is that of the path. */
  put(kind: ListedKind, name: string, value: unknown, terms?: Terms): Promise<Outcome> {
    const { store, registry, validator } = this.#context;
    const checked = validator[kind](named(value, name, kind), `/${kind}`);
    return this.#change(terms, () => {
      const there = store.of(kind).get(name)?.definition;
      const before = there ? new Remover(store).owned(kind, name) : [];
      const changes = replacing(store, registry, before, (normalizer) => normalizer[kind](checked as never));
      return { changes: there ? changes.map((change) => keepOwner(change, there)) : changes };
    });
  }

  /** Replaces an endpoint, or, where its cluster is given, creates it there. */
  putEndpoint(name: string, cluster: string | undefined, value: unknown, terms?: Terms): Promise<Outcome> {
    const { store, registry, validator } = this.#context;
    return this.#change(terms, () => {
      const there = store.of('endpoint').get(name)?.definition;
      const of = cluster ?? there?.cluster;
      if (of === undefined) throw unknown('endpoint', name);
      const owner = store.definition('cluster', of);
      if (there && there.cluster !== owner.name) {
        throw new L7mpError('E_DUPLICATE', `the endpoint ${name} belongs to the cluster ${there.cluster}`);
      }
      const checked = validator.endpoint(named(value, name, 'endpoint'), '/endpoint', owner);
      const changes = replacing(store, registry, there ? [there] : [], (normalizer) =>
        normalizer.endpoint(checked, owner.name, store.endpointsOf(of).size),
      );
      return { changes: there ? changes.map((change) => keepOwner(change, there)) : changes };
    });
  }

  /** Takes up some of the proxy's own settings. */
  async setAdmin(value: unknown, terms?: Terms): Promise<Outcome> {
    const admin = this.#context.validator.admin(value, '/admin');
    return this.#change(terms, () => ({ changes: [], admin }));
  }

  async add(kind: ListedKind, value: unknown, terms?: Terms): Promise<Outcome> {
    const checked = this.#context.validator[kind](value, `/${kind}`);
    return this.#change(terms, (normalizer) => {
      normalizer[kind](checked as never);
      return { changes: created(normalizer) };
    });
  }

  addEndpoint(clusterName: string, value: unknown, terms?: Terms): Promise<Outcome> {
    const { store, validator } = this.#context;
    return this.#change(terms, (normalizer) => {
      const cluster = store.definition('cluster', clusterName);
      const count = store.endpointsOf(clusterName).size;
      normalizer.endpoint(validator.endpoint(value, '/endpoint', cluster), clusterName, count);
      return { changes: created(normalizer) };
    });
  }

  /** Inserts a rule, or the name of one, into a rulelist. */
  async insertRule(rulelist: string, position: number, value: unknown, terms?: Terms): Promise<Outcome> {
    const { validator } = this.#context;
    const rule = typeof value === 'string' ? check(Name, value, '/rule') : validator.inlineRule(value, '/rule');
    return this.#change(terms, (normalizer) => {
      const list = this.#rulelist(rulelist);
      if (position > list.rules.length) throw outside(rulelist, position, list.rules.length);
      const rules = list.rules.toSpliced(position, 0, normalizer.ruleRef(rule, rulelist, position));
      return { changes: [...created(normalizer), { before: list, after: { ...list, rules } }] };
    });
  }

  /**
   * Takes the rule at a position, or of a name, out of a rulelist, and deletes it, unless another rulelist has a claim
   * on it: it was written inline there, or it stands by itself and is named there too.
   */
  removeRule(rulelist: string, place: number | string, recursive: boolean, terms?: Terms): Promise<Outcome> {
    return this.#change(terms, () => {
      const list = this.#rulelist(rulelist);
      const position = typeof place === 'number' ? place : list.rules.indexOf(place);
      const name = list.rules[position];
      if (name === undefined) {
        const what = typeof place === 'number' ? `at ${place}` : `named ${JSON.stringify(place)}`;
        throw new L7mpError('E_UNKNOWN', `rulelist ${rulelist} has no rule ${what}`);
      }
      const after = { ...list, rules: list.rules.toSpliced(position, 1) };
      const change: Change = { before: list, after };
      if (!this.#goesWith(after, name)) return { changes: [change] };
      const { changes, endings } = new Remover(this.#context.store).remove('rule', name, recursive);
      return { changes: [change, ...changes], endings };
    });
  }

  #goesWith(list: RuleListDefinition, name: string): boolean {
    const { store } = this.#context;
    const rule = store.of('rule').get(name)?.definition;
    if (!rule || list.rules.includes(name)) return false;
    if (rule.owner !== undefined) return rule.owner === list.name;
    return ![...store.of('rulelist').values()].some(
      ({ definition }) => definition.name !== list.name && definition.rules.includes(name),
    );
  }

  /** `recursive`: also what was written inline in it, and its sessions. */
  delete(kind: Kind, name: string, recursive: boolean, terms?: Terms): Promise<Outcome> {
    return this.#change(terms, () => new Remover(this.#context.store).remove(kind, name, recursive));
  }

  // ------------------------------------------------------------------ own

  #change(terms: Terms | undefined, propose: (normalizer: Normalizer) => Proposal): Promise<Outcome> {
    const { store, registry } = this.#context;
    return this.#mutex.run(async () => {
      const { ifMatch, dryRun, endSessions, trusted = false, confined = [] } = terms ?? NO_TERMS;
      if (ifMatch && !ifMatch(this.#revision)) {
        throw new L7mpError('E_PRECONDITION', 'the configuration has changed since the version that the request names');
      }
      const proposed = propose(new Normalizer(store, registry));
      const proposal = { ...proposed, changes: proposed.changes.map((change) => keepSecrets(change, registry)) };
      const changes = trusted ? this.#confineAgain(proposal, confined) : await this.#confine(proposal);
      const steps = plan(changes, this.#restarts);
      const views = [...this.#adminView(proposal.admin, trusted), ...steps.filter(isVisible).map(viewOf)];
      proposal.permit?.(views);
      if (dryRun) {
        this.#checkPlaces(steps);
        return { changes: views, revision: this.#revision };
      }
      const endings = [...(proposal.endings ?? []), ...(endSessions ? endingsOf(steps) : [])];
      await this.#carryOut({ steps, admin: proposal.admin, endings }, { trusted, confined });
      if (views.length > 0) this.#revision++;
      return { changes: views, revision: this.#revision };
    });
  }

  /** Nothing is opened for a dry run: what is looked at is whether our own listeners are in the way. Throws E_BIND. */
  #checkPlaces(steps: readonly Step[]): void {
    if (!steps.some(({ after }) => after?.kind === 'listener')) return;
    const { store, registry } = this.#context;
    const listeners = [...store.after(steps).of('listener').values()].map(({ definition }) => definition);
    const changed = new Set<Definition | undefined>(steps.map(({ after }) => after));
    const collision = collisionWith((listener) => changed.has(listener), listeners, registry);
    if (collision !== undefined) throw new L7mpError('E_BIND', collision);
  }

  async #confine({ changes, admin }: Proposal): Promise<Change[]> {
    const { registry, store, settings, enclosure, allowsExec } = this.#context;
    if (admin) await settings.confine(admin);
    return confine(changes, { registry, store, enclosure: enclosure(), allowsExec: allowsExec() });
  }

  #confineAgain({ changes, admin }: Proposal, confined: readonly string[]): readonly Change[] {
    const { registry, allowsExec } = this.#context;
    return confineAgain(changes, confined, { registry, allowsExec: admin?.allow_exec ?? allowsExec() });
  }

  #adminView(admin: AdminInput | undefined, trusted: boolean): ChangeView[] {
    const fields = admin ? this.#context.settings.differences(admin, trusted) : [];
    return fields.length === 0 ? [] : [{ kind: 'admin', name: 'admin', action: 'update', fields }];
  }

  async #carryOut({ steps, admin, endings }: Work, rights: Rights): Promise<void> {
    const { settings, plane, store, keep } = this.#context;
    const undoAdmin = admin && (await settings.apply(admin, rights));
    const commit = async (): Promise<void> => {
      await keep?.((steps.length === 0 ? store : store.after(steps)).definitions());
      store.apply(steps);
    };
    try {
      await apply(steps, plane, { commit, endings });
    } catch (error) {
      await undoAdmin?.();
      throw error;
    }
    for (const { action, after } of steps) {
      if (after?.kind === 'listener' && action !== 'update') this.#context.opened(after);
    }
  }

  #rulelist(name: string): RuleListDefinition {
    return this.#context.store.definition('rulelist', name);
  }
}

function created({ definitions }: Normalizer): Change[] {
  return definitions.map((after) => ({ before: undefined, after }));
}

/** The sessions that end with what goes, where that is asked for. */
function endingsOf(steps: readonly Step[]): Ending[] {
  const gone = steps.filter(({ action }) => action === 'delete').map(({ before }) => before as Definition);
  const names = (kind: Kind) => gone.filter((one) => one.kind === kind).map(({ name }) => name);
  const message = 'what the session runs on was deleted';
  const [listeners, endpoints] = [names('listener'), names('endpoint')];
  return [
    ...(listeners.length > 0 ? [{ message, listeners }] : []),
    ...(endpoints.length > 0 ? [{ message, endpoints }] : []),
  ];
}

/** A configuration must not cut the branch that the request sits on. */
function keepListener(changes: readonly ChangeView[], name: string | undefined): void {
  const found = changes.find((one) => one.kind === 'listener' && one.name === name && closes(one));
  if (!found) return;
  const what = found.action === 'delete' ? 'goes' : 'is opened anew';
  throw new L7mpError(
    'E_CONFLICT',
    `the listener ${name}, through which this came, ${what}: use ?force=true if it shall`,
  );
}

function closes({ action }: ChangeView): boolean {
  return action === 'delete' || action === 'restart';
}

/** Nobody sees the owner of an object. */
function isVisible({ action, fields }: Step): boolean {
  return action !== 'update' || fields.length > 0;
}

function viewOf({ action, before, after, fields }: Step): ChangeView {
  const { kind, name } = (after ?? before) as Definition;
  return { kind, name, action, fields };
}

/** The body of an object whose name is in the path: it may leave it out, and must not give another one. */
function named(value: unknown, name: string, kind: Kind): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const given = (value as { name?: unknown }).name;
  if (given !== undefined && given !== name) {
    throw new L7mpError('E_MISMATCH', `/${kind}/name: ${JSON.stringify(given)} is not the name in the path, ${name}`);
  }
  return { ...value, name };
}

/** What is replaced stays whose it was. */
function keepOwner(change: Change, there: Definition): Change {
  const { after } = change;
  if (!after || after.kind !== there.kind || after.name !== there.name || !('owner' in there)) return change;
  return { ...change, after: { ...after, owner: there.owner } as Definition };
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
