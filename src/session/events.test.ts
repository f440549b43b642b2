import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from './events.ts';

test('events are shown with their texts, in order, with the times at which they came', () => {
  const before = Date.now();
  const log = new EventLog();
  log.add('INIT', 'l');
  log.add('LOOKUP SUCCESS', 'r');
  log.add('CONNECT', 'all stages are connected');
  log.add('DESTROY', '');
  const view = log.view();
  assert.deepEqual(
    view.map(({ event, message, content }) => [event, message, content]),
    [
      ['INIT', 'new session from listener l', ''],
      ['LOOKUP SUCCESS', 'route r', ''],
      ['CONNECT', 'all stages are connected', ''],
      ['DESTROY', '', ''],
    ],
  );
  const times = view.map(({ timestamp }) => Date.parse(timestamp));
  assert.equal(times[0], log.started);
  assert.ok(before <= log.started && times.every((time) => log.started <= time && time <= Date.now()));
});

test('of very many events the first and the latest are kept, and it is said how many are not', () => {
  const log = new EventLog();
  for (let n = 0; n < 100; n++) log.add('ERROR', String(n));
  const view = log.view();
  const kept = [...Array(16).keys(), ...Array.from({ length: 48 }, (_, n) => 52 + n)];
  assert.deepEqual(
    view.map(({ message }) => message),
    kept.map(String),
  );
  const notes = view.flatMap(({ content }, n) => (content ? [[n, content]] : []));
  assert.deepEqual(notes, [[16, '36 earlier events are not kept']]);
});
