// Where somebody is signed in, as its owner sees it, and the end of one session, of the others, of all.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type RelyingParty, relyingParty } from '../flows/relying-party.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, signInAt } from '../support/people.ts';

const server = useGatehouse();
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const SESSIONS = '/account/sessions';
const all = { limit: 100, cursor: null };
const parties = { one: undefined as RelyingParty | undefined };

async function browserOf(person: Account, userAgent?: string): Promise<Browser> {
  const browser = createBrowser(server.issuer);
  if (userAgent !== undefined) browser.headers['user-agent'] = userAgent;
  await signInAt(`${server.issuer}/account`, person, browser);
  return browser;
}

const listOf = async (person: Account) =>
  (await server.services.sessions.list({ accountId: person.id }, all)).items;

const isSignedIn = async (browser: Browser) => (await browser.open('/account')).url.endsWith('/account');

/** The button of one session: there is one form for each, and they differ by their field. */
function endOf(page: Shown, session: string): Shown {
  return { ...page, forms: page.forms.filter(({ fields }) => fields.session === session) };
}

/** The session of this browser comes first. */
const ownOf = (page: Shown) =>
  page.forms.find(({ action }) => action.endsWith('/sessions/end'))?.fields.session;

describe('the page of sessions', () => {
  beforeAll(async () => {
    parties.one = await relyingParty(server, { name: 'Harbour <Notes>', firstParty: true });
  });

  it('says browser, address, begin, last activity and apps of each session, and which one is this', async () => {
    const person = await createPerson(server.services);
    const here = await browserOf(person, FIREFOX);
    await parties.one?.signIn(person, {}, here);
    await browserOf(person);
    const page = await here.open(SESSIONS);

    expect(page.html).toContain('Firefox on Linux');
    expect(page.html).toContain('Unknown browser');
    expect(page.html).toContain('Harbour &lt;Notes&gt;');
    expect(page.html).toContain('127.0.0.1');
    expect(page.html).toMatch(/Last active \d{1,2} \w+ \d{4} at \d\d:\d\d/);
    expect(page.html.indexOf('badge good')).toBeLessThan(page.html.indexOf('Unknown browser'));
    expect(page.html.split('badge good')).toHaveLength(2);
    expect(page.html).not.toContain('gatehouse-account');
  });

  it('ends one session and no other; its app is told nothing of the rest', async () => {
    const person = await createPerson(server.services);
    const [here, gone, stays] = [
      await browserOf(person),
      await browserOf(person, FIREFOX),
      await browserOf(person),
    ];
    const session = ownOf(await gone.open(SESSIONS)) ?? '';
    const page = await here.open(SESSIONS);
    const after = await here.submit(endOf(page, session), {}, '/end');

    expect(after.html).toContain('That browser is signed out.');
    expect(await isSignedIn(gone)).toBe(false);
    expect(await isSignedIn(stays)).toBe(true);
    expect(await listOf(person)).toHaveLength(2);
    const events = await server.services.audit.list({ accountId: person.id, type: 'session.ended' }, all);
    expect(events.items[0]).toMatchObject({ reason: 'ended_by_owner', target: { id: session } });
  });

  it('ends no session of anybody else', async () => {
    const [person, other] = [await createPerson(server.services), await createPerson(server.services)];
    const [here, theirs] = [await browserOf(person), await browserOf(other)];
    const session = ownOf(await theirs.open(SESSIONS)) ?? '';
    const page = await here.open(SESSIONS);
    const answer = await here.submit(page, { session }, '/end');

    expect(answer.status).toBe(404);
    expect(await isSignedIn(theirs)).toBe(true);
  });

  it('ends this session as a sign-out does', async () => {
    const person = await createPerson(server.services);
    const here = await browserOf(person);
    const page = await here.open(SESSIONS);
    const after = await here.submit(endOf(page, ownOf(page) ?? ''), {}, '/end');

    expect(after.html).toContain('You are signed out');
    expect(await isSignedIn(here)).toBe(false);
    expect(await listOf(person)).toEqual([]);
  });

  it('ends all others', async () => {
    const person = await createPerson(server.services);
    const [here, gone] = [await browserOf(person), await browserOf(person)];
    const after = await here.submit(await here.open(SESSIONS), {}, '/others');

    expect(after.html).toContain('You are signed out everywhere else.');
    expect(after.html).toContain('Signed in nowhere else');
    expect(await isSignedIn(gone)).toBe(false);
    expect(await isSignedIn(here)).toBe(true);
  });

  it('ends all, this one too, after it has asked', async () => {
    const person = await createPerson(server.services);
    const [here, gone] = [await browserOf(person), await browserOf(person)];
    const asked = await here.open(`${SESSIONS}/all`);
    const after = await here.submit(asked, {}, '/all');

    expect(after.html).toContain('You are signed out');
    expect(await isSignedIn(gone)).toBe(false);
    expect(await isSignedIn(here)).toBe(false);
  });

  it('lets sessions be ended only soon after a sign-in', async () => {
    const person = await createPerson(server.services);
    const [here, other] = [await browserOf(person), await browserOf(person)];
    const page = await here.open(SESSIONS);
    const now = Date.now;
    Date.now = () => now() + 11 * 60_000;
    try {
      const answer = await here.submit(page, {}, '/others');
      expect(answer.html).toContain('name="password"');
    } finally {
      Date.now = now;
    }
    expect(await isSignedIn(other)).toBe(true);
  });

  it('keeps two accounts of one browser apart', async () => {
    const [one, two] = [await createPerson(server.services), await createPerson(server.services)];
    const browser = await browserOf(one);
    await signInAt(`${server.issuer}/account/sign-in?again=1`, two, browser);
    expect((await browser.open(SESSIONS)).html).toContain('Signed in nowhere else');
    expect(await listOf(two)).toHaveLength(1);
    await browser.submit(await browser.open(`${SESSIONS}/all`), {}, '/all');
    expect(await listOf(one)).toHaveLength(1);
    expect(await listOf(two)).toEqual([]);
  });

  it('goes on where there are many', async () => {
    const person = await createPerson(server.services);
    const here = await browserOf(person);
    await server.database.postgres.db.raw(
      `insert into oidc_sessions (uid_hash, id_hash, account_id, payload, expires_at)
       select sha256(('u' || n)::bytea), sha256(('i' || n)::bytea), ?, ''::bytea, now() + interval '1 day'
       from generate_series(1, 60) as n`,
      [person.id],
    );
    const first = await here.open(SESSIONS);
    const next = /rel="next" href="([^"]+)"/.exec(first.html)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const second = await here.open(next);
    const idsOf = (page: Shown) => page.forms.flatMap(({ fields }) => fields.session ?? []);

    expect(new Set([...idsOf(first), ...idsOf(second)]).size).toBe(61);
    await server.services.sessions.endAll({ accountId: person.id }, operator);
  });
});
