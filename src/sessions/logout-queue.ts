// Tells clients that sessions ended (OpenID Connect Back-Channel Logout 1.0): at once, and again with growing pauses for a
// day. The notices are rows that were written with the end of the session; any node takes any of them.
import type { Audit } from '../audit/audit.ts';
import { pauseSeconds } from '../lib/sending/pauses.ts';
import type { SentLogout } from '../oidc/oidc.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import { createPoller } from '../platform/jobs/poller.ts';
import type { Log } from '../platform/telemetry/log.ts';
import * as store from './logout-store.ts';

export interface LogoutQueue {
  /** Something was, or is about to be, written: looks soon rather than at the next poll. */
  wake(): void;
  start(): void;
  /** Takes nothing new and waits for the attempts under way, each of which has a short time limit. */
  stop(): Promise<void>;
}

export interface LogoutQueueDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  log: Log;
  /** One attempt, with a fresh token; it never rejects. */
  send: (notice: store.Notice) => Promise<SentLogout>;
}

/** Long enough for the transaction that wrote the notice to end, and for many ended attempts to cause one look. */
const WAKE_MILLISECONDS = 25;
const PARALLEL = 32;
/** So that a client that hangs leaves the others their turns; one that has just failed gets a single one. */
const PARALLEL_PER_CLIENT = 8;

export function createLogoutQueue(deps: LogoutQueueDeps): LogoutQueue {
  const { postgres, log } = deps;
  const underWay = new Map<string, Promise<void>>();
  const perClient = new Map<string, number>();
  const failing = new Set<string>();
  const poller = createPoller({ wakeMilliseconds: WAKE_MILLISECONDS, look });
  let unreadable = false;

  const limitOf = (clientId: string) => (failing.has(clientId) ? 1 : PARALLEL_PER_CLIENT);

  async function look(): Promise<void> {
    const free = PARALLEL - underWay.size;
    if (free <= 0) return;
    const busy = [...perClient].filter(([id, count]) => count >= limitOf(id)).map(([id]) => id);
    const act = { limit: free, perClient: PARALLEL_PER_CLIENT, busy, failing: [...failing] };
    try {
      for (const notice of await store.takeNotices(postgres.db, act)) begin(notice);
      unreadable = false;
    } catch (error) {
      if (!unreadable) log.warn('logout notices cannot be read', { error });
      unreadable = true;
    }
  }

  function begin(notice: store.TakenNotice): void {
    const { id, clientId } = notice;
    perClient.set(clientId, (perClient.get(clientId) ?? 0) + 1);
    const attempt = deliver(deps, notice)
      .then((delivered) => {
        if (delivered) failing.delete(clientId);
        else failing.add(clientId);
      })
      .catch((error: unknown) =>
        // Its lease runs out, and then it is sent again: better twice than never.
        log.warn('what became of a logout notice could not be written', { clientId, error }),
      )
      .finally(() => {
        underWay.delete(id);
        const left = (perClient.get(clientId) ?? 1) - 1;
        if (left === 0) perClient.delete(clientId);
        else perClient.set(clientId, left);
        poller.wake();
      });
    underWay.set(id, attempt);
  }

  return {
    wake: poller.wake,
    start: poller.start,
    async stop() {
      await poller.stop();
      await Promise.all(underWay.values());
    },
  };
}

/** One attempt and what it leaves behind; false when the client has to be asked again. */
async function deliver(deps: LogoutQueueDeps, notice: store.TakenNotice): Promise<boolean> {
  const { postgres, log } = deps;
  const sent = await deps.send(notice);
  if (sent.kind === 'not_wanted') {
    await store.deleteNotice(postgres.db, notice.id);
    return true;
  }
  if (sent.kind === 'delivered') {
    await postgres.transaction(async (trx) => {
      if (await store.markDelivered(trx, notice.id)) await tell(deps, trx, notice, { outcome: 'success' });
    });
    return true;
  }
  const delaySeconds = pauseSeconds(notice.attempts);
  await postgres.transaction(async (trx) => {
    const state = await store.markFailed(trx, notice.id, { reason: sent.reason, delaySeconds });
    if (state === undefined) return;
    const details = { clientId: notice.clientId, reason: sent.reason, attempts: notice.attempts };
    log.warn('a client could not be told that a session ended', { ...details, givenUp: state === 'failed' });
    // The first failure and the last one: a client that is away for a day must not fill the ledger.
    if (state === 'failed' || notice.attempts === 1)
      await tell(deps, trx, notice, { outcome: 'failure', reason: sent.reason, givenUp: state === 'failed' });
  });
  return false;
}

async function tell(
  deps: LogoutQueueDeps,
  trx: Postgres['db'],
  notice: store.TakenNotice,
  how: { outcome: 'success' } | { outcome: 'failure'; reason: string; givenUp: boolean },
): Promise<void> {
  await deps.audit.record(trx, {
    type: how.outcome === 'success' ? 'backchannel-logout.delivered' : 'backchannel-logout.failed',
    actor: { kind: 'system', id: null },
    outcome: how.outcome,
    accountId: notice.accountId,
    clientId: notice.clientId,
    ...(how.outcome === 'failure' ? { reason: how.reason } : {}),
    details: {
      sid: notice.sid,
      attempts: notice.attempts,
      ...(how.outcome === 'failure' ? { givenUp: how.givenUp } : {}),
    },
  });
}
