/** What is said of a protocol, out of its definition. */
import { optionsOf, schemaOf } from '../../src/config/side-schema.ts';
import type { ClusterSide, ListenerSide, Protocol } from '../../src/core/protocol.ts';
import type { Registry } from '../../src/core/registry.ts';
import type { StandsOn } from '../../src/core/stands-on.ts';
import { fieldTable, prose, type Schema, table } from './tables.ts';

/** A protocol's page, below the reference. */
export function pageOf(name: string): string {
  return `protocols/${name.toLowerCase()}.md`;
}

export function blockOf(name: string): string {
  return `protocol-${name.toLowerCase()}`;
}

/** The table of all protocols; `base` leads to the reference. */
export function protocolTable(registry: Registry, base: string): string {
  const rows = registry.all().map((protocol) => {
    const { name, title, listener, cluster } = protocol;
    const sides = [listener ? 'yes' : '', clusterText(cluster)];
    const status = listener && !cluster ? 'listener only' : 'full';
    return [`[${name}](${base}${pageOf(name)})`, ...sides, streamOf(protocol), status, prose(title)];
  });
  return table(['Protocol', 'Listener', 'Cluster', 'Stream', 'Status', 'What it is'], rows);
}

function clusterText(cluster: ClusterSide | undefined): string {
  if (!cluster) return '';
  return cluster.virtual ? 'virtual' : 'yes';
}

function streamOf({ listener, cluster }: Protocol): string {
  const kind = (cluster ?? listener)?.kind;
  if (typeof kind !== 'string') return (cluster ?? listener)?.standsOn ? 'as its transport' : 'by its type';
  return { datagram: 'datagrams', stream: 'bytes', same: 'as it comes' }[kind];
}

/** All that the definition of a protocol says. */
export function protocolBlock(protocol: Protocol): string {
  const { title, listener, cluster } = protocol;
  const parts = [prose(title), `Stream: ${streamOf(protocol)}.`];
  if (listener) parts.push('## Listener', ...sideParts(listener, 'A listener'));
  if (cluster) parts.push('## Cluster', ...clusterNotes(cluster), ...sideParts(cluster, 'A cluster'));
  return parts.join('\n\n');
}

function clusterNotes({ virtual, control }: ClusterSide): string[] {
  const notes = [];
  if (virtual) notes.push('It is virtual: there is no network behind it, and it takes no endpoints.');
  if (control) notes.push('**Who reaches it controls the proxy.**');
  return notes;
}

function sideParts(side: ListenerSide | ClusterSide, what: string) {
  const { aliases = {}, standsOn, transport } = side;
  const parts = [`Fields of \`spec\`, beside \`protocol\`:\n\n${fieldTable(schemaOf(side) as Schema)}`];
  for (const [alias, field] of Object.entries(aliases)) parts.push(`\`${alias}\` is another name of \`${field}\`.`);
  if (standsOn) parts.push(standText(standsOn));
  if (transport) parts.push(`${what} of another protocol may stand on it.`);
  const options = optionsOf(side);
  if (Object.keys(options).length > 0) parts.push(`Options of its own:\n\n${fieldTable({ properties: options })}`);
  return parts;
}

function standText({ field, otherwise }: StandsOn): string {
  const text = `It stands on another protocol, whose specification is \`${field}\``;
  if (!otherwise) return `${text}.`;
  const fields = otherwise.fields.map((name) => `\`${name}\``).join(' and ');
  return `${text}. Where that is left out, it stands on ${otherwise.protocol}, of which it has ${fields} then.`;
}
