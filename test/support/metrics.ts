/** What a proxy's metrics say. */
import { listener, request } from './proxy.ts';

/** A listener for them. */
export const metricsAt = (port: number): object =>
  listener(
    'metrics',
    { protocol: 'HTTP', port, address: '127.0.0.1' },
    { destination: { spec: { protocol: 'Prometheus' } } },
  );

/** What a listener has rejected so far, by reason; `port`: of the listener for metrics. */
export async function rejectsOf(port: number, name: string): Promise<Record<string, number>> {
  const { text } = await request({ port, path: '/metrics' });
  const pattern = new RegExp(`^listener_rejects_total\\{listenerName="${name}",[^}]*reason="([^"]+)"\\} (\\d+)`, 'gm');
  return Object.fromEntries([...text.matchAll(pattern)].map(([, reason, count]) => [reason as string, Number(count)]));
}
