/**
 * The schemas of custom resources: structural ones, of OpenAPI 3.0 as far as Kubernetes takes it
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema).
 *
 * A value that may be of several types has a schema without a type, whose unknown fields are preserved: there is no other way
 * in a structural schema. CEL sees neither such a field nor what is below it, so a check is written twice: as a rule of CEL,
 * with a message of ours, and as JSON Schema, which is for where CEL sees nothing.
 */

/** A schema, and what `render` makes no part of the document. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly nullable?: true;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-list-type'?: 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
  /** What the types, the fields and their limits cannot say. */
  readonly checks?: readonly Check[];
  /** Under which name the reference describes it: it stands in several places. */
  readonly part?: string;
}

export interface Check {
  /** In CEL; left out where CEL does not see what it is about. */
  readonly rule?: string;
  /** Begins with the name of the field. */
  readonly message: string;
  /** The same as JSON Schema; left out where that cannot say it. */
  readonly schema?: Schema;
}

/** Has fields that nobody here knows. */
export const FREE = { 'x-kubernetes-preserve-unknown-fields': true } as const;

type Type = NonNullable<Schema['type']>;

/** Any JSON value. */
export const anything = (description: string): Schema => ({
  description,
  nullable: true,
  'x-kubernetes-preserve-unknown-fields': true,
});

/** As it stands in the document. `seen`: CEL sees it. */
export function render(schema: Schema, seen = true): Schema {
  const { checks = [], part: _, properties, items, additionalProperties, allOf = [], ...plain } = schema;
  const sees = seen && plain.type !== undefined;
  const rules = checks.flatMap(({ rule, message }) => (sees && rule !== undefined ? [{ rule, message }] : []));
  const others = checks.flatMap(({ rule, schema }) => (sees && rule !== undefined ? [] : (schema ?? [])));
  const all = [...allOf, ...others];
  return {
    ...plain,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, render(field, sees)])),
    }),
    ...(items && { items: render(items, sees) }),
    ...(additionalProperties && { additionalProperties: render(additionalProperties, sees) }),
    ...(all.length > 0 && { allOf: all }),
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
  };
}

/**
 * Without descriptions: of what is described beside it. A definition has to fit an annotation of kubectl apply's (256 KiB), and
 * has some clusters ten times.
 */
export function brief(schema: Schema): Schema {
  const { description: _, ...others } = schema;
  return within(asPort(others), brief);
}

/** Also without the fields that a protocol underneath has: the proxies check them. */
export function outline(schema: Schema): Schema {
  if (schema.part === 'carried') return carried(schema);
  const { description: _, ...others } = schema;
  return within(asPort(others), outline);
}

/** A number or an object, such as a cluster's port, stands at each protocol: of the object the proxies check the fields. */
function asPort(schema: Schema): Schema {
  const { type, minimum, maximum, properties, required } = schema;
  if (type !== undefined || !properties || minimum === undefined || maximum === undefined) return schema;
  // What may be a text has limits that no number keeps: see `only`.
  const others = minimum > maximum ? {} : only('number', 'object');
  return { ...others, minimum, maximum, ...(required && { required }), ...FREE };
}

/** Which protocols carry which; their fields are free. */
function carried(schema: Schema): Schema {
  const { type, part, properties = {}, checks = [] } = schema;
  const below = Object.entries(properties).filter(([, field]) => part === 'carried' || field.part === 'carried');
  return {
    ...(type && { type }),
    ...(part !== 'carried' && FREE),
    ...(below.length > 0 && { properties: Object.fromEntries(below.map(([name, field]) => [name, carried(field)])) }),
    ...(part === 'carried' && { checks }),
  };
}

function within({ properties, items, additionalProperties, ...others }: Schema, change: (schema: Schema) => Schema) {
  return {
    ...others,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, change(field)])),
    }),
    ...(items && { items: change(items) }),
    ...(additionalProperties && { additionalProperties: change(additionalProperties) }),
  };
}

// -------------------------------------------------------------------- values of several types

/** A keyword holds for values of its own type only: each pair lets values of that type not pass, and others do. */
const NONE: Readonly<Record<Type, Schema>> = {
  object: { minProperties: 1, maxProperties: 0 },
  array: { minItems: 1, maxItems: 0 },
  string: { minLength: 1, maxLength: 0 },
  number: { minimum: 1, maximum: 0 },
  integer: {},
  boolean: { not: { enum: [true, false, null] } },
};

/** Lets pass values of these types alone, where no type can be given. */
export function only(...types: readonly Type[]): Schema {
  const others = (Object.keys(NONE) as Type[]).filter((type) => !types.includes(type));
  return Object.assign({}, ...others.map((type) => NONE[type]));
}

/** A text or a number, or an object: with the limits of the one and the fields of the other, and no fields besides. */
export function plainOr(plain: Schema, object: Schema, description: string): Schema {
  const { type, pattern, minLength, maxLength, minimum, maximum } = plain;
  const { properties = {}, required = [], checks = [] } = object;
  const optional = Object.keys(properties).filter((name) => !required.includes(name));
  return {
    description,
    ...only(type ?? 'string', 'object'),
    ...(pattern !== undefined && { pattern }),
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && { maximum }),
    properties,
    ...(required.length > 0 && type === 'integer' && { required }),
    // What is not there needs no fields: a text passes each of these.
    anyOf: subsets(optional).map((some) => exactly([...required, ...some])),
    checks,
    'x-kubernetes-preserve-unknown-fields': true,
  };
}

/** An object with these fields and no others. */
export function exactly(fields: readonly string[]): Schema {
  return { required: fields, maxProperties: fields.length };
}

export function subsets(names: readonly string[]): string[][] {
  const [first, ...others] = names;
  if (first === undefined) return [[]];
  const rest = subsets(others);
  return [...rest, ...rest.map((subset) => [first, ...subset])];
}

// -------------------------------------------------------------------- checks

/** Words of CEL that name no field: https://kubernetes.io/docs/reference/using-api/cel/#escaping */
const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** A field in CEL. */
export function field(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}

/** Whether a field is there, at a path from `self` on, whose fields need not be there themselves. */
export function has(...path: readonly string[]): string {
  const steps = path.map(
    (_, n) =>
      `has(self.${path
        .slice(0, n + 1)
        .map(field)
        .join('.')})`,
  );
  return steps.length === 1 ? (steps[0] as string) : `(${steps.join(' && ')})`;
}

/** The same as a schema. */
export function having([first, ...rest]: readonly string[]): Schema {
  if (first === undefined) return {};
  return { required: [first], ...(rest.length > 0 && { properties: { [first]: having(rest) } }) };
}

/** Of these fields, one is there. */
export function exactlyOne(names: readonly string[], message: string): Check {
  return {
    rule: `[${names.map((name) => has(name)).join(', ')}].filter(given, given).size() == 1`,
    message,
    schema: { oneOf: names.map((name) => ({ required: [name] })) },
  };
}

/** Of these fields, one is there at most. */
export function atMostOne([a, b]: readonly [string, string], message: string): Check {
  return { rule: `!(${has(a)} && ${has(b)})`, message, schema: { not: { required: [a, b] } } };
}
