// An issuer of tokens whose keys, answers and mistakes are up to the test: what no right server would sign or say.
import { createServer, type Server } from 'node:http';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll } from 'vitest';
import type { GuardRequest } from '../../src/guard/guard.ts';

export const audience = 'https://notes.example.com/api';

export interface KeyPair {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export interface FakeIssuer {
  readonly url: string;
  readonly key: KeyPair;
  /** What it publishes. */
  keys: KeyPair[];
  mode: 'right' | 'broken' | 'hanging';
  /** How often the key set was asked for. */
  asked: number;
  /** A right token for the API, with these claims and header instead of the right ones; undefined leaves one out. */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>, key?: KeyPair): Promise<string>;
}

export async function newKey(kid: string, alg = 'ES256'): Promise<KeyPair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Call it at the top of a file or `describe`. */
export function useIssuer(): () => FakeIssuer {
  const running: { issuer?: FakeIssuer; server?: Server } = {};
  beforeAll(async () => {
    const key = await newKey('one');
    const server = createServer((req, res) => {
      const { url, mode } = issuer;
      if (mode === 'hanging') return;
      if (mode === 'broken') {
        res.writeHead(500).end();
        return;
      }
      if (req.url === '/jwks') issuer.asked += 1;
      const isMetadata = req.url === '/.well-known/oauth-authorization-server';
      const body = isMetadata
        ? { issuer: url, jwks_uri: `${url}/jwks` }
        : { keys: issuer.keys.map(({ jwk }) => jwk) };
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const issuer: FakeIssuer = {
      url: `http://127.0.0.1:${port}`,
      key,
      keys: [key],
      mode: 'right',
      asked: 0,
      sign(claims = {}, header = {}, by = key) {
        const seconds = Math.floor(Date.now() / 1000);
        const right = {
          iss: issuer.url,
          aud: audience,
          sub: 'somebody',
          client_id: 'an-app',
          jti: crypto.randomUUID(),
          scope: 'notes:read',
          iat: seconds,
          exp: seconds + 300,
        };
        return new SignJWT({ ...right, ...claims })
          .setProtectedHeader({ typ: 'at+jwt', alg: by.alg, kid: by.kid, ...header })
          .sign(by.privateKey);
      },
    };
    Object.assign(running, { issuer, server });
  });
  afterAll(() => {
    running.server?.closeAllConnections();
    running.server?.close();
  });
  return () => {
    if (running.issuer === undefined) throw new Error('the issuer runs only while tests run');
    return running.issuer;
  };
}

/** A request as a framework would hand it over. */
export function asking(
  headers: Record<string, string>,
  more: Partial<Omit<GuardRequest, 'header'>> = {},
): GuardRequest {
  const { method = 'GET', url = 'https://notes.example.com/notes', ...rest } = more;
  return { method, url, header: (name) => headers[name], ...rest };
}

export const bearer = (token: string) => asking({ authorization: `Bearer ${token}` });
