/** Structural schemas out of those of the proxy. */
import { anything, plainOr, type Schema } from './schema.ts';

/** Characters of a text where its schema has no limit. Limits are what rules in CEL are estimated by. */
const MAX_LENGTH = 4096;
const MAX_ITEMS = 64;

/** As TypeBox writes a schema: JSON Schema. */
interface Written extends Omit<Schema, 'properties' | 'items' | 'anyOf' | 'additionalProperties'> {
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Written>>;
  readonly items?: Written;
  readonly anyOf?: readonly Written[];
}

/** @throws Error where a schema has what this cannot convert */
export function structural(written: object): Schema {
  const schema = JSON.parse(JSON.stringify(written)) as Written;
  if (schema.anyOf) return union(schema.anyOf, schema.description ?? '');
  if (schema.enum) return { type: typeof schema.enum[0] as 'string' | 'boolean', ...about(schema), enum: schema.enum };
  switch (schema.type) {
    case 'object':
      return { type: 'object', ...about(schema), ...fields(schema) };
    case 'array':
      return {
        type: 'array',
        ...about(schema),
        ...(schema.minItems !== undefined && { minItems: schema.minItems }),
        maxItems: schema.maxItems ?? MAX_ITEMS,
        items: structural(schema.items ?? {}),
      };
    case 'string':
      return { ...schema, maxLength: schema.maxLength ?? MAX_LENGTH } as Schema;
    case 'integer':
    case 'number':
    case 'boolean':
      return schema as Schema;
    case undefined:
      if (Object.keys(schema).every((key) => key === 'description')) return anything(schema.description ?? '');
  }
  throw new Error(`no structural schema can be made of ${JSON.stringify(schema)}`);
}

function about({ description }: Written): Pick<Schema, 'description'> {
  return description === undefined ? {} : { description };
}

function fields({ properties = {}, required = [] }: Written): Pick<Schema, 'properties' | 'required'> {
  const entries = Object.entries(properties).map(([name, schema]): [string, Schema] => [name, structural(schema)]);
  return {
    ...(entries.length > 0 && { properties: Object.fromEntries(entries) }),
    ...(required.length > 0 && { required }),
  };
}

/**
 * A text or a whole number, or an object; objects of which each has one field of its own; of `true` and an object, the
 * object, whose fields API servers know then: it may be empty.
 */
function union(parts: readonly Written[], description: string): Schema {
  const [plain, object] = parts;
  if (parts.length === 2 && plain && object?.type === 'object') {
    const said = description || (plain.description ?? '');
    if (plain.type === 'boolean') return { ...structural(object), description: said };
    if (plain.type === 'string' || plain.type === 'integer')
      return plainOr(structural(plain), structural(object), said);
  }
  if (parts.every(({ type, required }) => type === 'object' && required?.length === 1)) {
    const properties = Object.assign({}, ...parts.map((part) => fields(part).properties));
    const required = parts.map((part) => part.required?.[0] as string);
    if (Object.keys(properties).length === parts.length) {
      return { type: 'object', description, properties, oneOf: required.map((name) => ({ required: [name] })) };
    }
  }
  throw new Error(`no structural schema can be made of a union of ${JSON.stringify(parts)}`);
}
