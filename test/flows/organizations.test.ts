// In which organization a person acts for an app: chosen, named or clear; kept by the grant, and over when the membership is.
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { createOrganization, giveRole } from '../support/roles.ts';
import { eventsOf, type RelyingParty, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const audience = 'https://projects.example.com';
const asking = { resource: audience, scope: 'openid projects:read projects:write' };
const offline = { ...asking, scope: `${asking.scope} offline_access`, prompt: 'consent' };

beforeAll(async () => {
  await gatehouse.services.apis.create(
    {
      audience,
      name: 'Projects',
      permissions: [
        { name: 'projects:read', sentence: 'Read projects.', everyone: true },
        { name: 'projects:write', sentence: 'Change projects.' },
      ],
      tokenClaims: ['org_id', 'roles'],
    },
    operator,
  );
});

const appOf = (more: Parameters<typeof relyingParty>[1] = {}) =>
  relyingParty(gatehouse, { apis: [{ audience, permissions: ['*'] }], ...more });

async function memberOf(count: number) {
  const { services } = gatehouse;
  const person = await createPerson(services);
  const organizations = [];
  for (let at = 0; at < count; at += 1) organizations.push(await createOrganization(services, [person]));
  const [first, second] = organizations;
  return { person, first: first?.id ?? '', second: second?.id ?? '', organizations };
}

async function signIn(app: RelyingParty, person: Account, params: Record<string, string> = asking) {
  const browser = createBrowser(gatehouse.issuer);
  const begun = await app.begin(params);
  const login = await browser.open(begun.url);
  const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  return { browser, begun, page };
}

const asksWhich = (page: Shown) => page.forms.some(({ action }) => action.endsWith('/organization'));
const asksConsent = (page: Shown) => page.forms.some(({ action }) => action.endsWith('/consent'));

function choose(browser: Browser, page: Shown, choice: string): Promise<Shown> {
  return browser.submit(page, { choice }, '/organization');
}

async function goOn(browser: Browser, page: Shown): Promise<string> {
  return asksConsent(page) ? (await browser.submit(page, {}, '/consent')).url : page.url;
}

/** The whole of it: the choice where it is asked for, consent, code, tokens. */
async function tokensOf(
  app: RelyingParty,
  person: Account,
  choice?: string,
  params: Record<string, string> = asking,
) {
  const { browser, begun, page } = await signIn(app, person, params);
  const chosen = choice === undefined ? page : await choose(browser, page, choice);
  const landed = await goOn(browser, chosen);
  return { browser, tokens: await app.finish(landed, begun, { resource: audience }) };
}

const organizationIn = (tokens: { access_token: string }) => decodeJwt(tokens.access_token).org_id;
const errorAt = ({ url }: Shown) => new URL(url).searchParams.get('error');

function refresh(app: RelyingParty, tokens: { refresh_token?: string }) {
  return oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '', { resource: audience });
}

describe('a member of several organizations', () => {
  it('is asked in which one to go on, by a page without JavaScript', async () => {
    const { person, organizations } = await memberOf(2);
    const { page } = await signIn(await appOf(), person);

    expect(page.status).toBe(200);
    for (const { name } of organizations) expect(page.html).toContain(name);
    expect(page.html).toContain(person.email ?? '-');
    expect(page.html).toContain('No organization');
  });

  it('gets tokens of the one that was chosen, with the roles held there', async () => {
    const { person, first, second } = await memberOf(2);
    const subject = { kind: 'account', id: person.id } as const;
    const { name } = await giveRole(gatehouse.services, subject, ['projects:write'], second);
    const there = await tokensOf(await appOf(), person, second);
    const here = await tokensOf(await appOf(), person, first);

    expect(organizationIn(there.tokens)).toBe(second);
    expect(decodeJwt(there.tokens.access_token)).toMatchObject({
      scope: 'projects:read projects:write',
      roles: [name],
    });
    expect(organizationIn(here.tokens)).toBe(first);
    expect(decodeJwt(here.tokens.access_token)).toMatchObject({ scope: 'projects:read', roles: [] });
  });

  it('may choose none of them', async () => {
    const { person } = await memberOf(2);
    const { tokens } = await tokensOf(await appOf(), person, 'none');

    expect(decodeJwt(tokens.access_token)).toMatchObject({ scope: 'projects:read' });
    expect(organizationIn(tokens)).toBeUndefined();
  });

  it('sees the organization on the consent page', async () => {
    const { person, second, organizations } = await memberOf(2);
    const { browser, page } = await signIn(await appOf(), person);
    const consent = await choose(browser, page, second);

    expect(asksConsent(consent)).toBe(true);
    expect(consent.html).toContain(organizations[1]?.name);
    expect(consent.html).not.toContain(organizations[0]?.name);
  });

  it('is offered only where something of what is asked can be granted', async () => {
    const { person, first, second, organizations } = await memberOf(3);
    const subject = { kind: 'account', id: person.id } as const;
    for (const id of [first, second]) await giveRole(gatehouse.services, subject, ['projects:write'], id);
    const params = { resource: audience, scope: 'projects:write' };
    const { browser, page } = await signIn(await appOf(), person, params);

    expect(page.html).toContain(organizations[1]?.name);
    expect(page.html).not.toContain(organizations[2]?.name);
    expect(page.html).not.toContain('No organization');
    expect(asksWhich(await choose(browser, page, organizations[2]?.id ?? ''))).toBe(true);
    expect(asksWhich(await choose(browser, page, 'none'))).toBe(true);
  });

  it('is not asked where no permission of an API is asked for', async () => {
    const { person } = await memberOf(2);
    const { page } = await signIn(await appOf(), person, { scope: 'openid email' });

    expect(asksConsent(page)).toBe(true);
  });

  it('is not asked again by the same app in the same browser, until the app wants it', async () => {
    const { person, first, second } = await memberOf(2);
    const app = await appOf();
    const { browser } = await tokensOf(app, person, first);
    const again = await browser.open((await app.begin(asking)).url);
    const silent = await browser.open((await app.begin({ ...asking, prompt: 'none' })).url);
    const wanted = await app.begin({ ...asking, prompt: 'select_organization' });
    const page = await browser.open(wanted.url);
    const landed = await goOn(browser, await choose(browser, page, second));

    expect([errorAt(again), errorAt(silent)]).toEqual([null, null]);
    expect(asksWhich(page)).toBe(true);
    expect(organizationIn(await app.finish(landed, wanted, { resource: audience }))).toBe(second);
  });

  it('cannot be answered for without a page', async () => {
    const { person, first } = await memberOf(2);
    const app = await appOf();
    const { browser } = await tokensOf(app, person, first);
    const other = await appOf({ firstParty: true });
    const { url } = await browser.open((await other.begin({ ...asking, prompt: 'none' })).url);

    expect(new URL(url).searchParams.get('error')).toBe('interaction_required');
  });

  it('is asked for a device, too', async () => {
    const { person, second } = await memberOf(2);
    const app = await appOf({ kind: 'native', redirectUris: [], grantTypes: [DEVICE_CODE, 'refresh_token'] });
    const device = await oauth.initiateDeviceAuthorization(app.config, asking);
    const browser = createBrowser(gatehouse.issuer);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/device');
    const login = await browser.submit(confirm, { confirm: 'yes' }, '/device');
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    const done = await browser.submit(await choose(browser, page, second), {}, '/consent');
    const tokens = await oauth.genericGrantRequest(app.config, DEVICE_CODE, {
      device_code: device.device_code,
      resource: audience,
    });

    expect([asksWhich(page), done.status]).toEqual([true, 200]);
    expect(organizationIn(tokens)).toBe(second);
  });

  it('may go back to the app instead', async () => {
    const { person } = await memberOf(2);
    const { browser, page } = await signIn(await appOf(), person);

    expect(errorAt(await browser.submit(page, {}, '/cancel'))).toBe('access_denied');
  });
});

describe('a member of one organization', () => {
  it('acts in it without a question', async () => {
    const { person, first } = await memberOf(1);
    const { tokens } = await tokensOf(await appOf(), person);

    expect(organizationIn(tokens)).toBe(first);
  });

  it('is asked where the app wants it', async () => {
    const { person } = await memberOf(1);
    const { page } = await signIn(await appOf(), person, { ...asking, prompt: 'select_organization' });

    expect(asksWhich(page)).toBe(true);
    expect(page.html).toContain('No organization');
  });

  it('keeps the reach of an administrator at the management API', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    await createOrganization(gatehouse.services, [person]);
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, { resource, scope: 'accounts:read' });
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/api/v1/accounts`, { headers })).status).toBe(200);
  });
});

describe('who is a member of none', () => {
  it('is never asked, whatever the app wants', async () => {
    const person = await createPerson(gatehouse.services);
    const { page } = await signIn(await appOf(), person, { ...asking, prompt: 'select_organization' });

    expect(asksConsent(page)).toBe(true);
  });
});

describe('an organization that the app names', () => {
  it('is taken without a question', async () => {
    const { person, second } = await memberOf(2);
    const named = { ...asking, organization_id: second };
    const { tokens } = await tokensOf(await appOf(), person, undefined, named);

    expect(organizationIn(tokens)).toBe(second);
  });

  it('is taken from a pushed request, and from that of a device', async () => {
    const { person, second } = await memberOf(2);
    const named = { ...asking, organization_id: second };
    const app = await appOf({ grantTypes: ['authorization_code', 'refresh_token', DEVICE_CODE] });
    const pushed = await oauth.buildAuthorizationUrlWithPAR(app.config, {
      ...Object.fromEntries(new URL((await app.begin(named)).url).searchParams),
    });
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open(pushed.href);
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    const device = await oauth.initiateDeviceAuthorization(app.config, named);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/device');
    const consent = await browser.submit(confirm, { confirm: 'yes' }, '/device');
    await browser.submit(consent, {}, '/consent');
    const tokens = await oauth.genericGrantRequest(app.config, DEVICE_CODE, {
      device_code: device.device_code,
      resource: audience,
    });

    expect([asksWhich(page), asksConsent(page)]).toEqual([false, true]);
    expect(organizationIn(tokens)).toBe(second);
  });

  it('is refused when it is another one, in the same words as one that there never was', async () => {
    const { person } = await memberOf(2);
    const foreign = await createOrganization(gatehouse.services);
    const answers = [];
    for (const organization_id of [foreign.id, 'org_0000000000000000000000', 'x']) {
      const { page, begun } = await signIn(await appOf(), person, { ...asking, organization_id });
      const { error, error_description, state, iss } = Object.fromEntries(new URL(page.url).searchParams);
      answers.push({ error, error_description, iss });
      expect(state).toBe(begun.state);
    }

    expect(answers[0]).toMatchObject({ error: 'access_denied', iss: gatehouse.issuer });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it('is refused while it is suspended', async () => {
    const { person, first } = await memberOf(2);
    await gatehouse.services.organizations.suspend(first, null, operator);
    const { page } = await signIn(await appOf(), person, { ...asking, organization_id: first });

    expect(errorAt(page)).toBe('access_denied');
  });

  it('gives invalid_scope where nothing of what is asked is held in it', async () => {
    const { person, first, second } = await memberOf(2);
    const subject = { kind: 'account', id: person.id } as const;
    await giveRole(gatehouse.services, subject, ['projects:write'], first);
    const params = { resource: audience, scope: 'projects:write', organization_id: second };
    const { page } = await signIn(await appOf(), person, params);

    expect(errorAt(page)).toBe('invalid_scope');
    expect(new URL(page.url).searchParams.get('error_description')).toContain('in this organization');
  });
});

describe('what is granted in an organization', () => {
  it('stays there through refreshes', async () => {
    const { person, second } = await memberOf(2);
    const app = await appOf();
    const { tokens } = await tokensOf(app, person, second, offline);
    const next = await refresh(app, await refresh(app, tokens));

    expect(organizationIn(next)).toBe(second);
  });

  it('is not mixed with another one: the first grant stays what it was', async () => {
    const { person, first, second } = await memberOf(2);
    const app = await appOf();
    const one = await tokensOf(app, person, first, offline);
    const two = await tokensOf(app, person, second, offline);

    expect(organizationIn(await refresh(app, one.tokens))).toBe(first);
    expect(organizationIn(await refresh(app, two.tokens))).toBe(second);
  });

  it('needs consent in each of them', async () => {
    const { person, first, second } = await memberOf(2);
    const app = await appOf();
    await tokensOf(app, person, first);
    const same = await signIn(app, person);
    const other = await signIn(app, person);

    expect(asksConsent(await choose(same.browser, same.page, first))).toBe(false);
    expect(asksConsent(await choose(other.browser, other.page, second))).toBe(true);
  });

  it('ends with the membership: no code, no refresh', async () => {
    const { person, second } = await memberOf(2);
    const app = await appOf();
    const { tokens } = await tokensOf(app, person, second, offline);
    const { browser, begun, page } = await signIn(app, person);
    const landed = await goOn(browser, await choose(browser, page, second));
    await gatehouse.services.organizations.removeMember(second, person.id, operator);

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
    expect(await refusal(app.finish(landed, begun, { resource: audience }))).toBe('invalid_grant');
  });

  it('rests while the organization is suspended', async () => {
    const { person, second } = await memberOf(2);
    const app = await appOf();
    const { tokens } = await tokensOf(app, person, second, offline);
    const { organizations } = gatehouse.services;
    await organizations.suspend(second, 'unpaid', operator);
    const attempt = await refusal(refresh(app, tokens));
    await organizations.reinstate(second, operator);

    expect(attempt).toBe('invalid_grant');
    expect(organizationIn(await refresh(app, tokens))).toBe(second);
  });

  it('is listed with its organization', async () => {
    const { person, second } = await memberOf(2);
    await tokensOf(await appOf(), person, second);
    const { items } = await gatehouse.services.sessions.listGrants(
      { accountId: person.id },
      { limit: 10, cursor: null },
    );

    expect(items.map(({ organizationId }) => organizationId)).toEqual([second]);
  });

  it('is in the ledger with its organization', async () => {
    const { person, second } = await memberOf(2);
    const app = await appOf();
    await tokensOf(app, person, second, offline);
    const events = await eventsOf(gatehouse.services, { clientId: app.client.id, accountId: person.id });

    for (const type of ['consent.granted', 'grant.created', 'token.issued']) {
      const of = events.filter((event) => event.type === type);
      expect(of.length, type).toBeGreaterThan(0);
      for (const { details } of of) expect(details, type).toMatchObject({ organizationId: second });
    }
  });
});

describe('the choice', () => {
  it('posted while the server waits for a password chooses nothing', async () => {
    const app = await appOf();
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin(asking)).url);
    const { second } = await memberOf(2);
    const forms = login.forms.map((form) => ({
      ...form,
      action: form.action.replace('/login', '/organization'),
    }));
    const answer = await choose(browser, { ...login, forms }, second);

    expect(answer.html).toContain('type="password"');
  });

  it('is of one account: another one who signs in instead is asked anew', async () => {
    const { person, first } = await memberOf(2);
    const { person: other } = await memberOf(2);
    const { browser, page } = await signIn(await appOf(), person);
    const consent = await choose(browser, page, first);
    const accounts = await browser.submit(consent, {}, '/switch-account');
    const login = await browser.submit(accounts, { choice: 'another' }, '/select-account');
    const after = await browser.submit(login, { identifier: other.email ?? '', password }, '/login');

    expect(asksWhich(after)).toBe(true);
    expect(after.html).toContain(other.email ?? '-');
  });

  it('of an organization that the person leaves meanwhile is asked again', async () => {
    const { person, first, second } = await memberOf(3);
    const { browser, page } = await signIn(await appOf(), person);
    await gatehouse.services.organizations.removeMember(first, person.id, operator);
    const again = await choose(browser, page, first);

    expect(asksWhich(again)).toBe(true);
    expect(asksConsent(await choose(browser, again, second))).toBe(true);
  });
});
