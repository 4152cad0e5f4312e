// Every endpoint with every hostile value: never a failure of ours, never our insides, always a request id.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Log } from '../../src/platform/telemetry/log.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson } from '../support/people.ts';
import {
  brokenEncodings,
  type Endpoint,
  encoded,
  hostileValues,
  pageEndpoints,
  protocolEndpoints,
  send,
  variablePaths,
  wrongWith,
} from './bad-input.ts';

type Found = (fault: string | undefined) => void;

const failures: unknown[] = [];
const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (message, fields) => failures.push([message, fields]),
  error: (message, fields) => failures.push([message, fields]),
};
const gatehouse = useGatehouse({ log });

let endpoints: Endpoint[] = [];

beforeAll(async () => {
  await createPerson(gatehouse.services);
  const { client, secret } = await createClient(gatehouse.services, {
    grantTypes: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    authMethod: 'client_secret_post',
    postLogoutRedirectUris: ['https://app.example.com/bye'],
  });
  endpoints = [
    ...protocolEndpoints({ id: client.id, secret, redirectUri: client.redirectUris[0] ?? '' }),
    ...pageEndpoints,
  ];
});

/** Runs through the items four at a time and answers everything that was found wrong. */
async function each<T>(
  items: readonly T[],
  run: (item: T, found: Found) => Promise<void>,
): Promise<string[]> {
  const wrong: string[] = [];
  const found: Found = (fault) => fault !== undefined && wrong.push(fault);
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item, found);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return wrong;
}

const variedOf = (endpoint: Endpoint) => endpoint.varied ?? Object.keys(endpoint.params);

afterEach(() => {
  expect(failures.splice(0)).toEqual([]);
});

describe('bad input', () => {
  it.each(Object.entries(hostileValues))('%s in any one parameter', async (name, value) => {
    const wrong = await each(endpoints, async (endpoint, found) => {
      for (const param of variedOf(endpoint)) {
        const params = { ...endpoint.params, [param]: value };
        const response = await send(gatehouse.issuer, endpoint, encoded(params));
        found(await wrongWith(response, `${endpoint.method} ${endpoint.path} with ${name} in ${param}`));
      }
    });
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(brokenEncodings))('%s in any one parameter', async (name, text) => {
    const wrong = await each(endpoints, async (endpoint, found) => {
      for (const param of variedOf(endpoint)) {
        const response = await send(gatehouse.issuer, endpoint, encoded(endpoint.params, { [param]: text }));
        found(await wrongWith(response, `${endpoint.method} ${endpoint.path} with ${name} in ${param}`));
      }
    });
    expect(wrong).toEqual([]);
  });

  it('any one parameter given twice, as a list, as an object, or with a hostile name', async () => {
    const wrong = await each(endpoints, async (endpoint, found) => {
      const usual = encoded(endpoint.params);
      const names = variedOf(endpoint);
      const more = [
        ...names.flatMap((name) => [`${name}=again`, `${name}[]=1`, `${name}[a]=1`]),
        ...['__proto__', 'constructor', 'prototype', 'toString', '', '%00', '%ff', '__proto__[admin]'].map(
          (name) => `${name}=1`,
        ),
        'a&'.repeat(2000),
      ];
      for (const pair of more) {
        const response = await send(gatehouse.issuer, endpoint, `${usual}&${pair}`);
        found(await wrongWith(response, `${endpoint.method} ${endpoint.path} with ${pair.slice(0, 60)}`));
      }
    });
    expect(wrong).toEqual([]);
  });

  it('hostile parts of a path', async () => {
    const parts = [
      ...Object.values(hostileValues).map(encodeURIComponent),
      ...Object.values(brokenEncodings),
    ];
    const wrong = await each(parts, async (part, found) => {
      for (const path of variablePaths(part)) {
        const response = await fetch(`${gatehouse.issuer}${path}`, {
          headers: { accept: 'text/html' },
          redirect: 'manual',
        });
        found(await wrongWith(response, path.slice(0, 100)));
      }
    });
    expect(wrong).toEqual([]);
  });

  it('hostile headers', async () => {
    const values = [
      'x'.repeat(8000),
      '%00',
      'Bearer',
      'Bearer ',
      `Bearer ${'a.'.repeat(3000)}`,
      'Basic',
      'Basic ====',
      `Basic ${btoa('a')}`,
      `Basic ${btoa('%zz:%')}`,
      `Basic ${btoa('a\0b:c\0d')}`,
      `Basic ${btoa('\xff\xfe:x')}`,
      'DPoP x',
      'DPoP e30.e30.e30',
      '\xff\xfe',
      `';--`,
      '{}',
      ',,,;;;q=x',
    ];
    const names = [
      'authorization',
      'dpop',
      'cookie',
      'accept',
      'accept-language',
      'accept-encoding',
      'origin',
      'referer',
      'user-agent',
      'x-request-id',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'forwarded',
      'sec-fetch-site',
      'if-none-match',
      'range',
      'content-encoding',
      'content-type',
      'prefer',
    ];
    const some = [
      '/authorize',
      '/token',
      '/userinfo',
      '/introspect',
      '/device',
      '/end-session',
      '/api/v1/me',
      '/',
    ];
    const wrong = await each(names, async (name, found) => {
      for (const value of values) {
        for (const path of some) {
          const endpoint = endpoints.find((one) => one.path === path) ?? { method: 'GET', path, params: {} };
          const response = await send(
            gatehouse.issuer,
            { ...endpoint, headers: { [name]: value } },
            encoded(endpoint.params),
          );
          found(await wrongWith(response, `${path} with ${name}: ${value.slice(0, 40)}`));
        }
      }
    });
    expect(wrong).toEqual([]);
  });
});
