// API keys: make one, tell whose one is, revoke those of an account. The string is shown once and rests as a keyed hash.
import { timingSafeEqual } from 'node:crypto';
import type { Actor, Audit } from '../audit/audit.ts';
import { apiKeyIdOf, newApiKey } from '../lib/api-key-format.ts';
import { type AccountId, newId } from '../lib/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { keyedHash, preparedKey } from '../platform/secrets/tokens.ts';
import { type ApiKey, findActiveApiKey, insertApiKey, revokeApiKeysOf } from './store.ts';

export type { ApiKey } from './store.ts';

export interface ApiKeys {
  /** The secret string is in the answer and nowhere else. In the caller's transaction. */
  issue(
    trx: Db,
    input: { accountId: AccountId; name: string },
    by: Actor,
  ): Promise<{ key: ApiKey; secret: string }>;
  /** undefined for anything that is not an active key: malformed, unknown, wrong or revoked. */
  verify(presented: string): Promise<ApiKey | undefined>;
  /** Answers how many. In the caller's transaction. */
  revokeAllOf(trx: Db, accountId: AccountId, by: Actor): Promise<number>;
}

export function createApiKeys(deps: { db: Db; audit: Audit; clock: Clock; pepper: Buffer }): ApiKeys {
  const { db, audit, clock } = deps;
  const pepper = preparedKey(deps.pepper);
  // Compared when there is no such key, so that an unknown id costs what a wrong secret costs.
  const nothing = Buffer.alloc(32);

  return {
    async issue(trx, { accountId, name }, by) {
      const key: ApiKey = { id: newId('key'), accountId, name, createdAt: clock.now() };
      const secret = newApiKey(key.id);
      await insertApiKey(trx, key, keyedHash(pepper, secret));
      await audit.record(trx, {
        type: 'api-key.created',
        actor: by,
        outcome: 'success',
        accountId,
        target: { kind: 'api-key', id: key.id },
        details: { name },
      });
      return { key, secret };
    },

    async verify(presented) {
      const id = apiKeyIdOf(presented);
      if (id === undefined) return undefined;
      const found = await findActiveApiKey(db, id);
      const equal = timingSafeEqual(keyedHash(pepper, presented), found?.hash ?? nothing);
      return equal ? found?.key : undefined;
    },

    async revokeAllOf(trx, accountId, by) {
      const revoked = await revokeApiKeysOf(trx, accountId, clock.now());
      for (const id of revoked) {
        await audit.record(trx, {
          type: 'api-key.revoked',
          actor: by,
          outcome: 'success',
          accountId,
          target: { kind: 'api-key', id },
        });
      }
      return revoked.length;
    },
  };
}
