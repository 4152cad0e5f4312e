// Counting the refusals of callers that proved nothing, in memory, so that no stranger decides how much we write.
import { addressPrefix, normalizeAddress } from '../lib/ip.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { RefusalKind } from '../vocabulary/events.ts';
import type { RefusalCount } from './schema.ts';
import { addRefusals } from './store.ts';

export interface Refusals {
  count(kind: RefusalKind, reason: string, address: string | null): void;
  flush(): Promise<void>;
}

/** With this many (kind, reason, network) in one minute the next ones share the network `other`. */
const MAX_KEYS_PER_MINUTE = 200;
/** Counts kept while the database is away; older minutes beyond it are dropped, with a line in the log. */
const MAX_UNWRITTEN = 5000;
const MINUTE = 60_000;

export function createRefusals(deps: { db: Db; clock: Clock; log: Log }): Refusals {
  const unwritten = new Map<string, RefusalCount>();
  const keysOfMinute = new Set<string>();
  let minute = 0;

  function add(entry: RefusalCount): void {
    const key = keyOf(entry);
    const known = unwritten.get(key);
    if (known !== undefined) known.count += entry.count;
    else unwritten.set(key, entry);
  }

  function currentMinute(): number {
    const now = Math.floor(deps.clock.now().getTime() / MINUTE) * MINUTE;
    if (now !== minute) {
      minute = now;
      keysOfMinute.clear();
    }
    return minute;
  }

  function dropBeyondLimit(): void {
    const excess = unwritten.size - MAX_UNWRITTEN;
    if (excess <= 0) return;
    for (const key of [...unwritten.keys()].slice(0, excess)) unwritten.delete(key);
    deps.log.warn('counts of refused requests were dropped, the database was away too long', { excess });
  }

  return {
    count(kind, reason, address) {
      const entry = { minute: new Date(currentMinute()), kind, reason: shortReason(reason), count: 1 };
      const told = { ...entry, network: networkOf(address) };
      const fits = keysOfMinute.size < MAX_KEYS_PER_MINUTE || keysOfMinute.has(keyOf(told));
      if (fits) keysOfMinute.add(keyOf(told));
      // Reasons come from our code; should one ever carry a stranger's text, it is merged here too.
      add(fits ? told : { ...entry, reason: 'any', network: 'other' });
    },
    async flush() {
      if (unwritten.size === 0) return;
      const counts = [...unwritten.values()];
      unwritten.clear();
      try {
        await addRefusals(deps.db, counts);
      } catch (error) {
        for (const entry of counts) add(entry);
        dropBeyondLimit();
        deps.log.warn('counts of refused requests could not be written, trying again later', { error });
      }
    },
  };
}

function keyOf({ minute, kind, reason, network }: RefusalCount | Omit<RefusalCount, 'count'>): string {
  return `${minute.getTime()} ${kind} ${network} ${reason}`;
}

function shortReason(reason: string): string {
  return reason
    .toWellFormed()
    .replaceAll(/[^\x20-\x7e]/g, ' ')
    .slice(0, 80);
}

/** The network that an address stands for: what one attacker can easily vary is cut off. */
export function networkOf(address: string | null): string {
  const plain = normalizeAddress(address ?? '');
  if (plain === undefined) return 'unknown';
  return plain.includes(':') ? addressPrefix(plain) : `${plain.split('.').slice(0, 3).join('.')}.0/24`;
}
