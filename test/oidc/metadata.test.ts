// What the server says about itself: both metadata documents, everywhere they are looked for, and that they are true.
import { get } from 'node:http';
import { describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';

const gatehouse = useGatehouse();

async function metadata(path: string) {
  const response = await fetch(`${gatehouse.issuer}${path}`);
  const document: Record<string, unknown> = JSON.parse(await response.text());
  return { response, document };
}

/** The document with the port of this run taken out. */
function portable(document: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(document).replaceAll(gatehouse.issuer, 'https://issuer.example'));
}

describe('metadata', () => {
  it('says the same as ever in the OpenID provider document', async () => {
    const { document } = await metadata('/.well-known/openid-configuration');

    expect(portable(document)).toMatchSnapshot();
  });

  it('says the same as ever in the authorization server document', async () => {
    const { document } = await metadata('/.well-known/oauth-authorization-server');

    expect(portable(document)).toMatchSnapshot();
  });

  it('names this issuer in both documents, byte for byte', async () => {
    const documents = await Promise.all([
      metadata('/.well-known/openid-configuration'),
      metadata('/.well-known/oauth-authorization-server'),
    ]);

    expect(documents.map(({ document }) => document.issuer)).toEqual([gatehouse.issuer, gatehouse.issuer]);
  });

  it('may be read by any page of any origin', async () => {
    const { response } = await metadata('/.well-known/openid-configuration');

    expect(response.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('may be kept for five minutes, and the keys for half of the time a new one is published ahead', async () => {
    const kept = async (path: string) => (await metadata(path)).response.headers.get('cache-control');

    expect(await kept('/.well-known/openid-configuration')).toBe('public, max-age=300');
    expect(await kept('/.well-known/oauth-authorization-server')).toBe('public, max-age=300');
    expect(await kept('/jwks')).toBe('public, max-age=150');
  });

  it('lists only endpoints that answer', async () => {
    const { document } = await metadata('/.well-known/openid-configuration');
    const endpoints = Object.entries(document).filter(([name]) => /_endpoint$|^jwks_uri$/.test(name));
    const statuses = await Promise.all(
      endpoints.map(async ([name, url]) => {
        const method = /token|introspection|revocation|pushed|device/.test(name) ? 'POST' : 'GET';
        const { status } = await fetch(String(url), { method, redirect: 'manual' });
        return [name, status] as const;
      }),
    );

    expect(Object.fromEntries(statuses)).toEqual({
      authorization_endpoint: 400,
      device_authorization_endpoint: 400,
      end_session_endpoint: 200,
      introspection_endpoint: 400,
      jwks_uri: 200,
      pushed_authorization_request_endpoint: 400,
      revocation_endpoint: 400,
      token_endpoint: 400,
      userinfo_endpoint: 401,
    });
  });

  it.each(['/register', '/reg', '/session/end', '/auth', '/token/introspection', '/request', '/backchannel'])(
    'has nothing unlisted at %s',
    async (path) => {
      const response = await fetch(`${gatehouse.issuer}${path}`, { method: 'POST' });

      expect([404, 405]).toContain(response.status);
    },
  );

  it('publishes keys without their private parts', async () => {
    const { document } = await metadata('/jwks');
    const keys = document.keys as Record<string, unknown>[];

    expect(keys.map((key) => key.alg).sort()).toEqual(['ES256', 'ES256', 'RS256', 'RS256']);
    for (const key of keys) expect(key).not.toHaveProperty('d');
  });

  it('lets verifiers keep the keys for a while', async () => {
    const { response } = await metadata('/jwks');

    expect(response.headers.get('content-type')).toContain('application/jwk-set+json');
  });
});

describe('a request under another name', () => {
  it('learns the endpoints of the issuer all the same', async () => {
    const { port } = new URL(gatehouse.issuer);
    const answer = await new Promise<string>((resolve, reject) => {
      const options = {
        port,
        host: '127.0.0.1',
        path: '/.well-known/openid-configuration',
        headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
      };
      get(options, (response) => {
        response.setEncoding('utf8');
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });

    expect(JSON.parse(answer)).toMatchObject({
      issuer: gatehouse.issuer,
      token_endpoint: `${gatehouse.issuer}/token`,
    });
  });
});
