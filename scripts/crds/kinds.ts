/** The CustomResourceDefinitions. */
import type { Registry } from '../../src/core/registry.ts';
import { clusterSchema } from './cluster.ts';
import { OLD_NAME } from './names.ts';
import { optionChecks, optionsSchema, specSchema } from './protocols.ts';
import { reference } from './references.ts';
import { routeSchema, ruleSchema, rulesSchema } from './route.ts';
import { brief, type Check, has, render, type Schema } from './schema.ts';
import { selectorSchema } from './selector.ts';
import { statusSchema } from './status.ts';

export interface KindDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** The kind of its lists, where that is not the kind and `List`. */
  readonly listKind?: string;
  /** One line of text. */
  readonly description: string;
  /** Fields of `spec`, beside what all have. */
  readonly properties: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
  readonly checks?: readonly Check[];
}

const PROXIES = 'The proxies that get it.';
const ELSE = 'Default: those that have something that refers to it.';

export function kinds(registry: Registry): readonly KindDefinition[] {
  return [virtualService(registry), target(registry), route(registry), ruleList(registry), rule(registry)];
}

function virtualService(registry: Registry): KindDefinition {
  const rules = rulesSchema(registry);
  const rulesRef = reference(['RuleList'], 'The rules, by reference to a RuleList.');
  const paths = [['rules'], ['rulesRef'], ['listener', 'rules'], ['listener', 'rulesRef']];
  return {
    kind: 'VirtualService',
    plural: 'virtualservices',
    shortNames: ['vsvc'],
    description: 'A listener on each proxy that it selects, and the rules for the sessions that come to it.',
    properties: {
      selector: selectorSchema(PROXIES),
      listener: {
        type: 'object',
        description: 'Where clients come in.',
        part: 'listener',
        properties: {
          name: OLD_NAME,
          spec: specSchema(registry, 'listener'),
          // Said beside `listener`: see `brief`.
          rules: { ...brief(rules), description: rules.description ?? '' },
          rulesRef,
          options: optionsSchema(registry, 'listener'),
        },
        required: ['spec'],
        checks: optionChecks(registry, 'listener'),
      },
      rules: { ...rules, description: `${rules.description} They may stand here or in listener.` },
      rulesRef,
    },
    required: ['selector', 'listener'],
    checks: [
      {
        rule: `[${paths.map((path) => has(...path)).join(', ')}].filter(given, given).size() == 1`,
        message: 'rules or rulesRef must be given once, in listener or beside it',
      },
    ],
  };
}

function target(registry: Registry): KindDefinition {
  return {
    kind: 'Target',
    plural: 'targets',
    shortNames: ['tr'],
    description: 'A cluster with its endpoints, for routes to end in or to lead through.',
    properties: {
      selector: selectorSchema(`${PROXIES} ${ELSE}`),
      cluster: clusterSchema(registry, 'The cluster. Beside linkedVirtualService, its loadbalancer and options only.'),
      linkedVirtualService: reference(
        ['VirtualService'],
        'The VirtualService whose pods are the endpoints, by the protocol and port of its listener.',
      ),
    },
    required: [],
    checks: [
      {
        rule: 'has(self.linkedVirtualService) || (has(self.cluster) && has(self.cluster.spec))',
        message: 'cluster.spec or linkedVirtualService must be given',
      },
      {
        rule: '!has(self.linkedVirtualService) || !has(self.cluster) || (!has(self.cluster.spec) && !has(self.cluster.endpoints))',
        message: 'cluster.spec and cluster.endpoints have no place beside linkedVirtualService',
      },
    ],
  };
}

function route(registry: Registry): KindDefinition {
  return {
    kind: 'Route',
    plural: 'routes',
    shortNames: [],
    description: 'Where sessions go: their destination, and what they go through.',
    properties: {
      selector: selectorSchema(`${PROXIES} ${ELSE}`),
      route: routeSchema(registry, 'Where sessions go.'),
    },
    required: ['route'],
  };
}

function ruleList(registry: Registry): KindDefinition {
  return {
    kind: 'RuleList',
    plural: 'rulelists',
    shortNames: [],
    description: 'Rules that are tried in order. VirtualServices and other rules refer to it.',
    properties: { selector: selectorSchema(`${PROXIES} ${ELSE}`), rules: rulesSchema(registry) },
    required: ['rules'],
  };
}

function rule(registry: Registry): KindDefinition {
  return {
    kind: 'Rule',
    plural: 'rules',
    shortNames: [],
    // The list kind of rules would be RuleList, which is a kind of its own.
    listKind: 'RuleItems',
    description: 'A rule that is put into a RuleList.',
    properties: {
      selector: selectorSchema(`${PROXIES} ${ELSE}`),
      rulelist: reference(['RuleList'], 'The RuleList that it is put into.'),
      position: {
        type: 'integer',
        description: 'Before which of the RuleList’s own rules, from 0; at the end where there are fewer.',
        minimum: 0,
        maximum: 1_000_000,
        default: 0,
      },
      rule: ruleSchema(registry),
    },
    required: ['rulelist', 'rule'],
  };
}

// -------------------------------------------------------------------- documents

const GROUP = 'l7mp.io';

const COLUMNS = [
  { name: 'Selector', type: 'string', description: 'Which pods it is for.', jsonPath: '.spec.selector' },
  {
    name: 'Ready',
    type: 'string',
    description: 'Whether all proxies that it is for have it.',
    jsonPath: '.status.conditions[?(@.type=="Programmed")].status',
  },
  { name: 'Proxies', type: 'string', description: 'How many have it, of how many.', jsonPath: '.status.proxies.text' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** The schema of the whole object, without what every object has. */
export function objectSchema({ description, properties, required, checks }: KindDefinition): Schema {
  return {
    type: 'object',
    description,
    properties: {
      spec: {
        type: 'object',
        description: 'What is wanted.',
        properties: {
          ...properties,
          updateOwners: {
            type: 'boolean',
            description:
              'Whether the generation that is on every proxy is told to the owners of this object, in their status.children.applied.',
            default: false,
          },
        },
        ...(required.length > 0 && { required }),
        ...(checks && { checks }),
      },
      status: statusSchema,
    },
    required: ['spec'],
  };
}

export function definitionOf(definition: KindDefinition): object {
  const { kind, plural, shortNames, listKind = `${kind}List` } = definition;
  const schema = render(objectSchema(definition));
  const own: Schema = {
    ...schema,
    properties: {
      apiVersion: { type: 'string', description: `${GROUP}/v1` },
      kind: { type: 'string', description: kind },
      metadata: { type: 'object' },
      ...schema.properties,
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind,
        listKind,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames.length > 0 && { shortNames }),
        categories: ['l7mp'],
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: COLUMNS,
          schema: { openAPIV3Schema: own },
        },
      ],
    },
  };
}
