// Remembered consent when two tabs, or a tab and a taking-back, come at once.
import { expect, it } from 'vitest';
import { findConsent, rememberConsent, removeConsents } from '../../src/oidc/consent/consents.ts';
import { useDatabase } from '../support/database.ts';

const database = useDatabase();

const allowed = (scope: string, permission: string) => ({
  scopes: ['openid', scope],
  claims: [],
  resourceScopes: { 'https://api.example.com': [permission] },
});

it('holds what both of two tabs allowed at the same time', async () => {
  const { db } = database;
  let second: Promise<void> | undefined;
  await db.transaction(async (trx) => {
    await rememberConsent(trx, 'acc_one', 'app', allowed('email', 'notes:read'));
    second = db.transaction((other) =>
      rememberConsent(other, 'acc_one', 'app', allowed('profile', 'notes:write')),
    );
    await waiting();
  });
  await second;

  expect(await findConsent(db, 'acc_one', 'app')).toEqual({
    scopes: ['openid', 'email', 'profile'],
    claims: [],
    resourceScopes: { 'https://api.example.com': ['notes:read', 'notes:write'] },
  });
});

it('does not bring back what was taken back in the meantime', async () => {
  const { db } = database;
  const account = { accountId: 'acc_two' };
  await db.transaction((trx) => rememberConsent(trx, 'acc_two', 'app', allowed('email', 'notes:read')));
  let late: Promise<void> | undefined;
  await db.transaction(async (trx) => {
    await removeConsents(trx, account);
    late = db.transaction((other) =>
      rememberConsent(other, 'acc_two', 'app', allowed('profile', 'notes:write')),
    );
    await waiting();
  });
  await late;

  expect((await findConsent(db, 'acc_two', 'app'))?.scopes ?? []).not.toContain('email');
});

/** Until the other transaction stands at a lock of ours. */
async function waiting(): Promise<void> {
  for (;;) {
    const { rows } = await database.db.raw(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rows.length > 0) return;
  }
}
