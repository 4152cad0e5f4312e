// Each reason alone ends a token, with everything else as it should be: what one of them misses no other makes up for.
import { describe, expect, it } from 'vitest';
import { compilePermissions } from '../../src/lib/permission.ts';
import type { IssuedToken } from '../../src/oidc/tokens/issued.ts';
import { createLiveness, type LivenessDeps } from '../../src/oidc/tokens/liveness.ts';

const facts = { permissions: compilePermissions(['notes:*']), roles: ['reader'] };
const held = {
  of: {} as never,
  api: compilePermissions(['notes:read', 'notes:write']),
  entitlement: compilePermissions(['notes:read']),
  roles: ['reader'],
};
const key = { accountId: 'acc_owner', organizationId: 'org_1' };

const token: IssuedToken = {
  kind: 'access',
  format: 'jwt',
  jti: 'jti',
  accountId: 'acc_1',
  clientId: 'cli_1',
  apiKeyId: null,
  apiKeySecretId: null,
  organizationId: null,
  grantId: 'grant',
  sessionUid: 'session',
  isSpent: false,
  audiences: ['https://notes.example.com'],
  scope: ['openid', 'notes:read', 'notes:write'],
  issuedAtSeconds: 100,
  expiresAtSeconds: 200,
  confirmation: null,
  subject: 'acc_1',
  claims: {},
};
const machine = { ...token, accountId: null, grantId: null, sessionUid: null, scope: ['notes:read'] };
const ofKey = { ...machine, clientId: 'key_1', apiKeyId: 'key_1', apiKeySecretId: 'kse_1' };

function now(issued: IssuedToken, broken: Partial<LivenessDeps> = {}) {
  return createLiveness({
    isCutOff: () => false,
    isRevoked: () => false,
    fresh: async () => {},
    knownClient: async () => ({ client: {} }) as never,
    aliveKey: async () => key as never,
    factsOfAccount: async () => facts,
    findGrant: async () => ({ accountId: 'acc_1', clientId: 'cli_1', organizationId: 'org_2' }),
    sessionHolds: async () => true,
    rights: { ofClient: async () => held, ofKey: async () => held, ofPerson: () => held },
    ...broken,
  }).now(issued);
}

describe('a token is alive', () => {
  it('of a person, with what is held of its scope, in the organization of its grant', async () => {
    expect(await now(token)).toEqual({
      scope: ['openid', 'notes:read'],
      roles: ['reader'],
      belongs: { organizationId: 'org_2' },
    });
  });

  it('of a machine, and of a key with its owner', async () => {
    expect(await now(machine)).toEqual({ scope: ['notes:read'], roles: ['reader'], belongs: {} });
    expect(await now(ofKey)).toEqual({ scope: ['notes:read'], roles: ['reader'], belongs: key });
  });

  it('without a scope as long as its API is any of its business', async () => {
    expect(await now({ ...machine, scope: [] })).toMatchObject({ scope: [] });
  });
});

const nothing = async () => undefined;
const grant = { accountId: 'acc_1', clientId: 'cli_1', organizationId: null };
const bare = { ...held, entitlement: compilePermissions([]) };
const noRights = { ofClient: nothing, ofKey: nothing, ofPerson: () => undefined };
const emptied = { ofClient: async () => bare, ofKey: async () => bare, ofPerson: () => bare };

describe('a token is over', () => {
  it.each<[string, IssuedToken, Partial<LivenessDeps>]>([
    ['revoked by its id', token, { isRevoked: (jti) => jti === 'jti' }],
    [
      'from before an end',
      token,
      { isCutOff: ({ atSeconds, accountId }) => atSeconds === 100 && accountId === 'acc_1' },
    ],
    ['of a machine from before an end', machine, { isCutOff: ({ clientId }) => clientId === 'cli_1' }],
    ['of a client that is gone or disabled', token, { knownClient: nothing }],
    ['of a machine that is gone or disabled', machine, { knownClient: nothing }],
    ['of an account that is gone, suspended or no member', token, { factsOfAccount: nothing }],
    ['without a grant', { ...token, grantId: null }, {}],
    ['of a grant that is gone', token, { findGrant: nothing }],
    ['of the grant of somebody else', token, { findGrant: async () => ({ ...grant, accountId: 'acc_2' }) }],
    ['of the grant of another client', token, { findGrant: async () => ({ ...grant, clientId: 'cli_2' }) }],
    ['of a session that is over', token, { sessionHolds: async () => false }],
    ['of a key that is not good', ofKey, { aliveKey: nothing }],
    ['of a key whose string is not known', { ...ofKey, apiKeySecretId: null }, {}],
    ['of a person, for an API that is none of its business', token, { rights: noRights as never }],
    ['of a machine, for an API that is none of its business', machine, { rights: noRights as never }],
    ['of a key, for an API that is none of its business', ofKey, { rights: noRights as never }],
    ['of a machine, when nothing of its scope is left', machine, { rights: emptied as never }],
    ['of a key, when nothing of its scope is left', ofKey, { rights: emptied as never }],
  ])('%s', async (_, issued, broken) => {
    expect(await now(issued, broken)).toBeUndefined();
  });

  it('and nobody is told that it is alive when what other nodes did cannot be seen', async () => {
    await expect(now(token, { fresh: () => Promise.reject(new Error('away')) })).rejects.toThrow('away');
  });

  it('but a key does not end with the sign-ins of its owner', async () => {
    expect(await now(ofKey, { isCutOff: ({ accountId }) => accountId === 'acc_owner' })).toBeDefined();
  });
});
