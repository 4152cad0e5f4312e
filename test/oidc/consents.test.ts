// Remembered consent when two tabs, or a tab and a taking-back, come at once.
import { expect, it } from 'vitest';
import { findConsent, rememberConsent, removeConsents } from '../../src/oidc/consent/consents.ts';
import { useDatabase } from '../support/database.ts';

const database = useDatabase();

const one = { accountId: 'acc_one', clientId: 'app', organizationId: null };
const two = { accountId: 'acc_two', clientId: 'app', organizationId: null };

const allowed = (scope: string, permission: string) => ({
  scopes: ['openid', scope],
  claims: [],
  resourceScopes: { 'https://api.example.com': [permission] },
});

it('holds what both of two tabs allowed at the same time', async () => {
  const { db } = database;
  let second: Promise<void> | undefined;
  await db.transaction(async (trx) => {
    await rememberConsent(trx, one, allowed('email', 'notes:read'));
    second = db.transaction((other) => rememberConsent(other, one, allowed('profile', 'notes:write')));
    await waiting();
  });
  await second;

  expect(await findConsent(db, one)).toEqual({
    scopes: ['openid', 'email', 'profile'],
    claims: [],
    resourceScopes: { 'https://api.example.com': ['notes:read', 'notes:write'] },
  });
});

it('does not bring back what was taken back in the meantime', async () => {
  const { db } = database;
  const account = { accountId: 'acc_two' };
  await db.transaction((trx) => rememberConsent(trx, two, allowed('email', 'notes:read')));
  let late: Promise<void> | undefined;
  await db.transaction(async (trx) => {
    await removeConsents(trx, account);
    late = db.transaction((other) => rememberConsent(other, two, allowed('profile', 'notes:write')));
    await waiting();
  });
  await late;

  expect((await findConsent(db, two))?.scopes ?? []).not.toContain('email');
});

it('is of permissions in one organization, and of the person in all of them', async () => {
  const { db } = database;
  const key = { accountId: 'acc_three', clientId: 'app' };
  await db.transaction(async (trx) => {
    await rememberConsent(trx, { ...key, organizationId: null }, allowed('email', 'notes:read'));
    await rememberConsent(trx, { ...key, organizationId: 'org_a' }, allowed('profile', 'notes:write'));
  });
  const found = async (organizationId: string | null) => {
    const consent = await findConsent(db, { ...key, organizationId });
    return [consent?.scopes, consent?.resourceScopes['https://api.example.com']];
  };

  const scopes = ['openid', 'email', 'profile'];
  expect(await found(null)).toEqual([scopes, ['notes:read']]);
  expect(await found('org_a')).toEqual([scopes, ['notes:write']]);
  expect(await found('org_b')).toEqual([scopes, undefined]);
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
