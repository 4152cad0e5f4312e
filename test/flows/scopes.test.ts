// Scopes are permissions: what a token gets is what the API, the client and the person's roles all allow, and no more.
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/access/access.ts';
import type { Api, NewApi } from '../../src/apis/apis.ts';
import type { NewClient } from '../../src/clients/clients.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';
import { giveRole } from '../support/roles.ts';
import { eventsOf, post, type RelyingParty, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const audience = 'https://files.example.com';
const made: { api?: Api } = {};

beforeAll(async () => {
  made.api = await createFiles({ audience });
});

/** Files may be read by everybody; all else takes a role. */
function createFiles(input: Partial<NewApi> & { audience: string }): Promise<Api> {
  return gatehouse.services.apis.create(
    {
      name: 'Files',
      permissions: [
        { name: 'files:read', sentence: 'Read your files.', everyone: true },
        { name: 'files:write', sentence: 'Change your files.' },
        { name: 'files:delete', sentence: 'Delete your files.' },
      ],
      ...input,
    },
    operator,
  );
}

function filesApp(permissions = ['*'], more: Partial<NewClient> = {}): Promise<RelyingParty> {
  return relyingParty(gatehouse, { apis: [{ audience, permissions }], ...more });
}

const asking = (scope: string) => ({ resource: audience, scope });
const offline = (scope: string) => ({ ...asking(`openid offline_access ${scope}`), prompt: 'consent' });

function scopeOf(tokens: { access_token: string }): unknown {
  return decodeJwt(tokens.access_token).scope;
}

function refresh(app: RelyingParty, tokens: { refresh_token?: string }, scope?: string) {
  const params = scope === undefined ? {} : { scope };
  return oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '', { resource: audience, ...params });
}

async function landingOf(app: RelyingParty, person: { email: string | null }, scope: string) {
  const { landed } = await signInAt((await app.begin(asking(scope))).url, person);
  return new URL(landed.url).searchParams;
}

describe('asking for too much', () => {
  it('is narrowed to what the client is registered for', async () => {
    const person = await createPerson(gatehouse.services);
    await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:*']);
    const app = await filesApp(['files:read', 'files:write']);
    const { tokens } = await app.signIn(person, asking('files:read files:write files:delete'));

    expect(scopeOf(tokens)).toBe('files:read files:write');
    expect(tokens.scope).toBe('files:read files:write');
  });

  it('is narrowed to what the person holds', async () => {
    const person = await createPerson(gatehouse.services);
    const { tokens } = await (await filesApp()).signIn(person, asking('files:read files:write'));

    expect(scopeOf(tokens)).toBe('files:read');
  });

  it('is narrowed to what the API has: a wildcard over everything is not one of its permissions', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const { tokens } = await (await filesApp()).signIn(person, asking('files:read *:* files:*'));

    expect(scopeOf(tokens)).toBe('files:read');
  });

  it('shows on the consent page only what can be granted', async () => {
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open(
      (await (await filesApp()).begin(asking('openid files:read files:write'))).url,
    );
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');

    expect(page.html).toContain('Read your files.');
    expect(page.html).not.toContain('Change your files.');
  });
});

describe('a scope that is narrower than what is registered', () => {
  it('is granted as it is asked for', async () => {
    const person = await createPerson(gatehouse.services);
    await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:write:files:*']);
    const app = await filesApp();
    const { tokens } = await app.signIn(person, asking('files:read:files:7 files:write:files:7 files:write'));

    expect(scopeOf(tokens)).toBe('files:read:files:7 files:write:files:7');
  });

  it('is shown with the sentence of the permission that it is part of, and with itself', async () => {
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await (await filesApp()).begin(asking('files:read:files:7'))).url);
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');

    expect(page.html).toContain('Read your files.');
    expect(page.html).toContain('files:read:files:7');
  });

  it('is covered by consent to the wider one', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await filesApp();
    await app.signIn(person, asking('files:read'));
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin(asking('files:read:files:7'))).url);
    const { url } = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');

    expect(new URL(url).searchParams.get('code')).toEqual(expect.any(String));
  });
});

describe('when nothing is left, the answer is invalid_scope', () => {
  it('before anybody signs in, where this client can never get it', async () => {
    const app = await filesApp(['files:read']);
    const begun = await app.begin(asking('openid files:delete'));
    const { url } = await createBrowser(gatehouse.issuer).open(begun.url);
    const { searchParams } = new URL(url);

    expect(searchParams.get('error')).toBe('invalid_scope');
    expect(searchParams.get('error_description')).toContain('this client is registered for');
    expect(searchParams.get('state')).toBe(begun.state);
    expect(searchParams.get('iss')).toBe(gatehouse.issuer);
  });

  it('at a pushed request and for a device, likewise at once', async () => {
    const { client, secret } = await filesApp(['files:read'], {
      grantTypes: ['authorization_code', 'refresh_token', DEVICE_CODE],
    });
    const basic = `Basic ${Buffer.from(`${client.id}:${secret}`).toString('base64')}`;
    const fields = { resource: audience, scope: 'openid files:delete', client_id: client.id };
    const pushed = await post(
      `${gatehouse.issuer}/par`,
      {
        ...fields,
        response_type: 'code',
        redirect_uri: client.redirectUris[0] ?? '',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      },
      { authorization: basic },
    );
    const device = await post(`${gatehouse.issuer}/device/authorize`, fields, { authorization: basic });

    expect([pushed.status, pushed.body.error]).toEqual([400, 'invalid_scope']);
    expect([device.status, device.body.error]).toEqual([400, 'invalid_scope']);
  });

  it('after the sign-in, without a consent page, where the person holds nothing of it', async () => {
    const landed = await landingOf(
      await filesApp(),
      await createPerson(gatehouse.services),
      'openid files:write',
    );

    expect(landed.get('error')).toBe('invalid_scope');
    expect(landed.get('error_description')).toContain('needs a role');
    expect(landed.get('iss')).toBe(gatehouse.issuer);
    expect(landed.get('state')).toEqual(expect.any(String));
  });

  it('to a device, whose person holds nothing of it', async () => {
    const app = await filesApp(['*'], {
      kind: 'native',
      redirectUris: [],
      grantTypes: [DEVICE_CODE, 'refresh_token'],
    });
    const device = await oauth.initiateDeviceAuthorization(app.config, asking('openid files:write'));
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(gatehouse.issuer);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/device');
    const login = await browser.submit(confirm, { confirm: 'yes' }, '/device');
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    const poll = oauth.genericGrantRequest(app.config, DEVICE_CODE, { device_code: device.device_code });

    expect(page.status).toBe(400);
    expect(await refusal(poll)).toBe('invalid_scope');
  });

  it('never for scopes of OpenID alone', async () => {
    const landed = await landingOf(await filesApp(), await createPerson(gatehouse.services), 'openid email');

    expect(landed.get('code')).toEqual(expect.any(String));
  });

  it('where the person could still be another one who signs in, the page for signing in comes first', async () => {
    const app = await filesApp();
    const { browser } = await app.signIn(await createPerson(gatehouse.services), asking('files:read'));
    const again = { ...asking('files:write'), prompt: 'login' };

    expect((await browser.open((await app.begin(again)).url)).html).toContain('type="password"');
  });
});

describe('a role that is taken away', () => {
  async function writer() {
    const person = await createPerson(gatehouse.services);
    const role = await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:write']);
    const app = await filesApp();
    const { tokens } = await app.signIn(person, offline('files:read files:write'));
    return { person, role, app, tokens };
  }

  it('is gone from the next refresh, and what is left stays', async () => {
    const { app, tokens, role } = await writer();
    await role.takeAway();
    const next = await refresh(app, tokens);

    expect(scopeOf(tokens)).toBe('files:read files:write');
    expect(scopeOf(next)).toBe('files:read');
    expect(next.scope).toBe('files:read');
  });

  it('comes back with the role: the person has allowed it', async () => {
    const { app, tokens, role, person } = await writer();
    await role.takeAway();
    const next = await refresh(app, tokens);
    await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:write']);

    expect(scopeOf(await refresh(app, next))).toBe('files:read files:write');
  });

  it('with all that was asked for refuses the refresh, and leaves the refresh token unused', async () => {
    const { app, tokens, role, person } = await writer();
    await role.takeAway();
    const attempt = await refusal(refresh(app, tokens, 'files:write'));
    await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:write']);

    expect(attempt).toBe('invalid_scope');
    expect(scopeOf(await refresh(app, tokens, 'files:write'))).toBe('files:write');
  });

  it('between consent and the code is missing from the token', async () => {
    const person = await createPerson(gatehouse.services);
    const role = await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:write']);
    const app = await filesApp();
    const begun = await app.begin(asking('files:read files:write'));
    const { landed } = await signInAt(begun.url, person);
    await role.takeAway();

    expect(scopeOf(await app.finish(landed.url, begun, { resource: audience }))).toBe('files:read');
  });

  it('between the page and the answer on it is not granted either', async () => {
    const person = await createPerson(gatehouse.services);
    const role = await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:write']);
    const app = await filesApp();
    const begun = await app.begin(asking('files:read files:write'));
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open(begun.url);
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    await role.takeAway();
    const landed = await browser.submit(page, {}, '/consent');

    expect(page.html).toContain('Change your files.');
    expect(scopeOf(await app.finish(landed.url, begun, { resource: audience }))).toBe('files:read');
  });
});

describe('roles at the management API', () => {
  it('give an auditor tokens that read the ledger, and do nothing else', async () => {
    const person = await createPerson(gatehouse.services);
    const { access } = gatehouse.services;
    const roles = await access.listRoles({}, { limit: 50, cursor: null });
    const auditor = roles.items.find(({ name }) => name === 'auditor');
    await access.assign(
      { roleId: auditor?.id ?? '', subject: { kind: 'account', id: person.id }, organizationId: null },
      asOperator(operator),
    );
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, {
      resource,
      scope: 'openid audit-events:read accounts:update',
    });
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect(scopeOf(tokens)).toBe('audit-events:read');
    expect((await fetch(`${gatehouse.issuer}/api/v1/audit-events`, { headers })).status).toBe(200);
    expect((await fetch(`${gatehouse.issuer}/api/v1/clients`, { headers })).status).toBe(403);
  });
});

describe('what an API gives to everyone', () => {
  const open = (name: string) => [{ name, sentence: 'See it.', everyone: true }];

  it.each(['accounts:read', 'accounts:*', '*:read', '*:*', 'accounts:read:acc_1', 'clients:delete:*:x'])(
    'cannot be a word of the management API that takes a role: %s',
    async (name) => {
      const attempt = createFiles({ audience: 'https://greedy.example.com', permissions: open(name) });

      await expect(attempt).rejects.toMatchObject({ code: 'api_invalid' });
    },
  );

  it('opens nothing there, even when it was registered before that was refused', async () => {
    const api = await createFiles({ audience: 'https://older.example.com' });
    const { postgres, changes } = gatehouse.services;
    await postgres.transaction(async (trx) => {
      const permissions = JSON.stringify([...open('accounts:read'), ...open('*:*')]);
      await trx('apis').where({ id: api.id }).update({ permissions });
      await changes.bump(trx, 'apis');
    });
    await changes.poll();
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const begun = await app.begin({ resource, scope: 'openid accounts:read' });
    const { landed } = await signInAt(begun.url, await createPerson(gatehouse.services));

    expect(new URL(landed.url).searchParams.get('error')).toBe('invalid_scope');
  });
});

describe('what a token says', () => {
  it('A8 says the static claims of its API and its client, the client over the API', async () => {
    const resource = 'https://claims.example.com';
    await createFiles({ audience: resource, claims: { tier: 'silver', region: 'eu' } });
    const app = await relyingParty(gatehouse, {
      apis: [{ audience: resource, permissions: ['*'] }],
      claims: { tier: 'gold', 'https://example.com/plan': { seats: 3 } },
    });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), {
      resource,
      scope: 'files:read',
    });

    expect(decodeJwt(tokens.access_token)).toMatchObject({
      tier: 'gold',
      region: 'eu',
      'https://example.com/plan': { seats: 3 },
    });
  });

  it('A8 is never overwritten by a static claim, even one that got past its registration', async () => {
    const resource = 'https://forged.example.com';
    const api = await createFiles({ audience: resource });
    const forged = { sub: 'acc_root', scope: '*:*', permissions: ['*:*'], roles: ['admin'], org_id: 'org_x' };
    const more = {
      cnf: { jkt: 'x' },
      act: { sub: 'x' },
      amr: ['hwk'],
      handle: 'x',
      exp: 1,
      aud: 'x',
      iss: 'x',
    };
    const { postgres, changes } = gatehouse.services;
    await postgres.transaction(async (trx) => {
      const claims = JSON.stringify({ ...forged, ...more, ok: 1 });
      await trx('apis').where({ id: api.id }).update({ claims });
      await changes.bump(trx, 'apis');
    });
    await changes.poll();
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, { resource, scope: 'files:read' });
    const payload = decodeJwt(tokens.access_token);

    expect(payload).toMatchObject({
      sub: person.id,
      scope: 'files:read',
      amr: ['pwd'],
      aud: resource,
      ok: 1,
    });
    expect(payload.iss).toBe(gatehouse.issuer);
    for (const name of ['permissions', 'roles', 'org_id', 'cnf', 'act'])
      expect(payload).not.toHaveProperty(name);
  });

  it('says permissions and roles where its API wants them: the permissions are those of its scope', async () => {
    const resource = 'https://told.example.com';
    await createFiles({ audience: resource, tokenClaims: ['permissions', 'roles', 'org_id'] });
    const person = await createPerson(gatehouse.services);
    const { name } = await giveRole(gatehouse.services, { kind: 'account', id: person.id }, ['files:*']);
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, { resource, scope: 'files:read files:write' });
    const payload = decodeJwt(tokens.access_token);

    expect(payload).toMatchObject({ permissions: ['files:read', 'files:write'], roles: [name] });
    expect(payload).not.toHaveProperty('org_id');
  });

  it('says none of it to an API that did not ask', async () => {
    const person = await createPerson(gatehouse.services);
    const { tokens } = await (await filesApp()).signIn(person, asking('files:read'));

    for (const name of ['permissions', 'roles', 'org_id']) {
      expect(decodeJwt(tokens.access_token)).not.toHaveProperty(name);
    }
  });
});

describe('lifetimes', () => {
  it('B1 an access token lives 15 minutes and a refresh token 7 days where that is set, by API or by client', async () => {
    const resource = 'https://lifetimes.example.com';
    await createFiles({ audience: resource, tokenLifetimeSeconds: 900 });
    const week = 7 * 24 * 60 * 60;
    const apis = [{ audience: resource, permissions: ['*'] }];
    const byApi = await relyingParty(gatehouse, {
      apis,
      refreshIdleSeconds: week,
      refreshAbsoluteSeconds: week,
    });
    const byClient = await relyingParty(gatehouse, { apis, accessTokenLifetimeSeconds: 300 });
    const ask = { resource, scope: 'openid offline_access files:read', prompt: 'consent' };
    const person = await createPerson(gatehouse.services);
    const long = (await byApi.signIn(person, ask)).tokens;
    const short = (await byClient.signIn(person, ask)).tokens;
    const lived = ({ access_token }: { access_token: string }) => {
      const { exp = 0, iat = 0 } = decodeJwt(access_token);
      return exp - iat;
    };
    const row = await gatehouse.database
      .db('oidc_tokens')
      .where({ client_id: byApi.client.id, model: 'RefreshToken' })
      .first(gatehouse.database.db.raw('extract(epoch from expires_at - now()) as seconds'));

    expect([lived(long), long.expires_in, lived(short)]).toEqual([900, 900, 300]);
    expect(Math.abs(Number(row.seconds) - week)).toBeLessThan(120);
    expect(
      (await eventsOf(gatehouse.services, { clientId: byApi.client.id, type: 'token.issued' })).length,
    ).toBe(2);
  });
});
