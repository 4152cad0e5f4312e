// Second factors over JSON: set up, verified, renamed and removed by their owner who signed in lately, reset by administrators.
import { generateSync } from 'otplib';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { createBrowser } from '../support/browser.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { callsBy, machine } from '../support/management.ts';
import { createPerson, operator, password } from '../support/people.ts';

const gatehouse = useGatehouse();
const mailbox = useMailbox(gatehouse);

const OWN = ['own-factors:read', 'own-factors:update'];
const NOBODY = { clientId: '', token: '' };

/** An application that a person signed in to, which looks after their factors. */
async function appOf(
  person: Account,
  params: Record<string, string> = {},
  { firstParty }: { firstParty: boolean } = { firstParty: true },
) {
  const audience = `${gatehouse.issuer}/api`;
  const app = await relyingParty(gatehouse, { firstParty, apis: [{ audience, permissions: OWN }] });
  const signedIn = await app.signIn(person, {
    resource: audience,
    scope: `openid ${OWN.join(' ')}`,
    ...params,
  });
  const token = signedIn.tokens.access_token;
  return { ...signedIn, app, token, call: callsBy(gatehouse, () => ({ clientId: app.client.id, token })) };
}

const signedInPerson = async (more: { admin?: boolean } = {}) => {
  const person = await createPerson(gatehouse.services, more);
  return { person, ...(await appOf(person)) };
};

describe('TOTP over JSON', () => {
  it('E3 C3: is set up with a QR code and verified; the first one brings recovery codes', async () => {
    const { person, call } = await signedInPerson();
    const begun = await call('POST', '/me/factors/totp');
    expect(begun.status).toBe(200);
    expect(begun.body.uri).toMatch(
      /^otpauth:\/\/totp\/Gatehouse:person\d+%40example\.com\?secret=[A-Z2-7]{32}&issuer=Gatehouse$/,
    );
    expect(begun.headers.get('cache-control')).toBe('no-store');
    const [head, data = ''] = begun.body.qrCode.split(',');
    expect(head).toBe('data:image/svg+xml;base64');
    expect(Buffer.from(data, 'base64').toString()).toMatch(/^<svg .*<\/svg>$/);
    expect((await call('GET', '/me/factors')).body).toEqual({
      items: [],
      nextCursor: null,
      recoveryCodesLeft: 0,
    });

    const { enrolment, secret } = begun.body;
    const code = generateSync({ secret: secret.replaceAll(' ', '') });
    const wrong = await call('POST', '/me/factors/totp/verify', {
      body: { enrolment, code: String((Number(code) + 1) % 1e6).padStart(6, '0'), name: 'Phone' },
    });
    expect([wrong.status, wrong.body.code]).toEqual([400, 'code_wrong']);
    const done = await call('POST', '/me/factors/totp/verify', { body: { enrolment, code, name: 'Phone' } });
    expect(done.status).toBe(201);
    expect(done.body).toMatchObject({ kind: 'totp', name: 'Phone', to: null });
    expect(done.body.recoveryCodes).toHaveLength(10);
    expect(JSON.stringify(done.body)).not.toContain(secret.replaceAll(' ', ''));
    expect(await gatehouse.services.credentials.factors.summaryOf(person.id)).toMatchObject({
      kinds: ['totp'],
    });
  });
});

describe('SMS over JSON', () => {
  it('E4: is set up and verified by a code that is sent', async () => {
    const { person, call } = await signedInPerson();
    const begun = await call('POST', '/me/factors/sms', { body: { phoneNumber: '+43 660 7654321' } });
    expect([begun.status, begun.body.to]).toEqual([202, '•••• 21']);
    const { code } = await mailbox.next('+436607654321', 'factor-code');
    const done = await call('POST', '/me/factors/sms/verify', { body: { code, name: 'Mobile' } });
    expect(done.status).toBe(201);
    expect(done.body).toMatchObject({ kind: 'sms', name: 'Mobile', to: '•••• 21' });
    expect(await gatehouse.services.credentials.factors.summaryOf(person.id)).toMatchObject({
      kinds: ['sms'],
    });
  });

  it('E4: is refused for numbers that are none, and after too many codes', async () => {
    const { call } = await signedInPerson();
    const begin = (phoneNumber: string) => call('POST', '/me/factors/sms', { body: { phoneNumber } });
    const none = await begin('0660 1234567');
    expect([none.status, none.body.code]).toEqual([400, 'phone_number_invalid']);
    const statuses = [];
    for (let time = 0; time < 7; time += 1) statuses.push((await begin('+43 660 1111111')).status);
    expect(statuses).toEqual([202, 202, 202, 202, 202, 202, 429]);
    expect(Number((await begin('+43 660 1111111')).headers.get('retry-after'))).toBeGreaterThan(3000);
  });

  it('by mail goes to the own address unless another is named', async () => {
    const { person, call } = await signedInPerson();
    expect((await call('POST', '/me/factors/mail', { body: {} })).status).toBe(202);
    const { code } = await mailbox.next(person.email ?? '', 'factor-code');
    const done = await call('POST', '/me/factors/mail/verify', { body: { code, name: 'Mailbox' } });
    expect(done.body).toMatchObject({ kind: 'mail', to: 'p•••@example.com' });
  });
});

describe('what is there', () => {
  it('is renamed, removed and renewed', async () => {
    const { person, call } = await signedInPerson();
    const { enrolment, secret } = (await call('POST', '/me/factors/totp')).body;
    const code = generateSync({ secret: secret.replaceAll(' ', '') });
    const { id } = (await call('POST', '/me/factors/totp/verify', { body: { enrolment, code, name: 'A' } }))
      .body;
    // From now on the account demands more than this sign-in was.
    const weak = await call('PATCH', `/me/factors/${id}`, { body: { name: 'B' } });
    expect([weak.status, weak.body.code]).toEqual([401, 'insufficient_user_authentication']);
    expect(weak.headers.get('www-authenticate')).toBe(
      `Bearer realm="${gatehouse.issuer}", error="insufficient_user_authentication", acr_values="2sv mfa phr"`,
    );
    await gatehouse.database.db('factors').where({ id }).update({ counter: 0 });
    const strong = await stepUp(person, secret.replaceAll(' ', ''));
    expect((await strong('PATCH', `/me/factors/${id}`, { body: { name: 'B' } })).body).toMatchObject({
      id,
      name: 'B',
    });
    const renewed = await strong('POST', '/me/factors/recovery-codes');
    expect(renewed.status).toBe(201);
    expect(renewed.body.codes).toHaveLength(10);
    expect((await strong('GET', '/me/factors/recovery-codes')).body).toEqual({ left: 10, few: false });
    expect((await strong('DELETE', `/me/factors/${id}`)).status).toBe(204);
    expect((await strong('DELETE', `/me/factors/${id}`)).body.code).toBe('factor_not_found');
    expect((await strong('GET', '/me/factors/recovery-codes')).body).toEqual({ left: 0, few: true });
  });

  it('stays when it is the last one of somebody who needs one', async () => {
    const { person, call } = await signedInPerson({ admin: true });
    const [factor] = await gatehouse.services.credentials.factors.list(person.id);
    const refused = await call('DELETE', `/me/factors/${factor?.id}`);
    expect([refused.status, refused.body.code]).toEqual([409, 'factor_needed']);
    expect(await gatehouse.services.credentials.factors.list(person.id)).toHaveLength(1);
    expect(await gatehouse.services.credentials.factors.recoveryCodes.left(person.id)).toBe(10);
  });

  it('of somebody else is not there', async () => {
    const { call } = await signedInPerson();
    const other = await createPerson(gatehouse.services, { admin: true });
    const [factor] = await gatehouse.services.credentials.factors.list(other.id);
    for (const [method, body] of [
      ['PATCH', { name: 'Mine' }],
      ['DELETE', undefined],
    ] as const) {
      const reply = await call(method, `/me/factors/${factor?.id}`, { body });
      expect([reply.status, reply.body.code]).toEqual([404, 'factor_not_found']);
    }
    expect(await gatehouse.services.credentials.factors.list(other.id)).toHaveLength(1);
  });
});

/** Signs in anew with password and code, as WWW-Authenticate says. */
async function stepUp(person: Account, secret: string) {
  const audience = `${gatehouse.issuer}/api`;
  const app = await relyingParty(gatehouse, { firstParty: true, apis: [{ audience, permissions: OWN }] });
  const begun = await app.begin({ resource: audience, scope: `openid ${OWN.join(' ')}`, acr_values: 'mfa' });
  const browser = createBrowser(new URL(gatehouse.issuer).origin);
  let page = await browser.open(begun.url);
  page = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
  page = await browser.submit(page, { code: generateSync({ secret }) }, '/second-factor');
  if (page.forms.length > 0) page = await browser.submit(page, {}, '/consent');
  const tokens = await app.finish(page.url, begun, { resource: audience });
  return callsBy(gatehouse, () => ({ clientId: app.client.id, token: tokens.access_token }));
}

const changes = [
  ['POST', '/me/factors/totp', undefined],
  ['POST', '/me/factors/totp/verify', { enrolment: 'x', code: '1', name: 'x' }],
  ['POST', '/me/factors/sms', { phoneNumber: '+43 660 1234567' }],
  ['POST', '/me/factors/sms/verify', { code: '1', name: 'x' }],
  ['POST', '/me/factors/mail', {}],
  ['POST', '/me/factors/mail/verify', { code: '1', name: 'x' }],
  ['POST', '/me/factors/recovery-codes', undefined],
  ['PATCH', '/me/factors/fac_00000000000000000000000000', { name: 'x' }],
  ['DELETE', '/me/factors/fac_00000000000000000000000000', undefined],
] as const;

describe('an application of somebody else', () => {
  it('may look at factors by consent, and changes none', async () => {
    const person = await createPerson(gatehouse.services);
    const { call } = await appOf(person, {}, { firstParty: false });
    expect((await call('GET', '/me/factors')).status).toBe(200);
    for (const [method, path, body] of changes) {
      const reply = await call(method, path, { body });
      expect([method, path, reply.status, reply.body.code]).toEqual([method, path, 403, 'permission_denied']);
    }
    expect(await mailbox.waiting(person.email ?? '')).toEqual([]);
  });
});

describe('a change needs a person who signed in lately', () => {
  it('not with a sign-in of eleven minutes ago, which may still look', async () => {
    const { call, token } = await signedInPerson();
    expect(token.split('.')).toHaveLength(3);
    const now = Date.now;
    const { clock } = gatehouse.services;
    const real = clock.now;
    try {
      clock.now = () => new Date(now() + 601_000);
      for (const [method, path, body] of changes) {
        const reply = await call(method, path, { body });
        expect([path, reply.status, reply.body.code]).toEqual([
          path,
          401,
          'insufficient_user_authentication',
        ]);
        expect(reply.headers.get('www-authenticate')).toContain('max_age="600"');
      }
      expect((await call('GET', '/me/factors')).status).toBe(200);
    } finally {
      clock.now = real;
    }
  });

  it('not with a machine, nor with a key of the person, whatever they may do', async () => {
    const person = await createPerson(gatehouse.services);
    const { secret } = await gatehouse.services.apiKeys.create(
      { name: 'key', permissions: OWN, owner: { kind: 'account', id: person.id } },
      { by: operator, within: {} },
    );
    const call = callsBy(gatehouse, () => NOBODY);
    const { token } = await machine(gatehouse);
    for (const [method, path, body] of changes) {
      for (const more of [{ token }, { token: null, headers: { 'X-API-Key': secret } }]) {
        const reply = await call(method, path, { body, ...more });
        expect([path, reply.status]).toEqual([path, 401]);
        expect(reply.body.code).toBe('insufficient_user_authentication');
      }
    }
  });
});

describe('administrators', () => {
  it('see kinds, names and dates, and reset them with a reason; never those of administrators, nor their own', async () => {
    const call = callsBy(gatehouse, () => NOBODY);
    const { services } = gatehouse;
    const person = await createPerson(services);
    await addAuthenticator(services, person);
    const { token } = await machine(gatehouse, ['accounts:read', 'accounts:update']);
    const listed = await call('GET', `/accounts/${person.id}/factors`, { token });
    expect(listed.body).toMatchObject({ items: [{ kind: 'totp', name: 'App' }], recoveryCodesLeft: 10 });
    expect(Object.keys(listed.body.items[0]).sort()).toEqual(
      ['backedUp', 'createdAt', 'disabledAt', 'id', 'kind', 'lastUsedAt', 'name', 'to'].sort(),
    );
    const reset = (id: string, body: unknown) => call('DELETE', `/accounts/${id}/factors`, { token, body });
    expect((await reset(person.id, {})).status).toBe(400);
    expect((await reset(person.id, { reason: 'showed a passport' })).status).toBe(204);
    expect((await call('GET', `/accounts/${person.id}/factors`, { token })).body.items).toEqual([]);

    const admin = await createPerson(services, { admin: true });
    const refused = await reset(admin.id, { reason: 'please' });
    expect([refused.status, refused.body.code]).toEqual([403, 'permission_denied']);

    const { secret } = await services.apiKeys.create(
      { name: 'own', permissions: ['*:*'], owner: { kind: 'account', id: admin.id } },
      { by: operator, within: {} },
    );
    const own = await call('DELETE', `/accounts/${admin.id}/factors`, {
      token: null,
      headers: { 'X-API-Key': secret },
      body: { reason: 'mine' },
    });
    expect([own.status, own.body.code]).toEqual([403, 'permission_denied']);
    expect(await services.credentials.factors.list(admin.id)).toHaveLength(1);
  });
});
