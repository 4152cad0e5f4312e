// A password that has to be changed: asked in the sign-in, before anything comes of it, and by no way around it.
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const next = 'a quiet meadow above nine lanterns';

type Person = Awaited<ReturnType<typeof createPerson>>;

async function started(prepare: (person: Person) => Promise<unknown>) {
  const person = await createPerson(gatehouse.services);
  await prepare(person);
  const app = await relyingParty(gatehouse, { firstParty: true });
  const begun = await app.begin();
  const { browser, landed } = await signInAt(begun.url, person);
  return { person, app, begun, browser, page: landed };
}

const required = (person: Person) =>
  gatehouse.services.credentials.passwords.requireChange(person.id, 'admin', operator);

const sessionsOf = async ({ id }: Person) =>
  Number(
    (await gatehouse.services.postgres.db('oidc_sessions').where({ account_id: id }).count('* as n'))[0]?.n,
  );

describe('a password that has to be changed', () => {
  it('is changed in the sign-in, which goes on with the new one; nothing is signed in before', async () => {
    const { person, app, begun, browser, page } = await started(required);
    expect(page.html).toContain('Choose a new password');
    expect(page.html).toContain('Your administrator asks you');
    expect(await sessionsOf(person)).toBe(0);
    const landed = await browser.submit(page, { password: next }, '/change-password');
    const tokens = await app.finish(landed.url, begun);
    expect(tokens.claims()).toMatchObject({ sub: person.id, amr: ['pwd'] });
    expect(await sessionsOf(person)).toBe(1);
    expect(await gatehouse.services.credentials.passwords.mustChange(person.id)).toBeUndefined();
    // Signed in: the next request asks nothing.
    const again = await app.begin();
    expect((await browser.open(again.url)).url).toContain('code=');
  });

  it('may not be the same one, nor break a rule, and the page says why beside the field', async () => {
    const { browser, page } = await started(required);
    const reused = await browser.submit(page, { password }, '/change-password');
    expect(reused.status).toBe(400);
    expect(reused.html).toContain('You have used this password before');
    const short = await browser.submit(reused, { password: 'short one' }, '/change-password');
    expect(short.html).toContain('at least 15 characters');
    const empty = await browser.submit(short, { password: '' }, '/change-password');
    expect(empty.status).toBe(400);
    expect((await browser.submit(empty, { password: next }, '/change-password')).url).toContain('code=');
  });

  it('comes after the second factor, which is not asked again', async () => {
    const person = await createPerson(gatehouse.services);
    await addAuthenticator(gatehouse.services, person);
    await required(person);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const begun = await app.begin();
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open(begun.url);
    const factor = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    expect(factor.html).not.toContain('Choose a new password');
    const page = await browser.submit(factor, { code: await codeOf(person) }, '/second-factor');
    expect(page.html).toContain('Choose a new password');
    // Beside a second factor a shorter one will do.
    const landed = await browser.submit(page, { password: 'lantern9' }, '/change-password');
    const claims = (await app.finish(landed.url, begun)).claims();
    expect(claims).toMatchObject({ sub: person.id, acr: 'mfa' });
  });

  it('gives no code, token or session by its addresses, whatever is posted in another order', async () => {
    const { person, begun, browser, page } = await started(required);
    for (const step of ['login', 'consent', 'second-factor', 'organization', 'enrol-factor']) {
      const forms = page.forms.map((form) => ({
        ...form,
        action: form.action.replace(/\/[a-z-]+$/, `/${step}`),
      }));
      const fields = { choice: 'none', code: '000000', way: 'totp', identifier: '', password: '' };
      await browser.submit({ ...page, forms }, fields);
    }
    const resumed = await browser.open(begun.url);
    expect(resumed.url).not.toContain('code=');
    expect(await sessionsOf(person)).toBe(0);
  });

  it('is refused to a sign-in that proved the one before it was replaced', async () => {
    const { person, app, browser, page } = await started(required);
    await gatehouse.services.credentials.setPassword(person.id, next, operator, undefined, {
      keepSessions: true,
    });
    await required(person);
    const shown = await browser.submit(
      page,
      { password: 'an intruder over four lanterns' },
      '/change-password',
    );
    expect(shown.url).not.toContain('code=');
    const own = createBrowser(gatehouse.issuer);
    const fresh = await own.open((await app.begin()).url);
    const asked = await own.submit(fresh, { identifier: person.email ?? '', password: next }, '/login');
    expect(asked.html).toContain('Choose a new password');
  });

  it('is asked of a session that stays, together with the present one', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const { browser } = await app.signIn(person);
    const { passwords } = gatehouse.services.credentials;
    await passwords.requireChange(person.id, 'breached', operator, { keepSessions: true });
    const begun = await app.begin();
    const page = await browser.open(begun.url);
    expect(page.html).toContain('has appeared in a data leak');
    const refused = await browser.submit(
      page,
      { password: next, current_password: 'no' },
      '/change-password',
    );
    expect(refused.status).toBe(401);
    const landed = await browser.submit(
      refused,
      { password: next, current_password: password },
      '/change-password',
    );
    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(person.id);
  });

  it('that is too short to stand alone is asked for when the second factor goes', async () => {
    const person = await createPerson(gatehouse.services);
    await addAuthenticator(gatehouse.services, person);
    const { credentials } = gatehouse.services;
    await credentials.setPassword(person.id, 'lantern9', operator);
    expect(await credentials.passwords.mustChange(person.id)).toBeUndefined();
    await credentials.factors.resetAll(person.id, null, operator);
    expect(await credentials.passwords.mustChange(person.id)).toBe('short');
    expect(await credentials.passwords.limitsFor(person.id)).toMatchObject({ minimumLength: 15 });
  });
});
