// What the three stores of engine state share: their dependencies and the one-statement shape "change state and write its event".
import type { Knex } from 'knex';
import Provider, { type AdapterPayload } from 'oidc-provider';
import { eventValues, type NewEvent } from '../../audit/audit.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { Sealing } from './sealing.ts';

export interface StateDeps {
  readonly db: Db;
  readonly sealing: Sealing;
  /** A rotated refresh token presented again within this time by a public client does not revoke the family. */
  readonly refreshGraceSeconds: number;
  /** A browser is signed in for so long at most, however much its session is used (ASVS 7.3.2). */
  readonly sessionAbsoluteSeconds: number;
}

export interface Statement {
  readonly sql: string;
  readonly bindings: readonly unknown[];
}

/**
 * Runs `change` (a statement that ends in `returning …`) and, when it touched a row, writes the event: one statement, so
 * one commit, and no transaction that would span an engine request.
 */
export async function runWithEvent(
  db: Db,
  change: Statement,
  event: NewEvent | undefined,
  unless: Statement | undefined = undefined,
): Promise<Record<string, unknown>[]> {
  if (!event) return rowsOf(await db.raw(change.sql, bindings(change.bindings)));
  const ledger = eventValues(event, new Date());
  const guard = unless ? `and not exists (${unless.sql})` : '';
  const sql = `with changed as (${change.sql}),
    ledger as (insert into audit_events (${ledger.columns})
      select ${ledger.placeholders} where exists (select 1 from changed) ${guard})
    select * from changed`;
  const all = [...change.bindings, ...ledger.bindings, ...(unless?.bindings ?? [])];
  return rowsOf(await db.raw(sql, bindings(all)));
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
function bindings(values: readonly unknown[]): Knex.RawBinding[] {
  return values as Knex.RawBinding[];
}

function rowsOf(result: { rows: Record<string, unknown>[] }): Record<string, unknown>[] {
  return result.rows;
}
