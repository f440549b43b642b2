/** Changes that end sessions: those that they name, and no others. */
import type { Dice } from '../support/random.ts';
import type { Api, Request } from './api.ts';
import { type Form, find } from './form.ts';
import type { Talk } from './talk.ts';
import type { Group } from './world.ts';

export interface Ending {
  readonly what: string;
  readonly request: Request;
  /** Which of the group's sessions it names; a number where only the proxy knows which. */
  readonly named: ((talk: Talk) => boolean) | number;
}

type Maker = (group: Group, form: Form, dice: Dice, api: Api) => Ending | undefined | Promise<Ending>;

const all = () => true;

function deletion(list: string, how: string): Maker {
  return ({ name }) => ({
    what: `DELETE of a ${list.slice(0, -1)}, ${how}`,
    request: { method: 'DELETE', path: `${list}/${name}?${how}` },
    named: all,
  });
}

export function ending(group: Group, form: Form, dice: Dice, api: Api): Ending | Promise<Ending> {
  for (;;) {
    const made = dice.pick(MAKERS)(group, form, dice, api);
    if (made) return made;
  }
}

const MAKERS: readonly Maker[] = [
  deletion('listeners', 'recursive=true'),
  deletion('listeners', 'sessions=end'),
  deletion('clusters', 'recursive=true'),
  deletion('clusters', 'sessions=end'),
  ({ endpoints, name: group }, _, dice) => {
    const n = dice.below(endpoints.length);
    const how = dice.pick(['recursive=true', 'sessions=end']);
    return {
      what: `DELETE of an endpoint, ${how}`,
      request: { method: 'DELETE', path: `endpoints/${group}-${n}?${how}` },
      named: isAt(n),
    };
  },
  ({ endpoints, name }, form, dice) => {
    const n = dice.below(endpoints.length);
    const cluster = { ...find(form, 'clusters', name), endpoints: endpoints.filter((_, at) => at !== n) };
    return {
      what: 'PUT of a cluster without an endpoint, sessions=end',
      request: { method: 'PUT', path: `clusters/${name}?sessions=end`, body: { cluster } },
      named: isAt(n),
    };
  },
  // The proxy still has sessions of datagram clients that are gone.
  ({ name, kind }, _, dice, api) => (kind.datagrams ? undefined : deletionOfOne(name, dice, api)),
];

const isAt = (n: number) => (talk: Talk) => talk.server?.startsWith(`server-${n}:`) ?? false;

async function deletionOfOne(group: string, dice: Dice, api: Api): Promise<Ending> {
  const path = `sessions?listener=${group}&status=CONNECTED&fields=name&limit=10000`;
  const { name } = dice.pick(await api.ok<{ name: string }[]>({ method: 'GET', path }));
  return {
    what: 'DELETE of a session',
    request: { method: 'DELETE', path: `sessions/${encodeURIComponent(name)}` },
    named: 1,
  };
}
