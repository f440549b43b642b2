import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_DEPTH } from '../core/depth.ts';
import { L7mpError } from '../core/errors.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import type { Match, Predicate } from '../model/match.ts';
import { OPERATIONS } from './operations.ts';
import { MAX_INSTRUCTIONS, Patterns } from './patterns.ts';
import { compilePredicate } from './predicate.ts';

const METADATA: Metadata = {
  IP: { src_addr: '10.0.0.1', dst_addr: '10.0.0.2' },
  UDP: { src_port: 1234, dst_port: 53 },
  HTTP: { url: { path: '/Metrics?x=1' }, headers: { accept: ['text/html', 'text/plain'], empty: '', none: null } },
  labels: { user: { name: 'Bob', groups: ['a', { n: 1 }] }, on: true, port: '53' },
};

function holds(match: Match, metadata: Metadata = METADATA): boolean {
  return compilePredicate(match)(metadata);
}

/** Cases as `[op, path, value, expected, ignore_case?]`. */
function table(cases: [op: string, path: string, value: Json | undefined, expected: boolean, ignore_case?: boolean][]) {
  for (const [op, path, value, expected, ignore_case] of cases) {
    const shown = JSON.stringify({ op, path, value, ignore_case });
    test(`${shown} is ${expected}`, () => assert.equal(holds({ op, path, value, ignore_case }), expected));
  }
}

function refuses(match: unknown, message: RegExp): void {
  assert.throws(
    () => compilePredicate(match as Match),
    (error) => {
      assert.ok(error instanceof L7mpError);
      assert.equal(error.code, 'E_INVALID');
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('a match that is no predicate', () => {
  test('holds for everything when it is missing, a string or the form that the API shows', () => {
    for (const match of [undefined, '*', '', 'anything', { match: '*' }]) assert.equal(holds(match, {}), true);
  });

  test('is refused when it is of another type', () => {
    for (const match of [null, 5, true, [], [{ op: 'defined', path: '/a' }]])
      refuses(match, /^\/: must be a predicate/);
    refuses({ match: 5 }, /^\/match: unknown field/);
  });
});

describe('test', () => {
  table([
    ['test', '/IP/src_addr', '10.0.0.1', true],
    ['test', 'IP/src_addr', '10.0.0.1', true],
    ['test', '/UDP/dst_port', 53, true],
    ['test', '/UDP/dst_port', '53', false],
    ['test', '/labels/on', true, true],
    ['test', '/HTTP/headers/none', null, true],
    ['test', '/HTTP/headers/missing', null, false],
    ['test', '/IP', { dst_addr: '10.0.0.2', src_addr: '10.0.0.1' }, true],
    ['test', '/IP', { src_addr: '10.0.0.1' }, false],
    ['test', '/UDP', { src_port: 1234, toString: 53 }, false],
    ['test', '/HTTP/headers/accept', ['text/plain', 'text/html'], false],
    ['test', '/HTTP/headers/accept', { 0: 'text/html', 1: 'text/plain' }, false],
    ['test', '/labels/user/name', 'bOB', false],
    ['test', '/labels/user/name', 'bOB', true, true],
    ['test', '/labels/user', { groups: ['A', { n: 1 }], name: 'BOB' }, true, true],
    ['test', '/labels/user', { Groups: ['a', { n: 1 }], Name: 'Bob' }, false, true],
  ]);
});

describe('contains', () => {
  table([
    ['contains', '/HTTP/url/path', 'Metrics', true],
    ['contains', '/HTTP/url/path', 'metrics', false],
    ['contains', '/HTTP/url/path', 'metrics', true, true],
    ['contains', '/HTTP/headers/accept', 'text/html', true],
    ['contains', '/HTTP/headers/accept', 'text', false],
    ['contains', '/HTTP/headers/accept', 'TEXT/HTML', true, true],
    ['contains', '/labels/user/groups', { n: 1 }, true],
    ['contains', '/labels/user/groups', { n: 2 }, false],
    ['contains', '/UDP/dst_port', '5', false],
    ['contains', '/labels/port', 5, false],
    ['contains', '/labels/user', 'name', false],
    ['contains', '/missing', '', false],
  ]);
});

describe('starts and ends', () => {
  table([
    ['starts', '/HTTP/url/path', '/Met', true],
    ['starts', '/HTTP/url/path', '/met', false],
    ['starts', '/HTTP/url/path', '/met', true, true],
    ['starts', '/HTTP/url/path', 'Met', false],
    ['starts', '/UDP/src_port', '12', false],
    ['starts', '/missing', '', false],
    ['ends', '/HTTP/url/path', '?x=1', true],
    ['ends', '/HTTP/url/path', '?X=1', false],
    ['ends', '/HTTP/url/path', '?X=1', true, true],
    ['ends', '/HTTP/headers/empty', 'longer than the target', false],
    ['ends', '/HTTP/headers/accept', 'text/plain', false],
    ['ends', '/missing', '', false],
  ]);
});

describe('matches', () => {
  table([
    ['matches', '/IP/src_addr', '0\\.0', true],
    ['matches', '/IP/src_addr', '^10\\.(\\d+\\.){2}1$', true],
    ['matches', '/IP/src_addr', '^0', false],
    ['matches', '/HTTP/url/path', '^/metrics', false],
    ['matches', '/HTTP/url/path', '^/metrics', true, true],
    ['matches', '/HTTP/url/path', '^\\/M', true],
    ['matches', '/UDP/dst_port', '53', false],
    ['matches', '/HTTP/headers/none', 'null', false],
    ['matches', '/missing', '.*', false],
  ]);

  test('says that look-around and back-references are not in its syntax', () => {
    for (const value of ['(?=a)b', '(?!a)b', '(?<=a)b', '(?<!a)b', '(a)\\1']) {
      refuses({ op: 'matches', path: '/a', value }, /^\/value: .*no back-references and no look-around/);
    }
  });

  test('names a pattern that is broken', () => {
    refuses({ op: 'matches', path: '/a', value: '[a-' }, /^\/value: .*missing closing/);
  });

  test('answers for patterns that make backtracking engines run for ever', () => {
    const target = `${'a'.repeat(50_000)}b`;
    for (const value of ['(a+)+$', '^(a|aa)+$', '(.*a){20}c', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
      assert.equal(holds({ op: 'matches', path: '/x', value }, { x: target }), false, value);
    }
    assert.equal(holds({ op: 'matches', path: '/x', value: '(a+)+b$' }, { x: target }), true);
  });
});

describe('in', () => {
  table([
    ['in', '/UDP/dst_port', [52, 53], true],
    ['in', '/UDP/dst_port', ['53'], false],
    ['in', '/IP/src_addr', ['10.0.0.1'], true],
    ['in', '/IP/src_addr', [], false],
    ['in', '/IP', [1, { dst_addr: '10.0.0.2', src_addr: '10.0.0.1' }], true],
    ['in', '/labels/user/name', ['bob'], false],
    ['in', '/labels/user/name', ['bob'], true, true],
    ['in', '/HTTP/headers/none', [null], true],
    ['in', '/missing', [null], false],
  ]);
});

describe('less and more', () => {
  table([
    ['less', '/UDP/dst_port', 54, true],
    ['less', '/UDP/dst_port', 53, false],
    ['less', '/labels/port', 54, false],
    ['less', '/HTTP/headers/none', 1, false],
    ['less', '/missing', 1, false],
    ['more', '/UDP/dst_port', 52.5, true],
    ['more', '/UDP/dst_port', 53, false],
    ['more', '/labels/on', 0, false],
    ['more', '/labels/port', 1, false],
    ['more', '/missing', -1, false],
  ]);
});

describe('cidr', () => {
  table([
    ['cidr', '/IP/src_addr', '10.0.0.0/8', true],
    ['cidr', '/IP/src_addr', '10.0.0.1', true],
    ['cidr', '/IP/src_addr', '::ffff:10.0.0.0/104', true],
    ['cidr', '/IP/src_addr', '10.0.0.2', false],
    ['cidr', '/IP/src_addr', ['192.0.2.0/24', '10.0.0.0/31'], true],
    ['cidr', '/IP/src_addr', ['192.0.2.0/24', '::/0'], false],
    ['cidr', '/IP/src_addr', [], false],
    ['cidr', '/IP', '0.0.0.0/0', false],
    ['cidr', '/UDP/dst_port', '0.0.0.0/0', false],
    ['cidr', '/labels/user/name', ['0.0.0.0/0', '::/0'], false],
    ['cidr', '/missing', '0.0.0.0/0', false],
  ]);

  test('knows IPv4 addresses that are mapped, whatever a rule or a peer has written there', () => {
    const match = { op: 'cidr', path: '/a', value: ['192.0.2.0/24', 'fe80::/10'] };
    for (const a of ['::ffff:192.0.2.1', '::FFFF:C000:0201', 'fe80::1%eth0']) assert.ok(holds(match, { a }), a);
    for (const a of ['192.0.2.1:80', '192.0.2', '192.0.2.1 ', '', null, ['192.0.2.1']]) assert.ok(!holds(match, { a }));
  });

  test('is refused for what is no CIDR, with its place', () => {
    const cidr = (value: unknown) => ({ op: 'cidr', path: '/a', value });
    refuses(cidr(undefined), /^\/value: missing$/);
    refuses(cidr(5), /^\/value: must be an IP address or a CIDR, as a string$/);
    refuses(cidr('10.0.0.0/33'), /^\/value: "10\.0\.0\.0\/33" is not an integer from 0 to 32$/);
    refuses(cidr(['::1', 'localhost']), /^\/value\/1: "localhost" is not an IP address or a CIDR$/);
    refuses(cidr(['::1', null]), /^\/value\/1: must be/);
  });
});

describe('defined, undefined and type', () => {
  table([
    ['defined', '/HTTP/headers/none', undefined, true],
    ['defined', '', undefined, true],
    ['defined', '/', undefined, true],
    ['defined', '/HTTP/headers/x', undefined, false],
    ['defined', '/constructor', undefined, false],
    ['defined', '/__proto__', undefined, false],
    ['defined', '/HTTP/headers/accept/length', undefined, false],
    ['undefined', '/HTTP/headers/none', undefined, false],
    ['undefined', '/HTTP/headers/none/deeper', undefined, true],
    ['undefined', '/IP/src_addr/0', undefined, true],
    ['type', '/UDP/dst_port', 'number', true],
    ['type', '/UDP/dst_port', 'string', false],
    ['type', '/HTTP/headers/none', 'null', true],
    ['type', '/missing', 'null', false],
    ['type', '/missing', 'undefined', true],
    ['type', '/HTTP', 'object', true],
    ['type', '/HTTP/url/path', 'iri', true],
  ]);

  test('a __proto__ key of a peer is plain data', () => {
    const metadata = JSON.parse('{"JSONSocket": {"__proto__": {"admin": true}}}') as Metadata;
    assert.equal(holds({ op: 'test', path: '/JSONSocket/__proto__/admin', value: true }, metadata), true);
    assert.equal(holds({ op: 'defined', path: '/JSONSocket/admin' }, metadata), false);
    assert.equal(holds({ op: 'test', path: '/JSONSocket', value: {} }, metadata), false);
  });
});

describe('and, or and not', () => {
  const yes: Predicate = { op: 'defined', path: '/IP' };
  const no: Predicate = { op: 'undefined', path: '/IP' };

  test('hold for all, some and none of their predicates', () => {
    const answers = (op: string) =>
      [
        [yes, yes],
        [yes, no],
        [no, no],
      ].map((apply) => holds({ op, apply }));
    assert.deepEqual(answers('and'), [true, false, false]);
    assert.deepEqual(answers('or'), [true, true, false]);
    assert.deepEqual(answers('not'), [false, false, true]);
  });

  test('put their path before the paths inside, at every level', () => {
    const inner: Predicate = {
      op: 'or',
      path: 'headers',
      apply: [{ op: 'contains', path: 'accept', value: 'text/html' }],
    };
    const apply: Predicate[] = [{ op: 'starts', path: '/url/path', value: '/M' }, inner];
    assert.equal(holds({ op: 'and', path: '/HTTP', apply }), true);
    assert.equal(holds({ op: 'and', path: '/IP', apply }), false);
    assert.equal(holds({ op: 'and', path: '/', apply: [{ op: 'and', path: '/HTTP', apply }] }), true);
  });

  test('lend their path to predicates that have none', () => {
    const apply: Predicate[] = [
      { op: 'type', value: 'string' },
      { op: 'contains', value: 'Metrics' },
    ];
    assert.equal(holds({ op: 'and', path: '/HTTP/url/path', apply }), true);
    assert.equal(holds({ op: 'and', path: '/HTTP/url', apply }), false);
  });

  test('look under a path that leads nowhere', () => {
    assert.equal(holds({ op: 'and', path: '/TLS', apply: [{ op: 'undefined', path: '/servername' }] }), true);
    assert.equal(holds({ op: 'not', path: '/TLS', apply: [{ op: 'defined', path: '/servername' }] }), true);
  });

  test('nest as in the example of l7mp 0.5', () => {
    const match = {
      op: 'or',
      apply: [
        {
          op: 'not',
          apply: [
            { op: 'undefined', path: '/IP' },
            { op: 'starts', path: '/IP/src_addr', value: '11.' },
          ],
        },
        {
          op: 'or',
          apply: [
            { op: 'defined', path: '/TCP' },
            { op: 'type', path: '/UDP', value: 'number' },
          ],
        },
      ],
    };
    assert.equal(holds(match), true);
    assert.equal(holds(match, { IP: { src_addr: '11.1.1.1' } }), false);
    assert.equal(holds(match, { TCP: {} }), true);
  });
});

describe('a wrong predicate is refused with its place', () => {
  const inside = (part: unknown) => ({ op: 'and', apply: [{ op: 'defined', path: '/a' }, part] });

  test('for its operation', () => {
    refuses(inside({ op: 'foo', path: '/a' }), /^\/apply\/1\/op: unknown operation "foo"$/);
    refuses({ op: 'Starts', path: '/a', value: 'x' }, /^\/op: unknown operation "Starts"; did you mean starts\?$/);
    refuses({ op: 'constructor', path: '/a' }, /^\/op: unknown operation "constructor"$/);
    refuses({ path: '/a', value: 1 }, /^\/op: missing$/);
    refuses({ op: 5 }, /^\/op: must be a string$/);
  });

  test('for its path', () => {
    refuses(inside({ op: 'defined' }), /^\/apply\/1\/path: missing$/);
    refuses(inside({ op: 'defined', path: 7 }), /^\/apply\/1\/path: must be a string$/);
    refuses(inside({ op: 'defined', path: '/a~' }), /^\/apply\/1\/path: "\/a~" has a "~"/);
  });

  test('for its value', () => {
    for (const op of ['test', 'contains', 'starts', 'ends', 'matches', 'in', 'less', 'more', 'type']) {
      refuses(inside({ op, path: '/a' }), /^\/apply\/1\/value: missing$/);
    }
    for (const op of ['starts', 'ends', 'matches', 'type']) {
      refuses({ op, path: '/a', value: 5 }, /^\/value: must be a string$/);
    }
    for (const op of ['less', 'more']) refuses({ op, path: '/a', value: '5' }, /^\/value: must be a number$/);
    refuses({ op: 'in', path: '/a', value: 'abc' }, /^\/value: must be an array$/);
    refuses({ op: 'type', path: '/a', value: 'integer' }, /^\/value: unknown type "integer", expected one of number,/);
  });

  test('for its list of predicates', () => {
    for (const op of ['and', 'or', 'not']) {
      refuses(inside({ op }), /^\/apply\/1\/apply: missing$/);
      refuses({ op, apply: [] }, /^\/apply: must be a list of at least one predicate$/);
      refuses({ op, apply: { op: 'defined', path: '/a' } }, /^\/apply: must be a list/);
      refuses({ op, apply: ['*'] }, /^\/apply\/0: must be a predicate$/);
    }
  });

  test('for fields that there are not', () => {
    refuses(
      inside({ op: 'test', path: '/a', value: 1, ignorecase: true }),
      /^\/apply\/1\/ignorecase: unknown field; did you mean ignore_case\?$/,
    );
    refuses(JSON.parse('{"op": "defined", "path": "/a", "__proto__": {}}'), /^\/__proto__: unknown field$/);
    refuses({ op: 'test', path: '/a', value: 1, ignore_case: 'yes' }, /^\/ignore_case: must be a boolean$/);
  });

  test('for being nested too deep', () => {
    const nested = (levels: number): Predicate =>
      levels === 1 ? { op: 'defined', path: '/IP' } : { op: 'and', apply: [nested(levels - 1)] };
    assert.equal(holds(nested(MAX_DEPTH)), true);
    refuses(nested(MAX_DEPTH + 1), /^(\/apply\/0){63}\/apply: nested deeper than 64$/);
    const value = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000));
    for (const op of ['test', 'contains']) refuses({ op, path: '/a', value }, /^\/value: nested deeper than 64$/);
    assert.equal(holds({ op: 'test', path: '/a', value: [[]] }, { a: value }), false);
  });
});

test('an operation is added by one entry of the table', () => {
  const longer = { ...OPERATIONS, longer: () => (target: Json | undefined) => String(target).length > 8 };
  const match = { op: 'longer', path: '/IP/src_addr' };
  assert.equal(compilePredicate(match, longer)(METADATA), false);
  assert.equal(compilePredicate({ op: 'not', apply: [match] }, longer)(METADATA), true);
  refuses(match, /^\/op: unknown operation "longer"$/);
});

test('regular expressions are bounded in their length, and in what they cost together', () => {
  const pattern = (value: string): Predicate => ({ op: 'matches', path: '/a', value });
  const refuses = (match: Predicate, message: string): void => {
    assert.throws(() => compilePredicate(match, OPERATIONS, new Patterns(MAX_INSTRUCTIONS)), {
      code: 'E_INVALID',
      message,
    });
  };
  refuses(pattern('a'.repeat(2049)), '/value: longer than 2048 characters');
  assert.equal(compilePredicate(pattern('a'.repeat(2048)))({ a: 'a'.repeat(2048) }), true);
  const parts = Array.from({ length: 10_000 }, (_, n) => pattern(`${n}x{999}`));
  refuses(
    { op: 'or', apply: parts },
    '/apply/200/value: too many regular expressions, or too large ones, in one request',
  );
  const small = Array.from({ length: 5_000 }, (_, n) => pattern(`^/path/${n}$`));
  const bounded = compilePredicate({ op: 'or', apply: small }, OPERATIONS, new Patterns(MAX_INSTRUCTIONS));
  assert.equal(bounded({ a: '/path/77' }), true);
});

test('a field or an operation that is not known is named with the one that was meant', () => {
  const refuses = (match: object, message: string): void => {
    assert.throws(() => compilePredicate(match as Predicate), { code: 'E_INVALID', message });
  };
  refuses({ op: 'tset', path: '/a', value: 1 }, '/op: unknown operation "tset"; did you mean test?');
  refuses({ op: 'adn', apply: [] }, '/op: unknown operation "adn"; did you mean and?');
  refuses({ op: 'test', paht: '/a', value: 1 }, '/paht: unknown field; did you mean path?');
});
