// What the three stores of engine state share: their dependencies and the one-statement shape "change state and write its event".
import type { Knex } from 'knex';
import Provider, { type AdapterPayload } from 'oidc-provider';
import { eventValues, type NewEvent } from '../../audit/audit.ts';
import type { SessionLife } from '../../lib/session-life.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { prepared, runPrepared } from '../../platform/database/prepared.ts';
import type { Redis } from '../../platform/redis/redis.ts';
import type { Sealing } from './sealing.ts';
import type { EndedParticipant } from './session-clients.ts';

export interface StateDeps {
  readonly db: Db;
  readonly sealing: Sealing;
  /** A rotated refresh token presented again within this time by a public client does not revoke the family. */
  readonly refreshGraceSeconds: number;
  /** A browser is signed in for so long at most, however much its session is used (ASVS 7.3.2). */
  readonly sessionAbsoluteSeconds: number;
  /** What the account allows its sessions at most (src/assurance). */
  readonly lifeFor?: (accountId: string) => Promise<Readonly<SessionLife>>;
  /** Whether sign-ins of that time are over for this account (a new password, a suspension, an end for everybody). */
  readonly isCutOff?: (made: {
    accountId: string | null;
    clientId?: string | null;
    atSeconds: number;
  }) => boolean;
  /** Notes, in the transaction that ends a session, that these clients are to be told. */
  readonly tellEnded?: (trx: Db, participants: readonly EndedParticipant[]) => Promise<void>;
  /** Where there is a Redis: it serves what lives for minutes (models.ts). */
  readonly fast?: FastDeps | undefined;
}

export interface FastDeps {
  readonly redis: Redis;
  readonly changes: Pick<Changes, 'bump' | 'on'>;
  /** The life of what lives the longest of it. */
  readonly longestSeconds: number;
}

export interface Statement {
  readonly sql: string;
  readonly bindings: readonly unknown[];
}

/**
 * Runs `change` (a statement that ends in `returning …`) and, when it touched a row, writes the event: one statement, so
 * one commit, and no transaction that would span an engine request. `also`: further parts of it, which may read `changed`.
 */
export async function runWithEvent<Row = Record<string, unknown>>(
  db: Db,
  change: Statement,
  more: {
    event?: NewEvent | undefined;
    unless?: Statement;
    also?: Statement | undefined;
    /** Outside of transactions: under which it is kept prepared; for the same texts only. */
    name?: string;
  },
): Promise<Row[]> {
  const { event, unless, also, name } = more;
  const ledger = event && eventValues(event, new Date());
  const guard = unless ? `and not exists (${unless.sql})` : '';
  const parts = [`changed as (${change.sql})`, also?.sql].filter(Boolean);
  if (ledger) {
    parts.push(`ledger as (insert into audit_events (${ledger.columns})
      select ${ledger.placeholders} where exists (select 1 from changed) ${guard})`);
  }
  const sql = `with ${parts.join(', ')} select * from changed`;
  const told = ledger ? [...ledger.bindings, ...(unless?.bindings ?? [])] : [];
  const values = [...change.bindings, ...(also?.bindings ?? []), ...told];
  if (name === undefined) return rowsOf(await db.raw(sql, bindings(values)));
  const variant = `${name}${also ? '_also' : ''}${ledger ? '_told' : ''}`;
  return runPrepared<Row>(db, prepared(variant, sql), values);
}

export interface Loaded {
  note(id: string): void;
  has(id: string): boolean;
}

/**
 * What the request under way has read. When it saves such a thing again, the row must still be there: an insert would
 * bring back what a sign-out or a revocation deleted in the meantime.
 */
export function createLoaded(): Loaded {
  const byRequest = new WeakMap<object, Set<string>>();
  return {
    note(id) {
      const request = Provider.ctx;
      if (!request) return;
      const ids = byRequest.get(request);
      if (ids) ids.add(id);
      else byRequest.set(request, new Set([id]));
    },
    has: (id) => (Provider.ctx ? (byRequest.get(Provider.ctx)?.has(id) ?? false) : false),
  };
}

/** The engine rewrites `expiresIn` seconds from now; rows stay a little longer because it tolerates clock skew. */
export const EXPIRY_LEEWAY_SECONDS = 60;

export function lifetimeSeconds(payload: AdapterPayload, expiresIn: number | undefined): number {
  const fallback = payload.exp ? payload.exp - Math.floor(Date.now() / 1000) : 0;
  return Math.max(expiresIn ?? fallback, 1) + EXPIRY_LEEWAY_SECONDS;
}

// knex types bindings as a union of scalars; ours are scalars, buffers and JSON text, which pg takes as they are.
export function bindings(values: readonly unknown[]): Knex.RawBinding[] {
  return values as Knex.RawBinding[];
}

function rowsOf<Row>(result: { rows: Row[] }): Row[] {
  return result.rows;
}
