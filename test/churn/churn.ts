/** Sessions of every protocol through a proxy whose configuration changes all the time. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Dice } from '../support/random.ts';
import type { Request } from './api.ts';
import { Crowd } from './crowd.ts';
import { type Edit, edit, missing } from './edits.ts';
import { ending } from './endings.ts';
import { failWorker } from './failure.ts';
import { type Form, find, kindOf, type Named } from './form.ts';
import { TestedProxy, takePort } from './proxy.ts';
import { refusal } from './refusals.ts';
import type { Talk } from './talk.ts';
import { type Group, KINDS, makeGroups, placeOf, type Spec } from './world.ts';

export interface Setting {
  /** Sessions of each protocol. */
  readonly sessions: number;
  /** Milliseconds between two lines of a session. */
  readonly pace: number;
  readonly seed: number;
  readonly admin: object;
}

/** How often a kind of change was made, and how many sessions it has named. */
export interface Count {
  times: number;
  named: number;
}

/** Edits in one PUT of the whole configuration at most. */
const TOGETHER = 6;

export class Churn {
  readonly crowd: Crowd;
  readonly counts = new Map<string, Count>();
  /** What went otherwise than it should, but for what sessions have noticed. */
  readonly faults: string[] = [];
  readonly #dice: Dice;
  readonly #proxy: TestedProxy;
  readonly #taken: number;
  readonly #groups: readonly Group[];
  #edits = 0;

  private constructor({ seed, pace }: Setting, proxy: TestedProxy, groups: readonly Group[], taken: number) {
    this.#dice = new Dice(seed);
    this.crowd = new Crowd(pace);
    this.#proxy = proxy;
    this.#groups = groups;
    this.#taken = taken;
  }

  /** The sessions are there, and talk, when it resolves. */
  static async start(t: TestContext, setting: Setting): Promise<Churn> {
    const groups = await makeGroups(t);
    const proxy = await TestedProxy.start(t, groups, setting.admin);
    const churn = new Churn(setting, proxy, groups, await takePort(t));
    const share = Math.ceil((setting.sessions * KINDS.length) / groups.length);
    churn.crowd.start();
    t.after(() => churn.crowd.stop());
    for (const group of groups) await churn.crowd.open(group, group.place, share);
    return churn;
  }

  /** A valid change that ends no session. */
  async change(): Promise<void> {
    const form = await this.#proxy.form();
    const edits = this.#edit(form);
    const request = edits.length > 1 ? whole(form) : requestOf(edits[0] as Edit, form, this.#dice);
    await this.#try(edits.map(({ what }) => what).join(' and '), async () => {
      if (this.#dice.chance(0.1)) await this.#rehearse(request);
      await this.#proxy.api.ok(request);
      assert.deepEqual(await this.#proxy.difference(form), [], 'it is not as it shall be');
      await this.#probe(form);
    });
    for (const { what } of edits) this.#count(what);
  }

  /** A change that cannot be made. */
  async refusal(): Promise<void> {
    const [form, before] = [await this.#proxy.form(), await this.#proxy.state()];
    const request = refusal({ form, groups: this.#calm, dice: this.#dice, taken: this.#taken });
    await this.#try(request.what, async () => {
      const { status, text } = await this.#proxy.api.ask(request);
      assert.equal(status, request.status, text);
      assert.deepEqual(await this.#proxy.state(), before);
    });
    this.#count(`refused: ${request.what}`);
  }

  /** The configuration file is read again, with some edits. */
  async reread(): Promise<void> {
    const form = await this.#proxy.form();
    this.#edit(form);
    await this.#try('SIGHUP', async () => {
      await this.#proxy.reread(form);
      assert.deepEqual(await this.#proxy.difference(form), []);
    });
    this.#count('SIGHUP');
  }

  /** A change that ends sessions. What it has taken away comes back, and so do they. */
  async ending(): Promise<void> {
    const group = this.#dice.pick(this.#groups.filter(({ ends }) => ends));
    const form = await this.#proxy.form();
    const { what, request, named } = await ending(group, form, this.#dice, this.#proxy.api);
    const talks = this.crowd.of(group);
    const noticed = () => talks.filter(({ notice }) => notice !== undefined);
    const wanted = typeof named === 'number' ? named : talks.filter(named).length;
    await this.#try(what, async () => {
      await this.#proxy.api.ok(request);
      await this.#proxy.api.ok(whole(form));
      await until(() => noticed().length >= wanted, `${wanted} sessions notice`);
      const ended = typeof named === 'number' ? noticed() : talks.filter(named);
      this.crowd.retire(ended);
      await this.crowd.open(group, group.place, ended.length);
      this.#count(what, ended.length);
    });
  }

  /** A worker fails. Its sessions come again, in whatever worker, to what is configured as in the beginning. */
  async failure(): Promise<void> {
    const { api, failing, initial } = this.#proxy;
    await api.ok(whole(initial));
    await this.#try('a worker that fails', async () => {
      const gone = await failWorker(api, failing, this.crowd, this.#groups);
      this.crowd.retire(gone);
      this.#count('a worker that fails', gone.length);
      for (const group of this.#groups) {
        const count = gone.filter((talk) => talk.group === group.name).length;
        await this.crowd.open(group, group.place, count);
      }
    });
  }

  /** What sessions have noticed that no change has named. */
  get noticed(): readonly Talk[] {
    return [...this.crowd.over, ...this.crowd.live].filter(({ expected, notice }) => !expected && notice !== undefined);
  }

  get #calm(): readonly Group[] {
    return this.#groups.filter(({ ends }) => !ends);
  }

  #edit(form: Form): Edit[] {
    const count = this.#dice.chance(0.2) ? 1 + this.#dice.below(TOGETHER) : 1;
    return Array.from({ length: count }, () => edit(form, this.#calm, this.#dice, this.#edits++));
  }

  /** A dry run changes nothing. */
  async #rehearse({ path, ...rest }: Request): Promise<void> {
    const before = await this.#proxy.state();
    await this.#proxy.api.ok({ ...rest, path: `${path}?dry_run=true` });
    assert.deepEqual(await this.#proxy.state(), before, 'a dry run changes nothing');
  }

  /** New sessions go by what is configured now. */
  async #probe(form: Form): Promise<void> {
    const group = this.#dice.pick(this.#calm);
    const destination = find(form, 'routes', group.name)?.destination as string;
    if (missing(form, group).length > 0 || !find(form, 'clusters', destination)) return;
    const { spec } = find(form, 'listeners', group.name) as unknown as { spec: Spec };
    const notice = await this.crowd.probe(group, placeOf(spec));
    assert.equal(notice, undefined, `a new session of ${group.name}`);
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.faults.push(`${what}: ${(error as Error).message}`);
    }
  }

  #count(what: string, named = 0): void {
    const count = this.counts.get(what) ?? { times: 0, named: 0 };
    this.counts.set(what, { times: count.times + 1, named: count.named + named });
  }
}

const whole = (body: Form): Request => ({ method: 'PUT', path: 'config', body });

/** One of the ways in which an edit can be asked for. */
function requestOf(edit: Edit, form: Form, dice: Dice): Request {
  const { list, name, how, endpoint } = edit;
  if (name === '' || dice.chance(0.2)) return whole(form);
  if (endpoint !== undefined) return endpointRequest(endpoint, edit, form, dice);
  if (how === 'removed') return { method: 'DELETE', path: `${list}/${name}` };
  const object = find(form, list, name);
  if (how === 'created' && dice.chance(0.3)) return { method: 'POST', path: 'config', body: { [list]: [object] } };
  const body = { [kindOf(list)]: object };
  if (how === 'created' && dice.chance(0.5)) return { method: 'POST', path: list, body };
  return { method: 'PUT', path: `${list}/${name}`, body };
}

function endpointRequest(endpoint: string, { name, how }: Edit, form: Form, dice: Dice): Request {
  const cluster = find(form, 'clusters', name) as Named;
  if (dice.chance(0.2)) return { method: 'PUT', path: `clusters/${name}`, body: { cluster } };
  if (how === 'removed') return { method: 'DELETE', path: `endpoints/${endpoint}` };
  const body = { endpoint: (cluster.endpoints as Named[]).find((one) => one.name === endpoint) };
  if (how === 'created' && dice.chance(0.5)) return { method: 'POST', path: `clusters/${name}/endpoints`, body };
  if (how === 'replaced' && dice.chance(0.5)) return { method: 'PUT', path: `endpoints/${endpoint}`, body };
  return { method: 'PUT', path: `clusters/${name}/endpoints/${endpoint}`, body };
}
