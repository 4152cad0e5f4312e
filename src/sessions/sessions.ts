// Signed-in browsers: list them, end one or all of an account, and tell the apps that took part.
import type { Actor, Audit } from '../audit/audit.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { BrowserSession, EndedParticipant, Oidc } from '../oidc/oidc.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';

export interface Sessions {
  list(filter: { accountId?: string }, page: PageRequest): Promise<Page<BrowserSession>>;
  /** With the grants and tokens that end at sign-out. Throws session_not_found. */
  end(id: string, by: Actor): Promise<void>;
  /** Answers how many were ended. */
  endAll(accountId: string, by: Actor): Promise<number>;
}

const BATCH = 100;

export function createSessions(deps: {
  postgres: Postgres;
  audit: Audit;
  oidc: Pick<Oidc, 'state' | 'tellSessionEnded'>;
}): Sessions {
  const { postgres, audit, oidc } = deps;

  /** False when there is no such session (any more). */
  async function endOne(id: string, by: Actor): Promise<boolean> {
    const participants = await postgres.transaction(async (trx) => {
      const session = await oidc.state.findSession(trx, id);
      const ended = session && (await oidc.state.endSession(trx, id));
      if (!session || !ended) return undefined;
      await audit.record(trx, {
        type: 'session.ended',
        actor: by,
        outcome: 'success',
        accountId: session.accountId,
        target: { kind: 'session', id },
        reason: 'ended_by_operator',
      });
      return ended;
    });
    await Promise.all((participants ?? []).map(tell));
    return participants !== undefined;
  }

  async function tell(participant: EndedParticipant): Promise<void> {
    const outcome = await oidc.tellSessionEnded(participant);
    if (outcome === 'not_wanted') return;
    await audit.append({
      type: outcome === 'delivered' ? 'backchannel-logout.delivered' : 'backchannel-logout.failed',
      actor: { kind: 'system', id: null },
      outcome: outcome === 'delivered' ? 'success' : 'failure',
      accountId: participant.accountId,
      clientId: participant.clientId,
    });
  }

  return {
    async list(filter, page) {
      const after = page.cursor === null ? null : decodeCursor(page.cursor, 1)?.[0];
      if (after === undefined)
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      const rows = await oidc.state.listSessions(filter, after, page.limit + 1);
      return pageOf(rows, page.limit, (session) => [session.id]);
    },

    async end(id, by) {
      if (!(await endOne(id, by))) throw failure('session_not_found');
    },

    async endAll(accountId, by) {
      let ended = 0;
      for (;;) {
        const batch = await oidc.state.listSessions({ accountId }, null, BATCH);
        if (batch.length === 0) return ended;
        for (const session of batch) if (await endOne(session.id, by)) ended += 1;
      }
    },
  };
}
