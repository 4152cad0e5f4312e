// What works once: codes, refresh tokens, pushed requests, DPoP proofs, device codes; used at both nodes at one moment.
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { basic, type RelyingParty } from '../flows/relying-party.ts';
import type { Browser } from '../support/browser.ts';
import { page, type Scene, signInTo } from './load.ts';
import { Problem } from './record.ts';
import type { Once } from './truth.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

type Maker = (scene: Scene) => Promise<Omit<Once, 'successes'>>;

export const makers: Readonly<Record<string, Maker>> = {
  async code(scene) {
    const { landed, begun } = await signInTo(scene, scene.cast.nextVictim());
    const { app } = scene.cast;
    const fields = {
      grant_type: 'authorization_code',
      code: new URL(landed.url).searchParams.get('code') ?? '',
      redirect_uri: app.client.redirectUris[0] ?? '',
      code_verifier: begun.verifier,
    };
    return { kind: 'code', use: (node) => token(scene, node, app, fields) };
  },

  async refreshToken(scene) {
    const { landed, begun } = await signInTo(scene, scene.cast.nextVictim());
    const { app } = scene.cast;
    const tokens = await scene.recorder.attempt('code', () => app.finish(landed.url, begun));
    const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
    return { kind: 'refresh token', use: (node) => token(scene, node, app, fields) };
  },

  async pushedRequest(scene) {
    // Signed in already, so that one request at one node is all it takes.
    const { browser } = await signInTo(scene, scene.cast.nextVictim());
    const { app } = scene.cast;
    const { url } = await app.begin();
    const pushed = await scene.recorder.attempt('par', () =>
      oauth.buildAuthorizationUrlWithPAR(app.config, new URL(url).searchParams),
    );
    return { kind: 'pushed request', use: (node) => authorize(scene, node, pushed.search, browser) };
  },

  async dpopProof(scene) {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const claims = { htm: 'POST', htu: `${scene.world.issuer}/token`, jti: randomUUID() };
    const proof = await new SignJWT({ ...claims, iat: Math.floor(Date.now() / 1000) })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
      .sign(privateKey);
    const fields = { grant_type: 'client_credentials' };
    return {
      kind: 'DPoP proof',
      use: (node) => token(scene, node, scene.cast.dpop, fields, { dpop: proof }),
    };
  },

  async deviceCode(scene) {
    const { browser } = await signInTo(scene, scene.cast.nextVictim());
    const { device } = scene.cast;
    const begun = await scene.recorder.attempt('device', () =>
      oauth.initiateDeviceAuthorization(device.config, { scope: 'openid' }),
    );
    const { user_code, device_code } = begun;
    const input = await page(scene, 'device', () => browser.open('/device'));
    const confirm = await page(scene, 'device', () => browser.submit(input, { user_code }, '/device'));
    await page(scene, 'device', () => browser.submit(confirm, { confirm: 'yes' }, '/device'));
    const fields = { grant_type: DEVICE_CODE, device_code, client_id: device.client.id };
    return { kind: 'device code', use: (node) => token(scene, node, device, fields) };
  },
};

export const makeOnce = async (scene: Scene, name: string): Promise<Once | undefined> => {
  const maker = makers[name];
  if (!maker) return undefined;
  const made = { ...(await maker(scene)), successes: 0 };
  scene.truth.onces.push(made);
  return made;
};

/** Twice at each node, at the same moment. What is not answered counts as no success: nobody has heard of it. */
export async function useEverywhere(once: Once): Promise<void> {
  const uses = await Promise.all([0, 1, 0, 1].map((node) => once.use(node).catch(() => false)));
  once.successes += uses.filter(Boolean).length;
}

/** One kind after the other; of each one that is used at both nodes now, and one that is used once and sent again later. */
export async function useOneOfEach(scene: Scene): Promise<void> {
  for (const name of Object.keys(makers)) {
    const raced = await makeOnce(scene, name).catch(() => undefined);
    if (raced) await useEverywhere(raced);
    const kept = await makeOnce(scene, name).catch(() => undefined);
    if (kept && (await kept.use(Math.round(Math.random())).catch(() => false))) kept.successes += 1;
  }
}

async function token(
  { world }: Scene,
  node: number,
  party: RelyingParty,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<boolean> {
  const authentication = party.secret === '' ? {} : basic(party.client, party.secret);
  const response = await fetch(`${originOf(world.nodes, node)}/token`, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { ...authentication, ...headers },
    signal: AbortSignal.timeout(15_000),
  });
  const body = await response.text();
  if (response.status >= 500) throw new Problem(response.status, response.headers, body);
  return response.status === 200;
}

async function authorize({ world }: Scene, node: number, query: string, browser: Browser): Promise<boolean> {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const response = await fetch(`${originOf(world.nodes, node)}/authorize${query}`, {
    headers: { ...browser.headers, cookie },
    redirect: 'manual',
    signal: AbortSignal.timeout(15_000),
  });
  await response.body?.cancel();
  return new URL(response.headers.get('location') ?? '/', world.issuer).searchParams.has('code');
}

function originOf(nodes: Scene['world']['nodes'], node: number): string {
  return nodes[node === 0 ? 0 : 1].origin;
}
