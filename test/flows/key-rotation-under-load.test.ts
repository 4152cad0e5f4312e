// Signing keys are rotated twice while two processes are busy: no request fails, and every token verifies at every verifier.
import { setTimeout as delay } from 'node:timers/promises';
import { createRemoteJWKSet, decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useCluster } from '../support/cluster.ts';
import { createApi, createPerson, signInAt } from '../support/people.ts';
import { basic, post, type RelyingParty, relyingParty } from './relying-party.ts';

// Everything that takes minutes in life takes seconds here, in the same order: verifiers look again sooner than a new key
// signs. In life a key is published for five minutes; jose looks again after 30 seconds, at the latest after ten minutes.
const PUBLISH_SECONDS = 3;
const MACHINES = 3;
const PEOPLE = 3;
/** Between two requests of one caller: busy, and not a measurement of how slow this machine is. */
const PAUSE_MILLISECONDS = 10;

const cluster = useCluster({
  size: 2,
  settings: { SIGNING_KEY_PUBLISH_DELAY_SECONDS: String(PUBLISH_SECONDS) },
});

interface Seen {
  readonly tokens: string[];
  readonly failures: string[];
  requests: number;
}

it('rotates under load, on two processes, without one failed request', { timeout: 60_000 }, async () => {
  const { audience } = await createApi(cluster.services);
  await delay(1_200);
  const apis = [{ audience, permissions: ['*'] }];
  const machine = await relyingParty(cluster, { kind: 'machine', apis });
  const app = await relyingParty(cluster, { firstParty: true, apis });
  const seen: Seen = { tokens: [], failures: [], requests: 0 };
  const verifiers = cluster.origins.flatMap((origin) => verifiersAt(origin));
  const load = { over: false };

  const people = await Promise.all(Array.from({ length: PEOPLE }, () => person(app, audience, seen)));
  const callers = [
    ...Array.from({ length: MACHINES }, () => (origin: () => string) => machineToken(machine, origin, seen)),
    ...people,
  ];
  const busy = callers.map((call, turn) => {
    const origin = originOf(turn);
    return repeat(load, seen, verifiers, () => call(origin));
  });
  await delay(1_500);
  const followed: number[] = [];
  const kids: string[] = [];
  for (const _rotation of [1, 2]) {
    const kid = await rotate(machine, kids);
    followed.push(kid.milliseconds);
    kids.push(kid.kid);
    // A further rotation is refused until the next key was published for this long; --force would not wait.
    await delay(PUBLISH_SECONDS * 1000);
  }
  load.over = true;
  await Promise.all(busy);

  expect(seen.failures).toEqual([]);
  expect(seen.requests).toBeGreaterThan(100);
  const fresh = createRemoteJWKSet(new URL(`${cluster.issuer}/jwks`));
  for (const token of seen.tokens) await jwtVerify(token, fresh, { issuer: cluster.issuer });
  const signers = new Set(seen.tokens.map((token) => decodeProtectedHeader(token).kid));
  // ES256 for the API, RS256 for ID tokens: each signed with its first key and with two later ones.
  expect(signers.size).toBe(6);
  for (const milliseconds of followed) expect(milliseconds).toBeLessThan(2_000);
});

/** Two kinds of verifiers: one looks again when it meets an unknown key, one only when its copy is old. */
function verifiersAt(origin: string): JWTVerifyGetKey[] {
  const url = new URL(`${origin}/jwks`);
  return [
    createRemoteJWKSet(url, { cacheMaxAge: Number.POSITIVE_INFINITY, cooldownDuration: 500 }),
    createRemoteJWKSet(url, { cacheMaxAge: 1_500, cooldownDuration: Number.POSITIVE_INFINITY }),
  ];
}

async function repeat(
  load: { readonly over: boolean },
  seen: Seen,
  verifiers: readonly JWTVerifyGetKey[],
  request: () => Promise<string[]>,
): Promise<void> {
  while (!load.over) {
    await delay(PAUSE_MILLISECONDS);
    try {
      for (const token of await request()) {
        seen.tokens.push(token);
        for (const keys of verifiers) await jwtVerify(token, keys, { issuer: cluster.issuer });
      }
    } catch (error) {
      seen.failures.push(String(error));
    }
  }
}

async function machineToken(machine: RelyingParty, origin: () => string, seen: Seen): Promise<string[]> {
  seen.requests += 1;
  const fields = { grant_type: 'client_credentials' };
  const answer = await post(`${origin()}/token`, fields, basic(machine.client, machine.secret));
  if (answer.status !== 200) throw new Error(`token: ${answer.status} ${JSON.stringify(answer.body)}`);
  return [String(answer.body.access_token)];
}

/** Somebody who is signed in once and then visits the app again and again; answers an ID and an access token each time. */
async function person(app: RelyingParty, audience: string, seen: Seen) {
  const browser = createBrowser(cluster.issuer);
  await signInAt((await app.begin()).url, await createPerson(cluster.services), browser);
  const [redirect_uri = ''] = app.client.redirectUris;

  return async (origin: () => string): Promise<string[]> => {
    seen.requests += 2;
    const begun = await app.begin({ scope: 'openid notes:read', resource: audience });
    const landed = await browser.open(begun.url);
    const code = new URL(landed.url).searchParams.get('code');
    if (!code) throw new Error(`authorize: ${landed.status} ${landed.url}`);
    const fields = { grant_type: 'authorization_code', redirect_uri, code, code_verifier: begun.verifier };
    const answer = await post(
      `${origin()}/token`,
      { ...fields, resource: audience },
      basic(app.client, app.secret),
    );
    if (answer.status !== 200) throw new Error(`code: ${answer.status} ${JSON.stringify(answer.body)}`);
    return [String(answer.body.id_token), String(answer.body.access_token)];
  };
}

function originOf(start: number): () => string {
  let turn = start;
  return () => cluster.origins[turn++ % cluster.origins.length] ?? cluster.issuer;
}

/** Rotates as an operator does, and waits until every process signs with the new key. */
async function rotate(machine: RelyingParty, before: readonly string[]) {
  const listed = await cluster.command('signing-keys', 'rotate', '--force');
  const began = Date.now();
  // What `--json` prints is the list of keys.
  const keys = listed as { kid: string; algorithm: string; state: string }[];
  const kid = keys.find((key) => key.algorithm === 'ES256' && key.state === 'current')?.kid ?? '';
  expect(before).not.toContain(kid);
  const ignored: Seen = { tokens: [], failures: [], requests: 0 };
  for (const origin of cluster.origins) {
    const signer = async () => {
      const [token = ''] = await machineToken(machine, () => origin, ignored);
      return decodeProtectedHeader(token).kid;
    };
    while ((await signer()) !== kid && Date.now() - began < 5_000) await delay(25);
  }
  return { kid, milliseconds: Date.now() - began };
}
