// The owner of a server for one person: a fixed account whose key works at once, with no set-up and no sign-in.
import type { Accounts } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';

export interface Owner {
  /** Makes the owner and the first key when there is no owner yet; answers that key, undefined otherwise. */
  ensure(): Promise<string | undefined>;
  /** A new key in place of every one before it, for a key that was lost or leaked. Throws owner_not_found. */
  renewKey(by: Actor): Promise<string>;
}

const USERNAME = 'owner';
const KEY_NAME = 'owner';
const bySystem: Actor = { kind: 'system', id: null };

export function createOwner(deps: {
  postgres: Postgres;
  audit: Audit;
  accounts: Accounts;
  apiKeys: ApiKeys;
}): Owner {
  const { postgres, accounts, apiKeys } = deps;

  return {
    ensure: () =>
      postgres.transaction(async (trx) => {
        // Two nodes that start at once, or a set-up beside this: the second waits and finds what the first made.
        await trx.raw(`select pg_advisory_xact_lock(hashtext('gatehouse.setup'))`);
        if ((await ownerId(trx)) !== undefined) return undefined;
        const isFirst = !(await accounts.hasAny(trx));
        const account = await accounts.create({ username: await freeUsername(), admin: true }, bySystem, trx);
        await trx('single_user_owner').insert({ account_id: account.id });
        const { secret } = await apiKeys.issue(trx, { accountId: account.id, name: KEY_NAME }, bySystem);
        if (isFirst) {
          await trx('setup_links').delete();
          await deps.audit.record(trx, {
            type: 'setup.completed',
            actor: bySystem,
            outcome: 'success',
            accountId: account.id,
            reason: 'single_user',
          });
        }
        return secret;
      }),

    renewKey: (by) =>
      postgres.transaction(async (trx) => {
        const accountId = await ownerId(trx);
        if (accountId === undefined) throw failure('owner_not_found');
        await apiKeys.revokeAllOf(trx, accountId, by);
        return (await apiKeys.issue(trx, { accountId, name: KEY_NAME }, by)).secret;
      }),
  };

  /** A server that had people before may have one of this name. */
  async function freeUsername(): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      const name = attempt === 1 ? USERNAME : `${USERNAME}-${attempt}`;
      if ((await accounts.findByIdentifier(name)) === undefined) return name;
    }
  }
}

async function ownerId(db: Db): Promise<AccountId | undefined> {
  const row: { account_id: AccountId } | undefined = await db('single_user_owner')
    .select('account_id')
    .first()
    .forUpdate();
  return row?.account_id;
}
