/** Valid changes of a configuration. None of them ends a session, whatever its sessions go through. */
import type { Dice } from '../support/random.ts';
import { type Form, find, LISTS, type List, type Named, put, remove } from './form.ts';
import type { Place } from './wires.ts';
import { type Group, HOST, listenerSpec, objectsOf, placeOf, type Spec } from './world.ts';

/** What was edited, by which it can be sent: an object, or one endpoint of a cluster. */
export interface Edit {
  readonly what: string;
  readonly list: List;
  readonly name: string;
  readonly how: 'created' | 'replaced' | 'removed';
  readonly endpoint?: string;
}

type Editor = (form: Form, group: Group, dice: Dice, n: number) => Edit | undefined;

const POLICIES = ['Trivial', 'RoundRobin', 'Random', 'LeastSessions'];
const SECOND = 1000;

/** Makes the nth edit of a form, of one of the groups' objects or of one that no session has anything to do with. */
export function edit(form: Form, groups: readonly Group[], dice: Dice, n: number): Edit {
  for (;;) {
    const group = dice.pick(groups);
    const done = restore(form, group) ?? dice.pick(EDITORS)(form, group, dice, n);
    if (done) return done;
  }
}

/** What an edit has removed comes back before anything else happens to its group. */
function restore(form: Form, group: Group): Edit | undefined {
  const [list] = missing(form, group);
  if (!list) return undefined;
  const object = objectsOf(group)[list][0] as Named;
  const place = list === 'listeners' ? freePlace(form, group) : undefined;
  put(form, list, place ? { ...object, spec: listenerSpec(group, place) } : object);
  return { what: `${list}: again`, list, name: group.name, how: 'created' };
}

export function missing(form: Form, { name }: Group): List[] {
  return LISTS.filter((list) => !find(form, list, name));
}

/** An editor of the group's object of that list. */
function of(list: List, what: string, change: (object: Named, group: Group, dice: Dice) => Named | undefined): Editor {
  return (form, group, dice) => {
    const changed = change(structuredClone(find(form, list, group.name)) as Named, group, dice);
    if (!changed) return undefined;
    put(form, list, changed);
    return { what: `${list}: ${what}`, list, name: group.name, how: 'replaced' };
  };
}

function option(list: 'listeners' | 'clusters', name: string, least: number): Editor {
  return of(list, `options/${name}`, (object, _, dice) => ({
    ...object,
    options: { ...(object.options as object), [name]: least + dice.below(least) },
  }));
}

const isName = (value: unknown): value is string => typeof value === 'string';

const EDITORS: readonly Editor[] = [
  option('listeners', 'idle_timeout', 3600 * SECOND),
  option('listeners', 'max_sessions', 100_000),
  option('listeners', 'connect_timeout', 5 * SECOND),
  option('listeners', 'half_close_timeout', 2 * SECOND),
  option('clusters', 'idle_timeout', 3600 * SECOND),
  option('clusters', 'fail_timeout', SECOND),
  of('listeners', 'rules', ({ name, ...rest }) => ({
    ...rest,
    name,
    rules: isName(rest.rules) ? [{ action: { route: name } }] : name,
  })),
  of('rules', 'match', ({ name, action, match }) => ({
    name,
    ...(match === undefined && { match: { op: 'undefined', path: '/nothing' } }),
    action,
  })),
  of('rules', 'action/rewrite', ({ action, ...rest }, _, dice) => ({
    ...rest,
    action: { ...(action as object), rewrite: [{ path: '/tag', value: dice.below(1000) }] },
  })),
  of('rulelists', 'another rule before', ({ name, rules }) => {
    const all = rules as unknown[];
    const never = { match: { op: 'test', path: '/tag', value: 'never' }, action: { route: name } };
    return { name, rules: all.length > 1 ? all.slice(1) : [never, ...all] };
  }),
  of('routes', 'retry', ({ name, retry: _, ...rest }, __, dice) => ({
    name,
    ...rest,
    retry: { retry_on: dice.pick(['never', 'connect-failure']), num_retries: dice.below(3), timeout: 2 * SECOND },
  })),
  of('routes', 'a stage before', ({ name, ingress, ...rest }) => ({
    name,
    ...rest,
    ...(ingress === undefined && { ingress: [{ spec: { protocol: 'Echo' } }] }),
  })),
  of('clusters', 'loadbalancer', (object, _, dice) => ({ ...object, loadbalancer: { policy: dice.pick(POLICIES) } })),
  of('clusters', 'endpoints', (object, { endpoints }, dice) => {
    const some = endpoints.filter(() => dice.chance(0.6));
    return { ...object, endpoints: some.length > 0 ? some : endpoints };
  }),
  otherPlace,
  swapPlaces,
  otherDestination,
  endpointWeight,
  endpointRemoved,
  endpointAdded,
  removed('listeners'),
  removed('rules'),
  removed('routes'),
  removed('clusters'),
  unrelated,
];

/** A place that no listener has. */
function freePlace(form: Form, { places }: Group): Place | undefined {
  const taken = new Set(form.listeners.map(({ spec }) => JSON.stringify(placeOf(spec as Spec))));
  return places.find((place) => !taken.has(JSON.stringify(place)));
}

function otherPlace(form: Form, group: Group): Edit | undefined {
  const place = freePlace(form, group);
  if (!place) return undefined;
  put(form, 'listeners', { ...(find(form, 'listeners', group.name) as Named), spec: listenerSpec(group, place) });
  return { what: 'listeners: another place', list: 'listeners', name: group.name, how: 'replaced' };
}

/** Two listeners of one protocol change places. */
function swapPlaces(form: Form, group: Group, dice: Dice): Edit | undefined {
  const others = form.listeners.filter(
    ({ name }) => name !== group.name && name.replace(/-\d+$/, '') === group.kind.name,
  );
  if (others.length === 0) return undefined;
  const [one, two] = [find(form, 'listeners', group.name) as Named, dice.pick(others)];
  put(form, 'listeners', { ...one, spec: two.spec });
  put(form, 'listeners', { ...two, spec: one.spec });
  return { what: 'listeners: two change places', list: 'listeners', name: '', how: 'replaced' };
}

/** The route leads to the cluster of another group of that protocol, or back. */
function otherDestination(form: Form, group: Group, dice: Dice): Edit | undefined {
  const same = form.clusters.filter(({ name }) => name.replace(/-\d+$/, '') === group.kind.name);
  const { name, destination: _, ...rest } = find(form, 'routes', group.name) as Named;
  put(form, 'routes', { name, destination: dice.pick(same).name, ...rest });
  return { what: 'routes: destination', list: 'routes', name, how: 'replaced' };
}

interface Endpoint {
  readonly name: string;
  readonly weight?: number;
}

const endpointsOf = (form: Form, group: Group) => find(form, 'clusters', group.name)?.endpoints as Endpoint[];

function withEndpoints(form: Form, { name }: Group, endpoints: readonly Endpoint[]): void {
  put(form, 'clusters', { ...(find(form, 'clusters', name) as Named), endpoints });
}

function endpointWeight(form: Form, group: Group, dice: Dice): Edit {
  const all = endpointsOf(form, group);
  const { name } = dice.pick(all);
  const weight = 1 + dice.below(9);
  withEndpoints(
    form,
    group,
    all.map((one) => (one.name === name ? { ...one, weight } : one)),
  );
  return { what: 'endpoint: weight', list: 'clusters', name: group.name, how: 'replaced', endpoint: name };
}

function endpointRemoved(form: Form, group: Group, dice: Dice): Edit | undefined {
  const all = endpointsOf(form, group);
  if (all.length === 1) return undefined;
  const { name } = dice.pick(all);
  withEndpoints(
    form,
    group,
    all.filter((one) => one.name !== name),
  );
  return { what: 'endpoint: removed', list: 'clusters', name: group.name, how: 'removed', endpoint: name };
}

function endpointAdded(form: Form, group: Group): Edit | undefined {
  const all = endpointsOf(form, group);
  const absent = group.endpoints.find(({ name }) => !all.some((one) => one.name === name));
  if (!absent) return undefined;
  withEndpoints(form, group, [...all, absent]);
  return { what: 'endpoint: added', list: 'clusters', name: group.name, how: 'created', endpoint: absent.name };
}

/** Only what has nothing inline: that would stay, as objects of their own. */
function removed(list: List): Editor {
  return (form, group) => {
    const { name, rules = name, ingress } = find(form, list, group.name) as Named;
    if (!isName(rules) || ingress !== undefined) return undefined;
    remove(form, list, name);
    return { what: `${list}: removed`, list, name, how: 'removed' };
  };
}

/** Something comes, and goes with the next such edit. */
function unrelated(form: Form, _: Group, dice: Dice, n: number): Edit {
  for (const list of LISTS) {
    const old = form[list].find(({ name }) => name.startsWith('extra-'));
    if (!old) continue;
    remove(form, list, old.name);
    return { what: 'something unrelated: removed', list, name: old.name, how: 'removed' };
  }
  const name = `extra-${n}`;
  const list = dice.pick(LISTS.slice(1));
  const objects: Partial<Record<List, Named>> = {
    rulelists: { name, rules: ['somewhere'] },
    rules: { name, action: { apply: 'somewhere' } },
    routes: { name, destination: 'somewhere' },
    clusters: { name, spec: { protocol: 'UDP', port: 9 }, endpoints: [{ name, spec: { address: HOST } }] },
  };
  put(form, list, objects[list] as Named);
  return { what: 'something unrelated: created', list, name, how: 'created' };
}
