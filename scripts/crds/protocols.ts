/** Specifications and options of listeners and clusters, of all protocols: in a custom resource, a protocol is a key. */
import type { TProperties } from 'typebox';
import { clusterOptions, listenerOptions } from '../../src/config/schema.ts';
import { optionsOf, schemaOf } from '../../src/config/side-schema.ts';
import type { ClusterSide, ListenerSide } from '../../src/core/protocol.ts';
import type { Registry, Role } from '../../src/core/registry.ts';
import { strict } from '../../src/core/schema.ts';
import type { StandsOn } from '../../src/core/stands-on.ts';
import { HOST, withAddresses } from './addresses.ts';
import { structural } from './convert.ts';
import { withLayerChecks } from './layer-checks.ts';
import { CHECKS } from './protocol-checks.ts';
import { atMostOne, brief, type Check, exactlyOne, has, having, type Schema } from './schema.ts';

type Side = ListenerSide | ClusterSide;

const COMMON: Readonly<Record<Role, TProperties>> = { listener: listenerOptions, cluster: clusterOptions };

export function sidesOf(registry: Registry, role: Role): Map<string, Side> {
  const able = registry
    .all()
    // What runs programs is for the start-up file of a proxy.
    .flatMap(({ name, [role]: side }): [string, Side][] => (side && !side.runsCode ? [[name, side]] : []));
  return new Map(able);
}

/** The protocol as a key, and its fields. */
export function specSchema(registry: Registry, role: Role): Schema {
  const names = [...sidesOf(registry, role).keys()];
  return { ...byKey(registry, role, names, `The protocol of the ${role}, as a key, and its fields.`), part: 'spec' };
}

function byKey(registry: Registry, role: Role, names: readonly string[], description: string): Schema {
  return {
    type: 'object',
    description: `${description} One of ${names.join(', ')}.`,
    properties: Object.fromEntries(names.map((name) => [name, fieldsOf(registry, role, name)])),
    checks: [exactlyOne(names, `exactly one protocol is needed here: one of ${names.join(', ')}`)],
  };
}

function fieldsOf(registry: Registry, role: Role, name: string): Schema {
  const side: Side = registry[role](name);
  const { standsOn } = side;
  const fields = withLayerChecks(withAddresses(structural(schemaOf(side))), role);
  const own = [...standChecks(registry, role, standsOn), ...streamChecks(standsOn), ...(CHECKS[role][name] ?? [])];
  const checks = fields.properties?.port && fields.properties.port.type === undefined ? own.map(withoutPort) : own;
  const carriers = standsOn && {
    // What its fields are is said where the protocol is one of the object itself.
    [standsOn.field]: {
      ...brief(byKey(registry, role, registry.carriers(role, standsOn), '')),
      description: 'The protocol underneath, as a key, and its fields.',
      part: 'carried',
    },
  };
  return {
    ...fields,
    description: registry.all().find((protocol) => protocol.name === name)?.title ?? '',
    ...(fields.properties && { properties: { ...fields.properties, ...carriers } }),
    checks: [...(fields.checks ?? []), ...checks],
  };
}

/** Of the protocols that carry streams, UNIX sockets may be of another type. */
function streamChecks(standsOn: StandsOn | undefined): Check[] {
  if (standsOn?.kind !== 'stream') return [];
  const { field } = standsOn;
  const type = [field, 'UnixDomainSocket', 'type'];
  return [
    {
      rule: `!${has(...type)} || self.${type.join('.')} == 'stream'`,
      message: `${type.join('.')} must be stream`,
      schema: {
        properties: { [field]: { properties: { UnixDomainSocket: { properties: { type: { enum: ['stream'] } } } } } },
      },
    },
  ];
}

/** CEL does not see a port that may be an object. */
function withoutPort({ rule, ...check }: Check): Check {
  return rule?.includes(has('port')) ? check : { ...check, ...(rule !== undefined && { rule }) };
}

/** What a protocol has itself where it is not told on what it stands. */
function standChecks(registry: Registry, role: Role, standsOn: StandsOn | undefined): Check[] {
  if (!standsOn?.otherwise) return [];
  const { field, otherwise } = standsOn;
  const { required = [] } = structural(schemaOf(registry[role](otherwise.protocol)));
  const either = ['port', 'ports'].filter((name) => otherwise.fields.includes(name));
  const others = otherwise.fields.filter((name) => either.length < 2 || !either.includes(name));
  const checks = others.map((name) =>
    required.includes(name)
      ? exactlyOne([name, field], `${name} or ${field} must be given, and not both`)
      : atMostOne([name, field], `${name} has no place beside ${field}`),
  );
  if (either.length < 2) return checks;
  return [
    exactlyOne(['port', 'ports', field], `port, ports or ${field} must be given, and one of them only`),
    ...checks,
  ];
}

// -------------------------------------------------------------------- options

export function optionsSchema(registry: Registry, role: Role): Schema {
  const sides = [...sidesOf(registry, role).values()];
  const own = Object.assign({}, ...sides.map(optionsOf));
  const said = `Limits and timeouts, and options of the protocol.`;
  return { ...withAddresses(structural(strict({ ...COMMON[role], ...own }))), description: said, part: 'options' };
}

/** Options that only some protocols have: a check of what has `spec` and `options`. */
export function optionChecks(registry: Registry, role: Role): Check[] {
  const owners = new Map<string, string[]>();
  for (const [name, side] of sidesOf(registry, role)) {
    for (const option of Object.keys(optionsOf(side))) owners.set(option, [...(owners.get(option) ?? []), name]);
  }
  return [...owners].map(([option, names]) => ({
    rule: `!${has('options', option)} || !has(self.spec) || ${names.map((name) => has('spec', name)).join(' || ')}`,
    message: `options.${option} is an option of ${names.join(' and ')} only`,
    schema: {
      anyOf: [{ not: having(['options', option]) }, ...names.map((name) => having(['spec', name]))],
    },
  }));
}

// -------------------------------------------------------------------- endpoints

/** Of what has `spec` and `endpoints`: that the endpoints are of the form that the protocol wants. */
export function endpointChecks(registry: Registry): Check[] {
  const virtual = [...sidesOf(registry, 'cluster')]
    .filter(([, side]) => (side as ClusterSide).virtual)
    .map(([name]) => [name]);
  const paths = dialledByPath(registry, [...sidesOf(registry, 'cluster').keys()]);
  const names = paths.map((path) => path.join('.'));
  const within = (chosen: readonly (readonly string[])[]): string =>
    chosen.map((path) => has('spec', ...path)).join(' || ');
  const isPath: Schema = { anyOf: paths.map((path) => having(['spec', ...path])) };
  const each = (check: Schema): Schema => ({ properties: { endpoints: { items: check } } });
  return [
    {
      rule: `!has(self.endpoints) || self.endpoints.size() == 0 || !(${within(virtual)})`,
      message: `endpoints: a cluster without a network (${virtual.join(', ')}) has none`,
      schema: {
        anyOf: [
          { properties: { endpoints: { maxItems: 0 } } },
          { not: { anyOf: virtual.map((path) => having(['spec', ...path])) } },
        ],
      },
    },
    {
      rule: `!has(self.endpoints) || !has(self.spec) || ${within(paths)} || self.endpoints.all(e, !has(e.spec) || !has(e.spec.filename))`,
      message: `endpoints[].spec.filename is for ${names.join(', ')}; others have an address`,
      schema: { anyOf: [isPath, each({ not: having(['spec', 'filename']) })] },
    },
    {
      rule: `!has(self.endpoints) || !has(self.spec) || ${within(paths)} || self.endpoints.all(e, !has(e.spec) || !has(e.spec.address) || e.spec.address.matches('${HOST.replaceAll('\\', '\\\\')}'))`,
      message: 'endpoints[].spec.address must be an IP address or the name of a host; a port stands in spec.port',
      schema: { anyOf: [isPath, each({ properties: { spec: { properties: { address: { pattern: HOST } } } } })] },
    },
    {
      rule: `!has(self.endpoints) || !(${within(paths)}) || self.endpoints.all(e, !has(e.selector) && !(has(e.spec) && has(e.spec.port)))`,
      message: `endpoints[].selector and endpoints[].spec.port: endpoints of ${names.join(', ')} are paths`,
      schema: { anyOf: [{ not: isPath }, each({ not: { anyOf: [having(['selector']), having(['spec', 'port'])] } })] },
    },
  ];
}

/** Where in a specification the protocols stand whose endpoints are paths of sockets. */
function dialledByPath(registry: Registry, names: readonly string[]): string[][] {
  return names.flatMap((name) => {
    const { standsOn, dialsPaths } = registry.cluster(name);
    if (dialsPaths) return [[name]];
    if (!standsOn) return [];
    return dialledByPath(registry, registry.carriers('cluster', standsOn)).map((path) => [
      name,
      standsOn.field,
      ...path,
    ]);
  });
}
