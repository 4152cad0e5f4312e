// Promises about how sure sign-ins are, as whole stories.
import { describe, expect, it } from 'vitest';
import { relyingParty } from './flows/relying-party.ts';
import { createBrowser, type Shown } from './support/browser.ts';
import { addAuthenticator, codeOf, setUpOnTheWay } from './support/factors.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { operator, password } from './support/people.ts';

const gatehouse = useGatehouse({ settings: { LIMIT_SIGN_IN_PER_MINUTE: '30' } });

describe('how sure a sign-in is', () => {
  it('E5 the first administrator sets up a second factor at the first sign-in, and is asked for it ever after', async () => {
    const { services, issuer } = gatehouse;
    const link = await services.setup.newLink();
    const browser = createBrowser(issuer);
    const setup = await browser.open(`/setup?token=${link}`);
    const email = 'first@example.com';
    const done = await browser.submit(setup, { email, name: 'First', password });
    expect(done.status).toBe(200);

    const app = await relyingParty(gatehouse, { firstParty: true });
    const begun = await app.begin();
    const asked = await browser.submit(
      await browser.open(begun.url),
      { identifier: email, password },
      '/login',
    );
    expect(asked.html).toContain('Administrators sign in with a second factor');
    const landed = await setUpOnTheWay(browser, asked);
    expect((await app.finish(landed.url, begun)).claims()).toMatchObject({ acr: 'mfa' });

    const elsewhere = createBrowser(issuer);
    const again = await elsewhere.open((await app.begin()).url);
    const second = await elsewhere.submit(again, { identifier: email, password }, '/login');
    expect(second.html).toContain('one-time-code');
  });

  it('B9 a second factor is guessed by nobody: wrong codes make everybody wait, and the sign-in with them', async () => {
    const { services, issuer } = gatehouse;
    const person = await services.accounts.create({ email: 'b9@example.com' }, operator);
    await services.credentials.setPassword(person.id, password, operator);
    await addAuthenticator(services, person);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const browser = createBrowser(issuer);
    const login = await browser.open((await app.begin()).url);
    let page: Shown = await browser.submit(login, { identifier: 'b9@example.com', password }, '/login');
    for (let guess = 0; guess < 25 && page.status !== 429; guess += 1)
      page = await browser.submit(page, { code: String(100_000 + guess) }, '/second-factor');

    expect(page.status).toBe(429);
    expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
    const right = await browser.submit(page, { code: await codeOf(person) }, '/second-factor');
    expect(right.status).toBe(429);
  });
});
