/** Objects at random, by the schema of a definition: many of which it takes, and its checks do not. */
import fc from 'fast-check';

/** As it stands in a definition, as far as it is looked at here. */
export interface DefinitionSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, DefinitionSchema>>;
  readonly required?: readonly string[];
  readonly items?: DefinitionSchema;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
}

/** What texts may be: of each form that a field has, some. */
const TEXTS = [
  ...[
    'web',
    'a',
    '0',
    '1.2',
    '1-5',
    '100-200',
    'true',
    'a b',
    'a,b',
    '',
    '-',
    'stdout',
    '^a+$',
    'X_1',
    'unit',
    'eth0',
    '0660',
  ],
  ...['10.0.0.1', '255.255.255.255', '127.1', '::1', '[::1]', 'fe80::1%eth0', '10.0.0.0/8', 'x.example', '*.example'],
  ...[
    '/a',
    '/run/a.sock',
    'IP/src_addr',
    '/UDP/dst_port',
    '/l7mp.io/v1/Target/default/x',
    '-----BEGIN CERTIFICATE-----',
  ],
  ...['/l7mp.io/v1/RuleList/default/x', '/l7mp.io/v1/Route/default/x'],
];

/** Optional fields that are there, of a hundred. */
const FREQUENCY = 35;

export function valuesOf(schema: DefinitionSchema): fc.Arbitrary<unknown> {
  const { enum: choices, type = schema.properties ? 'object' : 'any', minimum = 0, maximum = minimum + 1000 } = schema;
  if (choices) return fc.constantFrom(...choices);
  switch (type) {
    case 'string':
      return textsOf(schema);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return fc.oneof(fc.constantFrom(minimum, maximum), fc.integer({ min: minimum, max: maximum }));
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 2 });
    case 'object':
      return fieldsOf(schema);
    default:
      return fc.constantFrom<unknown>('web', 1, '1', {}, { a: 1 });
  }
}

/** Of forms that are not among the texts, some that are refused. */
function textsOf(schema: DefinitionSchema): fc.Arbitrary<string> {
  const fitting = TEXTS.filter((text) => fits(text, schema));
  return fc.constantFrom(...(fitting.length > 0 ? fitting : TEXTS));
}

function fits(text: string, { pattern, minLength = 0, maxLength = 4096 }: DefinitionSchema): boolean {
  if (text.length < minLength || text.length > maxLength) return false;
  return pattern === undefined || new RegExp(pattern).test(text);
}

function fieldsOf({ properties = {}, required = [] }: DefinitionSchema): fc.Arbitrary<unknown> {
  const names = Object.keys(properties);
  // Made when they are wanted: a definition is large.
  const value = (name: string): fc.Arbitrary<unknown> => valuesOf(properties[name] ?? {});
  if (names.includes('TCP')) return fc.constantFrom(...names).chain((name) => fc.record({ [name]: value(name) }));
  const isThere = fc.integer({ min: 1, max: 100 }).map((n) => n <= FREQUENCY);
  return fc.tuple(...names.map((name) => (required.includes(name) ? fc.constant(true) : isThere))).chain((there) => {
    const chosen = names.filter((_, n) => there[n]);
    return fc.record(Object.fromEntries(chosen.map((name) => [name, value(name)])));
  });
}
