// The ends of sessions, grants and tokens outside the protocol: of one session, one grant, an account, a client, everybody.
// Who took part in an ended session is noted in the same transaction, to be told.
import type { AccountId, ClientId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Sealing } from './adapter/sealing.ts';
import {
  clientsColumn,
  type EndedParticipant,
  endingGrants,
  grantsOf,
  participantsOf,
  type SessionClient,
} from './adapter/session-clients.ts';
import { removeConsents } from './consent/consents.ts';
import type { Cutoffs } from './cutoffs.ts';

/** What is to end: all of an account, of a client, of a client for one account, or everything. */
export type EndScope = { accountId?: string; clientId?: string } | 'everyone';

export const endKinds = ['sessions', 'grants', 'tokens', 'transients'] as const;
export type EndKind = (typeof endKinds)[number];

export interface Ends {
  /** Sessions, grants, tokens, codes and remembered consent of an account; in the caller's transaction. */
  endAccount(trx: Db, accountId: AccountId): Promise<void>;
  /** All of that but one session, with what was granted in it: the one in which the person is right now. */
  endOthers(trx: Db, accountId: AccountId, sessionId: string): Promise<void>;
  /** The same for a client that is removed: what was granted to it, by everybody. It is told nothing any more. */
  endClient(trx: Db, clientId: ClientId): Promise<void>;
  /** One session and what was granted in it; whose it was, undefined when there is no such session. */
  endSession(trx: Db, id: string): Promise<{ accountId: string } | undefined>;
  /** One grant with what was issued from it; undefined when there is no such grant. */
  endGrant(trx: Db, id: string): Promise<{ accountId: string; clientId: string } | undefined>;
  /** From now on, what was issued or signed in before is over; consent for a client of one account is forgotten. */
  beginEnd(trx: Db, scope: EndScope, at: Date): Promise<void>;
  /** Up to `limit` of one kind from before `at`; none is left when it answers 0. */
  endSome(trx: Db, kind: EndKind, batch: EndBatch): Promise<Ended>;
}

export interface EndBatch {
  readonly scope: EndScope;
  readonly at: Date;
  readonly limit: number;
  /** `last` of the batch before: an end for everybody goes on there, and not through what it deleted already. */
  readonly after: Key | undefined;
}

export interface Ended {
  readonly count: number;
  readonly last: Key | undefined;
}

type Key = string | Buffer;

interface EndedSession {
  uid_hash: Buffer;
  account_id: string;
  payload: Buffer;
  clients: SessionClient[] | null;
}

export interface EndsDeps {
  sealing: Sealing;
  cutoffs: Pick<Cutoffs, 'raise'>;
  now: () => Date;
  /** Notes that these clients are to be told, in the transaction it is given. */
  tellEnded: (trx: Db, participants: readonly EndedParticipant[]) => Promise<void>;
  /** Forgets what a removed client was still to be told. */
  forgetClient: (trx: Db, clientId: string) => Promise<void>;
}

export function createEnds(deps: EndsDeps): Ends {
  const { sealing, cutoffs } = deps;

  const open = (row: EndedSession) => sealing.open('Session', row.uid_hash, row.payload);
  const tellAll = (trx: Db, rows: EndedSession[]) =>
    deps.tellEnded(
      trx,
      rows.flatMap((row) => participantsOf(row.account_id, open(row), row.clients)),
    );

  async function endSessions(trx: Db, where: string, values: unknown[]): Promise<EndedSession[]> {
    const rows = await rowsOf<EndedSession>(
      trx,
      `delete from oidc_sessions where ${where}
       returning uid_hash, account_id, payload, ${clientsColumn('oidc_sessions')}`,
      values,
    );
    await tellAll(trx, rows);
    return rows;
  }

  /** A browser stays signed in for its other clients; only this one takes no part any more, and is told. */
  async function leaveSessions(trx: Db, where: string, values: unknown[]): Promise<number> {
    const left = await rowsOf<{ client_id: string; sid: string; account_id: string | null }>(
      trx,
      `delete from oidc_session_clients c where ${where}
       returning client_id, sid, (select account_id from oidc_sessions s where s.uid_hash = c.uid_hash) as account_id`,
      values,
    );
    const participants = left.flatMap(({ client_id: clientId, sid, account_id: accountId }) =>
      accountId === null ? [] : [{ clientId, accountId, sid }],
    );
    await deps.tellEnded(trx, participants);
    return left.length;
  }

  return {
    async endAccount(trx, accountId) {
      await cutoffs.raise(trx, { accountId }, deps.now());
      await endSessions(trx, 'account_id = ?', [accountId]);
      for (const table of ['oidc_grants', 'oidc_tokens', 'oidc_transients']) {
        await trx(table).where({ account_id: accountId }).delete();
      }
      await removeConsents(trx, { accountId });
    },

    async endOthers(trx, accountId, sessionId) {
      const kept = Buffer.from(sessionId, 'base64url');
      const [own] = await rowsOf<EndedSession>(
        trx,
        `select uid_hash, account_id, payload, ${clientsColumn('oidc_sessions')} from oidc_sessions
         where uid_hash = ? and account_id = ? for update`,
        [kept, accountId],
      );
      const grants = own === undefined ? [] : grantsOf(open(own), own.clients);
      await endSessions(trx, 'account_id = ? and uid_hash <> ?', [accountId, kept]);
      for (const [table, column] of GRANTED) {
        const gone = `account_id = ? and (${column} is null or ${column} <> all(?::text[]))`;
        await trx(table).whereRaw(gone, [accountId, grants]).delete();
      }
    },

    async endClient(trx, clientId) {
      await cutoffs.raise(trx, { clientId }, deps.now());
      for (const table of ['oidc_session_clients', 'oidc_grants', 'oidc_tokens', 'oidc_transients']) {
        await trx(table).where({ client_id: clientId }).delete();
      }
      await removeConsents(trx, { clientId });
      await deps.forgetClient(trx, clientId);
    },

    async endSession(trx, id) {
      const uidHash = Buffer.from(id, 'base64url');
      const [row] = await endSessions(trx, 'uid_hash = ? and account_id is not null', [uidHash]);
      if (!row) return undefined;
      await endGrants(trx, endingGrants(open(row), row.clients));
      return { accountId: row.account_id };
    },

    async endGrant(trx, id) {
      const [grant] = await trx('oidc_grants').where({ id }).select('account_id', 'client_id');
      if (!grant) return undefined;
      const ofAccount = 'uid_hash in (select uid_hash from oidc_sessions where account_id = ?)';
      await leaveSessions(trx, `c.grant_id = ? and ${ofAccount}`, [id, grant.account_id]);
      await endGrants(trx, [id]);
      return { accountId: grant.account_id, clientId: grant.client_id };
    },

    async beginEnd(trx, scope, at) {
      if (scope === 'everyone') return cutoffs.raise(trx, scope, at);
      const { accountId, clientId } = scope;
      if (accountId === undefined && clientId === undefined)
        throw new Error('nothing is named that is to end');
      if (accountId !== undefined && clientId !== undefined) {
        // Taken back by name: the next sign-in asks again. Its JWTs end with their grants.
        await removeConsents(trx, { accountId, clientId });
      } else if (accountId !== undefined) await cutoffs.raise(trx, { accountId }, at);
      else if (clientId !== undefined) await cutoffs.raise(trx, { clientId }, at);
    },

    async endSome(trx, kind, batch) {
      const { scope } = batch;
      if (kind !== 'sessions') {
        const { table, key } = homes[kind];
        const chosen = chosenOf(kind, batch);
        const gone = `delete from ${table} where ${key} in (${chosen.sql}) returning ${key} as key`;
        // Sorted there: texts have the order of the database's language.
        const sql = `with gone as (${gone}) select key from gone order by key`;
        const rows = await rowsOf<{ key: Key }>(trx, sql, chosen.bindings);
        return { count: rows.length, last: rows.at(-1)?.key };
      }
      if (scope !== 'everyone' && scope.clientId !== undefined) {
        const chosen = chosenParticipants(scope.clientId, scope.accountId, batch);
        const count = await leaveSessions(
          trx,
          `(uid_hash, client_id, sid) in (${chosen.sql})`,
          chosen.bindings,
        );
        return { count, last: undefined };
      }
      const chosen = chosenOf(kind, batch);
      const ended = await endSessions(trx, `uid_hash in (${chosen.sql})`, chosen.bindings);
      const keys = ended.map((row) => row.uid_hash).sort(Buffer.compare);
      return { count: keys.length, last: keys.at(-1) };
    },
  };
}

const GRANTED = [
  ['oidc_grants', 'id'],
  ['oidc_tokens', 'grant_id'],
  ['oidc_transients', 'grant_id'],
] as const;

const homes = {
  sessions: { table: 'oidc_sessions', key: 'uid_hash' },
  grants: { table: 'oidc_grants', key: 'id' },
  tokens: { table: 'oidc_tokens', key: 'id_hash' },
  transients: { table: 'oidc_transients', key: 'id_hash' },
} as const;

/** By their key: a row that a request changes meanwhile has moved, and would be missed by its place. */
function chosenOf(kind: EndKind, { scope, at, limit, after }: EndBatch) {
  const { table, key } = homes[kind];
  const conditions = ['created_at <= ?'];
  const bindings: unknown[] = [at];
  // Browsers in which nobody is signed in hold nothing but the secret of a form.
  if (kind === 'sessions') conditions.push('account_id is not null');
  for (const [column, value] of scope === 'everyone' ? [] : columnsOf(scope)) {
    conditions.push(`${column} = ?`);
    bindings.push(value);
  }
  if (scope === 'everyone' && after !== undefined) {
    conditions.push(`${key} > ?`);
    bindings.push(after);
  }
  const order = scope === 'everyone' ? `order by ${key}` : '';
  return {
    sql: `select ${key} from ${table} where ${conditions.join(' and ')} ${order} limit ? for update`,
    bindings: [...bindings, limit],
  };
}

function columnsOf({ accountId, clientId }: Exclude<EndScope, 'everyone'>): [string, string][] {
  return [
    ...(accountId === undefined ? [] : [['account_id', accountId] as [string, string]]),
    ...(clientId === undefined ? [] : [['client_id', clientId] as [string, string]]),
  ];
}

function chosenParticipants(clientId: string, accountId: string | undefined, { at, limit }: EndBatch) {
  const ofAccount =
    accountId === undefined
      ? ''
      : 'and uid_hash in (select uid_hash from oidc_sessions where account_id = ?)';
  return {
    sql: `select uid_hash, client_id, sid from oidc_session_clients
      where client_id = ? ${ofAccount} and updated_at <= ? limit ? for update`,
    bindings: [clientId, ...(accountId === undefined ? [] : [accountId]), at, limit],
  };
}

async function endGrants(trx: Db, grantIds: readonly string[]): Promise<void> {
  if (grantIds.length === 0) return;
  await trx('oidc_tokens').whereIn('grant_id', grantIds).delete();
  await trx('oidc_transients').whereIn('grant_id', grantIds).delete();
  await trx('oidc_grants').whereIn('id', grantIds).delete();
}

async function rowsOf<Row>(trx: Db, sql: string, values: unknown[]): Promise<Row[]> {
  // knex types bindings as a union of scalars; ours are scalars, dates and buffers.
  const { rows } = await trx.raw<{ rows: Row[] }>(sql, values as string[]);
  return rows;
}
