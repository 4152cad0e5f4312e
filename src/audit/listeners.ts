// In-process listeners: each gets committed events at least once, from a cursor in the database, on one node at a time.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Db } from '../platform/postgres.ts';
import type { EventType } from '../vocabulary/events.ts';
import * as cursors from './cursors.ts';
import type { AuditEvent } from './schema.ts';

export interface Listener {
  /** Names its cursor: stable over releases. */
  name: string;
  types: readonly EventType[] | 'all';
  /** May see an event again after a crash or its own failure. Failing retries with growing pauses and skips nothing. */
  run(events: AuditEvent[]): Promise<void>;
}

export interface Listeners {
  add(listener: Listener): void;
  /** Something was written: look now rather than at the next poll. */
  wake(afterMilliseconds: number): void;
  start(): void;
  stop(): Promise<void>;
}

interface Subscription {
  listener: Listener;
  since: Date;
  running: Promise<void> | undefined;
  again: boolean;
}

const POLL_MILLISECONDS = 1000;
const BATCH = 500;
const LEASE_SECONDS = 15;
const LONGEST_PAUSE_SECONDS = 300;
/** How long stop() waits for listeners that are at work; their lease passes to another node anyway. */
const STOP_MILLISECONDS = 5000;
/** The cursor of a listener that nothing interests is moved only now and then: moving it is a write. */
const STALE_TRANSACTIONS = 1000n;

export function createListeners(deps: { db: Db; clock: Clock; log: Log }): Listeners {
  const { db, log } = deps;
  const node = randomUUID();
  const subscriptions: Subscription[] = [];
  let timer: NodeJS.Timeout | undefined;
  let wakeTimer: NodeJS.Timeout | undefined;
  let stopped = false;

  /** True when there may be more to deliver right away. */
  async function deliverOnce({ listener, since }: Subscription): Promise<boolean> {
    const cursor = await cursors.readCursor(db, listener.name, since);
    if (!cursor.free) return false;
    const batch = await cursors.readAfter(db, cursor, listener.types, BATCH);
    if (batch.events.length === 0) {
      const stale = BigInt(cursor.horizon) - BigInt(cursor.transactionId) > STALE_TRANSACTIONS;
      if (stale || cursor.restored) await cursors.skipTo(db, listener.name, cursor, batch.next);
      return cursor.restored;
    }
    if (!(await cursors.claim(db, listener.name, cursor, node, LEASE_SECONDS))) return false;
    if (!(await runUnderLease(listener, batch.events))) return false;
    const saved = await cursors.finish(db, listener.name, node, batch.next);
    return saved && batch.full;
  }

  async function runUnderLease(listener: Listener, events: AuditEvent[]): Promise<boolean> {
    const renewal = setInterval(() => {
      cursors.renew(db, listener.name, node, LEASE_SECONDS).catch((error: unknown) => {
        log.warn('the lease of an audit listener could not be renewed', { listener: listener.name, error });
      });
    }, LEASE_SECONDS * 300);
    try {
      await listener.run(events);
      return true;
    } catch (error) {
      const pauseSeconds = await cursors.fail(db, listener.name, node, LONGEST_PAUSE_SECONDS);
      log.error('an audit listener failed and will be retried', {
        listener: listener.name,
        pauseSeconds,
        error,
      });
      return false;
    } finally {
      clearInterval(renewal);
    }
  }

  async function deliverAll(subscription: Subscription): Promise<void> {
    try {
      let more = true;
      while (!stopped && (more || subscription.again)) {
        subscription.again = false;
        more = await deliverOnce(subscription);
      }
    } catch (error) {
      // The database is away: the next poll tries again.
      log.warn('an audit listener could not be served', { listener: subscription.listener.name, error });
    } finally {
      subscription.running = undefined;
    }
  }

  // Each listener has its own run, so that a slow one holds up nobody else.
  function look(): void {
    for (const subscription of subscriptions) {
      if (subscription.running === undefined) subscription.running = deliverAll(subscription);
      else subscription.again = true;
    }
  }

  return {
    add(listener) {
      if (subscriptions.some((known) => known.listener.name === listener.name)) {
        throw new Error(`there is an audit listener '${listener.name}' already`);
      }
      subscriptions.push({ listener, since: deps.clock.now(), running: undefined, again: false });
    },
    wake(afterMilliseconds) {
      if (timer === undefined || wakeTimer !== undefined || subscriptions.length === 0) return;
      wakeTimer = setTimeout(() => {
        wakeTimer = undefined;
        look();
      }, afterMilliseconds);
    },
    start() {
      stopped = false;
      timer = setInterval(look, POLL_MILLISECONDS);
      look();
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      clearTimeout(wakeTimer);
      timer = undefined;
      wakeTimer = undefined;
      await withinLimit(Promise.all(subscriptions.map(({ running }) => running)));
    },
  };
}

async function withinLimit(work: Promise<unknown>): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const limited = new Promise((resolve) => {
    limit = setTimeout(resolve, STOP_MILLISECONDS);
  });
  await Promise.race([work, limited]);
  clearTimeout(limit);
}
