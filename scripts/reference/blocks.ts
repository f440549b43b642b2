/** Everything that is generated, by the name of its block. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TObject } from 'typebox';
import { PREFIX } from '../../src/api/api.ts';
import { MEDIA_TYPES } from '../../src/api/body.ts';
import { STYLES } from '../../src/api/format.ts';
import { OPERATIONS } from '../../src/api/operations.ts';
import { AdminSchema } from '../../src/config/admin-schema.ts';
import {
  ConfigSchema,
  clusterOptions,
  EndpointSchema,
  InlineClusterSchema,
  InlineRouteSchema,
  InlineRuleListSchema,
  InlineRuleSchema,
  ListenerSchema,
  LoadBalancerSchema,
  listenerOptions,
  RetrySchema,
  RewriteSchema,
} from '../../src/config/schema.ts';
import { ERRORS } from '../../src/core/errors.ts';
import type { Registry } from '../../src/core/registry.ts';
import { OPERATIONS as TESTS } from '../../src/routing/operations.ts';
import { VALUE_TYPES } from '../../src/routing/value-type.ts';
import { changeTable } from './changes.ts';
import { customResourceBlocks } from './custom-resources.ts';
import { exportsBlock } from './exports.ts';
import { folderTable } from './folders.ts';
import { LAYER_NAMES, layerBlock, layerBlockOf, layerTable } from './layers.ts';
import { metricRows } from './metrics.ts';
import { sessionTable } from './protocol-table.ts';
import { blockOf, pageOf, protocolBlock, protocolTable } from './protocols.ts';
import { fieldTable, prose, type Schema, table } from './tables.ts';
import { tutorialBlocks } from './tutorials.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const CONFIGURATION: Readonly<Record<string, object>> = {
  config: ConfigSchema,
  admin: AdminSchema,
  listener: ListenerSchema,
  'listener-options': { properties: listenerOptions },
  cluster: InlineClusterSchema,
  'cluster-options': { properties: clusterOptions },
  endpoint: EndpointSchema,
  loadbalancer: LoadBalancerSchema,
  route: InlineRouteSchema,
  retry: RetrySchema,
  rulelist: InlineRuleListSchema,
  rule: InlineRuleSchema,
  rewrite: RewriteSchema,
};

export async function blocks(registry: Registry): Promise<Map<string, string>> {
  const all = new Map(Object.entries(CONFIGURATION).map(([name, schema]) => [name, fieldTable(schema as Schema)]));
  for (const protocol of registry.all()) all.set(blockOf(protocol.name), protocolBlock(protocol));
  for (const name of LAYER_NAMES) all.set(layerBlockOf(name), layerBlock(name, registry));
  for (const [name, text] of [...customResourceBlocks(registry), ...tutorialBlocks()]) all.set(name, text);
  all.set('protocols', protocolTable(registry, 'docs/reference/'));
  all.set('session-table', sessionTable(registry));
  all.set('layer-table', layerTable(registry));
  all.set(
    'protocol-list',
    registry
      .all()
      .map(({ name, title }) => `- [${name}](${pageOf(name)}): ${prose(title)}`)
      .join('\n'),
  );
  all.set('rest-operations', restOperations());
  all.set('changes', changeTable(registry));
  all.set('folders', folderTable());
  all.set('plugin-api', exportsBlock('index.ts'));
  all.set('testing-api', exportsBlock('testing/index.ts'));
  all.set('rest-media-types', list(Object.keys(MEDIA_TYPES)));
  all.set('rest-formats', list(Object.keys(STYLES)));
  all.set('errors', errors());
  all.set('metrics', table(['Metric', 'Type', 'Labels', 'What it counts'], await metricRows()));
  all.set('predicate-operations', list(Object.keys(TESTS)));
  all.set('value-types', list(Object.keys(VALUE_TYPES)));
  all.set('command', await help());
  return all;
}

function list(words: readonly string[]): string {
  return `${words.map((word) => `\`${word}\``).join(', ')}.`;
}

function restOperations(): string {
  const rows = OPERATIONS.map(({ method, path, summary, body, recursive }) => [
    `${method} \`${path}\``,
    summary,
    body ? bodyOf(body) : '',
    recursive ? 'yes' : '',
  ]);
  return `Paths are below \`${PREFIX}\`.\n\n${table(['Operation', 'What it does', 'Body', '`recursive`'], rows)}`;
}

/** A whole body is a configuration, or has a few fields. */
function bodyOf({ key, schema, optional }: NonNullable<(typeof OPERATIONS)[number]['body']>): string {
  if (key !== '') return `\`{${key}: …}\``;
  if (!optional) return 'a configuration';
  return `\`{${Object.keys((schema as TObject).properties).join(', ')}}\`, if any`;
}

function errors(): string {
  const all: [string, { status: number; doc: string; told?: string }][] = Object.entries(ERRORS);
  const rows = all.map(([code, { status, doc, told = '' }]) => [`\`${code}\``, String(status), doc, told]);
  return table(['Code', 'HTTP status', 'Meaning', 'What clients are told'], rows);
}

async function help(): Promise<string> {
  const { stdout } = await promisify(execFile)(join(ROOT, 'bin', 'l7mp'), ['--help']);
  return `\`\`\`text\n${stdout.trim()}\n\`\`\``;
}
