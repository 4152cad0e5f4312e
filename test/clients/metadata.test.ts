// The registration rules of each kind of client, as tables over the pure functions.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { engineMetadata } from '../../src/clients/engine-metadata.ts';
import { allowedOrigins, registrationProblems, withDefaults } from '../../src/clients/metadata.ts';
import type { Client } from '../../src/clients/schema.ts';
import type { ClientId } from '../../src/lib/ids.ts';

type Change = Partial<Parameters<typeof withDefaults>[0]>;

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const bases = {
  web: { kind: 'web', name: 'Web', redirectUris: ['https://app.example/callback'] },
  spa: { kind: 'spa', name: 'Page', redirectUris: ['https://app.example/'] },
  native: { kind: 'native', name: 'App', redirectUris: ['com.example.app:/callback'] },
  machine: { kind: 'machine', name: 'Machine' },
} as const;
type Kind = keyof typeof bases;

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const publicJwk = { ...ec.publicKey.export({ format: 'jwk' }) };
const privateJwk = { ...ec.privateKey.export({ format: 'jwk' }) };
const weakJwk = { ...weak.publicKey.export({ format: 'jwk' }) };

function registered(kind: Kind, change: Change = {}) {
  const base = bases[kind];
  const redirectUris = 'redirectUris' in base ? { redirectUris: [...base.redirectUris] } : {};
  return withDefaults({ kind, name: base.name, ...redirectUris, ...change });
}

describe('registrationProblems', () => {
  it.each(Object.keys(bases) as Kind[])('takes a %s client with its defaults', (kind) => {
    expect(registrationProblems(registered(kind))).toEqual({});
  });

  it.each<[Kind, Change]>([
    ['web', { authMethod: 'client_secret_post' }],
    ['web', { authMethod: 'private_key_jwt', jwks: { keys: [publicJwk] } }],
    ['web', { authMethod: 'private_key_jwt', jwksUri: 'https://app.example/jwks' }],
    ['web', { grantTypes: ['authorization_code', 'client_credentials'], scopes: ['openid'] }],
    ['web', { pkceExempt: true }],
    ['web', { redirectUris: ['http://localhost:4000/callback'] }],
    ['web', { subjectType: 'pairwise' }],
    ['web', { backchannelLogoutUri: 'https://app.example/logout', backchannelLogoutSessionRequired: true }],
    ['native', { grantTypes: [DEVICE_CODE], redirectUris: [], scopes: ['openid'] }],
    ['native', { redirectUris: ['http://127.0.0.1/callback', 'https://app.example/claimed'] }],
    ['machine', { authMethod: 'private_key_jwt', jwksUri: 'https://machine.example/jwks' }],
    ['machine', { mayIntrospectAny: true }],
  ])('takes a %s client with %j', (kind, change) => {
    expect(registrationProblems(registered(kind, change))).toEqual({});
  });

  it.each<[Kind, Change, string]>([
    // Authentication: public clients keep no secret, confidential ones must prove who they are.
    ['web', { authMethod: 'none' }, 'authMethod'],
    ['machine', { authMethod: 'none' }, 'authMethod'],
    ['spa', { authMethod: 'client_secret_basic' }, 'authMethod'],
    ['native', { authMethod: 'client_secret_post' }, 'authMethod'],
    ['web', { authMethod: 'private_key_jwt' }, 'jwks'],
    [
      'web',
      { authMethod: 'private_key_jwt', jwks: { keys: [publicJwk] }, jwksUri: 'https://a.example/' },
      'jwks',
    ],
    ['web', { authMethod: 'private_key_jwt', jwks: { keys: [privateJwk] } }, 'jwks.keys.0'],
    [
      'web',
      { authMethod: 'private_key_jwt', jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } },
      'jwks.keys.0',
    ],
    [
      'web',
      { authMethod: 'private_key_jwt', jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'AA' }] } },
      'jwks.keys.0',
    ],
    ['web', { authMethod: 'private_key_jwt', jwks: { keys: [publicJwk, weakJwk] } }, 'jwks.keys.1'],
    ['web', { authMethod: 'private_key_jwt', jwksUri: 'http://localhost/jwks' }, 'jwksUri'],
    ['web', { jwks: { keys: [publicJwk] } }, 'jwks'],
    // Grants
    ['spa', { grantTypes: ['authorization_code', 'client_credentials'] }, 'grantTypes'],
    ['spa', { grantTypes: [DEVICE_CODE], redirectUris: [] }, 'grantTypes'],
    ['native', { grantTypes: ['client_credentials'], redirectUris: [], scopes: [] }, 'grantTypes'],
    ['machine', { grantTypes: ['authorization_code'], redirectUris: ['https://a.example/'] }, 'grantTypes'],
    ['web', { grantTypes: [], redirectUris: [], scopes: [] }, 'grantTypes'],
    ['web', { grantTypes: ['refresh_token'], redirectUris: [], scopes: [] }, 'grantTypes'],
    ['web', { grantTypes: ['authorization_code', 'authorization_code'] }, 'grantTypes'],
    // Scopes
    ['web', { scopes: [] }, 'scopes'],
    ['machine', { scopes: ['openid'] }, 'scopes'],
    ['web', { grantTypes: ['authorization_code'], scopes: ['openid', 'offline_access'] }, 'scopes'],
    [
      'web',
      {
        apis: [
          { audience: 'urn:a:b', permissions: [] },
          { audience: 'urn:a:b', permissions: ['*'] },
        ],
      },
      'apis',
    ],
    // Redirects
    ['web', { redirectUris: [] }, 'redirectUris'],
    ['machine', { redirectUris: ['https://a.example/'] }, 'redirectUris'],
    ['web', { redirectUris: ['https://a.example/', 'https://a.example/'] }, 'redirectUris'],
    ['web', { redirectUris: ['https://a.example/', 'http://a.example/'] }, 'redirectUris.1'],
    ['web', { redirectUris: ['com.example.app:/callback'] }, 'redirectUris.0'],
    ['spa', { redirectUris: ['https://*.example/'] }, 'redirectUris.0'],
    ['native', { redirectUris: ['myapp:/callback'] }, 'redirectUris.0'],
    ['native', { redirectUris: ['javascript:alert(1)'] }, 'redirectUris.0'],
    ['web', { postLogoutRedirectUris: ['https://a.example/#x'] }, 'postLogoutRedirectUris.0'],
    ['machine', { postLogoutRedirectUris: ['https://a.example/'] }, 'postLogoutRedirectUris'],
    // Subjects
    ['web', { sectorIdentifierUri: 'https://a.example/sector' }, 'sectorIdentifierUri'],
    ['machine', { subjectType: 'pairwise' }, 'subjectType'],
    [
      'web',
      { subjectType: 'pairwise', redirectUris: ['https://a.example/', 'https://b.example/'] },
      'sectorIdentifierUri',
    ],
    ['native', { subjectType: 'pairwise' }, 'sectorIdentifierUri'],
    [
      'native',
      { subjectType: 'pairwise', grantTypes: [DEVICE_CODE], redirectUris: [], scopes: ['openid'] },
      'subjectType',
    ],
    [
      'web',
      { subjectType: 'pairwise', sectorIdentifierUri: 'http://localhost/sector' },
      'sectorIdentifierUri',
    ],
    // Flags
    ['spa', { pkceExempt: true }, 'pkceExempt'],
    ['machine', { pkceExempt: true }, 'pkceExempt'],
    ['native', { mayIntrospectAny: true }, 'mayIntrospectAny'],
    ['machine', { backchannelLogoutUri: 'https://a.example/' }, 'backchannelLogoutUri'],
    ['web', { backchannelLogoutSessionRequired: true }, 'backchannelLogoutSessionRequired'],
    ['machine', { requirePar: true }, 'requirePar'],
    ['web', { defaultMaxAgeSeconds: 300, scopes: ['email'] }, 'defaultMaxAgeSeconds'],
    ['web', { refreshIdleSeconds: 100, refreshAbsoluteSeconds: 99 }, 'refreshIdleSeconds'],
  ])('refuses a %s client with %j', (kind, change, field) => {
    expect(Object.keys(registrationProblems(registered(kind, change)))).toContain(field);
  });
});

describe('allowedOrigins', () => {
  const redirectUris = ['https://a.example/x', 'http://localhost:5173/', 'https://a.example/y'];
  const corsOrigins = ['https://b.example'];

  it('are those that a page app is redirected to, and those named', () => {
    expect(allowedOrigins(registered('spa', { redirectUris, corsOrigins }))).toEqual([
      'https://a.example',
      'http://localhost:5173',
      'https://b.example',
    ]);
  });

  it('are only those named of other kinds', () => {
    expect(allowedOrigins(registered('web', { redirectUris, corsOrigins }))).toEqual(corsOrigins);
  });
});

describe('withDefaults', () => {
  it('does not let an explicit undefined take the place of a default', () => {
    const input: object = { kind: 'web', name: 'Web', firstParty: undefined };
    expect(withDefaults(input as Parameters<typeof withDefaults>[0]).firstParty).toBe(false);
  });
});

describe('engineMetadata', () => {
  const own = { id: 'app' as ClientId, status: 'active', system: false, version: 1 } as const;
  const at = { createdAt: new Date(), updatedAt: new Date() };
  const client = (kind: Kind, change: Change = {}): Client => ({
    ...own,
    ...at,
    ...registered(kind, change),
  });

  it('has the same text every time, without null and without anything of a secret', () => {
    const text = JSON.stringify(engineMetadata(client('web'), 'marker'));
    expect(JSON.stringify(engineMetadata(client('web'), 'marker'))).toBe(text);
    expect(text).not.toContain('null');
    expect(engineMetadata(client('web'), 'marker').client_secret).toBe('marker');
    expect(engineMetadata(client('spa'), 'marker')).not.toHaveProperty('client_secret');
  });

  it('tells the engine what a machine may not do', () => {
    expect(engineMetadata(client('machine'), 'marker')).toMatchObject({
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    });
    expect(engineMetadata(client('machine'), 'marker')).not.toHaveProperty('scope');
  });

  it('calls only native clients native, for their loopback ports', () => {
    expect(engineMetadata(client('native'), 'marker').application_type).toBe('native');
    expect(engineMetadata(client('spa'), 'marker').application_type).toBe('web');
  });
});
