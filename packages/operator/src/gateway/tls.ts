/** Listeners of protocol TLS that share a port, as one listener of the proxy: its certificates, and which route has which name. */
import type { RuleSpec } from '../resources/objects.ts';
import type { AttachedListener } from './attachment.ts';
import type { Certificate } from './certificates.ts';

type Predicate = Readonly<Record<string, unknown>>;

/** `tls` of the proxy's listener. */
export function tlsOf(views: readonly AttachedListener[]): object {
  const ordered = bySpecificity(views);
  // For clients that ask for no name, or another one: that of the listener that takes most of them.
  const [fallback] = ordered.at(-1)?.certificates ?? [];
  // One that terminates is open by its certificate alone.
  if (!fallback) return { mode: 'passthrough' };
  const { cert, key } = fallback;
  const named = namesOf(ordered);
  const others = Map.groupBy(named.keys(), (name) => named.get(name) as Certificate);
  if ([...others.keys()].every((certificate) => certificate.cert === cert)) return { cert, key };
  const certificates = Array.from(others, ([one, servernames]) => ({ servernames, cert: one.cert, key: one.key }));
  return { cert, key, certificates };
}

/** What a listener, by itself, has for a name is its first certificate for it; then comes the first one at all. */
function namesOf(ordered: readonly AttachedListener[]): Map<string, Certificate> {
  const named = new Map<string, Certificate>();
  const claim = (name: string, certificate: Certificate): void => {
    if (!named.has(name)) named.set(name, certificate);
  };
  for (const { listener, certificates } of ordered) {
    const hostname = listener.hostname?.toLowerCase();
    for (const certificate of certificates) {
      for (const name of certificate.servernames) if (isWithin(name, hostname)) claim(name, certificate);
    }
    const [first] = certificates;
    if (hostname && first) claim(hostname, first);
  }
  return named;
}

function isWithin(name: string, hostname: string | undefined): boolean {
  if (!hostname || name === hostname) return true;
  return hostname.startsWith('*.') && name.endsWith(hostname.slice(1));
}

/** The rules of all of them. A name whose listener has no route is refused, and not for a listener that takes more names. */
export function rulesOf(
  views: readonly AttachedListener[],
  actionOf: (view: AttachedListener) => RuleSpec['action'] | undefined,
): RuleSpec[] {
  const refused: Predicate[] = [];
  return bySpecificity(views).flatMap((view): RuleSpec[] => {
    const own = matchOf(view);
    const action = actionOf(view);
    if (!action) {
      if (own) refused.push(own);
      return [];
    }
    const all = [...(own ? [own] : []), ...(refused.length ? [{ op: 'not', apply: [...refused] }] : [])];
    const [only] = all;
    if (!only) return [{ action }];
    return [{ match: all.length === 1 ? only : { op: 'and', apply: all }, action }];
  });
}

/** Names of hosts are compared without regard to case; `*.` stands for one or more labels. */
function matchOf({ listener: { hostname } }: AttachedListener): Predicate | undefined {
  if (!hostname) return undefined;
  const isWild = hostname.startsWith('*.');
  const value = isWild ? hostname.slice(1) : hostname;
  return { op: isWild ? 'ends' : 'test', path: '/TLS/servername', value, ignore_case: true };
}

/** A name comes before wildcards, the longer of these before the shorter, and whoever takes all comes last. */
function bySpecificity(views: readonly AttachedListener[]): AttachedListener[] {
  const rank = ({ listener: { hostname = '' } }: AttachedListener): number => {
    return hostname === '' || !hostname.startsWith('*.') ? (hostname ? Infinity : -1) : hostname.length;
  };
  return [...views].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a)));
}
