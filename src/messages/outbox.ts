// Sends what is written in the outbox: at once, and again with growing pauses. Messages are rows that were written with what
// they tell of; any node takes any of them.
import type { Audit } from '../audit/audit.ts';
import { pauseSeconds } from '../lib/sending/pauses.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import { createPoller } from '../platform/jobs/poller.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Channel } from './schema.ts';
import type { Sent } from './senders/sender.ts';
import * as store from './store.ts';

export interface Outbox {
  /** Something was written: looks now rather than at the next poll. */
  wake(): void;
  start(): void;
  /** Takes nothing new and waits for the attempts under way, each of which has a time limit. */
  stop(): Promise<void>;
}

export interface OutboxDeps {
  /** Each has an outbox of its own: a mail server that hangs holds up no text message. */
  channel: Channel;
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  log: Log;
  /** One attempt; it never rejects. */
  send: (message: store.TakenMessage) => Promise<Sent>;
  /** What is left of what a message said, once it is sent. */
  emptied: (id: string) => Buffer;
}

/** For many messages of one moment to be one look. */
const WAKE_MILLISECONDS = 5;
const PARALLEL = 16;

export function createOutbox(deps: OutboxDeps): Outbox {
  const { postgres, log } = deps;
  const underWay = new Set<Promise<void>>();
  const poller = createPoller({ wakeMilliseconds: WAKE_MILLISECONDS, look });
  let unreadable = false;

  async function look(): Promise<void> {
    const free = PARALLEL - underWay.size;
    if (free <= 0) return;
    try {
      for (const message of await store.takeMessages(postgres.db, deps.channel, free)) begin(message);
      unreadable = false;
    } catch (error) {
      if (!unreadable) log.warn('the outbox cannot be read', { error });
      unreadable = true;
    }
  }

  function begin(message: store.TakenMessage): void {
    const attempt: Promise<void> = deliver(deps, message)
      .catch((error: unknown) =>
        // Its lease runs out, and then it is sent again: better twice than never.
        log.warn('what became of a message could not be written', { id: message.id, error }),
      )
      .finally(() => {
        underWay.delete(attempt);
        poller.wake();
      });
    underWay.add(attempt);
  }

  return {
    wake: poller.wake,
    start: poller.start,
    async stop() {
      await poller.stop();
      await Promise.all(underWay);
    },
  };
}

/** One attempt and what it leaves behind. */
async function deliver(deps: OutboxDeps, taken: store.TakenMessage): Promise<void> {
  const { postgres, audit, log } = deps;
  const sent = await deps.send(taken);
  if (sent.kind === 'sent') return store.markSent(postgres.db, taken.id, deps.emptied(taken.id));
  await postgres.transaction(async (trx) => {
    const act = { reason: sent.reason, final: sent.final, delaySeconds: pauseOf(sent, taken.attempts) };
    const state = await store.markFailed(trx, taken, act);
    if (state === undefined) return;
    const { id, channel, template, accountId, attempts } = taken;
    const details = { channel, template, attempts };
    // The first failure and the last one: a mail server that is away for a day must not fill the log, nor the ledger.
    if (state === 'failed' || attempts === 1)
      log.warn('a message was not sent', {
        id,
        ...details,
        reason: sent.reason,
        givenUp: state === 'failed',
      });
    if (state !== 'failed') return;
    await audit.record(trx, {
      type: 'message.failed',
      actor: { kind: 'system', id: null },
      outcome: 'failure',
      accountId,
      target: { kind: 'message', id },
      reason: sent.reason,
      details,
    });
  });
}

function pauseOf(sent: Sent & { kind: 'failed' }, attempts: number): number {
  return Math.max(pauseSeconds(attempts), sent.retryAfterSeconds ?? 0);
}
