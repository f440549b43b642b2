/** What sessions have noticed, and of what. */
import type { Churn } from './churn.ts';
import type { Talk } from './talk.ts';
import { KINDS } from './world.ts';

export function report(churn: Churn): string {
  const talks = [...churn.crowd.over, ...churn.crowd.live];
  const protocols = KINDS.map(({ name }) =>
    protocolLine(
      name,
      talks.filter(({ group }) => group.replace(/-\w+$/, '') === name),
    ),
  );
  const changes = [...churn.counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '| Protocol | Sessions | Named by a change | Lines of the others | Answered in order, once | Of the others have noticed something | Longest wait, ms |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...protocols,
    '',
    '| Change | Times | Sessions named |',
    '| --- | --: | --: |',
    ...changes.map(([what, { times, named }]) => `| ${what} | ${times} | ${named} |`),
  ].join('\n');
}

function protocolLine(name: string, talks: readonly Talk[]): string {
  const others = talks.filter(({ expected }) => !expected);
  const sum = (of: (talk: Talk) => number) => others.reduce((all, talk) => all + of(talk), 0);
  const cells = [
    talks.length,
    talks.length - others.length,
    sum(({ said }) => said),
    sum(({ answered }) => answered),
    others.filter(({ notice }) => notice !== undefined).length,
    Math.round(Math.max(0, ...others.map(({ longest }) => longest))),
  ];
  return `| ${name} | ${cells.join(' | ')} |`;
}
