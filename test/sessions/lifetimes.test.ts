// How long a browser stays signed in: idle and absolute ends are enforced by the store, whatever the cookie says (ASVS 7.3).
import { afterEach, describe, expect, it, vi } from 'vitest';
import { relyingParty } from '../flows/relying-party.ts';
import type { Browser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson } from '../support/people.ts';

const IDLE = 600;
const ABSOLUTE = 1500;
const gatehouse = useGatehouse({
  settings: { SESSION_IDLE_SECONDS: String(IDLE), SESSION_ABSOLUTE_SECONDS: String(ABSOLUTE) },
});

afterEach(() => {
  vi.useRealTimers();
});

async function signedIn() {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, { firstParty: true });
  const { browser } = await app.signIn(person);
  const visit = async (by: Browser = browser) =>
    (await by.open((await app.begin({ prompt: 'none' })).url)).url.includes('code=');
  return { person, browser, visit };
}

const row = (accountId: string) =>
  gatehouse.database.db('oidc_sessions').where({ account_id: accountId }).first();

/** The server's clock; that of the database is another one, so the row is moved along. */
async function pass(accountId: string, seconds: number): Promise<void> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
  await gatehouse.database
    .db('oidc_sessions')
    .where({ account_id: accountId })
    .update({ expires_at: gatehouse.database.db.raw('expires_at - make_interval(secs => ?)', [seconds]) });
}

describe('a session', () => {
  it('ends when it was not used for its idle time', async () => {
    const { person, visit } = await signedIn();
    await pass(person.id, IDLE + 90);

    expect(await visit()).toBe(false);
  });

  it('goes on when it was used within its idle time, several times over', async () => {
    const { person, visit } = await signedIn();
    for (const seconds of [IDLE - 60, IDLE - 60]) {
      await pass(person.id, seconds);
      expect(await visit()).toBe(true);
    }
  });

  it('ends at its absolute time however much it is used', async () => {
    const { person, visit } = await signedIn();
    const visits: boolean[] = [];
    for (let used = 0; used < ABSOLUTE + 400; used += 400) {
      await pass(person.id, 400);
      visits.push(await visit());
    }

    expect(visits.slice(0, 3)).toEqual([true, true, true]);
    expect(visits.at(-1)).toBe(false);
  });

  it('ends by the row alone, and by the sealed time of sign-in alone', async () => {
    const byRow = await signedIn();
    await gatehouse.database
      .db('oidc_sessions')
      .where({ account_id: byRow.person.id })
      .update({ expires_at: gatehouse.database.db.raw(`now() - interval '1 second'`) });
    expect(await byRow.visit()).toBe(false);

    const bySeal = await signedIn();
    await gatehouse.database
      .db('oidc_sessions')
      .where({ account_id: bySeal.person.id })
      .update({ expires_at: gatehouse.database.db.raw(`now() + interval '1 year'`) });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + (ABSOLUTE + 1) * 1000 });
    expect(await bySeal.visit()).toBe(false);
  });

  it('that ended is in no list', async () => {
    const { person } = await signedIn();
    await pass(person.id, IDLE + 90);
    const { items } = await gatehouse.services.sessions.list(
      { accountId: person.id },
      { limit: 9, cursor: null },
    );

    expect(items).toEqual([]);
  });

  it('that is visited again and again is written once a minute', async () => {
    const { person, visit } = await signedIn();
    await visit();
    const before = await row(person.id);
    for (let visits = 0; visits < 5; visits += 1) await visit();
    expect((await row(person.id)).seen_at).toEqual(before.seen_at);

    await pass(person.id, 61);
    await visit();
    expect((await row(person.id)).seen_at.getTime()).toBeGreaterThan(before.seen_at.getTime());
  });

  it('that is used from another address or device shows that at once', async () => {
    const { person, browser, visit } = await signedIn();
    await visit();
    browser.headers['user-agent'] = 'AnotherBrowser/2.0';
    await visit();

    expect((await row(person.id)).user_agent).toBe('AnotherBrowser/2.0');
  });
});
