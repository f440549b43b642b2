/** Schemas as tables of fields, in Markdown. */
import { refer } from '../../src/api/components.ts';

/** A JSON Schema, as far as ours go. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly readOnly?: boolean;
  readonly default?: unknown;
  /** Of custom resources: see below. */
  readonly part?: string;
}

/** Where the schemas that have a name are described: those of objects of the configuration. */
const LINKS: Readonly<Record<string, string>> = {
  Admin: '[settings](#admin)',
  ConfigCluster: '[cluster](#cluster)',
  ConfigEndPoint: '[endpoint](#endpoint), with the name of its `cluster`',
  Listener: '[listener](#listener)',
  RuleList: '[rulelist](#rulelist)',
  InlineRuleList: '[rulelist](#rulelist)',
  Rule: '[rule](#rule)',
  InlineRule: '[rule](#rule)',
  Match: '[predicate](predicates.md)',
  Rewrite: '[rewrite](#rewrite)',
  Route: '[route](#route)',
  InlineRoute: '[route](#route)',
  Retry: '[retry](#retry)',
  Cluster: '[cluster](#cluster)',
  InlineCluster: '[cluster](#cluster)',
  LoadBalancer: '[loadbalancer](#loadbalancer)',
  EndPoint: '[endpoint](#endpoint)',
  Name: 'name',
};

/** Where the parts of custom resources are described. */
const PARTS: Readonly<Record<string, string>> = {
  selector: '[selector](#selector)',
  listener: '[listener](#listener)',
  rule: '[rule](#fields-of-a-rule)',
  match: '[predicate](#match)',
  route: '[route](#fields-of-a-route)',
  retry: '[retry](#retry)',
  cluster: '[cluster](#cluster)',
  'cluster-or-name': '[cluster](#cluster) or [reference](#references)',
  'cluster-use': '[cluster](#cluster) in a chain',
  endpoint: '[endpoint](#endpoint)',
  reference: '[reference](#references)',
  spec: '[protocol](#protocols)',
  options: '[options](#options)',
};

/** Padded, as the formatter would have it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(cell));
  const widths = head.map((_, n) => Math.max(3, ...cells.map((row) => (row[n] as string).length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, n) => text.padEnd(widths[n] as number)).join(' | ')} |`;
  const [first = [], ...others] = cells;
  const rule = widths.map((width) => '-'.repeat(width));
  return [first, rule, ...others].map(line).join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Prose as Markdown: what looks like a tag outside of code is none. */
export function prose(text: string): string {
  return text.replaceAll(/`[^`]*`|</g, (found) => (found === '<' ? '\\<' : found));
}

/** The fields of an object; what must be given is bold. */
export function fieldTable(schema: Schema): string {
  const rows = fieldRows(schema, '');
  if (rows.length === 0) return 'No fields.';
  const head = ['Field', 'Type', 'Limits', 'Default', 'Description'];
  const used = (_: unknown, n: number): boolean => rows.some((row) => row[n] !== '');
  return table(
    head.filter(used),
    rows.map((row) => row.filter(used)),
  );
}

function fieldRows({ properties = {}, required = [] }: Schema, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([key, schema]) => {
    const name = `${prefix}${key}`;
    const shown = required.includes(key) ? `**\`${name}\`**` : `\`${name}\``;
    const { text, byDefault } = descriptionOf(schema);
    const given = schema.default === undefined ? byDefault : JSON.stringify(schema.default);
    return [[shown, typeOf(schema), limitsOf(schema), prose(given), prose(text)], ...rowsWithin(schema, name)];
  });
}

/** The fields of what has no name and no table of its own. */
function rowsWithin(schema: Schema, name: string): string[][] {
  if (linkOf(schema) !== undefined) return [];
  if (schema.items) return rowsWithin(schema.items, `${name}[]`);
  if (schema.anyOf && !schema.properties)
    return schema.anyOf.flatMap((one) => rowsWithin({ ...one, required: [] }, name));
  return fieldRows(schema, `${name}.`);
}

function linkOf(schema: Schema): string | undefined {
  if (schema.part !== undefined) return PARTS[schema.part];
  const { $ref } = refer(schema) as { $ref?: string };
  return $ref === undefined ? undefined : LINKS[$ref.split('/').at(-1) as string];
}

export function typeOf(schema: Schema): string {
  const link = linkOf(schema);
  if (link !== undefined) return link;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf && !schema.properties) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.items) return listOf(typeOf(schema.items));
  return schema.type ?? 'any';
}

function listOf(item: string): string {
  return item.includes(' or ') ? `list of (${item})` : `list of ${item}`;
}

function limitsOf(schema: Schema): string {
  const { minimum: least, maximum: most, minLength = 0, maxLength, maxItems, pattern } = schema;
  if (linkOf(schema) !== undefined) return '';
  const parts = [];
  if (least !== undefined && most !== undefined) parts.push(`${number(least)} to ${number(most)}`);
  else if (least !== undefined) parts.push(`${number(least)} or more`);
  if (minLength > 0) parts.push('not empty');
  if (maxLength !== undefined) parts.push(`${number(maxLength)} characters`);
  if (maxItems !== undefined) parts.push(`${number(maxItems)} items`);
  if (pattern !== undefined) parts.push(`\`${pattern}\``);
  return parts.join(', ');
}

function number(value: number): string {
  return value.toLocaleString('en');
}

/** Descriptions end with what is the default, where there is one. */
function descriptionOf(schema: Schema): { text: string; byDefault: string } {
  const description = [schema.description ?? '', schema.readOnly ? 'Read only.' : ''].join(' ').trim();
  if (linkOf(schema) === 'name') return { text: '', byDefault: '' };
  const found = /(?:^|[.;] )[Dd]efault (?:is )?(.+?)\.$/.exec(description);
  if (!found) return { text: description, byDefault: '' };
  const text = description.slice(0, found.index);
  return { text: text && `${text}.`, byDefault: found[1] as string };
}
