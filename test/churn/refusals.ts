/** Changes that cannot be made: each is refused, and leaves everything as it is. */
import type { Dice } from '../support/random.ts';
import type { Request } from './api.ts';
import { edit } from './edits.ts';
import { type Form, find, kindOf, LISTS, type Named, put, remove } from './form.ts';
import { type Group, HOST } from './world.ts';

export interface Refusal extends Request {
  readonly what: string;
  readonly status: number;
}

/** What the refused changes are made of. */
export interface Ground {
  readonly form: Form;
  readonly groups: readonly Group[];
  readonly dice: Dice;
  /** Ports that are taken, of TCP and UDP. */
  readonly taken: number;
}

type Maker = (ground: Ground) => Refusal;

/** Edits that go along in a change that fails as a whole. */
const COMPANY = 5;

export function refusal(ground: Ground): Refusal {
  return ground.dice.pick(MAKERS)(ground);
}

function pickObject({ form, groups, dice }: Ground) {
  const list = dice.pick(LISTS.filter((one) => groups.some(({ name }) => find(form, one, name))));
  const object = dice.pick(form[list].filter(({ name }) => groups.some((group) => group.name === name)));
  return { list, object: structuredClone(object) };
}

/** A whole configuration with edits that are valid, and something that is not. */
function whole(ground: Ground, what: string, status: number, spoil: (form: Form) => void): Refusal {
  const form = structuredClone(ground.form);
  for (let n = 0; n < COMPANY; n++) edit(form, ground.groups, ground.dice, n);
  spoil(form);
  return { what: `a configuration ${what}`, status, method: 'PUT', path: 'config', body: form };
}

const takenSpec = (dice: Dice, port: number) => ({
  protocol: dice.pick(['UDP', 'TCP', 'HTTP', 'WebSocket']),
  port,
  address: HOST,
});

const MAKERS: readonly Maker[] = [
  (ground) => {
    const { list, object } = pickObject(ground);
    const body = { [kindOf(list)]: { ...object, surprise: 1 } };
    return { what: 'an unknown field', status: 422, method: 'PUT', path: `${list}/${object.name}`, body };
  },
  (ground) => {
    const { list, object } = pickObject(ground);
    const body = { [kindOf(list)]: { ...object, name: `not-${object.name}` } };
    return { what: 'another name', status: 400, method: 'PUT', path: `${list}/${object.name}`, body };
  },
  (ground) => {
    const { list, object } = pickObject(ground);
    const body = { [kindOf(list)]: object };
    return { what: 'a name that is taken', status: 400, method: 'POST', path: list, body };
  },
  (ground) => {
    const { list, object } = pickObject(ground);
    const headers = { 'if-match': '"an-older-one"' };
    const body = { [kindOf(list)]: object };
    return { what: 'an older version', status: 412, method: 'PUT', path: `${list}/${object.name}`, body, headers };
  },
  ({ dice }) => ({ what: 'what is not there', status: 404, method: 'DELETE', path: `${dice.pick(LISTS)}/nobody` }),
  () => ({
    what: 'an endpoint of nobody',
    status: 404,
    method: 'PUT',
    path: 'endpoints/nobody',
    body: { endpoint: { spec: { address: HOST } } },
  }),
  () => ({ what: 'half a text', status: 400, method: 'PUT', path: 'config', text: '{"listeners": [' }),
  ({ form, dice }) => {
    const [endpoint] = dice.pick(form.clusters.filter(({ endpoints }) => endpoints)).endpoints as [Named];
    const body = { endpoint: { ...endpoint, weight: -1 } };
    return { what: 'a weight below 0', status: 422, method: 'PUT', path: `endpoints/${endpoint.name}`, body };
  },
  ({ form, groups, dice, taken }) => {
    const listeners = form.listeners.filter(({ name }) => groups.some((group) => group.name === name));
    const listener = { ...dice.pick(listeners), spec: takenSpec(dice, taken) };
    const path = `listeners/${listener.name}`;
    return { what: 'a listener to a taken port', status: 400, method: 'PUT', path, body: { listener } };
  },
  ({ dice, taken }) => {
    const listener = { name: 'newcomer', spec: takenSpec(dice, taken), rules: [] };
    return {
      what: 'a new listener at a taken port',
      status: 400,
      method: 'POST',
      path: 'listeners',
      body: { listener },
    };
  },
  (ground) =>
    whole(ground, 'with a taken port', 400, (form) => {
      put(form, 'listeners', { name: 'newcomer', spec: takenSpec(ground.dice, ground.taken), rules: [] });
    }),
  (ground) =>
    whole(ground, 'with a listener moved to a taken port', 400, (form) => {
      const listener = ground.dice.pick(form.listeners.filter(({ name }) => name.startsWith('TCP-')));
      put(form, 'listeners', { ...listener, spec: { protocol: 'TCP', port: ground.taken, address: HOST } });
    }),
  (ground) =>
    whole(ground, 'with two of one name', 400, (form) => {
      form.rules.push(structuredClone(ground.dice.pick(form.rules)));
    }),
  (ground) =>
    whole(ground, 'with a field that is wrong', 422, (form) => {
      const cluster = ground.dice.pick(form.clusters.filter(({ name }) => name.startsWith('TCP-')));
      put(form, 'clusters', { ...(cluster as Named), spec: { protocol: 'TCP', port: 70_000 } });
    }),
  (ground) => whole(ground, 'without the way to the API', 409, (form) => remove(form, 'listeners', 'api')),
];
