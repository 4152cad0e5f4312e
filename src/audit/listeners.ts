// In-process listeners: each gets committed events at least once, from a cursor in the database, on one node at a time.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Log } from '../platform/telemetry/log.ts';
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
  /** An event is being written on this node: whoever wants it looks soon rather than at the next poll. */
  wake(type: EventType): void;
  start(): void;
  stop(): Promise<void>;
}

interface Subscription {
  listener: Listener;
  since: Date;
  running: Promise<void> | undefined;
  again: boolean;
  wakeTimer: NodeJS.Timeout | undefined;
  /** Said in the log once, until it is served again. */
  unserved: boolean;
}

const POLL_MILLISECONDS = 1000;
/** Long enough for the transaction of a recorded event to end, and for a thousand tokens to cause one look. */
const WAKE_MILLISECONDS = 100;
const BATCH = 500;
const LEASE_SECONDS = 15;
const LONGEST_PAUSE_SECONDS = 300;
/** How long stop() waits for listeners that are at work; their lease passes to another node anyway. */
const STOP_MILLISECONDS = 5000;
/** The cursor of a listener that nothing interests is moved only now and then: moving it is a write. */
const STALE_TRANSACTIONS = 100n;

export function createListeners(deps: { db: Db; clock: Clock; log: Log }): Listeners {
  const { db, log } = deps;
  const node = randomUUID();
  const subscriptions: Subscription[] = [];
  let timer: NodeJS.Timeout | undefined;
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
      subscription.unserved = false;
    } catch (error) {
      // The database is away: the next poll tries again.
      const { name } = subscription.listener;
      if (!subscription.unserved)
        log.warn('an audit listener could not be served', { listener: name, error });
      subscription.unserved = true;
    } finally {
      subscription.running = undefined;
    }
  }

  // Each listener has its own run, so that a slow one holds up nobody else.
  function look(subscription: Subscription): void {
    if (subscription.running === undefined) subscription.running = deliverAll(subscription);
    else subscription.again = true;
  }

  function lookSoon(subscription: Subscription): void {
    subscription.wakeTimer ??= setTimeout(() => {
      subscription.wakeTimer = undefined;
      look(subscription);
    }, WAKE_MILLISECONDS);
  }

  return {
    add(listener) {
      if (subscriptions.some((known) => known.listener.name === listener.name)) {
        throw new Error(`there is an audit listener '${listener.name}' already`);
      }
      const since = deps.clock.now();
      subscriptions.push({
        listener,
        since,
        running: undefined,
        again: false,
        wakeTimer: undefined,
        unserved: false,
      });
    },
    wake(type) {
      if (timer === undefined) return;
      for (const subscription of subscriptions) {
        if (wants(subscription.listener, type)) lookSoon(subscription);
      }
    },
    start() {
      stopped = false;
      timer = setInterval(() => subscriptions.forEach(look), POLL_MILLISECONDS);
      subscriptions.forEach(look);
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      timer = undefined;
      for (const subscription of subscriptions) {
        clearTimeout(subscription.wakeTimer);
        subscription.wakeTimer = undefined;
      }
      await withinLimit(Promise.all(subscriptions.map(({ running }) => running)));
    },
  };
}

function wants({ types }: Listener, type: EventType): boolean {
  return types === 'all' || types.includes(type);
}

async function withinLimit(work: Promise<unknown>): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const limited = new Promise((resolve) => {
    limit = setTimeout(resolve, STOP_MILLISECONDS);
  });
  await Promise.race([work, limited]);
  clearTimeout(limit);
}
