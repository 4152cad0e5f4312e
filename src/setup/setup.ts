// The first administrator, made once: by a link that only the console of the server shows, or by `gatehouse init`.
import type { Account, Accounts, NewAccount } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { hashToken, randomToken } from '../platform/secrets/tokens.ts';

export interface FirstAdmin {
  email: string | null;
  username: string | null;
  name: string | null;
  password: string;
}

export interface Setup {
  /** A new link token while there is no account; the one before it stops working. undefined when set up. */
  newLink(): Promise<string | undefined>;
  isValid(token: string): Promise<boolean>;
  /** Throws setup_link_invalid, already_set_up, and what accounts and credentials throw; then the link stays good. */
  redeem(token: string, admin: FirstAdmin): Promise<Account>;
  /** Without a link: for whoever holds the machine. Throws already_set_up. */
  createFirst(admin: FirstAdmin, by: Actor): Promise<Account>;
}

export function createSetup(deps: {
  postgres: Postgres;
  audit: Audit;
  accounts: Accounts;
  credentials: Credentials;
}): Setup {
  const { postgres, accounts } = deps;
  const { db } = postgres;

  async function makeAdmin(trx: Db, admin: FirstAdmin, by: Actor): Promise<Account> {
    // Two set-ups at once: the second waits here and then finds the account of the first.
    await trx.raw(`select pg_advisory_xact_lock(hashtext('gatehouse.setup'))`);
    if (await accounts.hasAny(trx)) throw failure('already_set_up');
    const { password, ...person } = admin;
    const input: NewAccount = { ...person, admin: true };
    const account = await accounts.create(input, by, trx);
    await deps.credentials.setPassword(account.id, password, by, trx);
    await trx('setup_links').delete();
    await deps.audit.record(trx, {
      type: 'setup.completed',
      actor: by,
      outcome: 'success',
      accountId: account.id,
    });
    return account;
  }

  return {
    async newLink() {
      if (await accounts.hasAny()) return undefined;
      const token = randomToken();
      await db('setup_links')
        .insert({ token_hash: hashToken(token), created_at: db.fn.now() })
        .onConflict('only_one')
        .merge();
      return token;
    },

    async isValid(token) {
      const row = await db('setup_links')
        .select('only_one')
        .where({ token_hash: hashToken(token) })
        .first();
      if (row === undefined) deps.audit.refuse('setup', 'setup_link_invalid');
      return row !== undefined;
    },

    redeem: (token, admin) =>
      postgres.transaction(async (trx) => {
        // Consumed and used in one commit: a failure on the way leaves the link as it was.
        const used = await trx('setup_links')
          .where({ token_hash: hashToken(token) })
          .delete();
        if (used === 0) {
          deps.audit.refuse('setup', 'setup_link_invalid');
          throw failure('setup_link_invalid');
        }
        return makeAdmin(trx, admin, { kind: 'anonymous', id: null });
      }),

    createFirst: (admin, by) => postgres.transaction((trx) => makeAdmin(trx, admin, by)),
  };
}
