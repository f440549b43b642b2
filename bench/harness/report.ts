/** The tables. */
import { type Reached, reached } from './goals.ts';
import { isBistable, type Range, spreads } from './spread.ts';
import { medianOf } from './statistics.ts';
import type { Contender, Result } from './types.ts';

export function report(result: Result, contenders: readonly Contender[]): string {
  const names = contenders.map(({ name }) => name).filter((name) => present(result, name));
  const peers = contenders.filter(({ group }) => group === 'peer').map(({ name }) => name);
  const goals = result.rows.flatMap((row) => reached(row, peers));
  return [
    heading(result),
    '### Rates, latencies and memory (medians)\n',
    matrix(result, names, 'result'),
    ...(has(result, 'cpu')
      ? ['\n### CPU time of the proxy for each unit (medians)\n', matrix(result, names, 'cpu')]
      : []),
    '\n### How far the rounds differ (largest over smallest, in percent)\n',
    spreadTable(result, names),
    ...(goals.length ? ['\n### Ratios to reach\n', goalTable(goals)] : []),
    ...reasons(result),
  ].join('\n');
}

function heading({ date, machine, versions, options }: Result): string {
  const about = Object.entries(machine).map(([key, value]) => `${key}: ${value}`);
  const who = Object.entries(versions).map(([name, version]) => `${name}: ${version}`);
  const rounds = `${options.rounds ?? 'default'} rounds of ${options.seconds} s`;
  return `${date}; ${rounds}; ${about.join('; ')}.\n\nVersions: ${who.join('; ')}.\n`;
}

function present({ rows }: Result, name: string): boolean {
  return rows.some(({ outcomes }) => outcomes.some(({ contender, samples }) => contender === name && samples.length));
}

function has({ rows }: Result, table: string): boolean {
  return rows.some(({ metrics }) => metrics.some((metric) => metric.table === table));
}

function matrix({ rows }: Result, names: readonly string[], table: 'result' | 'cpu'): string {
  const lines = rows.flatMap((row) =>
    row.metrics
      .filter((metric) => metric.table === table)
      .map(({ id, title, unit }) => [title, unit, ...names.map((name) => figure(medianOf(row, name, id)))]),
  );
  return markdown([['', 'unit', ...names], ...lines]);
}

function spreadTable(result: Result, names: readonly string[]): string {
  const cell = (percent: number | undefined): string => {
    if (percent === undefined) return '';
    const text = percent.toFixed(0);
    return isBistable(percent) ? `**${text}**` : text;
  };
  const lines = spreads(result, names).map(({ title, percent }) => [
    title,
    ...names.map((name) => cell(percent.get(name))),
  ]);
  return markdown([['', ...names], ...lines]);
}

/** What the ratios to reach were in several runs. */
export function rangeTable(ranges: readonly Range[]): string {
  const lines = ranges.map(({ title, of, to, runs, lowest, highest }) => [
    title,
    to === '' ? of : `${of} / ${to}`,
    `${runs}`,
    runs === 1 ? figure(lowest) : `${figure(lowest)} – ${figure(highest)}`,
  ]);
  return markdown([['', 'of', 'runs', 'lowest – highest'], ...lines]);
}

function goalTable(goals: readonly Reached[]): string {
  const lines = goals.map(({ title, contender, to, value, goal, met }) => [
    title,
    to === undefined ? contender : `${contender} / ${to}`,
    figure(value),
    goal,
    met ? 'yes' : '**no**',
  ]);
  return markdown([['', 'of', 'measured', 'to reach', 'reached'], ...lines]);
}

function reasons({ rows }: Result): string[] {
  const lines = new Map<string, string[]>();
  for (const { title, outcomes } of rows) {
    for (const { contender, skipped } of outcomes) {
      if (skipped === undefined) continue;
      const key = `${contender}: ${skipped}`;
      lines.set(key, [...(lines.get(key) ?? []), title]);
    }
  }
  if (lines.size === 0) return [];
  return ['\n### Not measured\n', ...[...lines].map(([key, titles]) => `- ${key} (${titles.join('; ')})`)];
}

function figure(value: number | undefined): string {
  if (value === undefined) return '';
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** A table with its columns padded: words left, figures right. */
function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[0] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, column) => (column ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [head, rule, ...body].map(line).join('\n');
}
