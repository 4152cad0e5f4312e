// JWT access tokens at the guard: what is refused and in which words, and where the keys come from.
import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createGuard,
  type GuardSettings,
  requireAuthentication,
  requirePermission,
  requireRole,
} from '../../src/guard/guard.ts';
import { asking, audience, bearer, newKey, useIssuer } from './issuer.ts';

const issuer = useIssuer();
const clock = { ahead: 0 };
const troubles: Error[] = [];

const guard = (more: Partial<GuardSettings> = {}) =>
  createGuard({
    issuer: issuer().url,
    audience,
    now: () => Date.now() + clock.ahead,
    onTrouble: (trouble) => troubles.push(trouble),
    ...more,
  });
const later = (seconds: number) => {
  clock.ahead += seconds * 1000;
};

async function codeOf(token: string, by = guard()): Promise<string> {
  const result = await by.check(bearer(token));
  return result.ok ? 'ok' : `${result.status} ${result.code}`;
}

beforeEach(() => {
  clock.ahead = 0;
  troubles.length = 0;
  Object.assign(issuer(), { mode: 'right', keys: [issuer().key], asked: 0 });
});

describe('a token', () => {
  it('that is right says who it is', async () => {
    const token = await issuer().sign({
      roles: ['editor'],
      org_id: 'org_1',
      scope: 'notes:read notes:write',
    });
    expect(await guard().check(bearer(token))).toMatchObject({
      ok: true,
      identity: {
        kind: 'token',
        subject: 'somebody',
        clientId: 'an-app',
        organizationId: 'org_1',
        scope: ['notes:read', 'notes:write'],
        roles: ['editor'],
        keyId: null,
      },
    });
  });

  it('A8: that has expired is told apart from one that is forged', async () => {
    const token = await issuer().sign();
    const expired = await issuer().sign({ exp: Math.floor(Date.now() / 1000) - 6 });
    const flipped = token.replace(
      /\.([^.])([^.]*)$/,
      (_, first, rest) => `.${first === 'A' ? 'B' : 'A'}${rest}`,
    );
    const foreign = await issuer().sign({}, {}, { ...(await newKey('one')) });
    expect(await codeOf(expired)).toBe('401 token_expired');
    expect(await codeOf(flipped)).toBe('401 token_invalid');
    expect(await codeOf(foreign)).toBe('401 token_invalid');
    // One that is both is a forgery: nobody learns the times of tokens that never were.
    const both = await issuer().sign({ exp: 1 }, {}, await newKey('one'));
    expect(await codeOf(both)).toBe('401 token_invalid');
  });

  it('is good for five seconds more at most, for clocks that differ', async () => {
    const token = await issuer().sign({ exp: Math.floor(Date.now() / 1000) - 3 });
    expect(await codeOf(token)).toBe('ok');
    expect(await codeOf(token, guard({ clockToleranceSeconds: 0 }))).toBe('401 token_expired');
  });

  it.each([
    ['for another API', { aud: 'https://other.example.com' }, '401 token_audience'],
    ['for an API whose name only begins the same', { aud: `${audience}/more` }, '401 token_audience'],
    ['for none', { aud: undefined }, '401 token_audience'],
    ['of another issuer', { iss: 'https://other.example.com' }, '401 token_invalid'],
    ['of an issuer with a slash more', { iss: 'SLASH' }, '401 token_invalid'],
    ['not good before tomorrow', { nbf: Math.floor(Date.now() / 1000) + 86_400 }, '401 token_invalid'],
    ['without an end', { exp: undefined }, '401 token_invalid'],
    ['without a subject', { sub: undefined }, '401 token_invalid'],
    ['without a client', { client_id: undefined }, '401 token_invalid'],
    ['without an id', { jti: undefined }, '401 token_invalid'],
    ['without a beginning', { iat: undefined }, '401 token_invalid'],
  ])('%s is refused', async (_what, claims: Record<string, unknown>, code) => {
    const own = claims.iss === 'SLASH' ? { iss: `${issuer().url}/` } : claims;
    expect(await codeOf(await issuer().sign(own))).toBe(code);
  });

  it('is taken for one of several audiences', async () => {
    expect(await codeOf(await issuer().sign({ aud: ['https://other.example.com', audience] }))).toBe('ok');
  });

  it.each(['JWT', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', undefined])(
    'of the type %s is none',
    async (typ) => {
      expect(await codeOf(await issuer().sign({}, { typ }))).toBe('401 token_invalid');
    },
  );

  it('of the full media type is one', async () => {
    expect(await codeOf(await issuer().sign({}, { typ: 'application/at+jwt' }))).toBe('ok');
  });

  it('is refused with no signature, with a published key as a secret, and with an algorithm that is not allowed', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [, payload = ''] = (await issuer().sign()).split('.');
    const none = `${part({ typ: 'at+jwt', alg: 'none' })}.${payload}.`;
    const head = `${part({ typ: 'at+jwt', alg: 'HS256', kid: 'one' })}.${payload}`;
    const secret = JSON.stringify(issuer().key.jwk);
    const confused = `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
    expect(await codeOf(none)).toBe('401 token_invalid');
    expect(await codeOf(confused)).toBe('401 token_invalid');
    expect(await codeOf(await issuer().sign(), guard({ algorithms: ['RS256'] }))).toBe('401 token_invalid');
  });

  it('with a key of its own is not believed', async () => {
    const own = await newKey('own');
    expect(await codeOf(await issuer().sign({}, { jwk: own.jwk, kid: undefined }, own))).toBe(
      '401 token_invalid',
    );
  });

  it('with a critical extension that nobody knows is refused', async () => {
    const [head = '', payload, signature] = (await issuer().sign()).split('.');
    const header = { ...JSON.parse(Buffer.from(head, 'base64url').toString()), crit: ['exp'] };
    const altered = Buffer.from(JSON.stringify(header)).toString('base64url');
    expect(await codeOf(`${altered}.${payload}.${signature}`)).toBe('401 token_invalid');
  });
});

describe('keys of the issuer', () => {
  it('are fetched once for many requests at once', async () => {
    const by = guard();
    const token = await issuer().sign();
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(token, by)));
    expect(new Set(codes)).toEqual(new Set(['ok']));
    expect(issuer().asked).toBe(1);
  });

  it('are fetched again for a key that is new, but not for each stranger', async () => {
    const by = guard();
    expect(await codeOf(await issuer().sign(), by)).toBe('ok');
    const next = await newKey('two');
    issuer().keys = [issuer().key, next];
    later(11);
    expect(await codeOf(await issuer().sign({}, {}, next), by)).toBe('ok');
    expect(issuer().asked).toBe(2);
    for (const kid of ['x', 'y', 'z']) {
      expect(await codeOf(await issuer().sign({}, {}, await newKey(kid)), by)).toBe('401 token_invalid');
    }
    expect(issuer().asked).toBe(2);
    later(11);
    await codeOf(await issuer().sign({}, {}, await newKey('w')), by);
    expect(issuer().asked).toBe(3);
  });

  it('that were taken away are not believed ten minutes later', async () => {
    const by = guard();
    expect(await codeOf(await issuer().sign(), by)).toBe('ok');
    issuer().keys = [await newKey('two')];
    later(601);
    const exp = Math.floor(Date.now() / 1000) + 3600;
    expect(await codeOf(await issuer().sign({ exp }), by)).toBe('401 token_invalid');
  });

  it('are good for a day without the issuer, and then nobody is recognised', async () => {
    const by = guard();
    const token = await issuer().sign({ exp: Math.floor(Date.now() / 1000) + 200_000 });
    expect(await codeOf(token, by)).toBe('ok');
    issuer().mode = 'broken';
    later(3600);
    expect(await codeOf(token, by)).toBe('ok');
    expect(troubles[0]?.message).toContain('keys of the issuer');
    later(24 * 3600);
    const result = await by.check(bearer(token));
    expect(result).toMatchObject({ status: 503, code: 'verification_unavailable' });
    if (result.ok) throw new Error('it was let through');
    expect(result.headers['Retry-After']).toBe('5');
    expect(result.headers['WWW-Authenticate']).toBeUndefined();
    issuer().mode = 'right';
    later(11);
    expect(await codeOf(token, by)).toBe('ok');
  });

  it('of an issuer that is away make an unknown key neither good nor bad', async () => {
    const by = guard();
    expect(await codeOf(await issuer().sign(), by)).toBe('ok');
    issuer().mode = 'broken';
    later(11);
    expect(await codeOf(await issuer().sign({}, {}, await newKey('two')), by)).toBe(
      '503 verification_unavailable',
    );
  });

  it('hold up one round of requests, when the issuer hangs, and no later one', async () => {
    const by = guard();
    const token = await issuer().sign({ exp: Math.floor(Date.now() / 1000) + 9000 });
    expect(await codeOf(token, by)).toBe('ok');
    issuer().mode = 'hanging';
    later(601);
    expect(await codeOf(token, by)).toBe('ok');
    later(11);
    const begin = performance.now();
    expect(await codeOf(token, by)).toBe('ok');
    expect(performance.now() - begin).toBeLessThan(1000);
  });

  it('are not taken from metadata of somebody else', async () => {
    const { url } = issuer();
    const answers: Record<string, unknown> = {
      '/.well-known/oauth-authorization-server': {
        issuer: 'https://evil.example.com',
        jwks_uri: `${url}/jwks`,
      },
      '/jwks': { keys: [issuer().key.jwk] },
    };
    const by = guard({ fetch: async (input) => Response.json(answers[new URL(String(input)).pathname]) });
    expect(await codeOf(await issuer().sign(), by)).toBe('503 verification_unavailable');
  });
});

describe('what a route needs', () => {
  const ask = async (
    claims: Record<string, unknown>,
    ...needs: Parameters<ReturnType<typeof guard>['check']>[1][]
  ) => {
    const result = await guard().check(bearer(await issuer().sign(claims)), ...needs);
    return result.ok ? { status: 200 } : { ...result, challenge: result.headers['WWW-Authenticate'] };
  };

  it('B3: requirePermission takes what covers it, and names all that is wanted otherwise', async () => {
    expect(await ask({ scope: 'notes:*' }, requirePermission('notes:read'))).toEqual({ status: 200 });
    expect(await ask({ scope: 'notes:read' }, requirePermission('notes:read:7'))).toEqual({ status: 200 });
    for (const scope of ['notes:read:7', 'notes:write', '', 'openid', undefined]) {
      expect(await ask({ scope }, requirePermission('notes:read'))).toMatchObject({
        status: 403,
        code: 'permission_missing',
        challenge: expect.stringMatching(/^Bearer error="insufficient_scope", .*scope="notes:read"$/),
      });
    }
    const both = await ask(
      { scope: 'notes:read' },
      requirePermission('notes:read'),
      requirePermission('notes:write'),
    );
    expect(both).toMatchObject({
      status: 403,
      challenge: expect.stringContaining('scope="notes:read notes:write"'),
    });
  });

  it('is measured by the scope alone: no other claim gives a permission', async () => {
    const claims = { scope: 'notes:read', permissions: ['*:*'], scopes: ['*:*'] };
    expect(await ask(claims, requirePermission('notes:write'))).toMatchObject({ status: 403 });
  });

  it('B2: requireRole takes any of its roles, and every one that is said on its own', async () => {
    const roles = ['staff'];
    expect(await ask({ roles }, requireRole('admin', 'staff'))).toEqual({ status: 200 });
    expect(await ask({ roles }, requireRole('admin'))).toMatchObject({ status: 403, code: 'role_missing' });
    expect(await ask({}, requireRole('staff'))).toMatchObject({ status: 403, code: 'role_missing' });
    expect(await ask({ roles }, requireRole('admin'), requireRole('staff'))).toMatchObject({ status: 403 });
    expect(await ask({ roles: ['administrator'] }, requireRole('admin'))).toMatchObject({ status: 403 });
  });

  it('may be a stronger or more recent sign-in (RFC 9470)', async () => {
    const now = Math.floor(Date.now() / 1000);
    const strong = requireAuthentication({ acrValues: ['mfa', 'hwk'], maxAgeSeconds: 300 });
    expect(await ask({ acr: 'mfa', auth_time: now - 200 }, strong)).toEqual({ status: 200 });
    for (const claims of [
      { acr: 'pwd', auth_time: now },
      { acr: 'mfa', auth_time: now - 400 },
      { acr: 'mfa' },
      {},
    ]) {
      expect(await ask(claims, strong)).toMatchObject({
        status: 401,
        code: 'authentication_insufficient',
        challenge: expect.stringMatching(
          /^Bearer error="insufficient_user_authentication", .*acr_values="mfa hwk", max_age="300"/,
        ),
      });
    }
  });

  it('cannot be two values of one constraint', async () => {
    const twice = [{ constraints: { model: 'small' } }, { constraints: { model: 'big' } }];
    await expect(guard().check(bearer(await issuer().sign()), ...twice)).rejects.toThrow('two values');
  });

  it('is not decided here when it is counted or a constraint: without a server that is a mistake', async () => {
    const token = bearer(await issuer().sign());
    await expect(guard().check(token, { constraints: { model: 'small' } })).rejects.toThrow('verify setting');
    await expect(guard().check(token, { meters: { tokens: 5 } })).rejects.toThrow('verify setting');
  });
});

describe('a request', () => {
  const refused = async (
    headers: Record<string, string>,
    more = {},
    settings: Partial<GuardSettings> = {},
  ) => {
    const result = await guard(settings).check(asking(headers, more));
    if (result.ok) throw new Error('it was let through');
    return { code: result.code, status: result.status, challenge: result.headers['WWW-Authenticate'] };
  };

  it('that brings nothing is told how, and no error (RFC 6750 §3.1)', async () => {
    const none = {
      status: 401,
      code: 'credential_missing',
      challenge: 'Bearer, DPoP algs="ES256 EdDSA Ed25519"',
    };
    expect(await refused({})).toEqual(none);
    expect(await refused({ authorization: 'Basic abc' })).toEqual(none);
  });

  it('is told where the metadata of the API is (RFC 9728 §5.1)', async () => {
    const resourceMetadataUrl = 'https://notes.example.com/.well-known/oauth-protected-resource';
    const { challenge } = await refused({}, {}, { resourceMetadataUrl });
    expect(challenge).toMatch(new RegExp(`^Bearer resource_metadata="${resourceMetadataUrl}", DPoP`));
  });

  it('with two credentials is not guessed about', async () => {
    const token = await issuer().sign();
    expect(await refused({ authorization: `Bearer ${token}`, 'x-api-key': 'gth_x' })).toMatchObject({
      status: 400,
      code: 'credential_ambiguous',
    });
  });

  it.each(['', 'a b', 'ü', 'a"b', `a${'.a'.repeat(10_000)}`])(
    'with a malformed token is refused',
    async (token) => {
      expect(await refused({ authorization: `Bearer ${token}` })).toMatchObject({
        status: 401,
        code: 'token_malformed',
      });
    },
  );

  it('with a token where a key belongs, or in the address, is refused', async () => {
    const token = await issuer().sign();
    expect((await refused({ 'x-api-key': token })).status).toBe(401);
    const url = `https://notes.example.com/notes?access_token=${token}`;
    expect((await refused({}, { url })).code).toBe('credential_missing');
  });

  it('puts nothing of its own into the challenge', async () => {
    const result = await guard().check(
      bearer(await issuer().sign()),
      requirePermission('notes:read:"\r\nSet-Cookie: x"'),
    );
    expect(result.ok ? '' : result.headers['WWW-Authenticate']).not.toMatch(/[\r\n]|""/);
  });
});

it('describes the API (RFC 9728 §2)', () => {
  expect(guard().metadata({ scopesSupported: ['notes:read'], resourceName: 'Notes' })).toEqual({
    resource: audience,
    authorization_servers: [issuer().url],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
    scopes_supported: ['notes:read'],
    resource_name: 'Notes',
  });
});
