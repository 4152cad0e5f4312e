// JWT access tokens that were revoked one by one: they leave no row to delete, so the few that end early are listed until
// they would have ended anyway. Read from memory, kept fresh by `changes`.
import type { Changes } from '../../platform/changes.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { inBatches } from '../../platform/jobs/batches.ts';

export interface RevokedTokens {
  has(jti: string): boolean;
  /** In the caller's transaction. */
  add(trx: Db, token: { jti: string; expiresAtSeconds: number }): Promise<void>;
  start(): Promise<void>;
  removeOld(signal?: AbortSignal): Promise<number>;
}

/** What a transaction that began before the last look may still bring. */
const OVERLAP_SECONDS = 300;

export function createRevokedTokens(deps: { db: Db; changes: Pick<Changes, 'bump' | 'on'> }): RevokedTokens {
  const { db, changes } = deps;
  const ends = new Map<string, number>();
  let lookedAt: Date | undefined;

  const load = async () => {
    const { rows } = await db.raw<{ rows: { token_id: string; expires_at: Date; looked_at: Date }[] }>(
      `select token_id, expires_at, now() as looked_at from revoked_tokens
       where expires_at > now()
         and written_at > coalesce(?::timestamptz, '-infinity') - make_interval(secs => ?)`,
      [lookedAt ?? null, OVERLAP_SECONDS],
    );
    const now = Date.now();
    for (const [id, endsAt] of ends) if (endsAt < now) ends.delete(id);
    for (const row of rows) ends.set(row.token_id, row.expires_at.getTime());
    lookedAt = rows[0]?.looked_at ?? lookedAt;
  };

  return {
    has: (jti) => ends.size > 0 && ends.has(jti),

    async add(trx, { jti, expiresAtSeconds }) {
      await trx.raw(
        'insert into revoked_tokens (token_id, expires_at) values (?, to_timestamp(?)) on conflict do nothing',
        [jti, expiresAtSeconds],
      );
      await changes.bump(trx, 'revoked-tokens');
    },

    async start() {
      changes.on('revoked-tokens', load);
      await load();
    },

    removeOld: (signal) =>
      inBatches(async (limit) => {
        const result = await db.raw(
          `delete from revoked_tokens where ctid = any(array(select ctid from revoked_tokens
             where expires_at < now() order by expires_at limit ? for update skip locked))`,
          [limit],
        );
        return result.rowCount ?? 0;
      }, signal),
  };
}
